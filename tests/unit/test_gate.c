/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it forks by the hundred */
/* test: under tsan: it is about threads */
/*
 * test_gate: one owner at a time, over processes, whatever dies when. Those
 * that wait: test_gate_waiting.c; what the dead leave: test_gate_deaths.c.
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

static void tells_who_holds_it(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_owner_t owner = owner_named("http://example.org/a");
    lpp_owner_t seen, dead;
    lpp_gate_counts_t counts;

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    lpp_gate_get_owner(gate, &seen);
    assert_int_equal(seen.pid, 0);
    assert_int_equal(try_after(gate, 1000, &dead), APR_SUCCESS);
    assert_int_equal(dead.pid, 0);
    lpp_gate_set_owner(gate, &owner);
    lpp_gate_set_page_id(gate, owner.id, "RootObject:index.html");
    /* That profile is over: its request has just got as far. */
    lpp_gate_set_page_id(gate, "OOPS-ffeeddccbbaa99887766554433221100", "x:y");
    lpp_gate_get_owner(gate, &seen);
    assert_int_equal(seen.pid, getpid());
    assert_int_equal(seen.tid, 7);
    assert_int_equal(seen.start, 42);
    assert_string_equal(seen.id, owner.id);
    assert_string_equal(seen.url, "http://example.org/a");
    assert_string_equal(seen.page_id, "RootObject:index.html");
    assert_string_equal(seen.host, "example.org");
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    lpp_gate_get_owner(gate, &seen);
    assert_int_equal(seen.pid, 0);
    assert_string_equal(seen.url, "");
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.profiled, 1);
    assert_int_equal(counts.died, 0);
}

static void never_lets_the_same_child_in_twice(void **state)
{
    static const apr_lockmech_e mechanisms[] = {
        APR_LOCK_DEFAULT, APR_LOCK_PROC_PTHREAD, APR_LOCK_SYSVSEM,
        APR_LOCK_FCNTL, APR_LOCK_FLOCK
    };
    size_t i;

    for (i = 0; i < LPP_COUNT(mechanisms); i++) {
        lpp_gate_t *gate = make_gate(*state, mechanisms[i]);

        assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
        assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
        assert_int_equal(lpp_gate_try(gate, 1000), APR_EINVAL);
        assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
        assert_int_equal(lpp_gate_release(gate), APR_EINVAL);
        assert_int_equal(lpp_gate_try(gate, 0), APR_SUCCESS);
        assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    }
}

static void without_the_gate_nothing_is_published(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_owner_t owner = owner_named("http://example.org/a");
    lpp_owner_t seen;
    lpp_gate_counts_t counts;

    lpp_gate_set_owner(gate, &owner);
    lpp_gate_set_page_id(gate, owner.id, "a:b");
    lpp_gate_get_owner(gate, &seen);
    assert_int_equal(seen.pid, 0);
    assert_string_equal(seen.page_id, "");
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.profiled, 0);
}

static void strings_without_end_are_cut(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_owner_t owner, seen;

    memset(&owner, 'x', sizeof(owner));
    assert_int_equal(lpp_gate_try(gate, 0), APR_SUCCESS);
    lpp_gate_set_owner(gate, &owner);
    lpp_gate_get_owner(gate, &seen);
    assert_int_equal(strlen(seen.url), sizeof(seen.url) - 1);
    assert_int_equal(strlen(seen.id), sizeof(seen.id) - 1);
    assert_int_equal(strlen(seen.host), sizeof(seen.host) - 1);
    assert_int_equal(strlen(seen.vhost), sizeof(seen.vhost) - 1);
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
}

/* Child: hold and let go, many times; see that nobody else is inside. */
static void take_turns(lpp_gate_t *gate)
{
    int i;

    for (i = 0; i < 40; i++) {
        lpp_owner_t owner = owner_named("http://example.org/turn");

        if (try_for(gate, 10000, NULL) != APR_SUCCESS) {
            _exit(4);
        }
        if (__atomic_add_fetch(&report->inside, 1, __ATOMIC_SEQ_CST) != 1) {
            report->broken = 1;
        }
        lpp_gate_set_owner(gate, &owner);
        usleep(200);
        __atomic_add_fetch(&report->turns, 1, __ATOMIC_SEQ_CST);
        __atomic_sub_fetch(&report->inside, 1, __ATOMIC_SEQ_CST);
        if (lpp_gate_release(gate) != APR_SUCCESS) {
            _exit(5);
        }
    }
    _exit(0);
}

