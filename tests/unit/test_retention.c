/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_retention: what goes and what must stay, over directories that others
 * write to at the same time. When it goes: test_retention_pass.c; failures and
 * files from the future: test_retention_failures.c.
 */
#include <fcntl.h>
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

static void rules_are_read_or_refused_with_a_reason(void **state)
{
    static const struct {
        const char *word;
        const char *said; /* NULL: refused */
    } cases[] = {
        {"count=1", "count=1 size=64M age=7d failures=200"},
        {"count=1000000000", "count=1000000000 size=64M age=7d failures=200"},
        {"count=0", NULL},
        {"count=-1", NULL},
        {"count=1000000001", NULL},
        {"count=99999999999999999999", NULL},
        {"count=1K", NULL},
        {"count=", NULL},
        {"count", NULL},
        {"Count=1", NULL},
        {"size=1", "count=1000 size=1 age=7d failures=200"},
        {"size=2048", "count=1000 size=2K age=7d failures=200"},
        {"size=512K", "count=1000 size=512K age=7d failures=200"},
        {"size=3000M", "count=1000 size=3000M age=7d failures=200"},
        {"size=1048576G", "count=1000 size=1048576G age=7d failures=200"},
        {"size=1048577G", NULL},
        {"size=9000000000G", NULL},
        {"size=0", NULL},
        {"size=1k", NULL},
        {"size=1MB", NULL},
        {"size= 1M", NULL},
        {"size=1.5M", NULL},
        {"age=1s", "count=1000 size=64M age=1s failures=200"},
        {"age=90s", "count=1000 size=64M age=90s failures=200"},
        {"age=120s", "count=1000 size=64M age=2min failures=200"},
        {"age=36h", "count=1000 size=64M age=36h failures=200"},
        {"age=3650d", "count=1000 size=64M age=3650d failures=200"},
        {"age=3651d", NULL},
        {"age=7", NULL},
        {"age=0s", NULL},
        {"age=1m", NULL},
        {"age=1w", NULL},
        {"age=1days", NULL},
        {"failures=1", "count=1000 size=64M age=7d failures=1"},
        {"failures=1000000000",
         "count=1000 size=64M age=7d failures=1000000000"},
        {"failures=0", NULL},
        {"failures=-1", NULL},
        {"failures=1000000001", NULL},
        {"failures=", NULL},
        {"failures=16M", NULL},
        {"", NULL},
        {"none", NULL},
        {"files=3", NULL},
    };
    fixture_t *f = *state;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(cases); i++) {
        lpp_retention_rule_t rule, before;
        unsigned parts = 0;
        const char *why;

        rule = lpp_retention_rule_default;
        before = rule;
        why = lpp_retention_rule_read(&rule, &parts, cases[i].word);
        if (cases[i].said) {
            assert_null(why);
            assert_string_equal(lpp_retention_rule_say(&rule, f->pool),
                                cases[i].said);
            assert_non_null(
                lpp_retention_rule_read(&rule, &parts, cases[i].word));
        }
        else {
            assert_non_null(why);
            assert_true(lpp_retention_rule_same(&rule, &before));
        }
    }
}

static void the_newest_stay_with_all_their_files(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 10; i++) {
        put_profile(f, i, 100, 1000 - 10 * i);
    }
    use_rule(f, "count=3", NULL, NULL);
    pass(f);
    for (i = 0; i < 10; i++) {
        assert_int_equal(parts_there(f, i, 1000 - 10 * i), i < 7 ? 0 : 3);
    }
    assert_int_equal(f->result.removed_profiles, 7);
    assert_int_equal(f->result.removed_files, 21);
    assert_int_equal(f->result.profiles, 3);
    assert_int_equal(f->result.again_us, 0);
}

