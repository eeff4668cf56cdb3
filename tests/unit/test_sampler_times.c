/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* test: under tsan: it is about threads */
/* test: alone: it measures how long things take */
/*
 * test_sampler_times: the wall and CPU time that a profile gives to what ran
 * and to what slept, at every rate.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampler_world.h"

static int measure_spin(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *profile;
    lpp_weight_t spin, all;

    test_spin(300 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("spin 300 ms", profile);
    spin = weight_under(world, profile, SPIN);
    all = weight_of_all(profile);
    /* Some may fall on the way there and back. */
    assert_true((spin.samples + 3) * 100 >= profile->statistics.samples * 97);
    assert_true(all.wall_ns <= profile->total.wall_ns);
    assert_true(all.cpu_ns <= profile->total.cpu_ns);
    assert_true(profile->total.cpu_ns >= 300 * MS);
    assert_int_equal(profile->statistics.broken, 0);
    assert_int_equal(profile->statistics.cut, 0);
    assert_int_equal(profile->statistics.asked_hz, 1000);
    return profile->statistics.samples > 100 && spin.cpu_ns >= 280 * MS;
}

static void a_spinning_thread_is_seen_where_it_spins(void **state)
{
    measure(*state, measure_spin);
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
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("usleep 300 ms", profile);
    print_message("usleep(300 ms) took %.2f ms\n", took / 1e6);
    doze = weight_under(world, profile, DOZE);
    assert_true(took >= 300 * MS);
    assert_true(doze.wall_ns <= profile->total.wall_ns);
    return took < 400 * MS /* not twice */
           && profile->statistics.signals >= !seen_without_signal()
           && profile->statistics.signals <= 5
           && profile->statistics.repaired_calls >= !seen_without_signal()
           && doze.wall_ns >= 200 * MS && doze.cpu_ns < 10 * MS
           && profile->statistics.blocked_ns >= 180 * MS;
}

static void a_sleeping_thread_is_left_alone_and_credited(void **state)
{
    measure(*state, measure_doze);
}

static int measure_doze_and_spin(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_weight_t doze, spin;
    apr_uint64_t asleep = 0, slack;
    lpp_profile_t *profile;
    int i;

    for (i = 0; i < 8; i++) {
        apr_uint64_t began = now_ns(CLOCK_MONOTONIC);

        test_doze(30 * MS);
        asleep += now_ns(CLOCK_MONOTONIC) - began;
        test_spin(20 * MS);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("8 x (30 ms asleep, 20 ms awake)", profile);
    doze = weight_under(world, profile, DOZE);
    spin = weight_under(world, profile, SPIN);
    print_message("asleep %.1f ms (truly %.1f), awake %.1f\n",
                  doze.wall_ns / 1e6, asleep / 1e6, spin.wall_ns / 1e6);
    /* A tick at either end of each wait is either's; late ticks weigh more. */
    slack = 16 * MS + asleep / 10;
    return doze.wall_ns + slack >= asleep && doze.wall_ns <= asleep + slack
           && spin.cpu_ns >= 145 * MS && spin.cpu_ns <= 175 * MS;
}

static void short_and_long_waits_get_their_own_time(void **state)
{
    measure(*state, measure_doze_and_spin);
}

static void samples_may_begin_later(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    const lpp_profile_t *profile;
    lpp_session_t *session;
    sigset_t before, after;
    apr_uint64_t cpu;
    int i;

    options.stacks = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    session = start(world, &options, no_roots);
    test_spin(100 * MS);
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(lpp_session_sample(session, no_roots),
                     LPP_START_RUNNING);
    test_spin(30 * MS);
    spin_until_sampled(session, 11, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (i = 1; i < 65; i++) {
        assert_int_equal(sigismember(&before, i), sigismember(&after, i));
    }
    profile = final_profile(world, session);
    tell("sampled later", profile);
    assert_int_equal(lpp_session_sample(session, no_roots), LPP_START_FAILED);
    lpp_session_close(session);
    assert_true(profile->statistics.samples > 10);
    /* Of what came after alone: CPU time, which no other process adds to. */
    assert_in_range(profile->total.cpu_ns, 50 * MS, cpu);
    assert_true(weight_under(world, profile, SPIN).wall_ns
                <= profile->total.wall_ns);
}

static int measure_sample_held(world_t *world)
{
    lpp_session_options_t options = usual_options();
    const lpp_profile_t *profile;
    lpp_session_t *session;
    lpp_start_e how;

    options.stacks = 0;
    options.max_time_us = 300 * MS / 1000;
    session = start(world, &options, no_roots);
    test_doze(200 * MS);
    how = lpp_session_sample(session, no_roots);
    assert_true(how == LPP_START_RUNNING
                || lpp_session_cut_short(session)); /* it dozed too long */
    spin_until_cut(session);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_MAX_TIME);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("sampled for the rest of 300 ms", profile);
    return how == LPP_START_RUNNING && profile->total.wall_ns < 200 * MS;
}

static void it_is_held_no_longer_than_without_samples(void **state)
{
    measure(*state, measure_sample_held);
}

static int measure_ten_kilohertz(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    lpp_weight_t spin;

    options.rate_hz = 10000;
    session = start(world, &options, no_roots);
    test_spin(200 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("10 kHz, 200 ms", profile);
    spin = weight_under(world, profile, SPIN);
    assert_true((spin.samples + 3) * 100 >= profile->statistics.samples * 97);
    assert_int_equal(profile->statistics.broken, 0);
    return profile->statistics.samples > 500;
}

static void ten_kilohertz_work(void **state)
{
    measure(*state, measure_ten_kilohertz);
}

static int measure_ten_hertz(world_t *world)
{
    lpp_session_options_t options = usual_options();
    apr_uint64_t began, took;
    lpp_session_t *session;
    lpp_profile_t *profile;

    options.rate_hz = 10;
    session = start(world, &options, no_roots);
    test_spin(20 * MS);
    began = now_ns(CLOCK_MONOTONIC);
    test_doze(300 * MS);
    took = now_ns(CLOCK_MONOTONIC) - began;
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("10 Hz", profile);
    print_message("usleep(300 ms) at 10 Hz took %.2f ms\n", took / 1e6);
    assert_true(took >= 300 * MS);
    return took < 312 * MS
           && profile->statistics.repaired_calls >= !seen_without_signal();
}

static void ten_hertz_still_shorten_sleeps_exactly(void **state)
{
    measure(*state, measure_ten_hertz);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_spinning_thread_is_seen_where_it_spins),
        CASE(a_sleeping_thread_is_left_alone_and_credited),
        CASE(short_and_long_waits_get_their_own_time),
        CASE(samples_may_begin_later),
        CASE(it_is_held_no_longer_than_without_samples),
        CASE(ten_kilohertz_work),
        CASE(ten_hertz_still_shorten_sleeps_exactly),
    };
    int failed;

    if (!open_sampler_world()) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_sampler_world();
    return failed;
}