static void check_exclusion(apr_pool_t *pool, apr_lockmech_e mechanism)
{
    lpp_gate_t *gate = make_gate(pool, mechanism);
    lpp_gate_counts_t counts;
    pid_t pids[3];
    size_t i;

    memset((void *)report, 0, sizeof(*report));
    for (i = 0; i < LPP_COUNT(pids); i++) {
        pids[i] = fork_child(gate);
        if (pids[i] == 0) {
            take_turns(gate);
        }
    }
    for (i = 0; i < LPP_COUNT(pids); i++) {
        assert_int_equal(wait_exit(pids[i]), 0);
    }
    assert_int_equal(report->broken, 0);
    assert_int_equal(report->turns, 120);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.profiled, 120);
    assert_int_equal(counts.died, 0);
}

/* Child: wait for the gate of one that will be killed; dead is who it was. Once
 * that one is gone, the gate must open at once. */
static void outlive_owner(lpp_gate_t *gate, lpp_owner_t *dead)
{
    apr_time_t end = apr_time_now() + apr_time_from_sec(60);
    apr_status_t status;
    int late = 0;

    if (try_after(gate, 30000, dead) != APR_TIMEUP) {
        _exit(4);
    }
    report->go = 1;
    do {
        late += report->inside; /* a try that begins when it is gone */
        status = try_after(gate, 20000, dead);
    } while (status == APR_TIMEUP && late < 10 && apr_time_now() < end);
    if (status != APR_SUCCESS) {
        _exit(5);
    }
}

/* Kill a owner; the gate must open at once and tell who it was. */
static void check_dead_owner(apr_pool_t *pool, apr_lockmech_e mechanism)
{
    lpp_gate_t *gate = make_gate(pool, mechanism);
    lpp_gate_counts_t counts;
    lpp_owner_t dead;
    pid_t pid, next;

    memset((void *)report, 0, sizeof(*report));
    pid = fork_child(gate);
    if (pid == 0) {
        lpp_owner_t owner = owner_named("http://example.org/dies");

        if (try_for(gate, 1000, NULL) != APR_SUCCESS) {
            _exit(4);
        }
        lpp_gate_set_owner(gate, &owner);
        report->ready = 1;
        for (;;) {
            pause();
        }
    }
    wait_until(&report->ready, 1);
    next = fork_child(gate);
    if (next == 0) {
        outlive_owner(gate, &dead);
        if (dead.pid != (apr_uint32_t)pid
            || strcmp(dead.url, "http://example.org/dies") != 0) {
            _exit(6);
        }
        lpp_gate_get_owner(gate, &dead);
        if (dead.pid != 0) {
            _exit(7);
        }
        _exit(lpp_gate_release(gate) == APR_SUCCESS ? 0 : 8);
    }
    wait_until(&report->go, 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    wait_exit(pid);
    report->inside = 1;
    assert_int_equal(wait_exit(next), 0);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.died, 1);
}

#define BY_MECHANISM(name, mechanism)                                         \
    static void one_at_a_time_with_##name(void **state)                       \
    {                                                                         \
        check_exclusion(*state, mechanism);                                   \
    }                                                                         \
    static void a_dead_holder_frees_##name(void **state)                      \
    {                                                                         \
        check_dead_owner(*state, mechanism);                                 \
    }

BY_MECHANISM(default, APR_LOCK_DEFAULT)
BY_MECHANISM(pthread, APR_LOCK_PROC_PTHREAD)
BY_MECHANISM(sysvsem, APR_LOCK_SYSVSEM)
BY_MECHANISM(fcntl, APR_LOCK_FCNTL)
BY_MECHANISM(flock, APR_LOCK_FLOCK)

