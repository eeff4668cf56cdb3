/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick: what the helper does with the one profile that runs: look at the
 * thread's clocks, ask for samples, weigh, unwind, add to the tree.
 *
 * A sample weighs the wall and CPU time that really passed since the one before
 * it; ticks are never counted. Time that no sample saw is given to nobody and
 * stays the difference between the total and the tree.
 *
 * A thread whose CPU clock stands still is blocked. It is looked at once, by a
 * signal where the kernel does not show it otherwise; then its time is credited
 * to that sample's node while it is the same episode.
 * That the episode is the same is known from the CPU clock (any wake-up costs
 * CPU time), but the handler itself moves that clock once: for the first look
 * after the signal the kernel's count of how often the thread was put on a
 * processor decides (one more than before the signal: that was the handler).
 */
#include "sampling/lpp_sampler_internal.h"

#include <string.h>

#define NS_PER_S 1000000000
#define WATCH_MAX_NS 1000000 /* clocks are looked at least that often */
/* More CPU time than the handler and the way back into a call can take. */
#define SETTLE_MAX_NS 150000
/* The same where the kernel does not count runs: less sure, so tighter. */
#define SETTLE_GUESS_NS 30000

void lpp_tick_begin(lpp_sampler_t *sampler, lpp_session_t *session)
{
    lpp_tick_t *tick = &sampler->tick;

    memset(tick, 0, sizeof(*tick));
    tick->session = session;
    /* From the start: who dies before its first tick leaves it, too. */
    session->profile->honesty.asked_hz = session->options.rate_hz;
    if (sampler->will != NULL) {
        lpp_will_set_total(sampler->will, session->profile, 0, 0);
    }
    atomic_store(&sampler->target.repaired, 0);
    tick->schedstat_fd = tick->syscall_fd = -1;
    tick->own_start_ns = lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    tick->interval_ns = NS_PER_S / (session->options.rate_hz == 0
                                    ? 1000 : session->options.rate_hz);
    /* Slow rates still look at the clocks often: how long a call has been
     * blocked must be known to a millisecond when it is interrupted. */
    tick->watch_ns = tick->interval_ns
        / ((tick->interval_ns + WATCH_MAX_NS - 1) / WATCH_MAX_NS);
}

void lpp_tick_follow(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_session_t *session = tick->session;

    if (tick->segment == session->segments) {
        return;
    }
    lpp_tick_close_task(tick);
    tick->segment = session->segments;
    tick->clock = session->cpu_clock;
    tick->tid = session->tid;
    tick->sampling = session->armed;
    tick->outstanding = 0;
    tick->episode = EPISODE_NONE;
    tick->given_wall_ns = tick->seen_wall_ns = session->segment_wall_ns;
    tick->given_cpu_ns = tick->seen_cpu_ns = session->segment_cpu_ns;
    tick->start_wall_ns = session->start_wall_ns;
    tick->cpu_offset_ns = session->cpu_before_ns - session->segment_cpu_ns;
    tick->next_sample_ns = tick->given_wall_ns + tick->interval_ns;
    if (session->options.stacks && session->can_unwind) {
        lpp_tick_open_task(tick);
    }
}

/*
 * How many frames are surely in the objects that are loaded now: the sample is
 * older than that look at them, and where one lies now another may have lain
 * then, whose rules and names were others.
 */
static unsigned count_sure(const lpp_sampler_t *sampler, unsigned count)
{
    unsigned changes = sampler->changes - sampler->tick.sent_changes, i;

    if (changes != 1) { /* marks of the first are gone after the second */
        return changes == 0 ? count : 0;
    }
    for (i = 0; i < count; i++) {
        const lpp_object_t *object = lpp_maps_object(
            sampler->options.maps, LPP_PC_OBJECT(sampler->frames[i]));

        if (object != NULL && object->fresh) {
            break;
        }
    }
    return i;
}

/* Unwind one snapshot into sampler->frames; returns how many. */
static unsigned unwind(lpp_sampler_t *sampler, const lpp_snapshot_t *snapshot,
                       lpp_unwind_end_e *end)
{
    unsigned count, sure;

    lpp_tick_refresh(sampler);
    count = lpp_tick_unwind(sampler, snapshot,
                            sampler->tick.session->root_cfa, sampler->frames,
                            LPP_FRAMES_MAX, end);
    sure = count_sure(sampler, count);
    if (sure < count && !(snapshot->flags & LPP_SNAPSHOT_OWN_STACK)) {
        *end = LPP_UNWIND_LOST;
    }
    else if (sure < count) {
        sampler->frames[sure++] = LPP_PC_OWN_STACK;
    }
    return sure;
}