/* Six requests within one tick of the file system's clock. */
static void one_tick_is_told_apart_by_the_stem(void **state)
{
    struct timespec times[2] = {{0, 0}, {0, 0}};
    fixture_t *f = *state;
    int i, part;

    times[0].tv_sec = times[1].tv_sec =
        (time_t)apr_time_sec(apr_time_now()) - 1000;
    for (i = 0; i < 6; i++) {
        const char *paths[3];

        put_profile(f, i, 100, 1000);
        paths[0] = file_of(f, i, LPP_FORMAT_CALLGRIND);
        paths[1] = file_of(f, i, LPP_FORMAT_PSTATS);
        paths[2] = oops_of(f, i, 1000);
        for (part = 0; part < 3; part++) {
            assert_int_equal(utimensat(AT_FDCWD, in(f, paths[part]), times,
                                       AT_SYMLINK_NOFOLLOW), 0);
        }
    }
    use_rule(f, "count=2", NULL, NULL);
    pass(f);
    for (i = 0; i < 6; i++) {
        assert_int_equal(parts_there(f, i, 1000), i < 4 ? 0 : 3);
    }
}

static void nothing_goes_within_the_rule(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 5; i++) {
        put_profile(f, i, 100, 1000 - 10 * i);
    }
    use_rule(f, "count=5", NULL, NULL);
    pass(f);
    assert_int_equal(f->result.removed_files, 0);
    assert_int_equal(f->result.profiles, 5);
}

static void the_sum_of_all_bytes_counts(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 8; i++) {
        put_profile(f, i, 50000, 1000 - 10 * i); /* a bit over 100000 */
    }
    use_rule(f, NULL, "size=310K", NULL);
    pass(f);
    for (i = 0; i < 8; i++) {
        assert_int_equal(parts_there(f, i, 1000 - 10 * i), i < 5 ? 0 : 3);
    }
    assert_in_range(f->result.bytes, 300000, 310 * 1024);
}

static void what_is_too_old_goes(void **state)
{
    fixture_t *f = *state;

    put_profile(f, 1, 10, 3 * DAY);
    put_profile(f, 2, 10, 3600);
    /* a report page made this file of the old profile just now */
    put(f, file_of(f, 1, LPP_FORMAT_PPROF), 10, 60);
    use_rule(f, NULL, NULL, "age=2d");
    pass(f);
    assert_int_equal(parts_there(f, 1, 3 * DAY), 0);
    assert_false(there(f, file_of(f, 1, LPP_FORMAT_PPROF)));
    assert_int_equal(parts_there(f, 2, 3600), 3);
}

static void failures_stay_until_they_are_too_old(void **state)
{
    fixture_t *f = *state;
    int bson;

    for (bson = 0; bson < 2; bson++) {
        put_oops(f, 10 + bson, 3 * DAY, 0, bson, LPP_NAME);
        put_oops(f, 20 + bson, 3600, 0, bson, LPP_NAME);
        put(f, file_of(f, 20 + bson, LPP_FORMAT_CALLGRIND), 9, 3600);
        put_oops(f, 30 + bson, 3599, 1, bson, LPP_NAME);
        put_oops(f, 40 + bson, 30, 0, bson, LPP_NAME);
    }
    put_profile(f, 1, 10, 50);
    use_rule(f, "count=1", NULL, "age=2d");
    pass(f);
    for (bson = 0; bson < 2; bson++) {
        assert_false(there(f, oops_of(f, 10 + bson, 3 * DAY)));
        assert_true(there(f, oops_of(f, 20 + bson, 3600)));
        assert_false(there(f, file_of(f, 20 + bson, LPP_FORMAT_CALLGRIND)));
        assert_false(there(f, oops_of(f, 30 + bson, 3599)));
        assert_true(there(f, oops_of(f, 40 + bson, 30)));
    }
    assert_int_equal(parts_there(f, 1, 50), 3);
    assert_int_equal(f->result.profiles, 1);
}

static void others_oopses_stay_for_ever(void **state)
{
    fixture_t *f = *state;
    int bson;

    for (bson = 0; bson < 2; bson++) {
        put_oops(f, 10 + bson, 30 * DAY, 0, bson, "launchpad");
        put_oops(f, 20 + bson, 30 * DAY, 1, bson, "launchpad");
    }
    put_oops(f, 1, 30 * DAY, 1, 0, LPP_NAME); /* so that there is the part */
    put(f, oops_of(f, 30, 30 * DAY), 0, 30 * DAY);
    put(f, oops_of(f, 31, 30 * DAY), 4, 30 * DAY);
    put(f, oops_of(f, 32, 30 * DAY), 5, 30 * DAY);
    put(f, oops_of(f, 33, 30 * DAY), 500, 30 * DAY);
    use_rule(f, "count=1", NULL, "age=1s");
    pass(f);
    for (bson = 0; bson < 2; bson++) {
        assert_true(there(f, oops_of(f, 10 + bson, 30 * DAY)));
        assert_true(there(f, oops_of(f, 20 + bson, 30 * DAY)));
    }
    assert_false(there(f, oops_of(f, 1, 30 * DAY)));
    assert_true(there(f, oops_of(f, 30, 30 * DAY)));
    assert_true(there(f, oops_of(f, 31, 30 * DAY)));
    assert_true(there(f, oops_of(f, 32, 30 * DAY)));
    assert_true(there(f, oops_of(f, 33, 30 * DAY)));
}

