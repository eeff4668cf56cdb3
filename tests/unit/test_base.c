/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_base: moments on both clocks, whose time is the test's (--wrap), and
 * their parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/lpp_clock.h"
#include "base/lpp_base.h"

#define SECOND APR_USEC_PER_SEC
#define YEAR (365 * 86400 * APR_INT64_C(1000000))

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
/* Not hidden: libraries of APR's refer to it by this name, too. */
__attribute__((visibility("default"))) apr_time_t __wrap_apr_time_now(void);

static apr_time_t monotonic, date;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    assert_int_equal(clock, CLOCK_MONOTONIC);
    now->tv_sec = (time_t)apr_time_sec(monotonic);
    now->tv_nsec = (long)apr_time_usec(monotonic) * 1000;
    return 0;
}

apr_time_t __wrap_apr_time_now(void)
{
    return date;
}

static void pass_time(apr_interval_time_t us)
{
    monotonic += us;
    date += us;
}

static void a_moment_is_found_on_the_other_clock(void **state)
{
    apr_time_t wall;

    (void)state;
    monotonic = 1000 * SECOND;
    date = 50 * YEAR;
    /* not known how long the clock has been so */
    assert_int_equal(lpp_moment_us(date - SECOND), monotonic);
    wall = date;
    pass_time(20 * SECOND); /* a client that sends its headers slowly */
    assert_int_equal(lpp_moment_us(wall), 1000 * SECOND);
    assert_int_equal(lpp_moment_us(date), monotonic);
    assert_int_equal(lpp_moment_us(date + SECOND), monotonic);
}

static void no_step_of_the_clock_is_in_a_duration(void **state)
{
    static const apr_interval_time_t steps[] = {
        -3600 * SECOND, 3600 * SECOND, -40 * YEAR, 80 * YEAR,
        -SECOND / 2,    SECOND / 2,    SECOND / 10};
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(steps); i++) {
        apr_time_t first, second, begin;

        pass_time(100 * SECOND);
        lpp_moment_us(date);
        begin = monotonic;
        first = date;
        pass_time(SECOND);
        second = date;
        pass_time(SECOND);
        date += steps[i];
        pass_time(SECOND);
        /* whoever asks first, and whoever asks when the step is known */
        assert_in_range(lpp_moment_us(first), begin, monotonic);
        assert_in_range(lpp_moment_us(second), begin, monotonic);
        first = date;
        pass_time(SECOND);
        assert_int_equal(lpp_moment_us(first), monotonic - SECOND);
    }
}

static const char *parts_of(apr_time_t time, int local)
{
    static char text[60];
    apr_time_exp_t at;

    lpp_time_parts(&at, time, local);
    apr_snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d.%06d",
                 at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour,
                 at.tm_min, at.tm_sec, at.tm_usec);
    return text;
}

static void any_moment_has_a_date_of_four_digits(void **state)
{
    static const struct {
        apr_time_t time;
        const char *parts;
    } cases[] = {
        {0, "1970-01-01 00:00:00.000000"},
        {1, "1970-01-01 00:00:00.000001"},
        {-1, "1969-12-31 23:59:59.999999"},
        {-SECOND, "1969-12-31 23:59:59.000000"},
        {APR_TIME_C(1700000000123456), "2023-11-14 22:13:20.123456"},
        {APR_TIME_C(-12219292800000000), "1582-10-15 00:00:00.000000"},
        {APR_TIME_C(253402300799999999), "9999-12-31 23:59:59.999999"},
        {APR_TIME_C(253402300800000000), "9999-12-31 23:59:59.000000"},
        {APR_INT64_MAX, "9999-12-31 23:59:59.775807"},
        {APR_INT64_MIN, "0001-01-01 00:00:00.224192"},
    };
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(cases); i++) {
        assert_string_equal(parts_of(cases[i].time, 0), cases[i].parts);
        assert_int_equal(strlen(parts_of(cases[i].time, 1)),
                         strlen(cases[i].parts));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_found_on_the_other_clock),
        cmocka_unit_test(no_step_of_the_clock_is_in_a_duration),
        cmocka_unit_test(any_moment_has_a_date_of_four_digits),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("base", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
