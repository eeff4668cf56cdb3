/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* test: under tsan: it is about threads */
/*
 * test_sampler_waiting: requests that wait for the gate while another one owns
 * it: in order, for how long, and for which reasons they do not.
 */
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampler_world.h"
#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"

static void threads_are_profiled_one_after_another_in_order(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    pthread_t threads[3];
    other_t others[3];
    int i;

    atomic_store(&turn, 0);
    for (i = 0; i < 3; i++) {
        make_other(&others[i], world);
        pthread_create(&threads[i], NULL, profile_elsewhere, &others[i]);
        wait_for_queue(world->sampler, i + 1);
    }
    test_spin(30 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(others[i].how, LPP_START_RUNNING);
        assert_int_equal(others[i].order, i);
        assert_true(others[i].samples > 5);
        assert_true(others[i].waited >= 20000);
        apr_pool_destroy(others[i].pool);
    }
}

/* Start another thread's session while ours runs: until that thread has its
 * answer, or for so long. */
static void start_beside(world_t *world, other_t *other, int ms)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    pthread_t thread;
    int i;

    pthread_create(&thread, NULL, profile_elsewhere, other);
    for (i = 0; i < ms && !atomic_load(&other->answered); i++) {
        usleep(1000);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    pthread_join(thread, NULL);
    apr_pool_destroy(other->pool);
}

#define LONG_MS 20000

static int measure_time_out(world_t *world)
{
    lpp_gate_counts_t before, after;
    other_t other;

    lpp_gate_get_counts(world->gate, &before);
    make_other(&other, world);
    other.options.lock_timeout_us = 80000;
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_TIMED_OUT);
    assert_true(other.waited >= 80000);
    lpp_gate_get_counts(world->gate, &after);
    assert_int_equal(after.timed_out, before.timed_out + 1);
    assert_int_equal(after.waiting, 0);
    return other.waited <= 200000;
}

static void a_waiter_times_out(void **state)
{
    measure(*state, measure_time_out);
}

static int measure_find_it_full(world_t *world)
{
    lpp_gate_counts_t before, after;
    other_t other;

    lpp_gate_get_counts(world->gate, &before);
    make_other(&other, world);
    other.options.max_waiting = 0;
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_BUSY);
    lpp_gate_get_counts(world->gate, &after);
    assert_int_equal(after.busy, before.busy + 1);
    return other.waited <= 50000;
}

static void nobody_waits_where_the_room_is_full(void **state)
{
    measure(*state, measure_find_it_full);
}

static void a_free_gate_needs_no_waiting_room(void **state)
{
    lpp_session_options_t options = usual_options();
    lpp_start_e how = LPP_START_BUSY;
    apr_interval_time_t waited;
    lpp_session_t *session;
    world_t *world = *state;
    apr_status_t status;
    int i;

    options.max_waiting = 0;
    for (i = 0; i < MEASUREMENTS && how == LPP_START_BUSY; i++) {
        how = lpp_session_start(world->sampler, &options, no_roots, &session,
                                &waited, &status, world->pool);
        /* Unless the machine kept the helper from it for that long. */
        assert_true(how == LPP_START_RUNNING || waited >= 100000);
    }
    assert_int_equal(how, LPP_START_RUNNING);
    lpp_session_close(session);
}

typedef struct seen_t {
    lpp_gate_t *gate;
    atomic_int stop;
    unsigned owned, counted; /* looks at an owned gate; that found a waiter */
} seen_t;

static void *look_at_the_gate(void *baton)
{
    seen_t *seen = baton;
    lpp_gate_counts_t counts;
    lpp_owner_t before, after;

    while (!atomic_load(&seen->stop)) {
        lpp_gate_get_owner(seen->gate, &before);
        lpp_gate_get_counts(seen->gate, &counts);
        lpp_gate_get_owner(seen->gate, &after);
        /* The same owner at both ends: nobody else came between. */
        if (before.pid != 0 && memcmp(&before, &after, sizeof(before)) == 0) {
            seen->owned++;
            seen->counted += counts.waiting > 0;
        }
    }
    return NULL;
}

