/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store_names: ids and names of files: which are this module's, which lead
 * elsewhere, and the list of those that lie in a directory.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "store/lpp_store.h"
#include "store_files.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define ID2 "OOPS-00000000000000000000000000000001"

static void id_is_unique_and_of_its_form(void **state)
{
    char one[LPP_OOPS_ID_LEN + 1], two[LPP_OOPS_ID_LEN + 1];

    assert_int_equal(lpp_store_new_id(one), APR_SUCCESS);
    assert_int_equal(lpp_store_new_id(two), APR_SUCCESS);
    assert_true(lpp_store_is_id(one));
    assert_int_equal(strlen(one), LPP_OOPS_ID_LEN);
    assert_string_not_equal(one, two);
}

static void ids_are_told_from_others(void **state)
{
    static const char *const bad[] = {"",
                                      "OOPS-",
                                      "OOPS-0123456789abcdef0123456789abcde",
                                      "OOPS-0123456789abcdef0123456789abcdef0",
                                      "OOPS-0123456789ABCDEF0123456789abcdef",
                                      "OOPS-0123456789abcdef0123456789abcdeg",
                                      "XOPS-0123456789abcdef0123456789abcdef",
                                      "../../../../../../../../../etc/passwd",
                                      ID "/",
                                      " " ID};
    unsigned i;

    assert_true(lpp_store_is_id(ID));
    assert_true(lpp_store_is_id("oops-0123456789abcdef0123456789abcdef"));
    assert_false(lpp_store_is_id(NULL));
    for (i = 0; i < LPP_COUNT(bad); i++) {
        assert_false(lpp_store_is_id(bad[i]));
    }
}

static void stem_has_padded_milliseconds_and_safe_bytes(void **state)
{
    fixture_t *f = *state;
    apr_time_t start = apr_time_from_sec(1700000000) + 7000;
    apr_time_exp_t at;
    const char *stem;
    char expected[256];

    apr_time_exp_lt(&at, start);
    stem =
        lpp_store_stem(start, "a/b c:\xc3\xa4;d@+-._", ID, 12, 345, f->pool);
    snprintf(expected, sizeof(expected),
             "%04d-%02d-%02d_%02d:%02d:%02d.007-a_b_c:___d@+-._-" ID "-12.345",
             at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour,
             at.tm_min, at.tm_sec);
    assert_string_equal(stem, expected);
    assert_true(lpp_store_is_name(stem));
}

static void long_page_id_is_cut_and_empty_one_is_unknown(void **state)
{
    fixture_t *f = *state;
    char *page = apr_palloc(f->pool, 501);
    const char *stem, *name;
    lpp_store_entry_t entry;

    memset(page, 'p', 500);
    page[500] = '\0';
    stem = lpp_store_stem(0, page, ID, 4294967295u, 4294967295u, f->pool);
    assert_int_equal(strspn(stem + 24, "p"), LPP_PAGEID_MAX_BYTES);
    name = lpp_store_name(stem, LPP_FORMAT_CALLGRIND, f->pool);
    assert_true(lpp_store_parse_name(name, &entry, f->pool));
    stem = lpp_store_stem(0, "", ID, 1, 2, f->pool);
    assert_non_null(strstr(stem, "-Unknown-" ID "-1.2"));
}

static void names_are_read_back(void **state)
{
    fixture_t *f = *state;
    static const char *const pages[] = {
        "x", "-", "a-b-c", "1.2", "a-" ID2 "-1.2", "RootObject:index.html"};
    unsigned i;
    int format;

    for (i = 0; i < LPP_COUNT(pages); i++) {
        for (format = 0; format <= LPP_FORMAT_SAVED; format++) {
            const char *stem =
                lpp_store_stem(apr_time_now(), pages[i], ID, 1, 22, f->pool);
            const char *name =
                lpp_store_name(stem, (lpp_format_e)format, f->pool);
            lpp_store_entry_t entry;

            assert_true(lpp_store_parse_name(name, &entry, f->pool));
            assert_string_equal(entry.name, name);
            assert_string_equal(entry.id, ID);
            assert_int_equal(entry.format, format);
        }
    }
}

#define T "2026-11-22_15:34:47.123-"
static const char *const foreign[] = {
    "",
    "x",
    "README",
    "callgrind.out.12345",
    "callgrind.out.",
    T "page-" ID "-1.2" /* no format has neither prefix nor suffix */,
    T "page-" ID "-1.2.prof.bak",
    T "page-" ID "-1.prof",
    T "page-" ID "-1.x.prof",
    T "page-" ID "-.2.prof",
    T "page-OOPS-0123456789ABCDEF0123456789abcdef-1.2.prof",
    T "page-oops-0123456789abcdef0123456789abcdef-1.2.prof",
    T "page" ID "-1.2.prof",
    T "-" ID "-1.2.prof",
    ID "-1.2.prof",
    "2026-11-22 15:34:47.123-page-" ID "-1.2.prof",
    "2026-11-22_15:34:47,123-page-" ID "-1.2.prof",
    "X026-11-22_15:34:47.123-page-" ID "-1.2.prof",
    "." T "page-" ID "-1.2.prof",
    ".lpp-12-abc.tmp",
    "..",
    "oops"};

