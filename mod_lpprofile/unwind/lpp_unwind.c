/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind: one interface before the two unwinders.
 *
 * Owns the choice between them and the counts. Where the table meets a rule it
 * cannot follow, the whole stack goes through libunwind once more. Compiled
 * with LPP_UNWIND_COMPARE, as one test does, every stack goes through both, and
 * what differs is told on stderr.
 */
#include "unwind/lpp_unwind_walk_internal.h"

#ifdef LPP_UNWIND_COMPARE
#include <stdio.h>
#include <string.h>
#endif

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
        return APR_SUCCESS; /* libunwind looks everything up each time */
    }
    return lpp_table_refresh(unwinder->table, unwinder->maps);
}

static void start_walk(lpp_walk_t *walk)
{
    walk->count = 0;
    walk->last_cfa = walk->snapshot->regs[LPP_REG_SP];
    walk->end = LPP_UNWIND_LOST;
    walk->unsupported = 0;
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

#ifdef LPP_UNWIND_COMPARE
static void tell(const lpp_walk_t *walk, const char *who)
{
    unsigned i;

    fprintf(stderr, "  %s: end %d,", who, (int)walk->end);
    for (i = 0; i < walk->count; i++) {
        const lpp_object_t *object =
            lpp_maps_object(walk->maps, LPP_PC_OBJECT(walk->frames[i]));

        fprintf(stderr, " %s+0x%llx", object ? object->path : "?",
                (unsigned long long)LPP_PC_ADDRESS(walk->frames[i]));
    }
    fprintf(stderr, "\n");
}

/* For the one helper of a process; ours is what the table found. */
static void compare(const lpp_unwinder_t *unwinder, const lpp_walk_t *ours)
{
    static lpp_pc_t frames[LPP_FRAMES_MAX];
    static unsigned compared;
    lpp_walk_t theirs = *ours;

    if (unwinder->libunwind == NULL || ours->unsupported) {
        return;
    }
    theirs.frames = frames;
    theirs.cfas = NULL;
    start_walk(&theirs);
    lpp_libunwind_walk(unwinder->libunwind, &theirs);
    compared++;
    if (theirs.count != ours->count || theirs.end != ours->end
        || memcmp(frames, ours->frames, theirs.count * sizeof(*frames)) != 0) {
        fprintf(stderr, "LPP unwinders differ:\n");
        tell(ours, "table");
        tell(&theirs, "libunwind");
    }
    if (compared % 50 == 0) {
        fprintf(stderr, "LPP unwinders compared: 50 stacks, %u lost\n",
                (unsigned)unwinder->counts.lost);
    }
}
#endif

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
    start_walk(&walk);
    if (unwinder->table != NULL) {
        lpp_table_walk(unwinder->table, &walk);
#ifdef LPP_UNWIND_COMPARE
        compare(unwinder, &walk);
#endif
    }
    if (unwinder->table == NULL
        || (walk.unsupported && unwinder->libunwind != NULL)) {
        unwinder->counts.fallback += unwinder->table != NULL;
        start_walk(&walk);
        lpp_libunwind_walk(unwinder->libunwind, &walk);
    }
    count_end(&unwinder->counts, walk.end);
    *end = walk.end;
    return walk.count;
}
