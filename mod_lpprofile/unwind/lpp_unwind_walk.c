/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind_walk: see lpp_unwind_walk_internal.h. Owns nothing.
 */
#include "unwind/lpp_unwind_walk_internal.h"

#include <string.h>

void lpp_walk_start(lpp_walk_t *walk)
{
    walk->count = 0;
    walk->last_cfa = walk->snapshot->regs[LPP_REG_SP];
    walk->end = LPP_UNWIND_LOST;
    walk->unsupported = 0;
}

int lpp_walk_read(lpp_walk_t *walk, apr_uint64_t address,
                  apr_uint64_t *value)
{
    const lpp_snapshot_t *snapshot = walk->snapshot;
    apr_uint64_t offset = address - snapshot->stack_address;

    if (offset < snapshot->stack_len && snapshot->stack_len - offset >= 8) {
        memcpy(value, snapshot->stack + offset, 8);
        return 1;
    }
    walk->end =
        address + 8 > snapshot->stack_address + snapshot->stack_len
                && address - snapshot->stack_address < LPP_WALK_STACK_MAX_BYTES
            ? LPP_UNWIND_CUT
            : LPP_UNWIND_LOST;
    return 0;
}

int lpp_walk_add(lpp_walk_t *walk, lpp_pc_t pc)
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

int lpp_walk_cfa(lpp_walk_t *walk, apr_uint64_t cfa)
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