/* Why the skin refuses posixsem: if this fails, it need not any longer. */
static void posixsem_stays_locked_when_its_holder_dies(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_POSIXSEM);
    pid_t pid = fork_child(gate);

    if (pid == 0) {
        _exit(lpp_gate_try(gate, 1000) == APR_SUCCESS ? 0 : 4);
    }
    assert_int_equal(wait_exit(pid), 0);
    assert_int_equal(try_for(gate, 300, NULL), APR_TIMEUP);
}

static void a_slice_is_kept_short(void **state)
{
    static const apr_lockmech_e mechanisms[] = {
        APR_LOCK_DEFAULT, APR_LOCK_SYSVSEM, APR_LOCK_FCNTL, APR_LOCK_FLOCK
    };
    size_t i;

    for (i = 0; i < LPP_COUNT(mechanisms); i++) {
        lpp_gate_t *gate = make_gate(*state, mechanisms[i]);
        apr_time_t begin;
        pid_t pid;

        memset((void *)report, 0, sizeof(*report));
        pid = fork_child(gate);
        if (pid == 0) {
            if (try_for(gate, 1000, NULL) != APR_SUCCESS) {
                _exit(4);
            }
            report->ready = 1;
            while (!report->go) {
                usleep(1000);
            }
            _exit(lpp_gate_release(gate) == APR_SUCCESS ? 0 : 5);
        }
        wait_until(&report->ready, 1);
        begin = apr_time_now();
        assert_int_equal(lpp_gate_try(gate, apr_time_from_sec(30)),
                         APR_TIMEUP);
        /* A slice, and what the machine may add; not what was asked for. */
        assert_true(apr_time_now() - begin < apr_time_from_sec(10));
        report->go = 1;
        assert_int_equal(wait_exit(pid), 0);
    }
}

/* Child: change the record as fast as it can. */
static void rewrite_for_ever(lpp_gate_t *gate)
{
    int i;

    if (try_for(gate, 1000, NULL) != APR_SUCCESS) {
        _exit(4);
    }
    for (i = 0;; i++) {
        lpp_owner_t owner;

        memset(&owner, 'a' + i % 26, sizeof(owner));
        lpp_gate_set_owner(gate, &owner);
        report->ready = 1;
    }
}

/* All letters the same, in a record that was written whole. */
static int is_whole(const lpp_owner_t *owner)
{
    char letter = owner->url[0];

    return (owner->tid & 0xff) == (unsigned char)letter
           && owner->id[0] == letter
           && owner->url[sizeof(owner->url) - 2] == letter
           && owner->page_id[0] == letter
           && owner->host[sizeof(owner->host) - 2] == letter
           && owner->vhost[sizeof(owner->vhost) - 2] == letter;
}

/* Kill the writer in the middle of writing, often: reading goes on, fast,
 * and what is read is whole. */
static void a_writer_killed_while_writing_leaves_a_whole_record(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    int round, whole = 0;

    for (round = 0; round < 30; round++) {
        apr_time_t took = apr_time_from_sec(1);
        lpp_owner_t seen, dead;
        pid_t pid;
        int i;

        report->ready = 0;
        pid = fork_child(gate);
        if (pid == 0) {
            rewrite_for_ever(gate);
        }
        wait_until(&report->ready, 1);
        for (i = 0; i < 2000; i++) {
            lpp_gate_get_owner(gate, &seen);
            if (seen.pid != 0) {
                assert_true(is_whole(&seen));
                whole++;
            }
        }
        kill(pid, SIGKILL);
        wait_exit(pid);
        /* What the writer left stays: who must wait for it waits each time. */
        for (i = 0; i < 4 && took >= apr_time_from_msec(500); i++) {
            took = -apr_time_now();
            lpp_gate_get_owner(gate, &seen);
            took += apr_time_now();
        }
        assert_true(took < apr_time_from_msec(500));
        assert_true(seen.pid != 0);
        assert_true(is_whole(&seen));
        assert_int_equal(try_for(gate, 2000, &dead), APR_SUCCESS);
        assert_true(is_whole(&dead));
        assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    }
    assert_true(whole > 0);
}

