/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_ring: preallocated samples between the signal handler and the helper.
 *
 * One writer (the handler, on the profiled thread) and one reader (the helper).
 * All memory is allocated before the first signal. The helper touches the first
 * slot before a thread is armed, and the others while the profile runs, so a
 * handler may still cause a page fault in a slot that was never used. If the
 * ring is full, the sample is lost; the reader sees that from the gap in the
 * sequence numbers.
 */
#ifndef LPP_RING_INTERNAL_H
#define LPP_RING_INTERNAL_H

#include <stdatomic.h>

#include "unwind/lpp_snapshot.h"

typedef struct lpp_ring_t lpp_ring_t;

/*
 * Make a ring of LPP_RING_SLOTS; its stacks are not yet backed by memory. pool
 * frees it.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_ring_create(lpp_ring_t **ring,
                                            apr_pool_t *pool);

/*
 * Touch the first bytes of the stacks of count slots from first on, so that the
 * handler causes no page fault there (which would be slow, but not wrong).
 * Their content does not change, even while the handler writes.
 * Signal-safe: yes. Thread: any.
 */
void lpp_ring_touch(lpp_ring_t *ring, unsigned first, unsigned count,
                    apr_size_t bytes);

/*
 * Writer: the free slot to fill; *stack: its stack of LPP_STACK_MAX_BYTES. NULL
 * if the ring is full: this sample is lost, and its number is missing. publish
 * makes the slot visible.
 * Signal-safe: yes. Thread: the profiled one.
 */
lpp_snapshot_t *lpp_ring_reserve(lpp_ring_t *ring, unsigned char **stack);
void lpp_ring_publish(lpp_ring_t *ring);

/*
 * Reader: the oldest sample or NULL; it stays valid until release.
 * Signal-safe: yes. Thread: the helper.
 */
const lpp_snapshot_t *lpp_ring_peek(lpp_ring_t *ring);
void lpp_ring_release(lpp_ring_t *ring);

/*
 * Empty it, while neither writer nor reader runs.
 * Signal-safe: yes. Thread: any.
 */
void lpp_ring_reset(lpp_ring_t *ring);

#endif