/* Put what was unwound into the tree. */
static apr_uint32_t add_stack(lpp_sampler_t *sampler, unsigned count,
                              lpp_unwind_end_e end, const lpp_weight_t *weight)
{
    lpp_session_t *session = sampler->tick.session;
    /* Nobody can tell who called code that was made at run time. */
    int broken = end == LPP_UNWIND_LOST
        && (count == 0 || sampler->frames[count - 1] != LPP_PC_RUN_TIME_CODE);
    apr_uint32_t node;

    count = lpp_tick_hide(sampler, sampler->frames, count, 1);
    pthread_mutex_lock(&session->tree_mutex);
    node = lpp_profile_add(session->profile, sampler->frames, count, weight);
    session->profile->honesty.cut += end == LPP_UNWIND_CUT;
    session->profile->honesty.broken += broken;
    pthread_mutex_unlock(&session->tree_mutex);
    lpp_tick_bequeath(sampler, node, weight);
    return node;
}

static void count_lost(lpp_tick_t *tick)
{
    pthread_mutex_lock(&tick->session->tree_mutex);
    tick->session->profile->honesty.lost++;
    pthread_mutex_unlock(&tick->session->tree_mutex);
    tick->outstanding = 0;
    tick->episode = EPISODE_NONE;
}

void lpp_tick_drain(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    const lpp_snapshot_t *snapshot;
    apr_uint64_t answered;
    lpp_unwind_end_e end;
    unsigned count;

    /* Read before the ring: an answer that is seen has its sample there. */
    answered = atomic_load_explicit(&sampler->target.answered,
                                    memory_order_acquire);
    while ((snapshot = lpp_ring_peek(sampler->ring)) != NULL) {
        if (tick->outstanding && snapshot->sequence == tick->sequence) {
            tick->pending.samples = 1;
            count = unwind(sampler, snapshot, &end);
            tick->node = add_stack(sampler, count, end, &tick->pending);
            tick->outstanding = 0;
            tick->episode = snapshot->flags & LPP_SNAPSHOT_SYSCALL
                            && tick->sent_blocked
                ? EPISODE_FRESH : EPISODE_NONE;
        }
        lpp_ring_release(sampler->ring);
    }
    if (tick->outstanding && answered == tick->sequence) {
        count_lost(tick); /* answered without a sample */
    }
}

void lpp_tick_pause(lpp_sampler_t *sampler)
{
    lpp_tick_drain(sampler);
    if (sampler->tick.outstanding) {
        count_lost(&sampler->tick); /* disarm consumed the signal */
    }
    sampler->tick.sampling = 0;
    sampler->tick.episode = EPISODE_NONE;
    pthread_mutex_lock(&sampler->tick.session->tree_mutex);
    sampler->tick.session->profile->honesty.repaired_calls +=
        atomic_exchange(&sampler->target.repaired, 0);
    pthread_mutex_unlock(&sampler->tick.session->tree_mutex);
}

/* Is the thread, whose CPU clock now shows cpu, still in the blocked call that
 * the last sample shows? */
static int same_episode(lpp_tick_t *tick, int64_t cpu)
{
    int64_t since = cpu - tick->sent_cpu_ns;

    if (tick->episode == EPISODE_KNOWN) {
        return cpu == tick->episode_cpu_ns;
    }
    if (tick->episode != EPISODE_FRESH || since > SETTLE_MAX_NS
        || lpp_clock_ns(tick->clock) != cpu) {
        return 0;
    }
    if (tick->sent_runs == 0 ? since > SETTLE_GUESS_NS
                             : lpp_tick_runs(tick) != tick->sent_runs + 1) {
        return 0;
    }
    tick->episode = EPISODE_KNOWN;
    tick->episode_cpu_ns = cpu;
    return 1;
}

/* All time up to now is given away: into *weight, or to nobody. */
static void take_time(lpp_tick_t *tick, int64_t now, int64_t cpu,
                      lpp_weight_t *weight)
{
    if (weight != NULL) {
        weight->wall_ns += (apr_uint64_t)(now - tick->given_wall_ns);
        weight->cpu_ns += (apr_uint64_t)(cpu - tick->given_cpu_ns);
    }
    tick->given_wall_ns = now;
    tick->given_cpu_ns = cpu;
}

static void credit(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t weight = { 0, 0, 0 };

    take_time(tick, now, cpu, &weight);
    pthread_mutex_lock(&tick->session->tree_mutex);
    lpp_profile_credit(tick->session->profile, tick->node, &weight);
    tick->session->profile->honesty.blocked_ns += weight.wall_ns;
    pthread_mutex_unlock(&tick->session->tree_mutex);
    lpp_tick_bequeath(sampler, tick->node, &weight);
}

