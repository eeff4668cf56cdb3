/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler: the helper thread of a child: its birth, its queue, its end.
 *
 * The helper alone takes and releases the gate, so a request may end on any
 * thread. It sleeps on one semaphore: requests post it, and so may a signal
 * handler that ends the process. Owns the queue of requests that wait for their
 * turn in this child and the jobs that threads have done by the helper. Never
 * joined by a request; nothing of it runs in a forked child.
 */
#include "sampling/lpp_sampler_internal.h"

#include <apr_allocator.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/lpp_log.h"
#include "base/lpp_log_tags.h"

#define NS_PER_S INT64_C(1000000000)
#define GATE_SLICE_US 50000
#define HURRIED_MIN_US 50000 /* any client may be as slow as that */
#define IDLE_CHECK_NS (NS_PER_S / 4)
#define CLEANUP_WAIT_MS 1000

_Static_assert(sizeof(lpp_legacy_t) <= LPP_GATE_AREA_BYTES,
               "what a holder leaves fits into its area");
#define TOUCH_BYTES 16384 /* of a slot; deeper stacks are few */

/* End a session for the helper's own reasons. The mutex is held. */
static void cut(lpp_sampler_t *sampler, lpp_session_t *session, lpp_stop_e why)
{
    if (session->state == SESSION_RUNNING) {
        session->cpu_before_ns += lpp_clock_ns(session->cpu_clock)
            - session->segment_cpu_ns;
    }
    session->end_wall_ns = lpp_sampler_now_ns();
    session->state = SESSION_STOPPED;
    atomic_store(&session->cut_short, why);
    lpp_signal_quiesce(&sampler->target);
}

/* How long it was blocked on its client until now, all calls together. What
 * they computed (encryption, a filter) is no fault of the client. */
static int64_t client_wait_ns(lpp_session_t *session, int64_t now)
{
    int64_t blocked = atomic_load(&session->client_before_ns);
    int64_t since = atomic_load(&session->client_since_ns);

    if (since != 0) {
        blocked += now - since - (lpp_clock_ns(session->cpu_clock)
                                  - atomic_load(&session->client_cpu_ns));
    }
    return blocked;
}

/* Whether it was blocked on its client for long enough: for its own limit, or
 * at all, where others waited that long for clients. The mutex is held. */
static int client_is_slow(lpp_session_t *session, int64_t now)
{
    lpp_gate_t *gate = session->sampler->options.gate;
    apr_interval_time_t max_us = session->options.max_client_wait_us;
    int64_t us = client_wait_ns(session, now) / 1000;

    if (us > session->client_told_us) {
        lpp_gate_add_client_us(gate,
                               (apr_uint64_t)(us - session->client_told_us));
        session->client_told_us = us;
    }
    return max_us > 0
           && (us >= max_us
               || (us >= HURRIED_MIN_US && lpp_gate_hurried(gate)
                   && atomic_load(&session->client_since_ns) != 0));
}

/* Why the session must end now, if it must. */
static lpp_stop_e over_the_limit(const lpp_sampler_t *sampler,
                                 lpp_session_t *session)
{
    const lpp_session_options_t *options = &session->options;
    int64_t now = lpp_sampler_now_ns();

    if (atomic_load(&sampler->stop)) {
        return LPP_STOP_CHILD;
    }
    if (session->state == SESSION_GRANTED) {
        return LPP_STOP_NOT; /* it has not begun */
    }
    if (sampler->tick.stand_down) {
        return LPP_STOP_SELF;
    }
    if (options->max_time_us > 0
        && now - session->start_wall_ns >= options->max_time_us * 1000) {
        return LPP_STOP_MAX_TIME;
    }
    if (client_is_slow(session, now)) {
        return LPP_STOP_CLIENT;
    }
    return LPP_STOP_NOT;
}

/* When to look again at a session that is not sampled, or later is too late. */
static int64_t next_look(const lpp_session_t *session, int64_t due)
{
    int64_t end = session->start_wall_ns
        + session->options.max_time_us * 1000;

    if (session->options.max_time_us > 0 && end < due) {
        due = end;
    }
    return due;
}

/* Have memory behind the first slots of the ring, once; the very first before
 * the request goes on, the others while it runs. */
