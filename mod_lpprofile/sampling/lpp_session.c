/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_session: the side of the request: waiting for one's turn, arming the
 * thread, pausing, stopping, asking for the profile.
 *
 * Signal masks belong to threads, so all of that happens on the profiled
 * thread; the helper does the rest. Owns nothing beyond the session, which
 * lives in a pool of the request.
 */
#include "sampling/lpp_sampler_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_PER_US 1000
#define END_WAIT_MS 1000

/* Which stack is to be copied, by the handler or by the helper. Nobody is
 * armed. */
static void aim(lpp_session_t *session, apr_uint64_t stack_start,
                apr_uint64_t stack_end)
{
    lpp_signal_target_t *target = &session->sampler->target;

    target->stack_start = stack_start;
    target->thread_end = stack_end;
    target->stack_end = session->root_cfa != 0 ? session->root_cfa : stack_end;
}

static apr_status_t arm(lpp_session_t *session, apr_uint64_t stack_start,
                        apr_uint64_t stack_end)
{
    apr_status_t status = lpp_signal_arm(&session->sampler->target,
                                         &session->old_mask);

    session->armed = status == APR_SUCCESS;
    lpp_crash_enter_thread(session->root_cfa, stack_start, stack_end);
    return status;
}

/* Off this thread: signal and mask. It is the profiled one. */
static void disarm(lpp_session_t *session, int target_is_ours)
{
    if (session->armed) {
        lpp_signal_disarm(target_is_ours ? &session->sampler->target : NULL,
                          session->number, &session->old_mask);
        session->armed = 0;
    }
}

static void give_signal_back(lpp_session_t *session)
{
    if (session->signal_taken) {
        apr_status_t status = lpp_signal_give_back();

        (void)status; /* somebody else's by now: left alone */
        session->signal_taken = 0;
    }
}

/* This thread is the one from now on. The mutex is held. Does not wake the
 * helper: at a start it looks again by itself. */
static void begin_segment(lpp_session_t *session)
{
    session->segment_wall_ns = lpp_sampler_now_ns();
    session->thread = pthread_self();
    session->tid = (int)syscall(SYS_gettid);
    if (pthread_getcpuclockid(session->thread, &session->cpu_clock) != 0) {
        session->cpu_clock = CLOCK_THREAD_CPUTIME_ID;
    }
    session->segments++;
    session->segment_cpu_ns = lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    session->state = SESSION_RUNNING;
}

static apr_status_t take_signal(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    apr_status_t status = session->can_unwind && lpp_signal_allowed(0)
        ? lpp_signal_take(sampler->options.signal_number, &session->number)
        : APR_ENOTIMPL;

    session->signal_taken = status == APR_SUCCESS;
    if (status == APR_SUCCESS) {
        atomic_store(&sampler->signal, session->number);
    }
    return status;
}

/* The gate is held: get a signal where stacks are wanted, and go. */
static lpp_start_e begin(lpp_session_t *session, apr_uint64_t stack_start,
                         apr_uint64_t stack_end)
{
    lpp_sampler_t *sampler = session->sampler;
    lpp_start_e how = LPP_START_RUNNING;
    apr_status_t status;

    if (session->options.stacks) {
        aim(session, stack_start, stack_end);
        status = take_signal(session);
        if (status == APR_SUCCESS) {
            status = arm(session, stack_start, stack_end);
        }
        if (status != APR_SUCCESS) {
            give_signal_back(session);
            how = LPP_START_NO_SIGNAL;
        }
    }
    pthread_mutex_lock(&sampler->mutex);
    session->profile->honesty.unwinder = sampler->unwinder == NULL ? "none"
        : lpp_unwinder_name(sampler->unwinder);
    if (session->state == SESSION_GRANTED) {
        begin_segment(session);
        session->start_wall_ns = session->segment_wall_ns;
    }
    else {
        disarm(session, 1); /* this child ends: the helper has ended it */
    }
    pthread_mutex_unlock(&sampler->mutex);
    return how;
}

static void give_here_back(lpp_session_t *session)
{
    if (session->here_is_samplers) {
        session->here_is_samplers = 0;
        atomic_store(&session->sampler->here_taken, 0);
    }
}

