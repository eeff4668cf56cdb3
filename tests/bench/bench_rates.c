/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_rates: what sampling costs the thread that is sampled, without httpd.
 *
 *   bench_rates [ROUNDS]
 *
 * prints "name value unit" lines, medians over the rounds; tests/bench/bench.py
 * makes a table of them. CPU is that of the sampled thread; what other threads
 * do on its behalf is not in it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "bench_util.h"
#include "sampling/lpp_session.h"
#include "sampling/lpp_signal.h"
#include "../unit/restart_trial.h"

#define WORK_MS 200        /* of the work that is sampled */
#define ARMINGS 100
#define READY_NS 40000     /* what httpd's request does before it asks */

static apr_pool_t *pool;
static apr_uint64_t work_units;
static volatile apr_uint64_t sink;

/* -- the work */

/* Not inlined and not a tail call: frames for the unwinder. */
static __attribute__((noinline)) apr_uint64_t compute(apr_uint64_t units,
                                                      int depth)
{
    volatile unsigned char frame[160];
    apr_uint64_t sum = 0, i;

    frame[0] = (unsigned char)depth;
    if (depth > 0) {
        return compute(units, depth - 1) + frame[0];
    }
    for (i = 0; i < units * 1000; i++) {
        sum = sum * 6364136223846793005u + 1442695040888963407u;
    }
    return sum + frame[0];
}

static void work(void)
{
    sink = compute(work_units, 25);
}

static void calibrate(void)
{
    apr_uint64_t start;

    for (work_units = 1000;; work_units *= 2) {
        start = now_ns(CLOCK_THREAD_CPUTIME_ID);
        work();
        start = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
        if (start > 20000000) {
            work_units = work_units * WORK_MS * 1000000 / start;
            return;
        }
    }
}

/* -- an empty handler, fed as the sampler feeds its own */

typedef struct feeder_t {
    pthread_t thread;
    int tid;
    clockid_t clock; /* of the fed thread */
    unsigned hz;
    atomic_int stop;
} feeder_t;

static void *feed(void *baton)
{
    feeder_t *feeder = baton;
    struct timespec next;

    clock_gettime(CLOCK_MONOTONIC, &next);
    while (!atomic_load(&feeder->stop)) {
        next.tv_nsec += 1000000000 / (long)feeder->hz;
        while (next.tv_nsec >= 1000000000) {
            next.tv_nsec -= 1000000000;
            next.tv_sec++;
        }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        sink = now_ns(feeder->clock);
        syscall(SYS_tgkill, getpid(), feeder->tid, EMPTY_SIGNAL);
    }
    return NULL;
}

