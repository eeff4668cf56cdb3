/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* test: under tsan: it is about threads */
/*
 * test_sampler: a session from its start to its end: signal, mask, threads,
 * forks, and that nothing is left behind. Times: test_sampler_times.c; stacks:
 * test_sampler_stacks.c; the gate: test_sampler_waiting.c; what ends a session
 * early: test_sampler_limits.c.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampler_world.h"
#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_signal.h"

static void mask_and_action_are_given_back(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    struct sigaction before[65], after;
    sigset_t all, old, mask;
    lpp_session_t *session;
    int i, number;

    for (i = 1; i < 65; i++) {
        memset(&before[i], 0, sizeof(before[i]));
        sigaction(i, NULL, &before[i]);
    }
    sigfillset(&all); /* as httpd's worker threads have it */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    session = start(world, &options, no_roots);
    number = lpp_sampler_signal(world->sampler);
    assert_in_range(number, SIGRTMIN + 2, SIGRTMAX);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, number));
    assert_true(sigismember(&mask, SIGUSR1));
    sigaction(number, NULL, &after);
    assert_true((after.sa_flags & SA_SIGINFO) != 0);
    test_spin(20 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_stop(session, LPP_STOP_NOT); /* idempotent */
    pthread_sigmask(SIG_SETMASK, &old, &mask);
    assert_true(sigismember(&mask, number));
    sigpending(&mask);
    assert_false(sigismember(&mask, number));
    lpp_session_close(session); /* the helper has let go of those of crashes */
    for (i = 1; i < 65; i++) {
        memset(&after, 0, sizeof(after));
        sigaction(i, NULL, &after);
        assert_ptr_equal(after.sa_handler, before[i].sa_handler);
    }
}

static void on_other(int number)
{
    (void)number;
}

