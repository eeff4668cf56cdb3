/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_process: what a server and each of its children own.
 *
 * The server (all generations): the global mutex and the gate. A generation:
 * the object table. A child: sampler, symbol table, jobs thread. Handles start,
 * restart, fork and stop of httpd; has no part in requests.
 */
#ifndef MOD_LPPROFILE_PROCESS_H
#define MOD_LPPROFILE_PROCESS_H

#include <httpd.h>

#include "gate/lpp_gate.h"
#include "base/lpp_jobs.h"
#include "objects/lpp_maps.h"
#include "sampling/lpp_sampler.h"
#include "names/lpp_symbol.h"

/* The objects of a child. Members are NULL if profiling is not allowed anywhere
 * or could not be set up (logged once). */
typedef struct lpp_process_t {
    lpp_gate_t *gate;
    lpp_maps_t *maps;
    lpp_sampler_t *sampler;
    lpp_symbols_t *symbols;
    lpp_jobs_t *jobs;
    apr_pool_t *pool; /* pchild; allocate nothing from it at run time */
} lpp_process_t;

/* The objects of this child, never NULL; set in child_init, then never changed.
 * Signal-safe: yes. Thread: any. */
const lpp_process_t *lpp_process_get(void);

/*
 * What the children of this generation inherit from the parent: gate, maps
 * (there no helper thread updates them), their symbols and, in *unwinder, their
 * unwind tables; members are NULL if nothing is profiled. For processes without
 * a sampler.
 * Signal-safe: yes. Thread: parent, and any of a process that it forked.
 */
const lpp_process_t *lpp_process_inherited(lpp_unwinder_t **unwinder);

/*
 * 1 when this process ends: requests without an answer will never get one, and
 * their pools are destroyed with that of the child.
 * Signal-safe: yes. Thread: any.
 */
int lpp_process_ending(void);

/*
 * 1 if anything can be profiled on this server: profiling is allowed somewhere,
 * or all requests are summed up. Valid from check_config on.
 * Signal-safe: no. Thread: parent at start.
 */
int lpp_process_wanted(const server_rec *main_server);

/*
 * 1 if requests are served by the children in which child_init runs. 0 under
 * mpm_itk, which forks a process with the user of the host for each connection:
 * that process has none of the threads of the child, and cannot write where the
 * child does. Nothing is profiled then.
 * Signal-safe: no. Thread: any.
 */
int lpp_process_serves(void);

/*
 * Call function, which registers hooks that run for each request, only if
 * lpp_process_wanted: so a server that allows no profiling has no cost. It is
 * called in check_config, after the configuration was read, so it cannot
 * register hooks that run before (pre_config, check_config). For register_hooks
 * functions to call; at most 16 functions.
 * Signal-safe: no. Thread: parent at start.
 */
typedef void lpp_process_register_fn(apr_pool_t *pool);
void lpp_process_register_if_wanted(lpp_process_register_fn *function);

/* Hooks: pre_config (mutex type), check_config (its mechanism), post_config,
 * child_init, child_stopping, child_status.
 * Signal-safe: no. Thread: parent at start. */
void lpp_process_register_hooks(apr_pool_t *pool);

#endif
