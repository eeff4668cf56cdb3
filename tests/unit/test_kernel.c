/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it measures times */
/* test: alone: it measures how long things take */
/*
 * test_kernel: sampling with kernel events: threads that block get no signal,
 * and each block has its time. Where the kernel permits no events, only that
 * the sampler works without them.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "sampler_world.h"
#include "sampling/lpp_kernel_internal.h"
#include "sampling/lpp_signal.h"

#define BLOCKS 10000

static int permitted; /* the kernel permits events here */

/* Descriptors of events that this process has. */
static int count_events(void)
{
    int fd, count = 0;

    for (fd = 0; fd < 1024; fd++) {
        char path[64], target[64] = "";
        ssize_t len;

        apr_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        len = readlink(path, target, sizeof(target) - 1);
        count += len > 0 && strstr(target, "perf_event") != NULL;
    }
    return count;
}

static int is_permitted(void)
{
    apr_pool_t *pool;
    lpp_kernel_t *kernel;
    int permits;

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS
        || lpp_kernel_create(&kernel, pool) != APR_SUCCESS) {
        return 0;
    }
    permits = lpp_kernel_start(kernel, (unsigned)gettid()) == APR_SUCCESS;
    apr_pool_destroy(pool);
    return permits;
}

static void set_up_world(void **state, int open)
{
    world_t *world;

    assert_int_equal(set_up(state), 0);
    world = *state;
    assert_int_equal(lpp_kernel_create(&world->kernel, world->pool),
                     APR_SUCCESS);
    if (open) { /* the helper starts later, and is one of the threads */
        assert_int_equal(lpp_kernel_open(world->kernel), APR_SUCCESS);
        assert_true(lpp_kernel_is_open(world->kernel));
    }
    apr_pool_destroy(world->pchild);
    make_sampler(world, LPP_SIGNAL_AUTO);
}

static int set_up_auto(void **state)
{
    set_up_world(state, 0);
    return 0;
}

static int set_up_on(void **state)
{
    set_up_world(state, 1);
    return 0;
}

static void tell_events(const char *what, const lpp_profile_t *profile)
{
    tell(what, profile);
    print_message("  kernel events %d, blocks %llu, records lost %llu\n",
                  profile->statistics.kernel_events,
                  (unsigned long long)profile->statistics.kernel_blocks,
                  (unsigned long long)profile->statistics.kernel_lost);
}

static lpp_profile_t *stop(world_t *world, lpp_session_t *session)
{
    lpp_profile_t *profile;

    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    return profile;
}

static int measure_doze(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    apr_uint64_t began = now_ns(CLOCK_MONOTONIC), took;
    lpp_profile_t *profile;
    lpp_weight_t doze;

    test_doze(300 * MS);
    took = now_ns(CLOCK_MONOTONIC) - began;
    profile = stop(world, session);
    tell_events("usleep 300 ms", profile);
    assert_int_equal(profile->statistics.kernel_events, 1);
    assert_int_equal(profile->statistics.repaired_calls, 0);
    assert_int_equal(profile->statistics.broken, 0);
    assert_true(profile->statistics.kernel_blocks >= 1);
    doze = weight_under(world, profile, DOZE);
    /* Signals hit the thread only while it runs, before and after. */
    return doze.cpu_ns < 10 * MS && profile->statistics.signals <= 2
        && doze.wall_ns + 2 * MS >= 300 * MS && doze.wall_ns <= took
        && profile->statistics.cut == 0;
}

static void a_sleeper_gets_no_signal(void **state)
{
    measure(*state, measure_doze);
}

static int measure_mixed(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *profile;
    lpp_weight_t doze, spin;
    int i;

    for (i = 0; i < 40; i++) {
        test_spin(5 * MS);
        test_doze(5 * MS);
    }
    profile = stop(world, session);
    tell_events("40 times 5 ms computing, 5 ms asleep", profile);
    assert_true(profile->statistics.kernel_blocks >= 40);
    doze = weight_under(world, profile, DOZE);
    spin = weight_under(world, profile, SPIN);
    print_message("  asleep: %.2f ms wall, %.2f CPU; computing: %.2f wall, "
                  "%.2f CPU\n", doze.wall_ns / 1e6, doze.cpu_ns / 1e6,
                  spin.wall_ns / 1e6, spin.cpu_ns / 1e6);
    assert_true(weight_of_all(profile).wall_ns <= profile->total.wall_ns);
    return doze.wall_ns >= 199 * MS && doze.cpu_ns <= 4 * MS
        && spin.cpu_ns >= 190 * MS;
}

static void computing_and_sleeping_are_told_apart(void **state)
{
    measure(*state, measure_mixed);
}

