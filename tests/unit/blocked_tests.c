/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "blocked_tests.h"
#include "blocking_io.h"
#include "sampling/lpp_session.h"
#include "sampling/lpp_signal.h"

apr_pool_t *root;
lpp_pagecode_t *names;
static lpp_sampler_t *sampler;
static lpp_sampler_options_t sampler_options;
static apr_pool_t *sampler_pool;

static int seen_without_signal(void)
{
    return access("/proc/thread-self/syscall", R_OK) == 0;
}

outcome_t run_profiled(long (*call)(void), lpp_profile_t **profile)
{
    lpp_session_options_t options;
    apr_interval_time_t waited;
    lpp_session_t *session;
    outcome_t outcome;
    apr_status_t status;

    memset(&options, 0, sizeof(options));
    options.rate_hz = 1000;
    options.stacks = 1;
    options.max_waiting = 1;
    options.lock_timeout_us = 10000000;
    assert_int_equal(lpp_session_start(sampler, &options, NULL, &session,
                                       &waited, &status, pool),
                     lpp_signal_allowed(0) ? LPP_START_RUNNING
                                           : LPP_START_NO_SIGNAL);
    outcome = run(call);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_int_equal(lpp_session_profile(session, profile, 5000000, pool),
                     APR_SUCCESS);
    lpp_session_close(session);
    return outcome;
}

/* What a busy machine may add to a call; a process that a sanitizer has in hand
 * forks slowly. */
#ifdef __SANITIZE_ADDRESS__
#define BUSY_NS 1000000000
#else
#define BUSY_NS 15000000
#endif


/* One measurement: once with, and once without unless that is known. All that
 * is not about time must be so each time; returns whether it took as long,
 * and was seen waiting, which a busy machine may spoil. */
static int measure(const char *name, long (*call)(void), outcome_t *known)
{
    outcome_t plain, profiled;
    lpp_profile_t *profile;
    apr_int64_t longer;
    int seen;

    apr_pool_create(&pool, root);
    plain = known->took_ns != 0 ? *known : run(call);
    *known = plain;
    profiled = run_profiled(call, &profile);
    longer = (apr_int64_t)(profiled.took_ns - plain.took_ns);
    print_message("%-28s %8.2f ms, profiled %8.2f (%+.2f %%), signals %llu, "
                  "restarted %llu\n", name, plain.took_ns / 1e6,
                  profiled.took_ns / 1e6,
                  100.0 * (double)longer / (double)plain.took_ns,
                  (unsigned long long)profile->statistics.signals,
                  (unsigned long long)profile->statistics.repaired_calls);
    assert_int_equal(profiled.result, plain.result);
    assert_int_equal(profiled.error, plain.error);
    /* Nothing may end early. */
    assert_true(profiled.took_ns >= WAIT_NS - 1000000);
    seen = profile->statistics.blocked_ns >= WAIT_NS * 3 / 4
           && profile->statistics.signals >= !seen_without_signal()
           && profile->statistics.signals <= 30;
    assert_int_equal(lpp_signal_unrepaired(), 0);
    /* Also where a partial transfer is being resumed. */
    assert_int_equal(profile->statistics.broken, 0);
    assert_int_equal(profile->statistics.cut, 0);
    apr_pool_destroy(pool);
    return seen && longer < (apr_int64_t)(plain.took_ns / 50 + BUSY_NS);
}

void compare(const char *name, long (*call)(void), outcome_t *known)
{
    int i;

    for (i = 0; i < MEASUREMENTS && !measure(name, call, known); i++) {
        known->took_ns = 0;
    }
    assert_true(i < MEASUREMENTS);
}

/* Each call without the sampler; zeros where it was not made yet. */
static outcome_t known[CALLS];

void blocking_calls_do_not_notice(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < CALLS; i++) {
        compare(calls[i].name, calls[i].call, &known[i]);
    }
}

/* The handler under fire: a signal every 2 ms into the same call, which the
 * helper thread never sends: the sum of what was taken off a wait must still be
 * right. */