static void start_feeding(feeder_t *feeder, unsigned hz)
{
    sigset_t all, before;

    install_empty_handler();
    feeder->tid = (int)syscall(SYS_gettid);
    feeder->hz = hz;
    atomic_store(&feeder->stop, 0);
    pthread_getcpuclockid(pthread_self(), &feeder->clock);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    need(pthread_create(&feeder->thread, NULL, feed, feeder), "a thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void stop_feeding(feeder_t *feeder)
{
    atomic_store(&feeder->stop, 1);
    pthread_join(feeder->thread, NULL);
}

/* -- the sampler */

static lpp_sampler_t *sampler;

static void make_sampler(void)
{
    lpp_sampler_options_t options;
    apr_global_mutex_t *mutex;
    lpp_maps_t *maps;

    memset(&options, 0, sizeof(options));
    need(apr_global_mutex_create(&mutex, NULL, APR_LOCK_PROC_PTHREAD, pool),
         "a mutex");
    need(lpp_gate_create(&options.gate, mutex, pool), "the gate");
    need(lpp_gate_child_init(options.gate, pool), "the gate");
    need(lpp_maps_create(&maps, pool), "the object table");
    options.maps = maps;
    options.unwind_kind = LPP_UNWIND_AUTO;
    options.signal_number = LPP_SIGNAL_AUTO;
    need(try_restarts() ? APR_SUCCESS : APR_EGENERAL, "restarts");
    need(lpp_sampler_create(&sampler, &options, pool), "the sampler");
}

static lpp_session_t *start_session(unsigned hz, apr_pool_t *scratch)
{
    static const char *const no_roots[] = { NULL };
    lpp_session_options_t options;
    apr_interval_time_t waited;
    lpp_session_t *session;
    apr_status_t status;

    memset(&options, 0, sizeof(options));
    apr_cpystrn(options.owner.id, "OOPS-00000000000000000000000000000001",
                sizeof(options.owner.id));
    options.rate_hz = hz;
    options.stacks = 1;
    options.lock_timeout_us = -1;
    if (lpp_session_start(sampler, &options, no_roots, &session, &waited,
                          &status, scratch) != LPP_START_RUNNING) {
        need(status, "a session");
        exit(1);
    }
    return session;
}

/* -- CPU and wall of the sampled thread */

typedef enum { BARE, EMPTY, SAMPLED } how_e;
static const char *const how_names[] = { "bare", "empty", "sampled" };

typedef struct took_t {
    double cpu_ms, wall_ms;
    double helper_us; /* the helper's CPU a sample */
} took_t;

static took_t run_once(how_e how, unsigned hz)
{
    apr_uint64_t wall, cpu;
    lpp_session_t *session = NULL;
    lpp_profile_t *profile;
    apr_pool_t *scratch;
    feeder_t feeder;
    took_t took = { 0, 0, 0 };

    need(apr_pool_create(&scratch, pool), "a pool");
    if (how == EMPTY) {
        start_feeding(&feeder, hz);
    }
    else if (how == SAMPLED) {
        session = start_session(hz, scratch);
    }
    wall = now_ns(CLOCK_MONOTONIC);
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    work();
    took.cpu_ms = (double)(now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu) / 1e6;
    took.wall_ms = (double)(now_ns(CLOCK_MONOTONIC) - wall) / 1e6;
    if (how == EMPTY) {
        stop_feeding(&feeder);
    }
    else if (how == SAMPLED) {
        lpp_session_stop(session, LPP_STOP_NOT);
        need(lpp_session_profile(session, &profile, 5000000, scratch),
             "a profile");
        took.helper_us = (double)profile->statistics.own_ns / 1e3
            / (double)(profile->statistics.samples ? profile->statistics.samples
                                                : 1);
        lpp_session_close(session);
    }
    apr_pool_destroy(scratch);
    return took;
}

/* In turns, so that the machine's noise meets all alike. */
static void bench_rate(unsigned hz, int rounds)
{
    double cpu[3][ROUNDS_MAX], wall[3][ROUNDS_MAX], helper[ROUNDS_MAX];
    int round, how;

    for (round = 0; round < rounds; round++) {
        for (how = BARE; how <= SAMPLED; how++) {
            took_t took = run_once(how, hz);

            cpu[how][round] = took.cpu_ms;
            wall[how][round] = took.wall_ms;
            helper[round] = took.helper_us;
        }
    }
    for (how = BARE; how <= SAMPLED; how++) {
        char name[60];

        snprintf(name, sizeof(name), "rate.%u.%s.cpu", hz, how_names[how]);
        print(name, median(cpu[how], rounds), "ms");
        snprintf(name, sizeof(name), "rate.%u.%s.wall", hz, how_names[how]);
        print(name, median(wall[how], rounds), "ms");
    }
    {
        char name[60];

        snprintf(name, sizeof(name), "rate.%u.helper", hz);
        print(name, median(helper, rounds), "us");
    }
}

/* -- arming */

/* As a request does it: it announces itself, gets ready, and asks for its
 * turn. */
static void bench_arming(void)
{
    double knock[ARMINGS], arm[ARMINGS], disarm[ARMINGS];
    int i;

    for (i = 0; i < ARMINGS; i++) {
        apr_pool_t *scratch;
        apr_uint64_t start;
        lpp_session_t *session;

        need(apr_pool_create(&scratch, pool), "a pool");
        usleep(2000);
        start = now_ns(CLOCK_MONOTONIC);
        lpp_sampler_expect(sampler);
        knock[i] = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e3;
        start = now_ns(CLOCK_MONOTONIC);
        while (now_ns(CLOCK_MONOTONIC) - start < READY_NS) {
        }
        start = now_ns(CLOCK_MONOTONIC);
        session = start_session(1000, scratch);
        arm[i] = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e3;
        usleep(2000);
        start = now_ns(CLOCK_MONOTONIC);
        lpp_session_stop(session, LPP_STOP_NOT);
        disarm[i] = (double)(now_ns(CLOCK_MONOTONIC) - start) / 1e3;
        lpp_session_close(session);
        apr_pool_destroy(scratch);
    }
    print("knock", median(knock, ARMINGS), "us");
    print("arm", median(arm, ARMINGS), "us");
    print("disarm", median(disarm, ARMINGS), "us");
}

int main(int argc, char **argv)
{
    static const unsigned rates[] = { 100, 1000, 10000 };
    int rounds = rounds_of(argc, argv);
    apr_size_t i;

    need(apr_initialize(), "APR");
    need(apr_pool_create(&pool, NULL), "a pool");
    make_sampler();
    calibrate();
    bench_arming();
    for (i = 0; i < LPP_COUNT(rates); i++) {
        bench_rate(rates[i], rounds);
    }
    apr_terminate();
    return 0;
}
