/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_jobs: the thread of a child that names and writes profiles after their
 * responses are on the way, so that neither the request nor the sampler's
 * ticks wait for a disk.
 *
 * Made at the first job, all signals blocked. Jobs run in the order given. At
 * most LPP_JOBS_MAX wait; then the submitter is told to do it itself.
 */
#ifndef LPP_JOBS_H
#define LPP_JOBS_H

#include "lpp_base.h"

#define LPP_JOBS_MAX 64

typedef struct lpp_jobs_t lpp_jobs_t;

/*
 * A queue for this child. A cleanup of pool lets the queued jobs finish, for at
 * most one second (it may run inside prefork's signal handler: an atomic flag
 * and a bounded wait).
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_create(lpp_jobs_t **jobs,
                                            apr_pool_t *pool);

/*
 * Run function(baton) later on the jobs thread. APR_EAGAIN: the queue is full
 * or the child ends: the caller does it itself, or drops it.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_submit(lpp_jobs_t *jobs,
                                            void (*function)(void *baton),
                                            void *baton);

#endif
