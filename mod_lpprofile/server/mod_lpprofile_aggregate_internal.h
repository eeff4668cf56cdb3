/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_aggregate_internal: shared by mod_lpprofile_aggregate (opens,
 * counts, records) and _stop (makes the sum when the server stops).
 */
#ifndef MOD_LPPROFILE_AGGREGATE_INTERNAL_H
#define MOD_LPPROFILE_AGGREGATE_INTERNAL_H

#include <stdatomic.h>

#include "server/mod_lpprofile_aggregate.h"

/* Counts of all processes; anonymous shared memory. */
typedef struct lpp_aggregate_shared_t {
    _Atomic apr_uint64_t begun, recorded, cut_short;
    _Atomic apr_uint64_t skipped[LPP_AGGREGATE_UNWRITTEN + 1];
    /* Set by the process that made the sum: */
    apr_uint64_t summed, torn_bytes, wall_us, folded;
} lpp_aggregate_shared_t;

/* Kept over restarts, in the process pool. Contains no pointers to code or data
 * of this module, since a restart loads the module again. */
typedef struct lpp_aggregate_kept_t {
    int open;
    int finished;        /* in the process that stops the server */
    pid_t parent;        /* or the only process, of httpd -X */
    int spool;           /* descriptors */
    int directory;       /* of the target */
    const char *target;  /* whole path, for messages */
    const char *name;    /* within directory */
    const char *temporary;
    lpp_aggregate_shared_t *shared;
} lpp_aggregate_kept_t;

/* Cleanup: write the file and log the result, once. Does nothing except in the
 * parent.
 * Signal-safe: no. Thread: parent. */
apr_status_t lpp_aggregate_finish(void *kept);

#endif
