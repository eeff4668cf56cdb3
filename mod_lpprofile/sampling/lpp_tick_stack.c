/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_tick_stack: see lpp_tick_stack_internal.h. */
#include "sampling/lpp_tick_stack_internal.h"

#include <string.h>

#include "sampling/lpp_session_internal.h"

/*
 * How many frames are certain to belong to the objects that are loaded now. The
 * list of objects was read after the sample was taken: at the address of an
 * object that was loaded meanwhile, another one may have been before, with
 * other unwind rules and names. changes_then: lpp_frames_t's before the sample.
 */
static unsigned count_sure(const lpp_sampler_t *sampler, unsigned count,
                           unsigned changes_then)
{
    unsigned changes = sampler->frames.changes - changes_then;
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

unsigned lpp_tick_unwind(lpp_sampler_t *sampler,
                         const lpp_snapshot_t *snapshot,
                         unsigned changes_then, lpp_unwind_end_e *end)
{
    unsigned count, sure;

    lpp_frames_refresh(&sampler->frames);
    count = lpp_frames_unwind(&sampler->frames, snapshot,
                              sampler->tick.session->root_cfa,
                              sampler->frames.pcs, LPP_FRAMES_MAX, end);
    sure = count_sure(sampler, count, changes_then);
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

/* Name what the thread waits for, of whose stack count frames are known: sets
 * the sampler's waiting. blocked: see lpp_tick_add_stack. */
static void name_wait(lpp_sampler_t *sampler, const lpp_snapshot_t *snapshot,
                      unsigned count, int blocked)
{
    lpp_session_t *session = sampler->tick.session;
    lpp_waiting_t *waiting = &sampler->waiting;
    const lpp_pc_t *pcs = sampler->frames.pcs;
    lpp_wait_where_t where = { sampler->tick.thread.tid,
        atomic_load(&session->client.since_ns) != 0, pcs, count,
        sampler->options.maps, sampler->options.pages };
    lpp_pc_t last = waiting->pc;

    waiting->pc = 0;
    waiting->call.kind = LPP_WAIT_CALL_OTHER;
    if (!blocked || (count > 0 && pcs[0] == LPP_PC_PROFILER)) {
        return;
    }
    lpp_waiting_name(waiting, snapshot, &where);
    /* Sampled once more: see ask_again in lpp_tick.c. */
    waiting->goes_on = sampler->tick.asked.late > 0 && waiting->pc == last;
    if (!waiting->goes_on) {
        waiting->start_ns = waiting->seen_ns;
    }
}

/* Add the wait that was named, up to the time that was given to samples. The
 * tree_mutex is held. */
static void begin_wait(lpp_sampler_t *sampler)
{
    lpp_waiting_t *waiting = &sampler->waiting;
    lpp_waits_t *waits = &sampler->tick.session->profile->waits;

    if (waiting->pc != 0) {
        if (!waiting->goes_on) {
            lpp_waits_begin(waits, waiting->pc, waiting->name.note);
        }
        lpp_waits_last(waits, waiting->pc, waiting->start_ns,
                       sampler->tick.given_wall_ns);
    }
}

apr_uint32_t lpp_tick_add_stack(lpp_sampler_t *sampler,
                                const lpp_snapshot_t *snapshot, unsigned count,
                                lpp_unwind_end_e end, int blocked,
                                const lpp_weight_t *weight)
{
    lpp_session_t *session = sampler->tick.session;
    lpp_pc_t *pcs = sampler->frames.pcs;
    /* There are no unwind rules for code that was made at run time. */
    int broken = end == LPP_UNWIND_LOST
        && (count == 0 || pcs[count - 1] != LPP_PC_RUN_TIME_CODE);
    apr_uint32_t node;

    count = lpp_frames_hide(&sampler->frames, pcs, count, 1);
    name_wait(sampler, snapshot, count, blocked);
    if (sampler->waiting.pc != 0) {
        count -= count == LPP_FRAMES_MAX;
        memmove(pcs + 1, pcs, count * sizeof(*pcs));
        pcs[0] = sampler->waiting.pc;
        count++;
    }
    pthread_mutex_lock(&session->tree_mutex);
    node = lpp_profile_add(session->profile, pcs, count, weight);
    begin_wait(sampler);
    session->profile->statistics.cut += end == LPP_UNWIND_CUT;
    session->profile->statistics.broken += broken;
    pthread_mutex_unlock(&session->tree_mutex);
    save_weight(sampler, node, weight);
    return node;
}

void lpp_tick_add_wait(lpp_sampler_t *sampler, const lpp_snapshot_t *snapshot,
                       unsigned count)
{
    lpp_session_t *session = sampler->tick.session;

    count = lpp_frames_hide(&sampler->frames, sampler->frames.pcs, count, 1);
    name_wait(sampler, snapshot, count, 1);
    pthread_mutex_lock(&session->tree_mutex);
    begin_wait(sampler);
    pthread_mutex_unlock(&session->tree_mutex);
}

void lpp_tick_credit(lpp_sampler_t *sampler, apr_uint32_t node,
                     const lpp_weight_t *weight, apr_uint64_t blocked_ns,
                     lpp_pc_t wait, apr_int64_t start_ns)
{
    lpp_session_t *session = sampler->tick.session;
    lpp_profile_t *profile = session->profile;

    pthread_mutex_lock(&session->tree_mutex);
    lpp_profile_credit(profile, node, weight);
    profile->statistics.blocked_ns += blocked_ns;
    if (wait != 0) {
        lpp_waits_last(&profile->waits, wait, start_ns,
                       sampler->tick.given_wall_ns);
    }
    pthread_mutex_unlock(&session->tree_mutex);
    save_weight(sampler, node, weight);
}
