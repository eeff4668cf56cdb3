/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick: see lpp_tick_internal.h.
 *
 * A thread whose CPU clock has not moved is blocked. It is sampled once, by a
 * signal unless the kernel shows its stack; then its time is credited to that
 * sample's node as long as the episode lasts. The CPU clock shows that it is
 * still the same episode, since each wake-up costs CPU time. The handler itself
 * moves that clock once: so at the first check after the signal the kernel's
 * count of how often the thread was put on a processor decides (one more than
 * before the signal: that was the handler).
 *
 * Where there are kernel events, they tell when the thread blocks and runs
 * again, and its stack: then a blocked thread gets no signal, the time of each
 * block goes to the stack of that block, and only the time between blocks to
 * the samples that signals ask for.
 */
#include "sampling/lpp_tick_internal.h"

#include <string.h>

#include <apr_strings.h>

#include "sampling/lpp_crash_internal.h"
#include "sampling/lpp_pages_internal.h"
#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"
#include "sampling/lpp_tick_block_internal.h"
#include "sampling/lpp_tick_episode_internal.h"
#include "sampling/lpp_tick_stack_internal.h"
#include "sampling/lpp_tick_time_internal.h"

#define NS_PER_S 1000000000
#define UNSAMPLED_TICK_NS 5000000 /* where no sample can be taken */
#define WATCH_MAX_NS 1000000 /* the clocks are read at least that often */
/* The same after the rate was lowered: the timeout of an interrupted call then
 * has this precision. */
#define WATCH_LOWERED_MAX_NS 4000000
#define INTERVAL_MAX_NS 40000000 /* no rate is lowered below 25 Hz */
#define LATE_MAX 3 /* samples of a blocked thread without page functions */

void lpp_tick_begin(lpp_sampler_t *sampler, lpp_session_t *session)
{
    lpp_tick_t *tick = &sampler->tick;

    memset(tick, 0, sizeof(*tick));
    tick->session = session;
    session->profile->statistics.asked_hz = session->options.rate_hz;
    session->profile->statistics.kernel_events = sampler->watch.started;
    tick->block.changes = sampler->frames.changes;
    sampler->watch.lost = 0;
    /* For a process that dies before the first tick. */
    lpp_postmortem_set_total(sampler->postmortem, session->profile,
                             &session->profile->total);
    atomic_store(&sampler->target.repaired, 0);
    tick->thread.schedstat_fd = tick->thread.syscall_fd = -1;
    tick->thread.stat_fd = -1;
    tick->own_start_ns = lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    tick->interval_ns = NS_PER_S / (session->options.rate_hz == 0
                                    ? 1000 : session->options.rate_hz);
    /* The clocks are read often at low rates, too: when a call is interrupted,
     * the time that it has been blocked must be known to a millisecond. */
    tick->watch_ns = tick->interval_ns
        / ((tick->interval_ns + WATCH_MAX_NS - 1) / WATCH_MAX_NS);
}

void lpp_tick_follow(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    const lpp_session_t *session = tick->session;
    const lpp_segment_t *segment = &session->segment;

    if (tick->segment == segment->number) {
        return;
    }
    lpp_thread_close(&tick->thread);
    memset(&sampler->waiting.state, 0, sizeof(sampler->waiting.state));
    tick->segment = segment->number;
    tick->thread.clock = segment->cpu_clock;
    tick->thread.tid = segment->tid;
    tick->sampling = session->arming.armed;
    tick->asked.outstanding = 0;
    tick->episode.state = EPISODE_NONE;
    tick->cost.begun = 0;
    tick->given_wall_ns = tick->seen_wall_ns = segment->wall_ns;
    tick->given_cpu_ns = tick->seen_cpu_ns = segment->cpu_ns;
    tick->start_wall_ns = session->start_wall_ns;
    tick->given_ready_ns = segment->ready_ns;
    tick->given_preempted_ns = 0;
    tick->block.over_count = 0;
    lpp_kernel_watch_from(&sampler->watch, segment->wall_ns);
    tick->ready_offset_ns = session->used.ready_ns - segment->ready_ns;
    tick->cpu_offset_ns = session->used.cpu_ns - segment->cpu_ns;
    tick->next_sample_ns = tick->given_wall_ns + tick->interval_ns;
    tick->stacks = session->options.stacks && session->can_unwind;
    if (tick->stacks) {
        lpp_thread_open(&tick->thread);
        pthread_mutex_lock(&tick->session->tree_mutex);
        session->profile->statistics.ready = lpp_tick_ready_known(sampler);
        pthread_mutex_unlock(&tick->session->tree_mutex);
    }
}

