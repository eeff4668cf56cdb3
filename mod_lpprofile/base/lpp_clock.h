/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_clock: reads clocks, and splits times for printing.
 *
 * Durations are differences of CLOCK_MONOTONIC or of a CPU clock, never of the
 * wall clock, which may be set at any time.
 */
#ifndef LPP_CLOCK_H
#define LPP_CLOCK_H

#include <time.h>

#include "base/lpp_base.h"

/* A clock in nanoseconds, 0 where it cannot be read.
 * Signal-safe: yes. Thread: any. */
apr_int64_t lpp_clock_ns(clockid_t clock);

/* Nanoseconds (not negative) as a timespec.
 * Signal-safe: yes. Thread: any. */
struct timespec lpp_clock_timespec(apr_int64_t ns);

/* CLOCK_MONOTONIC in microseconds, the same for all processes.
 * Signal-safe: yes. Thread: any. */
apr_time_t lpp_monotonic_us(void);

/*
 * Convert a past time of the wall clock, such as the start of a request, to
 * CLOCK_MONOTONIC, in microseconds. Where the wall clock may have been set
 * since then (always so for times before the first call in this process),
 * returns the present time, so that no duration contains the step.
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
