/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_retention_failures: OOPSes of real failures have bounds of their own;
 * what a pass opens, and how it goes on where there is more than it may look
 * at; files that a clock which was set left in the future.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "retention_files.h"

static unsigned opened; /* files */

apr_status_t __real_lpp_store_open_file(lpp_store_t *, const char *,
                                        const char *, apr_file_t **,
                                        apr_pool_t *);
apr_status_t __wrap_lpp_store_open_file(lpp_store_t *, const char *,
                                        const char *, apr_file_t **,
                                        apr_pool_t *);

apr_status_t __wrap_lpp_store_open_file(lpp_store_t *store, const char *part,
                                        const char *name, apr_file_t **file,
                                        apr_pool_t *pool)
{
    opened++;
    return __real_lpp_store_open_file(store, part, name, file, pool);
}

static void put_failure(fixture_t *f, int number, long age_s)
{
    put_oops(f, number, age_s, 0, number % 2, LPP_NAME);
}

static int oops_there(fixture_t *f, int number, long age_s)
{
    return there(f, oops_of(f, number, age_s));
}

static void the_newest_failures_stay(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 8; i++) {
        put_failure(f, i, 1000 - 10 * i);
        put_profile(f, 100 + i, 10, 900 - 10 * i);
    }
    use_rule4(f, "count=2", NULL, NULL, "failures=3");
    pass(f);
    for (i = 0; i < 8; i++) {
        assert_int_equal(oops_there(f, i, 1000 - 10 * i), i >= 5);
        assert_int_equal(parts_there(f, 100 + i, 900 - 10 * i),
                         i >= 6 ? 3 : 0);
    }
    assert_int_equal(f->result.profiles, 2);
}

/* A profile of a failure has its OOPS as long as it stays; of the others the
 * newest failures have theirs alone. */
static void failures_with_profiles_count_too(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 9; i++) {
        put_failure(f, i, 1000 - 10 * i);
        put(f, file_of(f, i, LPP_FORMAT_PSTATS), 10, 1000 - 10 * i);
    }
    use_rule4(f, "count=4", NULL, NULL, "failures=6");
    pass(f);
    for (i = 0; i < 9; i++) {
        assert_int_equal(oops_there(f, i, 1000 - 10 * i), i >= 3);
        assert_int_equal(there(f, file_of(f, i, LPP_FORMAT_PSTATS)), i >= 5);
    }
    use_rule4(f, "count=4", NULL, NULL, "failures=1");
    pass(f);
    for (i = 0; i < 9; i++) {
        assert_int_equal(oops_there(f, i, 1000 - 10 * i), i >= 5);
    }
}

static void failures_have_a_size_of_their_own(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 6; i++) {
        long age_s = 1000 - 10 * i;
        const char *path = in(f, oops_of(f, 2 * i, age_s));

        put_failure(f, 2 * i, age_s); /* even: rfc822, which may be cut */
        assert_int_equal(truncate(path, 5 << 20), 0);
        set_age(path, age_s);
    }
    use_rule(f, NULL, NULL, NULL);
    pass(f);
    for (i = 0; i < 6; i++) { /* three are 15 MB */
        assert_int_equal(oops_there(f, 2 * i, 1000 - 10 * i), i >= 3);
    }
}

static void young_failures_stay_until_the_next_pass(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 4; i++) {
        put_failure(f, i, YOUNG);
    }
    use_rule4(f, NULL, NULL, NULL, "failures=1");
    pass(f);
    for (i = 0; i < 4; i++) {
        assert_true(oops_there(f, i, YOUNG));
        set_age(in(f, oops_of(f, i, YOUNG)), 40 - i);
    }
    assert_true(f->result.again_us > 0);
    pass(f);
    for (i = 0; i < 4; i++) {
        assert_int_equal(oops_there(f, i, YOUNG), i == 3);
    }
}

static void no_oops_is_opened_to_see_its_age(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 60; i++) {
        put_failure(f, i, 100 + i);
        put_profile(f, 100 + i, 10, 100 + i);
    }
    put_failure(f, 70, 9 * DAY);
    put_oops(f, 71, 9 * DAY, 0, 0, "launchpad");
    put_profile(f, 72, 10, 9 * DAY);
    use_rule(f, NULL, NULL, NULL);
    opened = 0;
    pass(f);
    assert_int_equal(opened, 3); /* what goes must be this module's */
    assert_false(oops_there(f, 70, 9 * DAY));
    assert_true(oops_there(f, 71, 9 * DAY));
    assert_int_equal(parts_there(f, 72, 9 * DAY), 0);
    assert_true(oops_there(f, 0, 100));
    pass(f);
    assert_int_equal(opened, 3);
}

static void an_oops_is_opened_once(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 50; i++) {
        put_failure(f, i, 100 + i);
    }
    use_rule4(f, NULL, NULL, NULL, "failures=40");
    opened = 0;
    pass(f);
    assert_int_equal(opened, 50);
    assert_int_equal(f->result.removed_files, 10);
    put_failure(f, 50, 50);
    pass(f);
    assert_int_equal(opened, 51);
    assert_int_equal(f->result.removed_files, 1);
    /* another file under the same name is another one */
    unlink(in(f, oops_of(f, 0, 100)));
    put_oops(f, 0, 100, 0, 0, "launchpad");
    put_failure(f, 51, 49);
    put_failure(f, 52, 48);
    pass(f);
    assert_int_equal(opened, 54);
    assert_int_equal(f->result.removed_files, 1);
    assert_true(oops_there(f, 0, 100));
}

