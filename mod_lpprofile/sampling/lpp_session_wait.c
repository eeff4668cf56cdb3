/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_session_wait: a request waits for its turn.
 *
 * Bounded in every direction: by time, by how many wait, by whether its client
 * is still there, by the end of the child, and by finding out that the profile
 * it waits for is waiting for it. The order of those who wait in this child is
 * kept by the helper's queue.
 */
#include "sampling/lpp_sampler_internal.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_PER_US 1000
#define WANTED_SLICE_NS INT64_C(250000000)
#define CHILD_SLICE_NS INT64_C(50000000)
#define SPIN_NS 60000
#define FREE_GATE_WAIT_US 100000 /* for the helper to take one that is free */

/* Is the holder of the gate the request that sent this one? */
static int holder_is_parent(const lpp_session_t *session)
{
    lpp_holder_t holder;

    if (session->options.parent_id == NULL) {
        return 0;
    }
    lpp_gate_get_holder(session->sampler->options.gate, &holder);
    return holder.pid != 0
           && strcmp(holder.id, session->options.parent_id) == 0;
}

/* Take the session out of the queue, if it is still there. */
static void leave_queue(lpp_session_t *session)
{
    lpp_session_t **at = &session->sampler->queue;

    while (*at != NULL && *at != session) {
        at = &(*at)->next;
    }
    if (*at == session) {
        *at = session->next;
    }
}

/* Ask all that can end a wait; called without the mutex. clients_us: of the
 * gate, when it began. */
static lpp_start_e look_around(lpp_session_t *session, int64_t deadline_ns,
                               apr_uint64_t clients_us)
{
    const lpp_session_options_t *options = &session->options;
    lpp_gate_t *gate = session->sampler->options.gate;

    if (atomic_load(&session->sampler->stop)) {
        return LPP_START_STOPPING;
    }
    if (holder_is_parent(session)) {
        return LPP_START_CHILD;
    }
    if (options->wanted != NULL && !options->wanted(options->wanted_baton)) {
        return LPP_START_GONE;
    }
    if (deadline_ns >= 0 && lpp_sampler_now_ns() >= deadline_ns) {
        return LPP_START_TIMED_OUT;
    }
    if (options->max_client_wait_us > 0
        && lpp_gate_client_us(gate) - clients_us
               >= (apr_uint64_t)options->max_client_wait_us) {
        lpp_gate_hurry(gate);
    }
    return LPP_START_RUNNING;
}

/* Sleep one slice, or until the helper speaks. The mutex is held. */
static void wait_slice(lpp_session_t *session, int64_t deadline_ns)
{
    int64_t until = lpp_sampler_now_ns() + (session->options.parent_id != NULL
                                ? CHILD_SLICE_NS : WANTED_SLICE_NS);
    struct timespec then;

    if (deadline_ns >= 0 && deadline_ns < until) {
        until = deadline_ns;
    }
    then.tv_sec = (time_t)(until / 1000000000);
    then.tv_nsec = (long)(until % 1000000000);
    pthread_cond_timedwait(&session->cond, &session->sampler->mutex, &then);
}

/*
 * A gate that is free is granted in some twenty microseconds: going to sleep
 * and being woken would double that. Never long, and not at all where the
 * helper needs this very processor.
 */
