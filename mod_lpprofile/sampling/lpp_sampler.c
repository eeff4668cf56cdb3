/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler: the sampler of a child, and the main function of its helper.
 *
 * Only the helper takes and releases the gate, so a request may end on any
 * thread. It takes the gate for the first session of the queue, runs that
 * session to its end, and performs helper tasks in between. No request thread
 * waits for the end of the helper; none of this runs in a forked child.
 */
#include "sampling/lpp_sampler_internal.h"

#include <apr_allocator.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/lpp_log.h"
#include "base/lpp_log_tags.h"
#include "sampling/lpp_pages_internal.h"
#include "sampling/lpp_queue_internal.h"
#include "sampling/lpp_session_internal.h"

#define NS_PER_S INT64_C(1000000000)
#define GATE_SLICE_US 50000
#define CHECK_NS (NS_PER_S / 4) /* the limits of a session, at least that
                                   often */
#define CLEANUP_WAIT_MS 1000
#define TOUCH_BYTES 16384 /* of a slot; few stacks are larger */
#define EXPECTED_SPIN_NS 200000 /* for a session that was announced */

_Static_assert(sizeof(lpp_postmortem_area_t) <= LPP_GATE_AREA_BYTES,
               "the post-mortem data of an owner fits into its area");

/* End a session early, for the reason why. The mutex is held. */
static void end_early(lpp_sampler_t *sampler, lpp_session_t *session,
                      lpp_stop_e why)
{
    if (session->state == SESSION_RUNNING) {
        lpp_segment_add(&session->segment, session->segment.cpu_clock,
                        &session->used);
    }
    session->end_wall_ns = lpp_clock_ns(CLOCK_MONOTONIC);
    session->state = SESSION_STOPPED;
    atomic_store(&session->cut_short, why);
    lpp_signal_quiesce(&sampler->target);
}

