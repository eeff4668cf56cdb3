/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it restarts nanosleep itself, so no trial passes */
/* test: long: it mostly sleeps */
/*
 * The same blocking calls as in test_blocked.c, with a C library that makes
 * them as glibc 2.41 does: the place of a call's number is learned, and they
 * are restarted; and with one that hides it: no blocked thread is signalled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_general.h>

#include "blocked_tests.h"
#include "blocking_calls.h"
#include "blocking_io.h"
#include "restart_trial.h"
#include "sampling/lpp_signal.h"
#if defined(__x86_64__)
#include "cancel_calls.h"

/* Both places were learned: where a process has one thread, or a thread is not
 * to be cancelled, the calls are made elsewhere. */
static void the_other_place_is_known_too(void **state)
{
    static outcome_t known[CALLS];
    size_t i;

    (void)state;
    cancel_shape = CANCEL_DIRECT;
    for (i = 0; i < CALLS; i++) {
        if (calls[i].call == call_nanosleep || calls[i].call == call_poll
            || calls[i].call == call_recv_with_timeout
            || calls[i].call == call_long_write) {
            compare(calls[i].name, calls[i].call, &known[i]);
        }
    }
    cancel_shape = CANCEL_AS_LIBC;
}

/* A library that the trial does not see through: from the first time on, no
 * thread is hit, since one that runs may be about to block. */
static void where_the_trial_fails_no_thread_is_hit(void **state)
{
    lpp_signal_trial_t failed;
    lpp_profile_t *profile;
    outcome_t outcome;
    int i;

    (void)state;
    cancel_shape = CANCEL_HIDDEN;
    assert_int_equal(lpp_signal_trial_run(&failed), APR_EGENERAL);
    assert_int_equal(failed.passed, 0);
    assert_string_equal(failed.failed, "nanosleep");
    assert_int_equal(lpp_signal_trial_adopt(&failed), 0);
    assert_int_equal(lpp_signal_allowed(1), 0);
    for (i = 0; i < 20; i++) {
        apr_pool_create(&pool, root);
        outcome = run_profiled(i % 2 ? call_poll : call_nanosleep, &profile);
        assert_int_equal(outcome.result, 0);
        assert_true(outcome.took_ns >= WAIT_NS - 1000000);
        assert_int_equal(profile->statistics.repaired_calls, 0);
        assert_int_equal(profile->statistics.signals, 0);
        assert_int_equal(profile->statistics.blocked_ns, 0);
        assert_int_equal(lpp_signal_unrepaired(), 0);
        apr_pool_destroy(pool);
    }
    cancel_shape = CANCEL_AS_LIBC;
    assert_true(try_restarts());
}

/* What was found belongs to the library that was tried. */
static void of_another_library_nothing_is_adopted(void **state)
{
    lpp_signal_trial_t other = trial;

    (void)state;
    other.library_sum++;
    assert_int_equal(lpp_signal_trial_adopt(&other), 0);
    assert_int_equal(lpp_signal_allowed(1), 0);
    assert_int_equal(lpp_signal_trial_adopt(&trial), 1);
    assert_int_equal(lpp_signal_allowed(1), 1);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking_calls_do_not_notice),
        cmocka_unit_test(nor_where_signals_are_needed),
        cmocka_unit_test(a_thousand_signals_break_no_call),
#if defined(__x86_64__)
        cmocka_unit_test(the_other_place_is_known_too),
        cmocka_unit_test(where_the_trial_fails_no_thread_is_hit),
        cmocka_unit_test(of_another_library_nothing_is_adopted),
        cmocka_unit_test(after_one_broken_call_no_blocked_thread_is_hit),
#endif
    };
    int failed;

    apr_initialize();
    if (!try_restarts() || open_blocked_tests() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_blocked_tests();
    return failed;
}
