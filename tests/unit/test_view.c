/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_view: sums, rounding, recursion, orders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake_symbols.h"
#include "names/lpp_view.h"
#include "view_named.h"

enum { A, B, C, D };
static const char *const letters[] = { "a", "b", "c", "d", "a" };
#define PC(function) FAKE_PC(1, function, 0)

static const lpp_view_about_t about = { "OOPS-1", "P:x", "/x", "h", "GET", 0,
    1, 2, 0 };

typedef struct fixture_t {
    apr_pool_t *pool;
    lpp_profile_t *profile;
} fixture_t;

static int setup(void **state)
{
    fixture_t *fixture = calloc(1, sizeof(*fixture));

    apr_initialize();
    apr_pool_create(&fixture->pool, NULL);
    fake_names = letters;
    *state = fixture;
    return lpp_profile_create(&fixture->profile, 0, fixture->pool)
        != APR_SUCCESS;
}

static int teardown(void **state)
{
    fixture_t *fixture = *state;

    apr_pool_destroy(fixture->pool);
    free(fixture);
    apr_terminate();
    return 0;
}

static void add(fixture_t *fixture, const lpp_pc_t *stack, unsigned count,
                apr_uint64_t wall_ns, apr_uint64_t cpu_ns)
{
    lpp_weight_t weight;

    weight.wall_ns = wall_ns;
    weight.cpu_ns = cpu_ns;
    weight.ready_ns = 0;
    weight.samples = 1;
    lpp_profile_add(fixture->profile, stack, count, &weight);
}

/* Make it, and check what must hold of every view. */
static const lpp_view_t *view_of(fixture_t *fixture)
{
    const lpp_view_t *view = NULL;
    lpp_cost_t branches = { 0, 0, 0, 0 }, functions = { 0, 0, 0, 0 };
    apr_uint32_t i;

    assert_int_equal(lpp_view_create(&view, fixture->profile, NULL, NULL,
                                     &about, fixture->pool), APR_SUCCESS);
    assert_string_equal(view->functions[0].symbol.name, LPP_VIEW_ROOT_NAME);
    assert_string_equal(view->functions[1].symbol.name, LPP_VIEW_REST_NAME);
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];

        assert_true(i == 0 || branch->parent < i);
        assert_true(branch->self.cpu_us <= branch->self.wall_us);
        assert_true(branch->total.cpu_us <= branch->total.wall_us);
        assert_true(branch->next_sibling == LPP_NODE_NONE
                    || view->branches[branch->next_sibling].total.wall_us
                    <= branch->total.wall_us);
        branches.wall_us += branch->self.wall_us;
        branches.cpu_us += branch->self.cpu_us;
        branches.samples += branch->self.samples;
    }
    for (i = 0; i < view->function_count; i++) {
        const lpp_function_t *function = &view->functions[i];

        assert_true(function->total.wall_us <= view->total.wall_us);
        assert_true(function->self.wall_us <= function->total.wall_us);
        functions.wall_us += function->self.wall_us;
        functions.cpu_us += function->self.cpu_us;
        functions.samples += function->self.samples;
    }
    for (i = 0; i < view->edge_count; i++) {
        assert_true(view->edges[i].total.wall_us <= view->total.wall_us);
        assert_true(i == 0
                    || view->edges[i - 1].caller < view->edges[i].caller
                    || (view->edges[i - 1].caller == view->edges[i].caller
                        && view->edges[i - 1].callee
                        < view->edges[i].callee));
    }
    assert_memory_equal(&branches, &view->total, sizeof(branches));
    assert_memory_equal(&functions, &view->total, sizeof(functions));
    assert_memory_equal(&view->branches[0].total, &view->total,
                        sizeof(view->total));
    assert_memory_equal(&view->functions[0].total, &view->total,
                        sizeof(view->total));
    return view;
}

static const lpp_edge_t *edge(const lpp_view_t *view, const char *caller,
                              const char *callee)
{
    apr_uint32_t i;

    for (i = 0; i < view->edge_count; i++) {
        const lpp_edge_t *at = &view->edges[i];

        if (strcmp(view->functions[at->caller].symbol.name, caller) == 0
            && strcmp(view->functions[at->callee].symbol.name, callee) == 0) {
            return at;
        }
    }
    return NULL;
}

