/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_phases: exact wall times of Apache's request phases, by hooks
 * placed before all others in each.
 *
 * A phase ends where the next one of its request begins. Internal redirects
 * go on where the request before them stopped; subrequests lie within a phase
 * of the request that made them. Both carry their path in the detail.
 */
#ifndef MOD_LPPROFILE_PHASES_H
#define MOD_LPPROFILE_PHASES_H

#include <httpd.h>

#include "lpp_oops.h"

typedef struct lpp_phases_t lpp_phases_t;

/*
 * Made by the run at its start, in the run's pool (used by the request's thread
 * alone, until detached); started_us is the CLOCK_MONOTONIC start of the
 * request.
 * Signal-safe: no. Thread: request.
 */
lpp_phases_t *lpp_phases_create(apr_pool_t *pool, apr_time_t started_us);

/*
 * Let the hooks find phases from r, the first request of a chain, and what
 * stems from it; opens post_read_request. phases NULL, or the end of r's pool,
 * detaches: no hook touches the phases any more.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_attach(request_rec *r, lpp_phases_t *phases);

/*
 * The gate opened: post_read_request begins only now, so that waiting for
 * one's turn is not in it.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_gate_passed(lpp_phases_t *phases);

/*
 * EOS went to the network: the handler's phase ends, "send" lasts from here to
 * log_transaction. Not calling it leaves all of it to the handler.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_sending(lpp_phases_t *phases);

/*
 * Add all phases known by now to a timeline; phases that run get now as their
 * end.
 * Signal-safe: no. Thread: request.
 */
void lpp_phases_add_to(const lpp_phases_t *phases, lpp_oops_t *oops);

/*
 * The value of Server-Timing with the phases known by now (of the request and
 * its redirects, summed by name), or NULL.
 * Signal-safe: no. Thread: request.
 */
const char *lpp_phases_server_timing(const lpp_phases_t *phases,
                                     apr_pool_t *pool);

/* The hooks of all phases. To be called by lpp_process_register_if_wanted, so
 * that they cost nothing where nobody may profile. */
void lpp_phases_register_hooks(apr_pool_t *pool);

#endif
