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

#include "base/lpp_base.h"

#define LPP_JOBS_MAX 64

typedef struct lpp_jobs_t lpp_jobs_t;

/*
 * A queue for this child. A pre-cleanup of pool (it runs before subpools go, so
 * jobs may live in those) lets the queued jobs finish, for at most one second
 * (it may run inside prefork's signal handler: an atomic flag and a bounded
 * wait); those not begun by then are dropped, the one in hand has four seconds
 * more. A job that takes longer goes down with the process. Errors:
 * APR_ENOMEM, or that of the semaphore.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_create(lpp_jobs_t **jobs,
                                            apr_pool_t *pool);

/*
 * Run function(baton) later on the jobs thread. APR_EAGAIN: the queue is full,
 * the child ends or no thread can be had: the caller does it itself, or drops
 * it. After APR_SUCCESS baton belongs to the function. A job may submit others.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_submit(lpp_jobs_t *jobs,
                                            void (*function)(void *baton),
                                            void *baton);

/*
 * Run function(baton) once on the jobs thread, delay_us from now, between two
 * jobs: work that is better done once for many jobs. There is one place for
 * it, for one function: where one is waiting already, the earlier time stands.
 * It is dropped when the child ends. APR_EAGAIN: no jobs thread is there (no
 * job was ever submitted), or the child ends.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_defer(lpp_jobs_t *jobs,
                                           void (*function)(void *baton),
                                           void *baton,
                                           apr_interval_time_t delay_us);

#endif
