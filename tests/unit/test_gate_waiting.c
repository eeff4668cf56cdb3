/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_gate_waiting: how many requests of how many processes may wait for the
 * gate, and what becomes of the places of processes that die.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "gate/lpp_gate.h"
#include "gate_world.h"

static void the_waiting_room_has_a_ceiling(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_counts_t counts;

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_enter(gate, 0), APR_EBUSY);
    assert_int_equal(lpp_gate_enter(gate, 2), APR_SUCCESS);
    assert_int_equal(lpp_gate_enter(gate, 2), APR_SUCCESS);
    assert_int_equal(lpp_gate_enter(gate, 2), APR_EBUSY);
    lpp_gate_leave(gate);
    assert_int_equal(lpp_gate_enter(gate, 2), APR_SUCCESS);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.waiting, 2);
    lpp_gate_leave(gate);
    lpp_gate_leave(gate);
    lpp_gate_leave(gate); /* one too many takes nothing from anybody */
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.waiting, 0);
}

static void of_many_at_once_exactly_the_ceiling_gets_in(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_counts_t counts;
    pid_t pids[8];
    size_t i;

    for (i = 0; i < LPP_COUNT(pids); i++) {
        pids[i] = fork_child(gate);
        if (pids[i] == 0) {
            int entered = 0, n;

            while (!report->go) {
                usleep(100);
            }
            for (n = 0; n < 10; n++) {
                entered += lpp_gate_enter(gate, 37) == APR_SUCCESS;
            }
            __atomic_add_fetch(&report->turns, entered, __ATOMIC_SEQ_CST);
            __atomic_add_fetch(&report->ready, 1, __ATOMIC_SEQ_CST);
            while (report->go != 2) {
                usleep(100);
            }
            while (entered-- > 0) {
                lpp_gate_leave(gate);
            }
            _exit(0);
        }
    }
    report->go = 1;
    wait_until(&report->ready, (int)LPP_COUNT(pids));
    assert_int_equal(report->turns, 37);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.waiting, 37);
    report->go = 2;
    for (i = 0; i < LPP_COUNT(pids); i++) {
        assert_int_equal(wait_exit(pids[i]), 0);
    }
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.waiting, 0);
}

static void waiters_of_a_dead_child_are_taken_off(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_counts_t counts;
    pid_t pids[2];
    int i;

    for (i = 0; i < 2; i++) {
        pids[i] = fork_child(gate);
        if (pids[i] == 0) {
            if (lpp_gate_enter(gate, 10) != APR_SUCCESS
                || lpp_gate_enter(gate, 10) != APR_SUCCESS) {
                _exit(4);
            }
            __atomic_add_fetch(&report->ready, 1, __ATOMIC_SEQ_CST);
            for (;;) {
                pause();
            }
        }
    }
    wait_until(&report->ready, 2);
    for (i = 0; i < 2; i++) {
        lpp_gate_get_counts(gate, &counts);
        assert_int_equal(counts.waiting, 4 - 2 * i);
        assert_int_equal(kill(pids[i], SIGKILL), 0);
        wait_exit(pids[i]);
        lpp_gate_forget(gate, (apr_uint32_t)pids[i]);
        lpp_gate_forget(gate, (apr_uint32_t)pids[i]); /* twice is harmless */
    }
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.waiting, 0);
    lpp_gate_forget(gate, 0);
}

static void a_full_room_of_dead_waiters_is_no_room(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_counts_t counts;
    pid_t pid = fork_child(gate);

    if (pid == 0) {
        _exit(lpp_gate_enter(gate, 1) == APR_SUCCESS ? 0 : 4);
    }
    assert_int_equal(wait_exit(pid), 0);
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_enter(gate, 1), APR_SUCCESS);
    assert_int_equal(lpp_gate_enter(gate, 1), APR_EBUSY);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.waiting, 1);
}

static void many_generations_of_children_find_places(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_counts_t counts;
    int i;

    /* Nobody is told of these deaths: each leaves its place taken. */
    for (i = 0; i < 50; i++) {
        pid_t pid = fork_child(gate);

        if (pid == 0) {
            _exit(lpp_gate_enter(gate, 100) == APR_SUCCESS ? 0 : 4);
        }
        assert_int_equal(wait_exit(pid), 0);
        lpp_gate_forget(gate, (apr_uint32_t)pid);
    }
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.waiting, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_waiting_room_has_a_ceiling),
        TEST(of_many_at_once_exactly_the_ceiling_gets_in),
        TEST(waiters_of_a_dead_child_are_taken_off),
        TEST(a_full_room_of_dead_waiters_is_no_room),
        TEST(many_generations_of_children_find_places),
    };
    int failed;

    if (open_gate_world() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_gate_world();
    return failed;
}
