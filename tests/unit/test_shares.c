/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_shares: ready time, the third share of wall time, on its way through the
 * core: sums of a profile, a view, exact calls, the saved form (and files of
 * before it), and the words of a page. The sampler's part is in
 * test_sampler_shares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <apr_general.h>

#include "names/lpp_view_graph.h"
#include "profile/lpp_calls.h"
#include "report/lpp_report_internal.h"
#include "report_text.h"
#include "saved_world.h"

#define SLEEP_NS 2000000

static lpp_profile_t *profile_of(apr_uint64_t wall, apr_uint64_t cpu)
{
    lpp_profile_t *profile;

    assert_int_equal(lpp_profile_create(&profile, 0, pool), APR_SUCCESS);
    profile->total.wall_ns = wall;
    profile->total.cpu_ns = cpu;
    return profile;
}

static void a_total_is_exact_or_what_was_not_seen_asleep(void **state)
{
    const lpp_weight_t half = { 40, 10, 20, 1 };
    lpp_profile_t *profile = profile_of(100, 30);

    (void)state;
    lpp_profile_add(profile, NULL, 0, &half);
    lpp_profile_set_ready(profile, 50, 0);
    assert_int_equal(profile->statistics.ready, LPP_READY_EXACT);
    assert_int_equal(profile->total.ready_ns, 50);
    lpp_profile_set_ready(profile, 71, 1); /* more than there is */
    assert_int_equal(profile->total.ready_ns, 70);
    lpp_profile_set_ready(profile, -1, 1); /* 10 were seen asleep */
    assert_int_equal(profile->statistics.ready, LPP_READY_SEEN);
    assert_int_equal(profile->total.ready_ns, 60);
    lpp_profile_set_ready(profile, -1, 0);
    assert_int_equal(profile->statistics.ready, LPP_READY_UNKNOWN);
    assert_int_equal(profile->total.ready_ns, 0);
}

static void a_sum_knows_what_its_parts_know(void **state)
{
    lpp_profile_t *sum = profile_of(0, 0), *one = profile_of(100, 30);

    (void)state;
    lpp_profile_set_ready(one, 40, 0);
    lpp_profile_merge(sum, one);
    assert_int_equal(sum->statistics.ready, LPP_READY_EXACT);
    lpp_profile_merge(sum, one);
    assert_int_equal(sum->total.ready_ns, 80);
    lpp_profile_set_ready(one, -1, 1);
    lpp_profile_merge(sum, one);
    assert_int_equal(sum->statistics.ready, LPP_READY_SEEN);
}

static const lpp_view_t *view_of(lpp_profile_t *profile)
{
    const lpp_view_about_t about = { ID, "", "", "", "GET", 0, 1, 1, 0 };
    const lpp_view_t *view;

    assert_int_equal(lpp_view_create(&view, profile, NULL, NULL, &about,
                                     pool), APR_SUCCESS);
    return view;
}

/* Of all branches, each of which must have no more than its wall time. */
static apr_uint64_t ready_of(const lpp_view_t *view)
{
    apr_uint64_t sum = 0;
    apr_uint32_t i;

    for (i = 0; i < view->branch_count; i++) {
        const lpp_cost_t *self = &view->branches[i].self;

        assert_true(self->cpu_us + self->ready_us <= self->wall_us);
        sum += self->ready_us;
    }
    return sum;
}

static void all_ready_time_is_in_a_view(void **state)
{
    const lpp_weight_t some = { 40000, 10000, 5000, 1 };
    /* the first names of saved_world */
    const lpp_pc_t one[] = { LPP_PC_MAKE(1, 4096) };
    const lpp_pc_t two[] = { LPP_PC_MAKE(1, 4096 + 256) };
    lpp_profile_t *profile = profile_of(100000, 30000);
    const lpp_view_t *view;

    (void)state;
    lpp_profile_add(profile, one, 1, &some);
    lpp_profile_add(profile, two, 1, &some);
    /* the rest has 10 us without CPU */
    lpp_profile_set_ready(profile, 15000, 0);
    view = view_of(profile);
    assert_int_equal(view->total.ready_us, 15);
    assert_int_equal(view->functions[1].self.ready_us, 5);
    assert_int_equal(ready_of(view), 15);
    /* more than the rest has room for: the samples get it */
    lpp_profile_set_ready(profile, 61000, 0);
    view = view_of(profile);
    assert_int_equal(view->total.ready_us, 61);
    assert_int_equal(view->functions[1].self.ready_us, 10);
    assert_int_equal(ready_of(view), 61);
    lpp_profile_set_ready(profile, 70000, 0);
    assert_int_equal(ready_of(view_of(profile)), 70);
    assert_int_equal(lpp_cost_blocked_us(&view_of(profile)->total), 0);
}

static void many_branches_share_what_no_sample_has(void **state)
{
    const lpp_view_t *view = make_view(500, ID);

    (void)state;
    assert_int_equal(view->total.ready_us, APR_UINT64_C(12345678));
    assert_int_equal(ready_of(view), view->total.ready_us);
}

