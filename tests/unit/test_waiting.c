/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it has no thread that waits in the kernel */
/*
 * What a blocked thread waits for: each call that can block has the right name
 * in the profile, as its innermost frame and as a row with its longest wait,
 * where the kernel shows a blocked thread, where a signal is needed, and where
 * kernel events tell of blocks.
 */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "blocked_tests.h"
#include "blocking_calls.h"
#include "blocking_io.h"
#include "restart_trial.h"

#define PEER "unix socket of this process"

/* By the order of calls in blocking_calls.c: what each waits for, as a
 * pattern. */
static const char *const wanted[CALLS] = {
    "sleep", "sleep", "sleep", "sleep", "sleep", /* sleep to absolute */
    PEER, PEER, PEER, PEER, PEER, PEER, /* poll to epoll_pwait */
    PEER, PEER, PEER,                   /* read, recv, with a timeout */
    "connection to tcp 127.0.0.1:*",    /* accept */
    "unix @*",                          /* connect, to an abstract name */
    PEER, PEER, "pipe", PEER, PEER, PEER, PEER, PEER, /* write to recv of
                                                         all */
    "lock or condition",                /* sem_timedwait */
    "lock held by thread *",            /* mutex */
    "lock or condition", "lock or condition", /* condition, futex */
    "lock of file /tmp/lpp-test-blocked-*", "lock of file *",
    "child process test_waiting",       /* waitpid */
    "sleep", PEER, PEER,
};

/* The row that was waited for longest; NULL: none. */
static const lpp_wait_t *longest(const lpp_profile_t *profile)
{
    const lpp_wait_t *most = NULL;
    apr_uint32_t i;

    for (i = 0; i < profile->waits.count; i++) {
        if (most == NULL
            || profile->waits.rows[i].longest_ns > most->longest_ns) {
            most = &profile->waits.rows[i];
        }
    }
    return most;
}

/* The wall time of the leaf that stands for row. */
static apr_uint64_t time_of(const lpp_profile_t *profile, lpp_pc_t pc)
{
    apr_uint64_t ns = 0;
    apr_uint32_t i;

    for (i = 0; i < profile->count; i++) {
        if (profile->nodes[i].pc == pc) {
            assert_int_equal(profile->nodes[i].first_child, LPP_NODE_NONE);
            ns += profile->nodes[i].self.wall_ns;
        }
    }
    return ns;
}

static int told; /* kernel events tell of blocks */

static int once(size_t i)
{
    char pattern[128];
    lpp_profile_t *profile;
    const lpp_wait_t *row;
    const char *name;
    int right;

    apr_pool_create(&pool, root);
    run_profiled(calls[i].call, &profile);
    row = longest(profile);
    name = row == NULL ? "nothing"
        : lpp_pagecode_get(names, LPP_WAIT_NUMBER(row->pc))->name;
    print_message("%-28s %s, %u times, %.1f ms, \"%s\"\n", calls[i].name, name,
                  row ? (unsigned)row->times : 0,
                  row ? row->longest_ns / 1e6 : 0.0, row ? row->note : "");
    assert_int_equal(profile->statistics.kernel_events, told);
    /* A bracket means something else in a pattern. */
    snprintf(pattern, sizeof(pattern), "?waits: %s]", wanted[i]);
    right = row != NULL && fnmatch(pattern, name, 0) == 0
        && row->longest_ns > WAIT_NS / 4
        && time_of(profile, row->pc) >= row->longest_ns;
    apr_pool_destroy(pool);
    return right;
}

static void each_call_has_its_name(void **state)
{
    size_t i;
    int tries;

    (void)state;
    for (i = 0; i < CALLS; i++) {
        for (tries = 0; tries < MEASUREMENTS && !once(i); tries++) {
        }
        assert_true(tries < MEASUREMENTS);
    }
}

static void also_where_signals_are_needed(void **state)
{
    hide();
    each_call_has_its_name(state);
}

static lpp_kernel_t *kernel; /* opened with privileges; NULL: not permitted */

/* After the privileges were dropped. */
static void also_where_kernel_events_tell(void **state)
{
    if (kernel == NULL) {
        print_message("SKIPPED: the kernel permits no events here\n");
        skip();
    }
    use_kernel_events(kernel);
    told = 1;
    each_call_has_its_name(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_has_its_name),
        cmocka_unit_test(also_where_signals_are_needed),
        cmocka_unit_test(also_where_kernel_events_tell),
    };
    int failed;

    apr_initialize();
    if (!try_restarts() || open_blocked_tests() != 0) {
        return 1;
    }
    if (lpp_kernel_create(&kernel, root) != APR_SUCCESS
        || lpp_kernel_open(kernel) != APR_SUCCESS) {
        kernel = NULL;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_blocked_tests();
    return failed;
}
