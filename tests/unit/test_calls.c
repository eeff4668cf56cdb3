/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_calls: counts, times, nesting, scopes, ceilings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>

#include "profile/lpp_calls.h"

#define MS 1000000u

static const lpp_hook_t hooks[LPP_CALLS_PLACES_MAX + 10] = {
    { "fixups", "mod_a.c", (void *)1, 0 },
    { "fixups", "mod_b.c", (void *)2, 0 },
    { "handler", "mod_a.c", (void *)3, 0 },
    { "handler", "mod_b.c", (void *)4, 0 },
    { "fixups", "mod_c.c", (void *)5, 0 },
    { "fixups", "mod_d.c", (void *)6, 1 }
};

enum { FIX_A, FIX_B, HAND_A, HAND_B, FOLLOWED, FOLLOWS };
enum { OK = 0, DECLINED = -1 };

static apr_pool_t *pool;
static lpp_calls_t *calls;

static int setup(void **state)
{
    (void)state;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    return lpp_calls_create(&calls, hooks, 7, pool) != APR_SUCCESS;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static apr_uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (apr_uint64_t)now.tv_sec * 1000000000u + (apr_uint64_t)now.tv_nsec;
}

static void sleep_ns(long ns)
{
    struct timespec time = { 0, ns };

    nanosleep(&time, NULL);
}

static apr_uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (apr_uint64_t)now.tv_sec * 1000000000u + (apr_uint64_t)now.tv_nsec;
}

/* Until the thread's own clock has moved on that much. */
static void compute_ns(apr_uint64_t ns)
{
    apr_uint64_t end = cpu_ns() + ns;

    while (cpu_ns() < end) {
    }
}

static void leave(unsigned handle, int result, int decided)
{
    lpp_calls_leave(calls, handle, &result, decided);
}

static void call(apr_uint32_t scope, apr_uint32_t hook, int result,
                 int decided)
{
    leave(lpp_calls_enter(calls, scope, hook), result, decided);
}

static const lpp_calls_table_t *table(void)
{
    const lpp_calls_table_t *made = lpp_calls_table(calls, pool);

    assert_non_null(made);
    return made;
}

static const lpp_call_t *row(const lpp_calls_table_t *from,
                             apr_uint32_t scope, apr_uint32_t hook)
{
    apr_uint32_t i;

    for (i = 0; i < from->count; i++) {
        if (from->calls[i].scope == scope
            && from->calls[i].address == hooks[hook].function) {
            return &from->calls[i];
        }
    }
    fail_msg("no row for hook %u in scope %u", hook, scope);
    return NULL;
}

static void counts_are_exact(void **state)
{
    const lpp_call_t *found;
    int i;

    (void)state;
    for (i = 0; i < 12345; i++) {
        call(0, i % 3 == 0 ? FIX_B : FIX_A, DECLINED, 0);
    }
    found = row(table(), 0, FIX_B);
    assert_int_equal(found->calls, 4115);
    assert_string_equal(found->phase, "fixups");
    assert_string_equal(found->module, "mod_b.c");
    assert_int_equal(found->has_result, 1);
    assert_int_equal(found->result, DECLINED);
    assert_int_equal(found->decided, 0);
    assert_int_equal(row(table(), 0, FIX_A)->calls, 8230);
    assert_int_equal(table()->count, 2);
    assert_int_equal(table()->left_out, 7);
    assert_int_equal(table()->dropped, 0);
}

static void an_answer_that_decided_stays(void **state)
{
    (void)state;
    call(0, FIX_A, DECLINED, 0);
    call(0, FIX_A, 403, 1);
    call(0, FIX_A, DECLINED, 0);
    assert_int_equal(row(table(), 0, FIX_A)->result, 403);
    assert_int_equal(row(table(), 0, FIX_A)->decided, 1);
    lpp_calls_leave(calls, lpp_calls_enter(calls, 0, HAND_A), NULL, 0);
    assert_int_equal(row(table(), 0, HAND_A)->has_result, 0);
}