/* A session that has not waited yet; destroy undoes it. */
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
    made->options.holder.pid = (apr_uint32_t)getpid();
    made->tid = (int)syscall(SYS_gettid);
    made->options.holder.tid = (apr_uint32_t)made->tid;
    made->root_names = root_names;
    made->state = SESSION_WAITING;
    made->thread = pthread_self();
    /* One stands ready, its pages are there; the more that wait, the less does
     * it matter. */
    made->here_is_samplers = !atomic_exchange(&sampler->here_taken, 1);
    made->here_stack = made->here_is_samplers ? sampler->here_stack
        : apr_palloc(pool, LPP_STACK_MAX_BYTES);
    if (made->here_stack != NULL) {
        status = lpp_profile_create(&made->profile, 0, pool);
    }
    if (status == APR_SUCCESS) {
        status = pthread_cond_init(&made->cond, &sampler->monotonic);
    }
    if (status == APR_SUCCESS) {
        status = pthread_mutex_init(&made->tree_mutex, NULL);
        if (status != APR_SUCCESS) {
            pthread_cond_destroy(&made->cond);
        }
    }
    if (status != APR_SUCCESS) {
        give_here_back(made);
    }
    return status;
}

static void destroy(lpp_session_t *session)
{
    pthread_cond_destroy(&session->cond);
    pthread_mutex_destroy(&session->tree_mutex);
    give_here_back(session);
}

lpp_start_e lpp_session_start(lpp_sampler_t *sampler,
                              const lpp_session_options_t *options,
                              const char *const *root_names,
                              lpp_session_t **session,
                              apr_interval_time_t *waited_us,
                              apr_status_t *status, apr_pool_t *pool)
{
    int64_t began = lpp_sampler_now_ns();
    apr_uint64_t stack_start, stack_end;
    lpp_start_e how;
    lpp_session_t *made;
    apr_status_t cut;

    *session = NULL;
    *waited_us = 0;
    *status = APR_SUCCESS;
    if (sampler->process != getpid()) {
        return LPP_START_FORKED;
    }
    if (atomic_load(&sampler->stop)) {
        return LPP_START_STOPPING;
    }
    *status = lpp_signal_thread_stack(&stack_start, &stack_end);
    if (*status == APR_SUCCESS) {
        *status = make(&made, sampler, options, root_names, pool);
    }
    if (*status != APR_SUCCESS) {
        return LPP_START_FAILED;
    }
    /* Cut where the stack is huge: the root is then not found, and all of the
     * stack that fits a sample is the request's. */
    cut = lpp_signal_capture(&made->here, made->here_stack,
                             LPP_STACK_MAX_BYTES, stack_end, stack_start);
    (void)cut;
    how = lpp_session_wait(made, status);
    *waited_us = (lpp_sampler_now_ns() - began) / NS_PER_US;
    if (how != LPP_START_RUNNING) {
        destroy(made);
        return how;
    }
    *session = made;
    return begin(made, stack_start, stack_end);
}

void lpp_session_client_enter(lpp_session_t *session)
{
    if (session->client_depth++ == 0) {
        atomic_store(&session->client_cpu_ns,
                     lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID));
        atomic_store(&session->client_since_ns, lpp_sampler_now_ns());
    }
}

/* The outermost such call is over. */
static void end_client_call(lpp_session_t *session)
{
    int64_t blocked = lpp_sampler_now_ns()
        - atomic_exchange(&session->client_since_ns, 0)
        - (lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID)
           - atomic_load(&session->client_cpu_ns));

    session->client_depth = 0;
    if (blocked > 0) {
        atomic_fetch_add(&session->client_before_ns, blocked);
    }
}

void lpp_session_client_leave(lpp_session_t *session)
{
    if (session->client_depth > 1) {
        session->client_depth--;
    }
    else if (session->client_depth == 1) {
        end_client_call(session);
    }
}

void lpp_session_pause(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    int running;

    pthread_mutex_lock(&sampler->mutex);
    running = session->state == SESSION_RUNNING;
    if (running) {
        session->cpu_before_ns += lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID)
            - session->segment_cpu_ns;
        session->state = SESSION_PAUSED;
        disarm(session, 1);
        sem_post(&sampler->wake);
    }
    pthread_mutex_unlock(&sampler->mutex);
    if (!running) {
        disarm(session, 0); /* the helper ended it: only the mask is left */
    }
    if (session->client_depth > 0) {
        end_client_call(session);
    }
}

apr_status_t lpp_session_resume(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    apr_uint64_t stack_start, stack_end;
    apr_status_t status;

    status = lpp_signal_thread_stack(&stack_start, &stack_end);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = lpp_signal_capture(&session->here, session->here_stack,
                                LPP_STACK_MAX_BYTES, stack_end, stack_start);
    (void)status; /* a cut stack has no root to be found */
    pthread_mutex_lock(&sampler->mutex);
    if (session->state != SESSION_PAUSED) {
        pthread_mutex_unlock(&sampler->mutex);
        return APR_SUCCESS; /* ended while it was away */
    }
    status = lpp_sampler_find_root(session);
    if (status == APR_SUCCESS && session->state == SESSION_PAUSED) {
        aim(session, stack_start, stack_end);
        if (session->signal_taken) {
            status = arm(session, stack_start, stack_end);
        }
        begin_segment(session);
        sem_post(&sampler->wake);
    }
    pthread_mutex_unlock(&sampler->mutex);
    return status;
}

