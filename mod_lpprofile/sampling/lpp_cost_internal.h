/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_cost: what profiling a request costs, compared with what the request
 * itself computes.
 *
 * Whenever the profiled thread has used another 50 ms of CPU time, the CPU time
 * of the helper and of the signal handler is compared with it, both since the
 * rate was last changed. Above 10 % the rate is halved, down to 25 Hz; a
 * profile that still costs too much then is ended ("cut short"). Less than
 * 100 ms is never judged: such short times are measured too coarsely. A request
 * that mostly waits is judged by the little it computes. A lower rate loses
 * nothing there: blocked time is credited to the one sample of its episode, at
 * any rate.
 */
#ifndef LPP_COST_INTERNAL_H
#define LPP_COST_INTERNAL_H

#include "base/lpp_base.h"

#define LPP_COST_HANDLER_NS 4000 /* of a signal and its handler, as measured */

typedef enum { LPP_COST_LOW, LPP_COST_TOO_HIGH } lpp_cost_e;

/* Where judging began: at the start, a resume, or the last change of rate. */
typedef struct lpp_cost_t {
    int begun;
    apr_int64_t cpu_ns;  /* of the profiled thread */
    apr_int64_t own_ns;  /* of helper and handler */
    apr_int64_t next_ns; /* of the profiled thread: judge again then */
} lpp_cost_t;

/*
 * Begin judging now. cpu_ns: the profiled thread's CPU clock; signals: how many
 * were sent in this session.
 * Signal-safe: yes. Thread: the helper.
 */
void lpp_cost_begin(lpp_cost_t *cost, apr_int64_t cpu_ns,
                    apr_uint64_t signals);

/*
 * Judge, where it is time for that (LOW else); begins where it has not begun.
 * Signal-safe: yes. Thread: the helper.
 */
lpp_cost_e lpp_cost_judge(lpp_cost_t *cost, apr_int64_t cpu_ns,
                          apr_uint64_t signals);

#endif
