/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_walk: what the two unwinders share: one walk over one snapshot,
 * and the conditions that end it. Internal to lpp_unwind*.
 *
 * All functions:
 * Signal-safe: yes. Thread: the helper.
 */
#ifndef LPP_UNWIND_WALK_INTERNAL_H
#define LPP_UNWIND_WALK_INTERNAL_H

#include "unwind/lpp_unwind.h"

/* No thread has a stack above its copy that is larger than this: an address
 * farther away is no stack address. */
#define LPP_WALK_STACK_MAX_BYTES (APR_UINT64_C(1) << 30)

/* One walk. The unwinder adds each frame with lpp_walk_add, and passes its CFA
 * to lpp_walk_cfa, which decides whether the walk goes on. */
typedef struct lpp_walk_t {
    const lpp_maps_t *maps;
    const lpp_snapshot_t *snapshot;
    apr_uint64_t root_cfa; /* or 0 */
    lpp_pc_t *frames;
    apr_uint64_t *cfas; /* or NULL */
    unsigned max, count;
    apr_uint64_t last_cfa; /* CFAs must grow: this limits every walk */
    lpp_unwind_end_e end;
    int unsupported; /* ended at a rule that this unwinder cannot follow */
} lpp_walk_t;

/*
 * Reset the results of the walk; the caller sets the members up to max.
 * Signal-safe: yes. Thread: the helper.
 */
void lpp_walk_start(lpp_walk_t *walk);

/*
 * Read the eight bytes at address of the copied stack. 0: not in the copy; end
 * is CUT if they are above it, else LOST.
 */
int lpp_walk_read(lpp_walk_t *walk, apr_uint64_t address,
                  apr_uint64_t *value);

/* Add the next frame. 0: there is no room, end is CUT. */
int lpp_walk_add(lpp_walk_t *walk, lpp_pc_t pc);

/* Set the CFA of the frame added last. 0: the walk ends, and end has the
 * reason. */
int lpp_walk_cfa(lpp_walk_t *walk, apr_uint64_t cfa);

#endif
