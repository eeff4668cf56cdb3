/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_frames: the frames of a copied stack: unwinds it from the request's root
 * inwards, and removes the profiler's own frames.
 *
 * The root of a request is the frame that called the functions that read or
 * serve it. The frames outside of it are the server's loop, and are neither
 * copied nor unwound. Owns the buffers for unwound stacks, and the addresses of
 * the root functions. After init only the helper uses it.
 */
#ifndef LPP_FRAMES_INTERNAL_H
#define LPP_FRAMES_INTERNAL_H

#include "sampling/lpp_sampler.h"

#define LPP_ROOTS_MAX 8 /* root functions whose address is kept */

typedef struct lpp_frames_t {
    const lpp_sampler_options_t *options; /* borrowed: the hidden code */
    lpp_maps_t *maps;         /* borrowed */
    lpp_unwinder_t *unwinder; /* borrowed or made here; NULL: none available */
    lpp_pc_t *pcs;            /* LPP_FRAMES_MAX; of a sample, leaf first */
    apr_uint64_t *cfas;       /* LPP_FRAMES_MAX */
    lpp_pc_t *whole_pcs;      /* LPP_FRAMES_MAX; the last stack of the session
                                 that was unwound to its root ... */
    apr_uint64_t *whole_cfas; /* ... and its CFAs */
    unsigned whole_count;     /* 0: none */
    unsigned changes;         /* how often objects were loaded or unloaded */
    struct { /* root functions; forgotten when objects change */
        const char *name;     /* borrowed, static */
        apr_uint64_t address;
        apr_uint64_t size;    /* 0: there is no such function */
    } roots[LPP_ROOTS_MAX];
} lpp_frames_t;

/*
 * Fill in frames, zeroed before, from options (borrowed). If this architecture
 * has no unwinder, that is no error: unwinder stays NULL. Errors: those of
 * lpp_unwinder_create; APR_ENOMEM.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_frames_init(
    lpp_frames_t *frames, const lpp_sampler_options_t *options,
    apr_pool_t *pool);

/*
 * Update maps and the unwinder if objects were loaded or unloaded. If that
 * fails, stacks through new objects count as broken.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_frames_refresh(lpp_frames_t *frames);

/*
 * As lpp_unwind, into pcs (at most max); returns the number of frames. Code
 * made at run time, and the outer end of a stack that is not the thread's own,
 * appear as the two special frames (see LPP_PC_OWN_STACK); such a stack never
 * ends as CUT or LOST. unwinder must not be NULL.
 *
 * If only a part of the stack was copied, its outer frames are those of the
 * last whole stack, where that has a frame with the same address and the same
 * CFA as the outermost one of the part: the same call, from the same place. It
 * still ends as CUT.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_frames_unwind(lpp_frames_t *frames,
                           const lpp_snapshot_t *snapshot,
                           apr_uint64_t root_cfa, lpp_pc_t *pcs, unsigned max,
                           lpp_unwind_end_e *end);

/*
 * Remove hidden frames from pcs; returns how many frames stay. sampled: pcs are
 * those of a sample. In a sample: a frame that stands for another function
 * (stands_for) becomes that function's start; all other frames of the object
 * with the hidden code are the profiler's. If the innermost of these shows the
 * profiler itself at work, only LPP_PC_PROFILER stays, else they are removed,
 * too.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_frames_hide(const lpp_frames_t *frames, lpp_pc_t *pcs,
                         unsigned count, int sampled);

/*
 * A session begins or changes its thread: forgets the last whole stack.
 * The CFA of the root of the request whose stack is in snapshot, see
 * lpp_session_start for root_names (NULL: none); 0: not found, the whole stack
 * is the request's. Overwrites pcs and cfas.
 * Signal-safe: no. Thread: the helper.
 */
apr_uint64_t lpp_frames_root(lpp_frames_t *frames,
                             const char *const *root_names,
                             const lpp_snapshot_t *snapshot);

#endif
