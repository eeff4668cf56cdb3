/* SPDX-License-Identifier: Apache-2.0 */
/* Exact calls in views, in files, in the saved form, in the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "fake_symbols.h"
#include "report/lpp_report.h"
#include "saved/lpp_saved.h"
#include "names/lpp_view.h"
#include "names/lpp_view_graph.h"
#include "formats/lpp_writer.h"

enum { FIXUPS, HANDLER, F, G, H, DIRECT, BELOW };
static const char *const names[] = { "ap_run_fixups", "ap_run_handler", "f",
    "g", "h", "direct", "below" };
#define PC(function) FAKE_PC(1, function, 0)
#define ADDRESS(function) ((const void *)(apr_uintptr_t)PC(function))
#define MAX_BYTES (1 << 20)

static apr_pool_t *pool;
static lpp_profile_t *profile;

static lpp_call_t rows[] = {
    { 0, "fixups", "mod_f.c", ADDRESS(F), 0, 5, 4000, 3000, 900, 4000, 3000,
      800, 0, -1, 1, 0 },
    { 0, "handler", "mod_f.c", ADDRESS(F), 0, 2, 2000000, 1000000, 1000000,
      1500000, 700000, 750000, 1, 0, 1, 0 },
    { 0, "fixups", "mod_g.c", ADDRESS(G), 0, 7, 700, 700, 0, 700, 700, 0, 1,
      403, 1, 0 },
    { 1, "fixups", "mod_g.c", ADDRESS(G), 0, 3, 300, 300, 0, 300, 300, 0, 0, -1,
      1, 0 },
    { 1, "handler", "mod_<h>.c", ADDRESS(H), 0, 1, 500000, 1, 2, 500000, 1, 2,
      1, 0, 1, 0 }
};
static const lpp_scope_t scopes[] = {
    { LPP_SCOPE_REQUEST, "", 1, LPP_CALLS_NONE, LPP_CALLS_NONE },
    { LPP_SCOPE_SUBREQUEST, "/<part>", 3, 0, 1 }
};
static lpp_calls_table_t table = { rows, LPP_COUNT(rows), scopes,
    LPP_COUNT(scopes), 11, 4, NULL, 0 };

static void add(const lpp_pc_t *stack, unsigned count)
{
    lpp_weight_t weight = { 1000000, 500000, 0, 1 };

    lpp_profile_add(profile, stack, count, &weight);
}

static int setup(void **state)
{
    static const lpp_pc_t in_handler[] = { PC(BELOW), PC(F), PC(HANDLER) };
    static const lpp_pc_t in_fixups[] = { PC(F), PC(FIXUPS) };

    (void)state;
    apr_initialize();
    apr_pool_create(&pool, NULL);
    fake_names = names;
    if (lpp_profile_create(&profile, 0, pool) != APR_SUCCESS) {
        return 1;
    }
    profile->calls = &table;
    profile->total.wall_ns = 4000000;
    profile->total.cpu_ns = 2000000;
    add(in_handler, 3);
    add(in_fixups, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static const lpp_view_t *view_of(void)
{
    lpp_view_about_t about = { "OOPS-0123456789abcdef0123456789abcdef",
        "P:x", "/x", "h", "GET", 0, 1, 2, 0 };
    const lpp_view_t *view = NULL;

    assert_int_equal(lpp_view_create(&view, profile, NULL, NULL, &about,
                                     pool), APR_SUCCESS);
    return view;
}

static apr_uint32_t find(const lpp_view_t *view, const char *name)
{
    apr_uint32_t i;

    for (i = 0; i < view->function_count; i++) {
        if (strcmp(view->functions[i].symbol.name, name) == 0) {
            return i;
        }
    }
    fail_msg("no function %s", name);
    return 0;
}

static const lpp_edge_t *edge(const lpp_view_t *view, const char *caller,
                              const char *callee)
{
    apr_uint32_t i, from = find(view, caller), to = find(view, callee);

    for (i = 0; i < view->edge_count; i++) {
        if (view->edges[i].caller == from && view->edges[i].callee == to) {
            return &view->edges[i];
        }
    }
    fail_msg("no edge from %s to %s", caller, callee);
    return NULL;
}

static void edges_have_the_calls_of_their_phase(void **state)
{
    const lpp_view_t *view = view_of();

    (void)state;
    assert_int_equal(edge(view, "ap_run_fixups", "f")->calls, 5);
    assert_int_equal(edge(view, "ap_run_handler", "f")->calls, 2);
    assert_int_equal(view->functions[find(view, "f")].calls, 7);
    assert_int_equal(view->functions[find(view, "below")].calls, 0);
    assert_int_equal(view->functions[find(view, "ap_run_fixups")].calls, 0);
}

static void calls_without_samples_are_there_and_cost_nothing(void **state)
{
    const lpp_view_t *view = view_of();
    const lpp_edge_t *found = edge(view, "ap_run_fixups", "g");
    apr_uint64_t self = 0;
    apr_uint32_t i;

    (void)state;
    assert_int_equal(found->calls, 10);
    assert_int_equal(found->total.wall_us, 0);
    assert_int_equal(view->functions[find(view, "g")].calls, 10);
    assert_int_equal(edge(view, "ap_run_handler", "h")->calls, 1);
    for (i = 0; i < view->function_count; i++) {
        self += view->functions[i].self.wall_us;
    }
    assert_int_equal(self, view->total.wall_us);
    for (i = 1; i < view->edge_count; i++) {
        assert_true(view->edges[i - 1].caller < view->edges[i].caller
                    || (view->edges[i - 1].caller == view->edges[i].caller
                        && view->edges[i - 1].callee
                               < view->edges[i].callee));
    }
}

static void a_function_called_another_way_too_has_no_exact_count(void **state)
{
    static const lpp_pc_t directly[] = { PC(F), PC(DIRECT) };
    const lpp_view_t *view;

    (void)state;
    add(directly, 2);
    view = view_of();
    assert_int_equal(view->functions[find(view, "f")].calls, 0);
    assert_int_equal(edge(view, "direct", "f")->calls, 0);
    assert_int_equal(edge(view, "ap_run_fixups", "f")->calls, 5);
}

static void an_only_caller_is_the_one(void **state)
{
    static const lpp_pc_t inlined[] = { PC(G), PC(DIRECT) };
    const lpp_view_t *view;

    (void)state;
    add(inlined, 2);
    table.count = 3; /* of these g is in one phase */
    view = view_of();
    table.count = LPP_COUNT(rows);
    assert_int_equal(edge(view, "direct", "g")->calls, 7);
    assert_int_equal(view->functions[find(view, "g")].calls, 7);
}