static void touch_ring(lpp_sampler_t *sampler, unsigned slots)
{
    if (sampler->touched_slots < slots) {
        lpp_ring_touch(sampler->ring, sampler->touched_slots,
                       slots - sampler->touched_slots, TOUCH_BYTES);
        sampler->touched_slots = slots;
    }
}

/* Once: calls that the trial did not know of ended early by a signal of ours.
 * At most LPP_SIGNAL_BROKEN_MAX of a process do. */
static void say_what_broke(lpp_sampler_t *sampler)
{
    if (!sampler->said_broken && lpp_signal_unrepaired() > 0) {
        sampler->said_broken = 1;
        lpp_log(LPP_LOG_WARNING, 0, LPP_TAG_SIGNAL_BROKEN,
                "a system call that sampling interrupted could not be "
                "restarted and ended early (EINTR); threads of this process "
                "that wait are not interrupted any more");
    }
}

/* One session from grant to its final profile. The mutex is held. */
static void run_session(lpp_sampler_t *sampler, lpp_session_t *session)
{
    lpp_stop_e why;
    int64_t due;

    lpp_tick_begin(sampler, session);
    session->start_wall_ns = lpp_sampler_now_ns();
    session->state = SESSION_GRANTED;
    pthread_cond_signal(&session->cond);
    pthread_mutex_unlock(&sampler->mutex);
    /* Last: who spins for it wants the mutex next. It stays until STOPPED. */
    atomic_store(&session->settled, 1);
    touch_ring(sampler, LPP_RING_SLOTS);
    pthread_mutex_lock(&sampler->mutex);
    while (session->state != SESSION_STOPPED) {
        due = lpp_sampler_now_ns() + IDLE_CHECK_NS;
        lpp_sampler_serve_requests(sampler);
        /* Granted, too: its thread may be in prefork's signal handler, on top
         * of the wait, and never come. */
        why = over_the_limit(sampler, session);
        if (why != LPP_STOP_NOT) {
            cut(sampler, session, why);
            break;
        }
        /* Granted: its first tick comes without another knock, which would
         * cost the request more than all else here. */
        due = session->state == SESSION_GRANTED
            ? lpp_sampler_now_ns() + sampler->tick.watch_ns
            : next_look(session, due);
        if (session->state == SESSION_RUNNING) {
            int64_t tick_due;

            lpp_tick_follow(sampler);
            pthread_mutex_unlock(&sampler->mutex);
            tick_due = lpp_tick_run(sampler);
            due = tick_due < due ? tick_due : due;
        }
        else {
            if (session->state == SESSION_PAUSED) {
                lpp_tick_pause(sampler);
            }
            pthread_mutex_unlock(&sampler->mutex);
        }
        lpp_sampler_sleep(sampler, due);
        pthread_mutex_lock(&sampler->mutex);
    }
    pthread_mutex_unlock(&sampler->mutex);
    say_what_broke(sampler);
    lpp_tick_finish(sampler);
    lpp_tick_bequeath_end(sampler, session);
    pthread_mutex_lock(&sampler->mutex);
}

void lpp_session_uncount(lpp_session_t *session)
{
    if (session->counted) {
        session->counted = 0;
        lpp_gate_leave(session->sampler->options.gate);
    }
}

/* The gate is ours: get the first in the queue ready. The mutex is held. */
static void prepare(lpp_sampler_t *sampler, lpp_session_t *session)
{
    apr_uint64_t root = 0;

    sampler->queue = session->next;
    session->state = SESSION_PREPARING;
    pthread_mutex_unlock(&sampler->mutex);
    /* Before others see the owner: its thread may be long in waking up, and
     * would count as one that waits until then. */
    lpp_session_uncount(session);
    lpp_gate_set_holder(sampler->options.gate, &session->options.holder);
    lpp_tick_make_will(sampler, session);
    /* Nobody is armed: the last session's thread was made quiet, or did so. */
    lpp_signal_quiesce(&sampler->target);
    lpp_ring_reset(sampler->ring);
    touch_ring(sampler, 1);
    if (session->options.stacks) {
        lpp_tick_refresh(sampler);
        root = lpp_tick_root(sampler, session->root_names, &session->here);
    }
    pthread_mutex_lock(&sampler->mutex);
    session->root_cfa = root;
    session->root_known = session->options.stacks;
    session->can_unwind = sampler->unwinder != NULL;
}

/* Let all waiters go. The mutex is held. */
static void fail_waiters(lpp_sampler_t *sampler, apr_status_t status)
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