static void a_taken_signal_means_no_stacks_but_exact_totals(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    apr_interval_time_t waited;
    lpp_session_t *session;
    lpp_profile_t *profile;
    apr_status_t status;
    int i;

    apr_pool_destroy(world->pchild);
    make_sampler(world, SIGPROF);
    signal(SIGPROF, on_other);
    assert_int_equal(lpp_session_start(world->sampler, &options, no_roots,
                                       &session, &waited, &status,
                                       world->pool), LPP_START_NO_SIGNAL);
    test_spin(60 * MS);
    for (i = 0; i < MEASUREMENTS; i++) {
        test_doze(200 * MS);
        profile = final_profile(world, session);
        if (weight_under(world, profile, DOZE).wall_ns >= 80 * MS) {
            break;
        }
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("no signal", profile);
    assert_ptr_equal(signal(SIGPROF, SIG_DFL), on_other);
    assert_int_equal(profile->statistics.signals, 0);
    assert_true(profile->total.cpu_ns >= 60 * MS);
    if (seen_without_signal()) { /* what is blocked has its stack, though */
        assert_true(weight_under(world, profile, DOZE).wall_ns >= 80 * MS);
    }
    /* The same sampler works once the signal is free. */
    session = start(world, &options, no_roots);
    assert_int_equal(lpp_sampler_signal(world->sampler), SIGPROF);
    spin_until_sampled(session, 6, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_true(final_profile(world, session)->statistics.samples > 5);
    lpp_session_close(session);
}

static void without_stacks_the_gate_is_held_and_nothing_sent(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    lpp_owner_t owner;
    sigset_t before, during;
    int number;

    options.stacks = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    session = start(world, &options, no_roots);
    pthread_sigmask(SIG_SETMASK, NULL, &during);
    for (number = 1; number < 65; number++) {
        assert_int_equal(sigismember(&before, number),
                         sigismember(&during, number));
    }
    lpp_gate_get_owner(world->gate, &owner);
    assert_int_equal(owner.pid, getpid());
    test_spin(20 * MS);
    usleep(20000);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    lpp_gate_get_owner(world->gate, &owner);
    assert_int_equal(owner.pid, 0);
    assert_int_equal(profile->statistics.signals, 0);
    assert_int_equal(profile->count, 1);
    assert_true(profile->total.wall_ns >= 40 * MS);
    assert_true(profile->total.cpu_ns >= 20 * MS);
}

static void a_profile_can_be_had_on_the_way(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *first, *last;
    lpp_weight_t sum;

    test_spin(80 * MS);
    spin_until_sampled(session, 31, world->pool);
    first = final_profile(world, session);
    spin_until_sampled(session, first->statistics.samples + 1, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    last = final_profile(world, session);
    lpp_session_close(session);
    sum = weight_of_all(first);
    assert_true(first->statistics.samples > 30);
    assert_true(sum.wall_ns <= first->total.wall_ns);
    assert_true(first->total.cpu_ns >= 100 * MS);
    assert_true(last->statistics.samples > first->statistics.samples);
    assert_true(last->total.wall_ns > first->total.wall_ns);
}

typedef struct elsewhere_t {
    lpp_session_t *session;
    apr_pool_t *pool;
    apr_uint64_t cpu_ns;
    int done;
} elsewhere_t;

static void *resume_elsewhere(void *baton)
{
    elsewhere_t *elsewhere = baton;
    lpp_session_t *session = elsewhere->session;

    if (lpp_session_resume(session) != APR_SUCCESS) {
        return NULL;
    }
    test_spin(40 * MS);
    spin_until_sampled(session, 31, elsewhere->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    elsewhere->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    elsewhere->done = 1;
    return NULL;
}

static void a_request_goes_on_on_another_thread(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    apr_uint64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    lpp_session_t *session = start(world, &options, no_roots);
    elsewhere_t elsewhere = { session, world->pool, 0, 0 };
    lpp_profile_t *profile;
    pthread_t thread;

    test_spin(20 * MS);
    spin_until_sampled(session, 16, world->pool);
    lpp_session_pause(session);
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    test_spin(100 * MS); /* somebody else's work */
    pthread_create(&thread, NULL, resume_elsewhere, &elsewhere);
    pthread_join(thread, NULL);
    assert_true(elsewhere.done);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("40 ms here, 60 ms there", profile);
    assert_in_range(profile->total.cpu_ns, 100 * MS, cpu + elsewhere.cpu_ns);
    assert_true(profile->total.wall_ns >= 200 * MS);
    assert_true(weight_of_all(profile).cpu_ns <= profile->total.cpu_ns);
    assert_true(profile->statistics.samples > 30);
}

static void *stop_elsewhere(void *baton)
{
    lpp_session_stop(baton, LPP_STOP_NOT);
    lpp_session_close(baton);
    return NULL;
}

static void a_request_may_end_on_another_thread(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    pthread_t thread;
    sigset_t before, after;
    int i;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    sigaddset(&before, SIGRTMAX - 2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (i = 0; i < 2; i++) {
        session = start(world, &options, no_roots);
        test_spin(20 * MS);
        pthread_create(&thread, NULL, stop_elsewhere, session);
        pthread_join(thread, NULL);
    }
    /* Once it is seen again, the thread gets the mask of the beginning. */
    session = start(world, &options, no_roots);
    spin_until_sampled(session, 4, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_true(final_profile(world, session)->statistics.samples > 3);
    lpp_session_close(session);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_true(sigismember(&after, SIGRTMAX - 2));
    sigdelset(&after, SIGRTMAX - 2);
    pthread_sigmask(SIG_SETMASK, &after, NULL);
}

/* A helper is in the process that made it alone; nobody waits for it. */
static void in_a_fork_nothing_starts(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    apr_interval_time_t waited;
    apr_status_t rv;
    int status;
    pid_t pid;

    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    /* As the helper may have it. */
    pthread_mutex_lock(&world->sampler->helper.mutex);
    pid = fork();
    if (pid == 0) {
        alarm(30);
        lpp_sampler_expect(world->sampler);
        _exit(lpp_session_start(world->sampler, &options, no_roots, &session,
                                &waited, &rv, world->pool)
              == LPP_START_FORKED ? 0 : 1);
    }
    pthread_mutex_unlock(&world->sampler->helper.mutex);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void forks_while_sampled_are_not_touched(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    int i, status;

    options.rate_hz = 5000;
    session = start(world, &options, no_roots);
    for (i = 0; i < 30; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            test_spin(2 * MS);
            /* A child of the child: its cleanups do nothing, nothing hangs. */
            lpp_session_close(session);
            apr_pool_destroy(world->pchild);
            if (i % 2) {
                execl("/bin/true", "true", (char *)NULL);
            }
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("30 forks", profile);
    assert_true(profile->statistics.samples > 3);
}

static void a_forgotten_stop_is_made_up_for(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_owner_t owner;

    lpp_session_close(start(world, &options, no_roots));
    lpp_gate_get_owner(world->gate, &owner);
    assert_int_equal(owner.pid, 0);
}

static void starting_and_stopping_are_quick(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    apr_uint64_t start_sum = 0, stop_sum = 0, t0, t1, t2;
    int i, slow_starts = 0, slow_stops = 0;
    lpp_session_t *session;

    lpp_session_close(start(world, &options, no_roots)); /* makes the helper */
    for (i = 0; i < 200; i++) {
        t0 = now_ns(CLOCK_MONOTONIC);
        session = start(world, &options, test_roots);
        t1 = now_ns(CLOCK_MONOTONIC);
        lpp_session_stop(session, LPP_STOP_NOT);
        t2 = now_ns(CLOCK_MONOTONIC);
        start_sum += t1 - t0;
        stop_sum += t2 - t1;
        slow_starts += t1 - t0 >= 5 * MS;
        slow_stops += t2 - t1 >= 1 * MS;
        lpp_session_close(session);
    }
    print_message("start %.1f us, with waiting for the helper; stop %.1f us\n",
                  start_sum / 200e3, stop_sum / 200e3);
    /* Most of them: others may have had the processor meanwhile. */
    assert_true(slow_starts < 100);
    assert_true(slow_stops < 100);
}

/* Announced or not, come or not, while one runs or not: it is a knock. */
static void an_announced_session_starts_as_ever(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    int i;

    lpp_sampler_expect(world->sampler); /* makes the helper */
    usleep(2000);
    for (i = 0; i < 50; i++) {
        lpp_sampler_expect(world->sampler);
        if (i % 2) {
            usleep((useconds_t)i * 10); /* up to where it has gone to sleep */
        }
        session = start(world, &options, no_roots);
        lpp_sampler_expect(world->sampler);
        lpp_session_close(session);
    }
    lpp_sampler_expect(world->sampler); /* and nobody comes */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(mask_and_action_are_given_back),
        CASE(a_taken_signal_means_no_stacks_but_exact_totals),
        CASE(without_stacks_the_gate_is_held_and_nothing_sent),
        CASE(a_profile_can_be_had_on_the_way),
        CASE(a_request_goes_on_on_another_thread),
        CASE(a_request_may_end_on_another_thread),
        CASE(forks_while_sampled_are_not_touched),
        CASE(in_a_fork_nothing_starts),
        CASE(a_forgotten_stop_is_made_up_for),
        CASE(starting_and_stopping_are_quick),
        CASE(an_announced_session_starts_as_ever),
    };
    int failed;

    if (!open_sampler_world()) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_sampler_world();
    return failed;
}
