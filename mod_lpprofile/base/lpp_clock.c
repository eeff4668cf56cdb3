/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_clock: see lpp_clock.h.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/lpp_clock.h"

#define NS_PER_S APR_INT64_C(1000000000)
#define FIRST_S APR_INT64_C(-62135596800) /* 0001-01-01 00:00:00 UTC */
#define LAST_S APR_INT64_C(253402300799)  /* 9999-12-31 23:59:59 UTC */
#define ZONE_S 86400                      /* no zone is farther from UTC */

/* The two clocks are read one after the other, and the thread may be preempted
 * in between: a difference within this is no step of the wall clock. */
#define BETWEEN_US apr_time_from_msec(50)

/* How far the wall clock is ahead of the monotonic clock, and since which
 * monotonic time; changes only when the wall clock is set. */
static _Atomic apr_int64_t ahead_us, ahead_since_us;

apr_int64_t lpp_clock_ns(clockid_t clock)
{
    struct timespec now;

    return clock_gettime(clock, &now) == 0
        ? (apr_int64_t)now.tv_sec * NS_PER_S + now.tv_nsec : 0;
}

struct timespec lpp_clock_timespec(apr_int64_t ns)
{
    struct timespec made;

    made.tv_sec = (time_t)(ns / NS_PER_S);
    made.tv_nsec = (long)(ns % NS_PER_S);
    return made;
}

apr_time_t lpp_monotonic_us(void)
{
    return lpp_clock_ns(CLOCK_MONOTONIC) / 1000;
}

apr_time_t lpp_moment_us(apr_time_t wall)
{
    apr_time_t now = lpp_monotonic_us(), date = apr_time_now(), moment;

    if (llabs(date - now - atomic_load(&ahead_us)) > BETWEEN_US) {
        atomic_store(&ahead_since_us, now);
        atomic_store(&ahead_us, date - now);
    }
    moment = wall - (date - now);
    return moment >= atomic_load(&ahead_since_us) && moment < now ? moment
                                                                  : now;
}

void lpp_time_parts(apr_time_exp_t *parts, apr_time_t time, int local)
{
    apr_int64_t seconds = time / APR_USEC_PER_SEC;
    apr_int64_t usec = time % APR_USEC_PER_SEC;
    apr_int64_t margin = local ? ZONE_S : 0;
    apr_status_t rv;

    if (usec < 0) {
        usec += APR_USEC_PER_SEC;
        seconds--;
    }
    seconds = seconds < FIRST_S + margin  ? FIRST_S + margin
              : seconds > LAST_S - margin ? LAST_S - margin
                                          : seconds;
    rv = local ? apr_time_exp_lt(parts, apr_time_from_sec(seconds))
               : apr_time_exp_gmt(parts, apr_time_from_sec(seconds));
    if (rv != APR_SUCCESS) {
        memset(parts, 0, sizeof(*parts));
        parts->tm_mday = 1;
    }
    parts->tm_usec = (apr_int32_t)usec;
}
