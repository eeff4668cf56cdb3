/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* lpp_cost: a profiler that is too dear lowers its rate, step by step,
 * and ends the profile at last. How dear it is, is made up here: the helper's
 * own clock is told to run faster. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "sampling/lpp_session.h"
#include "restart_trial.h"

/* 0: true; else the helper's CPU time counts so many times by a hundred. */
static atomic_int percent;
static pthread_t request_thread;

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = __real_clock_gettime(clock, now);
    int times = atomic_load(&percent);

    if (clock == CLOCK_THREAD_CPUTIME_ID && times > 0
        && !pthread_equal(pthread_self(), request_thread)) {
        long long ns = (now->tv_sec * 1000000000ll + now->tv_nsec)
            * times / 100;

        now->tv_sec = (time_t)(ns / 1000000000);
        now->tv_nsec = (long)(ns % 1000000000);
    }
    return rc;
}

static apr_pool_t *pool;
static lpp_sampler_t *sampler;
static lpp_gate_t *gate;

static int set_up(void **state)
{
    lpp_sampler_options_t options;
    apr_global_mutex_t *mutex;

    apr_initialize();
    assert_true(try_restarts());
    apr_pool_create(&pool, NULL);
    request_thread = pthread_self();
    memset(&options, 0, sizeof(options));
    assert_int_equal(apr_global_mutex_create(&mutex, NULL,
                                             APR_LOCK_PROC_PTHREAD, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&gate, mutex, pool), APR_SUCCESS);
    assert_int_equal(lpp_gate_child_init(gate, pool), APR_SUCCESS);
    assert_int_equal(lpp_maps_create(&options.maps, pool), APR_SUCCESS);
    options.gate = gate;
    options.unwind_kind = LPP_UNWIND_AUTO;
    assert_int_equal(lpp_sampler_create(&sampler, &options, pool),
                     APR_SUCCESS);
    return 0;
}

static int tear_down(void **state)
{
    atomic_store(&percent, 0);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static lpp_session_t *start(void)
{
    static const char *const roots[] = { NULL };
    lpp_session_options_t options;
    apr_interval_time_t waited;
    lpp_session_t *session;
    apr_status_t status;

    memset(&options, 0, sizeof(options));
    apr_cpystrn(options.owner.id, "OOPS-00000000000000000000000000000001",
                sizeof(options.owner.id));
    options.rate_hz = 200;
    options.stacks = 1;
    options.max_waiting = 8;
    options.lock_timeout_us = 10000000;
    options.max_time_us = 60000000;
    assert_int_equal(lpp_session_start(sampler, &options, roots, &session,
                                       &waited, &status, pool),
                     LPP_START_RUNNING);
    return session;
}

/* Compute until the session was ended, or for so much CPU time. */
static void compute(const lpp_session_t *session, long long ns)
{
    struct timespec now;
    long long end = 0;
    volatile unsigned turns;

    do {
        for (turns = 0; turns < 50000; turns++) {
        }
        __real_clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        end = end ? end : now.tv_sec * 1000000000ll + now.tv_nsec + ns;
    } while (!lpp_session_cut_short(session)
             && now.tv_sec * 1000000000ll + now.tv_nsec < end);
}

static void it_halves_its_rate_and_ends_the_profile_at_last(void **state)
{
    lpp_session_t *session;
    lpp_gate_totals_t totals;
    lpp_profile_t *profile;

    atomic_store(&percent, 10000000);
    session = start();
    compute(session, 10000000000ll);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_SELF);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_SELF);
    assert_int_equal(lpp_session_profile(session, &profile, 5000000, pool),
                     APR_SUCCESS);
    assert_int_equal(profile->statistics.cut_short, LPP_STOP_SELF);
    assert_int_equal(profile->statistics.asked_hz, 200);
    assert_int_equal(profile->statistics.lowered_hz, 25);
    assert_int_equal(lpp_session_lowered_hz(session), 25);
    /* 200, 100, 50, 25 Hz for 100 ms of CPU time each. */
    assert_true(profile->total.cpu_ns >= 400000000u);
    lpp_session_close(session);
    lpp_gate_get_totals(gate, &totals);
    assert_int_equal(totals.stood_down, 1);
}

static apr_uint32_t lowered_of_a_cheap_one(void)
{
    lpp_session_t *session = start();
    lpp_profile_t *profile;

    compute(session, 300000000);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_NOT);
    assert_int_equal(lpp_session_profile(session, &profile, 5000000, pool),
                     APR_SUCCESS);
    lpp_session_close(session);
    return profile->statistics.lowered_hz;
}

/* A pause of the machine within a tick makes that tick dear, truly; and beside
 * other programs all ticks are: they count a tenth. */
static void it_goes_on_where_it_is_cheap(void **state)
{
    int i;

    atomic_store(&percent, 10);
    for (i = 0; i < 5 && lowered_of_a_cheap_one() != 0; i++) {
    }
    assert_true(i < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            it_halves_its_rate_and_ends_the_profile_at_last, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(it_goes_on_where_it_is_cheap, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
