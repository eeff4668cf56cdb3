/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_aggregate: the sum over all requests of a server that was
 * started with PROFILE_PAGETESTS_REQUESTS in its environment.
 *
 * Owns the spool that the children of all generations append to (a file
 * without a name, opened by the parent), and at the server's stop the pstats
 * file made of it. The sum is made in a process that has dropped its
 * privileges; the file appears whole, by rename, or not at all.
 */
#ifndef MOD_LPPROFILE_AGGREGATE_H
#define MOD_LPPROFILE_AGGREGATE_H

#include <httpd.h>

#include "names/lpp_view.h"

/* 1 when all requests of this server are summed up. Thread: any. */
int lpp_aggregate_on(void);

/* Why a request that began is not in the sum. */
typedef enum {
    LPP_AGGREGATE_CHILD,    /* the owner of the gate waited for it */
    LPP_AGGREGATE_STOPPING, /* its process ended while it waited */
    LPP_AGGREGATE_FAILED,   /* the profiler did not start, or failed */
    LPP_AGGREGATE_UNWRITTEN /* no room in the spool */
} lpp_aggregate_skip_e;

/* Count a request that began; count one that is left out. Thread: request. */
void lpp_aggregate_count_begin(void);
void lpp_aggregate_count_skip(lpp_aggregate_skip_e why);

/*
 * Add a finished request to the spool; r is any request of its chain. After it
 * returns, the record survives the end of this process. Failures are counted,
 * the first one is logged.
 * Signal-safe: no. Thread: request.
 */
void lpp_aggregate_record(const lpp_view_t *view, const request_rec *r,
                          apr_pool_t *scratch);

/* Hooks: post_config (opens), child_init (httpd -X); nothing per request. */
void lpp_aggregate_register_hooks(apr_pool_t *pool);

#endif
