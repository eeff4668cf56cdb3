/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_interp_python: what it costs to read Python's frames in a sample.
 *
 *   bench_interp_python
 *
 * Runs libpython in this process, interrupts functions at a depth, prints "name
 * value unit" lines, medians over the samples; warm: a loop that computes; cold:
 * one that allocates.
 */
#include <dlfcn.h>
#include <unistd.h>

#include <apr_general.h>

#include "bench_util.h"
#include "interp/lpp_interp_languages_internal.h"

#define SAMPLES 1000
#define PERIOD_NS 1000000

static lpp_interp_python_t python;
static lpp_interp_seen_t *seen;
static lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
static double took[SAMPLES];
static unsigned depth; /* the most frames */
static volatile int taken;

static void rescue(int number, siginfo_t *info, void *context)
{
    if (!lpp_peek_rescue(info, context)) {
        signal(number, SIG_DFL);
    }
}

static void take(int number, siginfo_t *info, void *context)
{
    apr_uint64_t regs[LPP_REGS] = { 0 }, start;
    lpp_interp_walk_t walk = { regs, seen, frames, 0, 0,
                               LPP_INTERP_STEPS_MAX };

    if (taken == SAMPLES) {
        return;
    }
    start = now_ns(CLOCK_MONOTONIC);
    lpp_interp_python_walk(&python, &walk);
    took[taken++] = (double)(now_ns(CLOCK_MONOTONIC) - start);
    depth = walk.count > depth ? walk.count : depth;
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigaction(number, &action, NULL);
}

static void run(const char *text)
{
    int (*simple)(const char *, void *) =
        (int (*)(const char *, void *))dlsym(RTLD_DEFAULT,
                                             "PyRun_SimpleStringFlags");

    if (simple(text, NULL) != 0) {
        exit(1);
    }
}

static void measure(const char *kind, int functions)
{
    char text[400];

    /* The first functions are that of the text, f and work. */
    snprintf(text, sizeof(text),
             "import time\n"
             "def warm():\n"
             "    for i in range(20000): pass\n"
             "def cold():\n"
             "    x = []\n"
             "    for i in range(2000): x.append(bytearray(4000))\n"
             "def f(n, work, end):\n"
             "    if n: return f(n - 1, work, end)\n"
             "    while time.monotonic() < end: work()\n"
             "f(%d, %s, time.monotonic() + 1.5)\n", functions - 3, kind);
    taken = 0;
    depth = 0;
    run(text);
    if (depth != (unsigned)functions) {
        fprintf(stderr, "%u frames, not %d\n", depth, functions);
        exit(1);
    }
    snprintf(text, sizeof(text), "interp.python.%d.%s", functions, kind);
    print(text, median(took, taken), "ns");
}

int main(void)
{
    static const int depths[] = { 10, 50, 200 };
    struct itimerspec period = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
    void *library = dlopen("libpython3.11.so.1.0", RTLD_NOW | RTLD_GLOBAL);
    struct sigevent event;
    lpp_interp_found_t found;
    apr_pool_t *pool;
    timer_t timer;
    unsigned i;

    apr_initialize();
    if (library == NULL) {
        library = dlopen("libpython3.13.so.1.0", RTLD_NOW | RTLD_GLOBAL);
    }
    if (library == NULL) {
        fprintf(stderr, "no libpython\n");
        return 1;
    }
    need(apr_pool_create(&pool, NULL), "pool");
    need(lpp_interp_seen_create(&seen, pool), "table");
    lpp_interp_seen_reset(seen);
    ((void (*)(int))dlsym(library, "Py_InitializeEx"))(0);
    memset(&found, 0, sizeof(found));
    lpp_interp_python_find(&python, &found);
    if (!found.usable) {
        fprintf(stderr, "%s\n", found.why);
        return 1;
    }
    handle(SIGSEGV, rescue);
    handle(SIGBUS, rescue);
    handle(EMPTY_SIGNAL, take);
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_THREAD_ID;
    event._sigev_un._tid = gettid();
    event.sigev_signo = EMPTY_SIGNAL;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &period, NULL);
    for (i = 0; i < LPP_COUNT(depths); i++) {
        measure("warm", depths[i]);
        measure("cold", depths[i]);
    }
    return 0;
}
