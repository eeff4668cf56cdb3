/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_share: what the profiler costs, and standing down when that is too
 * much.
 *
 * Whenever the profiled thread has used another 50 ms of CPU time, that of the
 * helper and of the handler is compared with it, both since the rate was last
 * changed. Above 10 % the rate is halved, down to 25 Hz; a profile that is
 * still too dear then ends ("cut short"). Less than 100 ms is never judged:
 * there the figures are noise. A request that mostly waits is judged by the
 * little it computes, which loses nothing: time spent blocked is credited whole
 * to the one sample of its episode, at any rate.
 */
#include "sampling/lpp_sampler_internal.h"

#define JUDGE_CPU_NS INT64_C(50000000)
#define JUDGE_FIRST_NS INT64_C(100000000)
#define SHARE_MAX_PERCENT 10
#define INTERVAL_MAX_NS INT64_C(40000000)
/* Clocks are looked at this often at most once the rate was lowered: a call
 * that is interrupted then has its timeout right to these. */
#define WATCH_MAX_NS INT64_C(4000000)
#define HANDLER_NS 4000 /* a signal and its handler, as measured */

static int64_t own_ns(const lpp_tick_t *tick)
{
    return lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID)
        + (int64_t)tick->session->profile->honesty.signals * HANDLER_NS;
}

static void begin_judging(lpp_tick_t *tick)
{
    tick->judged_segment = tick->segment;
    tick->judged_cpu_ns = tick->seen_cpu_ns;
    tick->judged_own_ns = own_ns(tick);
    tick->judge_next_ns = tick->judged_cpu_ns + JUDGE_FIRST_NS;
}

apr_uint32_t lpp_session_lowered_hz(const lpp_session_t *session)
{
    return atomic_load(&((lpp_session_t *)session)->lowered_hz);
}

static void lower_rate(lpp_tick_t *tick)
{
    apr_uint32_t hz;

    tick->interval_ns *= 2;
    hz = (apr_uint32_t)(INT64_C(1000000000) / tick->interval_ns);
    if (tick->watch_ns * 2 <= WATCH_MAX_NS) {
        tick->watch_ns *= 2;
    }
    atomic_store(&tick->session->lowered_hz, hz);
    pthread_mutex_lock(&tick->session->tree_mutex);
    tick->session->profile->honesty.lowered_hz = hz;
    pthread_mutex_unlock(&tick->session->tree_mutex);
}

void lpp_tick_judge(lpp_sampler_t *sampler)
{
    lpp_tick_t *tick = &sampler->tick;
    int64_t own;

    if (tick->judged_segment != tick->segment) {
        begin_judging(tick);
        return;
    }
    if (tick->seen_cpu_ns < tick->judge_next_ns) {
        return;
    }
    tick->judge_next_ns = tick->seen_cpu_ns + JUDGE_CPU_NS;
    own = own_ns(tick) - tick->judged_own_ns;
    if (own * 100 <= (tick->seen_cpu_ns - tick->judged_cpu_ns)
                         * SHARE_MAX_PERCENT) {
        return;
    }
    if (tick->interval_ns < INTERVAL_MAX_NS) {
        lower_rate(tick);
        begin_judging(tick);
    }
    else {
        tick->stand_down = 1;
    }
}

void lpp_tick_add_totals(lpp_sampler_t *sampler)
{
    const lpp_tick_t *tick = &sampler->tick;
    const lpp_honesty_t *honesty = &tick->session->profile->honesty;
    lpp_gate_totals_t totals;

    totals.samples = honesty->samples;
    totals.lost = honesty->lost;
    totals.own_ns = honesty->own_ns + honesty->signals * HANDLER_NS;
    totals.cpu_ns = tick->session->profile->total.cpu_ns;
    totals.stood_down = honesty->lowered_hz != 0 || tick->stand_down;
    totals.signal = (apr_uint32_t)atomic_load(&sampler->signal);
    lpp_gate_add_totals(sampler->options.gate, &totals);
}
