/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_truth: for tests: handlers whose time is known. /lpp-truth?WHAT runs
 * one of the table below; work is counted in turns of one and the same loop, so
 * shares of computing are known to the turn and need no clock.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_md5.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>

module AP_MODULE_DECLARE_DATA lpp_truth_module;

#define NOINLINE __attribute__((noinline, noclone, used))
/* Something after a call, so that it is no tail call. */
#define STAY() __asm__ volatile("" : : : "memory")

/* Names as the profile shows them; found in this object's symbol table. */
void truth_seventy(long turns);
void truth_thirty(long turns);
void truth_parent(long turns);
void truth_wait(long ms);
void truth_read(long ms);
void truth_recurse(int depth, long turns);
void truth_leaf(long turns);
void truth_tail_first(long turns);
void truth_tail_second(long turns);
void truth_with_inlined(long turns);
void truth_framed(long turns);
void truth_md5(long turns);

static long turns_per_ms;

/* The loop: no call, no memory. Inlined, so its time is its function's own. */
static inline __attribute__((always_inline)) void turn(long turns)
{
    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(turns) : : "cc");
}

NOINLINE void truth_leaf(long turns)
{
    turn(turns);
}

NOINLINE void truth_seventy(long turns)
{
    turn(turns / 2);
    truth_leaf(turns - turns / 2);
    STAY();
}

NOINLINE void truth_thirty(long turns)
{
    turn(turns);
}

NOINLINE void truth_parent(long turns)
{
    int i;

    for (i = 0; i < 100; i++) {
        truth_seventy(turns * 7 / 1000);
        truth_thirty(turns * 3 / 1000);
    }
    STAY();
}

NOINLINE void truth_wait(long ms)
{
    struct timespec rest = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&rest, NULL);
    STAY();
}

static void *write_later(void *baton)
{
    const int *fds = baton;
    struct timespec rest = { 0, fds[2] * 1000000L };

    nanosleep(&rest, NULL);
    if (write(fds[1], "x", 1) != 1) {
        abort();
    }
    return NULL;
}

NOINLINE void truth_read(long ms)
{
    pthread_t thread;
    int fds[3];
    char byte;

    fds[2] = (int)ms;
    if (pipe(fds) != 0
        || pthread_create(&thread, NULL, write_later, fds) != 0
        || read(fds[0], &byte, 1) != 1) {
        abort();
    }
    pthread_join(thread, NULL);
    close(fds[0]);
    close(fds[1]);
    STAY();
}

/* By the clock: how long each of the shapes took, and the recursion's bottom.
 * */
static double shapes_us[4], bottom_us;

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

NOINLINE void truth_bottom(long turns)
{
    double at = now_us();

    truth_leaf(turns);
    bottom_us += now_us() - at;
}

/* More than half of the work at the bottom, the rest on the way; its frames are
 * small, so that 900 of them fit into a sample. */
NOINLINE void truth_recurse(int depth, long turns)
{
    if (depth == 0) {
        truth_bottom(turns);
    }
    else {
        turn(turns / 100);
        truth_recurse(depth - 1, turns);
    }
    STAY();
}

NOINLINE void truth_tail_second(long turns)
{
    turn(turns);
}

/* Compiled to a jump: its caller is who called it. */
NOINLINE void truth_tail_first(long turns)
{
    turn(turns);
    truth_tail_second(turns);
}

static inline __attribute__((always_inline)) void inlined(long turns)
{
    turn(turns);
}

NOINLINE void truth_with_inlined(long turns)
{
    turn(turns);
    inlined(turns);
    STAY();
}

/* With a frame pointer and a stack of a size that only it knows. */
NOINLINE __attribute__((optimize("no-omit-frame-pointer"))) void
truth_framed(long turns)
{
    volatile char *room = __builtin_alloca((size_t)(turns % 97) + 16);

    room[0] = 1;
    truth_leaf(turns);
    STAY();
}

