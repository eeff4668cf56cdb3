/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_frames: the frames that a copied stack shows: unwound, from the root of
 * the request on, and without the profiler's own.
 *
 * The root of a request is the frame that called into reading or serving it.
 * What is outside of it is the server's loop and is neither copied nor unwound.
 * Owns the buffers that stacks are unwound into, and what it remembers of the
 * root functions. Used by the helper alone, after init.
 */
#ifndef LPP_FRAMES_INTERNAL_H
#define LPP_FRAMES_INTERNAL_H

#include "sampling/lpp_sampler.h"

#define LPP_ROOTS_MAX 8 /* root functions whose size is remembered */

typedef struct lpp_frames_t {
    const lpp_sampler_options_t *options; /* borrowed: the hidden code */
    lpp_maps_t *maps;         /* borrowed */
    lpp_unwinder_t *unwinder; /* borrowed or made here; NULL: none available */
    lpp_pc_t *pcs;            /* LPP_FRAMES_MAX; of a sample, leaf first */
    apr_uint64_t *cfas;       /* LPP_FRAMES_MAX */
    unsigned changes;         /* how often something was loaded or unloaded */
    struct { /* root functions; forgotten when something is loaded */
        const char *name;     /* borrowed, static */
        apr_uint64_t address;
        apr_uint64_t size;    /* 0: there is no such function */
    } roots[LPP_ROOTS_MAX];
} lpp_frames_t;

/*
 * Fill in frames, zeroed before, with what options (borrowed) name. An unwinder
 * that this architecture has not is no error: unwinder stays NULL.
 * Errors: those of lpp_unwinder_create; APR_ENOMEM.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_frames_init(
    lpp_frames_t *frames, const lpp_sampler_options_t *options,
    apr_pool_t *pool);

/*
 * Read again what is loaded, where that has changed, for maps and unwinder.
 * Where that fails, stacks through new objects count as broken.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_frames_refresh(lpp_frames_t *frames);

/*
 * lpp_unwind into pcs (at most max), returning how many, with the two frames
 * that stand for what is no function (see LPP_PC_OWN_STACK): code made at run
 * time, and the outer end of a stack that is not the thread's, which never ends
 * as CUT or LOST. There must be an unwinder.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_frames_unwind(lpp_frames_t *frames,
                           const lpp_snapshot_t *snapshot,
                           apr_uint64_t root_cfa, lpp_pc_t *pcs, unsigned max,
                           lpp_unwind_end_e *end);

/*
 * Drop hidden frames from pcs; returns how many stay. sampled: pcs are those of
 * a sample. Then frames that stand for another function (stands_for) become
 * that function's start, whether its own frame is there or not; all other
 * frames of the object of hidden code are the profiler's: where the innermost
 * of them was working itself, LPP_PC_PROFILER is all that stays, else they are
 * dropped, too.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_frames_hide(const lpp_frames_t *frames, lpp_pc_t *pcs,
                         unsigned count, int sampled);

/*
 * The CFA of the root of the request whose stack is in snapshot, see
 * lpp_session_start for root_names (NULL: none); 0: not found, the whole stack
 * is the request's. Overwrites pcs and cfas.
 * Signal-safe: no. Thread: the helper.
 */
apr_uint64_t lpp_frames_root(lpp_frames_t *frames,
                             const char *const *root_names,
                             const lpp_snapshot_t *snapshot);

#endif