/* Processes that compute, beside the calling thread on its processor. */
#define LOOPS 3

static void begin_loops(pid_t *loops)
{
    cpu_set_t one;
    int i;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    for (i = 0; i < LOOPS; i++) {
        loops[i] = fork();
        assert_true(loops[i] >= 0);
        if (loops[i] == 0) {
            alarm(60); /* if the test dies */
            for (;;) {
            }
        }
    }
}

static void end_loops(const pid_t *loops, const cpu_set_t *all)
{
    int i;

    for (i = 0; i < LOOPS; i++) {
        kill(loops[i], SIGKILL);
        waitpid(loops[i], NULL, 0);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(*all), all), 0);
}

static double blocked_ms(lpp_weight_t weight)
{
    return ((double)weight.wall_ns - (double)weight.cpu_ns
            - (double)weight.ready_ns) / 1e6;
}

/* It is preempted while it computes; once woken, it waits for a processor. */
static int measure_busy(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    lpp_weight_t doze, spin, total;
    pid_t loops[LOOPS];
    cpu_set_t all;
    int i;

    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    begin_loops(loops);
    session = start(world, &options, no_roots);
    for (i = 0; i < 20; i++) {
        test_spin(5 * MS);
        test_doze(5 * MS);
    }
    profile = stop(world, session);
    end_loops(loops, &all);
    tell_events("20 times 5 ms computing, 5 ms asleep, beside loops", profile);
    doze = weight_under(world, profile, DOZE);
    spin = weight_under(world, profile, SPIN);
    total = profile->total;
    print_message("  ready: %.2f ms in all, %.2f computing, %.2f asleep; "
                  "blocked: %.2f in all, %.2f computing, %.2f asleep\n",
                  total.ready_ns / 1e6, spin.ready_ns / 1e6,
                  doze.ready_ns / 1e6, blocked_ms(total), blocked_ms(spin),
                  blocked_ms(doze));
    assert_int_equal(profile->statistics.ready, LPP_READY_EXACT);
    assert_true(spin.cpu_ns + spin.ready_ns <= spin.wall_ns);
    assert_true(doze.cpu_ns + doze.ready_ns <= doze.wall_ns);
    /* Each sleep is longer than it was asked for, by the timer's slack. */
    return total.ready_ns >= 100 * MS && blocked_ms(doze) >= 99
        && blocked_ms(doze) <= 110 && blocked_ms(spin) <= 5
        && blocked_ms(total) >= 99 && blocked_ms(total) <= 115;
}

static void blocked_and_ready_are_told_apart(void **state)
{
    measure(*state, measure_busy);
}

/* The weight of the heaviest outermost function, and all that it called. */
static apr_uint64_t heaviest_root_ns(const lpp_profile_t *profile)
{
    apr_uint64_t heaviest = 0;
    apr_uint32_t root, i;

    for (root = 1; root < profile->count; root++) {
        apr_uint64_t sum = 0;

        for (i = 1; i < profile->count && profile->nodes[root].parent == 0;
             i++) {
            apr_uint32_t at = i;

            while (at != root && at != 0) {
                at = profile->nodes[at].parent;
            }
            sum += at == root ? profile->nodes[i].self.wall_ns : 0;
        }
        heaviest = sum > heaviest ? sum : heaviest;
    }
    return heaviest;
}

/* Blocks that are over before the helper sees them. */
static int measure_short(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    apr_uint64_t before, asleep = 0;
    lpp_profile_t *profile;
    lpp_weight_t doze;
    int i;

    test_doze(20 * MS); /* its whole stack has the outer frames of the others */
    for (i = 0; i < BLOCKS; i++) {
        before = now_ns(CLOCK_MONOTONIC);
        test_doze(50000);
        asleep += now_ns(CLOCK_MONOTONIC) - before;
    }
    profile = stop(world, session);
    tell_events("10,000 times asleep for 50 us", profile);
    doze = weight_under(world, profile, DOZE);
    print_message("  asleep: %.1f ms by the thread's clock, %.1f in the tree\n",
                  asleep / 1e6, doze.wall_ns / 1e6);
    /* A few are over before the thread has left its processor. */
    assert_true(profile->statistics.kernel_blocks
                + profile->statistics.kernel_lost >= BLOCKS / 10 * 9);
    print_message("  below one function: %.1f ms\n",
                  heaviest_root_ns(profile) / 1e6);
    return profile->statistics.repaired_calls <= BLOCKS / 100
        && heaviest_root_ns(profile) >= asleep / 10 * 8
        && doze.wall_ns >= asleep / 10 * 8;
}

/* They cost more than is allowed: the rate is lowered, and then that of the
 * blocks whose stack is unwound as well. */