static void foreign_names_are_not_ours(void **state)
{
    fixture_t *f = *state;
    lpp_store_entry_t entry;
    unsigned i;

    for (i = 0; i < LPP_COUNT(foreign); i++) {
        assert_false(lpp_store_parse_name(foreign[i], &entry, f->pool));
    }
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    fixture_t *f = *state;
    static const char *const bad[] = {"",   ".",   "..",  "a/b",      "/etc/x",
                                      ".a", "a b", "a\n", "\xc3\xa4", "a\\b"};
    lpp_store_file_t *file;
    apr_file_t *opened;
    unsigned i;

    for (i = 0; i < LPP_COUNT(bad); i++) {
        assert_int_equal(
            lpp_store_begin(f->store, NULL, bad[i], &file, f->pool),
            APR_EINVAL);
        assert_null(file);
        assert_int_equal(
            lpp_store_begin(f->store, bad[i], "name", &file, f->pool),
            APR_EINVAL);
        assert_int_equal(
            lpp_store_open_file(f->store, NULL, bad[i], &opened, f->pool),
            APR_EINVAL);
        assert_int_equal(
            lpp_store_open_file(f->store, bad[i], "x", &opened, f->pool),
            APR_EINVAL);
    }
    assert_int_equal(count_files(f->dir), 0);
}

static void listing_is_newest_first_and_ours_only(void **state)
{
    fixture_t *f = *state;
    apr_array_header_t *entries;
    const lpp_store_entry_t *first;
    const char *names[3];
    unsigned i;

    for (i = 0; i < 3; i++) {
        struct timespec times[2] = {{1000 + (time_t)(i * 7 % 5), 0},
                                    {1000 + (time_t)(i * 7 % 5), 500000}};
        names[i] = lpp_store_name(
            lpp_store_stem(apr_time_from_sec(i), "p", i == 1 ? ID2 : ID, 1, 2,
                           f->pool),
            i == 2 ? LPP_FORMAT_PSTATS : LPP_FORMAT_CALLGRIND, f->pool);
        assert_int_equal(write_file(f, NULL, names[i], "12345"), APR_SUCCESS);
        assert_int_equal(utimensat(AT_FDCWD, in(f, names[i]), times, 0), 0);
    }
    for (i = 0; i < LPP_COUNT(foreign); i++) {
        if (foreign[i][0] && strcmp(foreign[i], "..") != 0) {
            int fd = creat(in(f, foreign[i]), 0600);

            assert_true(fd >= 0);
            close(fd);
        }
    }
    /* our names, but no files */
    assert_int_equal(
        symlink(names[0],
                in(f, lpp_store_name(lpp_store_stem(0, "l", ID, 1, 2, f->pool),
                                     LPP_FORMAT_PSTATS, f->pool))),
        0);
    assert_int_equal(
        mkdir(in(f, lpp_store_name(lpp_store_stem(0, "d", ID, 1, 2, f->pool),
                                   LPP_FORMAT_PSTATS, f->pool)),
              0700),
        0);

    assert_int_equal(lpp_store_list(f->store, NULL, 0, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 3);
    first = (const lpp_store_entry_t *)entries->elts;
    assert_string_equal(first[0].name, names[2]); /* 1004 */
    assert_string_equal(first[1].name, names[1]); /* 1002 */
    assert_string_equal(first[2].name, names[0]);
    assert_int_equal(first[0].bytes, 5);
    assert_int_equal(first[0].mtime, apr_time_from_sec(1004) + 500);
    assert_int_equal(first[0].format, LPP_FORMAT_PSTATS);

    assert_int_equal(lpp_store_list(f->store, NULL, 2, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 2);
    assert_int_equal(lpp_store_list(f->store, ID2, 0, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(entries, 0, lpp_store_entry_t).id, ID2);
    assert_int_equal(lpp_store_list(f->store, "OOPS-", 0, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_is_unique_and_of_its_form),
        cmocka_unit_test(ids_are_told_from_others),
        WITH_DIR(stem_has_padded_milliseconds_and_safe_bytes),
        WITH_DIR(long_page_id_is_cut_and_empty_one_is_unknown),
        WITH_DIR(names_are_read_back),
        WITH_DIR(foreign_names_are_not_ours),
        WITH_DIR(names_that_lead_elsewhere_are_refused),
        WITH_DIR(listing_is_newest_first_and_ours_only),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests_name("store names", tests, NULL, NULL);
    apr_terminate();
    return rc;
}