static void what_this_module_did_not_write_stays(void **state)
{
    fixture_t *f = *state;
    const char *const foreign[] = {
        "callgrind.out.1234",
        "my.prof",
        ".lpp-1-zz.tmp",
        "lpp.tmp",
        ".lpp-keep-not",
        "OOPS-0123456789abcdef0123456789abcdef",
        "oops/OOPS-0123456789abcdef0123456789abcdef"};
    const char *victim = in(f, "victim"), *outside = in(f, "outside");
    const char *date = date_of(f, 5 * DAY);
    const char *link, *dir;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(foreign); i++) {
        put(f, foreign[i], 10, 9 * DAY);
    }
    put(f, "victim", 10, 9 * DAY);
    link = file_of(f, 1, LPP_FORMAT_CALLGRIND);
    assert_int_equal(symlink(victim, in(f, link)), 0);
    set_age(in(f, link), 9 * DAY);
    dir = file_of(f, 2, LPP_FORMAT_CALLGRIND);
    assert_int_equal(mkdir(in(f, dir), 0700), 0);
    set_age(in(f, dir), 9 * DAY);
    /* a date that is a link to OOPSes elsewhere */
    put_oops(f, 3, 5 * DAY, 1, 0, LPP_NAME);
    assert_int_equal(
        rename(in(f, apr_pstrcat(f->pool, "oops/", date, NULL)), outside), 0);
    assert_int_equal(
        symlink(outside, in(f, apr_pstrcat(f->pool, "oops/", date, NULL))), 0);
    put_profile(f, 4, 10, 8 * DAY);
    use_rule(f, "count=1", "size=1", "age=1s");
    pass(f);
    assert_int_equal(parts_there(f, 4, 8 * DAY), 0);
    for (i = 0; i < LPP_COUNT(foreign); i++) {
        assert_true(there(f, foreign[i]));
    }
    assert_true(there(f, "victim"));
    assert_true(there(f, link));
    assert_true(there(f, dir));
    assert_true(there(f, apr_pstrcat(f->pool, "outside/", id_of(f, 3), NULL)));
    assert_true(there(f, apr_pstrcat(f->pool, "oops/", date, NULL)));
}

static void stale_temporary_files_go_and_fresh_ones_stay(void **state)
{
    fixture_t *f = *state;
    const char *date = date_of(f, 0);
    const char *part = apr_pstrcat(f->pool, "oops/", date, NULL);
    const char *stale = ".lpp-1-00000000000000000000000000000001.tmp";
    const char *fresh = ".lpp-1-00000000000000000000000000000002.tmp";

    assert_int_equal(mkdir(in(f, part), 0700), 0);
    put(f, stale, 10, 2 * 3600);
    put(f, fresh, 10, 1800);
    put(f, apr_pstrcat(f->pool, part, "/", stale, NULL), 10, 2 * 3600);
    put(f, apr_pstrcat(f->pool, part, "/", fresh, NULL), 10, 1800);
    use_rule(f, "count=1", NULL, NULL);
    pass(f);
    assert_false(there(f, stale));
    assert_true(there(f, fresh));
    assert_false(there(f, apr_pstrcat(f->pool, part, "/", stale, NULL)));
    assert_true(there(f, apr_pstrcat(f->pool, part, "/", fresh, NULL)));
}

