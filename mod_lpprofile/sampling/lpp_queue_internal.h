/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_queue: the sessions of this child that wait for the gate, in the order
 * they came.
 *
 * The thread of a session waits in here. That wait is bounded: by time, by how
 * many wait, by whether its client is still there, and by the end of the child.
 * A request does not wait for the request that sent it: where that one owns the
 * gate, it waits for this one's response. The helper, which takes the gate,
 * takes the sessions out.
 */
#ifndef LPP_QUEUE_INTERNAL_H
#define LPP_QUEUE_INTERNAL_H

#include "sampling/lpp_session.h"

/*
 * Wait for the gate; RUNNING: it was granted to session. What is BUSY,
 * TIMED_OUT, GONE or CHILD is counted at the gate. *status is set for FAILED.
 * Signal-safe: no. Thread: request.
 */
LPP_MUST_CHECK lpp_start_e lpp_queue_wait(lpp_session_t *session,
                                          apr_status_t *status);

/* Take the first session out, NULL: none waits; it is then PREPARING. The
 * helper's mutex is held. Signal-safe: no. Thread: the helper. */
lpp_session_t *lpp_queue_take(lpp_sampler_t *sampler);

/* Take all sessions out, FAILED with status. The helper's mutex is held.
 * Signal-safe: no. Thread: the helper. */
void lpp_queue_fail(lpp_sampler_t *sampler, apr_status_t status);

/*
 * The gate counts a session that waits until it is granted or gives up: remove
 * it from that count, once. The helper does so before others can see the owner,
 * the session's own thread where it gives up.
 * Signal-safe: yes. Thread: the helper for a session that it took out, else
 * the session's.
 */
void lpp_queue_uncount(lpp_session_t *session);

#endif