NOINLINE void truth_md5(long turns)
{
    static char bytes[4096];
    unsigned char digest[APR_MD5_DIGESTSIZE];
    long i;

    for (i = 0; i < turns / 40000; i++) {
        apr_md5(digest, bytes, sizeof(bytes));
    }
    STAY();
}

static void run_split(long unit)
{
    truth_parent(unit * 400);
}

static void run_waits(long unit)
{
    int i;

    for (i = 0; i < 4; i++) {
        truth_thirty(unit * 50);
        truth_wait(50);
        truth_read(50);
    }
}

static void run_shapes(long unit)
{
    double at = now_us();
    int i, j;

    memset(shapes_us, 0, sizeof(shapes_us));
    bottom_us = 0;
    for (i = 0; i < 40; i++) {
        j = i % 4;
        switch (j) {
        case 0:
            truth_recurse(50, unit * 8); /* 8 at the bottom, 4 on the way */
            break;
        case 1:
            truth_tail_first(unit * 4);
            break;
        case 2:
            truth_with_inlined(unit * 4);
            break;
        default:
            truth_framed(unit * 8);
        }
        shapes_us[j] -= at;
        at = now_us();
        shapes_us[j] += at;
    }
}

static void run_deep(long unit)
{
    truth_recurse(900, unit * 60); /* 600 in all, 60 at the bottom */
}

/* The same number of turns everywhere, for counters of instructions. */
static void run_fixed(long unit)
{
    unit = 200000;
    truth_parent(unit * 100);
    truth_recurse(20, unit * 50);
    truth_md5(unit * 100);
    truth_framed(unit * 40);
}

/* The same, for those who sample. */
static void run_fixed20(long unit)
{
    int i;

    for (i = 0; i < 20; i++) {
        run_fixed(unit);
    }
}

static int broken_naps; /* of the last run */

NOINLINE int truth_nap(long us)
{
    struct timespec nap = { 0, us * 1000 }, rest = { 0, 0 }, began, ended;
    int result;

    clock_gettime(CLOCK_MONOTONIC, &began);
    result = nanosleep(&nap, &rest);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    return result != 0
           || (ended.tv_sec - began.tv_sec) * 1000000000L + ended.tv_nsec
                  - began.tv_nsec < us * 1000;
}

/* Nearly each of them meets a tick. */
static void run_naps(long unit)
{
    int i;

    broken_naps = 0;
    for (i = 0; i < 600; i++) {
        broken_naps += truth_nap(1200);
    }
}

static const struct {
    const char *name;
    void (*run)(long unit);
} workloads[] = {
    { "split", run_split },   { "waits", run_waits }, { "shapes", run_shapes },
    { "deep", run_deep },     { "fixed", run_fixed },
    { "fixed20", run_fixed20 }, { "naps", run_naps },
};

static void calibrate(void)
{
    struct timespec began, ended;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
    turn(20000000);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
    turns_per_ms = (long)(20000000e6
        / ((double)(ended.tv_sec - began.tv_sec) * 1e9
           + (double)(ended.tv_nsec - began.tv_nsec)));
}

static int truth_handler(request_rec *r)
{
    size_t i;

    if (r->handler == NULL || strcmp(r->handler, "lpp-truth") != 0) {
        return DECLINED;
    }
    ap_set_content_type(r, "text/plain");
    for (i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
        if (r->args != NULL && strcmp(r->args, workloads[i].name) == 0) {
            workloads[i].run(turns_per_ms);
            ap_rprintf(r, "done, %d broken\n", broken_naps);
            ap_rprintf(r, "shapes %.0f %.0f %.0f %.0f, bottom %.0f us\n",
                       shapes_us[0], shapes_us[1], shapes_us[2], shapes_us[3],
                       bottom_us);
            return OK;
        }
    }
    return HTTP_NOT_FOUND;
}

static void child_init(apr_pool_t *p, server_rec *s)
{
    calibrate();
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(truth_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_truth) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
