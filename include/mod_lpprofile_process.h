/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_process: what a server and each of its children own.
 *
 * The server (all generations): the global mutex and the gate. A generation:
 * the object table. A child: sampler, symbol table, jobs thread. Knows when
 * httpd starts, restarts, forks and stops; nothing of requests.
 */
#ifndef MOD_LPPROFILE_PROCESS_H
#define MOD_LPPROFILE_PROCESS_H

#include <httpd.h>

#include "lpp_gate.h"
#include "lpp_jobs.h"
#include "lpp_maps.h"
#include "lpp_sampler.h"
#include "lpp_symbol.h"

/* What a child has; members are NULL where profiling is allowed nowhere or
 * could not be set up (logged once). */
typedef struct lpp_process_t {
    lpp_gate_t *gate;
    lpp_maps_t *maps;
    lpp_sampler_t *sampler;
    lpp_symbols_t *symbols;
    lpp_jobs_t *jobs;
    apr_pool_t *pool; /* pchild; allocate nothing from it at run time */
} lpp_process_t;

/* Of this child, never NULL. Thread: any. */
const lpp_process_t *lpp_process_get(void);

/* Hooks: pre_config (mutex type), post_config, child_init. */
void lpp_process_register_hooks(apr_pool_t *pool);

#endif
