/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking calls under the sampler at 1 kHz: each gives the same result, the
 * same errno and takes the same time as without (sampling.md, facts 8 to 11):
 * first where the kernel shows a blocked thread's stack to its process, then
 * where it does not, as to a child of httpd that has given root away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "blocking_calls.h"

#include <cmocka.h>

#include <apr_general.h>

#include "sampling/lpp_session.h"
#include "sampling/lpp_signal.h"
#include "restart_trial.h"

#include <sys/prctl.h>

static apr_pool_t *root;
static lpp_sampler_t *sampler;

static int seen_without_signal(void)
{
    return access("/proc/thread-self/syscall", R_OK) == 0;
}

/* Run one call under the sampler; what it was is in *profile. */
static outcome_t run_profiled(long (*call)(void), lpp_profile_t **profile)
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

/* Once with, and once without unless that is known. Whether it took as long,
 * and was seen waiting. */
static int compare_once(const char *name, long (*call)(void), outcome_t *known)
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
                  "put back %llu\n", name, plain.took_ns / 1e6,
                  profiled.took_ns / 1e6,
                  100.0 * (double)longer / (double)plain.took_ns,
                  (unsigned long long)profile->honesty.signals,
                  (unsigned long long)profile->honesty.repaired_calls);
    assert_int_equal(profiled.result, plain.result);
    assert_int_equal(profiled.error, plain.error);
    /* Nothing may end early. */
    assert_true(profiled.took_ns >= WAIT_NS - 1000000);
    seen = profile->honesty.blocked_ns >= WAIT_NS * 3 / 4
           && profile->honesty.signals >= !seen_without_signal()
           && profile->honesty.signals <= 30;
    assert_int_equal(lpp_signal_unrepaired(), 0);
    /* Also where a call is being carried through. */
    assert_int_equal(profile->honesty.broken, 0);
    assert_int_equal(profile->honesty.cut, 0);
    apr_pool_destroy(pool);
    return seen && longer < (apr_int64_t)(plain.took_ns / 50 + BUSY_NS);
}

#define TRIES 8

/* 2 %, or what a busy machine may add: a call that we lengthen stays long, one
 * that we do not see stays unseen. */
static void compare(const char *name, long (*call)(void), outcome_t *known)
{
    int i;

    for (i = 0; i < TRIES && !compare_once(name, call, known); i++) {
        known->took_ns = 0;
    }
    assert_true(i < TRIES);
}

static void blocking_calls_do_not_notice(void **state)
{
    static outcome_t known[LPP_COUNT(calls)];
    size_t i;

    (void)state;
    for (i = 0; i < LPP_COUNT(calls); i++) {
        compare(calls[i].name, calls[i].call, &known[i]);
    }
}

/* The handler under fire: a signal every 2 ms into the same call, which the
 * helper never does: the sum of what was taken off must still be right. */
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

