/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_gate: one at a time, over processes, whatever dies when. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "gate/lpp_gate.h"

/* What children tell the test. */
typedef struct report_t {
    volatile int ready;
    volatile int go;
    volatile int inside;  /* holders at this moment */
    volatile int broken;  /* two at a time, or torn records */
    volatile int turns;
    volatile int refused;
} report_t;

static apr_pool_t *root;
static report_t *report;

static int set_up(void **state)
{
    memset((void *)report, 0, sizeof(*report));
    return apr_pool_create((apr_pool_t **)state, root) != APR_SUCCESS;
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

static lpp_gate_t *make_gate(apr_pool_t *pool, apr_lockmech_e mechanism)
{
    apr_global_mutex_t *mutex;
    lpp_gate_t *gate;

    assert_int_equal(apr_global_mutex_create(&mutex, NULL, mechanism, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&gate, mutex, pool), APR_SUCCESS);
    return gate;
}

/* Fork a child that has done what a child of httpd does first. */
static pid_t fork_child(lpp_gate_t *gate)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        apr_pool_t *pchild;

        if (apr_pool_create(&pchild, NULL) != APR_SUCCESS
            || lpp_gate_child_init(gate, pchild) != APR_SUCCESS) {
            _exit(3);
        }
    }
    return pid;
}

static void wait_until(volatile int *what, int value)
{
    int ms;

    for (ms = 0; ms < 10000 && *what != value; ms++) {
        usleep(1000);
    }
    assert_int_equal(*what, value);
}

static int wait_exit(pid_t pid)
{
    int status = -1;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static lpp_holder_t holder_named(const char *url)
{
    lpp_holder_t holder;

    memset(&holder, 0, sizeof(holder));
    holder.tid = 7;
    holder.start = 42;
    apr_cpystrn(holder.id, "OOPS-00112233445566778899aabbccddeeff",
                sizeof(holder.id));
    apr_cpystrn(holder.url, url, sizeof(holder.url));
    apr_cpystrn(holder.host, "example.org", sizeof(holder.host));
    return holder;
}

static apr_status_t try_for(lpp_gate_t *gate, int ms, lpp_holder_t *dead)
{
    apr_time_t end = apr_time_now() + apr_time_from_msec(ms);
    apr_status_t status;

    do {
        status = lpp_gate_try(gate, 20000, dead);
    } while (status == APR_TIMEUP && apr_time_now() < end);
    return status;
}

static void tells_who_holds_it(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_holder_t holder = holder_named("http://example.org/a");
    lpp_holder_t seen, dead;
    lpp_gate_counts_t counts;

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    lpp_gate_get_holder(gate, &seen);
    assert_int_equal(seen.pid, 0);
    assert_int_equal(lpp_gate_try(gate, 1000, &dead), APR_SUCCESS);
    assert_int_equal(dead.pid, 0);
    lpp_gate_set_holder(gate, &holder);
    lpp_gate_set_page_id(gate, holder.id, "RootObject:index.html");
    /* That profile is over: its request has just got as far. */
    lpp_gate_set_page_id(gate, "OOPS-ffeeddccbbaa99887766554433221100", "x:y");
    lpp_gate_get_holder(gate, &seen);
    assert_int_equal(seen.pid, getpid());
    assert_int_equal(seen.tid, 7);
    assert_int_equal(seen.start, 42);
    assert_string_equal(seen.id, holder.id);
    assert_string_equal(seen.url, "http://example.org/a");
    assert_string_equal(seen.page_id, "RootObject:index.html");
    assert_string_equal(seen.host, "example.org");
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    lpp_gate_get_holder(gate, &seen);
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
        assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
        assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_EINVAL);
        assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
        assert_int_equal(lpp_gate_release(gate), APR_EINVAL);
        assert_int_equal(lpp_gate_try(gate, 0, NULL), APR_SUCCESS);
        assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    }
}

static void without_the_gate_nothing_is_published(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_holder_t holder = holder_named("http://example.org/a");
    lpp_holder_t seen;
    lpp_gate_counts_t counts;

    lpp_gate_set_holder(gate, &holder);
    lpp_gate_set_page_id(gate, holder.id, "a:b");
    lpp_gate_get_holder(gate, &seen);
    assert_int_equal(seen.pid, 0);
    assert_string_equal(seen.page_id, "");
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.profiled, 0);
}

