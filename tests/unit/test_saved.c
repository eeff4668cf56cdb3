/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_saved: what is read back makes the same bytes in every format, and has
 * all that was saved beside the profile. Files that are not as they were
 * written: test_saved_refused.c; directories of them: test_saved_list.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "saved_world.h"

static void every_format_has_the_same_bytes(void **state)
{
    static const unsigned sizes[] = {0, 1, 2, 50, 3000};
    unsigned i;

    (void)state;
    for (i = 0; i < 4 * LPP_COUNT(sizes); i++) {
        const lpp_view_t *view, *back;
        lpp_saved_t saved;

        name_source(i & 1 ? "source.c" : NULL, i & 1 ? 42 : 0);
        mix_pagecode(i & 2);
        view = make_view(sizes[i / 4], ID);
        saved = make_saved(view, HOST);
        back = read_back(write_saved(&saved))->view;
        assert_same_formats(view, back);
        assert_int_equal(view->named_percent, back->named_percent);
        assert_memory_equal(&view->statistics.pages, &back->statistics.pages,
                            sizeof(back->statistics.pages));
    }
}

static void exact_calls_are_kept(void **state)
{
    const lpp_view_t *view = make_view(20, ID);
    lpp_saved_t saved = make_saved(view, HOST);

    (void)state;
    ((lpp_function_t *)view->functions)[2].calls = 77;
    ((lpp_edge_t *)view->edges)[view->edge_count - 1].calls = 99;
    ((lpp_edge_t *)view->edges)[0].calls = 1;
    assert_same_formats(view, read_back(write_saved(&saved))->view);
}

static void head_and_oops_come_back(void **state)
{
    lpp_saved_t saved = make_saved(make_view(9, ID), HOST), *back;
    lpp_buf_t *left = new_buf(), *right = new_buf();
    lpp_sink_t left_sink = lpp_buf_sink(left);
    lpp_sink_t right_sink = lpp_buf_sink(right);
    lpp_saved_head_t head;
    lpp_buf_t *file = write_saved(&saved);

    (void)state;
    back = read_back(file);
    assert_string_equal(back->head.vhost, HOST);
    assert_string_equal(back->head.id, ID);
    assert_string_equal(back->head.page_id, "RootObject:index.html");
    assert_string_equal(back->head.method, "GET");
    assert_string_equal(back->head.outcome, "profiled");
    assert_int_equal(back->head.start, APR_TIME_C(1700000000123456));
    assert_int_equal(back->head.pid, 4711);
    assert_int_equal(back->head.status, 502);
    assert_int_equal(back->head.waited_us, 12345);
    assert_int_equal(back->head.cut_short, 1);
    assert_int_equal(back->view->statistics.lowered_hz, 250);
    assert_int_equal(back->view->statistics.kernel_events, 1);
    assert_int_equal(back->view->statistics.kernel_blocks, 77);
    assert_int_equal(back->view->statistics.kernel_lost, 3);
    assert_int_equal(back->head.total.wall_us, saved.view->total.wall_us);
    assert_string_equal(back->oops_path, saved.oops_path);
    assert_null(back->memory);
    assert_int_equal(back->region_count, 0);
    assert_int_equal(lpp_saved_read_head(&head, file->data, 4000, pool),
                     APR_SUCCESS);
    assert_string_equal(head.url, back->head.url);
    assert_int_equal(lpp_oops_write_rfc822(saved.oops, &left_sink, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_oops_write_rfc822(back->oops, &right_sink, pool),
                     APR_SUCCESS);
    assert_same_bytes(left, right);
    assert_null(strstr(right->data, "secret"));
    saved.oops = NULL;
    assert_null(read_back(write_saved(&saved))->oops);
}

static void memory_and_regions_come_back(void **state)
{
    static const lpp_memory_sizes_t memory[2] = {{1000, 200, 30, 0, 0},
                                                 {2000, 100, 40, 0, 0}};
    static const lpp_region_sum_t regions[2] = {{"one", 3, 777, 0},
                                                {"t\xffwo", 1, 1, 0}};
    lpp_saved_t saved = make_saved(make_view(9, ID), HOST), *back;

    (void)state;
    saved.memory = memory;
    saved.regions = regions;
    saved.region_count = 2;
    saved.inline_count = 4;
    saved.inline_ignored = 1;
    back = read_back(write_saved(&saved));
    assert_memory_equal(back->memory, memory, sizeof(memory));
    assert_int_equal(back->inline_count, 4);
    assert_int_equal(back->inline_ignored, 1);
    assert_int_equal(back->region_count, 2);
    assert_string_equal(back->regions[0].name, "one");
    assert_int_equal(back->regions[0].count, 3);
    assert_int_equal(back->regions[0].wall_us, 777);
    assert_string_equal(back->regions[1].name, regions[1].name);
}

static void sql_comes_back(void **state)
{
    lpp_saved_t saved = make_saved(make_view(9, ID), HOST), *back;
    const lpp_sql_statement_t *left, *right;
    unsigned i;

    (void)state;
    saved.sql = make_sql();
    saved.sql_condition = "includes%20X";
    back = read_back(write_saved(&saved));
    assert_string_equal(back->sql_condition, "includes%20X");
    assert_int_equal(back->sql->count, 3);
    assert_int_equal(back->sql->failed, 1);
    assert_int_equal(back->sql->total_us, saved.sql->total_us);
    assert_int_equal(back->sql->group_count, 1);
    assert_int_equal(back->sql->trigger_count, saved.sql->trigger_count);
    assert_int_equal(back->sql->gap_count, saved.sql->gap_count);
    for (i = 0; i < 3; i++) {
        left = lpp_sqllog_at(saved.sql->log, i);
        right = lpp_sqllog_at(back->sql->log, i);
        assert_string_equal(left->text, right->text);
        assert_int_equal(left->bytes, right->bytes);
        assert_int_equal(left->start_us, right->start_us);
        assert_int_equal(left->took_us, right->took_us);
        assert_int_equal(left->rows, right->rows);
        assert_int_equal(left->stack, right->stack);
    }
    assert_string_equal(right->error, "no such table");
    for (i = 0; i < 2; i++) {
        assert_int_equal(back->sql->stacks[i].count, 2);
        assert_string_equal(back->sql->stacks[i].frames[0].name,
                            saved.sql->stacks[i].frames[0].name);
    }
    assert_same_bytes(write_saved(&saved), write_saved(back));
    saved.sql = NULL;
    assert_null(read_back(write_saved(&saved))->sql);
}

static void long_texts_are_cut_in_the_head_alone(void **state)
{
    char *url = apr_palloc(pool, 9001);
    lpp_view_t *view = (lpp_view_t *)make_view(3, ID);
    lpp_saved_t saved = make_saved(view, HOST), *back;
    unsigned i;

    (void)state;
    for (i = 0; i < 9000; i += 3) {
        memcpy(url + i, "\xe2\x82\xac", 3);
    }
    url[9000] = '\0';
    view->about.url = url;
    back = read_back(write_saved(&saved));
    assert_int_equal(strlen(back->head.url), 1998);
    assert_string_equal(back->view->about.url, url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_format_has_the_same_bytes),
        TEST(exact_calls_are_kept),
        TEST(head_and_oops_come_back),
        TEST(sql_comes_back),
        TEST(memory_and_regions_come_back),
        TEST(long_texts_are_cut_in_the_head_alone),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
