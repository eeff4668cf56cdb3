/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_samples: what one sample costs: in the handler, and to unwind.
 *
 *   bench_samples [ROUNDS]
 *
 * prints "name value unit" lines, medians over the rounds; tests/bench/bench.py
 * makes a table of them.
 */
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "bench_util.h"
#include "sampling/lpp_signal.h"
#include "unwind/lpp_unwind.h"
#include "../unit/restart_trial.h"

#define SIGNALS 300        /* for the cost of one */
#define COLD_BYTES (4 << 20) /* written in between: caches are cold */
#define STACK_BYTES 6144   /* what the handler copies, about */
#define SNAPSHOTS 512

static apr_pool_t *pool;
static lpp_maps_t *maps;
static volatile apr_uint64_t sink;

/* -- one signal: ours less an empty one */

static lpp_signal_target_t target;

/* Sends itself signals from above a stack of STACK_BYTES; ns for one, with the
 * call that sends it. */
static double time_signals(int ours, int is_cold)
{
    static unsigned char cold[COLD_BYTES];
    int tid = (int)syscall(SYS_gettid);
    double took[SIGNALS];
    apr_uint64_t start, sequence;
    int i;

    for (i = 0; i < SIGNALS; i++) {
        const lpp_snapshot_t *taken;

        if (is_cold) {
            memset(cold, i, sizeof(cold));
        }
        start = now_ns(CLOCK_MONOTONIC);
        if (ours) {
            if (lpp_signal_send(&target, 0, &sequence) != APR_SUCCESS) {
                exit(1);
            }
        }
        else {
            syscall(SYS_tgkill, getpid(), tid, EMPTY_SIGNAL);
        }
        took[i] = (double)(now_ns(CLOCK_MONOTONIC) - start);
        if (ours) {
            taken = lpp_ring_peek(target.ring);
            if (!taken || taken->stack_len < STACK_BYTES) {
                need(APR_EGENERAL, "no sample");
            }
            lpp_ring_release(target.ring);
        }
    }
    return median(took, SIGNALS);
}

static __attribute__((noinline)) double on_a_stack(int ours, int is_cold)
{
    volatile unsigned char frame[STACK_BYTES];
    double took;

    memset((void *)frame, 1, sizeof(frame));
    target.stack_start = 1;
    target.stack_end = (apr_uint64_t)(apr_uintptr_t)(frame + sizeof(frame));
    took = time_signals(ours, is_cold);
    sink = frame[0];
    return took;
}

static void bench_handler(const char *name, int is_cold, int rounds)
{
    double ours[ROUNDS_MAX], empty[ROUNDS_MAX];
    sigset_t mask;
    int round, number;

    install_empty_handler();
    for (round = 0; round < rounds; round++) {
        need(lpp_signal_take(LPP_SIGNAL_AUTO, &number), "a signal");
        target.number = number;
        need(lpp_signal_arm(&target, &mask), "arming");
        ours[round] = on_a_stack(1, is_cold);
        lpp_signal_disarm(&target, number, &mask);
        need(lpp_signal_give_back(), "the signal");
        empty[round] = on_a_stack(0, is_cold);
    }
    print(apr_psprintf(pool, "handler.%s.empty", name),
          median(empty, rounds), "ns");
    print(apr_psprintf(pool, "handler.%s.ours", name), median(ours, rounds),
          "ns");
}

/* -- unwinding */

static lpp_snapshot_t snapshots[SNAPSHOTS];
static int snapshot_count;

static __attribute__((noinline)) int keep_snapshot(int depth)
{
    volatile unsigned char frame[160];
    apr_uint64_t sequence;
    const lpp_snapshot_t *taken;
    unsigned char *stack;
    int kept = 0;

    frame[0] = (unsigned char)depth;
    if (depth > 0) {
        return keep_snapshot(depth - 1) + frame[0];
    }
    if (lpp_signal_send(&target, 0, &sequence) == APR_SUCCESS
        && (taken = lpp_ring_peek(target.ring)) != NULL) {
        snapshots[snapshot_count] = *taken;
        stack = apr_pmemdup(pool, taken->stack, taken->stack_len);
        snapshots[snapshot_count++].stack = stack;
        lpp_ring_release(target.ring);
        kept = 1;
    }
    return kept + frame[0];
}

static void bench_unwind(lpp_unwind_kind_e kind, const char *name, int rounds)
{
    double took[ROUNDS_MAX];
    lpp_unwinder_t *unwinder;
    lpp_unwind_end_e end;
    lpp_pc_t frames[128];
    double depth = 0;
    int round, i;

    need(lpp_unwinder_create(&unwinder, kind, maps, pool), name);
    for (round = 0; round < rounds; round++) {
        apr_uint64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);

        depth = 0;
        for (i = 0; i < snapshot_count; i++) {
            depth += lpp_unwind(unwinder, &snapshots[i], 0, frames, NULL, 128,
                                &end);
        }
        took[round] = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - start)
            / snapshot_count / 1e3;
    }
    print(apr_psprintf(pool, "unwind.%s", name), median(took, rounds), "us");
    print(apr_psprintf(pool, "unwind.%s.frames", name),
          depth / snapshot_count, "frames");
}

static void take_snapshots(void)
{
    pthread_attr_t attributes;
    sigset_t mask;
    void *start;
    size_t size;
    int number;

    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &start, &size);
    pthread_attr_destroy(&attributes);
    target.stack_start = (apr_uint64_t)(apr_uintptr_t)start;
    target.stack_end = target.stack_start + size;
    need(try_restarts() ? APR_SUCCESS : APR_EGENERAL, "restarts");
    need(lpp_signal_take(LPP_SIGNAL_AUTO, &number), "a signal");
    need(lpp_signal_arm(&target, &mask), "arming");
    while (snapshot_count < SNAPSHOTS) {
        keep_snapshot(20 + snapshot_count % 12);
    }
    lpp_signal_disarm(&target, number, &mask);
    need(lpp_signal_give_back(), "the signal");
}

int main(int argc, char **argv)
{
    int rounds = rounds_of(argc, argv);

    need(apr_initialize(), "APR");
    need(apr_pool_create(&pool, NULL), "a pool");
    need(lpp_maps_create(&maps, pool), "the object table");
    need(lpp_ring_create(&target.ring, pool), "a ring");
    bench_handler("warm", 0, rounds);
    bench_handler("cold", 1, rounds);
    take_snapshots();
    bench_unwind(LPP_UNWIND_TABLE, "table", rounds);
    bench_unwind(LPP_UNWIND_LIBUNWIND, "libunwind", rounds);
    apr_terminate();
    return 0;
}
