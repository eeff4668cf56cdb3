/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_tick_time: see lpp_tick_time_internal.h. */
#include "sampling/lpp_tick_time_internal.h"

/* Without a processor for less than this, the thread ran: the clocks are read
 * one after the other. */
#define READY_MIN_NS 10000

/* For how long the thread was preempted since the last call, up to now. */
static apr_int64_t take_preempted(lpp_sampler_t *sampler, apr_int64_t now)
{
    lpp_tick_t *tick = &sampler->tick;
    apr_int64_t all = lpp_kernel_watch_ready_ns(&sampler->watch, now);
    apr_int64_t preempted = all - tick->given_preempted_ns;

    tick->given_preempted_ns = all;
    return preempted;
}

void lpp_tick_take_time(lpp_sampler_t *sampler, apr_int64_t now,
                        apr_int64_t cpu, lpp_weight_t *weight)
{
    lpp_tick_t *tick = &sampler->tick;
    apr_int64_t wall_ns = now - tick->given_wall_ns + tick->kept_wall_ns;
    apr_int64_t cpu_ns = cpu - tick->given_cpu_ns;
    apr_int64_t room = wall_ns > cpu_ns ? wall_ns - cpu_ns : 0;
    apr_int64_t ready_ns = take_preempted(sampler, now);

    if (sampler->watch.state != WATCH_UNKNOWN) {
        if (tick->given_ready_ns >= 0) {
            tick->given_ready_ns += ready_ns;
        }
        ready_ns = ready_ns < room ? ready_ns : room;
    }
    else {
        ready_ns = weight != NULL && tick->given_ready_ns < 0
            && room >= READY_MIN_NS
            && lpp_thread_is_asleep(&tick->thread) == 0 ? room : 0;
    }
    if (weight != NULL) {
        weight->wall_ns += (apr_uint64_t)wall_ns;
        weight->cpu_ns += (apr_uint64_t)cpu_ns;
        weight->ready_ns += (apr_uint64_t)ready_ns;
    }
    tick->given_wall_ns = now;
    tick->kept_wall_ns = 0;
    tick->given_cpu_ns = cpu;
}

apr_int64_t lpp_tick_ready_left(const lpp_tick_t *tick)
{
    apr_int64_t ready = lpp_schedstat_ready_ns(tick->thread.schedstat_fd);

    return ready < 0 || tick->given_ready_ns < 0 ? 0
        : ready - tick->given_ready_ns;
}

void lpp_tick_take_ready(lpp_sampler_t *sampler, lpp_weight_t *weight)
{
    lpp_tick_t *tick = &sampler->tick;
    apr_int64_t room = (apr_int64_t)(weight->wall_ns - weight->cpu_ns
                                     - weight->ready_ns);
    apr_int64_t ready;

    if (sampler->watch.state != WATCH_UNKNOWN
        || weight->wall_ns < weight->cpu_ns + weight->ready_ns
               + READY_MIN_NS) {
        return; /* known already, or it ran all the time */
    }
    ready = lpp_tick_ready_left(tick);
    ready = ready < room ? ready : room;
    if (ready > 0) {
        weight->ready_ns += (apr_uint64_t)ready;
        tick->given_ready_ns += ready;
    }
}

int lpp_tick_takes_samples(const lpp_sampler_t *sampler)
{
    return sampler->tick.sampling || sampler->tick.thread.syscall_fd >= 0
           || sampler->watch.started;
}

int lpp_tick_ready_known(const lpp_sampler_t *sampler)
{
    return sampler->tick.given_ready_ns >= 0 ? LPP_READY_EXACT
        : sampler->watch.started
              || (sampler->tick.thread.stat_fd >= 0
                  && lpp_tick_takes_samples(sampler))
        ? LPP_READY_SEEN : LPP_READY_UNKNOWN;
}
