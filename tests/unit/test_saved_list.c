/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_saved_list: saved profiles in a directory: the list of a host, by time,
 * and one by its id.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "formats/lpp_writer.h"
#include "saved_world.h"

static void put(lpp_store_t *store, const char *id, const char *vhost,
                const char *say_id, apr_time_t start)
{
    lpp_view_t *view = (lpp_view_t *)make_view(5, say_id);
    lpp_saved_t saved = make_saved(view, vhost);
    const char *stem = lpp_store_stem(start, "P:v", id, 1, 2, pool);
    lpp_store_file_t *file;

    view->about.start = start;
    assert_int_equal(lpp_store_begin(store, NULL, lpp_store_name(
        stem, LPP_FORMAT_SAVED, pool), &file, pool), APR_SUCCESS);
    assert_int_equal(lpp_saved_write(&saved, lpp_store_sink(file), pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_store_finish(file, NULL), APR_SUCCESS);
}

/* Whatever the clock said: the names are those of profiles, the list goes by
 * time, every profile is read and every format made. */
static void any_start_is_read(void **state)
{
    static const apr_time_t starts[] = {
        APR_INT64_MIN, -1, 0, 1, APR_TIME_C(1700000000123456),
        APR_TIME_C(9214646400000000), APR_INT64_MAX};
    char dir[] = "/tmp/lpp-test-saved-XXXXXX";
    apr_array_header_t *entries;
    lpp_saved_entry_t entry;
    lpp_saved_t *saved;
    lpp_store_t *store;
    int more;
    unsigned i, count = LPP_COUNT(starts);

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(lpp_store_open(&store, dir, pool), APR_SUCCESS);
    for (i = 0; i < count; i++) {
        const char *id = apr_psprintf(pool, "OOPS-%032x", i);
        int format;

        put(store, id, HOST, id, starts[i]);
        assert_int_equal(lpp_saved_find(store, HOST, id, &entry, &saved,
                                        pool), APR_SUCCESS);
        assert_true(saved->head.start == starts[i]);
        assert_true(saved->view->about.start == starts[i]);
        for (format = 0; format < LPP_FORMAT_COUNT; format++) {
            lpp_sink_t sink = lpp_buf_sink(new_buf());

            assert_int_equal(lpp_writer_get(format)->write(saved->view, &sink,
                                                           pool), APR_SUCCESS);
        }
    }
    assert_int_equal(lpp_saved_list(store, HOST, 0, &entries, &more, pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, count);
    for (i = 0; i < count; i++) {
        assert_true(APR_ARRAY_IDX(entries, i, lpp_saved_entry_t).head.start
                    == starts[count - 1 - i]);
    }
    assert_int_equal(system(apr_pstrcat(pool, "rm -rf ", dir, NULL)), 0);
}

static void only_those_of_the_host_are_found(void **state)
{
    char dir[] = "/tmp/lpp-test-saved-XXXXXX";
    const char *bad = "OOPS-000000000000000000000000000000bb";
    apr_array_header_t *entries;
    lpp_saved_entry_t entry;
    lpp_saved_t *saved;
    lpp_store_t *store;
    int more;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(lpp_store_open(&store, dir, pool), APR_SUCCESS);
    put(store, ID, HOST, ID, apr_time_from_sec(1000));
    put(store, ID2, "other:80", ID2, apr_time_from_sec(2000));
    put(store, "OOPS-00000000000000000000000000000003", HOST,
        "OOPS-00000000000000000000000000000003", apr_time_from_sec(3000));
    put(store, bad, HOST, ID, apr_time_from_sec(4000)); /* another's name */
    assert_int_equal(lpp_saved_list(store, HOST, 0, &entries, &more, pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 2);
    assert_int_equal(more, 0);
    assert_string_equal(APR_ARRAY_IDX(entries, 1, lpp_saved_entry_t).head.id,
                        ID);
    assert_true(APR_ARRAY_IDX(entries, 1, lpp_saved_entry_t).bytes > 100);
    assert_int_equal(lpp_saved_list(store, HOST, 1, &entries, &more, pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 1);
    assert_int_equal(lpp_saved_find(store, HOST, ID, &entry, &saved, pool),
                     APR_SUCCESS);
    assert_int_equal(entry.formats, 0);
    assert_non_null(strstr(entry.stem, ID));
    assert_int_equal(lpp_saved_find(store, "other:80", ID, &entry, &saved,
                                    pool), APR_ENOENT);
    assert_int_equal(lpp_saved_find(store, HOST, ID2, &entry, &saved, pool),
                     APR_ENOENT);
    assert_int_equal(lpp_saved_find(store, HOST, bad, &entry, &saved, pool),
                     APR_ENOENT);
    assert_int_equal(lpp_saved_find(store, HOST, "../../etc/passwd", &entry,
                                    &saved, pool), APR_ENOENT);
    assert_int_equal(system(apr_pstrcat(pool, "rm -r ", dir, NULL)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_start_is_read),
        TEST(only_those_of_the_host_are_found),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