static void branches_know_their_call(void **state)
{
    const lpp_view_t *view = view_of();
    apr_uint32_t *outer, *inner, i, seen = 0;

    (void)state;
    assert_int_equal(lpp_view_branch_calls(view, &outer, &inner, pool),
                     APR_SUCCESS);
    for (i = 0; i < view->branch_count; i++) {
        const lpp_function_t *function =
            &view->functions[view->branches[i].function];

        if (strcmp(function->symbol.name, "below") == 0) {
            assert_int_equal(inner[i], 1);
            assert_int_equal(outer[i], 1);
            seen++;
        }
        else if (strcmp(function->symbol.name, "ap_run_handler") == 0) {
            assert_int_equal(inner[i], LPP_CALLS_NONE);
        }
    }
    assert_int_equal(seen, 1);
}

static lpp_buf_t *bytes_of(const lpp_view_t *view, lpp_writer_fn *write)
{
    lpp_buf_t *buf = lpp_buf_create(pool, MAX_BYTES);
    lpp_sink_t sink;

    assert_non_null(buf);
    sink = lpp_buf_sink(buf);
    assert_int_equal(write(view, &sink, pool), APR_SUCCESS);
    return buf;
}

/* Everything that can be made of a saved profile is what was made before. */
static void the_saved_form_keeps_the_calls(void **state)
{
    static lpp_writer_fn *const writers[] = { lpp_write_callgrind,
        lpp_write_pstats, lpp_write_pprof, lpp_write_collapsed };
    lpp_saved_t saved, *back;
    lpp_buf_t *buf = lpp_buf_create(pool, MAX_BYTES), *before, *after;
    lpp_sink_t sink;
    unsigned i;

    (void)state;
    memset(&saved, 0, sizeof(saved));
    saved.head.vhost = "v";
    saved.head.outcome = "profiled";
    saved.view = view_of();
    saved.oops_path = "";
    assert_non_null(buf);
    sink = lpp_buf_sink(buf);
    assert_int_equal(lpp_saved_write(&saved, &sink, pool), APR_SUCCESS);
    assert_int_equal(lpp_saved_read(&back, buf->data, buf->len, pool),
                     APR_SUCCESS);
    for (i = 0; i < LPP_COUNT(writers); i++) {
        before = bytes_of(saved.view, writers[i]);
        after = bytes_of(back->view, writers[i]);
        assert_int_equal(before->len, after->len);
        assert_memory_equal(before->data, after->data, before->len);
    }
    assert_int_equal(back->view->calls->count, LPP_COUNT(rows));
    assert_int_equal(back->view->calls->left_out, 4);
    assert_int_equal(back->view->calls->dropped, 11);
    for (i = 0; i < LPP_COUNT(rows); i++) {
        const lpp_call_t *call = &back->view->calls->calls[i];

        assert_string_equal(call->module, rows[i].module);
        assert_string_equal(call->phase, rows[i].phase);
        assert_int_equal(call->scope, rows[i].scope);
        assert_int_equal(call->result, rows[i].result);
        assert_int_equal(call->decided, rows[i].decided);
        assert_int_equal(call->wall_ns, rows[i].wall_ns);
        assert_int_equal(call->self_cpu_ns, rows[i].self_cpu_ns);
        assert_int_equal(call->ready_ns, rows[i].ready_ns);
        assert_int_equal(call->self_ready_ns, rows[i].self_ready_ns);
    }
    assert_string_equal(back->view->calls->scopes[1].path, "/<part>");
    assert_int_equal(back->view->calls->scopes[1].caller, 1);
}

