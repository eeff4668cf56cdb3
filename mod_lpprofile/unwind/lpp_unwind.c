/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind: one interface to the two unwinders.
 *
 * Owns the choice between them and the counts. If the table has a rule that it
 * cannot follow, the whole stack is unwound again with libunwind.
 */
#include <string.h>

#include "unwind/lpp_unwind_eh_internal.h"
#include "unwind/lpp_unwind_libunwind_internal.h"
#include "unwind/lpp_unwind_table_internal.h"

struct lpp_unwinder_t {
    lpp_maps_t *maps;           /* borrowed */
    lpp_table_t *table;         /* or NULL */
    lpp_libunwind_t *libunwind; /* or NULL */
    lpp_unwind_counts_t counts;
};

apr_status_t lpp_unwinder_create(lpp_unwinder_t **unwinder,
                                 lpp_unwind_kind_e kind, lpp_maps_t *maps,
                                 apr_pool_t *pool)
{
    lpp_unwinder_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_status_t table_status = APR_ENOTIMPL;
    apr_status_t libunwind_status = APR_ENOTIMPL;

    *unwinder = NULL;
    if (made == NULL) {
        return APR_ENOMEM;
    }
    made->maps = maps;
    if (kind != LPP_UNWIND_LIBUNWIND) {
        table_status = lpp_table_create(&made->table, maps, pool);
    }
    if (kind != LPP_UNWIND_TABLE) {
        libunwind_status = lpp_libunwind_create(&made->libunwind, maps, pool);
    }
    if (made->table == NULL && made->libunwind == NULL) {
        return kind == LPP_UNWIND_TABLE ? table_status : libunwind_status;
    }
    *unwinder = made;
    return APR_SUCCESS;
}

const char *lpp_unwinder_name(const lpp_unwinder_t *unwinder)
{
    return unwinder->table != NULL ? "table" : "libunwind";
}

lpp_unwind_counts_t lpp_unwinder_counts(const lpp_unwinder_t *unwinder)
{
    return unwinder->counts;
}

apr_status_t lpp_unwinder_refresh(lpp_unwinder_t *unwinder)
{
    if (unwinder->table == NULL) {
        return APR_SUCCESS; /* libunwind caches nothing */
    }
    return lpp_table_refresh(unwinder->table, unwinder->maps);
}

static void count_end(lpp_unwind_counts_t *counts, lpp_unwind_end_e end)
{
    counts->stacks++;
    switch (end) {
    case LPP_UNWIND_ROOT:
        counts->root++;
        break;
    case LPP_UNWIND_CUT:
        counts->cut++;
        break;
    default:
        counts->lost++;
    }
}

unsigned lpp_unwind(lpp_unwinder_t *unwinder, const lpp_snapshot_t *snapshot,
                    apr_uint64_t root_cfa, lpp_pc_t *frames,
                    apr_uint64_t *cfas, unsigned max, lpp_unwind_end_e *end)
{
    lpp_walk_t walk;

    walk.maps = unwinder->maps;
    walk.snapshot = snapshot;
    walk.root_cfa = root_cfa;
    walk.frames = frames;
    walk.cfas = cfas;
    walk.max = max;
    lpp_walk_start(&walk);
    if (unwinder->table != NULL) {
        lpp_table_walk(unwinder->table, &walk);
    }
    if (unwinder->table == NULL
        || (walk.unsupported && unwinder->libunwind != NULL)) {
        unwinder->counts.fallback += unwinder->table != NULL;
        lpp_walk_start(&walk);
        lpp_libunwind_walk(unwinder->libunwind, &walk);
    }
    count_end(&unwinder->counts, walk.end);
    *end = walk.end;
    return walk.count;
}

int lpp_unwind_largest(const lpp_object_t *object, apr_uint64_t *start,
                       apr_uint64_t *size, apr_uint64_t *second)
{
    lpp_eh_fde_t fde;
    apr_size_t offset = 0;

    *start = *size = *second = 0;
    memset(&fde, 0, sizeof(fde));
    while (object != NULL && lpp_eh_next(object, &offset, &fde)) {
        if (fde.end - fde.start > *size) {
            *second = *size;
            *start = fde.start;
            *size = fde.end - fde.start;
        }
        else if (fde.end - fde.start > *second) {
            *second = fde.end - fde.start;
        }
    }
    return *size != 0;
}