/* Somebody waits: try for the gate, and serve the first. The mutex is held. */
static void serve_queue(lpp_sampler_t *sampler)
{
    lpp_session_t *session;
    void *kept = NULL;
    apr_status_t status;

    pthread_mutex_unlock(&sampler->mutex);
    status = lpp_gate_try(sampler->options.gate, GATE_SLICE_US);
    pthread_mutex_lock(&sampler->mutex);
    if (APR_STATUS_IS_TIMEUP(status)) {
        return;
    }
    if (status != APR_SUCCESS) {
        fail_waiters(sampler, status);
        return;
    }
    session = atomic_load(&sampler->stop) ? NULL : sampler->queue;
    if (session != NULL) {
        prepare(sampler, session);
        run_session(sampler, session);
    }
    pthread_mutex_unlock(&sampler->mutex);
    lpp_crash_disarm();
    if (session != NULL && atomic_load(&session->cut_short) != LPP_STOP_NOT) {
        status = lpp_gate_release_keep(sampler->options.gate, &kept);
    }
    else {
        status = lpp_gate_release(sampler->options.gate);
    }
    if (status != APR_SUCCESS) {
        lpp_log(LPP_LOG_ERROR, status, LPP_TAG_SAMPLER_RELEASE,
                "the gate could not be given back");
    }
    pthread_mutex_lock(&sampler->mutex);
    if (session != NULL) {
        session->kept = kept;
        session->state = SESSION_DONE;
        /* The last touch: it may be freed once the mutex is free. */
        pthread_cond_broadcast(&session->cond);
    }
}

static void *helper_main(void *baton)
{
    lpp_sampler_t *sampler = baton;

    /* Fails harmlessly: ticks are then up to 50 us late. */
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    pthread_setname_np(pthread_self(), "lpp-helper");
    pthread_mutex_lock(&sampler->mutex);
    while (!atomic_load(&sampler->stop)) {
        lpp_sampler_serve_requests(sampler);
        if (sampler->queue != NULL) {
            serve_queue(sampler);
        }
        else {
            sampler->idle = 1;
            pthread_mutex_unlock(&sampler->mutex);
            lpp_sampler_idle(sampler);
            pthread_mutex_lock(&sampler->mutex);
            sampler->idle = 0;
        }
    }
    fail_waiters(sampler, APR_EOF);
    lpp_sampler_serve_requests(sampler);
    atomic_store(&sampler->gone, 1); /* under the mutex: no request after it */
    pthread_mutex_unlock(&sampler->mutex);
    return NULL;
}

apr_status_t lpp_sampler_ensure(lpp_sampler_t *sampler)
{
    sigset_t all, old;
    int rc;

    if (sampler->started) {
        return atomic_load(&sampler->gone) ? APR_EOF : APR_SUCCESS;
    }
    sigfillset(&all);
    rc = pthread_sigmask(SIG_SETMASK, &all, &old);
    if (rc != 0) {
        return rc;
    }
    rc = pthread_create(&sampler->thread, NULL, helper_main, sampler);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    sampler->started = rc == 0;
    return rc;
}

void lpp_sampler_stop(lpp_sampler_t *sampler)
{
    atomic_store(&sampler->stop, 1);
    sem_post(&sampler->wake);
}

int lpp_sampler_signal(const lpp_sampler_t *sampler)
{
    return atomic_load(&((lpp_sampler_t *)sampler)->signal);
}

/* Before the pools below ours go, and with them what waits in the helper's
 * queue. May run in prefork's signal handler, on top of anything: no lock is
 * waited for; a helper that does not answer in time keeps the memory. */
static apr_status_t stop_helper(void *baton)
{
    static const struct timespec nap = { 0, 1000000 };
    lpp_sampler_t *sampler = baton;
    int i;

    if (sampler->process != getpid()) {
        return APR_SUCCESS; /* a fork's copy: its helper never was */
    }
    lpp_sampler_stop(sampler);
    if (sampler->started) {
        for (i = 0; i < CLEANUP_WAIT_MS
                    && pthread_tryjoin_np(sampler->thread, NULL) != 0; i++) {
            nanosleep(&nap, NULL);
        }
        if (i == CLEANUP_WAIT_MS) {
            return APR_TIMEUP;
        }
        sampler->started = 0;
    }
    lpp_signal_quiesce(&sampler->target);
    lpp_signal_serve(NULL);
    return APR_SUCCESS;
}

