/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_buf: printf output into a buffer and a sink: whole whatever its length,
 * refused past the ceiling, and the conversions that pages are written with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <apr_general.h>
#include <cmocka.h>

#include "base/lpp_buf.h"

static int set_up(void **state)
{
    apr_pool_t *pool = NULL;

    apr_initialize();
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    *state = pool;
    return 0;
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    apr_terminate();
    return 0;
}

/* Around the sink's own buffer of 512 bytes, and around a block of malloc. */
static void printf_output_is_whole_whatever_its_length(void **state)
{
    static const int lengths[] = {0,   1,    509,  510,  511,  512,
                                  513, 4094, 4095, 4096, 4097, 70000};
    lpp_buf_t *buf = lpp_buf_create(*state, 1 << 20);
    lpp_sink_t sink;
    apr_size_t i;
    int k;

    assert_non_null(buf);
    sink = lpp_buf_sink(buf);
    for (i = 0; i < LPP_COUNT(lengths); i++) {
        lpp_buf_reset(buf);
        assert_int_equal(lpp_sink_printf(&sink, "%*d|", lengths[i], 7),
                         APR_SUCCESS);
        assert_int_equal(lpp_buf_addf(buf, "%*d|", lengths[i], 7),
                         APR_SUCCESS);
        assert_int_equal(buf->len, 2 * ((lengths[i] ? lengths[i] : 1) + 1));
        assert_int_equal(strlen(buf->data), buf->len);
        for (k = 1; k <= 2; k++) {
            assert_memory_equal(buf->data + k * buf->len / 2 - 2, "7|", 2);
        }
    }
}

static void printf_output_past_the_ceiling_is_refused(void **state)
{
    lpp_buf_t *buf = lpp_buf_create(*state, 10);

    assert_non_null(buf);
    assert_int_equal(lpp_buf_addf(buf, "%s", "0123456789"), APR_SUCCESS);
    assert_int_equal(lpp_buf_addf(buf, "%d", 1), APR_ENOSPC);
    assert_string_equal(buf->data, "0123456789");
}

static void numbers_are_written_as_pages_need_them(void **state)
{
    lpp_buf_t *buf = lpp_buf_create(*state, 1000);

    assert_non_null(buf);
    lpp_buf_addf(buf, "%.3f%% %.1f %.0f %+.0f %.*f %.2f %05d %02X %08x",
                 11.04, 0.25, 99.5, -3.4, 1, 9.99, 0.02, 42, 10, 0xabcu);
    assert_string_equal(buf->data,
                        "11.040% 0.3 100 -3 10.0 0.02 00042 0A 00000abc");
    lpp_buf_reset(buf);
    lpp_buf_addf(buf, "%05" APR_INT64_T_FMT " %" APR_UINT64_T_FMT,
                 (apr_int64_t)-7, APR_UINT64_MAX);
    assert_string_equal(buf->data, "-0007 18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            printf_output_is_whole_whatever_its_length, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            printf_output_past_the_ceiling_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            numbers_are_written_as_pages_need_them, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