static apr_int64_t ready_now; /* -1: not known */

static apr_int64_t read_ready(const void *baton)
{
    assert_ptr_equal(baton, &ready_now);
    return ready_now;
}

static void doze(void)
{
    const struct timespec time = { 0, SLEEP_NS };

    nanosleep(&time, NULL);
}

static void exact_calls_have_their_own_ready_time(void **state)
{
    static const lpp_hook_t hooks[] = { { "fixups", "a.c", NULL, 0 },
                                        { "handler", "b.c", NULL, 0 } };
    const lpp_calls_table_t *table;
    const lpp_call_span_t *spans;
    lpp_calls_t *calls;
    unsigned outer, inner;
    apr_uint32_t count;

    (void)state;
    assert_int_equal(lpp_calls_create(&calls, hooks, 0, pool), APR_SUCCESS);
    ready_now = 1000;
    lpp_calls_count_ready(calls, read_ready, &ready_now);
    outer = lpp_calls_enter(calls, 0, 0);
    doze();
    ready_now += 300000;
    inner = lpp_calls_enter(calls, 0, 1);
    doze();
    ready_now += 500000;
    lpp_calls_leave(calls, inner, NULL, 0);
    table = lpp_calls_table(calls, pool); /* outer still runs */
    assert_int_equal(table->calls[0].ready_ns, 800000);
    assert_int_equal(table->calls[0].self_ready_ns, 300000);
    lpp_calls_leave(calls, outer, NULL, 0);
    table = lpp_calls_table(calls, pool);
    assert_int_equal(table->calls[0].ready_ns, 800000);
    assert_int_equal(table->calls[0].self_ready_ns, 300000);
    assert_int_equal(table->calls[1].ready_ns, 500000);
    spans = lpp_calls_spans(calls, &count);
    assert_int_equal(count, 2);
    assert_int_equal(spans[0].ready_ns, 500000);
    ready_now = -1; /* from now on not known */
    doze();
    inner = lpp_calls_enter(calls, 0, 1);
    doze();
    lpp_calls_leave(calls, inner, NULL, 0);
    assert_int_equal(lpp_calls_spans(calls, &count)[2].ready_ns, -1);
}

static const lpp_oops_event_t *event_of(const lpp_saved_t *saved, int i)
{
    return &APR_ARRAY_IDX(saved->oops->timeline, i, lpp_oops_event_t);
}

static void the_saved_form_has_them(void **state)
{
    const lpp_view_t *view = make_view(300, ID);
    lpp_saved_t saved = make_saved(view, HOST), *back;
    const lpp_oops_event_t row = { 1, 900, "phase", "x", 100.5, 0 };
    int last;

    (void)state;
    lpp_oops_add_row((lpp_oops_t *)saved.oops, &row);
    lpp_oops_add_event((lpp_oops_t *)saved.oops, 950, 960, "gate", "y");
    last = saved.oops->timeline->nelts - 1;
    back = read_back(write_saved(&saved));
    assert_int_equal(back->head.ready, LPP_READY_EXACT);
    assert_int_equal(back->head.total.ready_us, view->total.ready_us);
    assert_int_equal(back->view->statistics.ready, LPP_READY_EXACT);
    assert_int_equal(ready_of(back->view), view->total.ready_us);
    assert_same_formats(view, back->view);
    assert_true(event_of(back, last)->cpu_ms < 0);
    assert_true(event_of(back, last)->ready_ms < 0);
    for (last = 0; event_of(back, last)->detail[0] != 'x'; last++) {
    }
    assert_true(event_of(back, last)->cpu_ms == 100.5);
    assert_true(event_of(back, last)->ready_ms == 0);
}

static void where_it_is_unknown_the_file_has_no_such_section(void **state)
{
    const lpp_view_t *view = make_view(30, ID);
    lpp_saved_t saved = make_saved(view, HOST), *back;
    apr_size_t with = write_saved(&saved)->len;

    (void)state;
    ((lpp_view_t *)view)->statistics.ready = LPP_READY_UNKNOWN;
    ((lpp_view_t *)view)->total.ready_us = 0;
    assert_true(write_saved(&saved)->len < with);
    back = read_back(write_saved(&saved));
    assert_int_equal(back->view->statistics.ready, LPP_READY_UNKNOWN);
    assert_int_equal(ready_of(back->view), 0);
}

/* A file that was written before there was ready time. */
static void an_old_file_is_read(void **state)
{
    char data[4096];
    FILE *file = fopen("tests/fuzz/corpus/saved/whole", "rb");
    lpp_saved_t *saved;
    apr_size_t len;

    (void)state;
    assert_non_null(file);
    len = fread(data, 1, sizeof(data), file);
    fclose(file);
    assert_int_equal(lpp_saved_read(&saved, data, len, pool), APR_SUCCESS);
    assert_int_equal(saved->head.ready, LPP_READY_UNKNOWN);
    assert_int_equal(saved->view->statistics.ready, LPP_READY_UNKNOWN);
    assert_int_equal(saved->view->total.ready_us, 0);
    assert_true(event_of(saved, 0)->cpu_ms < 0);
}

