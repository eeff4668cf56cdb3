/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: a load that faults in a handler ends the process */
/*
 * lpp_interp_walk: when page functions are read and when not; and a reader, in
 * the handler of a signal, whose chain of frames breaks everywhere while another
 * thread changes it.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lpp_clock.h"
#include "interp/lpp_interp_internal.h"
#include "sampling/lpp_crash_internal.h"

/* A language without a reader: what decides whether one is called runs. */
#define NO_READER (1u << 7)

static apr_pool_t *pool;
static lpp_interp_t *interp;
static lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
static lpp_snapshot_t snapshot;

static int set_up(void **state)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    snapshot.page_frames = frames;
    return lpp_interp_create(&interp, NULL, NULL, pool) != APR_SUCCESS;
}

static int tear_down(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

/* What a walk with that context says. */
static unsigned flags_of(const ucontext_t *context)
{
    snapshot.page_count = 77;
    lpp_interp_walk(interp, &snapshot, context);
    assert_int_equal(snapshot.page_count, 0);
    return snapshot.page_flags;
}

static void a_context(ucontext_t *context)
{
    memset(context, 0, sizeof(*context));
    sigemptyset(&context->uc_sigmask);
    context->uc_stack.ss_flags = SS_DISABLE;
}

static void nothing_is_read_where_no_fault_could_be_rescued(void **state)
{
    ucontext_t context;

    a_context(&context);
    atomic_store(&interp->languages, NO_READER);
    assert_int_equal(flags_of(&context), LPP_PAGE_REFUSED); /* not allowed */
    lpp_interp_allow(interp, 1);
    atomic_store(&interp->allowed_ns, lpp_clock_ns(CLOCK_MONOTONIC)
                                          + INT64_C(60000000000));
    assert_int_equal(flags_of(&context), 0);
    sigaddset(&context.uc_sigmask, SIGSEGV);
    assert_int_equal(flags_of(&context), LPP_PAGE_REFUSED);
    a_context(&context);
    sigaddset(&context.uc_sigmask, SIGBUS);
    assert_int_equal(flags_of(&context), LPP_PAGE_REFUSED);
    a_context(&context);
    sigaddset(&context.uc_sigmask, SIGFPE);
    assert_int_equal(flags_of(&context), 0);
    lpp_interp_allow(interp, 0);
    assert_int_equal(flags_of(&context), LPP_PAGE_REFUSED);
    atomic_store(&interp->allowed_ns, lpp_clock_ns(CLOCK_MONOTONIC)
                                          - LPP_INTERP_LATE_NS - 1);
    assert_int_equal(flags_of(&context), LPP_PAGE_LATE);
    atomic_store(&interp->languages, 0);
    assert_int_equal(flags_of(&context), 0);
}

static void a_small_alternate_stack_is_left_alone(void **state)
{
    static char stack[65536];
    ucontext_t context;

    a_context(&context);
    atomic_store(&interp->languages, NO_READER);
    atomic_store(&interp->allowed_ns, lpp_clock_ns(CLOCK_MONOTONIC)
                                          + INT64_C(60000000000));
    context.uc_stack.ss_flags = 0;
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = interp->stack_bytes - 1;
    assert_int_equal(flags_of(&context), LPP_PAGE_REFUSED);
    context.uc_stack.ss_size = interp->stack_bytes;
    assert_int_equal(flags_of(&context), 0);
    /* The interrupted code runs on it. */
    context.uc_stack.ss_size = sizeof(stack);
    snapshot.regs[LPP_REG_SP] = (apr_uint64_t)(uintptr_t)stack + 60000;
    assert_int_equal(flags_of(&context), LPP_PAGE_REFUSED);
    snapshot.regs[LPP_REG_SP] = (apr_uint64_t)(uintptr_t)stack + 65536;
    assert_int_equal(flags_of(&context), 0);
    atomic_store(&interp->languages, 0);
}

static void the_calling_thread_needs_open_signals(void **state)
{
    sigset_t mask;

    sigemptyset(&mask);
    atomic_store(&interp->languages, NO_READER);
    lpp_interp_read(interp, &snapshot, &mask);
    assert_int_equal(snapshot.page_flags, 0);
    sigaddset(&mask, SIGBUS);
    lpp_interp_read(interp, &snapshot, &mask);
    assert_int_equal(snapshot.page_flags, LPP_PAGE_REFUSED);
    atomic_store(&interp->languages, 0);
    lpp_interp_read(interp, &snapshot, &mask);
    assert_int_equal(snapshot.page_flags, 0);
    lpp_interp_read(NULL, &snapshot, &mask);
    assert_int_equal(snapshot.page_count, 0);
}

static void a_profile_that_reads_nothing_says_so(void **state)
{
    lpp_page_statistics_t statistics;

    lpp_interp_begin(interp, 0, 1);
    lpp_interp_statistics(interp, &statistics);
    assert_string_equal(statistics.unread, "");
    lpp_interp_refuse(interp);
    lpp_interp_statistics(interp, &statistics);
    assert_non_null(strstr(statistics.unread, "SIGSEGV or SIGBUS"));
    assert_int_equal(lpp_interp_languages(interp), 0);
    lpp_interp_begin(interp, 0, 1);
    lpp_interp_statistics(interp, &statistics);
    assert_string_equal(statistics.unread, "");
}

static void samples_are_counted_by_their_flags(void **state)
{
    static const unsigned flags[] = {
        0, LPP_PAGE_CUT, LPP_PAGE_LATE, LPP_PAGE_LATE, LPP_PAGE_REFUSED,
        LPP_PAGE_AMBIGUOUS | LPP_PAGE_CUT
    };
    lpp_page_statistics_t statistics;
    unsigned i;

    lpp_interp_begin(interp, 0, 1);
    for (i = 0; i < LPP_COUNT(flags); i++) {
        snapshot.page_flags = flags[i];
        snapshot.page_count = i < 2;
        lpp_interp_count(interp, &snapshot);
    }
    lpp_interp_statistics(interp, &statistics);
    assert_int_equal(statistics.samples, 2);
    assert_int_equal(statistics.cut, 2);
    assert_int_equal(statistics.late, 2);
    assert_int_equal(statistics.refused, 1);
    assert_int_equal(statistics.ambiguous, 1);
}

/* -- an interpreter whose memory breaks */

#define SIGNALS 10000
#define NODES 400

/* Its frame. */
typedef struct node_t {
    apr_uint64_t next, function, name, name_len, width;
} node_t;

static node_t nodes[NODES];
static unsigned char *holes; /* a page that can be read, and three that cannot:
                                no access, past the end of a file, unmapped */
static apr_size_t page_bytes;
static apr_uint64_t root; /* of the chain; changed at any time */
static lpp_interp_seen_t *seen;
static struct {
    apr_uint64_t chains, frames, cut, records, longest;
} walked;

/* The reader, as those of the languages are. */
static void read_chain(lpp_interp_walk_t *walk)
{
    apr_uint64_t at = lpp_peek_word((apr_uint64_t)(uintptr_t)&root);
    node_t node;

    while (at != 0 && !lpp_interp_full(walk)) {
        apr_uint64_t key[4] = { 0, 0, 0, 0 };
        lpp_interp_record_t *record;

        if (!lpp_peek(&node, at, sizeof(node) / 8)) {
            walk->flags |= LPP_PAGE_CUT;
            return;
        }
        key[0] = node.function;
        key[1] = lpp_peek_word(node.function);
        record = lpp_interp_add(walk, LPP_LANGUAGE_LUA, 0, node.width, key);
        if (record != NULL) {
            lpp_interp_copy(walk, &record->name, node.name, node.name_len,
                            LPP_INTERP_NAME_MAX, (int)(node.width & 1));
            lpp_interp_copy_wide(walk, &record->scope, node.name,
                                 node.name_len, 1u << node.width % 3,
                                 LPP_INTERP_SCOPE_MAX);
            walked.records++;
        }
        at = node.next;
    }
}

static void handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    lpp_interp_walk_t walk = { NULL, seen, frames, 0, 0,
                               LPP_INTERP_STEPS_MAX };

    read_chain(&walk);
    walked.chains++;
    walked.frames += walk.count;
    walked.cut += (walk.flags & LPP_PAGE_CUT) != 0;
    if (walk.count > walked.longest) {
        walked.longest = walk.count;
    }
    errno = saved;
}