static void an_empty_profile_is_all_rest(void **state)
{
    fixture_t *fixture = *state;
    const lpp_view_t *view;

    fixture->profile->total.wall_ns = 1234567;
    fixture->profile->total.cpu_ns = 1000999;
    view = view_of(fixture);
    assert_int_equal(view->total.wall_us, 1234);
    assert_int_equal(view->total.cpu_us, 1000);
    assert_int_equal(view->functions[1].self.wall_us, 1234);
    assert_int_equal(view->total.samples, 0);
    assert_int_equal(view->named_percent, 0);
    assert_true(view->true_hz == 0.0);
}

static void what_rounding_takes_goes_to_the_rest(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t one[] = { PC(A) }, two[] = { PC(B) };
    const lpp_view_t *view;

    add(fixture, one, 1, 1999, 999);
    add(fixture, two, 1, 2999, 1999);
    fixture->profile->total.wall_ns = 10000;
    fixture->profile->total.cpu_ns = 5000;
    view = view_of(fixture);
    assert_int_equal(named(view, "a")->self.wall_us, 1);
    assert_int_equal(named(view, "b")->self.wall_us, 2);
    assert_int_equal(view->functions[1].self.wall_us, 7);
    assert_int_equal(view->functions[1].self.cpu_us, 4);
}

/* Two clocks: more CPU than wall, and samples that saw more than the total. */
static void clocks_that_disagree_keep_the_sums(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t one[] = { PC(A) };
    const lpp_view_t *view;

    add(fixture, one, 1, 5000, 9000);
    fixture->profile->total.wall_ns = 4000;
    fixture->profile->total.cpu_ns = 9000;
    view = view_of(fixture);
    assert_int_equal(view->total.wall_us, 5);
    assert_int_equal(view->total.cpu_us, 5);
}

static void recursion_counts_once_a_sample(void **state)
{
    fixture_t *fixture = *state;
    /* No call returns to a function's very start. */
    const lpp_pc_t deep[] = { PC(A), FAKE_PC(1, A, 5), FAKE_PC(1, A, 5),
                              FAKE_PC(1, A, 5) };
    const lpp_view_t *view;

    add(fixture, deep, 4, 8000, 8000);
    add(fixture, deep, 2, 2000, 2000);
    fixture->profile->total.wall_ns = 10000;
    fixture->profile->total.cpu_ns = 10000;
    view = view_of(fixture);
    assert_int_equal(named(view, "a")->total.wall_us, 10);
    assert_int_equal(named(view, "a")->total.samples, 2);
    assert_int_equal(edge(view, "a", "a")->total.wall_us, 10);
    assert_int_equal(edge(view, "a", "a")->total.samples, 2);
    assert_int_equal(edge(view, LPP_VIEW_ROOT_NAME, "a")->total.samples, 2);
    assert_int_equal(view->branch_count, 6);
}

static void mutual_recursion_counts_once_an_edge(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t stack[] = { PC(B), PC(A), PC(B), PC(A) };
    const lpp_view_t *view;

    add(fixture, stack, 4, 4000, 0);
    fixture->profile->total.wall_ns = 4000;
    view = view_of(fixture);
    assert_int_equal(named(view, "a")->total.wall_us, 4);
    assert_int_equal(named(view, "b")->total.wall_us, 4);
    assert_int_equal(edge(view, "a", "b")->total.samples, 1);
    assert_int_equal(edge(view, "b", "a")->total.samples, 1);
    assert_null(edge(view, "b", "b"));
}

/* The same function from two places of its caller is one branch. */
static void places_in_one_function_are_one_branch(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t here[] = { PC(B), FAKE_PC(1, A, 5) };
    const lpp_pc_t there[] = { FAKE_PC(1, B, 9), FAKE_PC(1, A, 77) };
    const lpp_view_t *view;

    add(fixture, here, 2, 1000, 0);
    add(fixture, there, 2, 1000, 0);
    fixture->profile->total.wall_ns = 2000;
    view = view_of(fixture);
    assert_int_equal(view->function_count, 4);
    assert_int_equal(view->branch_count, 4);
    assert_int_equal(named(view, "b")->self.samples, 2);
    assert_int_equal(view->branch_pcs[2], FAKE_PC(1, A, 5));
}

static void namesakes_are_told_apart(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t one[] = { PC(0) }, two[] = { PC(4) },
        other[] = { FAKE_PC(2, 0, 0) };
    const lpp_view_t *view;

    add(fixture, one, 1, 1000, 0);
    add(fixture, two, 1, 1000, 0);
    add(fixture, other, 1, 1000, 0);
    view = view_of(fixture);
    assert_int_equal(named(view, "a (0x1000)")->self.samples, 1);
    assert_int_equal(named(view, "a (0x1400)")->self.samples, 1);
    /* an other object's needs no address */
    assert_int_equal(named(view, "a")->self.samples, 1);
}