/* Update the totals of the post-mortem data. */
static void save_total(const lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    const lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t total = { 0, 0, 0, 0 };

    total.wall_ns = (apr_uint64_t)(now - tick->start_wall_ns);
    total.cpu_ns = (apr_uint64_t)(cpu + tick->cpu_offset_ns);
    lpp_postmortem_set_total(sampler->postmortem, tick->session->profile,
                             &total);
}

static void count_lost(lpp_tick_t *tick)
{
    pthread_mutex_lock(&tick->session->tree_mutex);
    tick->session->profile->statistics.lost++;
    pthread_mutex_unlock(&tick->session->tree_mutex);
    tick->asked.outstanding = 0;
    tick->episode.state = EPISODE_NONE;
}

/*
 * Whether a blocked thread is to be sampled once more: its page functions were
 * not read, since the machine was busy, and the whole wait would be without
 * them.
 */
static int ask_again(lpp_tick_t *tick, const lpp_snapshot_t *snapshot)
{
    if (snapshot->page_flags & LPP_PAGE_LATE) {
        return tick->asked.late++ < LATE_MAX;
    }
    tick->asked.late = 0;
    return 0;
}

/* Whether the thread was blocked when the handler copied it into snapshot.
 * Kernel events would have told. */
static int is_blocked(const lpp_sampler_t *sampler,
                      const lpp_snapshot_t *snapshot)
{
    return sampler->watch.state == WATCH_UNKNOWN
           && (sampler->waiting.state.letter == 'D'
               || (sampler->tick.asked.blocked
                   && (snapshot->flags & LPP_SNAPSHOT_SYSCALL)));
}

void lpp_tick_drain(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_asked_t *asked = &tick->asked;
    const lpp_snapshot_t *snapshot;
    apr_uint64_t answered;
    lpp_unwind_end_e end;
    unsigned count;

    /* Read before the ring: if an answer is seen, its sample is in the ring. */
    answered = atomic_load_explicit(&sampler->target.answered,
                                    memory_order_acquire);
    while ((snapshot = lpp_ring_peek(sampler->target.ring)) != NULL) {
        if (asked->outstanding && snapshot->sequence == asked->sequence) {
            asked->weight.samples = 1;
            lpp_tick_take_ready(sampler, &asked->weight);
            count = lpp_tick_unwind(sampler, snapshot, asked->changes, &end);
            tick->episode.node = lpp_tick_add_stack(
                sampler, snapshot, count, end,
                is_blocked(sampler, snapshot), &asked->weight);
            tick->episode.blocked_ns = 0;
            asked->outstanding = 0;
            tick->episode.state = snapshot->flags & LPP_SNAPSHOT_SYSCALL
                                  && asked->blocked
                                  && !ask_again(tick, snapshot)
                ? EPISODE_FRESH : EPISODE_NONE;
        }
        lpp_ring_release(sampler->target.ring);
    }
    if (asked->outstanding && answered == asked->sequence) {
        count_lost(tick); /* the handler answered without a sample */
    }
}

void lpp_tick_pause(lpp_sampler_t *sampler)
{
    lpp_tick_drain(sampler);
    if (sampler->tick.asked.outstanding) {
        count_lost(&sampler->tick); /* disarm consumed the signal */
    }
    sampler->tick.sampling = 0;
    sampler->tick.episode.state = EPISODE_NONE;
    pthread_mutex_lock(&sampler->tick.session->tree_mutex);
    sampler->tick.session->profile->statistics.repaired_calls +=
        atomic_exchange(&sampler->target.repaired, 0);
    pthread_mutex_unlock(&sampler->tick.session->tree_mutex);
}

static void send_signal(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;

    memset(&tick->asked.weight, 0, sizeof(tick->asked.weight));
    tick->asked.changes = sampler->frames.changes;
    tick->episode.state = EPISODE_NONE;
    tick->asked.cpu_ns = cpu;
    /* Read as late as possible: a run between this and the signal would be
     * taken for the handler's. */
    tick->asked.runs = tick->asked.blocked ? lpp_thread_runs(&tick->thread) : 0;
    if (lpp_interp_languages(sampler->target.interp) != 0) {
        lpp_interp_allow(sampler->target.interp, lpp_crash_rescues());
    }
    if (lpp_signal_send(&sampler->target,
                        tick->asked.blocked ? now - tick->seen_wall_ns : 0,
                        &tick->asked.sequence) != APR_SUCCESS) {
        return; /* the request is ending: that time stays unattributed */
    }
    lpp_tick_take_time(sampler, now, cpu, &tick->asked.weight);
    tick->asked.outstanding = 1;
    pthread_mutex_lock(&tick->session->tree_mutex);
    tick->session->profile->statistics.signals++;
    pthread_mutex_unlock(&tick->session->tree_mutex);
}

