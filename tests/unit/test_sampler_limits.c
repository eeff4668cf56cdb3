/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* test: under tsan: it is about threads */
/*
 * test_sampler_limits: what ends a profile before its request ends: its longest
 * time, a slow client, the end of the child.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampling/lpp_sampler_internal.h"
#include "sampler_world.h"

static void *stop_soon(void *baton)
{
    usleep(100000);
    lpp_sampler_stop(baton);
    return NULL;
}

static void the_childs_end_cuts_and_lets_waiters_go(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots), *second;
    apr_interval_time_t waited;
    pthread_t stopper, waiter;
    lpp_profile_t *profile;
    apr_status_t status;
    apr_uint64_t spun;
    other_t other;

    make_other(&other, world);
    pthread_create(&waiter, NULL, profile_elsewhere, &other);
    pthread_create(&stopper, NULL, stop_soon, world->sampler);
    spun = spin_until_cut(session);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_CHILD);
    pthread_join(waiter, NULL);
    assert_int_equal(other.how, LPP_START_STOPPING);
    apr_pool_destroy(other.pool);
    profile = final_profile(world, session);
    assert_true(profile->total.wall_ns >= 80 * MS);
    assert_true(spun < 390 * MS);
    assert_int_equal(profile->statistics.cut_short, LPP_STOP_CHILD);
    lpp_session_close(session);
    pthread_join(stopper, NULL);
    assert_int_equal(lpp_session_start(world->sampler, &options, no_roots,
                                       &second, &waited, &status, world->pool),
                     LPP_START_STOPPING);
    assert_null(second);
}

typedef struct interrupted_t {
    world_t *world;
    lpp_session_t *session;
    pthread_t thread; /* the session's */
    pthread_cond_t done;
    atomic_int ended; /* the handler has closed the session */
} interrupted_t;

static interrupted_t interrupted;

static void end_in_a_handler(int number)
{
    int before = errno;

    lpp_sampler_stop(interrupted.world->sampler);
    lpp_session_close(interrupted.session);
    atomic_store(&interrupted.ended, 1);
    errno = before;
}

/* A helper task: interrupt the session's thread while it waits for its task,
 * which is when it has queued that and released the mutex. */
static void interrupt_who_waits(void *baton)
{
    lpp_helper_t *helper = &interrupted.world->sampler->helper;
    int queued = 0;

    while (!queued) {
        usleep(1000);
        pthread_mutex_lock(&helper->mutex);
        queued = helper->tasks != NULL;
        if (queued) {
            pthread_kill(interrupted.thread, SIGUSR2);
        }
        pthread_mutex_unlock(&helper->mutex);
    }
}

static void *occupy_helper(void *baton)
{
    lpp_helper_t *helper = &interrupted.world->sampler->helper;
    lpp_helper_task_t task = { interrupt_who_waits, NULL, &interrupted.done,
                               0, NULL };
    apr_status_t status;

    pthread_mutex_lock(&helper->mutex);
    status = lpp_helper_perform(helper, &task,
                                (int64_t)now_ns(CLOCK_MONOTONIC) + 20000 * MS);
    pthread_mutex_unlock(&helper->mutex);
    return (void *)(intptr_t)status;
}

/* Seen: a prefork child that SIGTERM interrupted while it waited for the
 * helper waited for itself, until httpd killed it. */
static void a_wait_for_the_helper_does_not_keep_the_child_from_ending(
    void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    struct sigaction action, old;
    pthread_t occupier;
    lpp_pc_t frames[64];
    unsigned count;
    void *status;

    memset(&action, 0, sizeof(action));
    action.sa_handler = end_in_a_handler;
    sigaction(SIGUSR2, &action, &old);
    interrupted.world = world;
    interrupted.session = start(world, &options, no_roots);
    interrupted.thread = pthread_self();
    assert_int_equal(lpp_helper_cond_init(&world->sampler->helper,
                                          &interrupted.done), 0);
    pthread_create(&occupier, NULL, occupy_helper, NULL);
    alarm(120);
    while (!atomic_load(&interrupted.ended)) {
        (void)!lpp_session_stack(interrupted.session, frames,
                                 LPP_COUNT(frames), &count);
    }
    alarm(0);
    pthread_join(occupier, &status);
    assert_null(status);
    pthread_cond_destroy(&interrupted.done);
    sigaction(SIGUSR2, &old, NULL);
}

