/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_helper: see lpp_helper_internal.h.
 *
 * To wake a thread on an idle processor costs both threads tens of microseconds
 * on a virtual machine. So the helper is woken before the session starts, and
 * wakes up while the request still prepares.
 */
#include "sampling/lpp_helper_internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

apr_status_t lpp_helper_init(lpp_helper_t *helper, void *(*main)(void *baton),
                             void *baton)
{
    int rc;

    helper->main = main;
    helper->baton = baton;
    if (sem_init(&helper->wake, 0, 0) != 0) {
        return errno;
    }
    rc = pthread_mutex_init(&helper->mutex, NULL);
    if (rc == 0) {
        rc = pthread_condattr_init(&helper->monotonic);
    }
    if (rc == 0) {
        rc = pthread_condattr_setclock(&helper->monotonic, CLOCK_MONOTONIC);
    }
    return rc;
}

apr_status_t lpp_helper_start(lpp_helper_t *helper)
{
    sigset_t all, old;
    int rc;

    if (helper->started) {
        return atomic_load(&helper->gone) ? APR_EOF : APR_SUCCESS;
    }
    sigfillset(&all);
    sigdelset(&all, SIGSEGV); /* see lpp_peek.h */
    sigdelset(&all, SIGBUS);
    rc = pthread_sigmask(SIG_SETMASK, &all, &old);
    if (rc != 0) {
        return rc;
    }
    rc = pthread_create(&helper->thread, NULL, helper->main, helper->baton);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    helper->started = rc == 0;
    return rc;
}

void lpp_helper_stop(lpp_helper_t *helper)
{
    atomic_store(&helper->stop, 1);
    lpp_helper_wake(helper);
}

apr_status_t lpp_helper_join(lpp_helper_t *helper, int wait_ms)
{
    static const struct timespec nap = { 0, 1000000 };
    int i;

    if (!helper->started) {
        return APR_SUCCESS;
    }
    for (i = 0; i < wait_ms
                && pthread_tryjoin_np(helper->thread, NULL) != 0; i++) {
        nanosleep(&nap, NULL);
    }
    if (i == wait_ms) {
        return APR_TIMEUP;
    }
    helper->started = 0;
    return APR_SUCCESS;
}

void lpp_helper_wake(lpp_helper_t *helper)
{
    sem_post(&helper->wake);
}

int lpp_helper_may_spin(void)
{
    static atomic_int processors;

    if (atomic_load(&processors) == 0) {
        atomic_store(&processors, (int)sysconf(_SC_NPROCESSORS_ONLN));
    }
    return atomic_load(&processors) > 1;
}

void lpp_helper_expect(lpp_helper_t *helper)
{
    int idle;

    pthread_mutex_lock(&helper->mutex);
    /* A busy helper looks for sessions before it sleeps. */
    idle = lpp_helper_start(helper) == APR_SUCCESS && helper->idle;
    pthread_mutex_unlock(&helper->mutex);
    /* Not with the mutex locked: the helper locks it when it wakes. */
    if (idle && lpp_helper_may_spin()) {
        atomic_store(&helper->expected_from, sched_getcpu() + 1);
        lpp_helper_wake(helper);
    }
}

apr_status_t lpp_helper_cond_init(const lpp_helper_t *helper,
                                  pthread_cond_t *cond)
{
    return pthread_cond_init(cond, &helper->monotonic);
}

apr_status_t lpp_helper_perform(lpp_helper_t *helper, lpp_helper_task_t *task,
                                apr_int64_t deadline_ns)
{
    struct timespec deadline = lpp_clock_timespec(deadline_ns);
    lpp_helper_task_t **at;

    if (!helper->started || atomic_load(&helper->gone)) {
        return APR_EGENERAL;
    }
    task->state = TASK_QUEUED;
    task->next = NULL;
    for (at = &helper->tasks; *at != NULL; at = &(*at)->next) {
    }
    *at = task;
    lpp_helper_wake(helper);
    while (task->state != TASK_DONE) {
        if (task->state == TASK_TAKEN) {
            /* The helper is using what the task points to; wait without a
             * deadline. */
            pthread_cond_wait(task->done, &helper->mutex);
        }
        else if (pthread_cond_timedwait(task->done, &helper->mutex, &deadline)
                     == ETIMEDOUT
                 && task->state == TASK_QUEUED) {
            for (at = &helper->tasks; *at != task; at = &(*at)->next) {
            }
            *at = task->next;
            return APR_TIMEUP;
        }
    }
    return APR_SUCCESS;
}

void lpp_helper_serve_tasks(lpp_helper_t *helper)
{
    lpp_helper_task_t *task;

    while ((task = helper->tasks) != NULL) {
        helper->tasks = task->next;
        task->state = TASK_TAKEN;
        pthread_mutex_unlock(&helper->mutex);
        task->perform(task->baton);
        pthread_mutex_lock(&helper->mutex);
        task->state = TASK_DONE;
        pthread_cond_broadcast(task->done);
    }
}

void lpp_helper_sleep(lpp_helper_t *helper, apr_int64_t then_ns)
{
    struct timespec then = lpp_clock_timespec(then_ns < 0 ? 0 : then_ns);
    int rc;

    do {
        rc = then_ns < 0 ? sem_wait(&helper->wake)
                         : sem_clockwait(&helper->wake, CLOCK_MONOTONIC,
                                         &then);
    } while (rc != 0 && errno == EINTR);
    /* Clear all posts: the helper checks everything once for all of them. */
    while (rc == 0) {
        rc = sem_trywait(&helper->wake);
    }
}

int lpp_helper_is_expected(lpp_helper_t *helper)
{
    int processor = atomic_exchange(&helper->expected_from, 0) - 1;

    return processor >= 0 && sched_getcpu() != processor;
}

int lpp_helper_spin(lpp_helper_t *helper, apr_int64_t until_ns)
{
    while (sem_trywait(&helper->wake) != 0) {
        if (lpp_clock_ns(CLOCK_MONOTONIC) >= until_ns) {
            return 0;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    return 1;
}
