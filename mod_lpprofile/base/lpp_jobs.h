/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_jobs: the thread of a child that names and writes profiles after their
 * responses were sent, so that neither a request nor the sampler waits for the
 * disk.
 *
 * The thread is created at the first job, with all signals blocked. Jobs run in
 * the order in which they were submitted. At most LPP_JOBS_MAX wait; further
 * ones are refused, and the submitter runs them itself.
 */
#ifndef LPP_JOBS_H
#define LPP_JOBS_H

#include "base/lpp_base.h"

#define LPP_JOBS_MAX 64

typedef struct lpp_jobs_t lpp_jobs_t;

/*
 * Create the job queue of this child. It has a pre-cleanup of pool, which runs
 * before the subpools are destroyed, since jobs may use them. The cleanup waits
 * at most one second for the queued jobs, drops those that have not begun by
 * then, and waits four seconds more for the running one. A job that takes
 * longer is abandoned when the process ends. The cleanup may run in prefork's
 * signal handler.
 * Errors: APR_ENOMEM, or that of the semaphore.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_create(lpp_jobs_t **jobs,
                                            apr_pool_t *pool);

/*
 * Run function(baton) later on the jobs thread. After APR_SUCCESS, baton
 * belongs to function. APR_EAGAIN: the queue is full, the child ends, or the
 * thread cannot be created; the caller runs the job itself or drops it. A job
 * may submit others.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_submit(lpp_jobs_t *jobs,
                                            void (*function)(void *baton),
                                            void *baton);

/*
 * Run function(baton) once on the jobs thread, delay_us microseconds from now,
 * between two jobs. Meant for work that is done once after many jobs. Only one
 * function can be deferred at a time: if one already is, the earlier of the two
 * times applies. It is dropped when the child ends. APR_EAGAIN: no job was
 * submitted yet, so the thread does not exist, or the child is ending.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_jobs_defer(lpp_jobs_t *jobs,
                                           void (*function)(void *baton),
                                           void *baton,
                                           apr_interval_time_t delay_us);

#endif
