/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_waits: times, totals, the longest, long episodes, and their ceilings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "names/lpp_pagecode.h"
#include "profile/lpp_waits.h"

#define MS INT64_C(1000000)
#define A LPP_WAIT_PC(1)
#define B LPP_WAIT_PC(2)

static lpp_waits_t waits;

static int empty(void **state)
{
    (void)state;
    lpp_waits_free(&waits);
    return 0;
}

static void an_episode_grows(void **state)
{
    (void)state;
    lpp_waits_begin(&waits, A, "http");
    lpp_waits_last(&waits, A, 100, 100 + 4 * MS);
    lpp_waits_last(&waits, A, 100, 100 + 9 * MS);
    assert_int_equal(waits.count, 1);
    assert_int_equal(waits.rows[0].times, 1);
    assert_int_equal(waits.rows[0].total_ns, 9 * MS);
    assert_int_equal(waits.rows[0].longest_ns, 9 * MS);
    assert_string_equal(waits.rows[0].note, "http");
    assert_int_equal(waits.episode_count, 0); /* too short to be kept */
    lpp_waits_last(&waits, A, 100, 100 + 12 * MS);
    lpp_waits_last(&waits, A, 100, 100 + 20 * MS);
    assert_int_equal(waits.episode_count, 1);
    assert_int_equal(waits.episodes[0].wall_ns, 20 * MS);
    assert_int_equal(waits.episodes[0].start_ns, 100);
    lpp_waits_begin(&waits, A, "");
    lpp_waits_last(&waits, A, 50 * MS, 53 * MS);
    lpp_waits_last(&waits, A, 50 * MS, 49 * MS); /* a clock never does that */
    assert_int_equal(waits.rows[0].times, 2);
    assert_int_equal(waits.rows[0].total_ns, 23 * MS);
    assert_int_equal(waits.rows[0].longest_ns, 20 * MS);
    assert_string_equal(waits.rows[0].note, "http");
}

static void the_heaviest_has_the_largest_total(void **state)
{
    (void)state;
    assert_null(lpp_waits_heaviest(&waits));
    lpp_waits_begin(&waits, A, "");
    lpp_waits_last(&waits, A, 0, 5 * MS);
    lpp_waits_begin(&waits, B, "");
    lpp_waits_last(&waits, B, 10 * MS, 13 * MS);
    lpp_waits_begin(&waits, B, "");
    lpp_waits_last(&waits, B, 20 * MS, 23 * MS);
    assert_int_equal(lpp_waits_heaviest(&waits)->pc, B);
}

static void rows_and_episodes_have_ceilings(void **state)
{
    apr_uint32_t i;

    (void)state;
    for (i = 0; i < LPP_WAITS_MAX + 5; i++) {
        lpp_waits_begin(&waits, LPP_WAIT_PC(i + 1), "");
    }
    assert_int_equal(waits.count, LPP_WAITS_MAX);
    assert_int_equal(waits.more, 5);
    for (i = 0; i < LPP_WAIT_EPISODES_MAX + 7; i++) {
        lpp_waits_last(&waits, A, i * 20 * MS, i * 20 * MS + 15 * MS);
    }
    assert_int_equal(waits.episode_count, LPP_WAIT_EPISODES_MAX);
    assert_int_equal(waits.episodes_more, 7);
}

static void sums_are_those_of_the_parts(void **state)
{
    lpp_waits_t sum;

    (void)state;
    memset(&sum, 0, sizeof(sum));
    lpp_waits_begin(&waits, A, "note");
    lpp_waits_last(&waits, A, 0, 30 * MS);
    lpp_waits_begin(&waits, B, "");
    lpp_waits_last(&waits, B, 40 * MS, 41 * MS);
    lpp_waits_merge(&sum, &waits);
    lpp_waits_merge(&sum, &waits);
    assert_int_equal(sum.count, 2);
    assert_int_equal(sum.rows[0].times, 2);
    assert_int_equal(sum.rows[0].total_ns, 60 * MS);
    assert_int_equal(sum.rows[0].longest_ns, 30 * MS);
    assert_string_equal(sum.rows[0].note, "note");
    assert_int_equal(sum.episode_count, 2);
    lpp_waits_free(&sum);
    assert_int_equal(sum.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_episode_grows, empty),
        cmocka_unit_test_teardown(the_heaviest_has_the_largest_total, empty),
        cmocka_unit_test_teardown(rows_and_episodes_have_ceilings, empty),
        cmocka_unit_test_teardown(sums_are_those_of_the_parts, empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
