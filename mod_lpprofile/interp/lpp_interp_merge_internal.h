/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_merge: the frames of the C stack and the page functions as one
 * stack.
 *
 * From the root inwards: the C frame of a function that runs code of a language
 * (its marker) is replaced by that language's next run of page functions. A
 * run ends before the next frame with LPP_INTERP_ENTRY. One queue a language;
 * what is left over at the leaf is added there. An internal function stays with
 * the run that called it, its C frames below it.
 *
 * If the C stack does not reach the root (code made at run time has no unwind
 * rules; a fiber has a stack of its own), its markers belong to the innermost
 * runs, and the others stand above it. If the chain of page functions was cut,
 * it lacks the outermost runs, and their markers stay. Lua: the functions of a
 * coroutine that was resumed are runs of their own below one marker, so the
 * first marker after lua_resume takes all that are too many.
 *
 * A pure function of its arguments.
 */
#ifndef LPP_INTERP_MERGE_INTERNAL_H
#define LPP_INTERP_MERGE_INTERNAL_H

#include "interp/lpp_interp_walk_internal.h"

/* A range of code: from first, size bytes. size 0: nothing is in it. */
typedef struct lpp_interp_range_t {
    lpp_pc_t first;
    apr_uint64_t size;
} lpp_interp_range_t;

typedef struct lpp_interp_merge_t {
    const lpp_interp_range_t *runs;   /* LPP_LANGUAGES */
    const lpp_interp_range_t *resume; /* Lua's */
    const lpp_page_frame_t *frames; /* page functions, innermost first, the
                                       languages one after the other */
    const lpp_pc_t *frame_pcs;      /* what each becomes */
    apr_uint32_t frame_count;
    apr_uint32_t flags;             /* LPP_PAGE_ */
    int whole;                      /* the C stack reaches the root */
} lpp_interp_merge_t;

/*
 * Merge into pcs, which hold count C frames, leaf first; at most max in the
 * end, of a longer stack the innermost ones. Returns how many there are.
 * max is at most LPP_FRAMES_MAX.
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_interp_merge(const lpp_interp_merge_t *merge, lpp_pc_t *pcs,
                          unsigned count, unsigned max);

#endif