/* One call with and one without; whether it took about as long. */
static int shoot_at(const char *name, long (*call)(void), barrage_t *barrage,
                    int number)
{
    lpp_signal_target_t *target = barrage->target;
    outcome_t plain = run(call), shot;
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
    shot = run(call);
    lpp_signal_disarm(target, number, &old);
    atomic_store(&barrage->stop, 1);
    pthread_join(thread, NULL);
    print_message("%-28s %8.2f ms, under fire %8.2f, signals %u, put back "
                  "%u\n", name, plain.took_ns / 1e6, shot.took_ns / 1e6,
                  barrage->sent, atomic_load(&target->repaired));
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

static void a_thousand_signals_break_no_call(void **state)
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
        for (i = 0; i < LPP_COUNT(calls); i++) {
            int tries = 0, quick = 0;

            if (calls[i].call == call_recv_with_timeout) {
                continue; /* a socket's timeout begins anew each time */
            }
            while (tries++ < TRIES && !quick) {
                quick = shoot_at(calls[i].name, calls[i].call, &barrage,
                                 number);
                sent += barrage.sent;
                repaired += atomic_load(&target.repaired);
            }
            assert_true(quick);
        }
    }
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    print_message("%u signals, %u calls put back, none broken\n", sent,
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
static void after_one_broken_call_no_blocked_thread_is_hit(void **state)
{
    lpp_profile_t *profile;
    outcome_t outcome;
    int i;

    (void)state;
    apr_pool_create(&pool, root);
    for (i = 0; i < TRIES && lpp_signal_unrepaired() == 0; i++) {
        outcome = run_profiled(call_odd, &profile);
        assert_int_equal(outcome.result,
                         lpp_signal_unrepaired() ? -EINTR : 0);
    }
    assert_int_equal(lpp_signal_unrepaired(), 1);
    for (i = 0; i < 3; i++) {
        outcome = run_profiled(call_odd, &profile);
        print_message("a call that cannot be put back: %.2f ms, signals %llu, "
                      "samples %llu\n", outcome.took_ns / 1e6,
                      (unsigned long long)profile->honesty.signals,
                      (unsigned long long)profile->honesty.samples);
        assert_int_equal(outcome.result, 0);
        assert_true(outcome.took_ns >= WAIT_NS);
        assert_int_equal(lpp_signal_unrepaired(), 1);
        if (seen_without_signal()) {
            assert_true(profile->honesty.samples >= 1);
#ifndef __SANITIZE_ADDRESS__ /* which has frames that hang on rbp */
            assert_int_equal(profile->honesty.broken, 0);
#endif
            assert_true(profile->honesty.blocked_ns >= WAIT_NS * 3 / 4);
        }
    }
    apr_pool_destroy(pool);
}
#endif

#ifdef CANCEL_CALLS_H
/* Both places were learned: where a process has one thread, or a thread is not
 * to be cancelled, the calls are made elsewhere. */
static void the_other_place_is_known_too(void **state)
{
    static outcome_t known[LPP_COUNT(calls)];
    size_t i;

    (void)state;
    cancel_shape = CANCEL_DIRECT;
    for (i = 0; i < LPP_COUNT(calls); i++) {
        if (calls[i].call == call_nanosleep || calls[i].call == call_poll
            || calls[i].call == call_recv_with_timeout
            || calls[i].call == call_long_write) {
            compare(calls[i].name, calls[i].call, &known[i]);
        }
    }
    cancel_shape = CANCEL_AS_LIBC;
}

/* A library that the trial does not see through: from the first time on, no
 * thread is hit, since one that runs may be about to block. */
static void where_the_trial_fails_no_thread_is_hit(void **state)
{
    lpp_signal_trial_t failed;
    lpp_profile_t *profile;
    outcome_t outcome;
    int i;

    (void)state;
    cancel_shape = CANCEL_HIDDEN;
    for (i = 0; i < TRIES; i++) { /* a busy machine may be late */
        if (lpp_signal_trial_run(&failed) == APR_EGENERAL) {
            break;
        }
        assert_int_equal(failed.passed, 0);
    }
    assert_true(i < TRIES);
    assert_int_equal(failed.passed, 0);
    assert_string_equal(failed.failed, "nanosleep");
    assert_int_equal(lpp_signal_trial_adopt(&failed), 0);
    assert_int_equal(lpp_signal_allowed(1), 0);
    for (i = 0; i < 20; i++) {
        apr_pool_create(&pool, root);
        outcome = run_profiled(i % 2 ? call_poll : call_nanosleep, &profile);
        assert_int_equal(outcome.result, 0);
        assert_true(outcome.took_ns >= WAIT_NS - 1000000);
        assert_int_equal(profile->honesty.repaired_calls, 0);
        assert_int_equal(profile->honesty.signals, 0);
        assert_int_equal(profile->honesty.blocked_ns, 0);
        assert_int_equal(lpp_signal_unrepaired(), 0);
        apr_pool_destroy(pool);
    }
    cancel_shape = CANCEL_AS_LIBC;
    assert_true(try_restarts());
}

/* What was found belongs to the library that was tried. */
static void of_another_library_nothing_is_adopted(void **state)
{
    lpp_signal_trial_t other = trial;

    (void)state;
    other.library_sum++;
    assert_int_equal(lpp_signal_trial_adopt(&other), 0);
    assert_int_equal(lpp_signal_allowed(1), 0);
    assert_int_equal(lpp_signal_trial_adopt(&trial), 1);
    assert_int_equal(lpp_signal_allowed(1), 1);
}
#endif

static int set_up_all(void)
{
    lpp_sampler_options_t options;
    apr_global_mutex_t *mutex;

    memset(&options, 0, sizeof(options));
    return apr_global_mutex_create(&mutex, NULL, APR_LOCK_PROC_PTHREAD, root)
               != APR_SUCCESS
           || lpp_gate_create(&options.gate, mutex, root) != APR_SUCCESS
           || lpp_gate_child_init(options.gate, root) != APR_SUCCESS
           || lpp_maps_create(&options.maps, root) != APR_SUCCESS
           || lpp_sampler_create(&sampler, &options, root) != APR_SUCCESS;
}

/* Not to be shown by /proc any more. */
static void hide(void)
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

static void nor_where_signals_are_needed(void **state)
{
    hide();
    blocking_calls_do_not_notice(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocking_calls_do_not_notice),
        cmocka_unit_test(nor_where_signals_are_needed),
        cmocka_unit_test(a_thousand_signals_break_no_call),
#ifdef CANCEL_CALLS_H
        cmocka_unit_test(the_other_place_is_known_too),
        cmocka_unit_test(where_the_trial_fails_no_thread_is_hit),
        cmocka_unit_test(of_another_library_nothing_is_adopted),
#endif
#if defined(__x86_64__)
        cmocka_unit_test(after_one_broken_call_no_blocked_thread_is_hit),
#endif
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    if (!try_restarts() || set_up_all() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