static void very_many_short_blocks_end_no_profile(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    apr_uint64_t began = now_ns(CLOCK_THREAD_CPUTIME_ID);
    lpp_profile_t *profile;
    int i;

    test_doze(20 * MS);
    for (i = 0; i < 60000
         && now_ns(CLOCK_THREAD_CPUTIME_ID) - began < 1200 * MS; i++) {
        test_doze(10000);
    }
    profile = stop(world, session);
    tell_events("very often asleep for 10 us", profile);
    print_message("  %d times, rate lowered to %u\n", i,
                  (unsigned)profile->statistics.lowered_hz);
    assert_int_equal(profile->statistics.cut_short, LPP_STOP_NOT);
    assert_true(weight_under(world, profile, DOZE).wall_ns
                >= profile->total.wall_ns / 2);
}

static void many_short_blocks_are_all_told(void **state)
{
    measure(*state, measure_short);
}

static void the_next_profile_has_events_too(void **state)
{
    world_t *world = *state;
    int i;

    for (i = 0; i < 3; i++) {
        lpp_session_options_t options = usual_options();
        lpp_session_t *session = start(world, &options, no_roots);
        lpp_profile_t *profile;

        test_doze(20 * MS);
        profile = stop(world, session);
        assert_int_equal(profile->statistics.kernel_events, 1);
        assert_true(profile->statistics.kernel_blocks >= 1);
    }
    assert_int_equal(count_events(),
                     lpp_kernel_is_open(world->kernel)
                         ? (int)sysconf(_SC_NPROCESSORS_ONLN) : 0);
}

static void a_session_that_goes_on_has_events_again(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *profile;

    test_doze(20 * MS);
    lpp_session_pause(session);
    usleep(20000);
    assert_int_equal(lpp_session_resume(session), APR_SUCCESS);
    test_spin(20 * MS);
    test_doze(20 * MS);
    profile = stop(world, session);
    tell_events("paused and resumed", profile);
    assert_int_equal(profile->statistics.kernel_events, 1);
    /* The second one, if the helper had begun to watch by then. */
    assert_true(profile->statistics.kernel_blocks >= 1);
}

/* While a profile runs: its descriptors are open. */
static void a_forked_process_has_no_descriptor_of_it(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *profile;
    int wait_status;
    pid_t pid;

    assert_true(count_events() > 0);
    pid = fork();
    if (pid == 0) {
        _exit(count_events());
    }
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    assert_int_equal(wait_status, 0);
    test_doze(20 * MS);
    profile = stop(world, session);
    assert_true(profile->statistics.kernel_blocks >= 1);
}

/* A thread that does not exist: what perf_event_open refuses. */
static void where_events_fail_nothing_stays_open(void **state)
{
    world_t *world = *state;

    assert_int_not_equal(lpp_kernel_start(world->kernel, 0x7ffffff0),
                         APR_SUCCESS);
    lpp_kernel_stop(world->kernel);
    assert_int_equal(count_events(), 0);
}

#define CASE_OF(how, function)                                               \
    cmocka_unit_test_setup_teardown(function, set_up_##how, tear_down)

int main(void)
{
    const struct CMUnitTest everywhere[] = {
        CASE_OF(auto, where_events_fail_nothing_stays_open),
    };
    const struct CMUnitTest tests[] = {
        CASE_OF(auto, a_sleeper_gets_no_signal),
        CASE_OF(on, a_sleeper_gets_no_signal),
        CASE_OF(auto, computing_and_sleeping_are_told_apart),
        CASE_OF(on, computing_and_sleeping_are_told_apart),
        CASE_OF(auto, blocked_and_ready_are_told_apart),
        CASE_OF(on, blocked_and_ready_are_told_apart),
        CASE_OF(auto, many_short_blocks_are_all_told),
        CASE_OF(on, many_short_blocks_are_all_told),
        CASE_OF(on, very_many_short_blocks_end_no_profile),
        CASE_OF(auto, the_next_profile_has_events_too),
        CASE_OF(on, the_next_profile_has_events_too),
        CASE_OF(auto, a_session_that_goes_on_has_events_again),
        CASE_OF(on, a_session_that_goes_on_has_events_again),
        CASE_OF(auto, a_forked_process_has_no_descriptor_of_it),
        CASE_OF(on, a_forked_process_has_no_descriptor_of_it),
    };
    int failed;

    if (!open_sampler_world()) {
        return 1;
    }
    permitted = is_permitted();
    failed = cmocka_run_group_tests(everywhere, NULL, NULL);
    if (permitted) {
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    else {
        printf("SKIPPED: the kernel permits no events here "
               "(kernel.perf_event_paranoid, seccomp, privileges)\n");
    }
    close_sampler_world();
    return failed;
}
