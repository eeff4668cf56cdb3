/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_client: how long a request was blocked on its client.
 *
 * Elapsed time of the calls that wait for the client, less the CPU time used in
 * them: what they compute (encryption, a filter) is not the client's delay. The
 * request's thread brackets its calls, the helper reads the sum at any time.
 */
#ifndef LPP_CLIENT_INTERNAL_H
#define LPP_CLIENT_INTERNAL_H

#include <stdatomic.h>
#include <time.h>

#include "gate/lpp_gate.h"

typedef struct lpp_client_t {
    int depth;             /* calls within calls; the profiled thread's own */
    atomic_llong before_ns; /* of the calls that have returned */
    atomic_llong since_ns; /* the outermost call began then, or 0. before_ns is
                              written after since_ns became 0 and read before
                              since_ns, so that no call is counted twice */
    atomic_llong cpu_ns;   /* CPU clock of its thread then */
    apr_int64_t added_us;  /* to the gate's sum so far; the helper's own */
} lpp_client_t;

/*
 * A call that waits for the client begins, returns. leave without enter does
 * nothing.
 * Signal-safe: yes. Thread: the profiled one.
 */
void lpp_client_enter(lpp_client_t *client);
void lpp_client_leave(lpp_client_t *client);

/* The thread pauses: ends all calls that it is in.
 * Signal-safe: yes. Thread: the profiled one. */
void lpp_client_leave_all(lpp_client_t *client);

/* The session has ended: count nothing more, not even the call in progress.
 * Signal-safe: yes. Thread: any. */
void lpp_client_end(lpp_client_t *client);

/*
 * Whether the client is too slow at now_ns (CLOCK_MONOTONIC): the request was
 * blocked on it for max_us (<= 0: no limit) or more; or long enough for any
 * client, is so now, and others waited long for slow clients
 * (lpp_gate_asked_to_end). Adds the time to the gate's sum. clock: CPU clock of
 * the profiled thread.
 * Signal-safe: yes. Thread: the helper.
 */
int lpp_client_is_slow(lpp_client_t *client, lpp_gate_t *gate,
                       apr_int64_t now_ns, clockid_t clock,
                       apr_interval_time_t max_us);

#endif