static void strings_without_end_are_cut(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_holder_t holder, seen;

    memset(&holder, 'x', sizeof(holder));
    assert_int_equal(lpp_gate_try(gate, 0, NULL), APR_SUCCESS);
    lpp_gate_set_holder(gate, &holder);
    lpp_gate_get_holder(gate, &seen);
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
        lpp_holder_t holder = holder_named("http://example.org/turn");

        if (try_for(gate, 10000, NULL) != APR_SUCCESS) {
            _exit(4);
        }
        if (__atomic_add_fetch(&report->inside, 1, __ATOMIC_SEQ_CST) != 1) {
            report->broken = 1;
        }
        lpp_gate_set_holder(gate, &holder);
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
static void outlive_holder(lpp_gate_t *gate, lpp_holder_t *dead)
{
    apr_time_t end = apr_time_now() + apr_time_from_sec(60);
    apr_status_t status;
    int late = 0;

    if (lpp_gate_try(gate, 30000, dead) != APR_TIMEUP) {
        _exit(4);
    }
    report->go = 1;
    do {
        late += report->inside; /* a try that begins when it is gone */
        status = lpp_gate_try(gate, 20000, dead);
    } while (status == APR_TIMEUP && late < 10 && apr_time_now() < end);
    if (status != APR_SUCCESS) {
        _exit(5);
    }
}

/* Kill a holder; the gate must open at once and tell who it was. */
static void check_dead_holder(apr_pool_t *pool, apr_lockmech_e mechanism)
{
    lpp_gate_t *gate = make_gate(pool, mechanism);
    lpp_gate_counts_t counts;
    lpp_holder_t dead;
    pid_t pid, next;

    memset((void *)report, 0, sizeof(*report));
    pid = fork_child(gate);
    if (pid == 0) {
        lpp_holder_t holder = holder_named("http://example.org/dies");

        if (try_for(gate, 1000, NULL) != APR_SUCCESS) {
            _exit(4);
        }
        lpp_gate_set_holder(gate, &holder);
        report->ready = 1;
        for (;;) {
            pause();
        }
    }
    wait_until(&report->ready, 1);
    next = fork_child(gate);
    if (next == 0) {
        outlive_holder(gate, &dead);
        if (dead.pid != (apr_uint32_t)pid
            || strcmp(dead.url, "http://example.org/dies") != 0) {
            _exit(6);
        }
        lpp_gate_get_holder(gate, &dead);
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
        check_dead_holder(*state, mechanism);                                 \
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
        _exit(lpp_gate_try(gate, 1000, NULL) == APR_SUCCESS ? 0 : 4);
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
        assert_int_equal(lpp_gate_try(gate, apr_time_from_sec(30), NULL),
                         APR_TIMEUP);
        /* A slice, and what the machine may add; not what was asked for. */
        assert_true(apr_time_now() - begin < apr_time_from_sec(10));
        report->go = 1;
        assert_int_equal(wait_exit(pid), 0);
    }
}

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

/* Child: change the record as fast as it can. */
static void rewrite_for_ever(lpp_gate_t *gate)
{
    int i;

    if (try_for(gate, 1000, NULL) != APR_SUCCESS) {
        _exit(4);
    }
    for (i = 0;; i++) {
        lpp_holder_t holder;

        memset(&holder, 'a' + i % 26, sizeof(holder));
        lpp_gate_set_holder(gate, &holder);
        report->ready = 1;
    }
}

/* All letters the same, in a record that was written whole. */
static int is_whole(const lpp_holder_t *holder)
{
    char letter = holder->url[0];

    return (holder->tid & 0xff) == (unsigned char)letter
           && holder->id[0] == letter
           && holder->url[sizeof(holder->url) - 2] == letter
           && holder->page_id[0] == letter
           && holder->host[sizeof(holder->host) - 2] == letter
           && holder->vhost[sizeof(holder->vhost) - 2] == letter;
}

/* Kill the writer in the middle of writing, often: reading goes on, fast,
 * and what is read is whole. */
static void a_writer_killed_while_writing_leaves_a_whole_record(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    int round, whole = 0;

    for (round = 0; round < 30; round++) {
        apr_time_t took = apr_time_from_sec(1);
        lpp_holder_t seen, dead;
        pid_t pid;
        int i;

        report->ready = 0;
        pid = fork_child(gate);
        if (pid == 0) {
            rewrite_for_ever(gate);
        }
        wait_until(&report->ready, 1);
        for (i = 0; i < 2000; i++) {
            lpp_gate_get_holder(gate, &seen);
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
            lpp_gate_get_holder(gate, &seen);
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
    lpp_holder_t holder = holder_named("http://example.org/a");

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
    lpp_gate_set_holder(gate, &holder);
    assert_int_equal(lpp_gate_hurried(gate), 0);
    lpp_gate_hurry(gate);
    assert_int_equal(lpp_gate_hurried(gate), 1);
    lpp_gate_set_page_id(gate, holder.id, "a:b");
    assert_int_equal(lpp_gate_hurried(gate), 0);
    lpp_gate_hurry(gate);
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_int_equal(lpp_gate_hurried(gate), 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* A child that dies holding the gate, with something left in its room. */
static pid_t die_as_holder(lpp_gate_t *gate, const char *url)
{
    pid_t pid = fork_child(gate);

    if (pid == 0) {
        lpp_holder_t holder = holder_named(url);
        lpp_holder_t dead;

        if (try_for(gate, 5000, &dead) != APR_SUCCESS) {
            _exit(4);
        }
        lpp_gate_set_holder(gate, &holder);
        lpp_gate_set_page_id(gate, holder.id, "Dir:page");
        if (!lpp_gate_extra(gate)) {
            _exit(5);
        }
        memcpy(lpp_gate_extra(gate), "left", 5);
        kill(getpid(), SIGKILL);
    }
    assert_true(WIFSIGNALED(wait_exit(pid)));
    return pid;
}

static void a_death_is_noted_and_taken_once(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    pid_t pid = die_as_holder(gate, "http://example.org/dies");
    lpp_gate_counts_t counts;
    lpp_death_t death, other;

    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid + 1), 0);
    assert_int_equal(lpp_gate_deaths(gate), 0);
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid), 1);
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid), 0);
    assert_int_equal(lpp_gate_deaths(gate), 1);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    assert_int_equal(lpp_gate_take_death(gate, &other), 0);
    assert_int_equal(death.holder.pid, pid);
    assert_string_equal(death.holder.url, "http://example.org/dies");
    assert_string_equal(death.holder.page_id, "Dir:page");
    assert_string_equal(death.extra, "left");
    assert_true(death.noted > 0);
    lpp_gate_bury(gate, &death);
    assert_int_equal(lpp_gate_take_death(gate, &other), 0);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.died, 1);
    /* The next holder finds the record, and nothing more to note. */
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(try_for(gate, 5000, NULL), APR_SUCCESS);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.died, 1);
    assert_int_equal(lpp_gate_deaths(gate), 0);
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
}