static void an_owner_is_not_counted_as_waiting(void **state)
{
    lpp_session_options_t options = usual_options();
    world_t *world = *state;
    seen_t seen = { .gate = world->gate };
    pthread_t looker;
    int i;

    options.max_waiting = 1;
    assert_int_equal(pthread_create(&looker, NULL, look_at_the_gate, &seen), 0);
    for (i = 0; i < 200; i++) {
        /* Each start needs the only place. */
        options.owner.start = i + 1;
        lpp_session_close(start(world, &options, no_roots));
    }
    atomic_store(&seen.stop, 1);
    assert_int_equal(pthread_join(looker, NULL), 0);
    assert_true(seen.owned > 0);
    assert_int_equal(seen.counted, 0);
}

static int not_wanted(void *baton)
{
    return ++*(apr_uint64_t *)baton < 2;
}

static int measure_leave(world_t *world)
{
    other_t other;

    make_other(&other, world);
    other.options.wanted = not_wanted;
    other.options.wanted_baton = &other.asked;
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_GONE);
    assert_int_equal(other.asked, 2);
    assert_true(other.waited >= 400000);
    return other.waited <= 800000;
}

static void a_waiter_whose_client_left_is_let_go(void **state)
{
    measure(*state, measure_leave);
}

/* A connection of this process to itself: the owner of the gate reads, the other
 * thread's request came by it. */
typedef struct itself_t {
    int reads, writes;
    lpp_ends_t ends; /* of the other request */
} itself_t;

static void connect_to_itself(itself_t *itself)
{
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len),
                     0);
    itself->reads = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(itself->reads, (struct sockaddr *)&address, len),
                     0);
    itself->writes = accept(listener, NULL, NULL);
    assert_int_equal(lpp_ends_of(itself->writes, LPP_ENDS_ACCEPTED,
                                 &itself->ends), 1);
    close(listener);
}

static void *answer(void *baton)
{
    other_t *other = baton;
    itself_t *itself = other->options.wanted_baton;

    profile_elsewhere(other);
    assert_int_equal(write(itself->writes, "x", 1), 1);
    return NULL;
}

/* How the owner waits for the answer. */
static void wait_by_read(itself_t *itself)
{
    char byte;

    assert_int_equal(read(itself->reads, &byte, 1), 1);
}

static void wait_by_poll(itself_t *itself)
{
    struct pollfd item = { itself->reads, POLLIN, 0 };

    assert_int_equal(poll(&item, 1, LONG_MS), 1);
}

static void wait_by_sleep(itself_t *itself)
{
    char byte;

    while (recv(itself->reads, &byte, 1, MSG_DONTWAIT) != 1) {
        usleep(1000);
    }
}

static void wait_by_spin(itself_t *itself)
{
    char byte;

    while (recv(itself->reads, &byte, 1, MSG_DONTWAIT) != 1) {
    }
}

static void (*const ways[])(itself_t *) = {
    wait_by_read, wait_by_poll, wait_by_sleep, wait_by_spin
};

/* Ask itself, in that way; stacks 0: without samples. */
static void ask_itself(world_t *world, void (*way)(itself_t *), int stacks)
{
    lpp_session_options_t options = usual_options();
    lpp_gate_counts_t before, after;
    lpp_session_t *session;
    itself_t itself;
    other_t other;
    pthread_t thread;

    lpp_gate_get_counts(world->gate, &before);
    connect_to_itself(&itself);
    make_other(&other, world);
    other.options.connection = itself.ends;
    other.options.wanted_baton = &itself;
    options.stacks = stacks;
    session = start(world, &options, no_roots);
    assert_int_equal(pthread_create(&thread, NULL, answer, &other), 0);
    way(&itself);
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    pthread_join(thread, NULL);
    assert_int_equal(other.how, LPP_START_CHILD);
    lpp_gate_get_counts(world->gate, &after);
    assert_int_equal(after.child, before.child + 1);
    assert_int_equal(after.waiting, 0);
    apr_pool_destroy(other.pool);
    close(itself.reads);
    close(itself.writes);
}

static void the_holders_own_request_does_not_wait(void **state)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(ways); i++) {
        ask_itself(*state, ways[i], 1);
        ask_itself(*state, ways[i], 0);
    }
}

/* Its timeout is shorter than the owner's helper takes to look. */
static int measure_short_timeout(world_t *world)
{
    other_t other;

    make_other(&other, world);
    other.options.lock_timeout_us = 0;
    other.options.connection.local.family = AF_INET;
    other.options.connection.remote.family = AF_INET;
    other.options.connection.remote.address[0] = 127;
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_TIMED_OUT);
    assert_true(other.waited >= 2000);
    return other.waited <= 100000;
}

