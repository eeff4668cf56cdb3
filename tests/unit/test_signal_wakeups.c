/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it restarts nanosleep itself, so no trial passes */
/* test: long: it has many turns */
/*
 * A call that a signal of the program's own was to end does end, though ours
 * came in the same instant: a timer of some hundred microseconds and a call
 * that nothing else ends, many times: with our signal close to it, and under
 * the sampler, as a request of httpd is.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampling/lpp_session.h"
#include "sampling/lpp_signal.h"
#include "restart_trial.h"

#define TURNS 2000 /* of each call */
#define AFTER_NS 300000
#define AGAIN_NS 50000000 /* a call whose wake-up was lost ends then */
#define SPREAD_NS 120000  /* ours comes so much before or after */
#define ROUNDS 20
/* Of calls that the kernel restarts and of which no variant opens the mask by
 * itself: a signal that comes between the handler's last look and the call is
 * lost. Without that look it is a sixth. Of 2,000 turns 3 to 21 were lost, by
 * chance: so these have more turns. */
#define LOST_MAX (TURNS / 100)
#define MORE 10
/* Of the other calls one of 192,000 turns at a load of fourteen, but two of
 * epoll_wait's 8,000 once: lost, or the thread slept before its call.
 * With the handler's last look alone it would be nine of 2,000, as of read. */
#define LOST_RARELY 5

static lpp_signal_target_t target;
static apr_pool_t *root;
static int fds[2], epoll;
static timer_t timer;
static sem_t sem;

/* What the program's handler has seen: how often it ran, and how often the
 * thread had gone to sleep: before the call, when it ran first, when it ran
 * again. */
static volatile sig_atomic_t woken;
static volatile long slept_before, slept_first, slept_again;

