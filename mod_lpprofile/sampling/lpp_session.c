/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_session: the request's side of a profile: waits for the gate, arms its
 * thread, pauses, stops, asks for the profile.
 *
 * Signal masks belong to threads, so all of this runs on the profiled thread;
 * the helper does the rest. Owns only the session, which is in a pool of the
 * request.
 */
#include "sampling/lpp_session.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampling/lpp_pages_internal.h"
#include "sampling/lpp_queue_internal.h"
#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"

#define NS_PER_US 1000
#define END_WAIT_MS 1000
#define TASK_WAIT_NS INT64_C(2000000000) /* for the helper to take a task */

static const struct timespec end_nap = { 0, 1000000 };

/* From now on the calling thread is the profiled one. The mutex is held. Does
 * not wake the helper, which checks again by itself after a start. */
static void begin_segment(lpp_session_t *session)
{
    session->thread = pthread_self();
    lpp_segment_begin(&session->segment);
    session->state = SESSION_RUNNING;
}

static apr_status_t take_signal(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    apr_status_t status = session->can_unwind && lpp_signal_allowed(0)
        ? lpp_arming_take(&session->arming, sampler->options.signal_number)
        : APR_ENOTIMPL;

    if (status == APR_SUCCESS) {
        atomic_store(&sampler->signal, session->arming.number);
    }
    return status;
}

