/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_phases: exact wall times of Apache's request phases, by hooks
 * placed first and last in each.
 */
#ifndef MOD_LPPROFILE_PHASES_H
#define MOD_LPPROFILE_PHASES_H

#include <httpd.h>

#include "lpp_oops.h"

typedef struct lpp_phases_t lpp_phases_t;

/* Made by the run at its start, in the run's pool; started_us is the
 * CLOCK_MONOTONIC start of the request. Thread: request. */
lpp_phases_t *lpp_phases_create(apr_pool_t *pool, apr_time_t started_us);

/* Let the hooks find phases from r, the first request of a chain, and what
 * stems from it. Thread: request. */
void lpp_phases_attach(request_rec *r, lpp_phases_t *phases);

/* Add all phases known by now to a timeline; phases that run get now as their
 * end. Thread: request. */
void lpp_phases_add_to(const lpp_phases_t *phases, lpp_oops_t *oops);

/* The value of Server-Timing with the phases known by now, or NULL. */
const char *lpp_phases_server_timing(const lpp_phases_t *phases,
                                     apr_pool_t *pool);

void lpp_phases_register_hooks(apr_pool_t *pool);

#endif
