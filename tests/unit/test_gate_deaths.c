/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it forks by the hundred */
/* test: under tsan: it is about threads */
/*
 * test_gate_deaths: what an owner of the gate leaves when it dies: noted once,
 * taken over once, and never more than there is room for.
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

/* A child that dies holding the gate, with something left in its room. */
static pid_t die_as_owner(lpp_gate_t *gate, const char *url)
{
    pid_t pid = fork_child(gate);

    if (pid == 0) {
        lpp_owner_t owner = owner_named(url);
        lpp_owner_t dead;

        if (try_for(gate, 5000, &dead) != APR_SUCCESS) {
            _exit(4);
        }
        lpp_gate_set_owner(gate, &owner);
        lpp_gate_set_page_id(gate, owner.id, "Dir:page");
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
    pid_t pid = die_as_owner(gate, "http://example.org/dies");
    lpp_gate_counts_t counts;
    lpp_death_t death, other;

    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid + 1), 0);
    assert_int_equal(lpp_gate_deaths(gate), 0);
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid), 1);
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid), 0);
    assert_int_equal(lpp_gate_deaths(gate), 1);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    assert_int_equal(lpp_gate_take_death(gate, &other), 0);
    assert_int_equal(death.owner.pid, pid);
    assert_string_equal(death.owner.url, "http://example.org/dies");
    assert_string_equal(death.owner.page_id, "Dir:page");
    assert_string_equal(death.extra, "left");
    assert_true(death.noted > 0);
    lpp_gate_forget_death(gate, &death);
    assert_int_equal(lpp_gate_take_death(gate, &other), 0);
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.died, 1);
    /* The next owner finds the record, and nothing more to note. */
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
    lpp_owner_t owner = owner_named("http://example.org/a");
    lpp_death_t death;

    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    assert_null(lpp_gate_extra(gate));
    lpp_gate_set_owner(gate, &owner);
    assert_non_null(lpp_gate_extra(gate));
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_null(lpp_gate_extra(gate));
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)getpid()), 0);
    assert_int_equal(lpp_gate_take_death(gate, &death), 0);
}

static void the_next_holder_notes_a_death_too(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    pid_t pid = die_as_owner(gate, "http://example.org/dies");
    lpp_owner_t dead;

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
    pid_t pid = die_as_owner(gate, "http://example.org/dies");
    lpp_death_t death;

    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)pid), 1);
    pid = fork_child(gate);
    if (pid == 0) {
        _exit(lpp_gate_take_death(gate, &death) == 1 ? 0 : 6);
    }
    assert_int_equal(wait_exit(pid), 0);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    assert_string_equal(death.owner.url, "http://example.org/dies");
    lpp_gate_forget_death(gate, &death);
}

static void a_process_posts_its_own_death_once(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_owner_t owner = owner_named("http://example.org/exits");
    lpp_death_t death;

    owner.pid = (apr_uint32_t)getpid();
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    lpp_gate_set_owner(gate, &owner);
    lpp_gate_post_death(gate, &owner); /* before the helper let go */
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_int_equal(lpp_gate_deaths(gate), 1);
    lpp_gate_post_death(gate, &owner); /* and again, after */
    assert_int_equal(lpp_gate_deaths(gate), 1);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    lpp_gate_forget_death(gate, &death);
    lpp_gate_post_death(gate, &owner); /* when nothing is left of it */
    assert_int_equal(lpp_gate_deaths(gate), 1);
}

/* Its profile is over, its request is not. */
static void who_is_kept_leaves_a_death_until_it_is_settled(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_owner_t owner = owner_named("http://example.org/long");
    lpp_death_t death;
    void *kept;

    owner.pid = (apr_uint32_t)getpid();
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    lpp_gate_set_owner(gate, &owner);
    strcpy(lpp_gate_extra(gate), "left");
    assert_int_equal(lpp_gate_release_keep(gate, &kept), APR_SUCCESS);
    assert_non_null(kept);
    /* The next one has the gate and a place of its own. */
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    owner = owner_named("http://example.org/next");
    owner.id[6] = 'f';
    owner.pid = 98;
    lpp_gate_set_owner(gate, &owner);
    assert_string_equal(lpp_gate_extra(gate), "");
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
    assert_int_equal(lpp_gate_note_death(gate, (apr_uint32_t)getpid()), 1);
    assert_int_equal(lpp_gate_take_death(gate, &death), 1);
    assert_string_equal(death.owner.url, "http://example.org/long");
    assert_string_equal(death.extra, "left");
    lpp_gate_settle(kept); /* too late: it is being reported */
    assert_int_equal(lpp_gate_take_death(gate, &death), 0);
}

static void who_is_settled_leaves_no_death(void **state)
{
    lpp_gate_t *gate = make_gate(*state, APR_LOCK_DEFAULT);
    lpp_owner_t owner = owner_named("http://example.org/long");
    void *kept[8];
    int i;

    lpp_gate_settle(NULL);
    owner.pid = (apr_uint32_t)getpid();
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    for (i = 0; i < 8; i++) {
        assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
        lpp_gate_set_owner(gate, &owner);
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
        lpp_owner_t owner = owner_named("http://example.org/many");

        owner.id[6] = (char)('a' + i);
        owner.pid = 99;
        lpp_gate_post_death(gate, &owner);
    }
    lpp_gate_get_counts(gate, &counts);
    assert_int_equal(counts.died, 12);
    assert_int_equal(lpp_gate_deaths(gate), 8);
    assert_int_equal(lpp_gate_child_init(gate, *state), APR_SUCCESS);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    {
        lpp_owner_t owner = owner_named("http://example.org/a");

        lpp_gate_set_owner(gate, &owner);
    }
    assert_null(lpp_gate_extra(gate));
    assert_int_equal(lpp_gate_release(gate), APR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_death_is_noted_and_taken_once),
        TEST(who_released_leaves_no_death),
        TEST(the_next_holder_notes_a_death_too),
        TEST(a_reporter_that_dies_is_replaced),
        TEST(a_process_posts_its_own_death_once),
        TEST(who_is_kept_leaves_a_death_until_it_is_settled),
        TEST(who_is_settled_leaves_no_death),
        TEST(more_deaths_than_room_do_no_harm),
    };
    int failed;

    if (open_gate_world() != 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_gate_world();
    return failed;
}