static apr_status_t free_memory(void *baton)
{
    lpp_sampler_t *sampler = baton;

    if (sampler->process == getpid() && !sampler->started) {
        apr_pool_destroy(sampler->pool);
    }
    return APR_SUCCESS;
}

static apr_status_t make_locks(lpp_sampler_t *sampler)
{
    int rc;

    if (sem_init(&sampler->wake, 0, 0) != 0) {
        return errno;
    }
    rc = pthread_mutex_init(&sampler->mutex, NULL);
    if (rc == 0) {
        rc = pthread_condattr_init(&sampler->monotonic);
    }
    if (rc == 0) {
        rc = pthread_condattr_setclock(&sampler->monotonic, CLOCK_MONOTONIC);
    }
    return rc;
}

/* What the helper works with. Made here and not at the first request, which
 * would wait for it; no page of it is touched before that. */
static apr_status_t make_parts(lpp_sampler_t *sampler)
{
    apr_pool_t *pool = sampler->pool;
    apr_status_t status = APR_SUCCESS;

    sampler->unwinder = sampler->options.unwinder;
    if (sampler->unwinder == NULL) {
        status = lpp_unwinder_create(&sampler->unwinder,
                                     sampler->options.unwind_kind,
                                     sampler->options.maps, pool);
    }
    if (APR_STATUS_IS_ENOTIMPL(status)) {
        sampler->unwinder = NULL; /* exact totals without stacks */
    }
    else if (status != APR_SUCCESS) {
        return status;
    }
    sampler->frames = apr_palloc(pool,
                                 LPP_FRAMES_MAX * sizeof(*sampler->frames));
    sampler->cfas = apr_palloc(pool, LPP_FRAMES_MAX * sizeof(*sampler->cfas));
    sampler->blocked_stack = apr_palloc(pool, LPP_STACK_MAX_BYTES);
    sampler->here_stack = apr_palloc(pool, LPP_STACK_MAX_BYTES);
    if (sampler->frames == NULL || sampler->cfas == NULL
        || sampler->blocked_stack == NULL || sampler->here_stack == NULL) {
        return APR_ENOMEM;
    }
    status = lpp_ring_create(&sampler->ring, pool);
    sampler->target.ring = sampler->ring;
    /* What this child has loaded since the table was made. */
    lpp_tick_refresh(sampler);
    return status;
}

apr_status_t lpp_sampler_create(lpp_sampler_t **sampler,
                                const lpp_sampler_options_t *options,
                                apr_pool_t *pool)
{
    lpp_sampler_t *made;
    apr_pool_t *own;
    apr_status_t status;

    *sampler = NULL;
    /* With an allocator of its own: the helper allocates while requests do,
     * and a helper that hangs at the end may keep it. */
    status = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (status != APR_SUCCESS) {
        return status;
    }
    apr_pool_tag(own, "lpp_sampler");
    made = apr_pcalloc(own, sizeof(*made));
    if (made == NULL) {
        status = APR_ENOMEM;
        goto leave;
    }
    made->pool = own;
    made->process = getpid();
    made->options = *options;
    status = make_locks(made);
    if (status == APR_SUCCESS) {
        status = make_parts(made);
    }
    if (status != APR_SUCCESS) {
        goto leave;
    }
    apr_pool_pre_cleanup_register(pool, made, stop_helper);
    apr_pool_cleanup_register(pool, made, free_memory, apr_pool_cleanup_null);
    *sampler = made;
leave:
    if (status != APR_SUCCESS) {
        apr_pool_destroy(own);
    }
    return status;
}

void lpp_sampler_expect(lpp_sampler_t *sampler)
{
    int idle;

    if (sampler->process != getpid()) {
        return; /* a fork's copy, its mutex perhaps locked for ever */
    }
    pthread_mutex_lock(&sampler->mutex);
    /* Busy: it will look at its queue by itself. */
    idle = lpp_sampler_ensure(sampler) == APR_SUCCESS && sampler->idle;
    pthread_mutex_unlock(&sampler->mutex);
    /* Not under the mutex, which it takes when it wakes. */
    if (idle && lpp_sampler_may_spin()) {
        atomic_store(&sampler->expected_from, sched_getcpu() + 1);
        sem_post(&sampler->wake);
    }
}
