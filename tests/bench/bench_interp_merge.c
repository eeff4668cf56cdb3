/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_interp_merge: what page functions cost besides reading them: in the
 * handler where no interpreter is loaded, and to merge them with the C stack.
 *
 *   bench_interp_merge [ROUNDS]
 *
 * prints "name value unit" lines, medians over the rounds.
 */
#include <apr_general.h>
#include <apr_strings.h>

#include "bench_util.h"
#include "interp/lpp_interp.h"
#include "interp/lpp_interp_merge_internal.h"

#define CALLS 20000
#define C_FRAMES 40   /* outside of the page functions, inside, and markers */
#define MARKERS 5     /* each with a run of page functions */
#define MARKER LPP_PC_MAKE(1, 0x10000)
#define MARKER_BYTES 0x100

static apr_pool_t *pool;
static volatile unsigned sink;

static double none_ns(void)
{
    static lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
    lpp_snapshot_t snapshot;
    lpp_pagecode_t *pages;
    lpp_interp_t *interp;
    lpp_maps_t *maps;
    apr_uint64_t start, end;
    int i;

    need(lpp_maps_create(&maps, pool), "maps");
    need(lpp_pagecode_create(&pages), "pages");
    need(lpp_interp_create(&interp, maps, pages, pool), "state");
    memset(&snapshot, 0, sizeof(snapshot));
    snapshot.page_frames = frames;
    start = now_ns(CLOCK_MONOTONIC);
    for (i = 0; i < CALLS; i++) {
        lpp_interp_walk(interp, &snapshot, NULL);
    }
    end = now_ns(CLOCK_MONOTONIC);
    lpp_pagecode_destroy(pages);
    return (double)(end - start) / CALLS;
}

/* Merge so many page functions with a C stack that has their markers. */
static double merge_ns(unsigned count)
{
    static lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
    static lpp_pc_t frame_pcs[LPP_SNAPSHOT_PAGE_FRAMES];
    static lpp_pc_t stack[C_FRAMES], pcs[LPP_FRAMES_MAX];
    lpp_interp_range_t runs[LPP_LANGUAGES] = { { 0, 0 } };
    lpp_interp_range_t resume = { 0, 0 };
    lpp_interp_merge_t merge = { runs, &resume, frames, frame_pcs, count, 0,
                                 1 };
    apr_uint64_t start;
    unsigned i, merged = 0;

    runs[LPP_LANGUAGE_PHP].first = MARKER;
    runs[LPP_LANGUAGE_PHP].size = MARKER_BYTES;
    for (i = 0; i < C_FRAMES; i++) {
        stack[i] = i % (C_FRAMES / MARKERS) == 3 ? MARKER + 8
                                       : LPP_PC_MAKE(2, 0x1000 * (i + 1));
    }
    for (i = 0; i < count; i++) {
        frames[i] = (lpp_page_frame_t)LPP_LANGUAGE_PHP << 48
            | (lpp_page_frame_t)(i + 1) << 24
            | (i % (count / MARKERS) == count / MARKERS - 1 ? LPP_INTERP_ENTRY
                                                            : 0);
        frame_pcs[i] = LPP_PAGE_PC(i + 1, 7);
    }
    start = now_ns(CLOCK_MONOTONIC);
    for (i = 0; i < CALLS; i++) {
        memcpy(pcs, stack, sizeof(stack));
        merged = lpp_interp_merge(&merge, pcs, C_FRAMES, LPP_FRAMES_MAX);
    }
    need(merged == C_FRAMES - MARKERS + count ? APR_SUCCESS : APR_EGENERAL,
         "a stack of all functions");
    sink = merged;
    return (double)(now_ns(CLOCK_MONOTONIC) - start) / CALLS;
}

int main(int argc, char **argv)
{
    static const unsigned counts[] = { 10, 50, 200 };
    int rounds = rounds_of(argc, argv), round;
    double values[ROUNDS_MAX];
    apr_pool_t *all;
    unsigned i;

    need(apr_initialize(), "APR");
    need(apr_pool_create(&all, NULL), "a pool");
    for (round = 0; round < rounds; round++) {
        need(apr_pool_create(&pool, all), "a pool");
        values[round] = none_ns();
        apr_pool_destroy(pool);
    }
    print("interp.none", median(values, rounds), "ns");
    for (i = 0; i < LPP_COUNT(counts); i++) {
        for (round = 0; round < rounds; round++) {
            values[round] = merge_ns(counts[i]);
        }
        print(apr_psprintf(all, "interp.merge.%u", counts[i]),
              median(values, rounds), "ns");
    }
    apr_pool_destroy(all);
    apr_terminate();
    return 0;
}