typedef struct barrage_t {
    lpp_signal_target_t *target;
    atomic_int stop;
    unsigned sent;
    apr_uint64_t longest; /* between two, where the machine was slow */
} barrage_t;

static void *fire(void *baton)
{
    static const struct timespec pause = { 0, 2000000 };
    barrage_t *barrage = baton;
    apr_uint64_t sequence, last = now_ns();

    while (!atomic_load(&barrage->stop)) {
        apr_uint64_t now;

        nanosleep(&pause, NULL);
        now = now_ns();
        /* The time since the signal before: that is what has passed. */
        if (lpp_signal_send(barrage->target, (apr_int64_t)(now - last),
                            &sequence) == APR_SUCCESS) {
            barrage->sent++;
        }
        barrage->longest = now - last > barrage->longest ? now - last
                                                         : barrage->longest;
        last = now;
        while (lpp_ring_peek(barrage->target->ring) != NULL) {
            lpp_ring_release(barrage->target->ring);
        }
    }
    return NULL;
}

/* One call with and one without, whose results must be the same each time;
 * returns whether it took about as long. */
static int shoot_at(size_t i, barrage_t *barrage, int number)
{
    outcome_t plain = known[i].took_ns != 0 ? known[i] : run(calls[i].call);
    lpp_signal_target_t *target = barrage->target;
    outcome_t shot;
    apr_uint64_t early;
    pthread_t thread;
    sigset_t old, all;

    atomic_store(&barrage->stop, 0);
    barrage->sent = 0;
    barrage->longest = 0;
    atomic_store(&target->repaired, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_create(&thread, NULL, fire, barrage);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    assert_int_equal(lpp_signal_arm(target, &old), APR_SUCCESS);
    shot = run(calls[i].call);
    lpp_signal_disarm(target, number, &old);
    atomic_store(&barrage->stop, 1);
    pthread_join(thread, NULL);
    print_message("%-28s %8.2f ms, under fire %8.2f, signals %u, restarted "
                  "%u\n", calls[i].name, plain.took_ns / 1e6,
                  shot.took_ns / 1e6, barrage->sent,
                  atomic_load(&target->repaired));
    assert_int_equal(shot.result, plain.result);
    assert_int_equal(shot.error, plain.error);
    /* The first signal tells of a time that began before the call did: longer
     * than the usual 2 ms where the machine is slow. */
    early = barrage->longest > 2000000 ? barrage->longest - 1000000 : 1000000;
    assert_true(shot.took_ns + early >= WAIT_NS);
    assert_int_equal(lpp_signal_unrepaired(), 0);
    /* Of poll's milliseconds only whole ones are taken off. */
    return shot.took_ns < plain.took_ns * 2 + 100000000;
}

void a_thousand_signals_break_no_call(void **state)
{
    static lpp_signal_target_t target;
    unsigned sent = 0, repaired = 0;
    barrage_t barrage;
    int number, rounds;
    size_t i;

    (void)state;
    apr_pool_create(&pool, root);
    memset(&barrage, 0, sizeof(barrage));
    barrage.target = &target;
    assert_int_equal(lpp_ring_create(&target.ring, pool), APR_SUCCESS);
    target.stack_start = 0;
    target.stack_end = (apr_uint64_t)(apr_uintptr_t)__builtin_frame_address(0);
    assert_int_equal(lpp_signal_take(LPP_SIGNAL_AUTO, &number), APR_SUCCESS);
    for (rounds = 0; rounds < 5 && sent <= 1000; rounds++) {
        for (i = 0; i < CALLS; i++) {
            int measured = 0, quick = 0;

            if (calls[i].call == call_recv_with_timeout) {
                continue; /* a socket's timeout begins anew each time */
            }
            while (measured++ < MEASUREMENTS && !quick) {
                quick = shoot_at(i, &barrage, number);
                sent += barrage.sent;
                repaired += atomic_load(&target.repaired);
            }
            assert_true(quick);
        }
    }
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    print_message("%u signals, %u calls restarted, none broken\n", sent,
                  repaired);
    assert_true(sent > 1000);
    apr_pool_destroy(pool);
}

#if defined(__x86_64__)
/* A call whose number comes out of nothing that can be read. */
__attribute__((noinline)) static long odd_call(volatile long *number)
{
    long result;

    __asm__ volatile("movq (%[at]), %%rax\n\t"
                     ".rept 6\n\t"
                     "movabsq $0x1111111111111111, %%r8\n\t"
                     ".endr\n\t"
                     "syscall"
                     : "=&a"(result)
                     : [at] "d"(number), "D"(&wait_spec), "S"(NULL)
                     : "rcx", "r11", "r8", "memory", "cc");
    return result;
}

static long call_odd(void)
{
    volatile long number = SYS_nanosleep;

    return odd_call(&number);
}

/* The last test: what it learns stays in the process. */
void after_one_broken_call_no_blocked_thread_is_hit(void **state)
{
    lpp_profile_t *profile;
    outcome_t outcome;
    int i;

    (void)state;
    apr_pool_create(&pool, root);
    for (i = 0; i < MEASUREMENTS && lpp_signal_unrepaired() == 0; i++) {
        outcome = run_profiled(call_odd, &profile);
        assert_int_equal(outcome.result,
                         lpp_signal_unrepaired() ? -EINTR : 0);
    }
    assert_int_equal(lpp_signal_unrepaired(), 1);
    for (i = 0; i < 3; i++) {
        outcome = run_profiled(call_odd, &profile);
        print_message("a call that cannot be restarted: %.2f ms, signals %llu, "
                      "samples %llu\n", outcome.took_ns / 1e6,
                      (unsigned long long)profile->statistics.signals,
                      (unsigned long long)profile->statistics.samples);
        assert_int_equal(outcome.result, 0);
        assert_true(outcome.took_ns >= WAIT_NS);
        assert_int_equal(lpp_signal_unrepaired(), 1);
        if (seen_without_signal()) {
            assert_true(profile->statistics.samples >= 1);
#ifndef __SANITIZE_ADDRESS__ /* which has frames that hang on rbp */
            assert_int_equal(profile->statistics.broken, 0);
#endif
            assert_true(profile->statistics.blocked_ns >= WAIT_NS * 3 / 4);
        }
    }
    apr_pool_destroy(pool);
}
#endif

/* Not to be shown by /proc any more. */
void hide(void)
{
    if (geteuid() == 0) {
        assert_int_equal(setgid(65534), 0);
        assert_int_equal(setuid(65534), 0);
    }
    else {
        assert_int_equal(prctl(PR_SET_DUMPABLE, 0), 0);
    }
    assert_false(seen_without_signal());
}

void nor_where_signals_are_needed(void **state)
{
    hide();
    blocking_calls_do_not_notice(state);
}

static int make_sampler(void)
{
    return apr_pool_create(&sampler_pool, root) == APR_SUCCESS
           && lpp_sampler_create(&sampler, &sampler_options, sampler_pool)
                  == APR_SUCCESS;
}

int open_blocked_tests(void)
{
    lpp_sampler_options_t *options = &sampler_options;
    apr_global_mutex_t *mutex;

    return apr_pool_create(&root, NULL) != APR_SUCCESS
           || apr_global_mutex_create(&mutex, NULL, APR_LOCK_PROC_PTHREAD, root)
               != APR_SUCCESS
           || lpp_gate_create(&options->gate, mutex, root) != APR_SUCCESS
           || lpp_gate_child_init(options->gate, root) != APR_SUCCESS
           || lpp_maps_create(&options->maps, root) != APR_SUCCESS
           || lpp_pagecode_create(&options->pages) != APR_SUCCESS
           || (names = options->pages) == NULL || !make_sampler();
}

void use_kernel_events(lpp_kernel_t *kernel)
{
    apr_pool_destroy(sampler_pool);
    sampler_options.kernel = kernel;
    assert_true(make_sampler());
}

void close_blocked_tests(void)
{
    apr_pool_destroy(root);
    lpp_pagecode_destroy(names);
    apr_terminate();
}
