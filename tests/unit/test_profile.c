/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_profile: the tree, its ceiling, copies and sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "profile/lpp_profile.h"
#include "pool_state.h"

static const lpp_weight_t one = { 1000, 400, 500, 1 };

static lpp_profile_t *make(apr_pool_t *pool, apr_uint32_t max_nodes)
{
    lpp_profile_t *profile = NULL;

    assert_int_equal(lpp_profile_create(&profile, max_nodes, pool),
                     APR_SUCCESS);
    return profile;
}

/* What all nodes hold together; parents must stand before children. */
static lpp_weight_t sum(const lpp_profile_t *profile)
{
    lpp_weight_t all = { 0, 0, 0, 0 };
    apr_uint32_t i;

    for (i = 0; i < profile->count; i++) {
        if (i > 0) {
            assert_true(profile->nodes[i].parent < i);
        }
        all.wall_ns += profile->nodes[i].self.wall_ns;
        all.cpu_ns += profile->nodes[i].self.cpu_ns;
        all.samples += profile->nodes[i].self.samples;
    }
    return all;
}

static void an_empty_profile_has_only_its_root(void **state)
{
    lpp_profile_t *profile = make(*state, 0);

    assert_int_equal(profile->count, 1);
    assert_int_equal(profile->nodes[0].parent, LPP_NODE_NONE);
    assert_int_equal(profile->nodes[0].first_child, LPP_NODE_NONE);
    assert_int_equal(profile->max_nodes, LPP_TREE_MAX_NODES);
}

static void equal_stacks_share_their_nodes(void **state)
{
    lpp_profile_t *profile = make(*state, 0);
    const lpp_pc_t stack[] = { 30, 20, 10 };
    const lpp_pc_t other[] = { 31, 20, 10 };
    apr_uint32_t leaf = lpp_profile_add(profile, stack, 3, &one);

    assert_int_equal(lpp_profile_add(profile, stack, 3, &one), leaf);
    assert_int_not_equal(lpp_profile_add(profile, other, 3, &one), leaf);
    assert_int_equal(profile->count, 5);
    assert_int_equal(profile->nodes[leaf].self.samples, 2);
    assert_int_equal(profile->nodes[leaf].self.wall_ns, 2000);
    assert_int_equal(profile->nodes[leaf].pc, 30);
    assert_int_equal(profile->nodes[profile->nodes[leaf].parent].pc, 20);
    assert_int_equal(profile->statistics.samples, 3);
    assert_int_equal(profile->total.samples, 3);
}

static void a_recursive_stack_keeps_every_level(void **state)
{
    lpp_profile_t *profile = make(*state, 0);
    const lpp_pc_t stack[] = { 7, 7, 7, 7 };

    lpp_profile_add(profile, stack, 4, &one);
    assert_int_equal(profile->count, 5);
}

static void a_stack_of_no_frames_weighs_on_the_root(void **state)
{
    lpp_profile_t *profile = make(*state, 0);

    assert_int_equal(lpp_profile_add(profile, NULL, 0, &one), 0);
    assert_int_equal(profile->nodes[0].self.wall_ns, 1000);
}

static void credit_adds_time_without_a_sample(void **state)
{
    lpp_profile_t *profile = make(*state, 0);
    const lpp_pc_t stack[] = { 1 };
    const lpp_weight_t blocked = { 5000, 0, 0, 0 };
    apr_uint32_t leaf = lpp_profile_add(profile, stack, 1, &one);

    lpp_profile_credit(profile, leaf, &blocked);
    assert_int_equal(profile->nodes[leaf].self.wall_ns, 6000);
    assert_int_equal(profile->nodes[leaf].self.samples, 1);
    assert_int_equal(profile->statistics.samples, 1);
}

/* 50,000 different nodes: the index grows with them and finds them all. */
static void many_nodes_are_found_again(void **state)
{
    lpp_profile_t *profile = make(*state, 0);
    apr_uint32_t i;

    for (i = 0; i < 100000; i++) {
        lpp_pc_t stack[2];

        stack[0] = LPP_PC_MAKE(3, (i % 50000) * 16);
        stack[1] = LPP_PC_MAKE(2, 64);
        lpp_profile_add(profile, stack, 2, &one);
    }
    assert_int_equal(profile->count, 50002);
    assert_int_equal(sum(profile).samples, 100000);
    assert_int_equal(profile->statistics.overflowed, 0);
}

