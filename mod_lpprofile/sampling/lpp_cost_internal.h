/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_cost: what profiling a request costs, compared with the CPU time of the
 * request itself.
 *
 * Each time the profiled thread has used another 50 ms of CPU time, the CPU
 * time of the helper and of the signal handler is compared with that of the
 * thread, both since the rate was last changed. Above 10 % the rate is halved,
 * down to 25 Hz; a profile that still costs too much goes on without kernel
 * events, if it has any, or is ended ("cut short"). Less than 100 ms is never
 * compared, because such short times cannot be measured exactly. For a request
 * that mostly waits, only the little CPU time that it uses counts. A lower rate
 * loses nothing there: blocked time is credited to the one sample of its
 * episode at any rate.
 */
#ifndef LPP_COST_INTERNAL_H
#define LPP_COST_INTERNAL_H

#include "base/lpp_base.h"

#define LPP_COST_HANDLER_NS 4000 /* of a signal and its handler, as measured */

typedef enum { LPP_COST_LOW, LPP_COST_TOO_HIGH } lpp_cost_e;

/* The start of the comparison: at the start, a resume, or the last change of
 * the rate. */
typedef struct lpp_cost_t {
    int begun;
    apr_int64_t cpu_ns;  /* of the profiled thread */
    apr_int64_t own_ns;  /* of helper and handler */
    apr_int64_t next_ns; /* of the profiled thread: compare again then */
} lpp_cost_t;

/*
 * Begin the comparison now. cpu_ns: the profiled thread's CPU clock; signals:
 * how many were sent in this session.
 * Signal-safe: yes. Thread: the helper.
 */
void lpp_cost_begin(lpp_cost_t *cost, apr_int64_t cpu_ns,
                    apr_uint64_t signals);

/*
 * Compare, if another 50 ms have passed (LOW else); begins the comparison if it
 * has not begun.
 * Signal-safe: yes. Thread: the helper.
 */
lpp_cost_e lpp_cost_judge(lpp_cost_t *cost, apr_int64_t cpu_ns,
                          apr_uint64_t signals);

#endif
