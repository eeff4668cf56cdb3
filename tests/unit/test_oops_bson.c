/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_oops_bson: the document, read back with libbson's own iterator and
 * validator; tests/readers/test_oops_bson.py reads it with python's. Linked
 * with --wrap=malloc, so that memory can run short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_general.h>
#include <bson/bson.h>

#include "oops_samples.h"
#include "pool_state.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static int fail_malloc; /* 1: the next one fails */

void *__wrap_malloc(size_t size)
{
    if (fail_malloc) {
        fail_malloc = 0;
        return NULL;
    }
    return __real_malloc(size);
}

static lpp_buf_t *encode(const lpp_oops_t *oops, bson_t *document,
                         apr_pool_t *pool)
{
    lpp_buf_t *buf = apr_palloc(pool, sizeof(*buf));
    lpp_sink_t sink;

    lpp_buf_init(buf, pool, LPP_FILE_MAX_BYTES);
    sink = lpp_buf_sink(buf);
    assert_int_equal(lpp_oops_write_bson(oops, &sink, pool), APR_SUCCESS);
    assert_true(
        bson_init_static(document, (const uint8_t *)buf->data, buf->len));
    assert_true(bson_validate(document, BSON_VALIDATE_UTF8, NULL));
    return buf;
}

static const char *text(const bson_t *document, const char *path)
{
    bson_iter_t iter, found;

    assert_true(bson_iter_init(&iter, document));
    if (!bson_iter_find_descendant(&iter, path, &found)) {
        return NULL;
    }
    assert_true(BSON_ITER_HOLDS_UTF8(&found));
    return bson_iter_utf8(&found, NULL);
}

static bson_iter_t find(const bson_t *document, const char *path)
{
    bson_iter_t iter, found;

    assert_true(bson_iter_init(&iter, document));
    assert_true(bson_iter_find_descendant(&iter, path, &found));
    return found;
}

static void plain_record_has_every_key(void **state)
{
    bson_t document;
    bson_iter_t iter;

    encode(make_sample(0, *state), &document, *state);
    assert_int_equal(bson_count_keys(&document), 15);
    assert_string_equal(text(&document, "id"), SAMPLE_ID);
    assert_string_equal(text(&document, "type"), "ProfilingOops");
    assert_string_equal(text(&document, "username"), "Sample User");
    assert_string_equal(text(&document, "req_vars.HTTP_COOKIE"), "<hidden>");
    assert_string_equal(text(&document, "req_vars.name=foo"), "hello\nworld");
    assert_string_equal(text(&document, "timeline.1.2"), "SQL-main");
    assert_string_equal(text(&document, "timeline.1.3"), "SELECT\n  2 = 2");
    iter = find(&document, "timeline.1.1");
    assert_int_equal(bson_iter_int32(&iter), 123456);
    iter = find(&document, "time");
    assert_int_equal(bson_iter_date_time(&iter), 1112313600000);
    iter = find(&document, "duration");
    assert_true(bson_iter_double(&iter) == 0.0421875);
    iter = find(&document, "informational");
    assert_true(bson_iter_bool(&iter));
}

static void bad_bytes_are_escaped_and_good_ones_kept(void **state)
{
    lpp_oops_t *oops = make_sample(1, *state);
    bson_t document;

    lpp_oops_add_var(oops, "\xff=\xc3\xa9", "\xe2\x82\xac\xe2\x82", NULL);
    encode(oops, &document, *state);
    assert_string_equal(text(&document, "value"),
                        " two\r\n lines\t\\ \x01 caf\xc3\xa9 \xe2\x82\xac "
                        "\xf0\x9f\x98\x80 bad \\xff\\xc3 \\xed\\xa0\\x80 ");
    assert_string_equal(text(&document, "req_vars.\\xff=\xc3\xa9"),
                        "\xe2\x82\xac\\xe2\\x82");
    assert_string_equal(text(&document, "timeline.0.3"), "");
}

static void nobody_has_no_username(void **state)
{
    bson_t document;

    encode(make_sample(2, *state), &document, *state);
    assert_null(text(&document, "username"));
    assert_int_equal(bson_count_keys(&document), 14);
}

static void long_times_stay_exact(void **state)
{
    lpp_oops_t *oops = make_sample(2, *state);
    bson_t document;
    bson_iter_t iter;

    lpp_oops_add_event(oops, 2147483647.0, 2147483648.0, "a", "b");
    encode(oops, &document, *state);
    iter = find(&document, "timeline.0.0");
    assert_int_equal(bson_iter_as_int64(&iter), 2147483647);
    iter = find(&document, "timeline.0.1");
    assert_int_equal(bson_iter_as_int64(&iter), 2147483648);
}

static apr_status_t refuse(void *baton, const char *data, apr_size_t len)
{
    ++*(int *)baton;
    return APR_EACCES;
}

static void failures_are_reported(void **state)
{
    int calls = 0;
    lpp_sink_t sink = {refuse, &calls};
    lpp_oops_t *oops = make_sample(0, *state);

    assert_int_equal(lpp_oops_write_bson(oops, &sink, *state), APR_EACCES);
    assert_int_equal(calls, 1);
    fail_malloc = 1;
    assert_int_equal(lpp_oops_write_bson(oops, &sink, *state), APR_ENOMEM);
    assert_int_equal(fail_malloc, 0);
    assert_int_equal(calls, 1);
}

static void record_past_the_ceiling_is_refused(void **state)
{
    int calls = 0;
    lpp_sink_t sink = {refuse, &calls};
    lpp_oops_t *oops = make_sample(0, *state);
    apr_size_t size = LPP_FILE_MAX_BYTES / 4;

    oops->tb_text = memset(apr_pcalloc(*state, size + 1), 'x', size);
    assert_int_equal(lpp_oops_write_bson(oops, &sink, *state), APR_ENOSPC);
    assert_int_equal(calls, 0);
}

static void full_timeline_is_whole(void **state)
{
    lpp_oops_t *oops = make_sample(2, *state);
    bson_t document;
    bson_iter_t iter;
    int i;

    for (i = 0; i < LPP_TIMELINE_MAX; i++) {
        lpp_oops_add_event(oops, i, i + 1, "SQL-main", "SELECT \xff");
    }
    encode(oops, &document, *state);
    assert_string_equal(text(&document, "timeline.9999.3"), "SELECT \\xff");
    iter = find(&document, "timeline.9999.0");
    assert_int_equal(bson_iter_int32(&iter), 9999);
}

static void samples_are_left_for_the_readers(void **state)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(samples); i++) {
        bson_t document;
        const lpp_buf_t *bytes =
            encode(make_sample(i, *state), &document, *state);

        assert_int_equal(leave_sample(i, ".bson", bytes, *state), 0);
    }
}

#define CASE(function)                                                        \
    cmocka_unit_test_setup_teardown(function, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(plain_record_has_every_key),
        CASE(bad_bytes_are_escaped_and_good_ones_kept),
        CASE(nobody_has_no_username),
        CASE(long_times_stay_exact),
        CASE(failures_are_reported),
        CASE(record_past_the_ceiling_is_refused),
        CASE(full_timeline_is_whole),
        CASE(samples_are_left_for_the_readers),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests_name("oops_bson", tests, NULL, NULL);
    apr_terminate();
    return rc;
}
