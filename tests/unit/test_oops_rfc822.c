/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_oops_rfc822: the bytes, and what happens when they find no place. The
 * reader people use is in tests/readers/test_oops_rfc822.py. Linked with
 * --wrap=realloc, so that memory can run short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_general.h>

#include "oops_samples.h"
#include "pool_state.h"

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int fail_realloc; /* calls until the one that fails; 0: none does */

void *__wrap_realloc(void *old, size_t size)
{
    if (fail_realloc > 0 && --fail_realloc == 0) {
        return NULL;
    }
    return __real_realloc(old, size);
}

static lpp_buf_t *encode_to(const lpp_oops_t *oops, apr_pool_t *pool)
{
    /* not on the stack: the pool frees its memory at its end */
    lpp_buf_t *buf = apr_palloc(pool, sizeof(*buf));
    lpp_sink_t sink;

    lpp_buf_init(buf, pool, 1 << 24);
    sink = lpp_buf_sink(buf);
    assert_int_equal(lpp_oops_write_rfc822(oops, &sink, pool), APR_SUCCESS);
    return buf;
}

static const char *encode(const lpp_oops_t *oops, apr_pool_t *pool)
{
    return encode_to(oops, pool)->data;
}

static void plain_record_is_laid_out_as_python_does(void **state)
{
    lpp_oops_t *oops = make_sample(0, *state);

    oops->tb_text = "Traceback (most recent call last):\n  File \"x\"\n";
    assert_string_equal(encode(oops, *state),
                        "Oops-Id: " SAMPLE_ID "\n"
                        "Exception-Type: ProfilingOops\n"
                        "Exception-Value: Profiled, status 200\n"
                        "Date: 2005-04-01T00:00:00+00:00\n"
                        "Page-Id: RootObject:index.html\n"
                        "Branch: mod_lpprofile\n"
                        "Revision: " LPP_VERSION "\n"
                        "User: Sample User\n"
                        "URL: http://localhost:9000/foo?token=<hidden>\n"
                        "Duration: 0.042188\n"
                        "Informational: True\n"
                        "Oops-Reporter: www.example.org\n"
                        "\n"
                        "HTTP_COOKIE=%3Chidden%3E\n"
                        "HTTP_REFERER=http://localhost:9000/\n"
                        "HTTP_USER_AGENT=Mozilla/5.0\n"
                        "name%3Dfoo=hello%0Aworld\n"
                        "\n"
                        "00001-00005@phase handler\n"
                        "00005-123456@SQL-main SELECT 2 = 2\n"
                        "\n"
                        "Traceback (most recent call last):\n"
                        "  File \"x\"\n");
}

static void empty_record_has_its_headers(void **state)
{
    const char *text = encode(make_sample(2, *state), *state);

    assert_non_null(strstr(text, "Oops-Id: " SAMPLE_ID "\n"));
    assert_non_null(strstr(text, "\nDate: 1970-01-01T00:00:00+00:00\n"));
    assert_null(strstr(text, "User:"));
    assert_string_equal(strstr(text, "\n\n"), "\n\n\n\n");
}

static void nasty_record_is_ascii_and_keeps_its_lines(void **state)
{
    const char *text = encode(make_sample(1, *state), *state), *c;

    for (c = text; *c; c++) {
        if ((*c < ' ' && *c != '\n' && *c != '\t') || *c == 0x7f) {
            fail_msg("byte %d", *c);
        }
    }
    assert_non_null(strstr(text,
                           "Exception-Value: two lines \\\\ \\x01 caf\\xe9 "
                           "\\u20ac \\U0001f600 bad \\xff\\xc3 "
                           "\\xed\\xa0\\x80\nDate:"));
    assert_non_null(strstr(text, "Date: 2005-04-01T00:00:00.000042+00:00\n"));
    assert_non_null(strstr(text, "\nPage-Id: x:\\x7f\n"));
    assert_non_null(strstr(text, "\nURL: http://h/\\xff\n"));
    assert_non_null(strstr(text, "\nInformational: False\n"));
    assert_non_null(
        strstr(text, "\nOops-Reporter: Informational: False x\n\n"));
    assert_non_null(strstr(text, "\n%300001-00002@x y=no row\n"));
    assert_non_null(strstr(text, "\n%20blank ends%20=%20v%20\n"));
    assert_non_null(strstr(text, "\nEMPTY=\n"));
    assert_non_null(strstr(text, "\nBYTES=%2541+\\xff\\xe9%01\\\\x;/?:@&+$, "
                                 "()*!~%23\n"));
    assert_non_null(strstr(text, "\n00000-00000@- -\n"));
    assert_non_null(strstr(text, "\n00000-00001@a_b_c -\n"));
    assert_non_null(strstr(text, "\n00002-00003@caf__ x\\\\y \\xe9 \\xff "
                                 "\\x1c z\n"));
    assert_non_null(strstr(text, "  File \"caf\\xe9.so\", line 0, in "
                                 "a\\\\b\n\n\ttabbed\\x02\\x0d\n00001-"));
}

