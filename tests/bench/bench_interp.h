/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_interp: for the benchmarks of a language whose interpreter runs in the
 * process: a timer interrupts it, and the handler reads its frames and the time
 * that this takes.
 */
#ifndef BENCH_INTERP_H
#define BENCH_INTERP_H

#include <unistd.h>

#include <apr_general.h>

#include "bench_util.h"
#include "../unit/rescue_loads.h"
#include "interp/lpp_interp_languages_internal.h"

#define SAMPLES 1000
#define PERIOD_NS 1000000

static void (*walk_frames)(lpp_interp_walk_t *walk);
static lpp_interp_seen_t *seen;
static lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
static double took[SAMPLES];
static unsigned depth; /* the most frames */
static volatile int taken;

static inline void take(int number, siginfo_t *info, void *context)
{
    apr_uint64_t regs[LPP_REGS] = { 0 }, start;
    lpp_interp_walk_t walk = { regs, seen, frames, 0, 0,
                               LPP_INTERP_STEPS_MAX };

    (void)number;
    (void)info;
    (void)context;
    if (taken == SAMPLES) {
        return;
    }
    start = now_ns(CLOCK_MONOTONIC);
    walk_frames(&walk);
    took[taken++] = (double)(now_ns(CLOCK_MONOTONIC) - start);
    depth = walk.count > depth ? walk.count : depth;
}

/* From now on, by walk. */
static inline void take_samples(void (*walk)(lpp_interp_walk_t *walk))
{
    struct itimerspec period = { { 0, PERIOD_NS }, { 0, PERIOD_NS } };
    struct sigevent event;
    apr_pool_t *pool;
    timer_t timer;

    apr_initialize();
    need(apr_pool_create(&pool, NULL), "pool");
    need(lpp_interp_seen_create(&seen, pool), "table");
    lpp_interp_seen_reset(seen);
    walk_frames = walk;
    rescue_loads();
    install_handler(take);
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_THREAD_ID;
    event._sigev_un._tid = gettid();
    event.sigev_signo = EMPTY_SIGNAL;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &period, NULL);
}

static inline void begin_samples(void)
{
    taken = 0;
    depth = 0;
}

/* Print "interp.LANGUAGE.FUNCTIONS.KIND", the median; an error unless there were
 * that many frames. */
static inline void print_samples(const char *language, const char *kind,
                                 int functions)
{
    char name[100];

    if (depth != (unsigned)functions) {
        fprintf(stderr, "%u frames, not %d\n", depth, functions);
        exit(1);
    }
    snprintf(name, sizeof(name), "interp.%s.%d.%s", language, functions, kind);
    print(name, median(took, taken), "ns");
}

/* Call measure for each depth, with warm and cold caches. */
static inline void measure_depths(void (*measure)(const char *kind,
                                                  int functions))
{
    static const int depths[] = { 10, 50, 200 };
    unsigned i;

    for (i = 0; i < LPP_COUNT(depths); i++) {
        measure("warm", depths[i]);
        measure("cold", depths[i]);
    }
}

#endif
