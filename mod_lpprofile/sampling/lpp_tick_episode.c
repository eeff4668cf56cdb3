/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_tick_episode: see lpp_tick_episode_internal.h. */
#include "sampling/lpp_tick_episode_internal.h"

#include "sampling/lpp_tick_stack_internal.h"
#include "sampling/lpp_tick_time_internal.h"

/* The handler and the return into a call take less CPU time than this. */
#define SETTLE_MAX_NS 150000
/* The same if the kernel does not count runs: a smaller limit, since it is less
 * certain. */
#define SETTLE_GUESS_NS 30000

int lpp_tick_episode_lasts(lpp_tick_t *tick, apr_int64_t cpu)
{
    apr_int64_t since = cpu - tick->asked.cpu_ns;

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

void lpp_tick_episode_credit(lpp_sampler_t *sampler, apr_int64_t now,
                             apr_int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t weight = { 0, 0, 0, 0 };

    lpp_tick_take_time(sampler, now, cpu, &weight);
    lpp_tick_take_ready(sampler, &weight);
    tick->episode.blocked_ns += (apr_int64_t)(weight.wall_ns - weight.cpu_ns
                                              - weight.ready_ns);
    lpp_tick_credit(sampler, tick->episode.node, &weight, weight.wall_ns,
                    sampler->waiting.pc, sampler->waiting.start_ns);
}

void lpp_tick_episode_end(lpp_sampler_t *sampler, apr_int64_t now,
                          apr_int64_t cpu)
{
    lpp_tick_t *tick = &sampler->tick;
    lpp_weight_t weight = { 0, 0, 0, 0 };
    apr_int64_t ready = tick->episode.state == EPISODE_NONE ? 0
        : lpp_tick_ready_left(tick) - (now - tick->given_wall_ns)
              + (cpu - tick->given_cpu_ns);

    ready = ready < tick->episode.blocked_ns ? ready : tick->episode.blocked_ns;
    if (ready > 0) {
        weight.ready_ns = (apr_uint64_t)ready;
        tick->given_ready_ns += ready;
        tick->episode.blocked_ns -= ready;
        lpp_tick_credit(sampler, tick->episode.node, &weight, 0, 0, 0);
    }
}

int lpp_tick_episode_sample(lpp_sampler_t *sampler, apr_int64_t now,
                            apr_int64_t cpu, int signal_may_be_sent)
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
    count = lpp_tick_unwind(sampler, &snapshot, tick->asked.changes, &end);
    if (end != LPP_UNWIND_ROOT && signal_may_be_sent) {
        return 0;
    }
    lpp_tick_take_time(sampler, now, cpu, &weight);
    lpp_tick_take_ready(sampler, &weight);
    tick->episode.blocked_ns = 0;
    tick->episode.node = lpp_tick_add_stack(sampler, &snapshot, count, end, 1,
                                            &weight);
    tick->episode.state = EPISODE_KNOWN;
    tick->episode.cpu_ns = cpu;
    return 1;
}