/* So many OOPSes of somebody else's, in no time: names of one file. */
static void put_foreign(fixture_t *f, int count, long age_s)
{
    const char *part = in(f, apr_pstrcat(f->pool, "oops/", date_of(f, age_s),
                                         NULL));
    const char *first = in(f, oops_of(f, 1000, age_s));
    char path[200];
    int i;

    mkdir(part, 0700);
    put(f, oops_of(f, 1000, age_s), 5, age_s);
    for (i = 1; i < count; i++) {
        apr_snprintf(path, sizeof(path), "%s/OOPS-%032x", part, 1000 + i);
        assert_int_equal(link(first, path), 0);
    }
}

static void many_fresh_oopses_do_not_stop_it(void **state)
{
    fixture_t *f = *state;
    int passes = 1;

    put_foreign(f, 20500, 100);
    put_profile(f, 1, 10, 9 * DAY);
    put_profile(f, 2, 10, 300);
    put_profile(f, 3, 10, 200);
    put_failure(f, 4, 9 * DAY);
    put_failure(f, 5, 400);
    put_failure(f, 6, 50);
    use_rule4(f, "count=1", NULL, NULL, "failures=1");
    pass(f);
    assert_int_equal(parts_there(f, 1, 9 * DAY), 0);
    assert_int_equal(parts_there(f, 2, 300), 0);
    assert_int_equal(parts_there(f, 3, 200), 3);
    assert_false(oops_there(f, 4, 9 * DAY));
    for (; f->result.again_us && passes < 8; passes++) {
        assert_true(f->result.again_us < LPP_RETENTION_SOON_US);
        pass(f);
    }
    assert_int_equal(f->result.again_us, 0); /* and then it is done */
    assert_false(oops_there(f, 5, 400));
    assert_true(oops_there(f, 6, 50));
    opened = 0;
    pass(f);
    assert_int_equal(opened, 0);
}

static void passes_that_get_nothing_done_wait_longer(void **state)
{
    fixture_t *f = *state;
    apr_interval_time_t last = 0, again;
    int i;

    put_foreign(f, LPP_RETENTION_FILES_MAX + 10, 100);
    use_rule(f, "count=1", NULL, NULL);
    for (i = 0; i < 30 && last < LPP_RETENTION_STALLED_US; i++) {
        skipped_s += 600;
        pass(f);
        again = f->result.again_us;
        assert_true(again > 0);
        assert_true(i < 12 || again == LPP_RETENTION_STALLED_US
                    || again == 2 * last);
        last = again;
    }
    assert_int_equal(last, LPP_RETENTION_STALLED_US);
    /* whatever is written */
    assert_true(lpp_retention_wrote(f->keep, 1) > LPP_RETENTION_LATER_US);
    /* until there is something to do again */
    put_profile(f, 2, 10, 300);
    put_profile(f, 3, 10, 9 * DAY);
    skipped_s += 600;
    pass(f);
    assert_false(there(f, file_of(f, 3, LPP_FORMAT_PSTATS)));
    assert_true(there(f, file_of(f, 2, LPP_FORMAT_PSTATS)));
    assert_true(f->result.again_us < LPP_RETENTION_SOON_US);
}

static void what_is_of_the_future_is_not_the_newest(void **state)
{
    fixture_t *f = *state;

    put_profile(f, 1, 10, -3600);
    put_profile(f, 2, 10, 100);
    put_profile(f, 3, 10, 7200);
    use_rule(f, "count=2", NULL, NULL);
    pass(f);
    assert_int_equal(parts_there(f, 1, -3600), 3);
    assert_int_equal(parts_there(f, 2, 100), 3);
    assert_int_equal(parts_there(f, 3, 7200), 0);
    put_profile(f, 4, 10, 50);
    pass(f);
    assert_int_equal(parts_there(f, 1, -3600), 0);
    assert_int_equal(parts_there(f, 2, 100), 3);
}

static void what_is_of_the_future_is_not_kept_for_ever(void **state)
{
    fixture_t *f = *state;
    const char *part = apr_pstrcat(f->pool, "oops/", date_of(f, -40 * DAY),
                                   NULL);

    put_profile(f, 1, 10, -40 * DAY);
    put_failure(f, 2, -40 * DAY);
    put_profile(f, 3, 10, -3 * DAY);
    put(f, ".lpp-1-00000000000000000000000000000001.tmp", 1, -40 * DAY);
    use_rule(f, NULL, NULL, NULL);
    pass(f);
    assert_int_equal(parts_there(f, 1, -40 * DAY), 0);
    assert_false(oops_there(f, 2, -40 * DAY));
    assert_false(there(f, part));
    assert_false(there(f, ".lpp-1-00000000000000000000000000000001.tmp"));
    assert_int_equal(parts_there(f, 3, -3 * DAY), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_failures_stay),
        TEST(failures_with_profiles_count_too),
        TEST(failures_have_a_size_of_their_own),
        TEST(young_failures_stay_until_the_next_pass),
        TEST(no_oops_is_opened_to_see_its_age),
        TEST(an_oops_is_opened_once),
        TEST(many_fresh_oopses_do_not_stop_it),
        TEST(passes_that_get_nothing_done_wait_longer),
        TEST(what_is_of_the_future_is_not_the_newest),
        TEST(what_is_of_the_future_is_not_kept_for_ever),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