static void a_request_of_this_host_waits_for_the_look(void **state)
{
    measure(*state, measure_short_timeout);
}

/* A connection that the owner does not have: another program of this host. */
static void a_stranger_of_this_host_waits(void **state)
{
    world_t *world = *state;
    other_t other;

    make_other(&other, world);
    other.options.connection.local.family = AF_INET;
    other.options.connection.remote.family = AF_INET;
    other.options.connection.remote.address[0] = 127;
    start_beside(world, &other, 200);
    assert_int_equal(other.how, LPP_START_RUNNING);
    assert_true(other.waited >= 100000);
}

/* The owner waits for another process, which may have sent the request. */
static void a_process_that_the_owner_waits_for_has_a_second(void **state)
{
    lpp_session_options_t options = usual_options();
    world_t *world = *state;
    lpp_session_t *session;
    itself_t itself = { 0 };
    other_t other;
    pthread_t thread;
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    itself.writes = ends[1];
    make_other(&other, world);
    other.options.connection.local.family = AF_INET;
    other.options.connection.remote.family = AF_INET;
    other.options.connection.remote.address[0] = 127;
    other.options.wanted_baton = &itself;
    session = start(world, &options, no_roots);
    assert_int_equal(pthread_create(&thread, NULL, answer, &other), 0);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    pthread_join(thread, NULL);
    assert_int_equal(other.how, LPP_START_CHILD);
    assert_true(other.waited >= 1000000);
    apr_pool_destroy(other.pool);
    close(ends[0]);
    close(ends[1]);
}

static atomic_int held, holding;

static void hold_thread(int number)
{
    static const struct timespec nap = { 0, 1000000 };

    atomic_store(&holding, 1);
    while (atomic_load(&held)) {
        nanosleep(&nap, NULL);
    }
}

/* As in a prefork child, whose end runs in a signal handler on top of the wait
 * for a turn: the turn comes, its thread does not. */
static void a_turn_that_comes_at_the_childs_end_is_given_back(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    struct sigaction action, old;
    lpp_owner_t owner;
    pthread_t waiter;
    other_t other;
    int i;

    memset(&action, 0, sizeof(action));
    action.sa_handler = hold_thread;
    sigaction(SIGUSR2, &action, &old);
    make_other(&other, world);
    atomic_store(&held, 1);
    pthread_create(&waiter, NULL, profile_elsewhere, &other);
    wait_for_queue(world->sampler, 1);
    /* Not while it holds the mutex, as it does for a moment now and then. */
    pthread_mutex_lock(&world->sampler->helper.mutex);
    pthread_kill(waiter, SIGUSR2);
    while (!atomic_load(&holding)) {
        usleep(1000);
    }
    pthread_mutex_unlock(&world->sampler->helper.mutex);
    lpp_session_close(session);
    do {
        usleep(1000);
        lpp_gate_get_owner(world->gate, &owner);
    } while (owner.pid == 0); /* now it is the turn of who is held */
    lpp_sampler_stop(world->sampler);
    for (i = 0; i < 5000 && owner.pid != 0; i++) {
        usleep(1000);
        lpp_gate_get_owner(world->gate, &owner);
    }
    assert_int_equal(owner.pid, 0);
    atomic_store(&held, 0);
    pthread_join(waiter, NULL);
    assert_int_equal(other.how, LPP_START_RUNNING); /* and cut at once */
    assert_int_equal(other.samples, 0);
    apr_pool_destroy(other.pool);
    sigaction(SIGUSR2, &old, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(threads_are_profiled_one_after_another_in_order),
        CASE(a_waiter_times_out),
        CASE(nobody_waits_where_the_room_is_full),
        CASE(a_free_gate_needs_no_waiting_room),
        CASE(an_owner_is_not_counted_as_waiting),
        CASE(a_waiter_whose_client_left_is_let_go),
        CASE(the_holders_own_request_does_not_wait),
        CASE(a_request_of_this_host_waits_for_the_look),
        CASE(a_stranger_of_this_host_waits),
        CASE(a_process_that_the_owner_waits_for_has_a_second),
        CASE(a_turn_that_comes_at_the_childs_end_is_given_back),
    };
    int failed;

    if (!open_sampler_world()) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_sampler_world();
    return failed;
}