static void spin(const lpp_session_t *session)
{
    int64_t until;

    if (!lpp_sampler_may_spin()) {
        return;
    }
    until = lpp_sampler_now_ns() + SPIN_NS;
    while (!atomic_load(&((lpp_session_t *)session)->settled)
           && lpp_sampler_now_ns() < until) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

/* Queue up; RUNNING means granted. */
static lpp_start_e wait_for_turn(lpp_session_t *session, apr_status_t *status,
                                 apr_interval_time_t timeout_us)
{
    lpp_sampler_t *sampler = session->sampler;
    int64_t deadline = timeout_us < 0 ? -1
        : lpp_sampler_now_ns() + timeout_us * NS_PER_US;
    apr_uint64_t clients_us = lpp_gate_client_us(sampler->options.gate);
    lpp_start_e how = LPP_START_RUNNING;
    lpp_session_t **at;

    pthread_mutex_lock(&sampler->mutex);
    *status = lpp_sampler_ensure(sampler);
    if (*status != APR_SUCCESS) {
        pthread_mutex_unlock(&sampler->mutex);
        return atomic_load(&sampler->stop) ? LPP_START_STOPPING
                                           : LPP_START_FAILED;
    }
    for (at = &sampler->queue; *at != NULL; at = &(*at)->next) {
    }
    *at = session;
    sem_post(&sampler->wake);
    pthread_mutex_unlock(&sampler->mutex);
    spin(session);
    pthread_mutex_lock(&sampler->mutex);
    while (session->state == SESSION_WAITING
           || session->state == SESSION_PREPARING) {
        wait_slice(session, deadline);
        if (session->state != SESSION_WAITING) {
            continue; /* being prepared: it will not take long */
        }
        pthread_mutex_unlock(&sampler->mutex);
        how = look_around(session, deadline, clients_us);
        pthread_mutex_lock(&sampler->mutex);
        if (how != LPP_START_RUNNING && session->state == SESSION_WAITING) {
            leave_queue(session);
            pthread_mutex_unlock(&sampler->mutex);
            return how;
        }
        how = LPP_START_RUNNING;
    }
    if (session->state == SESSION_FAILED) {
        *status = session->status;
        how = atomic_load(&sampler->stop) ? LPP_START_STOPPING
                                          : LPP_START_FAILED;
    }
    pthread_mutex_unlock(&sampler->mutex);
    return how;
}

static int is_free(lpp_gate_t *gate)
{
    lpp_holder_t holder;

    lpp_gate_get_holder(gate, &holder);
    return holder.pid == 0;
}

/* Take a place among those that wait, wait, and give the place back unless the
 * helper has done so with the grant. */
static lpp_start_e wait_bounded(lpp_session_t *session, apr_status_t *status)
{
    lpp_gate_t *gate = session->sampler->options.gate;
    apr_interval_time_t timeout_us = session->options.lock_timeout_us;
    lpp_start_e how;

    if (session->options.max_waiting == 0) {
        /* Nobody may wait: only a gate that is free is for us. */
        if (!is_free(gate)) {
            return LPP_START_BUSY;
        }
        how = wait_for_turn(session, status, FREE_GATE_WAIT_US);
        return how == LPP_START_TIMED_OUT ? LPP_START_BUSY : how;
    }
    if (lpp_gate_enter(gate, session->options.max_waiting) != APR_SUCCESS) {
        return LPP_START_BUSY;
    }
    /* Whose turn it is at once does not wait, however little it may. */
    if (timeout_us >= 0 && timeout_us < FREE_GATE_WAIT_US && is_free(gate)) {
        timeout_us = FREE_GATE_WAIT_US;
    }
    session->counted = 1; /* before the helper sees the session */
    how = wait_for_turn(session, status, timeout_us);
    lpp_session_uncount(session);
    return how;
}

static void count_skip(lpp_gate_t *gate, lpp_start_e how)
{
    if (how == LPP_START_BUSY) {
        lpp_gate_count_skip(gate, LPP_GATE_BUSY);
    }
    else if (how == LPP_START_TIMED_OUT) {
        lpp_gate_count_skip(gate, LPP_GATE_TIMED_OUT);
    }
    else if (how == LPP_START_GONE) {
        lpp_gate_count_skip(gate, LPP_GATE_GONE);
    }
    else if (how == LPP_START_CHILD) {
        lpp_gate_count_skip(gate, LPP_GATE_CHILD);
    }
}

lpp_start_e lpp_session_wait(lpp_session_t *session, apr_status_t *status)
{
    lpp_start_e how = holder_is_parent(session) ? LPP_START_CHILD
                                                : wait_bounded(session, status);

    if (how != LPP_START_RUNNING) {
        count_skip(session->sampler->options.gate, how);
    }
    return how;
}