/* Why the session must end now; LPP_STOP_NOT: it goes on. The mutex is held. */
static lpp_stop_e check_limits(const lpp_sampler_t *sampler,
                               lpp_session_t *session)
{
    const lpp_session_options_t *options = &session->options;
    int64_t now = lpp_clock_ns(CLOCK_MONOTONIC);

    if (atomic_load(&((lpp_sampler_t *)sampler)->helper.stop)) {
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
    if (lpp_client_is_slow(&session->client, sampler->options.gate, now,
                           session->segment.cpu_clock,
                           options->max_client_wait_us)) {
        return LPP_STOP_CLIENT;
    }
    return LPP_STOP_NOT;
}

/* When to check the session again: at due, or when its time is over, whichever
 * is first. */
static int64_t next_check(const lpp_session_t *session, int64_t due)
{
    int64_t end = session->start_wall_ns
        + session->options.max_time_us * 1000;

    if (session->options.max_time_us > 0 && end < due) {
        due = end;
    }
    return due;
}

/* Touch the first slots of the ring, once, so that they have memory: one slot
 * before the request continues, the others while it runs. */
static void touch_ring(lpp_sampler_t *sampler, unsigned slots)
{
    if (sampler->touched_slots < slots) {
        lpp_ring_touch(sampler->target.ring, sampler->touched_slots,
                       slots - sampler->touched_slots, TOUCH_BYTES);
        sampler->touched_slots = slots;
    }
}

/* Log, once, that system calls which the trial did not cover were ended by a
 * sampling signal. At most LPP_SIGNAL_BROKEN_MAX of a process are. */
static void log_broken_calls(lpp_sampler_t *sampler)
{
    if (!sampler->logged_broken && lpp_signal_unrepaired() > 0) {
        sampler->logged_broken = 1;
        lpp_log(LPP_LOG_WARNING, 0, LPP_TAG_SIGNAL_BROKEN,
                "a system call that sampling interrupted could not be "
                "restarted and ended early (EINTR); threads of this process "
                "that wait are not interrupted any more");
    }
}

/* Run one session from the grant to its final profile. The mutex is held. */
static void run_session(lpp_sampler_t *sampler, lpp_session_t *session)
{
    lpp_stop_e why;
    int64_t due;

    lpp_tick_begin(sampler, session);
    session->start_wall_ns = lpp_clock_ns(CLOCK_MONOTONIC);
    session->state = SESSION_GRANTED;
    pthread_cond_signal(&session->cond);
    pthread_mutex_unlock(&sampler->helper.mutex);
    /* Only after the mutex is unlocked: the thread that spins for this locks it
     * next. The session exists at least until it is STOPPED. */
    atomic_store(&session->settled, 1);
    touch_ring(sampler, LPP_RING_SLOTS);
    pthread_mutex_lock(&sampler->helper.mutex);
    while (session->state != SESSION_STOPPED) {
        due = lpp_clock_ns(CLOCK_MONOTONIC) + CHECK_NS;
        lpp_helper_serve_tasks(&sampler->helper);
        /* If GRANTED, too: the session's thread may be in prefork's signal
         * handler, which interrupted its wait, and may never run the
         * session. */
        why = check_limits(sampler, session);
        if (why != LPP_STOP_NOT) {
            end_early(sampler, session, why);
            break;
        }
        /* If GRANTED: check again soon, so that the session's thread need not
         * wake the helper, which would cost the request more than all other
         * work here. */
        due = session->state == SESSION_GRANTED
            ? lpp_clock_ns(CLOCK_MONOTONIC) + sampler->tick.watch_ns
            : next_check(session, due);
        if (session->state == SESSION_RUNNING) {
            int64_t tick_due;

            lpp_tick_follow(sampler);
            pthread_mutex_unlock(&sampler->helper.mutex);
            tick_due = lpp_tick_run(sampler);
            due = tick_due < due ? tick_due : due;
        }
        else {
            int paused = session->state == SESSION_PAUSED;

            if (paused) {
                lpp_tick_pause(sampler);
            }
            pthread_mutex_unlock(&sampler->helper.mutex);
            if (paused) {
                lpp_kernel_watch_end(&sampler->watch);
            }
        }
        lpp_helper_sleep(&sampler->helper, due);
        pthread_mutex_lock(&sampler->helper.mutex);
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    log_broken_calls(sampler);
    lpp_tick_finish(sampler);
    sampler->postmortem = NULL;
    pthread_mutex_lock(&sampler->helper.mutex);
}

/* From now on another process can write a report of the session, if this
 * process dies. */
static void begin_post_mortem(lpp_sampler_t *sampler,
                              const lpp_session_t *session)
{
    lpp_postmortem_area_t *area = lpp_gate_extra(sampler->options.gate);

    sampler->postmortem = NULL;
    if (area != NULL) {
        sampler->postmortem = &area->postmortem;
        lpp_postmortem_begin(sampler->postmortem, session->options.owner.id);
    }
    lpp_crash_arm(area != NULL ? &area->crash : NULL,
                  session->options.owner.tid);
}

/* This child owns the gate: prepare a session removed from the queue. The mutex
 * is held. */
static void prepare(lpp_sampler_t *sampler, lpp_session_t *session)
{
    apr_uint64_t root = 0;

    pthread_mutex_unlock(&sampler->helper.mutex);
    /* Before other processes see the owner: its thread may take long to wake
     * up, and would be counted as waiting until then. */
    lpp_queue_uncount(session);
    lpp_gate_set_owner(sampler->options.gate, &session->options.owner);
    begin_post_mortem(sampler, session);
    /* No thread is armed now: the last session's thread has disarmed itself, or
     * the helper has stopped its sampling. */
    lpp_signal_quiesce(&sampler->target);
    lpp_ring_reset(sampler->target.ring);
    touch_ring(sampler, 1);
    if (session->options.stacks) {
        lpp_frames_refresh(&sampler->frames);
        lpp_pages_begin(sampler, session);
        root = lpp_frames_root(&sampler->frames, session->root_names,
                               &session->copy.snapshot);
    }
    /* Before the thread is granted its session, so that each of its blocks is
     * seen from its begin. */
    if (session->options.stacks && sampler->frames.unwinder != NULL) {
        lpp_kernel_watch_follow(&sampler->watch, session->options.owner.tid,
                                1);
    }
    pthread_mutex_lock(&sampler->helper.mutex);
    session->root_cfa = root;
    session->root_known = session->options.stacks;
    session->can_unwind = sampler->frames.unwinder != NULL;
}

/* Release the gate. If the profile was ended early, its request continues, and
 * its death must still be reported: returns the value for lpp_gate_settle. */
static void *release_gate(lpp_sampler_t *sampler, lpp_session_t *session)
{
    void *kept = NULL;
    apr_status_t status;

    if (session != NULL && atomic_load(&session->cut_short) != LPP_STOP_NOT) {
        status = lpp_gate_release_keep(sampler->options.gate, &kept);
    }
    else {
        status = lpp_gate_release(sampler->options.gate);
    }
    if (status != APR_SUCCESS) {
        lpp_log(LPP_LOG_ERROR, status, LPP_TAG_SAMPLER_RELEASE,
                "the gate could not be released");
    }
    return kept;
}

/* Sessions are waiting: try to take the gate, and run the first one. The mutex
 * is held. */
static void serve_queue(lpp_sampler_t *sampler)
{
    lpp_session_t *session;
    apr_status_t status;
    void *kept;

    pthread_mutex_unlock(&sampler->helper.mutex);
    status = lpp_gate_try(sampler->options.gate, GATE_SLICE_US);
    pthread_mutex_lock(&sampler->helper.mutex);
    if (APR_STATUS_IS_TIMEUP(status)) {
        return;
    }
    if (status != APR_SUCCESS) {
        lpp_queue_fail(sampler, status);
        return;
    }
    session = atomic_load(&sampler->helper.stop) ? NULL
                                                 : lpp_queue_take(sampler);
    if (session != NULL) {
        prepare(sampler, session);
        run_session(sampler, session);
    }
    pthread_mutex_unlock(&sampler->helper.mutex);
    lpp_crash_disarm();
    kept = release_gate(sampler, session);
    pthread_mutex_lock(&sampler->helper.mutex);
    if (session != NULL) {
        session->kept = kept;
        session->state = SESSION_DONE;
        /* The last access: the session may be freed once the mutex is
         * unlocked. */
        pthread_cond_broadcast(&session->cond);
    }
}

/* Nothing to do: sleep until woken. If woken only because a session was
 * announced, spin for a short time until that session comes. */
static void sleep_idle(lpp_sampler_t *sampler)
{
    if (lpp_helper_is_expected(&sampler->helper)) {
        int64_t until = lpp_clock_ns(CLOCK_MONOTONIC) + EXPECTED_SPIN_NS;

        lpp_frames_refresh(&sampler->frames); /* the session will need it */
        if (lpp_helper_spin(&sampler->helper, until)) {
            return;
        }
    }
    lpp_helper_sleep(&sampler->helper, -1);
}

static void *helper_main(void *baton)
{
    lpp_sampler_t *sampler = baton;
    lpp_helper_t *helper = &sampler->helper;

    /* Where this fails, ticks are up to 50 us late. */
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    pthread_setname_np(pthread_self(), "lpp-helper");
    pthread_mutex_lock(&helper->mutex);
    while (!atomic_load(&helper->stop)) {
        lpp_helper_serve_tasks(helper);
        if (sampler->queue != NULL) {
            serve_queue(sampler);
        }
        else {
            helper->idle = 1;
            pthread_mutex_unlock(&helper->mutex);
            sleep_idle(sampler);
            pthread_mutex_lock(&helper->mutex);
            helper->idle = 0;
        }
    }
    lpp_queue_fail(sampler, APR_EOF);
    lpp_helper_serve_tasks(helper);
    /* With the mutex held: no task and no session is added after this. */
    atomic_store(&helper->gone, 1);
    pthread_mutex_unlock(&helper->mutex);
    return NULL;
}

void lpp_sampler_stop(lpp_sampler_t *sampler)
{
    lpp_helper_stop(&sampler->helper);
}

int lpp_sampler_signal(const lpp_sampler_t *sampler)
{
    return atomic_load(&((lpp_sampler_t *)sampler)->signal);
}

/*
 * Runs before the cleanups of the pool and the end of its child pools, which
 * contain the sessions in the queue. It may run in prefork's signal handler,
 * which may have interrupted any code: so it locks nothing. If the helper does
 * not end in time, its memory is not freed.
 */
static apr_status_t stop_helper(void *baton)
{
    lpp_sampler_t *sampler = baton;
    apr_status_t status;

    if (sampler->process != getpid()) {
        return APR_SUCCESS; /* a forked copy has no helper */
    }
    lpp_sampler_stop(sampler);
    status = lpp_helper_join(&sampler->helper, CLEANUP_WAIT_MS);
    if (status == APR_SUCCESS) {
        lpp_signal_quiesce(&sampler->target);
        lpp_signal_serve(NULL);
    }
    return status;
}

static apr_status_t free_memory(void *baton)
{
    lpp_sampler_t *sampler = baton;

    if (sampler->process == getpid() && !sampler->helper.started) {
        apr_pool_destroy(sampler->pool);
    }
    return APR_SUCCESS;
}

/* Make what the helper works with. Made here because the first session would
 * otherwise wait for it; its memory is not accessed before that. */
static apr_status_t make_parts(lpp_sampler_t *sampler)
{
    apr_pool_t *pool = sampler->pool;
    apr_status_t status;

    status = lpp_helper_init(&sampler->helper, helper_main, sampler);
    if (status == APR_SUCCESS) {
        status = pthread_mutex_init(&sampler->pages_mutex, NULL);
    }
    if (status == APR_SUCCESS) {
        status = lpp_frames_init(&sampler->frames, &sampler->options, pool);
    }
    if (status != APR_SUCCESS) {
        return status;
    }
    sampler->blocked_stack = apr_palloc(pool, LPP_STACK_MAX_BYTES);
    sampler->spare.stack = apr_palloc(pool, LPP_STACK_MAX_BYTES);
    if (sampler->blocked_stack == NULL || sampler->spare.stack == NULL) {
        return APR_ENOMEM;
    }
    status = lpp_ring_create(&sampler->target.ring, pool);
    if (status == APR_SUCCESS && sampler->options.pages != NULL) {
        status = lpp_interp_create(&sampler->target.interp,
                                   sampler->options.maps,
                                   sampler->options.pages, pool);
    }
    /* What this child has loaded since maps was made in the parent. */
    lpp_frames_refresh(&sampler->frames);
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
    /* With an allocator of its own: the helper allocates while requests do, and
     * a helper that does not end keeps using it. */
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
    made->watch.kernel = options->kernel;
    status = make_parts(made);
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
    /* A forked copy has no helper, and its mutex may be locked for ever. */
    if (sampler->process == getpid()) {
        lpp_helper_expect(&sampler->helper);
    }
}
