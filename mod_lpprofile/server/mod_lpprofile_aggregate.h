/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_aggregate: the sum over all requests of a server that was
 * started with PROFILE_PAGETESTS_REQUESTS in its environment.
 *
 * Owns the spool to which the children of all generations append (a file
 * without a name, opened by the parent), and the pstats file that is made of it
 * when the server stops. A process without privileges makes the sum; the file
 * appears complete, by rename, or not at all.
 */
#ifndef MOD_LPPROFILE_AGGREGATE_H
#define MOD_LPPROFILE_AGGREGATE_H

#include <httpd.h>

#include "names/lpp_view.h"

/* 1 if all requests of this server are summed up.
 * Signal-safe: yes. Thread: any. */
int lpp_aggregate_on(void);

/* Why a started request is not in the sum. */
typedef enum {
    LPP_AGGREGATE_CHILD,    /* the owner of the gate was waiting for it */
    LPP_AGGREGATE_STOPPING, /* its process ended while it waited */
    LPP_AGGREGATE_FAILED,   /* the profiler did not start, or failed */
    LPP_AGGREGATE_UNWRITTEN /* no room in the spool */
} lpp_aggregate_skip_e;

/* Count a request that began; count one that is left out of the sum.
 * Signal-safe: no. Thread: request. */
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

/* Hooks: post_config (opens the spool), child_init (httpd -X); none for each
 * request.
 * Signal-safe: no. Thread: parent at start. */
void lpp_aggregate_register_hooks(apr_pool_t *pool);

#endif