static apr_uint64_t random_of(apr_uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Any address: mostly of a node, sometimes of anything else. */
static apr_uint64_t any_address(apr_uint64_t *state)
{
    apr_uint64_t hole = (apr_uint64_t)(uintptr_t)holes;
    apr_uint64_t value = random_of(state);

    switch (value >> 32 & 63) {
    case 0: return 0;
    case 1: return value;                              /* anywhere */
    case 2: return value & UINT64_C(0x7fffffffffff);   /* in this process */
    case 3: return hole + page_bytes - 8;              /* over an edge */
    case 4: return hole + page_bytes + 8;
    case 5: return hole + 2 * page_bytes;
    case 6: return hole + 3 * page_bytes;
    case 7: return UINT64_C(0x800000000000) + (value & 4095);
    default:
        return (apr_uint64_t)(uintptr_t)&nodes[value % NODES]
            + ((value >> 40 & 31) == 0 ? value >> 48 & 15 : 0);
    }
}

static atomic_int over;

/* Another thread of the interpreter, which changes everything all the time. */
static void *change(void *unused)
{
    apr_uint64_t state = 88172645463325252;

    while (!atomic_load(&over)) {
        node_t *node = &nodes[random_of(&state) % NODES];

        *(volatile apr_uint64_t *)&node->next = any_address(&state);
        *(volatile apr_uint64_t *)&node->function = any_address(&state);
        *(volatile apr_uint64_t *)&node->name = any_address(&state);
        *(volatile apr_uint64_t *)&node->name_len =
            random_of(&state) >> (random_of(&state) & 63);
        *(volatile apr_uint64_t *)&node->width = random_of(&state) & 0xffffff;
        *(volatile apr_uint64_t *)&root = any_address(&state);
    }
    return NULL;
}

/* What the interrupted code computes, in registers of all kinds. */
static apr_uint64_t compute(void)
{
    unsigned char text[256], copy[256];
    apr_uint64_t state = 1, sum = 0;
    double real = 1;
    int i;

    for (i = 0; i < 256; i++) {
        text[i] = (unsigned char)random_of(&state);
        real = real * 1.0000001 + i;
    }
    memcpy(copy, text, sizeof(copy));
    memmove(copy + 1, copy, sizeof(copy) - 1);
    for (i = 0; i < 256; i++) {
        sum = sum * 31 + copy[i];
    }
    return sum + (apr_uint64_t)real;
}

/* Interrupted by its own signals, and by those of a timer at any place. */
static void serve_request(void)
{
    apr_uint64_t right = compute();
    unsigned i;

    for (i = 0; i < SIGNALS; i++) {
        errno = EXDEV;
        assert_int_equal(raise(SIGRTMIN + 3), 0);
        assert_true(compute() == right);
        assert_int_equal(errno, EXDEV);
    }
}

static void make_holes(void)
{
    FILE *file = tmpfile();

    page_bytes = (apr_size_t)sysconf(_SC_PAGESIZE);
    holes = mmap(NULL, 4 * page_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(holes != MAP_FAILED && file != NULL);
    memset(holes, 0xa5, page_bytes);
    assert_int_equal(mprotect(holes + page_bytes, page_bytes, PROT_NONE), 0);
    assert_true(mmap(holes + 2 * page_bytes, page_bytes, PROT_READ,
                     MAP_SHARED | MAP_FIXED, fileno(file), 0) != MAP_FAILED);
    assert_int_equal(munmap(holes + 3 * page_bytes, page_bytes), 0);
    fclose(file);
}

static void broken_chains_do_no_harm(void **state)
{
    struct sigaction action;
    struct sigevent event;
    struct itimerspec every = { { 0, 300000 }, { 0, 300000 } };
    pthread_t changer;
    timer_t timer;
    apr_uint64_t before;

    make_holes();
    assert_int_equal(lpp_interp_seen_create(&seen, pool), APR_SUCCESS);
    lpp_interp_seen_reset(seen);
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    sigdelset(&action.sa_mask, SIGBUS);
    assert_int_equal(sigaction(SIGRTMIN + 3, &action, NULL), 0);
    lpp_crash_arm(NULL, 0);
    before = lpp_peek_faults();
    assert_int_equal(pthread_create(&changer, NULL, change, NULL), 0);
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN + 3;
    event._sigev_un._tid = (int)syscall(SYS_gettid);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &every, NULL), 0);
    serve_request();
    timer_delete(timer);
    atomic_store(&over, 1);
    pthread_join(changer, NULL);
    lpp_crash_disarm();
    signal(SIGRTMIN + 3, SIG_IGN);
    print_message("%lu chains, %lu frames, longest %lu, %lu cut, %lu "
                  "functions, %lu faults\n", (unsigned long)walked.chains,
                  (unsigned long)walked.frames, (unsigned long)walked.longest,
                  (unsigned long)walked.cut, (unsigned long)walked.records,
                  (unsigned long)(lpp_peek_faults() - before));
    assert_true(walked.chains >= SIGNALS);
    assert_true(walked.longest <= LPP_SNAPSHOT_PAGE_FRAMES);
    assert_true(walked.frames > SIGNALS / 2 && walked.cut > SIGNALS / 20);
    assert_true(lpp_peek_faults() - before > SIGNALS / 20);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_read_where_no_fault_could_be_rescued),
        cmocka_unit_test(a_small_alternate_stack_is_left_alone),
        cmocka_unit_test(the_calling_thread_needs_open_signals),
        cmocka_unit_test(a_profile_that_reads_nothing_says_so),
        cmocka_unit_test(samples_are_counted_by_their_flags),
        cmocka_unit_test(broken_chains_do_no_harm),
    };

    return !LPP_PEEK_AVAILABLE ? 0
        : cmocka_run_group_tests(tests, set_up, tear_down);
}
