/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_clock: the clocks, and dates for people.
 *
 * Durations are differences of CLOCK_MONOTONIC or of a CPU clock, never of the
 * wall clock, which somebody may set.
 */
#ifndef LPP_CLOCK_H
#define LPP_CLOCK_H

#include <time.h>

#include "base/lpp_base.h"

/* A clock in nanoseconds, 0 where it cannot be read.
 * Signal-safe: yes. Thread: any. */
apr_int64_t lpp_clock_ns(clockid_t clock);

/* Nanoseconds (not negative) as the system's calls want them.
 * Signal-safe: yes. Thread: any. */
struct timespec lpp_clock_timespec(apr_int64_t ns);

/* CLOCK_MONOTONIC in microseconds, the same for all processes.
 * Signal-safe: yes. Thread: any. */
apr_time_t lpp_monotonic_us(void);

/*
 * CLOCK_MONOTONIC of a moment in the past that the wall clock tells of, such as
 * the start of a request. Where the wall clock may have been set since then
 * (also: since before this was first called in the process), it is the time
 * now, so that no duration contains the step.
 * Signal-safe: yes. Thread: any.
 */
apr_time_t lpp_moment_us(apr_time_t wall);

/*
 * The parts of any moment, local or UTC, for printing: tm_usec is never
 * negative, and the year has four digits (moments outside 1 to 9999 become the
 * nearest one inside).
 * Signal-safe: no. Thread: any.
 */
void lpp_time_parts(apr_time_exp_t *parts, apr_time_t time, int local);

#endif
