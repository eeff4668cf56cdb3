/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_jobs: see lpp_jobs.h.
 *
 * A ring of jobs. Submitters fill it under a lock; one thread empties it
 * without the lock. A semaphore wakes that thread, because sem_post may be
 * called from a signal handler and a condition variable may not be signalled
 * there. The queue is malloc'd, not allocated from the pool: a job that runs
 * longer than the cleanup waits still uses it.
 */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/lpp_clock.h"
#include "base/lpp_jobs.h"

#define STOP_WAIT_MS 1000 /* for all the jobs */
#define STOP_LAST_MS 4000 /* in addition, for the running job */

typedef enum stop_e {
    STOP_NOT,
    STOP_SOON, /* accept no more jobs; finish the queue */
    STOP_NOW   /* begin no further job */
} stop_e;

typedef struct job_t {
    void (*function)(void *baton);
    void *baton; /* borrowed from the submitter until function returned */
} job_t;

struct lpp_jobs_t {
    pthread_mutex_t submitting; /* guards started, deferred and the writing of
                                   queue */
    int started;                /* the thread was created */
    sem_t wake;                 /* one post a job, and one to stop */
    _Atomic unsigned added;     /* jobs submitted so far; job n is at n % MAX */
    _Atomic unsigned done;      /* jobs finished so far */
    _Atomic int stop;           /* a stop_e */
    _Atomic int running;        /* the thread will look for jobs again */
    _Atomic apr_time_t due_us;  /* when deferred is to run, on the monotonic
                                   clock; 0: nothing is */
    job_t deferred;
    lpp_jobs_t *older; /* see all_queues */
    job_t queue[LPP_JOBS_MAX];
};

/* The queues of this process; never freed, see stop_jobs. The list keeps them
 * reachable, so that leak checkers do not report them. */
static _Atomic(lpp_jobs_t *) all_queues;

/* 1 when the thread must end. Decided under the lock, so that no job can be
 * added after the thread's last check. */
static int may_end(lpp_jobs_t *jobs)
{
    int end;

    pthread_mutex_lock(&jobs->submitting);
    end = atomic_load(&jobs->stop) == STOP_NOW
          || (atomic_load(&jobs->stop) == STOP_SOON
              && atomic_load(&jobs->done) == atomic_load(&jobs->added));
    if (end) {
        atomic_store(&jobs->running, 0);
    }
    pthread_mutex_unlock(&jobs->submitting);
    return end;
}

/* Run the deferred function if it is due. It may defer itself again. */
static void run_deferred(lpp_jobs_t *jobs)
{
    apr_time_t due = atomic_load(&jobs->due_us);
    job_t job;

    if (due == 0 || due > lpp_monotonic_us() || atomic_load(&jobs->stop)) {
        return;
    }
    pthread_mutex_lock(&jobs->submitting);
    job = jobs->deferred;
    atomic_store(&jobs->due_us, 0);
    pthread_mutex_unlock(&jobs->submitting);
    job.function(job.baton);
}

/* Wait until there is a job or the deferred function is due. May return early;
 * the caller then checks again. */
static void wait_for_work(lpp_jobs_t *jobs)
{
    apr_time_t due = atomic_load(&jobs->due_us);
    struct timespec until;

    if (due == 0) {
        sem_wait(&jobs->wake);
        return;
    }
    until.tv_sec = (time_t)apr_time_sec(due);
    until.tv_nsec = (long)apr_time_usec(due) * 1000;
    sem_clockwait(&jobs->wake, CLOCK_MONOTONIC, &until);
}

static void *jobs_thread(void *data)
{
    lpp_jobs_t *jobs = data;

    for (;;) {
        unsigned next;

        run_deferred(jobs);
        if (atomic_load(&jobs->stop) && may_end(jobs)) {
            return NULL;
        }
        next = atomic_load(&jobs->done);
        if (next != atomic_load(&jobs->added)) {
            const job_t job = jobs->queue[next % LPP_JOBS_MAX];

            job.function(job.baton);
            atomic_store(&jobs->done, next + 1);
        }
        else {
            wait_for_work(jobs);
        }
    }
}

/* Create the thread with all signals blocked, so that the host's own threads
 * receive them. */
