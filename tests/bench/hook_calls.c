/* SPDX-License-Identifier: Apache-2.0 */
/* What counting and timing one hook call costs; for bench_hooks.py. Prints
 * nanoseconds: two clock readings, and a counted call, nested as in a request. */
#include <stdio.h>
#include <time.h>

#include <apr_general.h>

#include "lpp_calls.h"

#define HOOKS 60
#define ROUNDS 20000
#define TRIES 15

static lpp_hook_t hooks[HOOKS];

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

/* As a hook that declines at once; not to be left out by the compiler. */
__attribute__((noinline)) static int hook(int n)
{
    __asm__ volatile("" : "+r"(n));
    return -1;
}

static double clocks(void)
{
    double start = now_ns();
    int i;

    for (i = 0; i < HOOKS * ROUNDS; i++) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        hook(i);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    return (now_ns() - start) / (HOOKS * ROUNDS);
}

static double counted(lpp_calls_t *calls)
{
    double start = now_ns();
    int i, j;

    for (i = 0; i < ROUNDS; i++) {
        unsigned outer = lpp_calls_enter(calls, 0, 0);

        for (j = 1; j < HOOKS; j++) {
            unsigned handle = lpp_calls_enter(calls, 0, (apr_uint32_t)j);
            int result = hook(j);

            lpp_calls_leave(calls, handle, &result, 0);
        }
        lpp_calls_leave(calls, outer, NULL, 0);
    }
    return (now_ns() - start) / (HOOKS * ROUNDS);
}

int main(void)
{
    double best_clocks = 1e9, best_counted = 1e9;
    lpp_calls_t *calls;
    apr_pool_t *pool;
    int i;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    for (i = 0; i < HOOKS; i++) {
        hooks[i].phase = "fixups";
        hooks[i].module = "mod_x.c";
    }
    if (lpp_calls_create(&calls, hooks, 0, pool) != APR_SUCCESS) {
        return 1;
    }
    for (i = 0; i < TRIES; i++) { /* the best: other work only adds */
        double one = clocks(), two = counted(calls);

        best_clocks = one < best_clocks ? one : best_clocks;
        best_counted = two < best_counted ? two : best_counted;
    }
    printf("%.1f %.1f\n", best_clocks, best_counted);
    return 0;
}