/* A tick on which a sample is due. */
static void sample(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    int may;

    lpp_tick_drain(sampler);
    if (sampler->watch.state == WATCH_BLOCKED) {
        lpp_tick_block_credit(sampler, now);
        return;
    }
    if (tick->asked.outstanding) {
        /* The thread was not in user mode since the signal was sent: it is in
         * the kernel, or waits for a processor. The sample to come gets all of
         * this time. */
        lpp_tick_take_time(sampler, now, cpu, &tick->asked.weight);
        if (sampler->watch.state == WATCH_UNKNOWN
            && sampler->waiting.state.letter != 'D'
            && cpu == tick->seen_cpu_ns) {
            lpp_waiting_look(&sampler->waiting, &tick->thread,
                             tick->seen_wall_ns);
        }
        return;
    }
    if (lpp_tick_episode_lasts(tick, cpu)) {
        lpp_tick_episode_credit(sampler, now, cpu);
        return;
    }
    lpp_tick_episode_end(sampler, now, cpu);
    tick->asked.blocked = sampler->watch.state == WATCH_UNKNOWN
        && lpp_clock_ns(tick->thread.clock) == cpu;
    sampler->waiting.state.letter = '\0';
    if (tick->asked.blocked) {
        lpp_waiting_look(&sampler->waiting, &tick->thread, tick->seen_wall_ns);
    }
    may = tick->sampling && lpp_signal_allowed(tick->asked.blocked);
    /* Only the handler reads page functions. */
    if (tick->asked.blocked
        && !(may && lpp_interp_languages(sampler->target.interp) != 0)
        && lpp_tick_episode_sample(sampler, now, cpu, may)) {
        return;
    }
    if (may) {
        send_signal(sampler, now, cpu);
    }
    else {
        lpp_tick_take_time(sampler, now, cpu, NULL);
    }
}

static void lower_rate(lpp_tick_t *tick)
{
    apr_uint32_t hz;

    tick->interval_ns *= 2;
    hz = (apr_uint32_t)(NS_PER_S / tick->interval_ns);
    if (tick->watch_ns * 2 <= WATCH_LOWERED_MAX_NS) {
        tick->watch_ns *= 2;
    }
    atomic_store(&tick->session->lowered_hz, hz);
    pthread_mutex_lock(&tick->session->tree_mutex);
    tick->session->profile->statistics.lowered_hz = hz;
    pthread_mutex_unlock(&tick->session->tree_mutex);
}

/* At the lowest rate, kernel events may be what costs too much, since each
 * block has its records: the profile then goes on without them. */
static void judge_cost(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    apr_uint64_t signals = tick->session->profile->statistics.signals;

    if (lpp_cost_judge(&tick->cost, tick->seen_cpu_ns, signals)
        == LPP_COST_LOW) {
        return;
    }
    if (tick->interval_ns < INTERVAL_MAX_NS) {
        lower_rate(tick);
    }
    else if (sampler->watch.started) {
        tick->without_events = 1;
        lpp_kernel_watch_end(&sampler->watch);
    }
    else {
        tick->stand_down = 1;
        return;
    }
    lpp_cost_begin(&tick->cost, tick->seen_cpu_ns, signals);
}

/*
 * A request that waits for the gate may have asked what the thread is blocked
 * on. The last sample tells that if it was taken in the same episode; else a
 * blocked thread is sampled now. Where kernel events tell, each block has been
 * looked at. cpu: its CPU clock; blocked: that has not moved since the last
 * tick.
 */
static void look(lpp_sampler_t *sampler, int64_t now, int64_t cpu, int blocked)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_awaited_t *awaited = &tick->awaited;
    lpp_gate_t *gate = sampler->options.gate;
    int told = sampler->watch.state != WATCH_UNKNOWN;
    int sampled = !told
                  && (tick->thread.syscall_fd >= 0
                      || (tick->sampling && lpp_signal_allowed(1)));
    int known;

    if (!lpp_awaited_is_due(awaited, gate, now)) {
        return;
    }
    blocked = told ? sampler->watch.state == WATCH_BLOCKED : blocked;
    known = told ? tick->block.named : lpp_tick_episode_lasts(tick, cpu);
    if (blocked && known) {
        lpp_awaited_publish(awaited, gate, &sampler->waiting.call);
    }
    else if (lpp_awaited_is_late(awaited, now) || (blocked && !sampled)) {
        lpp_awaited_publish(awaited, gate, NULL);
    }
    else if (blocked) {
        tick->next_sample_ns = now;
    }
}

