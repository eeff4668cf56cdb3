/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: that is too slow for its waits */
/* lpp_interp_lua: page functions of a real Lua, at 10 kHz. LPP_STRESS_MS: how
 * long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/lpp_clock.h"
#include "guarded_loads.h"
#include "lua_world.h"

/* The stress: a timer asks for samples at 10 kHz; each edge and call line is
 * compared with the text of the script. */
static const char stress_page[] = "tests/http/site/lua/pagecode_stress.lua";
static char stress_text[20000];

#define EDGES 4096 /* a power of two; there are far fewer that differ */

static struct {
    apr_uint32_t caller, line, callee; /* lines of definition, and the call */
    unsigned seen;
} edges[EDGES];
static unsigned edge_count, samples, cut_samples, whole;

static void add_edge(apr_uint32_t caller, apr_uint32_t line,
                     apr_uint32_t callee)
{
    unsigned at = (line * 31 + caller * 7 + callee) % EDGES;

    while (edges[at].seen > 0
           && (edges[at].caller != caller || edges[at].line != line
               || edges[at].callee != callee)) {
        at = (at + 1) % EDGES;
    }
    edges[at].caller = caller;
    edges[at].line = line;
    edges[at].callee = callee;
    edges[at].seen++;
    edge_count++;
}

static void on_sample(int number, siginfo_t *info, void *data)
{
    static const int order[LPP_REGS] = {
        REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
        REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        REG_RIP
    };
    const greg_t *gregs = ((ucontext_t *)data)->uc_mcontext.gregs;
    apr_uint64_t regs[LPP_REGS];
    int saved = errno;
    unsigned i;

    (void)number;
    (void)info;
    for (i = 0; i < LPP_REGS; i++) {
        regs[i] = (apr_uint64_t)gregs[order[i]];
    }
    lua_read(regs);
    samples++;
    cut_samples += (lua_walk.flags & LPP_PAGE_CUT) != 0;
    whole += lua_walk.count > 0
             && lua_record(lua_frames[lua_walk.count - 1])->line == 0;
    for (i = 1; i < lua_walk.count; i++) {
        if (lua_record(lua_frames[i])->file.len == 8
            || LPP_INTERP_LINE(lua_frames[i]) == 0) {
            continue; /* "[string]": what calls run(); in a tail call */
        }
        add_edge(lua_record(lua_frames[i])->line,
                 LPP_INTERP_LINE(lua_frames[i]),
                 lua_record(lua_frames[i - 1])->line);
    }
    errno = saved;
}

/* The text of a line of the script. */
static const char *line_text(unsigned line, char *to, size_t room)
{
    const char *at = stress_text;

    for (; line > 1 && at != NULL; line--) {
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    assert_non_null(at);
    snprintf(to, room, "%.*s", (int)strcspn(at, "\n"), at);
    return to;
}

/* A line says which functions may run below it: "-- a b", by the names that
 * follow "--: " in the lines of their definitions. */
static int is_legal(unsigned line, unsigned callee)
{
    char text[256], name[64], *list, *at;

    line_text(callee, text, sizeof(text));
    at = strstr(text, "--: ");
    if (at == NULL || sscanf(at, "--: %60s", name) != 1) {
        return 0;
    }
    line_text(line, text, sizeof(text));
    list = strstr(text, "-- ");
    for (at = list == NULL ? NULL : strtok(list + 3, " "); at != NULL;
         at = strtok(NULL, " ")) {
        if (strcmp(at, name) == 0) {
            return 1;
        }
    }
    return 0;
}

static int asked_ms = 2000;
static apr_int64_t stress_end;

static int stress_on(lua_State *state)
{
    static void (*pushboolean)(lua_State *, int);

    if (pushboolean == NULL) {
        lua_look_up(&pushboolean, "lua_pushboolean");
    }
    pushboolean(state, lpp_clock_ns(CLOCK_MONOTONIC) < stress_end);
    return 1;
}

static void test_stress(void **state)
{
    lua_State *page = lua_new_state();
    struct sigaction action, before;
    struct sigevent event;
    struct itimerspec interval = { { 0, 100000 }, { 0, 100000 } };
    unsigned i, illegal = 0;
    timer_t timer;
    FILE *page_file = fopen(stress_page, "r");

    (void)state;
    assert_non_null(page_file);
    assert_true(fread(stress_text, 1, sizeof(stress_text) - 1, page_file) > 0);
    fclose(page_file);
    if (getenv("LPP_STRESS_MS") != NULL) {
        asked_ms = atoi(getenv("LPP_STRESS_MS"));
    }
    lpp_interp_seen_reset(lua_seen);
    lua_api.pushcclosure(page, stress_on, 0);
    lua_api.setglobal(page, "on");
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_sample;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(SIGUSR1, &action, &before);
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGUSR1;
    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    lua_run(page, stress_text, "@/x.lua");
    stress_end = lpp_clock_ns(CLOCK_MONOTONIC)
        + (apr_int64_t)asked_ms * 1000000;
    lpp_interp_lua_enter(page, "/x.lua");
    assert_int_equal(timer_settime(timer, 0, &interval, NULL), 0);
    do {
        lua_run(page, "run(on)", "=run");
    } while (lpp_clock_ns(CLOCK_MONOTONIC) < stress_end);
    timer_delete(timer);
    lpp_interp_lua_leave(page);
    sigaction(SIGUSR1, &before, NULL);
    lua_api.close(page);
    for (i = 0; i < EDGES; i++) {
        if (edges[i].seen > 0 && !is_legal(edges[i].line, edges[i].callee)) {
            char text[256];

            illegal += edges[i].seen;
            print_message("illegal: %u at line %u (%s) calls %u\n",
                          edges[i].caller, edges[i].line,
                          line_text(edges[i].line, text, sizeof(text)),
                          edges[i].callee);
        }
    }
    print_message("%u samples, %u with all functions, %u cut, %u edges, %u "
                  "illegal\n", samples, whole, cut_samples, edge_count,
                  illegal);
    assert_true(samples > 100);
    assert_true(edge_count > samples);
    assert_true(illegal <= edge_count / 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stress)
    };

    return cmocka_run_group_tests(tests, lua_setup, lua_teardown);
}