static void waiting_and_computing_are_told_apart(void **state)
{
    const lpp_call_t *found;
    unsigned handle;
    apr_uint64_t start, cpu, wall;

    (void)state;
    handle = lpp_calls_enter(calls, 0, FIX_A);
    sleep_ns(5 * MS);
    leave(handle, OK, 0);
    found = row(table(), 0, FIX_A);
    assert_true(found->wall_ns >= 5 * MS);
    assert_true(found->cpu_ns < 1 * MS);

    start = now_ns();
    cpu = cpu_ns();
    handle = lpp_calls_enter(calls, 0, FIX_B);
    compute_ns(5 * MS);
    leave(handle, OK, 0);
    cpu = cpu_ns() - cpu;
    wall = now_ns() - start;
    found = row(table(), 0, FIX_B);
    assert_true(found->cpu_ns + 2 * LPP_CALLS_CPU_STEP_NS >= 5 * MS);
    assert_true(found->cpu_ns <= cpu + LPP_CALLS_CPU_FIX_NS);
    assert_true(found->wall_ns <= wall);
    assert_true(found->cpu_ns <= found->wall_ns);
}

/* Errors of CPU time must not add up over many short calls that wait. */
static void cpu_time_of_many_short_calls_is_right_in_sum(void **state)
{
    apr_uint64_t cpu = cpu_ns(), counted;
    int i;

    (void)state;
    for (i = 0; i < 200; i++) {
        unsigned handle = lpp_calls_enter(calls, 0, FIX_A);

        if (i % 2) {
            sleep_ns(50000);
        }
        else {
            compute_ns(5000);
        }
        leave(handle, OK, 0);
    }
    cpu = cpu_ns() - cpu;
    counted = row(table(), 0, FIX_A)->cpu_ns;
    assert_true(counted <= cpu + LPP_CALLS_CPU_FIX_NS);
}

static void calls_within_calls(void **state)
{
    const lpp_call_t *outer, *inner;
    unsigned handle, below;

    (void)state;
    handle = lpp_calls_enter(calls, 0, HAND_A);
    sleep_ns(2 * MS);
    below = lpp_calls_enter(calls, 0, FIX_A);
    sleep_ns(6 * MS);
    leave(below, OK, 0);
    leave(handle, OK, 1);
    outer = row(table(), 0, HAND_A);
    inner = row(table(), 0, FIX_A);
    assert_true(inner->self_wall_ns == inner->wall_ns);
    assert_int_equal(outer->wall_ns, outer->self_wall_ns + inner->wall_ns);
    assert_int_equal(outer->cpu_ns, outer->self_cpu_ns + inner->cpu_ns);
    assert_true(outer->self_wall_ns >= 2 * MS);
    assert_true(inner->wall_ns >= 6 * MS);
}

static void recursion_counts_its_time_once(void **state)
{
    const lpp_call_t *found;
    apr_uint64_t start = now_ns();
    unsigned outer, inner;

    (void)state;
    outer = lpp_calls_enter(calls, 0, HAND_A);
    sleep_ns(1 * MS);
    inner = lpp_calls_enter(calls, 0, HAND_A);
    sleep_ns(1 * MS);
    leave(inner, OK, 0);
    leave(outer, OK, 1);
    start = now_ns() - start;
    found = row(table(), 0, HAND_A);
    assert_int_equal(found->calls, 2);
    assert_true(found->wall_ns >= 2 * MS && found->wall_ns <= start);
    assert_int_equal(found->wall_ns, found->self_wall_ns);
}

static void running_calls_are_in_the_table(void **state)
{
    const lpp_calls_table_t *now;
    const lpp_call_t *outer, *inner;
    unsigned handle;

    (void)state;
    handle = lpp_calls_enter(calls, 0, HAND_A);
    sleep_ns(2 * MS);
    lpp_calls_enter(calls, 0, FIX_A);
    sleep_ns(3 * MS);
    now = table();
    outer = row(now, 0, HAND_A);
    inner = row(now, 0, FIX_A);
    assert_true(outer->running && inner->running);
    assert_true(inner->wall_ns >= 3 * MS);
    assert_int_equal(outer->calls, 1);
    assert_true(outer->wall_ns >= inner->wall_ns + 2 * MS);
    assert_true(outer->self_wall_ns >= 2 * MS);
    assert_int_equal(outer->wall_ns, outer->self_wall_ns + inner->wall_ns);
    leave(handle, OK, 1);
    assert_false(row(table(), 0, HAND_A)->running);
}

/* A module may leave by longjmp. */
static void a_call_that_never_came_back_ends_with_its_caller(void **state)
{
    unsigned outer, i;

    (void)state;
    for (i = 0; i < 200; i++) {
        outer = lpp_calls_enter(calls, 0, HAND_A);
        assert_true(outer > 0);
        lpp_calls_enter(calls, 0, FIX_A);
        lpp_calls_enter(calls, 0, FIX_B);
        leave(outer, OK, 1);
    }
    assert_int_equal(row(table(), 0, FIX_B)->calls, 200);
    assert_false(row(table(), 0, FIX_B)->running);
    assert_int_equal(table()->dropped, 0);
}

