/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler: the sampler of a child, with its helper thread.
 *
 * The helper owns the gate while a profile is made, ticks with absolute sleeps
 * of CLOCK_MONOTONIC, gives each sample the wall and CPU time that really
 * passed as weight, sends no signal to a thread whose CPU clock has not moved
 * (a blocked episode gets one sample, later time is credited to that), unwinds,
 * builds the tree, and ends a profile that lasts too long. It is started with
 * the first profile, with all signals blocked, and sleeps unless a profile runs
 * or waits.
 */
#ifndef LPP_SAMPLER_H
#define LPP_SAMPLER_H

#include "gate/lpp_gate.h"
#include "names/lpp_pagecode.h"
#include "objects/lpp_maps.h"
#include "profile/lpp_profile.h"
#include "sampling/lpp_kernel.h"
#include "unwind/lpp_unwind.h"

typedef struct lpp_sampler_t lpp_sampler_t; /* one a child */

typedef struct lpp_sampler_options_t {
    lpp_gate_t *gate;               /* borrowed, process life */
    lpp_maps_t *maps;               /* borrowed; the helper alone uses it from
                                       now on */
    lpp_unwinder_t *unwinder;       /* over maps, made in the parent; the helper
                                       alone uses it from now on. NULL: one of
                                       unwind_kind is made here */
    lpp_pagecode_t *pages;          /* page functions, borrowed, process life;
                                       NULL: none are read */
    lpp_kernel_t *kernel;           /* kernel events, borrowed; NULL: none are
                                       used */
    lpp_unwind_kind_e unwind_kind;
    int signal_number;              /* or LPP_SIGNAL_AUTO */
    const void *hidden_start;       /* code whose frames are removed from
                                       stacks, so that its callees appear below
                                       its callers ... */
    const void *hidden_end;         /* ... or NULL */
    const void *passes_start;       /* the same, of the section lpp_passes */
    const void *passes_end;
    const void *(*stands_for)(const void *address); /* the function to show in
                                       place of such a frame, or NULL: none;
                                       called by the helper */
} lpp_sampler_options_t;

/*
 * Make the sampler of this child. Starts no thread. The memory of the ring (4
 * MB) is first accessed by the helper at the first session, because only a
 * child that profiles needs it. *sampler lives as long as pool. A cleanup of
 * pool stops the helper and waits for its end, for at most 1000 sleeps of a
 * millisecond; it may run in prefork's signal handler and locks nothing. An
 * architecture without an unwinder is no error: its sessions have exact totals
 * and no stacks. Errors: those of lpp_unwinder_create and lpp_ring_create; of
 * the locks; APR_ENOMEM.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_sampler_create(
    lpp_sampler_t **sampler, const lpp_sampler_options_t *options,
    apr_pool_t *pool);

/*
 * This child ends: no session starts from now on, those waiting for the gate
 * are not profiled, one that runs is ended (LPP_STOP_CHILD). Does not wait.
 * Signal-safe: yes. Thread: any.
 */
void lpp_sampler_stop(lpp_sampler_t *sampler);

/* The signal that the last session with stacks used; 0: none yet.
 * Signal-safe: yes. Thread: any. */
int lpp_sampler_signal(const lpp_sampler_t *sampler);

/*
 * A session is about to start: start or wake the helper, so that it runs by
 * then. Costs a wake-up at most, however busy the gate is; the session need not
 * follow. Does nothing in a forked process.
 * Signal-safe: no. Thread: request.
 */
void lpp_sampler_expect(lpp_sampler_t *sampler);

#endif
