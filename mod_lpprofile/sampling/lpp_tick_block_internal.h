/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_block: the blocks of the thread that kernel events tell of
 * (lpp_kernel_watch): the time of each goes to the stack of that block, which
 * is copied while the thread is blocked, without a signal.
 */
#ifndef LPP_TICK_BLOCK_INTERNAL_H
#define LPP_TICK_BLOCK_INTERNAL_H

#include "sampling/lpp_sampler_internal.h"

/*
 * Follow the changes that kernel events tell of, up to now, which is read just
 * before; look at the thread if it is blocked. cpu: its CPU clock. Does nothing
 * where there are no events.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_tick_block_follow(lpp_sampler_t *sampler, apr_int64_t now,
                           apr_int64_t cpu);

/* The thread is blocked: add the time up to now to that block.
 * Signal-safe: no. Thread: the helper. */
void lpp_tick_block_credit(lpp_sampler_t *sampler, apr_int64_t now);

/*
 * The session is STOPPED, and its last segment is the tick's: add its last
 * blocks, and what is said of kernel events in the statistics; stop watching
 * the thread.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_tick_block_finish(lpp_sampler_t *sampler);

#endif
