/* SPDX-License-Identifier: Apache-2.0 */
/* Regions nest, repeat, stay open, and never grow past their ceilings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "profile/lpp_regions.h"

static apr_pool_t *pool;

static int open_pool(void **state)
{
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int close_pool(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static void nested_regions_are_one_profile(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);
    const lpp_region_sum_t *sums;
    apr_uint32_t count;
    lpp_region_t region;

    assert_int_equal(lpp_regions_enter(regions, "outer", 1, 100), 1);
    assert_int_equal(lpp_regions_enter(regions, "inner", 1, 110), 0);
    assert_int_equal(lpp_regions_depth(regions), 2);
    assert_int_equal(lpp_regions_inside_us(regions, 120), 20);
    assert_int_equal(lpp_regions_leave(regions, 130), 0);
    assert_int_equal(lpp_regions_leave(regions, 200), 1);
    assert_int_equal(lpp_regions_inside_us(regions, 999), 100);
    assert_int_equal(lpp_regions_profiles(regions), 1);
    assert_int_equal(lpp_regions_enter(regions, "outer", 1, 300), 1);
    assert_int_equal(lpp_regions_leave(regions, 350), 1);
    assert_int_equal(lpp_regions_profiles(regions), 2);
    assert_int_equal(lpp_regions_inside_us(regions, 999), 150);
    sums = lpp_regions_sums(regions, &count);
    assert_int_equal(count, 2);
    assert_string_equal(sums[0].name, "outer");
    assert_int_equal(sums[0].count, 2);
    assert_int_equal(sums[0].wall_us, 150);
    assert_int_equal(sums[1].wall_us, 20);
    assert_int_equal(lpp_regions_count(regions), 3);
    region = lpp_regions_get(regions, 1, 999);
    assert_string_equal(region.name, "inner");
    assert_int_equal(region.start_us, 110);
    assert_int_equal(region.end_us, 130);
}

static void timed_regions_make_no_profile(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);

    assert_int_equal(lpp_regions_enter(regions, "timed", 0, 10), 0);
    assert_int_equal(lpp_regions_enter(regions, "profiled", 1, 20), 1);
    assert_int_equal(lpp_regions_leave(regions, 50), 1);
    assert_int_equal(lpp_regions_leave(regions, 60), 0);
    assert_int_equal(lpp_regions_profiles(regions), 1);
    assert_int_equal(lpp_regions_inside_us(regions, 99), 30);
}

static void a_name_within_itself_is_not_added_twice(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);
    const lpp_region_sum_t *sums;
    apr_uint32_t count;

    (void)lpp_regions_enter(regions, "f", 1, 0);
    (void)lpp_regions_enter(regions, "f", 1, 10);
    assert_int_equal(lpp_regions_sum_us(regions, 0, 15), 15);
    (void)lpp_regions_leave(regions, 20);
    assert_int_equal(lpp_regions_sum_us(regions, 0, 25), 25);
    (void)lpp_regions_leave(regions, 30);
    assert_int_equal(lpp_regions_sum_us(regions, 0, 99), 30);
    sums = lpp_regions_sums(regions, &count);
    assert_int_equal(sums[0].count, 2);
    assert_int_equal(sums[0].wall_us, 30);
}

static void what_was_never_stopped_ends_with_the_request(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);

    (void)lpp_regions_enter(regions, "a", 1, 100);
    (void)lpp_regions_enter(regions, "b", 0, 150);
    assert_int_equal(lpp_regions_get(regions, 0, 170).end_us, 170);
    lpp_regions_leave_all(regions, 200);
    assert_int_equal(lpp_regions_depth(regions), 0);
    assert_int_equal(lpp_regions_get(regions, 0, 999).end_us, 200);
    assert_int_equal(lpp_regions_inside_us(regions, 999), 100);
    assert_int_equal(lpp_regions_leave(regions, 300), 0); /* one too many */
    assert_int_equal(lpp_regions_inside_us(regions, 999), 100);
}

static void nothing_is_inside_after_a_freeze(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);

    (void)lpp_regions_enter(regions, "a", 1, 100);
    lpp_regions_freeze(regions, 140);
    assert_int_equal(lpp_regions_inside_us(regions, 200), 40);
    assert_int_equal(lpp_regions_leave(regions, 300), 1);
    assert_int_equal(lpp_regions_enter(regions, "b", 1, 400), 1);
    assert_int_equal(lpp_regions_leave(regions, 500), 1);
    assert_int_equal(lpp_regions_inside_us(regions, 999), 40);
    assert_int_equal(lpp_regions_count(regions), 2);
}

static void depth_past_the_ceiling_still_pairs(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);
    apr_uint32_t count;
    int i;

    for (i = 0; i < LPP_REGIONS_DEPTH_MAX + 10; i++) {
        assert_int_equal(lpp_regions_enter(regions, "deep", 1, 1000 + i),
                         i == 0);
    }
    assert_int_equal(lpp_regions_dropped(regions), 10);
    assert_int_equal(lpp_regions_sums(regions, &count)[0].count,
                     LPP_REGIONS_DEPTH_MAX + 10);
    for (i = LPP_REGIONS_DEPTH_MAX + 10; i > 0; i--) {
        assert_int_equal(lpp_regions_leave(regions, 2000), i == 1);
    }
    assert_int_equal(lpp_regions_inside_us(regions, 3000), 1000);
}

static void names_and_entries_are_bounded(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);
    const lpp_region_sum_t *sums;
    apr_uint32_t count;
    int i;

    for (i = 0; i < LPP_TIMELINE_MAX + 5; i++) {
        (void)lpp_regions_enter(regions, apr_psprintf(pool, "n%d", i % 400),
                                1, i + 1);
        (void)lpp_regions_leave(regions, i + 2);
    }
    sums = lpp_regions_sums(regions, &count);
    assert_int_equal(count, LPP_REGIONS_NAMES_MAX);
    assert_string_equal(sums[count - 1].name, "(further names)");
    assert_int_equal(lpp_regions_count(regions), LPP_TIMELINE_MAX);
    assert_int_equal(lpp_regions_dropped(regions), 5);
    assert_int_equal(lpp_regions_inside_us(regions, 0), LPP_TIMELINE_MAX + 5);
}

static void names_are_one_line_and_cut_between_characters(void **state)
{
    lpp_regions_t *regions = lpp_regions_create(pool);
    char text[LPP_REGIONS_NAME_BYTES + 3];
    const lpp_region_sum_t *sums;
    apr_uint32_t count;

    (void)lpp_regions_enter(regions, "a\nb\x01" "c", 1, 0);
    (void)lpp_regions_enter(regions, NULL, 1, 0);
    memset(text, 'x', sizeof(text));
    memcpy(text + LPP_REGIONS_NAME_BYTES - 1, "\xc3\xa4", 3);
    (void)lpp_regions_enter(regions, text, 1, 0);
    sums = lpp_regions_sums(regions, &count);
    assert_string_equal(sums[0].name, "a b c");
    assert_string_equal(sums[1].name, "region");
    assert_int_equal(strlen(sums[2].name), LPP_REGIONS_NAME_BYTES - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_regions_are_one_profile),
        cmocka_unit_test(timed_regions_make_no_profile),
        cmocka_unit_test(a_name_within_itself_is_not_added_twice),
        cmocka_unit_test(what_was_never_stopped_ends_with_the_request),
        cmocka_unit_test(nothing_is_inside_after_a_freeze),
        cmocka_unit_test(depth_past_the_ceiling_still_pairs),
        cmocka_unit_test(names_and_entries_are_bounded),
        cmocka_unit_test(names_are_one_line_and_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
