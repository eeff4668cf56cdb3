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
 * The eight bytes at address of the copied stack. 0: not in the copy; end is
 * set to CUT if they lie above it, else LOST.
 */
static inline int lpp_walk_read(lpp_walk_t *walk, apr_uint64_t address,
                                apr_uint64_t *value)
{
    const lpp_snapshot_t *snapshot = walk->snapshot;
    apr_uint64_t offset = address - snapshot->stack_address;

    if (offset < snapshot->stack_len && snapshot->stack_len - offset >= 8) {
        __builtin_memcpy(value, snapshot->stack + offset, 8);
        return 1;
    }
    walk->end =
        address + 8 > snapshot->stack_address + snapshot->stack_len
                && address - snapshot->stack_address < LPP_WALK_STACK_MAX_BYTES
            ? LPP_UNWIND_CUT
            : LPP_UNWIND_LOST;
    return 0;
}

/* Write the next frame. 0: no room, end is CUT. */
static inline int lpp_walk_add(lpp_walk_t *walk, lpp_pc_t pc)
{
    if (walk->count == walk->max) {
        walk->end = LPP_UNWIND_CUT;
        return 0;
    }
    walk->frames[walk->count] = pc;
    if (walk->cfas != NULL) {
        walk->cfas[walk->count] = 0;
    }
    walk->count++;
    return 1;
}

/* The CFA of the frame written last. 0: the walk ends here, end says how. */
static inline int lpp_walk_cfa(lpp_walk_t *walk, apr_uint64_t cfa)
{
    if (cfa <= walk->last_cfa) {
        walk->end = LPP_UNWIND_LOST;
        return 0;
    }
    walk->last_cfa = cfa;
    if (walk->cfas != NULL) {
        walk->cfas[walk->count - 1] = cfa;
    }
    if (walk->root_cfa != 0 && cfa >= walk->root_cfa) {
        walk->end = cfa == walk->root_cfa ? LPP_UNWIND_ROOT : LPP_UNWIND_LOST;
        return 0;
    }
    return 1;
}

/* ---- libunwind ---- */

typedef struct lpp_libunwind_t lpp_libunwind_t;

/* Load libunwind and make an address space; APR_ENOTIMPL: not to be had. A
 * cleanup of pool frees it in the process that made maps. */
LPP_MUST_CHECK apr_status_t lpp_libunwind_create(lpp_libunwind_t **engine,
                                                 const lpp_maps_t *maps,
                                                 apr_pool_t *pool);
void lpp_libunwind_walk(lpp_libunwind_t *engine, lpp_walk_t *walk);

/* ---- table ---- */

typedef struct lpp_table_t lpp_table_t;

/* Compile what is loaded; APR_ENOTIMPL on other architectures. */
LPP_MUST_CHECK apr_status_t lpp_table_create(lpp_table_t **table,
                                             lpp_maps_t *maps,
                                             apr_pool_t *pool);
/* Compile what is new and forget what is cached. */
LPP_MUST_CHECK apr_status_t lpp_table_refresh(lpp_table_t *table,
                                              lpp_maps_t *maps);
void lpp_table_walk(lpp_table_t *table, lpp_walk_t *walk);

#endif
