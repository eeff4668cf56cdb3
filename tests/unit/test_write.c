/* SPDX-License-Identifier: Apache-2.0 */
/* The writers: sinks that fail, the registry. What they write is looked at by
 * tests/readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fake_symbols.h"
#include "formats/lpp_marshal_internal.h"
#include "formats/lpp_writer.h"

static const char *const names[] = { "a", "b", "c" };
static const lpp_view_about_t about = { "OOPS-1", "P:x", "/x", "h", "GET", 0,
    1, 2, 0 };
static apr_pool_t *pool;
static const lpp_view_t *view;

static int setup(void **state)
{
    lpp_profile_t *profile;
    unsigned i;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    fake_names = names;
    if (lpp_profile_create(&profile, 0, pool) != APR_SUCCESS) {
        return -1;
    }
    for (i = 0; i < 5000; i++) {
        const lpp_weight_t weight = { 3000, 2000, 0, 1 };
        lpp_pc_t stack[13];
        unsigned j;

        for (j = 0; j < 13; j++) { /* each of its own path */
            stack[j] = FAKE_PC(1, (i >> j) % 3, 0);
        }
        lpp_profile_add(profile, stack, 13, &weight);
    }
    return lpp_view_create(&view, profile, NULL, NULL, &about, pool)
        != APR_SUCCESS;
}

static int teardown(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

/* A sink that takes so many bytes and no more. */
typedef struct narrow_t {
    apr_size_t room;
    unsigned after; /* calls after it failed */
    int failed;
} narrow_t;

static apr_status_t take(void *baton, const char *data, apr_size_t len)
{
    narrow_t *narrow = baton;

    narrow->after += (unsigned)narrow->failed;
    if (len > narrow->room) {
        narrow->failed = 1;
        return APR_ENOSPC;
    }
    narrow->room -= len;
    return APR_SUCCESS;
}

static void every_format_has_a_writer_and_a_name(void **state)
{
    int i;

    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const lpp_writer_t *writer = lpp_writer_get(i);

        assert_non_null(writer);
        assert_int_equal(writer->format, i);
        assert_non_null(writer->write);
        assert_true(writer->prefix[0] != '\0' || writer->suffix[0] != '\0');
    }
    assert_null(lpp_writer_get(LPP_FORMAT_COUNT));
}

static void a_full_disk_is_told_and_not_written_to_again(void **state)
{
    int i;

    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        narrow_t wide = { (apr_size_t)-1, 0, 0 };
        lpp_sink_t sink = { take, &wide };
        apr_size_t size, room;

        assert_int_equal(lpp_writer_get(i)->write(view, &sink, pool),
                         APR_SUCCESS);
        size = (apr_size_t)-1 - wide.room;
        assert_true(size > 100);
        for (room = 0; room < size; room += 1 + size / 20) {
            narrow_t narrow = { room, 0, 0 };

            sink.baton = &narrow;
            assert_int_equal(lpp_writer_get(i)->write(view, &sink, pool),
                             APR_ENOSPC);
            assert_int_equal(narrow.after, 0);
        }
    }
}

static void equal_views_give_equal_files(void **state)
{
    int i;

    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        lpp_buf_t one, two;
        lpp_sink_t sink;
        apr_pool_t *own;

        apr_pool_create(&own, pool);
        lpp_buf_init(&one, own, LPP_FILE_MAX_BYTES);
        lpp_buf_init(&two, own, LPP_FILE_MAX_BYTES);
        sink = lpp_buf_sink(&one);
        assert_int_equal(lpp_writer_get(i)->write(view, &sink, pool),
                         APR_SUCCESS);
        sink = lpp_buf_sink(&two);
        assert_int_equal(lpp_writer_get(i)->write(view, &sink, pool),
                         APR_SUCCESS);
        assert_int_equal(one.len, two.len);
        assert_memory_equal(one.data, two.data, one.len);
        apr_pool_destroy(own);
    }
}

static void counts_are_never_zero(void **state)
{
    assert_int_equal(lpp_writer_count(0, 0), 1);
    assert_int_equal(lpp_writer_count(0, 7), 7);
    assert_int_equal(lpp_writer_count(3, 7), 3);
}

static void marshal_writes_what_python_expects(void **state)
{
    static const char expected[] = "{(\2\0\0\0i\xff\xff\xff\x7fl\3\0\0\0\0\0"
        "\0\0\2\0u\2\0\0\0\xc3\xa9g\0\0\0\0\0\0\xf8?0";
    apr_pool_t *own;
    lpp_buf_t buf;

    apr_pool_create(&own, pool);
    lpp_buf_init(&buf, own, 1000);
    lpp_marshal_begin_dict(&buf);
    lpp_marshal_tuple(&buf, 2);
    lpp_marshal_integer(&buf, 0x7fffffff);
    lpp_marshal_integer(&buf, 0x80000000u);
    lpp_marshal_string(&buf, "\xc3\xa9");
    lpp_marshal_double(&buf, 1.5);
    lpp_marshal_end_dict(&buf);
    assert_int_equal(buf.len, sizeof(expected) - 1);
    assert_memory_equal(buf.data, expected, buf.len);
    apr_pool_destroy(own);
}

static void notes_are_single_lines(void **state)
{
    lpp_view_t odd = *view;
    apr_array_header_t *notes;
    int i;

    odd.about.url = " /a\nb ";
    odd.about.host = "";
    notes = lpp_writer_notes(&odd, pool);
    assert_true(notes->nelts > 8);
    for (i = 0; i < notes->nelts; i++) {
        const lpp_writer_note_t *note = &APR_ARRAY_IDX(notes, i,
                                                       lpp_writer_note_t);
        apr_size_t len = strlen(note->value);

        assert_true(len > 0);
        assert_null(strchr(note->value, '\n'));
        assert_true(note->value[0] != ' ' && note->value[len - 1] != ' ');
        if (strcmp(note->name, "URL") == 0) {
            assert_string_equal(note->value, "/a b");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_has_a_writer_and_a_name),
        cmocka_unit_test(a_full_disk_is_told_and_not_written_to_again),
        cmocka_unit_test(equal_views_give_equal_files),
        cmocka_unit_test(counts_are_never_zero),
        cmocka_unit_test(marshal_writes_what_python_expects),
        cmocka_unit_test(notes_are_single_lines),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
