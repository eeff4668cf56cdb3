/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_episode: a blocked episode as the clocks show it: from the sample of
 * a thread whose CPU clock stands until that clock moves. Where kernel events
 * tell of blocks, lpp_tick_block.c takes its place.
 */
#ifndef LPP_TICK_EPISODE_INTERNAL_H
#define LPP_TICK_EPISODE_INTERNAL_H

#include "sampling/lpp_sampler_internal.h"

/* Whether the thread, whose CPU clock is now at cpu, is still in the blocked
 * call that the last sample shows. Signal-safe: no. Thread: the helper. */
int lpp_tick_episode_lasts(lpp_tick_t *tick, apr_int64_t cpu);

/* The episode lasts: add the time up to now to its node.
 * Signal-safe: no. Thread: the helper. */
void lpp_tick_episode_credit(lpp_sampler_t *sampler, apr_int64_t now,
                             apr_int64_t cpu);

/*
 * The episode is over. Once the thread was woken it was ready to run, and the
 * kernel shows that only now: what the time since the last tick has no room for
 * was credited to the episode as blocked.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_tick_episode_end(lpp_sampler_t *sampler, apr_int64_t now,
                          apr_int64_t cpu);

/*
 * Begin one: sample a blocked thread without a signal; 0: not available. If a
 * signal may be sent, a stack that ends before the root counts as not
 * available: to find frames by other registers than SP, the handler's copy of
 * the registers is needed.
 * Signal-safe: no. Thread: the helper.
 */
int lpp_tick_episode_sample(lpp_sampler_t *sampler, apr_int64_t now,
                            apr_int64_t cpu, int signal_may_be_sent);

#endif