/* A session that is cut after 100 ms, before its stop. */
static lpp_session_t *cut_at_100_ms(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = NULL;
    lpp_profile_t *profile;
    int i;

    options.max_time_us = 100000;
    for (i = 0; i < MEASUREMENTS; i++) {
        session = start(world, &options, no_roots);
        spin_until_cut(session);
        assert_int_equal(lpp_session_cut_short(session), LPP_STOP_MAX_TIME);
        profile = final_profile(world, session);
        tell("cut at 100 ms", profile);
        assert_true(profile->total.wall_ns >= 100 * MS);
        assert_int_equal(profile->statistics.cut_short, LPP_STOP_MAX_TIME);
        if (profile->total.wall_ns <= 125 * MS) {
            break;
        }
        lpp_session_close(session);
    }
    assert_true(i < MEASUREMENTS);
    return session;
}

static void too_long_a_profile_is_cut_and_frees_the_gate(void **state)
{
    world_t *world = *state;
    lpp_session_t *session = cut_at_100_ms(world);
    int number = lpp_sampler_signal(world->sampler);
    pthread_t thread;
    sigset_t mask;
    other_t other;

    /* Another thread's turn while this one still has its mask changed. */
    make_other(&other, world);
    pthread_create(&thread, NULL, profile_elsewhere, &other);
    while (!atomic_load(&other.answered)) {
        usleep(1000);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, number)); /* as it was */
    pthread_join(thread, NULL);
    assert_int_equal(other.how, LPP_START_RUNNING);
    assert_true(other.samples > 5);
    apr_pool_destroy(other.pool);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_MAX_TIME);
    lpp_session_close(session);
}

static void a_slow_client_ends_the_profile(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    apr_uint64_t began, took = 0;
    int i;

    options.max_client_wait_us = 100000;
    for (i = 0; i < MEASUREMENTS; i++) {
        session = start(world, &options, no_roots);
        began = now_ns(CLOCK_MONOTONIC);
        lpp_session_client_enter(session);
        lpp_session_client_enter(session);
        usleep(60000);
        lpp_session_client_leave(session);
        lpp_session_client_leave(session);
        took = now_ns(CLOCK_MONOTONIC) - began;
        if (took < 100 * MS) {
            break;
        }
        lpp_session_close(session); /* that was too slow, truly */
    }
    assert_true(i < MEASUREMENTS);
    test_spin(100 * MS);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_NOT);
    lpp_session_client_enter(session);
    for (i = 0; i < 10000 && !lpp_session_cut_short(session); i++) {
        usleep(1000);
    }
    lpp_session_client_leave(session);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_CLIENT);
    lpp_session_close(session);
}

/* Each call is short; the sum counts. */
static void a_client_that_trickles_ends_the_profile(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    int calls;

    options.max_client_wait_us = 100000;
    session = start(world, &options, no_roots);
    for (calls = 0; calls < 200 && !lpp_session_cut_short(session); calls++) {
        lpp_session_client_enter(session);
        usleep(10000);
        lpp_session_client_leave(session);
        usleep(1000); /* the helper looks between two calls, too */
    }
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_CLIENT);
    lpp_session_close(session);
}

/* A filter that encrypts is not a client that is slow: what is cut has done
 * nothing for that long (on a busy machine, it waited for a processor). */
static void what_computes_is_not_blocked_on_the_client(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    apr_uint64_t until, began, idle;

    options.max_client_wait_us = 300000;
    session = start(world, &options, no_roots);
    began = now_ns(CLOCK_MONOTONIC);
    until = now_ns(CLOCK_THREAD_CPUTIME_ID) + 400 * MS;
    idle = began - (until - 400 * MS);
    lpp_session_client_enter(session);
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until
           && !lpp_session_cut_short(session)) {
        test_spin(MS);
    }
    idle = now_ns(CLOCK_MONOTONIC) - now_ns(CLOCK_THREAD_CPUTIME_ID) - idle;
    assert_true(!lpp_session_cut_short(session) || idle >= 290 * MS);
    lpp_session_client_leave(session);
    lpp_session_close(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_childs_end_cuts_and_lets_waiters_go),
        CASE(a_wait_for_the_helper_does_not_keep_the_child_from_ending),
        CASE(too_long_a_profile_is_cut_and_frees_the_gate),
        CASE(a_slow_client_ends_the_profile),
        CASE(a_client_that_trickles_ends_the_profile),
        CASE(what_computes_is_not_blocked_on_the_client),
    };
    int failed;

    if (!open_sampler_world()) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_sampler_world();
    return failed;
}
