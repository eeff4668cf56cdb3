/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_walk: what the two unwinders share: one walk over one snapshot,
 * and the rules of when it ends. Internal to lpp_unwind*.
 */
#ifndef LPP_UNWIND_WALK_INTERNAL_H
#define LPP_UNWIND_WALK_INTERNAL_H

#include "unwind/lpp_unwind.h"

/* No thread has a stack above its copy that is larger than this: an address
 * farther away is no stack address. */
#define LPP_WALK_STACK_MAX_BYTES (APR_UINT64_C(1) << 30)

/* One walk. The walker fills frames by lpp_walk_add, then asks for each
 * frame's CFA by lpp_walk_cfa whether to go on. */
typedef struct lpp_walk_t {
    const lpp_maps_t *maps;
    const lpp_snapshot_t *snapshot;
    apr_uint64_t root_cfa; /* or 0 */
    lpp_pc_t *frames;
    apr_uint64_t *cfas; /* or NULL */
    unsigned max, count;
    apr_uint64_t last_cfa; /* CFAs only grow: this bounds every walk */
    lpp_unwind_end_e end;
    int unsupported; /* ended at a rule this unwinder cannot follow */
} lpp_walk_t;

/*
 * Set what the walk finds out back to its start; the members up to max are set
 * by the caller.
 * Signal-safe: yes. Thread: the helper; of all functions here.
 */
void lpp_walk_start(lpp_walk_t *walk);

/*
 * The eight bytes at address of the copied stack. 0: not in the copy; end is
 * set to CUT if they lie above it, else LOST.
 */
int lpp_walk_read(lpp_walk_t *walk, apr_uint64_t address,
                  apr_uint64_t *value);

/* Write the next frame. 0: no room, end is CUT. */
int lpp_walk_add(lpp_walk_t *walk, lpp_pc_t pc);

/* Set the CFA of the frame written last. 0: the walk ends here, end says how. */
int lpp_walk_cfa(lpp_walk_t *walk, apr_uint64_t cfa);

#endif