static void more_ready_time_than_there_is_is_refused(void **state)
{
    lpp_view_t *view = (lpp_view_t *)make_view(30, ID);
    lpp_saved_t saved = make_saved(view, HOST), *back;
    lpp_cost_t *self = (lpp_cost_t *)&view->branches[2].self;
    lpp_buf_t *file;

    (void)state;
    view->total.ready_us += 1 + lpp_cost_blocked_us(self);
    self->ready_us += 1 + lpp_cost_blocked_us(self);
    file = write_saved(&saved);
    assert_int_equal(lpp_saved_read(&back, file->data, file->len, pool),
                     APR_EINVAL);
    /* within the branch, but not what the head says */
    self->ready_us = 0;
    file = write_saved(&saved);
    assert_int_equal(lpp_saved_read(&back, file->data, file->len, pool),
                     APR_EINVAL);
}

static lpp_buf_t *out;

static lpp_page_t fresh_page(void)
{
    static lpp_sink_t sink;
    lpp_page_t page = { &sink, pool, APR_SUCCESS };

    out = new_buf();
    sink = lpp_buf_sink(out);
    return page;
}

static void a_page_says_what_is_known(void **state)
{
    const lpp_cost_t cost = { 1000000, 204000, 793000, 10 };
    lpp_page_t page = fresh_page();

    (void)state;
    lpp_page_shares_percent(&page, LPP_READY_EXACT, &cost);
    assert_string_equal(out->data, "20&#160;% CPU, 80&#160;% ready, "
                                   "0&#160;% blocked");
    page = fresh_page();
    lpp_page_shares_percent(&page, LPP_READY_SEEN, &cost);
    assert_string_equal(out->data, "100&#160;% CPU, or waiting for one; "
                                   "0&#160;% blocked");
    page = fresh_page();
    lpp_page_shares_percent(&page, LPP_READY_UNKNOWN, &cost);
    assert_string_equal(out->data, "20&#160;% CPU, 80&#160;% waiting");
    page = fresh_page();
    lpp_page_figures(&page, LPP_READY_SEEN, &cost);
    assert_has(out->data, "CPU, or waiting for one</span> <b>997&#160;ms");
    assert_has_not(out->data, "Ready");
    page = fresh_page();
    lpp_page_bar(&page, LPP_READY_EXACT, &cost, &cost);
    assert_has(out->data, "<rect class=\"ready\" x=\"20.4%\" width=\"79.3%\"");
    assert_has(out->data, "<rect class=\"wait\" x=\"99.7%\"");
}

static lpp_report_t report_of(lpp_view_t *view, int ready,
                              apr_uint64_t ready_us)
{
    lpp_report_t report;

    memset(&report, 0, sizeof(report));
    view->statistics.ready = ready;
    view->statistics.cut_short = 0;
    view->total.ready_us = ready_us;
    report.view = view;
    return report;
}

static void the_first_sentence_says_that_the_machine_was_busy(void **state)
{
    static const char busy[] = "wanted a processor and did not get one";
    lpp_view_t *view = (lpp_view_t *)make_view(30, ID);
    apr_uint64_t room = view->total.wall_us - view->total.cpu_us;
    lpp_page_t page = fresh_page();
    lpp_report_t report = report_of(view, LPP_READY_EXACT, room);

    (void)state;
    view->total.cpu_us = view->total.wall_us / 5;
    report = report_of(view, LPP_READY_EXACT, view->total.wall_us / 5 * 4);
    lpp_report_headline(&page, &report);
    assert_has(out->data, "<p class=\"words\">For <b>80&#160;%</b> of the time "
                          "the request wanted a processor and did not get one: "
                          "the machine was busy. ");
    /* not where it is little, or only what was not seen asleep */
    page = fresh_page();
    report = report_of(view, LPP_READY_EXACT, view->total.wall_us / 10);
    lpp_report_headline(&page, &report);
    assert_has_not(out->data, busy);
    page = fresh_page();
    report = report_of(view, LPP_READY_SEEN, view->total.wall_us / 5 * 4);
    lpp_report_headline(&page, &report);
    assert_has_not(out->data, busy);
    assert_has(out->data, "CPU, or waiting for one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_total_is_exact_or_what_was_not_seen_asleep),
        TEST(a_sum_knows_what_its_parts_know),
        TEST(all_ready_time_is_in_a_view),
        TEST(many_branches_share_what_no_sample_has),
        TEST(exact_calls_have_their_own_ready_time),
        TEST(the_saved_form_has_them),
        TEST(where_it_is_unknown_the_file_has_no_such_section),
        TEST(an_old_file_is_read),
        TEST(more_ready_time_than_there_is_is_refused),
        TEST(a_page_says_what_is_known),
        TEST(the_first_sentence_says_that_the_machine_was_busy),
    };

    apr_initialize();
    atexit(apr_terminate);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
