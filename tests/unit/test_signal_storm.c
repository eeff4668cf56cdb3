/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal and lpp_unwind in a storm: one thread is hit ten thousand times a
 * second while it and others load, allocate, fork, wait and send. Every stack
 * ends where it must, every call does what it does in calm weather. LPP_SOAK is
 * how many seconds (one without it).
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/select.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "blocking_calls.h"
#include "blocking_io.h"
#include "sampling/lpp_signal.h"
#include "unwind/lpp_unwind.h"
#include "restart_trial.h"

#define EVERY_NS 100000
#define REFRESH_EVERY 100 /* shots */

typedef struct storm_t {
    lpp_signal_target_t target;
    lpp_unwinder_t *unwinder;
    lpp_maps_t *maps;
    _Atomic(apr_uint64_t) root_cfa;
    double seconds;
    atomic_int stop;
    unsigned sent, taken, late, whole, other, astray, lost;
} storm_t;

static apr_pool_t *root;
static storm_t storm;

static void *load(void *baton)
{
    static const char *const names[] = { "libanl.so.1", "libutil.so.1",
                                         "libBrokenLocale.so.1" };
    unsigned i = 0;

    (void)baton;
    while (!atomic_load(&storm.stop)) {
        void *object = dlopen(names[i++ % LPP_COUNT(names)], RTLD_NOW);

        if (object != NULL) {
            dlclose(object);
        }
    }
    return NULL;
}

static void *allocate(void *baton)
{
    unsigned i;

    (void)baton;
    for (i = 1; !atomic_load(&storm.stop); i = i * 5 + 1) {
        unsigned char *block = malloc(i % 200000 + 1);

        block[0] = 1;
        free(block);
    }
    return NULL;
}

