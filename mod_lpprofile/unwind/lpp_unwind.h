/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind: turns a copied stack into frames.
 *
 * One interface, two unwinders: libunwind's remote API (the reference, any
 * architecture it supports, loaded with RTLD_LOCAL so that the host's C++ code
 * does not use its _Unwind_* symbols) and a table compiled from .eh_frame
 * (fast). Both read only the copied bytes; a stack with any content, even a
 * corrupt one, cannot make them read elsewhere or run for ever.
 */
#ifndef LPP_UNWIND_H
#define LPP_UNWIND_H

#include "objects/lpp_maps.h"
#include "unwind/lpp_snapshot.h"

typedef enum {
    LPP_UNWIND_AUTO, /* table if supported, else libunwind */
    LPP_UNWIND_TABLE,
    LPP_UNWIND_LIBUNWIND
} lpp_unwind_kind_e;

/* How an unwinding ended. */
typedef enum {
    LPP_UNWIND_ROOT, /* reached the root frame, or the thread's first frame */
    LPP_UNWIND_CUT,  /* ran out of copied stack, or of LPP_FRAMES_MAX */
    LPP_UNWIND_LOST  /* no rule for a frame, or the rule gives no valid
                        caller */
} lpp_unwind_end_e;

typedef struct lpp_unwinder_t lpp_unwinder_t;

/* The results so far. */
typedef struct lpp_unwind_counts_t {
    apr_uint64_t stacks;          /* unwound */
    apr_uint64_t root, cut, lost; /* how they ended */
    apr_uint64_t fallback;        /* of these, libunwind replaced the table,
                                     which had a rule that it cannot follow */
} lpp_unwind_counts_t;

/*
 * Make an unwinder over maps (borrowed; must outlive it). APR_ENOTIMPL: that
 * kind is not available here. The compiled tables belong to maps: an unwinder
 * made in the parent right after lpp_maps_create saves every child the
 * compilation (about 10 ms); a child then makes its own unwinder over the same
 * maps. AUTO loads libunwind too, if it is available, for rules that the table
 * cannot follow.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_unwinder_create(lpp_unwinder_t **unwinder,
                                                lpp_unwind_kind_e kind,
                                                lpp_maps_t *maps,
                                                apr_pool_t *pool);

/* "table" or "libunwind"; static. Signal-safe: yes. Thread: any. */
const char *lpp_unwinder_name(const lpp_unwinder_t *unwinder);

/* The counts since it was made. Signal-safe: yes. Thread: the helper. */
lpp_unwind_counts_t lpp_unwinder_counts(const lpp_unwinder_t *unwinder);

/*
 * Update the unwinder after lpp_maps_refresh has changed maps. Errors:
 * APR_ENOMEM.
 * Signal-safe: no. Thread: the helper.
 */
LPP_MUST_CHECK apr_status_t lpp_unwinder_refresh(lpp_unwinder_t *unwinder);

/*
 * Unwind one snapshot. frames[0] is the interrupted instruction, the others are
 * return addresses less one, outermost last, at most max. Stops after the frame
 * whose CFA is root_cfa (0: at the thread's first frame); that frame is the
 * last one written. Returns the number of frames; 0: not even the program
 * counter is known. cfas, if not NULL, gets each frame's CFA; 0: not known (the
 * last frame of a LOST stack). A frame that was interrupted by a signal handler
 * has its exact address, too. A frame above root_cfa ends the walk as LOST: the
 * thread has left the root.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_unwind(lpp_unwinder_t *unwinder, const lpp_snapshot_t *snapshot,
                    apr_uint64_t root_cfa, lpp_pc_t *frames,
                    apr_uint64_t *cfas, unsigned max, lpp_unwind_end_e *end);

/*
 * The largest function of object by its unwind rules: process address and size,
 * and the size of the next largest. 0: object is NULL, or has no rules.
 * Signal-safe: no. Thread: any.
 */
int lpp_unwind_largest(const lpp_object_t *object, apr_uint64_t *start,
                       apr_uint64_t *size, apr_uint64_t *second);

#endif