static void who_released_leaves_no_death(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_holder_t holder = holder_named("http://example.org/a");
    lpp_death_t death;

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
    assert_null(lpp_gate_extra(gate));
    lpp_gate_set_holder(gate, &holder);
    assert_non_null(lpp_gate_extra(gate));
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_null(lpp_gate_extra(gate));
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)getpid()), 0);
    assert_int_equal(lpp_gate_take_death(gate, &death), 0);
}

static void the_next_holder_notes_a_death_too(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    pid_t pid = die_as_holder(gate, "http://example.org/dies");
    lpp_holder_t dead;

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(try_for(gate, 5000, &dead), APR_SUCCESS);
    assert_int_equal(dead.pid, pid);
    assert_int_equal(lpp_gate_deaths(gate), 1);
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid), 0);
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
}

static void a_reporter_that_dies_is_replaced(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    pid_t pid = die_as_holder(gate, "http://example.org/dies");
    lpp_death_t death;

    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid), 1);
    pid = fork_child(gate);
    if (pid == 0) {
        _exit(lpp_gate_take_death(gate, &death) == 1 ? 0 : 6);
    }
    assert_int_equal(wait_exit(pid), 0);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    assert_string_equal(death.holder.url, "http://example.org/dies");
    lpp_gate_bury(gate, &death);
}