static void requests_stand_below_the_call_that_made_them(void **state)
{
    const lpp_calls_table_t *made;
    apr_uint32_t scope, again, other, inner;
    unsigned handle, below;

    (void)state;
    handle = lpp_calls_enter(calls, 0, HAND_A);
    scope = lpp_calls_begin_scope(calls, 0, LPP_SCOPE_SUBREQUEST, "/part");
    below = lpp_calls_enter(calls, scope, HAND_B);
    inner = lpp_calls_begin_scope(calls, scope, LPP_SCOPE_SUBREQUEST,
                                  "/part");
    leave(below, OK, 1);
    again = lpp_calls_begin_scope(calls, 0, LPP_SCOPE_SUBREQUEST, "/part");
    call(again, HAND_B, OK, 1);
    other = lpp_calls_begin_scope(calls, 0, LPP_SCOPE_SUBREQUEST, "/other");
    leave(handle, OK, 1);
    assert_int_equal(again, scope);
    assert_int_not_equal(inner, scope);
    assert_int_not_equal(other, scope);
    made = table();
    assert_int_equal(made->scope_count, 4);
    assert_int_equal(made->scopes[0].kind, LPP_SCOPE_REQUEST);
    assert_int_equal(made->scopes[scope].requests, 2);
    assert_int_equal(made->scopes[scope].parent, 0);
    assert_ptr_equal(made->calls[made->scopes[scope].caller].address,
                     hooks[HAND_A].function);
    assert_int_equal(made->scopes[inner].parent, scope);
    assert_int_equal(row(made, scope, HAND_B)->calls, 2);
    other = lpp_calls_begin_scope(calls, 0, LPP_SCOPE_REDIRECT, "/error");
    made = table();
    assert_int_equal(made->scopes[other].caller, LPP_CALLS_NONE);
    assert_int_equal(made->scopes[other].kind, LPP_SCOPE_REDIRECT);
}

/* One path more than one function may make scopes of. */
static void too_many_requests_of_one_function_share_a_scope(void **state)
{
    const lpp_calls_table_t *made;
    apr_uint32_t i, first, other, last = 0;
    unsigned handle;
    char path[32];

    (void)state;
    handle = lpp_calls_enter(calls, 0, HAND_A);
    first = lpp_calls_begin_scope(calls, 0, LPP_SCOPE_SUBREQUEST, "/0");
    for (i = 1; i < 3000; i++) {
        snprintf(path, sizeof(path), "/%u", i);
        last = lpp_calls_begin_scope(calls, 0, LPP_SCOPE_SUBREQUEST, path);
        call(last, FIX_A, OK, 0);
    }
    assert_int_equal(lpp_calls_begin_scope(calls, 0, LPP_SCOPE_SUBREQUEST,
                                           "/0"), first);
    leave(handle, OK, 1);
    handle = lpp_calls_enter(calls, 0, HAND_B);
    other = lpp_calls_begin_scope(calls, 0, LPP_SCOPE_SUBREQUEST, "/2999");
    leave(handle, OK, 1);

    made = table();
    assert_int_equal(made->scope_count, 1 + LPP_CALLS_MADE_MAX + 1 + 1);
    assert_int_equal(made->scopes[first].requests, 2);
    assert_int_equal(made->scopes[last].kind, LPP_SCOPE_OTHERS);
    assert_int_equal(made->scopes[last].requests, 3000 - LPP_CALLS_MADE_MAX);
    assert_int_equal(made->scopes[last].parent, 0);
    assert_ptr_equal(made->calls[made->scopes[last].caller].address,
                     hooks[HAND_A].function);
    assert_int_equal(row(made, last, FIX_A)->calls,
                     3000 - LPP_CALLS_MADE_MAX);
    assert_string_equal(made->scopes[other].path, "/2999");
}