/*
 * The sample of a blocked thread without a signal. 0: not to be had; nor,
 * where a signal may be sent, is a stack that ends before the root: a frame
 * that hangs on another register than SP needs the handler's.
 */
static int sample_blocked(lpp_sampler_t *sampler, int64_t now, int64_t cpu,
                          int signal_may_be_sent)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t weight = { 0, 0, 1 };
    lpp_snapshot_t snapshot;
    lpp_unwind_end_e end;
    unsigned count;

    tick->episode = EPISODE_NONE;
    tick->sent_changes = sampler->changes;
    if (!lpp_tick_look(sampler, &snapshot, cpu)) {
        return 0;
    }
    count = unwind(sampler, &snapshot, &end);
    if (end != LPP_UNWIND_ROOT && signal_may_be_sent) {
        return 0;
    }
    take_time(tick, now, cpu, &weight);
    tick->node = add_stack(sampler, count, end, &weight);
    tick->episode = EPISODE_KNOWN;
    tick->episode_cpu_ns = cpu;
    return 1;
}

static void send_signal(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;

    memset(&tick->pending, 0, sizeof(tick->pending));
    tick->sent_changes = sampler->changes;
    tick->episode = EPISODE_NONE;
    tick->sent_cpu_ns = cpu;
    /* Read late, so that little can happen between it and the signal. */
    tick->sent_runs = tick->sent_blocked ? lpp_tick_runs(tick) : 0;
    if (lpp_signal_send(&sampler->target,
                        tick->sent_blocked ? now - tick->seen_wall_ns : 0,
                        &tick->sequence) != APR_SUCCESS) {
        return; /* its request is ending: that time stays nobody's */
    }
    take_time(tick, now, cpu, &tick->pending);
    tick->outstanding = 1;
    pthread_mutex_lock(&tick->session->tree_mutex);
    tick->session->profile->honesty.signals++;
    pthread_mutex_unlock(&tick->session->tree_mutex);
}

/* A tick on which a sample is due. */
static void sample(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    int may;

    lpp_tick_drain(sampler);
    if (tick->outstanding) {
        /* Not back in user mode since: it stands where it stood, in the
         * kernel or waiting for a processor. The answer will weigh it all. */
        take_time(tick, now, cpu, &tick->pending);
        return;
    }
    if (same_episode(tick, cpu)) {
        credit(sampler, now, cpu);
        return;
    }
    tick->sent_blocked = lpp_clock_ns(tick->clock) == cpu;
    may = tick->sampling && lpp_signal_allowed(tick->sent_blocked);
    if (tick->sent_blocked && sample_blocked(sampler, now, cpu, may)) {
        return;
    }
    if (may) {
        send_signal(sampler, now, cpu);
    }
    else {
        take_time(tick, now, cpu, NULL);
    }
}

int64_t lpp_tick_run(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    int64_t now = lpp_clock_ns(CLOCK_MONOTONIC);
    int64_t cpu, due;

    if (!tick->sampling && tick->syscall_fd < 0) {
        lpp_tick_bequeath_total(sampler, now, lpp_clock_ns(tick->clock));
        return now + NS_PER_S / 4;
    }
    /* Soon, and what is loaded looked at before the next one is asked for: only
     * what comes and goes between makes a frame doubtful. It may wait for the
     * loader, so it stands before the clocks are read. */
    lpp_tick_drain(sampler);
    if (now >= tick->next_sample_ns) {
        lpp_tick_refresh(sampler);
    }
    now = lpp_clock_ns(CLOCK_MONOTONIC);
    cpu = lpp_clock_ns(tick->clock);
    if (cpu != tick->seen_cpu_ns) {
        tick->seen_cpu_ns = cpu;
        tick->seen_wall_ns = now;
    }
    if (now >= tick->next_sample_ns) {
        sample(sampler, now, cpu);
        lpp_tick_bequeath_total(sampler, now, cpu);
        lpp_tick_judge(sampler);
        /* Missed ticks are skipped, the raster is kept. */
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

void lpp_tick_finish(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_session_t *session = tick->session;
    lpp_honesty_t *honesty = &session->profile->honesty;

    lpp_tick_pause(sampler);
    lpp_tick_close_task(tick);
    pthread_mutex_lock(&session->tree_mutex);
    session->profile->total.wall_ns =
        (apr_uint64_t)(session->end_wall_ns - session->start_wall_ns);
    session->profile->total.cpu_ns = (apr_uint64_t)session->cpu_before_ns;
    honesty->cut_short = atomic_load(&session->cut_short);
    honesty->own_ns = (apr_uint64_t)(
        lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID) - tick->own_start_ns);
    pthread_mutex_unlock(&session->tree_mutex);
    lpp_tick_add_totals(sampler);
    tick->session = NULL;
}
