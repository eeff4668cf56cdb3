/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_saved_refused: a saved profile that was cut short, changed or made up is
 * refused whole, or does no harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <zlib.h>

#include "base/lpp_formats.h"
#include "names/lpp_pagecode.h"
#include "saved_world.h"

/* Whether it is refused; must not crash either way. */
static int is_refused(const char *data, apr_size_t len)
{
    char *exact = malloc(len ? len : 1); /* valgrind sees a byte too far */
    lpp_saved_t *saved;
    apr_pool_t *scratch;
    apr_status_t status;

    memcpy(exact, data, len);
    apr_pool_create(&scratch, pool);
    status = lpp_saved_read(&saved, exact, len, scratch);
    assert_true((status == APR_SUCCESS) == (saved != NULL));
    apr_pool_destroy(scratch);
    free(exact);
    return status == APR_EINVAL;
}

static void what_is_cut_short_is_refused(void **state)
{
    lpp_saved_t saved = make_saved(make_view(9, ID), HOST);
    lpp_buf_t *file = write_saved(&saved);
    apr_size_t len;

    (void)state;
    for (len = 0; len < file->len; len++) {
        assert_true(is_refused(file->data, len));
    }
    lpp_buf_add_byte(file, 'x');
    assert_true(is_refused(file->data, file->len));
}

static void a_changed_bit_changes_nothing_unseen(void **state)
{
    lpp_saved_t saved = make_saved(make_view(9, ID), HOST);
    lpp_buf_t *file = write_saved(&saved);
    lpp_buf_t *whole = new_buf();
    unsigned taken = 0;
    apr_size_t i;

    (void)state;
    lpp_buf_add(whole, file->data, file->len);
    for (i = 0; i < file->len * 8; i++) {
        file->data[i / 8] ^= (char)(1 << (i % 8));
        if (!is_refused(file->data, file->len)) {
            /* bits that zlib has no use for: the same content */
            assert_same_bytes(whole, write_saved(read_back(file)));
            taken++;
        }
        file->data[i / 8] ^= (char)(1 << (i % 8));
    }
    assert_true(taken < file->len / 10);
    assert_false(is_refused(file->data, file->len));
}

/* The file with another body, its checks made right: what an enemy does. */
static lpp_buf_t *with_body(const lpp_buf_t *file, const unsigned char *body,
                            apr_size_t len)
{
    const unsigned char *bytes = (const unsigned char *)file->data;
    apr_size_t head = 16u + bytes[8] + 256u * bytes[9];
    uLongf packed_len = compressBound(len);
    unsigned char *packed = apr_palloc(pool, packed_len), lengths[8];
    lpp_buf_t *made = new_buf();
    unsigned i;

    assert_int_equal(compress2(packed, &packed_len, body, len, 1), Z_OK);
    for (i = 0; i < 4; i++) {
        lengths[i] = (unsigned char)(len >> (8 * i));
        lengths[4 + i] = (unsigned char)(packed_len >> (8 * i));
    }
    lpp_buf_add(made, file->data, head);
    lpp_buf_add(made, (char *)lengths, 8);
    lpp_buf_add(made, (char *)packed, packed_len);
    return made;
}

static unsigned char *body_of(const lpp_buf_t *file, apr_size_t *len)
{
    const unsigned char *bytes = (const unsigned char *)file->data;
    apr_size_t head = 16u + bytes[8] + 256u * bytes[9];
    uLongf got = bytes[head] + 256u * bytes[head + 1]
        + 65536u * bytes[head + 2];
    unsigned char *body = apr_palloc(pool, got);

    assert_int_equal(uncompress(body, &got, bytes + head + 8,
                                file->len - head - 8), Z_OK);
    *len = got;
    return body;
}