int64_t lpp_tick_run(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    int64_t now = lpp_clock_ns(CLOCK_MONOTONIC);
    int64_t cpu, due;
    int blocked;

    if (tick->stacks && !tick->without_events) {
        lpp_kernel_watch_follow(&sampler->watch, (unsigned)tick->thread.tid,
                                0);
    }
    if (!lpp_tick_takes_samples(sampler)) {
        cpu = lpp_clock_ns(tick->thread.clock);
        look(sampler, now, cpu, cpu == tick->seen_cpu_ns);
        tick->seen_cpu_ns = cpu;
        save_total(sampler, now, cpu);
        return now + UNSAMPLED_TICK_NS;
    }
    /* Process the samples received so far, and update the list of objects
     * before the next sample is asked for: then a frame is uncertain only if an
     * object was loaded between that and the sample. The update may wait for
     * the loader's lock, so it comes before the clocks are read. */
    lpp_tick_drain(sampler);
    if (now >= tick->next_sample_ns) {
        lpp_frames_refresh(&sampler->frames);
    }
    now = lpp_clock_ns(CLOCK_MONOTONIC);
    cpu = lpp_clock_ns(tick->thread.clock);
    blocked = cpu == tick->seen_cpu_ns;
    if (!blocked) {
        tick->seen_cpu_ns = cpu;
        tick->seen_wall_ns = now;
    }
    lpp_tick_block_follow(sampler, now, cpu);
    look(sampler, now, cpu, blocked);
    if (now >= tick->next_sample_ns) {
        sample(sampler, now, cpu);
        save_total(sampler, now, cpu);
        tick->block.parts = 0;
        judge_cost(sampler);
        /* Missed ticks are skipped, the next one is on time. */
        tick->next_sample_ns +=
            ((now - tick->next_sample_ns) / tick->interval_ns + 1)
            * tick->interval_ns;
    }
    due = tick->next_sample_ns;
    now = lpp_clock_ns(CLOCK_MONOTONIC);
    while (due - tick->watch_ns > now) {
        due -= tick->watch_ns;
    }
    return due;
}

static void add_totals(const lpp_sampler_t *sampler)
{
    const lpp_tick_t *tick = &sampler->tick;
    const lpp_sampling_statistics_t *statistics =
        &tick->session->profile->statistics;
    lpp_gate_totals_t totals;

    totals.samples = statistics->samples;
    totals.lost = statistics->lost;
    totals.own_ns =
        statistics->own_ns + statistics->signals * LPP_COST_HANDLER_NS;
    totals.cpu_ns = tick->session->profile->total.cpu_ns;
    totals.languages = tick->session->pages_begun
        ? lpp_interp_languages(sampler->target.interp) : 0;
    totals.stood_down = statistics->lowered_hz != 0 || tick->stand_down;
    totals.signal =
        (apr_uint32_t)atomic_load(&((lpp_sampler_t *)sampler)->signal);
    lpp_gate_add_totals(sampler->options.gate, &totals);
    if (tick->session->pages_begun) {
        lpp_gate_set_unread(sampler->options.gate, statistics->pages.unread);
    }
}

/* What this profile waited for most, for status pages: "812 ms, tcp
 * 10.0.0.5:5432"; "" for nothing. */
static void publish_wait(const lpp_sampler_t *sampler)
{
    const lpp_wait_t *most = lpp_waits_heaviest(
        &sampler->tick.session->profile->waits);
    char text[LPP_WAIT_TEXT_BYTES + 32] = "", what[LPP_WAIT_TEXT_BYTES];

    if (most != NULL) {
        lpp_pagecode_wait_text(sampler->options.pages, most->pc, what,
                               sizeof(what));
        apr_snprintf(text, sizeof(text), "%" APR_UINT64_T_FMT " ms, %s",
                     most->total_ns / 1000000, what);
    }
    lpp_gate_set_waited(sampler->options.gate, text);
}

void lpp_tick_finish(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_session_t *session = tick->session;
    lpp_sampling_statistics_t *statistics = &session->profile->statistics;

    lpp_tick_pause(sampler);
    if (session->segment.tid != 0 && sampler->watch.started) {
        lpp_tick_follow(sampler); /* it may have ended before its first tick */
    }
    lpp_tick_block_finish(sampler);
    lpp_thread_close(&tick->thread);
    pthread_mutex_lock(&session->tree_mutex);
    session->profile->total.wall_ns =
        (apr_uint64_t)(session->end_wall_ns - session->start_wall_ns);
    session->profile->total.cpu_ns = (apr_uint64_t)session->used.cpu_ns;
    lpp_profile_set_ready(session->profile, session->used.ready_ns,
                          statistics->ready == LPP_READY_SEEN);
    statistics->cut_short = atomic_load(&session->cut_short);
    statistics->own_ns = (apr_uint64_t)(
        lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - tick->own_start_ns);
    lpp_pages_count(sampler, session);
    pthread_mutex_unlock(&session->tree_mutex);
    add_totals(sampler);
    if (session->options.stacks) {
        publish_wait(sampler);
    }
    lpp_postmortem_set_total(sampler->postmortem, session->profile,
                             &session->profile->total);
    tick->session = NULL;
}
