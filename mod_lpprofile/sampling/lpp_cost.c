/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_cost: see lpp_cost_internal.h. */
#include "sampling/lpp_cost_internal.h"

#include "base/lpp_clock.h"

#define JUDGE_CPU_NS INT64_C(50000000)
#define JUDGE_FIRST_NS INT64_C(100000000)
#define MAX_PERCENT 10

static apr_int64_t own_ns(apr_uint64_t signals)
{
    return lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID)
        + (apr_int64_t)signals * LPP_COST_HANDLER_NS;
}

void lpp_cost_begin(lpp_cost_t *cost, apr_int64_t cpu_ns, apr_uint64_t signals)
{
    cost->begun = 1;
    cost->cpu_ns = cpu_ns;
    cost->own_ns = own_ns(signals);
    cost->next_ns = cpu_ns + JUDGE_FIRST_NS;
}

lpp_cost_e lpp_cost_judge(lpp_cost_t *cost, apr_int64_t cpu_ns,
                          apr_uint64_t signals)
{
    apr_int64_t own;

    if (!cost->begun) {
        lpp_cost_begin(cost, cpu_ns, signals);
        return LPP_COST_LOW;
    }
    if (cpu_ns < cost->next_ns) {
        return LPP_COST_LOW;
    }
    cost->next_ns = cpu_ns + JUDGE_CPU_NS;
    own = own_ns(signals) - cost->own_ns;
    return own * 100 <= (cpu_ns - cost->cpu_ns) * MAX_PERCENT
        ? LPP_COST_LOW : LPP_COST_TOO_HIGH;
}
