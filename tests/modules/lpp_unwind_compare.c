/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind.c for test_unwinders.py: every stack goes through both unwinders;
 * what differs is written to stderr, and after each 50 stacks how many there
 * were.
 */
#include <stdio.h>
#include <string.h>

#include "unwind/lpp_unwind.h"

unsigned unwind_by_one(lpp_unwinder_t *unwinder,
                       const lpp_snapshot_t *snapshot, apr_uint64_t root_cfa,
                       lpp_pc_t *frames, apr_uint64_t *cfas, unsigned max,
                       lpp_unwind_end_e *end);

#define lpp_unwind unwind_by_one
#include "unwind/lpp_unwind.c"
#undef lpp_unwind

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

    theirs.frames = frames;
    theirs.cfas = NULL;
    lpp_walk_start(&theirs);
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

unsigned lpp_unwind(lpp_unwinder_t *unwinder, const lpp_snapshot_t *snapshot,
                    apr_uint64_t root_cfa, lpp_pc_t *frames,
                    apr_uint64_t *cfas, unsigned max, lpp_unwind_end_e *end)
{
    apr_uint64_t fallback = unwinder->counts.fallback;
    lpp_walk_t walk;

    memset(&walk, 0, sizeof(walk));
    walk.count = unwind_by_one(unwinder, snapshot, root_cfa, frames, cfas, max,
                               end);
    if (unwinder->table != NULL && unwinder->libunwind != NULL
        && unwinder->counts.fallback == fallback) {
        walk.maps = unwinder->maps;
        walk.snapshot = snapshot;
        walk.root_cfa = root_cfa;
        walk.frames = frames;
        walk.max = max;
        walk.end = *end;
        compare(unwinder, &walk);
    }
    return walk.count;
}