static void a_full_tree_counts_and_keeps_the_totals(void **state)
{
    lpp_profile_t *profile = make(*state, 4);
    apr_uint32_t i;

    for (i = 1; i <= 10; i++) {
        lpp_pc_t stack[2];

        stack[0] = i;
        stack[1] = 1000;
        lpp_profile_add(profile, stack, 2, &one);
    }
    assert_int_equal(profile->count, 4);
    assert_int_equal(profile->statistics.overflowed, 8);
    assert_int_equal(sum(profile).samples, 10);
    assert_int_equal(sum(profile).wall_ns, 10000);
    /* the deepest node that exists took them */
    assert_int_equal(profile->nodes[1].self.samples, 8);
}

static void a_deep_stack_needs_no_recursion(void **state)
{
    lpp_profile_t *profile = make(*state, 0);
    apr_pool_t *pool = *state;
    lpp_pc_t *stack = apr_palloc(pool, 100000 * sizeof(*stack));
    apr_uint32_t i;

    for (i = 0; i < 100000; i++) {
        stack[i] = i + 1;
    }
    lpp_profile_add(profile, stack, 100000, &one);
    assert_int_equal(profile->count, 100001);
}

static void a_clone_is_equal_and_apart(void **state)
{
    lpp_profile_t *profile = make(*state, 0), *clone = NULL;
    const lpp_pc_t stack[] = { 3, 2, 1 };
    apr_uint32_t leaf = lpp_profile_add(profile, stack, 3, &one), i;

    for (i = 0; i < 1000; i++) {
        lpp_pc_t pc = 100 + i;

        lpp_profile_add(profile, &pc, 1, &one);
    }
    profile->statistics.lost = 7;
    profile->total.wall_ns = 99;
    assert_int_equal(lpp_profile_clone(profile, &clone, *state),
                     APR_SUCCESS);
    assert_int_equal(clone->count, profile->count);
    assert_int_equal(clone->statistics.lost, 7);
    assert_int_equal(clone->total.wall_ns, 99);
    /* the copy's index knows the copied nodes */
    assert_int_equal(lpp_profile_add(clone, stack, 3, &one), leaf);
    assert_int_equal(clone->count, profile->count);
    assert_int_equal(profile->nodes[leaf].self.samples, 1);
}

static void a_merge_is_the_sum(void **state)
{
    lpp_profile_t *a = make(*state, 0), *b = make(*state, 0);
    const lpp_pc_t both[] = { 2, 1 }, only_b[] = { 3, 2, 1 };

    lpp_profile_add(a, both, 2, &one);
    lpp_profile_add(b, both, 2, &one);
    lpp_profile_add(b, only_b, 3, &one);
    lpp_profile_add(b, NULL, 0, &one);
    a->total.wall_ns = 10;
    b->total.wall_ns = 20;
    b->statistics.lost = 3;
    b->statistics.unwinder = "table";
    b->statistics.asked_hz = 1000;
    lpp_profile_merge(a, b);
    assert_int_equal(a->count, 4);
    assert_int_equal(sum(a).samples, 4);
    assert_int_equal(a->total.samples, 4);
    assert_int_equal(a->statistics.samples, 4);
    assert_int_equal(a->total.wall_ns, 30);
    assert_int_equal(a->statistics.lost, 3);
    assert_string_equal(a->statistics.unwinder, "table");
    assert_int_equal(a->statistics.asked_hz, 1000);
}

static void a_merge_into_a_full_tree_keeps_the_totals(void **state)
{
    lpp_profile_t *a = make(*state, 2), *b = make(*state, 0);
    const lpp_pc_t first[] = { 1 }, deep[] = { 9, 8, 1 };

    lpp_profile_add(a, first, 1, &one);
    lpp_profile_add(b, deep, 3, &one);
    lpp_profile_merge(a, b);
    assert_int_equal(a->count, 2);
    assert_int_equal(sum(a).samples, 2);
    assert_int_equal(a->nodes[1].self.samples, 2);
    assert_int_equal(a->statistics.overflowed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_profile_has_only_its_root),
        cmocka_unit_test(equal_stacks_share_their_nodes),
        cmocka_unit_test(a_recursive_stack_keeps_every_level),
        cmocka_unit_test(a_stack_of_no_frames_weighs_on_the_root),
        cmocka_unit_test(credit_adds_time_without_a_sample),
        cmocka_unit_test(many_nodes_are_found_again),
        cmocka_unit_test(a_full_tree_counts_and_keeps_the_totals),
        cmocka_unit_test(a_deep_stack_needs_no_recursion),
        cmocka_unit_test(a_clone_is_equal_and_apart),
        cmocka_unit_test(a_merge_is_the_sum),
        cmocka_unit_test(a_merge_into_a_full_tree_keeps_the_totals),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