static void *fork_often(void *baton)
{
    static const struct timespec pause = { 0, 5000000 };

    (void)baton;
    while (!atomic_load(&storm.stop)) {
        pid_t pid = fork();

        if (pid == 0) {
            _exit(0);
        }
        reap(pid);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* The other end of the socket that the thread writes to. */
static void *swallow(void *baton)
{
    static const struct timespec pause = { 0, 300000 };
    char bytes[65536];
    int fd = *(int *)baton;

    while (read(fd, bytes, sizeof(bytes)) > 0) {
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Every stack has it directly below the root. */
__attribute__((noinline)) static unsigned work(int fd);

static void judge(const lpp_snapshot_t *snapshot)
{
    static lpp_pc_t frames[LPP_FRAMES_MAX];
    lpp_unwind_end_e end;
    unsigned count = lpp_unwind(storm.unwinder, snapshot, storm.root_cfa,
                                frames, NULL, LPP_FRAMES_MAX, &end);
    apr_uint64_t at = lpp_maps_pc(storm.maps, (apr_uintptr_t)work);

    storm.taken++;
    if (end != LPP_UNWIND_ROOT) {
        storm.lost++; /* through something that is gone by now; or not there
                         yet, or not any more */
    }
    else if (count >= 2 && frames[count - 2] - at < 4096) {
        storm.whole++;
    }
    else if (count == 1) {
        storm.other++; /* between two turns of work */
    }
    else {
        storm.astray++;
    }
}

static void *shoot(void *baton)
{
    apr_uint64_t end = now_ns() + (apr_uint64_t)(storm.seconds * 1e9);
    struct timespec then;
    unsigned shots = 0;
    int changed;

    (void)baton;
    clock_gettime(CLOCK_MONOTONIC, &then);
    /* A machine that stood still meanwhile has that added, up to 30 s. */
    while (now_ns() < end
           || (storm.sent <= 100 * storm.seconds
               && now_ns() < end + 30 * (apr_uint64_t)1000000000)) {
        const lpp_snapshot_t *snapshot;
        apr_uint64_t sequence;

        then.tv_nsec += EVERY_NS;
        then.tv_sec += then.tv_nsec / 1000000000;
        then.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, NULL);
        while ((snapshot = lpp_ring_peek(storm.target.ring)) != NULL) {
            judge(snapshot);
            lpp_ring_release(storm.target.ring);
        }
        if (shots++ % REFRESH_EVERY == 0
            && lpp_maps_refresh(storm.maps, &changed) == APR_SUCCESS
            && changed && lpp_unwinder_refresh(storm.unwinder)
                              != APR_SUCCESS) {
            abort();
        }
        if (atomic_load(&storm.target.asked)
            != atomic_load(&storm.target.answered)) {
            storm.late++; /* it has not run since */
        }
        else if (lpp_signal_send(&storm.target, EVERY_NS, &sequence)
                 == APR_SUCCESS) {
            storm.sent++;
        }
    }
    atomic_store(&storm.stop, 1);
    return NULL;
}

/* One turn: some of everything. Returns how many calls did not do what they
 * should. */
__attribute__((noinline)) static unsigned work(int fd)
{
    static char bytes[400000];
    struct timeval wait = { 0, 1000 };
    struct timespec nap = { 0, 200000 };
    unsigned wrong = 0, i;
    void *object;

    for (i = 0; i < 20; i++) {
        free(malloc(i * 5000 + 1));
    }
    object = dlopen("libanl.so.1", RTLD_NOW);
    if (object != NULL) {
        wrong += dlsym(object, "getaddrinfo_a") == NULL;
        dlclose(object);
    }
    wrong += select(0, NULL, NULL, NULL, &wait) != 0;
    wrong += nanosleep(&nap, NULL) != 0;
    wrong += write(fd, bytes, sizeof(bytes)) != sizeof(bytes);
    wrong += getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes);
    return wrong;
}

__attribute__((noinline)) static unsigned turn(int fd, unsigned *turns)
{
    unsigned wrong = 0;

    atomic_store(&storm.root_cfa,
                 (apr_uint64_t)(apr_uintptr_t)__builtin_dwarf_cfa());
    while (!atomic_load(&storm.stop)) {
        wrong += work(fd);
        ++*turns;
    }
    return wrong;
}

static void ten_thousand_a_second(void **state)
{
    static void *(*const others[])(void *) = { load, allocate, fork_often };
    const char *soak = getenv("LPP_SOAK");
    apr_uint64_t began, took;
    pthread_t threads[5];
    unsigned wrong, turns = 0, i;
    sigset_t all, before, old;
    int fds[2], number;

    (void)state;
    storm.seconds = soak != NULL && atof(soak) > 0 ? atof(soak) : 1;
    assert_true(try_restarts());
    assert_int_equal(lpp_ring_create(&storm.target.ring, root), APR_SUCCESS);
    assert_int_equal(lpp_maps_create(&storm.maps, root), APR_SUCCESS);
    assert_int_equal(lpp_unwinder_create(&storm.unwinder, LPP_UNWIND_AUTO,
                                         storm.maps, root), APR_SUCCESS);
    assert_int_equal(lpp_signal_take(LPP_SIGNAL_AUTO, &number), APR_SUCCESS);
    storm.target.stack_start = 1;
    storm.target.stack_end = (apr_uintptr_t)__builtin_dwarf_cfa();
    make_pair(fds);
    /* As httpd's threads are; a SIGCHLD would cut calls short, too. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (i = 0; i < LPP_COUNT(others); i++) {
        pthread_create(&threads[i], NULL, others[i], NULL);
    }
    pthread_create(&threads[3], NULL, swallow, &fds[1]);
    pthread_create(&threads[4], NULL, shoot, NULL);
    began = now_ns();
    assert_int_equal(lpp_signal_arm(&storm.target, &old), APR_SUCCESS);
    wrong = turn(fds[0], &turns);
    took = now_ns() - began;
    lpp_signal_disarm(&storm.target, number, &old);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fds[0]);
    for (i = 0; i < LPP_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    close(fds[1]);
    print_message("%.0f signals a second (%u more it was not back from the "
                  "last), %u calls restarted; of %u stacks %u whole, %u "
                  "between turns, %u through objects that are gone, %u wrong; "
                  "%u turns, %u calls went wrong\n",
                  storm.sent / ((double)took / 1e9), storm.late,
                  atomic_load(&storm.target.repaired), storm.taken,
                  storm.whole, storm.other, storm.lost, storm.astray, turns,
                  wrong);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    assert_int_equal(wrong, 0);
    assert_int_equal(storm.astray, 0);
    assert_int_equal(lpp_signal_unrepaired(), 0);
    assert_true(storm.whole > storm.taken / 2);
    assert_true(storm.sent > 100 * storm.seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_a_second),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