static void traceback_always_begins_with_its_word(void **state)
{
    lpp_oops_t *oops = make_sample(2, *state);

    oops->tb_text = "#0 main";
    assert_non_null(strstr(encode(oops, *state), "\n\nTraceback:\n#0 main\n"));
}

/* A sink that takes so many writes, then fails. */
typedef struct limit_t {
    int left;
    int calls_after;
} limit_t;

static apr_status_t take(void *baton, const char *data, apr_size_t len)
{
    limit_t *limit = baton;

    if (limit->left <= 0) {
        limit->calls_after++;
        return APR_ENOSPC;
    }
    limit->left--;
    return APR_SUCCESS;
}

static void failed_write_is_reported_and_nothing_written_after(void **state)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(samples); i++) {
        lpp_oops_t *oops = make_sample(i, *state);
        int allowed = 0;
        apr_status_t rv;

        do {
            limit_t limit = {allowed++, 0};
            lpp_sink_t sink = {take, &limit};

            rv = lpp_oops_write_rfc822(oops, &sink, *state);
            assert_int_equal(limit.calls_after, rv == APR_SUCCESS ? 0 : 1);
            assert_true(rv == APR_SUCCESS || rv == APR_ENOSPC);
            assert_true(allowed < 100);
        } while (rv != APR_SUCCESS);
        assert_true(allowed > 10);
    }
}

static void every_failed_allocation_is_reported(void **state)
{
    lpp_oops_t *oops = make_sample(0, *state);
    int n = 1, failed = 0;
    apr_status_t rv;

    /* long enough for the line to grow more than once */
    oops->value = memset(apr_pcalloc(*state, 30001), 'v', 30000);
    do {
        limit_t limit = {1000, 0};
        lpp_sink_t sink = {take, &limit};

        fail_realloc = n++;
        rv = lpp_oops_write_rfc822(oops, &sink, *state);
        failed += rv == APR_ENOMEM;
        assert_true(rv == APR_SUCCESS || rv == APR_ENOMEM);
    } while (rv != APR_SUCCESS);
    fail_realloc = 0;
    assert_true(failed >= 3);
}

static void long_values_pass_whole(void **state)
{
    lpp_oops_t *oops = make_sample(2, *state);
    char *value = memset(apr_pcalloc(*state, LPP_VALUE_MAX_BYTES * 4), 0xff,
                         LPP_VALUE_MAX_BYTES * 3);
    const char *text;

    lpp_oops_add_var(oops, "V", value, NULL);
    text = strstr(encode(oops, *state), "\nV=");
    assert_non_null(text);
    assert_int_equal(strcspn(text + 3, "\n"), LPP_VALUE_MAX_BYTES * 4);
}

static void samples_are_left_for_the_readers(void **state)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(samples); i++) {
        const lpp_buf_t *bytes = encode_to(make_sample(i, *state), *state);

        assert_int_equal(leave_sample(i, ".rfc822", bytes, *state), 0);
    }
}

#define CASE(function)                                                        \
    cmocka_unit_test_setup_teardown(function, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(plain_record_is_laid_out_as_python_does),
        CASE(empty_record_has_its_headers),
        CASE(nasty_record_is_ascii_and_keeps_its_lines),
        CASE(traceback_always_begins_with_its_word),
        CASE(failed_write_is_reported_and_nothing_written_after),
        CASE(every_failed_allocation_is_reported),
        CASE(long_values_pass_whole),
        CASE(samples_are_left_for_the_readers),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests_name("oops_rfc822", tests, NULL, NULL);
    apr_terminate();
    return rc;
}
