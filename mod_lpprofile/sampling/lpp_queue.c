/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_queue: see lpp_queue_internal.h. */
#include "sampling/lpp_queue_internal.h"

#include <string.h>

#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"

#define NS_PER_US 1000
#define WANTED_SLICE_NS INT64_C(250000000)
/* A request of this host looks more often: see slice_ns. */
#define HERE_SLICE_NS INT64_C(1000000)
#define HERE_SLICE_MAX_NS INT64_C(32000000)
#define HERE_LOOK_US 5000       /* until the owner's helper has looked */
#define MAYBE_CHILD_NS INT64_C(1000000000) /* the owner waits for a process,
                                              which may have sent the request */
#define SPIN_NS 60000
#define FREE_GATE_WAIT_US 100000 /* until the helper takes a free gate */

/* One wait in the queue. */
typedef struct wait_t {
    int64_t began_ns;        /* CLOCK_MONOTONIC */
    int64_t deadline_ns;     /* < 0: none */
    apr_uint64_t clients_us; /* the gate's sum of slow clients' time then */
    int64_t slice_ns;        /* the next sleep */
} wait_t;

/* Whether the request came from this host: only then may the owner of the gate
 * have sent it. */
static int is_from_here(const lpp_session_t *session)
{
    return session->options.connection.remote.family != 0
           && lpp_ends_is_here(&session->options.connection);
}

/* Whether the owner of the gate waits for this request. A process that the
 * owner waits for may have sent the request, or not: such a request waits, but
 * not for long. */
static int owner_waits_for(const lpp_session_t *session, int64_t waited_ns)
{
    switch (lpp_gate_awaits(session->sampler->options.gate,
                            &session->options.connection)) {
    case LPP_GATE_AWAITS:
        return 1;
    case LPP_GATE_AWAITS_MAYBE:
        return waited_ns >= MAYBE_CHILD_NS;
    case LPP_GATE_AWAITS_NOT:
        break;
    }
    return 0;
}

/* Remove the session from the queue, if it is still there. */
static void leave(lpp_session_t *session)
{
    lpp_session_t **at = &session->sampler->queue;

    while (*at != NULL && *at != session) {
        at = &(*at)->next;
    }
    if (*at == session) {
        *at = session->next;
    }
}

/* Whether something ends the wait (RUNNING: nothing). Called without the
 * mutex. */
static lpp_start_e check_wait(lpp_session_t *session, const wait_t *wait)
{
    int64_t now = lpp_clock_ns(CLOCK_MONOTONIC);
    const lpp_session_options_t *options = &session->options;
    lpp_gate_t *gate = session->sampler->options.gate;

    if (atomic_load(&session->sampler->helper.stop)) {
        return LPP_START_STOPPING;
    }
    if (session->from_here && owner_waits_for(session, now - wait->began_ns)) {
        return LPP_START_CHILD;
    }
    if (options->wanted != NULL && !options->wanted(options->wanted_baton)) {
        return LPP_START_GONE;
    }
    if (wait->deadline_ns >= 0 && now >= wait->deadline_ns) {
        return LPP_START_TIMED_OUT;
    }
    if (options->max_client_wait_us > 0
        && lpp_gate_client_us(gate) - wait->clients_us
               >= (apr_uint64_t)options->max_client_wait_us) {
        lpp_gate_ask_to_end(gate);
    }
    return LPP_START_RUNNING;
}

/* Sleep for a short time, or until the helper signals the session's condition.
 * The mutex is held. */
static void wait_slice(lpp_session_t *session, wait_t *wait)
{
    int64_t until = lpp_clock_ns(CLOCK_MONOTONIC) + wait->slice_ns;
    struct timespec then;

    if (wait->deadline_ns >= 0 && wait->deadline_ns < until) {
        until = wait->deadline_ns;
    }
    then = lpp_clock_timespec(until);
    pthread_cond_timedwait(&session->cond, &session->sampler->helper.mutex,
                           &then);
    if (wait->slice_ns < HERE_SLICE_MAX_NS) {
        wait->slice_ns *= 2;
    }
}

/*
 * A free gate is granted within some twenty microseconds; sleeping and being
 * woken would double that. So spin for a short time, unless the helper needs
 * this processor.
 */
static void spin(const lpp_session_t *session)
{
    int64_t until;

    if (!lpp_helper_may_spin()) {
        return;
    }
    until = lpp_clock_ns(CLOCK_MONOTONIC) + SPIN_NS;
    while (!atomic_load(&((lpp_session_t *)session)->settled)
           && lpp_clock_ns(CLOCK_MONOTONIC) < until) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
}

/* The gate was not granted at once. */
static void begin_wait(lpp_session_t *session, wait_t *wait)
{
    session->from_here = is_from_here(session);
    if (session->from_here) {
        wait->slice_ns = HERE_SLICE_NS;
        /* No timeout is so short that the owner's helper cannot look first. */
        if (wait->deadline_ns >= 0
            && wait->deadline_ns < wait->began_ns + HERE_LOOK_US * NS_PER_US) {
            wait->deadline_ns = wait->began_ns + HERE_LOOK_US * NS_PER_US;
        }
    }
}