static void the_heaviest_come_first(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t light[] = { PC(A) }, heavy[] = { PC(B), PC(C) };
    apr_uint32_t top[3];
    const lpp_view_t *view;

    add(fixture, light, 1, 1000, 0);
    add(fixture, light, 1, 1000, 0);
    add(fixture, heavy, 2, 5000, 0);
    fixture->profile->total.wall_ns = 7000;
    view = view_of(fixture);
    assert_int_equal(lpp_view_top(view, LPP_VIEW_BY_SELF, top, 3,
                                  fixture->pool), 2);
    assert_string_equal(view->functions[top[0]].symbol.name, "b");
    assert_string_equal(view->functions[top[1]].symbol.name, "a");
    assert_int_equal(lpp_view_top(view, LPP_VIEW_BY_TOTAL, top, 2,
                                  fixture->pool), 2);
    assert_string_equal(view->functions[top[0]].symbol.name, "c");
    assert_int_equal(lpp_view_top(view, LPP_VIEW_BY_CALLS, top, 1,
                                  fixture->pool), 1);
    assert_string_equal(view->functions[top[0]].symbol.name, "a");
}

static void unnamed_frames_lower_the_share(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t stack[] = { FAKE_PC(0, A, 0), PC(B), PC(C), PC(D) };
    const lpp_view_t *view;

    add(fixture, stack, 4, 1000, 0);
    fixture->profile->statistics.blocked_ns = 500000;
    fixture->profile->total.wall_ns = 3000;
    view = view_of(fixture);
    assert_int_equal(view->named_percent, 75);
}

/* 1000 samples a second while it ran, none while it was blocked. */
static void the_true_rate_leaves_blocked_time_out(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t stack[] = { PC(A) };
    const lpp_weight_t blocked = { 9000000, 0, 0, 0 };
    const lpp_view_t *view;

    add(fixture, stack, 1, 1000000, 0);
    lpp_profile_credit(fixture->profile, 1, &blocked);
    fixture->profile->statistics.blocked_ns = 9000000;
    fixture->profile->total.wall_ns = 20000000;
    view = view_of(fixture);
    assert_true(view->true_hz > 999.9 && view->true_hz < 1000.1);
}

/* The rate is that of samples that were asked for. */
static void the_true_rate_leaves_the_kernel_s_samples_out(void **state)
{
    fixture_t *fixture = *state;
    const lpp_pc_t stack[] = { PC(A) };
    const lpp_weight_t blocked = { 9000000, 0, 0, 5 };
    const lpp_view_t *view;

    add(fixture, stack, 1, 1000000, 0);
    lpp_profile_credit(fixture->profile, 1, &blocked);
    fixture->profile->statistics.blocked_ns = 9000000;
    fixture->profile->statistics.kernel_events = 1;
    fixture->profile->statistics.signals = 1;
    fixture->profile->total.wall_ns = 20000000;
    view = view_of(fixture);
    assert_true(view->true_hz > 999.9 && view->true_hz < 1000.1);
}

static void a_deep_tree_needs_no_recursion(void **state)
{
    fixture_t *fixture = *state;
    lpp_pc_t *stack = malloc(100000 * sizeof(*stack));
    apr_uint32_t i;

    for (i = 0; i < 100000; i++) {
        stack[i] = PC(i % 4);
    }
    add(fixture, stack, 100000, 1000, 0);
    fixture->profile->total.wall_ns = 1000;
    assert_int_equal(view_of(fixture)->branch_count, 100002);
    free(stack);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_profile_is_all_rest),
        TEST(what_rounding_takes_goes_to_the_rest),
        TEST(clocks_that_disagree_keep_the_sums),
        TEST(recursion_counts_once_a_sample),
        TEST(mutual_recursion_counts_once_an_edge),
        TEST(places_in_one_function_are_one_branch),
        TEST(namesakes_are_told_apart),
        TEST(the_heaviest_come_first),
        TEST(unnamed_frames_lower_the_share),
        TEST(the_true_rate_leaves_blocked_time_out),
        TEST(the_true_rate_leaves_the_kernel_s_samples_out),
        TEST(a_deep_tree_needs_no_recursion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
