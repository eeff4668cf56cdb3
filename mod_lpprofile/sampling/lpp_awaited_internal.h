/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_awaited: what the profiled thread is blocked on, for requests that wait
 * for the gate: one that the profiled request itself has sent must not wait.
 *
 * The helper looks only when such a request asks, and publishes the ends of
 * sockets at the gate. The call that the thread is blocked in names them. Where
 * it does not (a lock, a sleep, an epoll descriptor: another thread may do the
 * work), where it is not known, or where the thread waits without blocking, all
 * connections of this process to this host are published, and whether it has
 * child processes.
 */
#ifndef LPP_AWAITED_INTERNAL_H
#define LPP_AWAITED_INTERNAL_H

#include "gate/lpp_gate.h"
#include "sampling/lpp_wait_call_internal.h"

/* Of one session; zeroed at its begin. Times are of CLOCK_MONOTONIC. */
typedef struct lpp_awaited_t {
    int wanted;           /* a waiting request has asked since the last look */
    apr_int64_t since_ns; /* when that was seen */
    apr_int64_t next_ns;  /* no look before */
} lpp_awaited_t;

/*
 * is_due: 1 if a waiting request has asked since the last publication; 0 also
 * if the last time it was 1 is too recent. is_late: 1 if that request asked a
 * while ago: its answer must not wait any longer for a sample.
 * Signal-safe: yes. Thread: the helper.
 */
int lpp_awaited_is_due(lpp_awaited_t *awaited, lpp_gate_t *gate,
                       apr_int64_t now_ns);
int lpp_awaited_is_late(const lpp_awaited_t *awaited, apr_int64_t now_ns);

/* Publish what the thread is blocked on: call, or NULL: not known.
 * Signal-safe: no. Thread: the helper. */
void lpp_awaited_publish(lpp_awaited_t *awaited, lpp_gate_t *gate,
                         const lpp_wait_call_t *call);

#endif