static long times_slept(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

static void on_timer(int number)
{
    int saved = errno;

    (void)number;
    if (woken++ == 0) {
        slept_first = times_slept();
    }
    slept_again = times_slept();
    errno = saved;
}

/* -- calls that end with EINTR */

static int call_pause(void)
{
    return pause();
}

static int call_sigsuspend(void)
{
    sigset_t mask, old;
    int got;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    old = mask;
    sigaddset(&mask, SIGALRM);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    got = sigsuspend(&old);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return got;
}

static int call_poll(void)
{
    return poll(NULL, 0, -1);
}

static int call_select(void)
{
    return select(0, NULL, NULL, NULL, NULL);
}

static int call_epoll_wait(void)
{
    struct epoll_event event;

    return epoll_wait(epoll, &event, 1, -1);
}

static int call_nanosleep(void)
{
    struct timespec wait = { 10, 0 };

    return nanosleep(&wait, NULL);
}

static int call_read(void)
{
    char byte;

    return (int)read(fds[0], &byte, 1);
}

static int call_sem_wait(void)
{
    return sem_wait(&sem);
}

/* -- our signal */

static struct {
    atomic_int stop;
    atomic_llong at_ns; /* 0: not now */
    unsigned sent;
} shooter;

static long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void *shoot(void *baton)
{
    apr_uint64_t sequence;
    long long at;

    (void)baton;
    while (!atomic_load(&shooter.stop)) {
        at = atomic_exchange(&shooter.at_ns, 0);
        if (at == 0) {
            sched_yield();
            continue;
        }
        while (now_ns() < at) {
        }
        if (lpp_signal_send(&target, 0, &sequence) == APR_SUCCESS) {
            shooter.sent++;
        }
        while (lpp_ring_peek(target.ring) != NULL) {
            lpp_ring_release(target.ring);
        }
    }
    return NULL;
}

static void shoot_at(long long at_ns)
{
    atomic_store(&shooter.at_ns, at_ns);
}

/*
 * One turn: 1 where the program's signal did not end the call that it met: the
 * thread was asleep when it came, and went to sleep again after it. A machine
 * that stands still until the next signal puts no thread to sleep.
 * Where a handler of the program has ended a call at this place before, ours
 * may end one, too (ended), and the program calls again. A wake-up that comes
 * between its two calls is lost by the program (between), as one before its
 * first call is.
 */
static int is_lost(int (*call)(void), unsigned turn, unsigned *ended,
                   unsigned *between)
{
    struct itimerspec when = { { 0, AGAIN_NS }, { 0, AFTER_NS } };
    static const struct itimerspec never;
    int got, calls_made = 0;

    woken = 0;
    shoot_at(now_ns() + AFTER_NS - SPREAD_NS
             + (long long)(turn * 7919u % (2 * SPREAD_NS)));
    slept_first = slept_again = times_slept();
    timer_settime(timer, 0, &when, NULL);
    do {
        errno = 0;
        slept_before = times_slept();
        got = call();
        calls_made++;
    } while (woken == 0 && got < 0 && errno == EINTR);
    timer_settime(timer, 0, &never, NULL);
    assert_int_equal(got, -1);
    assert_int_equal(errno, EINTR);
    *ended += calls_made > 1;
    if (woken <= 1 || slept_again == slept_first) {
        return 0;
    }
    if (slept_first > slept_before) {
        return 1;
    }
    *between += calls_made > 1;
    return 0;
}

static const struct {
    const char *name;
    int (*call)(void);
    unsigned lost_max;
} calls[] = {
    { "pause", call_pause, LOST_RARELY },
    { "sigsuspend", call_sigsuspend, LOST_RARELY },
    { "poll", call_poll, LOST_RARELY },
    { "epoll_wait", call_epoll_wait, LOST_RARELY },
    { "select", call_select, LOST_RARELY },
    { "nanosleep", call_nanosleep, LOST_RARELY },
    { "read", call_read, LOST_MAX },
    { "sem_wait", call_sem_wait, LOST_MAX },
};

static void check_wake_ups(size_t i)
{
    unsigned lost = 0, ended = 0, between = 0, turn;
    unsigned times = calls[i].lost_max == LOST_MAX ? MORE : 1;

    for (turn = 0; turn < TURNS * times; turn++) {
        lost += is_lost(calls[i].call, turn, &ended, &between);
    }
    print_message("%-12s %u turns, %u lost; %u ended by ours, %u then lost "
                  "by the program\n", calls[i].name, turn, lost, ended,
                  between);
    if (lost > calls[i].lost_max * times
        || lost + between > LOST_MAX * times) {
        fail_msg("%s: wake-ups lost", calls[i].name);
    }
}

/* Returns the number of our signal; this thread is its target. */
static int start_shooting(pthread_t *thread, sigset_t *old)
{
    sigset_t all, mask;
    int number;

    target.stack_start = 1;
    target.stack_end = (apr_uint64_t)(apr_uintptr_t)__builtin_frame_address(0);
    assert_int_equal(lpp_signal_take(LPP_SIGNAL_AUTO, &number), APR_SUCCESS);
    atomic_store(&shooter.stop, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    assert_int_equal(pthread_create(thread, NULL, shoot, NULL), 0);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    assert_int_equal(lpp_signal_arm(&target, old), APR_SUCCESS);
    return number;
}

static void stop_shooting(pthread_t thread, int number, const sigset_t *old)
{
    lpp_signal_disarm(&target, number, old);
    atomic_store(&shooter.stop, 1);
    pthread_join(thread, NULL);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    print_message("%u signals of ours, %u calls restarted\n", shooter.sent,
                  atomic_load(&target.repaired));
    assert_int_equal(lpp_signal_unrepaired(), 0);
}

static void every_wake_up_arrives(void **state)
{
    pthread_t thread;
    sigset_t old;
    size_t i;
    int number;

    (void)state;
    number = start_shooting(&thread, &old);
    for (i = 0; i < LPP_COUNT(calls); i++) {
        check_wake_ups(i);
    }
    stop_shooting(thread, number, &old);
    /* It was close. */
    assert_true(atomic_load(&target.repaired) > TURNS);
}

/* A handler that ended a call here long ago looks like one that has just done
 * so: then ours ends one call, and no more. */
static void an_old_handler_ends_one_call(void **state)
{
    static const struct itimerspec soon = { { 0, 0 }, { 0, AFTER_NS } };
    unsigned i, ended = 0;
    pthread_t thread;
    sigset_t old;
    int number;

    (void)state;
    number = start_shooting(&thread, &old);
    for (i = 0; i < ROUNDS; i++) {
        struct timeval wait = { 0, 20000 };

        if (i == 0) {
            timer_settime(timer, 0, &soon, NULL);
        }
        else {
            shoot_at(now_ns() + AFTER_NS);
        }
        ended += select(0, NULL, NULL, NULL, &wait) < 0;
    }
    stop_shooting(thread, number, &old);
    print_message("%u of %u ended\n", ended, i);
    assert_in_range(ended, 1, 2); /* the first by the timer */
}

/* As every profiled request: at 1 kHz, in a process that /proc hides. */
static void and_so_it_does_under_the_sampler(void **state)
{
    lpp_session_options_t session_options;
    lpp_sampler_options_t options;
    apr_interval_time_t waited;
    apr_global_mutex_t *mutex;
    lpp_sampler_t *sampler;
    lpp_session_t *session;
    lpp_profile_t *profile;
    apr_status_t status;

    (void)state;
    if (geteuid() == 0) {
        assert_int_equal(setgid(65534), 0);
        assert_int_equal(setuid(65534), 0);
    }
    else {
        assert_int_equal(prctl(PR_SET_DUMPABLE, 0), 0);
    }
    memset(&options, 0, sizeof(options));
    assert_int_equal(apr_global_mutex_create(&mutex, NULL,
                                             APR_LOCK_PROC_PTHREAD, root),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&options.gate, mutex, root), APR_SUCCESS);
    assert_int_equal(lpp_gate_child_init(options.gate, root), APR_SUCCESS);
    assert_int_equal(lpp_maps_create(&options.maps, root), APR_SUCCESS);
    assert_int_equal(lpp_sampler_create(&sampler, &options, root), APR_SUCCESS);
    memset(&session_options, 0, sizeof(session_options));
    session_options.rate_hz = 1000;
    session_options.stacks = 1;
    session_options.max_waiting = 1;
    session_options.lock_timeout_us = 10000000;
    assert_int_equal(lpp_session_start(sampler, &session_options, NULL,
                                       &session, &waited, &status, root),
                     LPP_START_RUNNING);
    check_wake_ups(0);
    check_wake_ups(2);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_int_equal(lpp_session_profile(session, &profile, 5000000, root),
                     APR_SUCCESS);
    lpp_session_close(session);
    print_message("%u signals of ours, %u calls restarted\n",
                  (unsigned)profile->statistics.signals,
                  (unsigned)profile->statistics.repaired_calls);
    assert_true(profile->statistics.repaired_calls > 0);
    assert_int_equal(lpp_signal_unrepaired(), 0);
    /* At its end LeakSanitizer traces the process. */
    assert_int_equal(prctl(PR_SET_DUMPABLE, 1), 0);
}

/* The program's timer, and what its calls wait for. */
static int set_up_all(void)
{
    struct sigaction action;
    struct sigevent event;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_timer; /* without SA_RESTART */
    sigaction(SIGALRM, &action, NULL);
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGALRM;
    epoll = epoll_create1(0);
    return epoll < 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) != 0
           || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0
           || sem_init(&sem, 0, 0) != 0
           || lpp_ring_create(&target.ring, root) != APR_SUCCESS;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_wake_up_arrives),
        cmocka_unit_test(an_old_handler_ends_one_call),
        cmocka_unit_test(and_so_it_does_under_the_sampler),
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
