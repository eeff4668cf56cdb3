/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_merge: see lpp_interp_merge_internal.h. */
#include "interp/lpp_interp_merge_internal.h"

#include <stddef.h>
#include <string.h>

#define STATES 16 /* of Lua: LPP_INTERP_STATE */

/* Page functions that run under the same markers, outermost last: those of a
 * language, or of one state of Lua. */
typedef struct queue_t {
    unsigned first, at; /* frames [first, at) are left; at - 1 is next */
    unsigned runs;      /* that are left */
    unsigned markers;   /* of the C stack, that are left */
} queue_t;

typedef struct work_t {
    const lpp_interp_merge_t *merge;
    queue_t queues[LPP_LANGUAGES];
    queue_t states[STATES];
    unsigned state;  /* of Lua: the one whose markers come next */
    lpp_pc_t merged[LPP_FRAMES_MAX + LPP_SNAPSHOT_PAGE_FRAMES]; /* root first */
    unsigned count;
} work_t;

static int is_in(const lpp_interp_range_t *range, lpp_pc_t pc)
{
    return pc - range->first < range->size;
}

/* The language whose marker pc is, or LPP_LANGUAGE_NONE. */
static unsigned marked(const lpp_interp_merge_t *merge, lpp_pc_t pc)
{
    unsigned language = LPP_LANGUAGES - 1;

    while (language > 0 && !is_in(&merge->runs[language], pc)) {
        language--;
    }
    return language;
}

/* Remove the next run of the queue. pcs, if not NULL, gets its functions.
 * Returns their number. */
static unsigned take_run(const lpp_interp_merge_t *merge, queue_t *queue,
                         lpp_pc_t *pcs)
{
    unsigned count = 0;
    int begun = 0;

    while (queue->at > queue->first) {
        lpp_page_frame_t frame = merge->frames[queue->at - 1];

        if (begun && (frame & LPP_INTERP_ENTRY)) {
            break;
        }
        /* An internal function that C code called stands above the run that it
         * calls. */
        begun |= !(frame & LPP_INTERP_INTERNAL);
        queue->at--;
        if (pcs != NULL) {
            pcs[count] = merge->frame_pcs[queue->at];
        }
        count++;
    }
    queue->runs -= queue->runs > 0;
    return count;
}

static void count_runs(const lpp_interp_merge_t *merge, queue_t *queue)
{
    queue_t rest = *queue;

    while (rest.at > rest.first) {
        take_run(merge, &rest, NULL);
        queue->runs++;
    }
}

static void add_runs(work_t *work, queue_t *queue, unsigned runs)
{
    for (; runs > 0 && queue->at > queue->first; runs--) {
        work->count += take_run(work->merge, queue,
                                work->merged + work->count);
    }
}

/* Sort the page functions into queues. */
static void fill_queues(work_t *work)
{
    const lpp_interp_merge_t *merge = work->merge;
    queue_t *queue = NULL, *last = NULL;
    unsigned i;

    for (i = 0; i < merge->frame_count; i++) {
        lpp_page_frame_t frame = merge->frames[i];
        unsigned language = LPP_INTERP_LANGUAGE(frame);

        queue = language == LPP_LANGUAGE_LUA
            ? &work->states[LPP_INTERP_STATE(frame)]
            : &work->queues[language < LPP_LANGUAGES ? language : 0];
        if (queue != last) {
            queue->first = i;
            last = queue;
        }
        queue->at = i + 1;
    }
    for (i = 0; i < LPP_LANGUAGES; i++) {
        count_runs(merge, &work->queues[i]);
    }
    for (i = 0; i < STATES; i++) {
        count_runs(merge, &work->states[i]);
    }
}

/* The state of Lua that the outermost marker of the C stack belongs to. */
static unsigned first_state(const lpp_interp_merge_t *merge,
                            const work_t *work, const lpp_pc_t *pcs,
                            unsigned count)
{
    unsigned innermost = 0, resumed = 0, i;

    for (i = 0; i < STATES; i++) {
        innermost = work->states[i].at > work->states[i].first ? i : innermost;
    }
    for (i = 0; i < count; i++) {
        resumed += is_in(merge->resume, pcs[i]);
    }
    return merge->whole || resumed > innermost ? 0 : innermost - resumed;
}

static queue_t *queue_of(work_t *work, unsigned language)
{
    return language == LPP_LANGUAGE_LUA ? &work->states[work->state]
                                        : &work->queues[language];
}

/* The next C frame, from the root inwards, may be lua_resume's. */
static void follow_resume(work_t *work, lpp_pc_t pc)
{
    if (is_in(work->merge->resume, pc) && work->state + 1 < STATES) {
        work->state++;
    }
}

static void count_markers(work_t *work, const lpp_pc_t *pcs, unsigned count)
{
    unsigned outermost = work->state, i;

    for (i = count; i-- > 0;) {
        unsigned language = marked(work->merge, pcs[i]);

        follow_resume(work, pcs[i]);
        if (language != LPP_LANGUAGE_NONE) {
            queue_of(work, language)->markers++;
        }
    }
    work->state = outermost;
}

/* Runs that have no marker, since the C stack does not reach the root. */
static void add_outer(work_t *work)
{
    unsigned i;

    for (i = 0; i < work->state; i++) {
        add_runs(work, &work->states[i], work->states[i].runs);
    }
    for (i = 1; i < LPP_LANGUAGES; i++) {
        queue_t *queue = queue_of(work, i);

        if (queue->runs > queue->markers) {
            add_runs(work, queue, queue->runs - queue->markers);
        }
    }
}

/* The frame of a marker: the run that it stands for. */
static void add_marker(work_t *work, unsigned language, lpp_pc_t pc)
{
    queue_t *queue = queue_of(work, language);
    unsigned runs = 1;

    if (queue->runs == 0
        || ((work->merge->flags & LPP_PAGE_CUT)
            && queue->markers > queue->runs)) {
        work->merged[work->count++] = pc; /* its page functions are not known */
        queue->markers--;
        return;
    }
    if (language == LPP_LANGUAGE_LUA && queue->runs > queue->markers) {
        runs += queue->runs - queue->markers;
    }
    add_runs(work, queue, runs);
    queue->markers--;
}

unsigned lpp_interp_merge(const lpp_interp_merge_t *merge, lpp_pc_t *pcs,
                          unsigned count, unsigned max)
{
    work_t work;
    unsigned i, kept;

    memset(&work, 0, offsetof(work_t, merged));
    work.merge = merge;
    work.count = 0;
    fill_queues(&work);
    work.state = first_state(merge, &work, pcs, count);
    count_markers(&work, pcs, count);
    i = count;
    if (i > 0 && pcs[i - 1] == LPP_PC_OWN_STACK) {
        work.merged[work.count++] = pcs[--i];
    }
    if (!merge->whole) {
        add_outer(&work);
    }
    while (i-- > 0) {
        unsigned language = marked(merge, pcs[i]);

        follow_resume(&work, pcs[i]);
        if (language != LPP_LANGUAGE_NONE) {
            add_marker(&work, language, pcs[i]);
        }
        else {
            work.merged[work.count++] = pcs[i];
        }
    }
    for (i = 1; i < LPP_LANGUAGES; i++) {
        add_runs(&work, &work.queues[i], work.queues[i].runs);
    }
    for (i = 0; i < STATES; i++) {
        add_runs(&work, &work.states[i], work.states[i].runs);
    }
    kept = work.count < max ? work.count : max;
    for (i = 0; i < kept; i++) {
        pcs[i] = work.merged[work.count - 1 - i];
    }
    return kept;
}
