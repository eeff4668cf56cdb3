/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_stack: a copied stack becomes a branch of the session's tree: it is
 * unwound, page functions are merged into it, the profiler's own frames are
 * removed, and what a blocked thread waits for becomes its innermost frame.
 */
#ifndef LPP_TICK_STACK_INTERNAL_H
#define LPP_TICK_STACK_INTERNAL_H

#include "sampling/lpp_sampler_internal.h"

/*
 * Unwind one snapshot into the sampler's frames.pcs; returns how many there
 * are. changes_then: lpp_frames_t's changes before the snapshot was taken.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_tick_unwind(lpp_sampler_t *sampler,
                         const lpp_snapshot_t *snapshot,
                         unsigned changes_then, lpp_unwind_end_e *end);

/*
 * Add the unwound stack of snapshot, its count frames, to the tree, and to the
 * post-mortem data; returns the leaf's node. blocked: the thread was blocked
 * when it was copied, and the sampler's waiting has its state: then waiting.pc
 * is what it waits for, or 0, and a wait begins. Otherwise waiting.pc becomes
 * 0.
 * Signal-safe: no. Thread: the helper.
 */
apr_uint32_t lpp_tick_add_stack(lpp_sampler_t *sampler,
                                const lpp_snapshot_t *snapshot, unsigned count,
                                lpp_unwind_end_e end, int blocked,
                                const lpp_weight_t *weight);

/*
 * As lpp_tick_add_stack with blocked, but only the wait is added: its stack is
 * not.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_tick_add_wait(lpp_sampler_t *sampler, const lpp_snapshot_t *snapshot,
                       unsigned count);

/*
 * Add weight to a node of the tree, and to the post-mortem data. blocked_ns:
 * time of that in which no sample was asked for, for the statistics. wait: what
 * the thread waits for, since start_ns and up to the time that was given to
 * samples; 0: not known.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_tick_credit(lpp_sampler_t *sampler, apr_uint32_t node,
                     const lpp_weight_t *weight, apr_uint64_t blocked_ns,
                     lpp_pc_t wait, apr_int64_t start_ns);

#endif