static void skips_are_counted_by_reason(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_counts_t counts;

    lpp_gate_count_skip(gate, LPP_GATE_BUSY);
    lpp_gate_count_skip(gate, LPP_GATE_TIMED_OUT);
    lpp_gate_count_skip(gate, LPP_GATE_TIMED_OUT);
    lpp_gate_count_skip(gate, LPP_GATE_GONE);
    lpp_gate_count_skip(gate, LPP_GATE_GONE);
    lpp_gate_count_skip(gate, LPP_GATE_GONE);
    lpp_gate_count_skip(gate, LPP_GATE_CHILD);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.busy, 1);
    assert_int_equal(counts.timed_out, 2);
    assert_int_equal(counts.gone, 3);
    assert_int_equal(counts.child, 1);
}

/* A record that changes is of somebody, or says something, that the waiter has
 * not seen. */
static void who_is_told_to_hurry_is_so_until_its_record_changes(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_owner_t owner = owner_named("http://example.org/a");

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    lpp_gate_set_owner(gate, &owner);
    assert_int_equal(lpp_gate_asked_to_end(gate), 0);
    lpp_gate_ask_to_end(gate);
    assert_int_equal(lpp_gate_asked_to_end(gate), 1);
    lpp_gate_set_page_id(gate, owner.id, "a:b");
    assert_int_equal(lpp_gate_asked_to_end(gate), 0);
    lpp_gate_ask_to_end(gate);
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_int_equal(lpp_gate_asked_to_end(gate), 0);
    lpp_gate_add_client_us(gate, 40);
    lpp_gate_add_client_us(gate, 2);
    assert_int_equal(lpp_gate_client_us(gate), 42);
}

static void no_mutex_no_gate(void **state)
{
    lpp_gate_t *gate = (lpp_gate_t *)1;

    assert_int_equal(lpp_gate_create(&gate, NULL, *state), APR_EINVAL);
    assert_null(gate);
}

static void sums_and_the_last_error_are_kept(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_totals_t one, sums;
    char text[64], small[5];
    apr_time_t when;

    memset(&one, 0, sizeof(one));
    lpp_gate_get_error(gate, text, sizeof(text), &when);
    assert_string_equal(text, "");
    assert_int_equal(when, 0);
    one.samples = 5;
    one.lost = 1;
    one.own_ns = 100;
    one.cpu_ns = 1000;
    one.signal = 62;
    lpp_gate_add_totals(gate, &one);
    one.signal = 0;
    lpp_gate_add_totals(gate, &one);
    lpp_gate_get_totals(gate, &sums);
    assert_int_equal(sums.samples, 10);
    assert_int_equal(sums.lost, 2);
    assert_int_equal(sums.own_ns, 200);
    assert_int_equal(sums.cpu_ns, 2000);
    assert_int_equal(sums.signal, 62);
    lpp_gate_set_error(gate, "LPP064: a long first");
    lpp_gate_set_error(gate, "LPP065: second");
    lpp_gate_get_error(gate, text, sizeof(text), &when);
    assert_string_equal(text, "LPP065: second");
    assert_true(when > 0);
    lpp_gate_get_error(gate, small, sizeof(small), &when);
    assert_string_equal(small, "LPP0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tells_who_holds_it),
        TEST(never_lets_the_same_child_in_twice),
        TEST(without_the_gate_nothing_is_published),
        TEST(strings_without_end_are_cut),
        TEST(one_at_a_time_with_default),
        TEST(one_at_a_time_with_pthread),
        TEST(one_at_a_time_with_sysvsem),
        TEST(one_at_a_time_with_fcntl),
        TEST(one_at_a_time_with_flock),
        TEST(a_dead_holder_frees_default),
        TEST(a_dead_holder_frees_pthread),
        TEST(a_dead_holder_frees_sysvsem),
        TEST(a_dead_holder_frees_fcntl),
        TEST(a_dead_holder_frees_flock),
        TEST(posixsem_stays_locked_when_its_holder_dies),
        TEST(a_slice_is_kept_short),
        TEST(sums_and_the_last_error_are_kept),
        TEST(a_writer_killed_while_writing_leaves_a_whole_record),
        TEST(skips_are_counted_by_reason),
        TEST(who_is_told_to_hurry_is_so_until_its_record_changes),
        TEST(no_mutex_no_gate),
    };
    int failed;

    if (open_gate_world() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_gate_world();
    return failed;
}
