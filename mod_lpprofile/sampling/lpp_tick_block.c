/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_block: see lpp_tick_block_internal.h.
 *
 * A block begins and ends at the times of the kernel's records. Its time is
 * blocked time, but for what the thread waited for a processor once it was
 * woken. No record tells when that was; the kernel's count of ready time does,
 * as soon as the block is over, less the time in which the thread was
 * preempted, which the records have.
 */
#include "sampling/lpp_tick_block_internal.h"

#include <pthread.h>
#include <signal.h>

#include "sampling/lpp_crash_internal.h"
#include "sampling/lpp_session_internal.h"
#include "sampling/lpp_tick_stack_internal.h"

/* Whether page functions and a stack can be read by guarded loads. */
static int may_load(sigset_t *mask)
{
    return lpp_crash_rescues() && pthread_sigmask(SIG_BLOCK, NULL, mask) == 0
           && sigismember(mask, SIGSEGV) == 0
           && sigismember(mask, SIGBUS) == 0;
}

/* Read the page functions of the blocked thread. If a signal is outstanding,
 * its handler may read, too, as soon as the thread runs. */
static void read_pages(lpp_sampler_t *sampler, lpp_snapshot_t *snapshot,
                       const sigset_t *mask)
{
    snapshot->page_frames = sampler->page_frames;
    if (lpp_interp_languages(sampler->target.interp) != 0
        && !sampler->tick.asked.outstanding
        && pthread_mutex_trylock(&sampler->pages_mutex) == 0) {
        lpp_interp_read(sampler->target.interp, snapshot, mask);
        pthread_mutex_unlock(&sampler->pages_mutex);
    }
}

/*
 * Copy the stack of a thread that is blocked, with its page functions, and add
 * it to the tree: it is in the kernel all the time, or this is of no use. cpu:
 * its CPU clock since it blocked.
 */
static void look_at_block(lpp_sampler_t *sampler, apr_int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_block_t *block = &tick->block;
    lpp_weight_t none = { 0, 0, 0, 1 };
    lpp_snapshot_t snapshot;
    lpp_unwind_end_e end;
    unsigned count;
    sigset_t mask;
    int loads = may_load(&mask), disk;

    lpp_waiting_look(&sampler->waiting, &tick->thread, block->start_ns);
    block->looked_at = 1;
    disk = sampler->waiting.state.letter == 'D';
    if ((disk && !loads)
        || !lpp_kernel_watch_look(&sampler->watch,
                                  disk ? LPP_WATCH_BY_LOADS
                                       : LPP_WATCH_BY_KERNEL,
                                  sampler->target.stack_start,
                                  sampler->target.stack_end,
                                  sampler->blocked_stack, &snapshot)) {
        return;
    }
    if (loads) {
        read_pages(sampler, &snapshot, &mask);
    }
    if (!lpp_kernel_watch_is_still(&sampler->watch)
        || lpp_clock_ns(tick->thread.clock) != cpu) {
        return;
    }
    count = lpp_tick_unwind(sampler, &snapshot, block->changes, &end);
    block->node = lpp_tick_add_stack(sampler, &snapshot, count, end, 1, &none);
    block->wait = sampler->waiting.pc;
    block->named = 1;
    block->sampled = 1;
    block->cpu_ns = cpu;
}

/*
 * The stack of the block was not copied while it lasted, but there is the part
 * of it that the record has: add that, with weight. 0: it is of no use. Of a
 * page's code it shows nothing: then only the wait is added. Where the profiler
 * has lowered its rate, since it costs too much, one such block is sampled at
 * each time that a sample is due.
 */
static int sample_part(lpp_sampler_t *sampler, const lpp_weight_t *weight)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_block_t *block = &tick->block;
    const lpp_snapshot_t *snapshot = &sampler->watch.snapshot;
    int page_code = lpp_interp_languages(sampler->target.interp) != 0;
    lpp_unwind_end_e end;
    unsigned count;

    if (snapshot->stack_len == 0 || sampler->watch.whole_only
        || (page_code && block->named)
        || (block->parts > 0
            && atomic_load(&tick->session->lowered_hz) != 0)) {
        return 0;
    }
    block->parts++;
    if (!block->looked_at) {
        lpp_waiting_look_back(&sampler->waiting, &tick->thread,
                              block->start_ns,
                              (snapshot->flags & LPP_SNAPSHOT_SYSCALL) == 0);
    }
    count = lpp_tick_unwind(sampler, snapshot, block->changes, &end);
    if (page_code) {
        lpp_tick_add_wait(sampler, snapshot, count);
    }
    else {
        block->node = lpp_tick_add_stack(sampler, snapshot, count, end, 1,
                                         weight);
        block->sampled = 1;
    }
    block->named = 1;
    block->wait = sampler->waiting.pc;
    return block->sampled;
}

/*
 * Add the time up to until to the block. If its stack is not known, that time
 * is for the next block whose stack is; no weight is then added.
 */
static void weigh(lpp_sampler_t *sampler, apr_int64_t until)
{
    static const lpp_weight_t none = { 0, 0, 0, 0 };
    lpp_tick_t *tick = &sampler->tick;
    lpp_block_t *block = &tick->block;
    lpp_weight_t weight = { 0, 0, 0, 0 };
    apr_int64_t blocked_ns = until - tick->given_wall_ns;

    if (blocked_ns <= 0) {
        return;
    }
    tick->given_wall_ns = until;
    weight.wall_ns = (apr_uint64_t)(blocked_ns + block->kept_ns);
    if (!block->sampled) {
        weight.samples = 1;
        if (sample_part(sampler, &weight)) {
            weight = none;
        }
    }
    if (block->sampled) {
        lpp_tick_credit(sampler, block->node, &weight,
                        (apr_uint64_t)(blocked_ns + block->kept_ns),
                        block->wait, block->start_ns);
        block->kept_ns = 0;
        return;
    }
    block->kept_ns += blocked_ns;
    if (block->wait != 0) {
        lpp_tick_credit(sampler, 0, &none, 0, block->wait, block->start_ns);
    }
}