/* Each function of a chain makes as many as it may. */
static void too_many_requests_share_the_last_scope(void **state)
{
    apr_uint32_t i, j, parent = 0, last = 0;
    char path[32];

    (void)state;
    for (i = 0; i < LPP_CALLS_SCOPES_MAX / LPP_CALLS_MADE_MAX + 3; i++) {
        for (j = 0; j < LPP_CALLS_MADE_MAX; j++) {
            snprintf(path, sizeof(path), "/%u/%u", i, j);
            last = lpp_calls_begin_scope(calls, parent, LPP_SCOPE_SUBREQUEST,
                                         path);
        }
        parent = last;
    }
    assert_int_equal(last, LPP_CALLS_SCOPES_MAX - 1);
    assert_int_equal(table()->scope_count, LPP_CALLS_SCOPES_MAX);
    assert_int_equal(table()->scopes[last].kind, LPP_SCOPE_OTHERS);
    assert_true(table()->scopes[last].requests > LPP_CALLS_MADE_MAX);
}

/* Time between a hook and the one that follows it is the second one's; behind
 * one that decided nothing follows. */
static void a_hook_that_follows_begins_where_the_one_before_ended(void **state)
{
    const lpp_call_t *first, *second;

    (void)state;
    call(0, FOLLOWED, DECLINED, 0);
    sleep_ns(3 * MS);
    call(0, FOLLOWS, DECLINED, 0);
    first = row(table(), 0, FOLLOWED);
    second = row(table(), 0, FOLLOWS);
    assert_true(second->wall_ns >= 3 * MS);
    assert_true(second->self_wall_ns == second->wall_ns);
    assert_int_equal(first->calls + second->calls, 2);

    call(0, FOLLOWED, OK, 1);
    sleep_ns(500 * MS);
    call(0, FOLLOWS, DECLINED, 0);
    assert_true(row(table(), 0, FOLLOWS)->wall_ns < 500 * MS);
}

static void too_many_places_are_counted_as_dropped(void **state)
{
    apr_uint32_t i, most = LPP_CALLS_PLACES_MAX + 10;

    (void)state;
    for (i = 0; i < most; i++) {
        call(0, i, OK, 0);
    }
    assert_true(table()->count <= LPP_CALLS_PLACES_MAX);
    assert_int_equal(table()->count + table()->dropped, most);
}

static void too_deep_calls_are_counted_as_dropped(void **state)
{
    unsigned i, handle, deepest = 0, outermost = 0;

    (void)state;
    for (i = 0; i < LPP_CALLS_DEPTH_MAX + 5; i++) {
        handle = lpp_calls_enter(calls, 0, i % 2 ? HAND_A : HAND_B);
        outermost = outermost ? outermost : handle;
        deepest = handle ? handle : deepest;
        assert_int_equal(handle == 0, i >= LPP_CALLS_DEPTH_MAX);
    }
    leave(0, OK, 1); /* one of those that were not counted */
    assert_int_equal(table()->dropped, 5);
    leave(deepest, OK, 1);
    leave(outermost, OK, 1);
    assert_false(row(table(), 0, HAND_A)->running);
}

static void long_calls_are_kept_for_a_timeline(void **state)
{
    const lpp_call_span_t *spans;
    apr_uint32_t count, i;
    apr_uint64_t start = now_ns();
    unsigned handle;

    (void)state;
    call(0, FIX_A, OK, 0);
    for (i = 0; i < LPP_CALLS_SPANS_MAX + 3; i++) {
        handle = lpp_calls_enter(calls, 0, HAND_A);
        sleep_ns(MS);
        leave(handle, OK, 1);
        if (i == 0) {
            spans = lpp_calls_spans(calls, &count);
            /* On a busy machine the short call may be a long one, too. */
            assert_in_range(count, 1, 2);
            assert_string_equal(spans[count - 1].phase, "handler");
            assert_true(spans[count - 1].start_ns >= start
                        && spans[count - 1].end_ns - spans[count - 1].start_ns
                               >= MS);
        }
    }
    lpp_calls_spans(calls, &count);
    assert_int_equal(count, LPP_CALLS_SPANS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_are_exact), TEST(an_answer_that_decided_stays),
        TEST(waiting_and_computing_are_told_apart),
        TEST(cpu_time_of_many_short_calls_is_right_in_sum),
        TEST(calls_within_calls), TEST(recursion_counts_its_time_once),
        TEST(running_calls_are_in_the_table),
        TEST(a_call_that_never_came_back_ends_with_its_caller),
        TEST(requests_stand_below_the_call_that_made_them),
        TEST(too_many_requests_of_one_function_share_a_scope),
        TEST(too_many_requests_share_the_last_scope),
        TEST(a_hook_that_follows_begins_where_the_one_before_ended),
        TEST(too_many_places_are_counted_as_dropped),
        TEST(too_deep_calls_are_counted_as_dropped),
        TEST(long_calls_are_kept_for_a_timeline)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
