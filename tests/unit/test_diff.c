/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_diff: two views as one: nothing is lost, nothing is counted twice, and
 * what only one of them has is there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "fake_symbols.h"
#include "saved/lpp_diff.h"

static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
static apr_pool_t *pool;

static int set_up(void **state)
{
    (void)state;
    fake_names = names;
    return apr_pool_create(&pool, NULL) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

static lpp_profile_t *begin(apr_uint64_t wall_us)
{
    lpp_profile_t *profile;

    assert_int_equal(lpp_profile_create(&profile, 0, pool), APR_SUCCESS);
    profile->total.wall_ns = wall_us * 1000;
    profile->total.cpu_ns = wall_us * 500;
    return profile;
}

static void add(lpp_profile_t *profile, const lpp_pc_t *stack, unsigned depth,
                apr_uint64_t wall_us)
{
    lpp_weight_t weight = {wall_us * 1000, wall_us * 500, 0, 1};

    lpp_profile_add(profile, stack, depth, &weight);
}

static const lpp_view_t *view_of(const lpp_profile_t *profile)
{
    static const lpp_view_about_t about = {"id", "page", "/", "h", "GET", 0,
                                           1, 2, 0};
    const lpp_view_t *view;

    assert_int_equal(lpp_view_create(&view, profile, NULL, NULL, &about,
                                     pool), APR_SUCCESS);
    return view;
}

static const lpp_diff_t *diff_of(const lpp_view_t *before,
                                 const lpp_view_t *after)
{
    const lpp_diff_t *diff;

    assert_int_equal(lpp_diff_create(&diff, before, after, pool),
                     APR_SUCCESS);
    return diff;
}

static const lpp_diff_function_t *named(const lpp_diff_t *diff,
                                        const char *name)
{
    apr_uint32_t i;

    for (i = 0; i < diff->function_count; i++) {
        if (!strcmp(diff->functions[i].symbol->name, name)) {
            return &diff->functions[i];
        }
    }
    fail_msg("no function %s", name);
    return NULL;
}

/* Sums over branches are the totals of both views, widths hold both. */
static void assert_complete(const lpp_diff_t *diff)
{
    apr_uint64_t sums[2] = {0, 0}, width = 0;
    apr_uint32_t i;

    for (i = 0; i < diff->branch_count; i++) {
        const lpp_diff_branch_t *branch = &diff->branches[i];

        sums[0] += branch->self[0].wall_us;
        sums[1] += branch->self[1].wall_us;
        width += branch->self[0].wall_us > branch->self[1].wall_us
            ? branch->self[0].wall_us : branch->self[1].wall_us;
        assert_true(branch->width_us >= branch->total[0].wall_us);
        assert_true(branch->width_us >= branch->total[1].wall_us);
        if (i) {
            assert_true(branch->parent < i);
            assert_int_equal(branch->depth,
                             diff->branches[branch->parent].depth + 1);
        }
    }
    for (i = 0; i < 2; i++) {
        assert_int_equal(sums[i], diff->views[i]->total.wall_us);
        assert_int_equal(diff->branches[0].total[i].wall_us, sums[i]);
    }
    assert_int_equal(diff->branches[0].width_us, width);
}

static void what_changed_is_told_by_function(void **state)
{
    const lpp_pc_t both[] = {FAKE_PC(1, 1, 3), FAKE_PC(1, 0, 0)};
    const lpp_pc_t moved[] = {FAKE_PC(1, 1, 9), FAKE_PC(1, 0, 8)};
    const lpp_pc_t gone[] = {FAKE_PC(1, 2, 0), FAKE_PC(1, 0, 0)};
    const lpp_pc_t added[] = {FAKE_PC(2, 3, 0), FAKE_PC(1, 0, 0)};
    lpp_profile_t *before = begin(1000), *after = begin(2000);
    const lpp_diff_t *diff;
    apr_uint32_t top[8];

    (void)state;
    add(before, both, 2, 400);
    add(before, gone, 2, 500);
    add(after, moved, 2, 900); /* other places in the same functions */
    add(after, added, 2, 700);
    diff = diff_of(view_of(before), view_of(after));
    assert_complete(diff);
    assert_int_equal(lpp_diff_self_us(named(diff, "b")), 500);
    assert_int_equal(lpp_diff_self_us(named(diff, "c")), -500);
    assert_int_equal(lpp_diff_self_us(named(diff, "d")), 700);
    assert_true(named(diff, "c")->seen[0] && !named(diff, "c")->seen[1]);
    assert_true(!named(diff, "d")->seen[0] && named(diff, "d")->seen[1]);
    assert_int_equal(named(diff, "a")->total[0].wall_us, 900);
    assert_int_equal(named(diff, "a")->total[1].wall_us, 1600);
    assert_int_equal(lpp_diff_top(diff, 1, top, 8, pool), 3); /* rest, too */
    assert_string_equal(diff->functions[top[0]].symbol->name, "d");
    assert_string_equal(diff->functions[top[1]].symbol->name, "b");
    assert_int_equal(lpp_diff_top(diff, -1, top, 8, pool), 1);
    assert_string_equal(diff->functions[top[0]].symbol->name, "c");
}

static void namesakes_of_other_objects_stay_apart(void **state)
{
    const lpp_pc_t one[] = {FAKE_PC(1, 1, 0)}, two[] = {FAKE_PC(2, 1, 0)};
    lpp_profile_t *before = begin(100), *after = begin(100);
    const lpp_diff_t *diff;

    (void)state;
    add(before, one, 1, 100);
    add(after, two, 1, 100);
    diff = diff_of(view_of(before), view_of(after));
    assert_complete(diff);
    assert_int_equal(diff->function_count, 4);
    assert_int_equal(diff->branches[0].width_us, 200);
}

/* The same script, edited above its functions between the two profiles. */
static void page_functions_are_paired_wherever_they_begin(void **state)
{
    static const lpp_page_function_t pages[] = {
        {LPP_LANGUAGE_NONE, 0, LPP_PAGE_MORE_NAME, "", 0},
        {LPP_LANGUAGE_PHP, 0, "render", "/srv/a.php", 10},
        {LPP_LANGUAGE_PHP, 0, "{closure}", "/srv/a.php", 20},
        {LPP_LANGUAGE_PHP, 0, "{closure}", "/srv/a.php", 30},
        {LPP_LANGUAGE_PHP, 0, "render", "/srv/a.php", 14},
        {LPP_LANGUAGE_PHP, 0, "{closure}", "/srv/a.php", 24},
        {LPP_LANGUAGE_PHP, 0, "{closure}", "/srv/a.php", 34},
        {LPP_LANGUAGE_PHP, 0, "render", "/srv/b.php", 10},
    };
    const lpp_pc_t old_first[] = {LPP_PAGE_PC(2, 21), LPP_PAGE_PC(1, 11)};
    const lpp_pc_t old_second[] = {LPP_PAGE_PC(3, 31), LPP_PAGE_PC(1, 12)};
    const lpp_pc_t new_first[] = {LPP_PAGE_PC(5, 25), LPP_PAGE_PC(4, 15)};
    const lpp_pc_t new_second[] = {LPP_PAGE_PC(6, 35), LPP_PAGE_PC(4, 16)};
    const lpp_pc_t other[] = {LPP_PAGE_PC(7, 10)};
    lpp_profile_t *before = begin(1000), *after = begin(2000);
    const lpp_diff_t *diff;

    (void)state;
    fake_pages = pages;
    /* whichever was seen first */
    add(before, old_second, 2, 300);
    add(before, old_first, 2, 100);
    add(after, new_first, 2, 150);
    add(after, new_second, 2, 900);
    add(after, other, 1, 50);
    diff = diff_of(view_of(before), view_of(after));
    assert_complete(diff);
    /* root, rest, render, two closures, the other script's render */
    assert_int_equal(diff->function_count, 6);
    assert_int_equal(lpp_diff_self_us(named(diff, "{closure}:20")), 50);
    assert_int_equal(lpp_diff_self_us(named(diff, "{closure}:30")), 600);
    assert_int_equal(named(diff, "render")->total[0].wall_us, 400);
    assert_int_equal(named(diff, "render")->total[1].wall_us, 1050);
}

static void a_view_against_itself_is_the_same(void **state)
{
    lpp_profile_t *profile = begin(1000000);
    unsigned seed = 1, i, j;
    const lpp_diff_t *diff;
    const lpp_view_t *view;
    apr_uint32_t top[1];

    (void)state;
    for (i = 0; i < 500; i++) {
        unsigned depth = 1 + (unsigned)rand_r(&seed) % 30;
        lpp_pc_t stack[30];

        for (j = 0; j < depth; j++) {
            stack[j] = FAKE_PC(1 + (unsigned)rand_r(&seed) % 3,
                               (unsigned)rand_r(&seed) % 8, 0);
        }
        add(profile, stack, depth, 1000);
    }
    view = view_of(profile);
    diff = diff_of(view, view);
    assert_complete(diff);
    assert_int_equal(diff->branch_count, view->branch_count);
    assert_int_equal(diff->function_count, view->function_count);
    assert_int_equal(diff->branches[0].width_us, view->total.wall_us);
    assert_int_equal(lpp_diff_top(diff, 1, top, 1, pool), 0);
    assert_int_equal(lpp_diff_top(diff, -1, top, 1, pool), 0);
}

static void nothing_against_something(void **state)
{
    const lpp_pc_t stack[] = {FAKE_PC(1, 1, 0)};
    lpp_profile_t *after = begin(100);

    (void)state;
    add(after, stack, 1, 90);
    assert_complete(diff_of(view_of(begin(0)), view_of(after)));
    assert_complete(diff_of(view_of(after), view_of(begin(0))));
    assert_complete(diff_of(view_of(begin(0)), view_of(begin(0))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_changed_is_told_by_function,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(namesakes_of_other_objects_stay_apart,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            page_functions_are_paired_wherever_they_begin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_view_against_itself_is_the_same,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_against_something, set_up,
                                        tear_down),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
