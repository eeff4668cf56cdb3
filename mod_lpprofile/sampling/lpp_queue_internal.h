/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_queue: the sessions of this child that are waiting for the gate, in order
 * of arrival.
 *
 * The session's own thread waits in here. The wait ends at its timeout, if too
 * many are waiting, if the client has gone, or if the child ends. A request
 * does not wait for the request that sent it: while that one owns the gate, it
 * waits for this one's response. That is known by the connection: see
 * lpp_gate_awaits. The helper takes the gate, and removes sessions from the
 * queue.
 */
#ifndef LPP_QUEUE_INTERNAL_H
#define LPP_QUEUE_INTERNAL_H

#include "sampling/lpp_session.h"

/*
 * Wait for the gate; RUNNING: it was granted to session. BUSY, TIMED_OUT, GONE
 * and CHILD are counted by the gate. *status is set for FAILED.
 * Signal-safe: no. Thread: request.
 */
LPP_MUST_CHECK lpp_start_e lpp_queue_wait(lpp_session_t *session,
                                          apr_status_t *status);

/* Remove the first session, which is PREPARING from then on; NULL: none is
 * waiting. The helper's mutex is held.
 * Signal-safe: no. Thread: the helper. */
lpp_session_t *lpp_queue_take(lpp_sampler_t *sampler);

/* Remove all sessions; they are FAILED with status. The helper's mutex is held.
 * Signal-safe: no. Thread: the helper. */
void lpp_queue_fail(lpp_sampler_t *sampler, apr_status_t status);

/*
 * The gate counts a waiting session until the gate is granted or the session
 * gives up: remove it from that count, once. The helper does so before other
 * processes can see the owner; the session's own thread does so if it gives up.
 * Signal-safe: yes. Thread: the helper for a session that it removed from the
 * queue, else the session's.
 */
void lpp_queue_uncount(lpp_session_t *session);

#endif
