/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick_will: the helper keeps what a process that dies leaves behind in
 * step with the profile it makes. Runs on the helper alone, which is the only
 * one that changes the tree; a request's thread never waits for any of it.
 */
#include "sampling/lpp_sampler_internal.h"

void lpp_tick_make_will(lpp_sampler_t *sampler, const lpp_session_t *session)
{
    lpp_legacy_t *legacy = lpp_gate_extra(sampler->options.gate);

    sampler->will = NULL;
    if (legacy != NULL) {
        sampler->will = &legacy->will;
        lpp_will_begin(sampler->will, session->options.holder.id);
    }
    lpp_crash_arm(legacy != NULL ? &legacy->crash : NULL,
                  session->options.holder.tid);
}

void lpp_tick_bequeath(lpp_sampler_t *sampler, apr_uint32_t node,
                       const lpp_weight_t *weight)
{
    if (sampler->will != NULL) {
        lpp_will_add(sampler->will, sampler->tick.session->profile, node,
                     weight, sampler->options.maps);
    }
}

void lpp_tick_bequeath_end(lpp_sampler_t *sampler,
                           const lpp_session_t *session)
{
    const lpp_profile_t *profile = session->profile;

    if (sampler->will != NULL) {
        lpp_will_set_total(sampler->will, profile, profile->total.wall_ns,
                           profile->total.cpu_ns);
        sampler->will = NULL;
    }
}

void lpp_tick_bequeath_total(lpp_sampler_t *sampler, int64_t now, int64_t cpu)
{
    const lpp_tick_t *tick = &sampler->tick;

    if (sampler->will != NULL) {
        lpp_will_set_total(sampler->will, tick->session->profile,
                           (apr_uint64_t)(now - tick->start_wall_ns),
                           (apr_uint64_t)(cpu + tick->cpu_offset_ns));
    }
}