static apr_status_t write_block(const lpp_view_t *view,
                                const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_report_t report;

    memset(&report, 0, sizeof(report));
    report.actions = LPP_ACTION_SHOW;
    report.view = view;
    return lpp_report_block(&report, sink, scratch);
}

static void the_page_tells_exact_from_sampled(void **state)
{
    lpp_buf_t *page = bytes_of(view_of(), write_block);
    char *text = apr_pstrmemdup(pool, page->data, page->len);

    (void)state;
    assert_non_null(strstr(text, "By module and phase"));
    assert_non_null(strstr(text, "403 refused"));
    assert_non_null(strstr(text, "OK, handled"));
    assert_non_null(strstr(text, "Subrequest <code>/&#60;part&#62;</code> "
                                 "(3&#215;), made in handler of mod_f.c"));
    assert_non_null(strstr(text, "mod_&#60;h&#62;.c"));
    assert_null(strstr(text, "<h>"));
    assert_non_null(strstr(text, "&#8776; sampled: 1 sample, "));
    assert_non_null(strstr(text, "4 hooks that no entry was left for, 11 "
                                 "calls past a ceiling"));
    assert_non_null(strstr(text, "1.5&#160;ms"));
}

static void nothing_is_said_where_nothing_was_counted(void **state)
{
    lpp_buf_t *page;
    char *text;

    (void)state;
    profile->calls = NULL;
    page = bytes_of(view_of(), write_block);
    text = apr_pstrmemdup(pool, page->data, page->len);
    assert_null(strstr(text, "By module and phase"));
    page = bytes_of(view_of(), lpp_write_callgrind);
    text = apr_pstrmemdup(pool, page->data, page->len);
    assert_non_null(strstr(text, "desc: Counts: samples\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(edges_have_the_calls_of_their_phase),
        TEST(calls_without_samples_are_there_and_cost_nothing),
        TEST(a_function_called_another_way_too_has_no_exact_count),
        TEST(an_only_caller_is_the_one), TEST(branches_know_their_call),
        TEST(the_saved_form_keeps_the_calls),
        TEST(the_page_tells_exact_from_sampled),
        TEST(nothing_is_said_where_nothing_was_counted)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
