/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_helper: the helper thread of a child: starts and ends it, lets it sleep,
 * and passes it the tasks of other threads.
 *
 * It sleeps on one semaphore. Any thread posts that to wake the helper, and so
 * may a signal handler that ends the process. What the helper does between its
 * tasks is up to its main function (lpp_sampler.c). It does not exist in a
 * forked child.
 */
#ifndef LPP_HELPER_INTERNAL_H
#define LPP_HELPER_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "base/lpp_clock.h"

/* A task that the helper performs for a thread that waits; on that thread's
 * stack. */
typedef struct lpp_helper_task_t {
    void (*perform)(void *baton);
    void *baton;
    pthread_cond_t *done; /* the waiting thread's, of lpp_helper_cond_init */
    /* Guarded by the helper's mutex, and filled in by lpp_helper_perform: */
    enum { TASK_QUEUED, TASK_TAKEN, TASK_DONE } state;
    struct lpp_helper_task_t *next;
} lpp_helper_task_t;

typedef struct lpp_helper_t {
    void *(*main)(void *baton); /* runs until stop is set */
    void *baton;
    atomic_int stop;          /* set by any thread, even in a signal handler */
    atomic_int gone;          /* main has returned or is about to: it accesses
                                 nothing any more */
    sem_t wake;               /* posted for the helper */
    atomic_int expected_from; /* a session is announced: the number of the
                                 processor that announced it, plus 1; else 0 */
    pthread_condattr_t monotonic; /* of all conditions used with mutex */

    pthread_mutex_t mutex;    /* guards what follows, and the sampler's queue
                                 and sessions */
    int started;              /* the thread exists and was not joined */
    int idle;                 /* it sleeps with nothing to do */
    pthread_t thread;
    lpp_helper_task_t *tasks; /* in the order they were added */
} lpp_helper_t;

/*
 * Fill in helper, zeroed before; starts no thread. main gets baton and returns
 * once stop is set. Errors: those of sem_init and pthread_mutex_init.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_helper_init(lpp_helper_t *helper,
                                            void *(*main)(void *baton),
                                            void *baton);

/*
 * Start the thread, with all signals blocked, where it does not run yet. The
 * mutex is held. APR_EOF: it has run and ended; errors of pthread_create.
 * Signal-safe: no. Thread: request.
 */
LPP_MUST_CHECK apr_status_t lpp_helper_start(lpp_helper_t *helper);

/* Set stop and wake the thread. Signal-safe: yes. Thread: any. */
void lpp_helper_stop(lpp_helper_t *helper);

/*
 * Wait for a stopped thread to end, for at most wait_ms sleeps of one
 * millisecond; APR_TIMEUP: the thread may still run.
 * Signal-safe: yes. Thread: any, without the mutex.
 */
LPP_MUST_CHECK apr_status_t lpp_helper_join(lpp_helper_t *helper, int wait_ms);

/* Wake the thread. Signal-safe: yes. Thread: any. */
void lpp_helper_wake(lpp_helper_t *helper);

/*
 * Announce a session: start the thread if it does not run yet; if it is idle
 * and another processor can run it, wake it for some tenths of a millisecond
 * (see lpp_helper_is_expected).
 * Signal-safe: no. Thread: any, without the mutex.
 */
void lpp_helper_expect(lpp_helper_t *helper);

/* 1 if a thread may spin while it waits for another processor.
 * Signal-safe: no. Thread: any. */
int lpp_helper_may_spin(void);

/* Make a condition for threads that wait with the helper's mutex; its deadlines
 * are of CLOCK_MONOTONIC. Errors: those of pthread_cond_init.
 * Signal-safe: no. Thread: any. */
LPP_MUST_CHECK apr_status_t lpp_helper_cond_init(const lpp_helper_t *helper,
                                                 pthread_cond_t *cond);

/*
 * Have the helper perform task, and wait for that until deadline_ns (of
 * CLOCK_MONOTONIC). The mutex is held before and after; on success it was not
 * unlocked after the task was done. Once the helper has begun the task, the
 * wait has no deadline. Errors: APR_TIMEUP: the task was not performed and will
 * not be; APR_EGENERAL: there is no helper.
 * Signal-safe: no. Thread: request.
 */
LPP_MUST_CHECK apr_status_t lpp_helper_perform(lpp_helper_t *helper,
                                               lpp_helper_task_t *task,
                                               apr_int64_t deadline_ns);

/* Perform all tasks that wait. The mutex is held, and released while each of
 * them is performed. Signal-safe: no. Thread: the helper. */
void lpp_helper_serve_tasks(lpp_helper_t *helper);

/* Sleep until woken, or until then_ns (CLOCK_MONOTONIC; < 0: no deadline).
 * Signal-safe: no. Thread: the helper, without the mutex. */
void lpp_helper_sleep(lpp_helper_t *helper, apr_int64_t then_ns);

/*
 * Whether a session was announced since the last call, by a thread on another
 * processor: then spinning saves both threads the time of a wake-up. On the
 * processor of the announcing thread (all others are busy), spinning would only
 * delay that thread. spin: until woken (returns 1) or until until_ns
 * (CLOCK_MONOTONIC; returns 0).
 * Signal-safe: no. Thread: the helper, without the mutex.
 */
int lpp_helper_is_expected(lpp_helper_t *helper);
int lpp_helper_spin(lpp_helper_t *helper, apr_int64_t until_ns);

#endif