/* The gate was granted: take a signal if stacks are wanted, and run. */
static lpp_start_e begin(lpp_session_t *session, lpp_arming_stack_t *stack)
{
    lpp_sampler_t *sampler = session->sampler;
    const lpp_unwinder_t *unwinder = sampler->frames.unwinder;
    lpp_start_e how = LPP_START_RUNNING;
    apr_status_t status;

    stack->root_cfa = session->root_cfa;
    if (session->options.stacks) {
        lpp_arming_set_stack(&sampler->target, stack);
        status = take_signal(session);
        if (status == APR_SUCCESS) {
            status = lpp_arming_arm(&session->arming, &sampler->target, stack);
        }
        if (status != APR_SUCCESS) {
            lpp_arming_release(&session->arming);
            how = LPP_START_NO_SIGNAL;
        }
    }
    pthread_mutex_lock(&sampler->helper.mutex);
    session->profile->statistics.unwinder = unwinder == NULL ? "none"
        : lpp_unwinder_name(unwinder);
    if (session->state == SESSION_GRANTED) {
        begin_segment(session);
        session->start_wall_ns = session->segment.wall_ns;
    }
    else { /* the child ends: the helper has ended the session */
        lpp_arming_disarm(&session->arming, &sampler->target);
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    return how;
}

static void return_spare_stack(lpp_session_t *session)
{
    if (session->copy.is_spare) {
        session->copy.is_spare = 0;
        atomic_store(&session->sampler->spare.taken, 0);
    }
}

/* Memory for a stack: the sampler's spare buffer if no other session uses it,
 * since its pages have memory already. NULL: no memory. */
static unsigned char *take_stack(lpp_session_t *session, apr_pool_t *pool)
{
    session->copy.is_spare = !atomic_exchange(&session->sampler->spare.taken,
                                              1);
    return session->copy.is_spare ? session->sampler->spare.stack
                                  : apr_palloc(pool, LPP_STACK_MAX_BYTES);
}

/* Make a session that has not waited yet; destroy undoes it. */
static apr_status_t make(lpp_session_t **session, lpp_sampler_t *sampler,
                         const lpp_session_options_t *options,
                         const char *const *root_names, apr_pool_t *pool)
{
    lpp_session_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_status_t status = APR_ENOMEM;

    *session = made;
    if (made == NULL) {
        return status;
    }
    made->sampler = sampler;
    made->options = *options;
    made->options.owner.pid = (apr_uint32_t)getpid();
    made->options.owner.tid = (apr_uint32_t)syscall(SYS_gettid);
    made->root_names = root_names;
    made->state = SESSION_WAITING;
    made->thread = pthread_self();
    made->segment.schedstat_fd = -1;
    made->copy.stack = take_stack(made, pool);
    made->copy.snapshot.page_frames = made->copy.page_frames;
    if (made->copy.stack != NULL) {
        status = lpp_profile_create(&made->profile, 0, pool);
    }
    if (status == APR_SUCCESS) {
        status = lpp_helper_cond_init(&sampler->helper, &made->cond);
    }
    if (status == APR_SUCCESS) {
        status = pthread_mutex_init(&made->tree_mutex, NULL);
        if (status != APR_SUCCESS) {
            pthread_cond_destroy(&made->cond);
        }
    }
    if (status != APR_SUCCESS) {
        return_spare_stack(made);
    }
    return status;
}

static void destroy(lpp_session_t *session)
{
    pthread_cond_destroy(&session->cond);
    pthread_mutex_destroy(&session->tree_mutex);
    lpp_segment_close(&session->segment);
    return_spare_stack(session);
}

lpp_start_e lpp_session_start(lpp_sampler_t *sampler,
                              const lpp_session_options_t *options,
                              const char *const *root_names,
                              lpp_session_t **session,
                              apr_interval_time_t *waited_us,
                              apr_status_t *status, apr_pool_t *pool)
{
    int64_t began = lpp_clock_ns(CLOCK_MONOTONIC);
    lpp_arming_stack_t stack = { 0, 0, 0 };
    lpp_start_e how;
    lpp_session_t *made;

    *session = NULL;
    *waited_us = 0;
    *status = APR_SUCCESS;
    if (sampler->process != getpid()) {
        return LPP_START_FORKED;
    }
    if (atomic_load(&sampler->helper.stop)) {
        return LPP_START_STOPPING;
    }
    *status = lpp_signal_thread_stack(&stack.start, &stack.end);
    if (*status == APR_SUCCESS) {
        *status = make(&made, sampler, options, root_names, pool);
    }
    if (*status != APR_SUCCESS) {
        return LPP_START_FAILED;
    }
    /* A stack larger than the copy is cut: its root is not found, and all
     * frames that fit a sample are attributed to the request. */
    (void)lpp_signal_capture(&made->copy.snapshot, made->copy.stack,
                             LPP_STACK_MAX_BYTES, stack.end, stack.start);
    how = lpp_queue_wait(made, status);
    *waited_us = (lpp_clock_ns(CLOCK_MONOTONIC) - began) / NS_PER_US;
    if (how != LPP_START_RUNNING) {
        destroy(made);
        return how;
    }
    *session = made;
    return begin(made, &stack);
}

void lpp_session_client_enter(lpp_session_t *session)
{
    lpp_client_enter(&session->client);
}

void lpp_session_client_leave(lpp_session_t *session)
{
    lpp_client_leave(&session->client);
}

void lpp_session_pause(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    int running;

    pthread_mutex_lock(&sampler->helper.mutex);
    running = session->state == SESSION_RUNNING;
    if (running) {
        lpp_segment_add(&session->segment, CLOCK_THREAD_CPUTIME_ID,
                        &session->used);
        session->segment.tid = 0;
        session->state = SESSION_PAUSED;
        lpp_arming_disarm(&session->arming, &sampler->target);
        lpp_helper_wake(&sampler->helper);
    }
    lpp_segment_close(&session->segment);
    pthread_mutex_unlock(&sampler->helper.mutex);
    if (!running) {
        /* The helper has ended the session: only the mask must be restored. */
        lpp_arming_disarm(&session->arming, NULL);
    }
    lpp_client_leave_all(&session->client);
}

/* Have the helper call function(baton), and wait for that. The mutex is held on
 * entry and return, and released while waiting. */
static apr_status_t perform(lpp_session_t *session,
                            void (*function)(void *baton), void *baton,
                            int64_t deadline_ns)
{
    lpp_helper_task_t task;

    memset(&task, 0, sizeof(task));
    task.perform = function;
    task.baton = baton;
    task.done = &session->cond;
    return lpp_helper_perform(&session->sampler->helper, &task, deadline_ns);
}

/* A task about the session's copied stack. */
typedef struct stack_task_t {
    lpp_session_t *session;
    apr_uint64_t root_cfa;
    lpp_pc_t *frames; /* at most max */
    unsigned max, count;
} stack_task_t;

/* A helper task: find root_cfa, and the interpreters. */
static void look_for_root(void *baton)
{
    stack_task_t *task = baton;
    lpp_session_t *session = task->session;
    lpp_frames_t *frames = &session->sampler->frames;

    lpp_frames_refresh(frames);
    lpp_pages_begin(session->sampler, session);
    task->root_cfa = lpp_frames_root(frames, session->root_names,
                                     &session->copy.snapshot);
}

/* Have the helper find the session's root in the copied stack. The mutex is
 * held on entry and return, and released while waiting. */
static apr_status_t find_root(lpp_session_t *session)
{
    stack_task_t task = { session, 0, NULL, 0, 0 };
    apr_status_t status = perform(session, look_for_root, &task,
                                  lpp_clock_ns(CLOCK_MONOTONIC)
                                      + TASK_WAIT_NS);

    if (status == APR_SUCCESS) {
        session->root_cfa = task.root_cfa;
    }
    session->root_known = 1; /* if unknown, it stays so: the copy is
                                overwritten */
    return status;
}

apr_status_t lpp_session_resume(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    lpp_arming_stack_t stack = { 0, 0, 0 };
    apr_status_t status;

    status = lpp_signal_thread_stack(&stack.start, &stack.end);
    if (status != APR_SUCCESS) {
        return status;
    }
    /* Where the stack is cut: see lpp_session_start. */
    (void)lpp_signal_capture(&session->copy.snapshot, session->copy.stack,
                             LPP_STACK_MAX_BYTES, stack.end, stack.start);
    pthread_mutex_lock(&sampler->helper.mutex);
    if (session->state != SESSION_PAUSED) {
        pthread_mutex_unlock(&sampler->helper.mutex);
        return APR_SUCCESS; /* it ended while the session was paused */
    }
    status = find_root(session);
    if (status == APR_SUCCESS && session->state == SESSION_PAUSED) {
        stack.root_cfa = session->root_cfa;
        lpp_arming_set_stack(&sampler->target, &stack);
        if (session->arming.signal_taken) {
            status = lpp_arming_arm(&session->arming, &sampler->target, &stack);
        }
        begin_segment(session);
        lpp_helper_wake(&sampler->helper);
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    return status;
}

/* Start a paused session again; the time that it has left stays the same. The
 * helper reads all this at the next segment. The mutex is held. */
static void restart(lpp_session_t *session)
{
    int64_t now = lpp_clock_ns(CLOCK_MONOTONIC);
    apr_interval_time_t *max_us = &session->options.max_time_us;

    if (*max_us > 0) {
        *max_us -= (now - session->start_wall_ns) / NS_PER_US;
        *max_us = *max_us > 0 ? *max_us : 1;
    }
    session->start_wall_ns = now;
    memset(&session->used, 0, sizeof(session->used));
    session->options.stacks = 1;
}

lpp_start_e lpp_session_sample(lpp_session_t *session,
                               const char *const *root_names)
{
    lpp_sampler_t *sampler = session->sampler;
    int going_on;

    lpp_session_pause(session);
    pthread_mutex_lock(&sampler->helper.mutex);
    going_on = session->state == SESSION_PAUSED;
    if (going_on) {
        session->root_names = root_names;
        restart(session);
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    if (!going_on) {
        return LPP_START_FAILED;
    }
    (void)take_signal(session); /* on failure: exact totals only */
    if (lpp_session_resume(session) != APR_SUCCESS) {
        return LPP_START_FAILED;
    }
    return session->arming.armed ? LPP_START_RUNNING : LPP_START_NO_SIGNAL;
}

/*
 * Lock the mutex; returns 0 if that fails. Under prefork a child ends in a
 * signal handler, which may have interrupted its thread while that held this
 * mutex: then the destruction of the pools must not wait for it without a
 * limit.
 */
static int lock_for_end(lpp_sampler_t *sampler)
{
    int i;

    if (!atomic_load(&sampler->helper.stop)) {
        return pthread_mutex_lock(&sampler->helper.mutex) == 0;
    }
    for (i = 0; i < END_WAIT_MS; i++) {
        if (pthread_mutex_trylock(&sampler->helper.mutex) == 0) {
            return 1;
        }
        nanosleep(&end_nap, NULL);
    }
    return 0;
}

void lpp_session_stop(lpp_session_t *session, lpp_stop_e why)
{
    lpp_sampler_t *sampler = session->sampler;
    int same_thread = pthread_equal(session->thread, pthread_self());
    int running, ticks;

    if (sampler->process != getpid()) {
        return; /* a forked copy has no helper, and its mutex may be locked */
    }
    /* First of all, so that the rest is not in the profile. */
    if (!lock_for_end(sampler)) {
        return;
    }
    running = session->state == SESSION_RUNNING;
    /* A helper that ticks notices the end within a millisecond, or when the
     * profile is asked for; to wake it would cost the request 10 us. */
    ticks = running && session->arming.armed;
    if (running) {
        lpp_segment_add(&session->segment, same_thread
                            ? CLOCK_THREAD_CPUTIME_ID
                            : session->segment.cpu_clock, &session->used);
    }
    if (running || session->state == SESSION_PAUSED) {
        session->end_wall_ns = lpp_clock_ns(CLOCK_MONOTONIC);
        atomic_store(&session->cut_short, why);
        if (same_thread) {
            lpp_arming_disarm(&session->arming, &sampler->target);
        }
        else {
            lpp_signal_quiesce(&sampler->target);
        }
        session->state = SESSION_STOPPED;
        if (!ticks) {
            lpp_helper_wake(&sampler->helper);
        }
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    if (same_thread) {
        lpp_arming_disarm(&session->arming, NULL);
    }
    /* A thread that is still armed may have a pending signal: then the handler
     * stays installed, and the mask stays changed until the thread is armed and
     * disarmed again. */
    if (!session->arming.armed) {
        lpp_arming_release(&session->arming);
    }
    lpp_client_end(&session->client);
}

apr_uint32_t lpp_session_lowered_hz(const lpp_session_t *session)
{
    return atomic_load(&((lpp_session_t *)session)->lowered_hz);
}

lpp_stop_e lpp_session_cut_short(const lpp_session_t *session)
{
    return (lpp_stop_e)atomic_load(&((lpp_session_t *)session)->cut_short);
}

/* Wait for DONE; deadline_ns < 0: without a deadline. The mutex is held. */
static apr_status_t wait_done(lpp_session_t *session, int64_t deadline_ns)
{
    struct timespec then = lpp_clock_timespec(deadline_ns < 0 ? 0
                                                              : deadline_ns);

    if (session->state != SESSION_DONE) {
        lpp_helper_wake(&session->sampler->helper);
    }
    while (session->state != SESSION_DONE) {
        if (deadline_ns < 0) {
            pthread_cond_wait(&session->cond, &session->sampler->helper.mutex);
        }
        else if (pthread_cond_timedwait(&session->cond,
                                        &session->sampler->helper.mutex, &then)
                     == ETIMEDOUT
                 && session->state != SESSION_DONE) {
            return APR_TIMEUP;
        }
    }
    return APR_SUCCESS;
}

/* A helper task: add the samples received so far to the tree. */
static void drain(void *baton)
{
    lpp_session_t *session = baton;

    if (session->sampler->tick.session == session) {
        lpp_tick_drain(session->sampler);
        pthread_mutex_lock(&session->tree_mutex);
        lpp_pages_count(session->sampler, session);
        pthread_mutex_unlock(&session->tree_mutex);
    }
}

apr_status_t lpp_session_profile(lpp_session_t *session,
                                 lpp_profile_t **profile,
                                 apr_interval_time_t timeout_us,
                                 apr_pool_t *pool)
{
    lpp_sampler_t *sampler = session->sampler;
    int64_t deadline = lpp_clock_ns(CLOCK_MONOTONIC) + timeout_us * NS_PER_US;
    apr_status_t status;
    int going_on;

    *profile = NULL;
    pthread_mutex_lock(&sampler->helper.mutex);
    going_on = session->state == SESSION_RUNNING
               || session->state == SESSION_PAUSED;
    if (going_on) {
        status = perform(session, drain, session, deadline);
        going_on = session->state == SESSION_RUNNING
                   || session->state == SESSION_PAUSED;
    }
    if (!going_on) {
        status = wait_done(session, deadline);
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    if (status != APR_SUCCESS) {
        return status;
    }
    pthread_mutex_lock(&session->tree_mutex);
    status = lpp_profile_clone(session->profile, profile, pool);
    pthread_mutex_unlock(&session->tree_mutex);
    if (status == APR_SUCCESS && going_on) {
        pthread_mutex_lock(&sampler->helper.mutex);
        lpp_profile_set_ready(*profile,
                              lpp_session_times_now(session,
                                                    &(*profile)->total),
                              (*profile)->statistics.ready
                                  == LPP_READY_SEEN);
        pthread_mutex_unlock(&sampler->helper.mutex);
    }
    return status;
}

/* Wait for DONE, for a second at most, while the child ends. This may be a
 * handler on top of a wait for the session's condition, which then takes no
 * second wait by the same thread: so it looks time and again. */
static int is_done_at_end(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    int i, done = 0;

    lpp_helper_wake(&sampler->helper);
    for (i = 0; i < END_WAIT_MS && !done; i++) {
        if (pthread_mutex_trylock(&sampler->helper.mutex) == 0) {
            done = session->state == SESSION_DONE;
            pthread_mutex_unlock(&sampler->helper.mutex);
        }
        if (!done) {
            nanosleep(&end_nap, NULL);
        }
    }
    return done;
}

void lpp_session_close(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;

    if (sampler->process != getpid()) {
        return;
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    if (atomic_load(&sampler->helper.stop)) {
        /* Not destroyed: that waits for who waits for the condition. */
        if (is_done_at_end(session)) {
            lpp_gate_settle(session->kept);
        }
        return;
    }
    pthread_mutex_lock(&sampler->helper.mutex);
    (void)wait_done(session, -1); /* the helper completes each session */
    pthread_mutex_unlock(&sampler->helper.mutex);
    lpp_gate_settle(session->kept);
    destroy(session);
}

void lpp_session_waits(lpp_session_t *session, lpp_waits_t *waits)
{
    memset(waits, 0, sizeof(*waits));
    pthread_mutex_lock(&session->tree_mutex);
    lpp_waits_merge(waits, &session->profile->waits);
    pthread_mutex_unlock(&session->tree_mutex);
}

/* A helper task. */
static void unwind_stack(void *baton)
{
    stack_task_t *task = baton;

    task->count = lpp_pages_unwind(task->session, task->root_cfa, task->frames,
                                   task->max);
}

apr_status_t lpp_session_stack(lpp_session_t *session, lpp_pc_t *frames,
                               unsigned max, unsigned *count)
{
    lpp_sampler_t *sampler = session->sampler;
    stack_task_t task = { session, 0, frames, max, 0 };
    lpp_arming_stack_t stack = { 0, 0, 0 };
    apr_status_t status;

    *count = 0;
    status = lpp_signal_thread_stack(&stack.start, &stack.end);
    if (status != APR_SUCCESS) {
        return status;
    }
    pthread_mutex_lock(&sampler->helper.mutex);
    /* A session without samples did not need the root until now; the copy of
     * the stack at its start still exists. If the root is not found: the whole
     * stack. */
    if (!session->root_known) {
        status = find_root(session);
    }
    task.root_cfa = pthread_equal(session->thread, pthread_self())
        ? session->root_cfa : 0;
    status = lpp_signal_capture(&session->copy.snapshot, session->copy.stack,
                                LPP_STACK_MAX_BYTES,
                                task.root_cfa != 0 ? task.root_cfa : stack.end,
                                stack.start);
    if (APR_STATUS_IS_ENOSPC(status)) {
        status = APR_SUCCESS; /* the inner frames were found */
    }
    if (status == APR_SUCCESS) {
        lpp_pages_read(session);
        status = perform(session, unwind_stack, &task,
                         lpp_clock_ns(CLOCK_MONOTONIC) + TASK_WAIT_NS);
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    if (status == APR_SUCCESS) {
        *count = task.count;
    }
    return status;
}
