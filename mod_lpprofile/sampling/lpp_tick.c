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
 */
#include "sampling/lpp_tick_internal.h"

#include <string.h>

#include <apr_strings.h>

#include "sampling/lpp_crash_internal.h"
#include "sampling/lpp_pages_internal.h"
#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"

#define NS_PER_S 1000000000
#define UNSAMPLED_TICK_NS 5000000 /* where no sample can be taken */
#define WATCH_MAX_NS 1000000 /* the clocks are read at least that often */
/* The same after the rate was lowered: the timeout of an interrupted call then
 * has this precision. */
#define WATCH_LOWERED_MAX_NS 4000000
#define INTERVAL_MAX_NS 40000000 /* no rate is lowered below 25 Hz */
#define LATE_MAX 3 /* samples of a blocked thread without page functions */
/* The handler and the return into a call take less CPU time than this. */
#define SETTLE_MAX_NS 150000
/* The same if the kernel does not count runs: a smaller limit, since it is less
 * certain. */
#define SETTLE_GUESS_NS 30000
/* Without a processor for less than this, the thread ran: the clocks are read
 * one after the other. */
#define READY_MIN_NS 10000

void lpp_tick_begin(lpp_sampler_t *sampler, lpp_session_t *session)
{
    lpp_tick_t *tick = &sampler->tick;

    memset(tick, 0, sizeof(*tick));
    tick->session = session;
    session->profile->statistics.asked_hz = session->options.rate_hz;
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

static int takes_samples(const lpp_tick_t *tick)
{
    return tick->sampling || tick->thread.syscall_fd >= 0;
}

/* An lpp_ready_e: what will be known of ready time. */
static int what_is_known(const lpp_tick_t *tick)
{
    return tick->given_ready_ns >= 0 ? LPP_READY_EXACT
        : tick->thread.stat_fd >= 0 && takes_samples(tick)
        ? LPP_READY_SEEN : LPP_READY_UNKNOWN;
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
    tick->cpu_offset_ns = session->used.cpu_ns - segment->cpu_ns;
    tick->next_sample_ns = tick->given_wall_ns + tick->interval_ns;
    if (session->options.stacks && session->can_unwind) {
        lpp_thread_open(&tick->thread);
        pthread_mutex_lock(&tick->session->tree_mutex);
        session->profile->statistics.ready = what_is_known(tick);
        pthread_mutex_unlock(&tick->session->tree_mutex);
    }
}

/* Add the time up to now to *weight; NULL: it stays unattributed. */
static void take_time(lpp_tick_t *tick, int64_t now, int64_t cpu,
                      lpp_weight_t *weight)
{
    int64_t wall_ns = now - tick->given_wall_ns;
    int64_t cpu_ns = cpu - tick->given_cpu_ns;

    if (weight != NULL) {
        weight->wall_ns += (apr_uint64_t)wall_ns;
        weight->cpu_ns += (apr_uint64_t)cpu_ns;
        if (tick->given_ready_ns < 0 && wall_ns - cpu_ns >= READY_MIN_NS
            && lpp_thread_is_asleep(&tick->thread) == 0) {
            weight->ready_ns += (apr_uint64_t)(wall_ns - cpu_ns);
        }
    }
    tick->given_wall_ns = now;
    tick->given_cpu_ns = cpu;
}

/* The ready time that the kernel has counted and no sample has yet. */
static apr_int64_t ready_left(const lpp_tick_t *tick)
{
    apr_int64_t ready = lpp_schedstat_ready_ns(tick->thread.schedstat_fd);

    return ready < 0 || tick->given_ready_ns < 0 ? 0
        : ready - tick->given_ready_ns;
}

/* Add ready time to *weight, whose other times are complete. What it has no
 * room for is the next sample's: the thread waited after this one was taken. */
static void take_ready(lpp_tick_t *tick, lpp_weight_t *weight)
{
    apr_int64_t room = (apr_int64_t)(weight->wall_ns - weight->cpu_ns
                                     - weight->ready_ns);
    apr_int64_t ready;

    if (weight->wall_ns < weight->cpu_ns + weight->ready_ns + READY_MIN_NS) {
        return; /* it ran all the time */
    }
    ready = ready_left(tick);
    ready = ready < room ? ready : room;
    weight->ready_ns += (apr_uint64_t)ready;
    tick->given_ready_ns += ready;
}

/*
 * How many frames are certain to belong to the objects that are loaded now. The
 * list of objects was read after the sample was taken: at the address of an
 * object that was loaded meanwhile, another one may have been before, with
 * other unwind rules and names.
 */
static unsigned count_sure(const lpp_sampler_t *sampler, unsigned count)
{
    unsigned changes = sampler->frames.changes - sampler->tick.asked.changes;
    unsigned i;

    if (changes != 1) { /* each change removes the marks of the one before */
        return changes == 0 ? count : 0;
    }
    for (i = 0; i < count; i++) {
        const lpp_object_t *object = lpp_maps_object(
            sampler->options.maps, LPP_PC_OBJECT(sampler->frames.pcs[i]));

        if (object != NULL && object->fresh) {
            break;
        }
    }
    return i;
}

/* Merge page functions into frames.pcs, which hold count; returns how many. */
static unsigned add_page_functions(lpp_sampler_t *sampler,
                                   const lpp_snapshot_t *snapshot,
                                   unsigned count, lpp_unwind_end_e *end)
{
    lpp_pc_t *pcs = sampler->frames.pcs;
    int run_time = count > 0 && pcs[count - 1] == LPP_PC_RUN_TIME_CODE;

    if (sampler->target.interp == NULL) {
        return count;
    }
    lpp_interp_count(sampler->target.interp, snapshot);
    count = lpp_interp_stack(sampler->target.interp, snapshot, pcs, count,
                             LPP_FRAMES_MAX,
                             *end == LPP_UNWIND_ROOT && !run_time);
    if (run_time && snapshot->page_count > 0) {
        *end = LPP_UNWIND_ROOT; /* the page functions say what that code is */
    }
    return count;
}

/* Unwind one snapshot into frames.pcs; returns how many. */
static unsigned unwind(lpp_sampler_t *sampler, const lpp_snapshot_t *snapshot,
                       lpp_unwind_end_e *end)
{
    unsigned count, sure;

    lpp_frames_refresh(&sampler->frames);
    count = lpp_frames_unwind(&sampler->frames, snapshot,
                              sampler->tick.session->root_cfa,
                              sampler->frames.pcs, LPP_FRAMES_MAX, end);
    sure = count_sure(sampler, count);
    if (sure < count && !(snapshot->flags & LPP_SNAPSHOT_OWN_STACK)) {
        *end = LPP_UNWIND_LOST;
    }
    else if (sure < count) {
        sampler->frames.pcs[sure++] = LPP_PC_OWN_STACK;
    }
    return add_page_functions(sampler, snapshot, sure, end);
}

/* Add weight, which was added to node of the tree, to the post-mortem data. */
static void save_weight(const lpp_sampler_t *sampler, apr_uint32_t node,
                        const lpp_weight_t *weight)
{
    lpp_postmortem_add(sampler->postmortem, sampler->tick.session->profile,
                       node, weight, sampler->options.maps,
                       sampler->options.pages);
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

/* The last episode has lasted until now. The tree_mutex is held. */
static void wait_goes_on(lpp_sampler_t *sampler)
{
    lpp_waits_last(&sampler->tick.session->profile->waits,
                   sampler->waiting.pc, sampler->waiting.start_ns,
                   sampler->tick.given_wall_ns);
}

/* Make what the thread waits for the innermost of the count frames, if it was
 * blocked when it was copied, and not in the profiler; returns how many. */
static unsigned add_wait(lpp_sampler_t *sampler,
                         const lpp_snapshot_t *snapshot, unsigned count)
{
    lpp_session_t *session = sampler->tick.session;
    lpp_waiting_t *waiting = &sampler->waiting;
    lpp_pc_t *pcs = sampler->frames.pcs, last;
    lpp_wait_where_t where = { sampler->tick.thread.tid,
        atomic_load(&session->client.since_ns) != 0, pcs, count,
        sampler->options.maps, sampler->options.pages };

    last = waiting->pc;
    waiting->pc = 0;
    waiting->call.kind = LPP_WAIT_CALL_OTHER;
    if ((count > 0 && pcs[0] == LPP_PC_PROFILER)
        || !(waiting->state.letter == 'D'
             || (sampler->tick.asked.blocked
                 && (snapshot->flags & LPP_SNAPSHOT_SYSCALL)))) {
        return count;
    }
    lpp_waiting_name(waiting, snapshot, &where);
    if (waiting->pc == 0) {
        return count;
    }
    /* Sampled once more: see ask_again. */
    waiting->goes_on = sampler->tick.asked.late > 0 && waiting->pc == last;
    if (!waiting->goes_on) {
        waiting->start_ns = waiting->seen_ns;
    }
    count -= count == LPP_FRAMES_MAX;
    memmove(pcs + 1, pcs, count * sizeof(*pcs));
    pcs[0] = waiting->pc;
    return count + 1;
}

/* Add the unwound stack of snapshot to the tree. */
static apr_uint32_t add_stack(lpp_sampler_t *sampler,
                              const lpp_snapshot_t *snapshot, unsigned count,
                              lpp_unwind_end_e end, const lpp_weight_t *weight)
{
    lpp_session_t *session = sampler->tick.session;
    lpp_pc_t *pcs = sampler->frames.pcs;
    /* There are no unwind rules for code that was made at run time. */
    int broken = end == LPP_UNWIND_LOST
        && (count == 0 || pcs[count - 1] != LPP_PC_RUN_TIME_CODE);
    apr_uint32_t node;

    count = lpp_frames_hide(&sampler->frames, pcs, count, 1);
    count = add_wait(sampler, snapshot, count);
    pthread_mutex_lock(&session->tree_mutex);
    node = lpp_profile_add(session->profile, pcs, count, weight);
    if (sampler->waiting.pc != 0) {
        if (!sampler->waiting.goes_on) {
            lpp_waits_begin(&session->profile->waits, sampler->waiting.pc,
                            sampler->waiting.name.note);
        }
        wait_goes_on(sampler);
    }
    session->profile->statistics.cut += end == LPP_UNWIND_CUT;
    session->profile->statistics.broken += broken;
    pthread_mutex_unlock(&session->tree_mutex);
    save_weight(sampler, node, weight);
    return node;
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
            take_ready(tick, &asked->weight);
            count = unwind(sampler, snapshot, &end);
            tick->episode.node = add_stack(sampler, snapshot, count, end,
                                           &asked->weight);
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

/* Whether the thread, whose CPU clock is now at cpu, is still in the blocked
 * call that the last sample shows. */
static int same_episode(lpp_tick_t *tick, int64_t cpu)
{
    int64_t since = cpu - tick->asked.cpu_ns;

    if (tick->episode.state == EPISODE_KNOWN) {
        return cpu == tick->episode.cpu_ns;
    }
    if (tick->episode.state != EPISODE_FRESH || since > SETTLE_MAX_NS
        || lpp_clock_ns(tick->thread.clock) != cpu) {
        return 0;
    }
    if (tick->asked.runs == 0
            ? since > SETTLE_GUESS_NS
            : lpp_thread_runs(&tick->thread) != tick->asked.runs + 1) {
        return 0;
    }
    tick->episode.state = EPISODE_KNOWN;
    tick->episode.cpu_ns = cpu;
    return 1;
}

static void credit(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t weight = { 0, 0, 0, 0 };

    take_time(tick, now, cpu, &weight);
    take_ready(tick, &weight);
    tick->episode.blocked_ns += (apr_int64_t)(weight.wall_ns - weight.cpu_ns
                                              - weight.ready_ns);
    pthread_mutex_lock(&tick->session->tree_mutex);
    lpp_profile_credit(tick->session->profile, tick->episode.node, &weight);
    tick->session->profile->statistics.blocked_ns += weight.wall_ns;
    if (sampler->waiting.pc != 0) {
        wait_goes_on(sampler);
    }
    pthread_mutex_unlock(&tick->session->tree_mutex);
    save_weight(sampler, tick->episode.node, &weight);
}

/*
 * The blocked episode is over. Once the thread was woken it was ready to run,
 * and the kernel shows that only now: what the time since the last tick has no
 * room for was credited to the episode as blocked.
 */
static void end_episode(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t weight = { 0, 0, 0, 0 };
    apr_int64_t ready = tick->episode.state == EPISODE_NONE ? 0
        : ready_left(tick) - (now - tick->given_wall_ns)
              + (cpu - tick->given_cpu_ns);

    ready = ready < tick->episode.blocked_ns ? ready : tick->episode.blocked_ns;
    if (ready > 0) {
        weight.ready_ns = (apr_uint64_t)ready;
        tick->given_ready_ns += ready;
        tick->episode.blocked_ns -= ready;
        pthread_mutex_lock(&tick->session->tree_mutex);
        lpp_profile_credit(tick->session->profile, tick->episode.node,
                           &weight);
        pthread_mutex_unlock(&tick->session->tree_mutex);
        save_weight(sampler, tick->episode.node, &weight);
    }
}

/*
 * Sample a blocked thread without a signal; 0: not available. If a signal may
 * be sent, a stack that ends before the root counts as not available: to find
 * frames by other registers than SP, the handler's copy of the registers is
 * needed.
 */
static int sample_blocked(lpp_sampler_t *sampler, int64_t now, int64_t cpu,
                          int signal_may_be_sent)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t weight = { 0, 0, 0, 1 };
    lpp_thread_stack_t stack = { sampler->target.stack_start,
                                 sampler->target.stack_end,
                                 sampler->blocked_stack };
    lpp_snapshot_t snapshot;
    lpp_unwind_end_e end;
    unsigned count;

    tick->episode.state = EPISODE_NONE;
    tick->asked.changes = sampler->frames.changes;
    if (sampler->waiting.state.letter == 'D'
        || !lpp_thread_look(&tick->thread, &snapshot, &stack, cpu)) {
        return 0;
    }
    count = unwind(sampler, &snapshot, &end);
    if (end != LPP_UNWIND_ROOT && signal_may_be_sent) {
        return 0;
    }
    take_time(tick, now, cpu, &weight);
    take_ready(tick, &weight);
    tick->episode.blocked_ns = 0;
    tick->episode.node = add_stack(sampler, &snapshot, count, end, &weight);
    tick->episode.state = EPISODE_KNOWN;
    tick->episode.cpu_ns = cpu;
    return 1;
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
    take_time(tick, now, cpu, &tick->asked.weight);
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
    if (tick->asked.outstanding) {
        /* The thread was not in user mode since the signal was sent: it is in
         * the kernel, or waits for a processor. The sample to come gets all of
         * this time. */
        take_time(tick, now, cpu, &tick->asked.weight);
        if (sampler->waiting.state.letter != 'D' && cpu == tick->seen_cpu_ns) {
            lpp_waiting_look(&sampler->waiting, &tick->thread,
                             tick->seen_wall_ns);
        }
        return;
    }
    if (same_episode(tick, cpu)) {
        credit(sampler, now, cpu);
        return;
    }
    end_episode(sampler, now, cpu);
    tick->asked.blocked = lpp_clock_ns(tick->thread.clock) == cpu;
    sampler->waiting.state.letter = '\0';
    if (tick->asked.blocked) {
        lpp_waiting_look(&sampler->waiting, &tick->thread, tick->seen_wall_ns);
    }
    may = tick->sampling && lpp_signal_allowed(tick->asked.blocked);
    /* Only the handler reads page functions. */
    if (tick->asked.blocked
        && !(may && lpp_interp_languages(sampler->target.interp) != 0)
        && sample_blocked(sampler, now, cpu, may)) {
        return;
    }
    if (may) {
        send_signal(sampler, now, cpu);
    }
    else {
        take_time(tick, now, cpu, NULL);
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

static void judge_cost(lpp_tick_t *tick)
{
    apr_uint64_t signals = tick->session->profile->statistics.signals;

    if (lpp_cost_judge(&tick->cost, tick->seen_cpu_ns, signals)
        == LPP_COST_LOW) {
        return;
    }
    if (tick->interval_ns < INTERVAL_MAX_NS) {
        lower_rate(tick);
        lpp_cost_begin(&tick->cost, tick->seen_cpu_ns, signals);
    }
    else {
        tick->stand_down = 1;
    }
}

/*
 * A request that waits for the gate may have asked what the thread is blocked
 * on. The last sample tells that if it was taken in the same episode; else a
 * blocked thread is sampled now. cpu: its CPU clock; blocked: that has not
 * moved since the last tick.
 */
static void look(lpp_sampler_t *sampler, int64_t now, int64_t cpu, int blocked)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_awaited_t *awaited = &tick->awaited;
    lpp_gate_t *gate = sampler->options.gate;
    int sampled = tick->thread.syscall_fd >= 0
                  || (tick->sampling && lpp_signal_allowed(1));

    if (!lpp_awaited_is_due(awaited, gate, now)) {
        return;
    }
    if (blocked && same_episode(tick, cpu)) {
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

    if (!takes_samples(tick)) {
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
    look(sampler, now, cpu, blocked);
    if (now >= tick->next_sample_ns) {
        sample(sampler, now, cpu);
        save_total(sampler, now, cpu);
        judge_cost(tick);
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