static apr_status_t start_thread(lpp_jobs_t *jobs)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    int rc;

    rc = pthread_attr_init(&attributes);
    if (rc != 0) {
        return rc;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    atomic_store(&jobs->running, 1);
    rc = pthread_create(&thread, &attributes, jobs_thread, jobs);
    if (rc == 0) {
        jobs->started = 1;
        pthread_setname_np(thread, "lpp-jobs");
    }
    else {
        atomic_store(&jobs->running, 0);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return rc;
}

/* Whether the thread ends within wait_ms, or was never created. */
static int has_ended(const lpp_jobs_t *jobs, int wait_ms)
{
    static const struct timespec tick = {0, 1000000};
    int waited_ms;

    for (waited_ms = 0; waited_ms < wait_ms; waited_ms++) {
        if (!atomic_load(&jobs->running)) {
            return 1;
        }
        nanosleep(&tick, NULL);
    }
    return 0;
}

/*
 * Runs before the subpools of the pool are destroyed, since jobs may use them.
 * May run in a signal handler that interrupted a submit on the same thread, so
 * it takes no lock. Waits longer for the running job, since that job would
 * otherwise use memory that has been freed.
 */
static apr_status_t stop_jobs(void *data)
{
    lpp_jobs_t *jobs = data;

    atomic_store(&jobs->stop, STOP_SOON);
    sem_post(&jobs->wake);
    if (!has_ended(jobs, STOP_WAIT_MS)) {
        atomic_store(&jobs->stop, STOP_NOW);
        (void)has_ended(jobs, STOP_LAST_MS);
    }
    /* The queue is not freed: free() is not signal-safe, and a thread that
     * submits a job late still reads stop. There is one queue in each child. */
    return APR_SUCCESS;
}

apr_status_t lpp_jobs_create(lpp_jobs_t **jobs, apr_pool_t *pool)
{
    lpp_jobs_t *made = calloc(1, sizeof(*made));

    *jobs = NULL;
    if (!made) {
        return APR_ENOMEM;
    }
    if (sem_init(&made->wake, 0, 0) != 0) {
        apr_status_t status = errno;

        free(made);
        return status;
    }
    if (pthread_mutex_init(&made->submitting, NULL) != 0) {
        sem_destroy(&made->wake);
        free(made);
        return APR_ENOMEM;
    }
    made->older = atomic_load(&all_queues);
    while (!atomic_compare_exchange_weak(&all_queues, &made->older, made)) {
    }
    apr_pool_pre_cleanup_register(pool, made, stop_jobs);
    *jobs = made;
    return APR_SUCCESS;
}

apr_status_t lpp_jobs_submit(lpp_jobs_t *jobs, void (*function)(void *baton),
                             void *baton)
{
    apr_status_t status = APR_EAGAIN;
    unsigned added;

    pthread_mutex_lock(&jobs->submitting);
    added = atomic_load(&jobs->added);
    if (atomic_load(&jobs->stop)
        || (jobs->started && !atomic_load(&jobs->running))
        || added - atomic_load(&jobs->done) >= LPP_JOBS_MAX) {
        goto leave;
    }
    if (!jobs->started && start_thread(jobs) != APR_SUCCESS) {
        goto leave;
    }
    jobs->queue[added % LPP_JOBS_MAX].function = function;
    jobs->queue[added % LPP_JOBS_MAX].baton = baton;
    atomic_store(&jobs->added, added + 1);
    sem_post(&jobs->wake);
    status = APR_SUCCESS;

leave:
    pthread_mutex_unlock(&jobs->submitting);
    return status;
}

apr_status_t lpp_jobs_defer(lpp_jobs_t *jobs, void (*function)(void *baton),
                            void *baton, apr_interval_time_t delay_us)
{
    apr_time_t due = lpp_monotonic_us() + delay_us, waiting;
    apr_status_t status = APR_EAGAIN;

    pthread_mutex_lock(&jobs->submitting);
    if (!atomic_load(&jobs->stop) && atomic_load(&jobs->running)) {
        waiting = atomic_load(&jobs->due_us);
        if (waiting == 0 || due < waiting) {
            jobs->deferred.function = function;
            jobs->deferred.baton = baton;
            atomic_store(&jobs->due_us, due);
            sem_post(&jobs->wake); /* wake it: it waits until a later time */
        }
        status = APR_SUCCESS;
    }
    pthread_mutex_unlock(&jobs->submitting);
    return status;
}