/* A file whose section of page functions is not one of the tree. */
static void refused_with(lpp_view_t *view, unsigned what)
{
    lpp_saved_t saved = make_saved(view, HOST);
    lpp_line_branch_t *lines = (lpp_line_branch_t *)view->line_branches;
    lpp_function_t *functions = (lpp_function_t *)view->functions;
    apr_uint32_t last = view->line_branch_count - 1;
    lpp_buf_t *file = write_saved(&saved);

    assert_false(is_refused(file->data, file->len));
    switch (what) {
    case 0: lines[last].self.wall_us++; break;
    case 1: lines[last].self.samples--; break;
    case 2: lines[last].self.cpu_us = lines[last].self.wall_us + 1; break;
    case 3: lines[last].parent = last; break;
    case 4: lines[last].parent = 1; break;
    case 5: lines[last].branch = 1; break;
    case 6: lines[last].branch = view->branch_count; break;
    case 7: lines[last].line = LPP_PAGE_LINE_MAX + 1; break;
    case 8: lines[1].line = 3; break;
    case 9: lines[1].branch = 0; break;
    case 10: functions[1].symbol.kind = LPP_NAME_INTERPRETER; break;
    case 11:
        functions[view->branches[lines[last].branch].function].symbol.start
            = LPP_PC_MAKE(1, 4096);
        break;
    default: view->line_branch_count = 1; break;
    }
    file = write_saved(&saved);
    assert_true(is_refused(file->data, file->len));
}

static void lines_that_make_up_no_tree_are_refused(void **state)
{
    const lpp_view_t *view;
    unsigned i;

    (void)state;
    mix_pagecode(1);
    /* the last line branch is one of a page function */
    view = make_view(9, ID);
    assert_int_equal(view->functions[view->branches[view->line_branches[
        view->line_branch_count - 1].branch].function].symbol.kind,
                     LPP_NAME_INTERPRETER);
    for (i = 0; i < 13; i++) {
        refused_with((lpp_view_t *)make_view(9, ID), i);
    }
}

/* What passes all checks must do no harm: every writer copes with it. */
static void use_if_taken(const lpp_buf_t *file)
{
    apr_pool_t *kept = pool;
    lpp_saved_t *saved;
    int format;

    apr_pool_create(&pool, kept);
    if (lpp_saved_read(&saved, file->data, file->len, pool) == APR_SUCCESS) {
        for (format = 0; format < LPP_FORMAT_COUNT; format++) {
            in_format(saved->view, format);
        }
        assert_same_bytes(write_saved(saved),
                          write_saved(read_back(write_saved(saved))));
    }
    apr_pool_destroy(pool);
    pool = kept;
}

static void make_up_bodies(void)
{
    lpp_saved_t saved = make_saved(make_view(9, ID), HOST);
    lpp_buf_t *file;
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    unsigned char *body, was;
    apr_size_t len, i;
    unsigned j;

    saved.sql = make_sql();
    file = write_saved(&saved);
    body = body_of(file, &len);
    assert_same_bytes(file, with_body(file, body, len));
    for (i = 0; i < len; i += i < 150 ? 1 : 11) {
        was = body[i];
        for (j = 0; j < LPP_COUNT(values); j++) {
            body[i] = values[j];
            use_if_taken(with_body(file, body, len));
        }
        body[i] = was;
    }
    for (i = 0; i < len; i += 7) {
        lpp_buf_t *cut = with_body(file, body, i);

        assert_true(is_refused(cut->data, cut->len));
    }
}

static void a_body_that_was_made_up_does_no_harm(void **state)
{
    (void)state;
    make_up_bodies();
    mix_pagecode(1);
    make_up_bodies();
}

static void a_bomb_is_refused(void **state)
{
    lpp_saved_t saved = make_saved(make_view(1, ID), HOST);
    lpp_buf_t *file = write_saved(&saved), *bomb;
    apr_size_t len = 65u << 20;
    unsigned char *body = calloc(1, len);

    (void)state;
    assert_non_null(body);
    bomb = with_body(file, body, len);
    assert_true(is_refused(bomb->data, bomb->len));
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_cut_short_is_refused),
        TEST(a_changed_bit_changes_nothing_unseen),
        TEST(lines_that_make_up_no_tree_are_refused),
        TEST(a_body_that_was_made_up_does_no_harm),
        TEST(a_bomb_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