/* It begins anew, paused; what is left of its time stays the same. The helper
 * looks at all this when the next segment begins. The mutex is held. */
static void begin_anew(lpp_session_t *session)
{
    int64_t now = lpp_sampler_now_ns();
    apr_interval_time_t *max_us = &session->options.max_time_us;

    if (*max_us > 0) {
        *max_us -= (now - session->start_wall_ns) / NS_PER_US;
        *max_us = *max_us > 0 ? *max_us : 1;
    }
    session->start_wall_ns = now;
    session->cpu_before_ns = 0;
    session->options.stacks = 1;
}

lpp_start_e lpp_session_sample(lpp_session_t *session,
                               const char *const *root_names)
{
    lpp_sampler_t *sampler = session->sampler;
    int going_on;

    lpp_session_pause(session);
    pthread_mutex_lock(&sampler->mutex);
    going_on = session->state == SESSION_PAUSED;
    if (going_on) {
        session->root_names = root_names;
        begin_anew(session);
    }
    pthread_mutex_unlock(&sampler->mutex);
    if (!going_on) {
        return LPP_START_FAILED;
    }
    (void)take_signal(session); /* without: exact totals */
    if (lpp_session_resume(session) != APR_SUCCESS) {
        return LPP_START_FAILED;
    }
    return session->armed ? LPP_START_RUNNING : LPP_START_NO_SIGNAL;
}


/*
 * Take the mutex; 0: not to be had. Under prefork a child ends in a signal
 * handler, on top of whatever its thread was doing, perhaps holding this very
 * mutex: the pools that go then must not wait for it.
 */
static int lock_for_end(lpp_sampler_t *sampler)
{
    static const struct timespec nap = { 0, 1000000 };
    int i;

    if (!atomic_load(&sampler->stop)) {
        return pthread_mutex_lock(&sampler->mutex) == 0;
    }
    for (i = 0; i < END_WAIT_MS; i++) {
        if (pthread_mutex_trylock(&sampler->mutex) == 0) {
            return 1;
        }
        nanosleep(&nap, NULL);
    }
    return 0;
}

void lpp_session_stop(lpp_session_t *session, lpp_stop_e why)
{
    lpp_sampler_t *sampler = session->sampler;
    int here = pthread_equal(session->thread, pthread_self());
    int running, ticks;

    if (sampler->process != getpid()) {
        return; /* a fork's copy: its helper and its locks are not alive */
    }
    /* First of all, so that nothing of ours is in the profile. */
    if (!lock_for_end(sampler)) {
        return;
    }
    running = session->state == SESSION_RUNNING;
    /* A helper that ticks sees the end within a millisecond, or when somebody
     * asks for the profile; a knock would cost the request 10 us. */
    ticks = running && session->armed;
    if (running) {
        session->cpu_before_ns += lpp_clock_ns(
            here ? CLOCK_THREAD_CPUTIME_ID : session->cpu_clock)
            - session->segment_cpu_ns;
    }
    if (running || session->state == SESSION_PAUSED) {
        session->end_wall_ns = lpp_sampler_now_ns();
        atomic_store(&session->cut_short, why);
        if (here) {
            disarm(session, 1);
        }
        else {
            lpp_signal_quiesce(&sampler->target);
        }
        session->state = SESSION_STOPPED;
        if (!ticks) {
            sem_post(&sampler->wake);
        }
    }
    pthread_mutex_unlock(&sampler->mutex);
    if (here) {
        disarm(session, 0);
    }
    /* A thread that is still armed may have a signal of ours on its way: the
     * handler then stays for good, the mask until that thread is next seen. */
    if (!session->armed) {
        give_signal_back(session);
    }
    session->client_depth = 0;
    atomic_store(&session->client_since_ns, 0);
}

lpp_stop_e lpp_session_cut_short(const lpp_session_t *session)
{
    return (lpp_stop_e)atomic_load(&((lpp_session_t *)session)->cut_short);
}

/* Wait until the helper has let go; deadline < 0: for ever. Mutex held. */
static apr_status_t wait_done(lpp_session_t *session, int64_t deadline_ns)
{
    struct timespec then;

    then.tv_sec = (time_t)(deadline_ns / 1000000000);
    then.tv_nsec = (long)(deadline_ns % 1000000000);
    if (session->state != SESSION_DONE) {
        sem_post(&session->sampler->wake);
    }
    while (session->state != SESSION_DONE) {
        if (deadline_ns < 0) {
            pthread_cond_wait(&session->cond, &session->sampler->mutex);
        }
        else if (pthread_cond_timedwait(&session->cond,
                                        &session->sampler->mutex, &then)
                     == ETIMEDOUT
                 && session->state != SESSION_DONE) {
            return APR_TIMEUP;
        }
    }
    return APR_SUCCESS;
}