static void young_profiles_stay_until_the_next_pass(void **state)
{
    fixture_t *f = *state;
    int i;

    for (i = 0; i < 4; i++) {
        put_profile(f, i, 10, 100 - i);
    }
    put(f, file_of(f, 0, LPP_FORMAT_PPROF), 10, YOUNG);
    use_rule(f, "count=2", NULL, NULL);
    pass(f);
    assert_int_equal(parts_there(f, 0, 100), 3);
    assert_int_equal(parts_there(f, 1, 99), 0);
    assert_true(f->result.again_us > 0);
    set_age(in(f, file_of(f, 0, LPP_FORMAT_PPROF)), 10);
    pass(f);
    assert_int_equal(parts_there(f, 0, 100), 0);
    assert_int_equal(f->result.again_us, 0);
}

static void days_gone_by_without_oopses_go(void **state)
{
    fixture_t *f = *state;
    const char *old = apr_pstrcat(f->pool, "oops/", date_of(f, 9 * DAY), NULL);
    const char *full =
        apr_pstrcat(f->pool, "oops/", date_of(f, 8 * DAY), NULL);
    const char *day = apr_pstrcat(f->pool, "oops/", date_of(f, DAY), NULL);

    put_profile(f, 1, 10, 9 * DAY);
    put_profile(f, 2, 10, 8 * DAY);
    put(f, apr_pstrcat(f->pool, full, "/notes", NULL), 1, 8 * DAY);
    mkdir(in(f, day), 0700);
    mkdir(in(f, "oops/1999-01-01"), 0700);
    mkdir(in(f, "oops/1999-01-01x"), 0700);
    use_rule(f, NULL, NULL, NULL);
    pass(f);
    assert_false(there(f, old));
    assert_true(there(f, full));
    assert_true(there(f, day)); /* a long request may come from there */
    assert_false(there(f, "oops/1999-01-01"));
    assert_true(there(f, "oops/1999-01-01x"));
}

static void a_reader_reads_on(void **state)
{
    fixture_t *f = *state;
    apr_file_t *file;
    char byte;
    apr_size_t len = 1;

    put_profile(f, 1, 10, 100);
    put_profile(f, 2, 10, 50);
    assert_int_equal(lpp_store_open_file(f->store, NULL,
                                         file_of(f, 1, LPP_FORMAT_PSTATS),
                                         &file, f->pool),
                     APR_SUCCESS);
    use_rule(f, "count=1", NULL, NULL);
    pass(f);
    assert_int_equal(parts_there(f, 1, 100), 0);
    assert_int_equal(apr_file_read(file, &byte, &len), APR_SUCCESS);
    assert_int_equal(len, 1);
}

static void oopses_alone_are_profiles_of_hosts_that_share_them(void **state)
{
    fixture_t *f = *state;
    const char *second = in(f, "second");
    int i;

    mkdir(second, 0700);
    for (i = 0; i < 6; i++) {
        put_profile(f, i, 10, 100 - 10 * i);
    }
    for (i = 0; i < 6; i += 2) { /* these are the other host's */
        assert_int_equal(
            rename(in(f, file_of(f, i, LPP_FORMAT_CALLGRIND)),
                   apr_pstrcat(f->pool, second, "/",
                               file_of(f, i, LPP_FORMAT_CALLGRIND), NULL)),
            0);
    }
    use_rule(f, "count=3", NULL, NULL);
    lpp_retention_add_profiles(f->keep, second);
    pass(f);
    assert_int_equal(f->result.removed_profiles, 3);
    assert_int_equal(parts_there(f, 3, 70), 3);
    assert_int_equal(parts_there(f, 4, 60), 2);
    assert_int_equal(parts_there(f, 5, 50), 3);
    assert_false(
        there(f, apr_pstrcat(f->pool, "second/",
                             file_of(f, 2, LPP_FORMAT_CALLGRIND), NULL)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rules_are_read_or_refused_with_a_reason),
        TEST(the_newest_stay_with_all_their_files),
        TEST(one_tick_is_told_apart_by_the_stem),
        TEST(nothing_goes_within_the_rule),
        TEST(the_sum_of_all_bytes_counts),
        TEST(what_is_too_old_goes),
        TEST(failures_stay_until_they_are_too_old),
        TEST(others_oopses_stay_for_ever),
        TEST(what_this_module_did_not_write_stays),
        TEST(stale_temporary_files_go_and_fresh_ones_stay),
        TEST(young_profiles_stay_until_the_next_pass),
        TEST(days_gone_by_without_oopses_go),
        TEST(a_reader_reads_on),
        TEST(oopses_alone_are_profiles_of_hosts_that_share_them),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