static void a_process_posts_its_own_death_once(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_holder_t holder = holder_named("http://example.org/exits");
    lpp_death_t death;

    holder.pid = (apr_uint32_t)getpid();
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
    lpp_gate_set_holder(gate, &holder);
    lpp_gate_post_death(gate, &holder); /* before the helper let go */
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_int_equal(lpp_gate_deaths(gate), 1);
    lpp_gate_post_death(gate, &holder); /* and again, after */
    assert_int_equal(lpp_gate_deaths(gate), 1);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    lpp_gate_bury(gate, &death);
    lpp_gate_post_death(gate, &holder); /* when nothing is left of it */
    assert_int_equal(lpp_gate_deaths(gate), 1);
}

/* Its profile is over, its request is not. */
static void who_is_kept_leaves_a_death_until_it_is_settled(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_holder_t holder = holder_named("http://example.org/long");
    lpp_death_t death;
    void *kept;

    holder.pid = (apr_uint32_t)getpid();
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
    lpp_gate_set_holder(gate, &holder);
    strcpy(lpp_gate_extra(gate), "left");
    assert_int_equal(lpp_gate_release_keep(gate, &kept), APR_SUCCESS);
    assert_non_null(kept);
    /* The next one has the gate and a place of its own. */
    assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
    holder = holder_named("http://example.org/next");
    holder.id[6] = 'f';
    holder.pid = 98;
    lpp_gate_set_holder(gate, &holder);
    assert_string_equal(lpp_gate_extra(gate), "");
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)getpid()), 1);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    assert_string_equal(death.holder.url, "http://example.org/long");
    assert_string_equal(death.extra, "left");
    lpp_gate_settle(kept); /* too late: it is being reported */
    assert_int_equal(lpp_gate_take_death(gate, &death), 0);
}

static void who_is_settled_leaves_no_death(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_holder_t holder = holder_named("http://example.org/long");
    void *kept[8];
    int i;

    lpp_gate_settle(NULL);
    holder.pid = (apr_uint32_t)getpid();
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    for (i = 0; i < 8; i++) {
        assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
        lpp_gate_set_holder(gate, &holder);
        assert_non_null(lpp_gate_extra(gate));
        assert_int_equal(lpp_gate_release_keep(gate, &kept[i]), APR_SUCCESS);
        /* Half of the places stay for those that are being profiled. */
        assert_int_equal(kept[i] != NULL, i < 4);
    }
    for (i = 0; i < 8; i++) {
        lpp_gate_settle(kept[i]);
    }
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)getpid()), 0);
    assert_int_equal(lpp_gate_deaths(gate), 0);
}

static void more_deaths_than_room_do_no_harm(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_gate_counts_t counts;
    int i;

    for (i = 0; i < 12; i++) {
        lpp_holder_t holder = holder_named("http://example.org/many");

        holder.id[6] = (char)('a' + i);
        holder.pid = 99;
        lpp_gate_post_death(gate, &holder);
    }
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.died, 12);
    assert_int_equal(lpp_gate_deaths(gate), 8);
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000, NULL), APR_SUCCESS);
    {
        lpp_holder_t holder = holder_named("http://example.org/a");

        lpp_gate_set_holder(gate, &holder);
    }
    assert_null(lpp_gate_extra(gate));
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
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
        TEST(the_waiting_room_has_a_ceiling),
        TEST(of_many_at_once_exactly_the_ceiling_gets_in),
        TEST(a_death_is_noted_and_taken_once),
        TEST(who_released_leaves_no_death),
        TEST(the_next_holder_notes_a_death_too),
        TEST(a_reporter_that_dies_is_replaced),
        TEST(a_process_posts_its_own_death_once),
        TEST(who_is_kept_leaves_a_death_until_it_is_settled),
        TEST(who_is_settled_leaves_no_death),
        TEST(more_deaths_than_room_do_no_harm),
        TEST(sums_and_the_last_error_are_kept),
        TEST(waiters_of_a_dead_child_are_taken_off),
        TEST(a_full_room_of_dead_waiters_is_no_room),
        TEST(many_generations_of_children_find_places),
        TEST(a_writer_killed_while_writing_leaves_a_whole_record),
        TEST(skips_are_counted_by_reason),
        TEST(who_is_told_to_hurry_is_so_until_its_record_changes),
        TEST(no_mutex_no_gate),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