/* The totals of a profile that goes on. The mutex is held. */
static void total_now(const lpp_session_t *session, lpp_profile_t *profile)
{
    profile->total.wall_ns = (apr_uint64_t)(
        lpp_sampler_now_ns() - session->start_wall_ns);
    profile->total.cpu_ns = (apr_uint64_t)session->cpu_before_ns;
    if (session->state == SESSION_RUNNING) {
        profile->total.cpu_ns += (apr_uint64_t)(
            lpp_clock_ns(session->cpu_clock) - session->segment_cpu_ns);
    }
}

apr_status_t lpp_session_profile(lpp_session_t *session,
                                 lpp_profile_t **profile,
                                 apr_interval_time_t timeout_us,
                                 apr_pool_t *pool)
{
    lpp_sampler_t *sampler = session->sampler;
    int64_t deadline = lpp_sampler_now_ns() + timeout_us * NS_PER_US;
    apr_status_t status;
    request_t request;
    int going_on;

    *profile = NULL;
    pthread_mutex_lock(&sampler->mutex);
    going_on = session->state == SESSION_RUNNING
               || session->state == SESSION_PAUSED;
    if (going_on) {
        memset(&request, 0, sizeof(request));
        request.session = session;
        request.kind = REQUEST_DRAIN;
        status = lpp_sampler_request(sampler, &request, deadline);
        going_on = session->state == SESSION_RUNNING
                   || session->state == SESSION_PAUSED;
    }
    if (!going_on) {
        status = wait_done(session, deadline);
    }
    pthread_mutex_unlock(&sampler->mutex);
    if (status != APR_SUCCESS) {
        return status;
    }
    pthread_mutex_lock(&session->tree_mutex);
    status = lpp_profile_clone(session->profile, profile, pool);
    pthread_mutex_unlock(&session->tree_mutex);
    if (status == APR_SUCCESS && going_on) {
        pthread_mutex_lock(&sampler->mutex);
        total_now(session, *profile);
        pthread_mutex_unlock(&sampler->mutex);
    }
    return status;
}

void lpp_session_close(lpp_session_t *session)
{
    lpp_sampler_t *sampler = session->sampler;
    apr_status_t status;

    if (sampler->process != getpid()) {
        return;
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    if (!lock_for_end(sampler)) {
        return;
    }
    /* The helper never dies with a session in hand; but it may wait for what
     * the end of this child interrupted. */
    status = wait_done(session, atomic_load(&sampler->stop)
        ? lpp_sampler_now_ns() + END_WAIT_MS * INT64_C(1000000) : -1);
    pthread_mutex_unlock(&sampler->mutex);
    if (status == APR_SUCCESS) {
        lpp_gate_settle(session->kept);
        destroy(session);
    }
}

apr_status_t lpp_session_stack(lpp_session_t *session, lpp_pc_t *frames,
                               unsigned max, unsigned *count)
{
    lpp_sampler_t *sampler = session->sampler;
    apr_uint64_t stack_start, stack_end;
    apr_status_t status;
    request_t request;

    *count = 0;
    status = lpp_signal_thread_stack(&stack_start, &stack_end);
    if (status != APR_SUCCESS) {
        return status;
    }
    memset(&request, 0, sizeof(request));
    request.session = session;
    request.kind = REQUEST_STACK;
    request.snapshot = &session->here;
    request.frames = frames;
    request.max = max;
    pthread_mutex_lock(&sampler->mutex);
    /* Without samples nobody needed it until now; what was captured at the
     * start is still there. Not to be had: the whole stack. */
    if (!session->root_known) {
        status = lpp_sampler_find_root(session);
    }
    request.root_cfa = pthread_equal(session->thread, pthread_self())
        ? session->root_cfa : 0;
    status = lpp_signal_capture(&session->here, session->here_stack,
                                LPP_STACK_MAX_BYTES,
                                request.root_cfa != 0 ? request.root_cfa
                                                      : stack_end,
                                stack_start);
    if (APR_STATUS_IS_ENOSPC(status)) {
        status = APR_SUCCESS; /* its inner frames are there */
    }
    if (status == APR_SUCCESS) {
        status = lpp_sampler_request(
            sampler, &request, lpp_sampler_now_ns() + LPP_REQUEST_WAIT_NS);
    }
    pthread_mutex_unlock(&sampler->mutex);
    if (status == APR_SUCCESS && request.count > 0) {
        *count = request.count - 1; /* less this very function */
        memmove(frames, frames + 1, *count * sizeof(*frames));
    }
    return status;
}