/*
 * Of the blocks that are over: what the thread waited for a processor once it
 * was woken. counted_ns: the kernel's count of its ready time. Several blocks
 * share it by their length.
 */
static void share_ready(lpp_sampler_t *sampler, apr_int64_t counted_ns)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_block_t *block = &tick->block;
    lpp_weight_t weight = { 0, 0, 0, 0 };
    apr_int64_t left = counted_ns - tick->given_ready_ns
        - (sampler->watch.ready_ns - tick->given_preempted_ns);
    double sum = 0, part;
    unsigned i;

    if (block->over_count == 0) {
        return;
    }
    for (i = 0; i < block->over_count; i++) {
        sum += (double)block->over[i].wall_ns;
    }
    part = (double)left < sum ? (double)left / sum : 1;
    for (i = 0; i < block->over_count && left > 0; i++) {
        weight.ready_ns = (apr_uint64_t)((double)block->over[i].wall_ns * part);
        tick->given_ready_ns += (apr_int64_t)weight.ready_ns;
        lpp_tick_credit(sampler, block->over[i].node, &weight, 0, 0, 0);
    }
    block->over_count = 0;
}

/* The block is over: its ready time will be shared out. */
static void add_over(lpp_sampler_t *sampler, apr_uint64_t wall_ns)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_block_t *block = &tick->block;
    unsigned last = block->over_count - 1;

    if (!block->sampled || tick->given_ready_ns < 0) {
        return;
    }
    if (block->over_count > 0 && block->over[last].node == block->node) {
        block->over[last].wall_ns += wall_ns;
        return;
    }
    if (block->over_count == LPP_BLOCKS_OVER) {
        share_ready(sampler,
                    lpp_schedstat_ready_ns(tick->thread.schedstat_fd));
    }
    block->over[block->over_count].node = block->node;
    block->over[block->over_count++].wall_ns = wall_ns;
}

static void begin_block(lpp_sampler_t *sampler, apr_int64_t at)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_block_t *block = &tick->block;

    if (at > tick->given_wall_ns) {
        tick->kept_wall_ns += at - tick->given_wall_ns;
        tick->given_wall_ns = at;
    }
    block->count += at >= sampler->watch.from_ns;
    block->start_ns = at;
    block->sampled = block->named = block->looked_at = 0;
    block->wait = 0;
    tick->asked.late = 0; /* the wait of a signal's sample is over */
}

static void end_block(lpp_sampler_t *sampler, apr_int64_t at)
{
    lpp_tick_t *tick = &sampler->tick;

    if (at > tick->given_wall_ns) {
        weigh(sampler, at);
        add_over(sampler, (apr_uint64_t)(at - tick->block.start_ns));
    }
}

/* Follow the changes up to now. cpu: see lpp_tick_block_follow; negative: not
 * known. */
static void follow(lpp_sampler_t *sampler, apr_int64_t now, apr_int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_kernel_watch_t *watch = &sampler->watch;
    lpp_watch_change_e change;
    apr_int64_t at;

    lpp_kernel_watch_refresh(watch);
    while ((change = lpp_kernel_watch_next(watch, now, &at))
           != LPP_WATCH_NOTHING) {
        if (change == LPP_WATCH_BLOCKS) {
            begin_block(sampler, at);
        }
        else if (change == LPP_WATCH_RUNS) {
            end_block(sampler, at);
        }
        else if (!tick->block.sampled || tick->block.cpu_ns != cpu) {
            watch->state = WATCH_UNKNOWN;
        }
    }
}

void lpp_tick_block_follow(lpp_sampler_t *sampler, apr_int64_t now,
                           apr_int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_kernel_watch_t *watch = &sampler->watch;
    apr_int64_t counted;

    if (!watch->started) {
        return;
    }
    follow(sampler, now, cpu);
    if (watch->state == WATCH_BLOCKED && !tick->block.sampled) {
        look_at_block(sampler, cpu);
    }
    tick->block.changes = sampler->frames.changes;
    if (tick->block.over_count > 0) {
        counted = lpp_schedstat_ready_ns(tick->thread.schedstat_fd);
        /* A wait that has ended since the records were read is counted, too,
         * and is not of these blocks. */
        if (lpp_kernel_watch_is_still(watch)) {
            share_ready(sampler, counted);
        }
    }
}

void lpp_tick_block_credit(lpp_sampler_t *sampler, apr_int64_t now)
{
    weigh(sampler, now);
}

void lpp_tick_block_finish(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_session_t *session = tick->session;
    lpp_sampling_statistics_t *statistics = &session->profile->statistics;
    lpp_kernel_watch_t *watch = &sampler->watch;

    if (session->segment.tid != 0 && watch->started) {
        follow(sampler, session->end_wall_ns, -1);
        if (watch->state == WATCH_BLOCKED) {
            weigh(sampler, session->end_wall_ns);
        }
        share_ready(sampler, session->used.ready_ns - tick->ready_offset_ns);
    }
    pthread_mutex_lock(&session->tree_mutex);
    statistics->blocked_ns += (apr_uint64_t)tick->block.kept_ns;
    statistics->kernel_events |= watch->started;
    statistics->kernel_blocks = tick->block.count;
    statistics->kernel_lost = watch->lost;
    pthread_mutex_unlock(&session->tree_mutex);
    lpp_kernel_watch_end(watch);
}
