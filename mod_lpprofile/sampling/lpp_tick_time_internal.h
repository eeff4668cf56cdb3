/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_time: the time that passes between two samples, and its three
 * shares: what a sample weighs.
 *
 * Ready time is what the kernel counts (schedstat). Where kernel events tell
 * when the thread is preempted, that part of it goes to the sample of the time
 * in which it was; the rest was waited after blocks (lpp_tick_block.c).
 */
#ifndef LPP_TICK_TIME_INTERNAL_H
#define LPP_TICK_TIME_INTERNAL_H

#include "sampling/lpp_sampler_internal.h"

/*
 * Add the time up to now to *weight; NULL: it stays unattributed. cpu: the
 * thread's CPU clock. The changes that kernel events tell of were followed up
 * to now.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_tick_take_time(lpp_sampler_t *sampler, apr_int64_t now,
                        apr_int64_t cpu, lpp_weight_t *weight);

/*
 * Add ready time by the kernel's count to *weight, whose other times are
 * complete; nothing where kernel events tell. What it has no room for is the
 * next sample's: the thread waited after this one was taken.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_tick_take_ready(lpp_sampler_t *sampler, lpp_weight_t *weight);

/* The ready time that the kernel has counted and no sample has yet.
 * Signal-safe: no. Thread: the helper. */
apr_int64_t lpp_tick_ready_left(const lpp_tick_t *tick);

/* An lpp_ready_e: what will be known of ready time.
 * Signal-safe: no. Thread: the helper. */
int lpp_tick_ready_known(const lpp_sampler_t *sampler);

/* Whether the thread can be sampled.
 * Signal-safe: no. Thread: the helper. */
int lpp_tick_takes_samples(const lpp_sampler_t *sampler);

#endif