/* Wait until the helper has granted the gate or failed; else leave the queue.
 * The mutex is held, and released in between. */
static lpp_start_e wait_for_grant(lpp_session_t *session, wait_t *wait)
{
    lpp_sampler_t *sampler = session->sampler;
    lpp_start_e how;

    while (session->state == SESSION_WAITING
           || session->state == SESSION_PREPARING) {
        if (session->from_here) {
            lpp_gate_ask_waits(sampler->options.gate);
        }
        wait_slice(session, wait);
        if (session->state != SESSION_WAITING) {
            continue; /* PREPARING: the helper has nearly finished */
        }
        pthread_mutex_unlock(&sampler->helper.mutex);
        how = check_wait(session, wait);
        pthread_mutex_lock(&sampler->helper.mutex);
        if (how != LPP_START_RUNNING && session->state == SESSION_WAITING) {
            leave(session);
            return how;
        }
    }
    return LPP_START_RUNNING;
}

/* Enter the queue and wait there; RUNNING: granted. */
static lpp_start_e wait_in_queue(lpp_session_t *session, apr_status_t *status,
                                 apr_interval_time_t timeout_us)
{
    lpp_sampler_t *sampler = session->sampler;
    lpp_start_e how = LPP_START_RUNNING;
    lpp_session_t **at;
    wait_t wait;

    wait.began_ns = lpp_clock_ns(CLOCK_MONOTONIC);
    wait.deadline_ns = timeout_us < 0 ? -1
        : wait.began_ns + timeout_us * NS_PER_US;
    wait.slice_ns = WANTED_SLICE_NS;
    wait.clients_us = lpp_gate_client_us(sampler->options.gate);
    pthread_mutex_lock(&sampler->helper.mutex);
    *status = lpp_helper_start(&sampler->helper);
    if (*status != APR_SUCCESS) {
        pthread_mutex_unlock(&sampler->helper.mutex);
        return atomic_load(&sampler->helper.stop) ? LPP_START_STOPPING
                                                  : LPP_START_FAILED;
    }
    for (at = &sampler->queue; *at != NULL; at = &(*at)->next) {
    }
    *at = session;
    lpp_helper_wake(&sampler->helper);
    pthread_mutex_unlock(&sampler->helper.mutex);
    spin(session);
    if (!atomic_load(&session->settled)) {
        begin_wait(session, &wait);
    }
    pthread_mutex_lock(&sampler->helper.mutex);
    how = wait_for_grant(session, &wait);
    if (session->state == SESSION_FAILED) {
        *status = session->status;
        how = atomic_load(&sampler->helper.stop) ? LPP_START_STOPPING
                                                 : LPP_START_FAILED;
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    return how;
}

static int is_free(lpp_gate_t *gate)
{
    lpp_owner_t owner;

    lpp_gate_get_owner(gate, &owner);
    return owner.pid == 0;
}

void lpp_queue_uncount(lpp_session_t *session)
{
    if (session->counted) {
        session->counted = 0;
        lpp_gate_leave(session->sampler->options.gate);
    }
}

/* Wait with this session counted by the gate as waiting; BUSY if as many as
 * allowed are waiting already. */
static lpp_start_e wait_bounded(lpp_session_t *session, apr_status_t *status)
{
    lpp_gate_t *gate = session->sampler->options.gate;
    apr_interval_time_t timeout_us = session->options.lock_timeout_us;
    lpp_start_e how;

    if (session->options.max_waiting == 0) {
        /* No waiting allowed: take the gate only if it is free. */
        if (!is_free(gate)) {
            return LPP_START_BUSY;
        }
        how = wait_in_queue(session, status, FREE_GATE_WAIT_US);
        return how == LPP_START_TIMED_OUT ? LPP_START_BUSY : how;
    }
    if (lpp_gate_enter(gate, session->options.max_waiting) != APR_SUCCESS) {
        return LPP_START_BUSY;
    }
    /* A free gate is granted even if the timeout is shorter than that takes. */
    if (timeout_us >= 0 && timeout_us < FREE_GATE_WAIT_US && is_free(gate)) {
        timeout_us = FREE_GATE_WAIT_US;
    }
    session->counted = 1; /* before the helper sees the session */
    how = wait_in_queue(session, status, timeout_us);
    lpp_queue_uncount(session);
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

lpp_start_e lpp_queue_wait(lpp_session_t *session, apr_status_t *status)
{
    lpp_start_e how = wait_bounded(session, status);

    if (how != LPP_START_RUNNING) {
        count_skip(session->sampler->options.gate, how);
    }
    return how;
}

lpp_session_t *lpp_queue_take(lpp_sampler_t *sampler)
{
    lpp_session_t *session = sampler->queue;

    if (session != NULL) {
        sampler->queue = session->next;
        session->state = SESSION_PREPARING;
    }
    return session;
}

void lpp_queue_fail(lpp_sampler_t *sampler, apr_status_t status)
{
    lpp_session_t *session;

    while ((session = sampler->queue) != NULL) {
        sampler->queue = session->next;
        session->status = status;
        session->state = SESSION_FAILED;
        atomic_store(&session->settled, 1);
        pthread_cond_signal(&session->cond);
    }
}
