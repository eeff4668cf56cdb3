/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_report: what the block and the own page say, that all of it is ASCII
 * and well-formed, and that nothing of a request gets out of its element.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_xml.h>

#include "fake_report.h"
#include "report_text.h"
#include "report/lpp_report_internal.h"

#define MAX_BYTES (4 * 1024 * 1024)

static apr_pool_t *pool;
static lpp_buf_t out;

static int set_up(void **state)
{
    (void)state;
    lpp_buf_reset(&out);
    return 0;
}

static lpp_report_t shown(void)
{
    lpp_report_t report = {0};

    report.actions = LPP_ACTION_SHOW;
    report.example_url = "/a b/<i>";
    report.oops_id = FAKE_ID;
    report.oops_path = "/var/oops/" FAKE_ID;
    report.view = fake_view(pool);
    report.oops = fake_oops(pool);
    report.provisional = 1;
    report.styled = 1;
    return report;
}

static const char *block(const lpp_report_t *report)
{
    lpp_sink_t sink = lpp_buf_sink(&out);

    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_block(report, &sink, pool), APR_SUCCESS);
    return out.data;
}

static void assert_ascii(const char *text)
{
    for (; *text; text++) {
        assert_true((unsigned char)*text < 0x7f);
        assert_true((unsigned char)*text >= 0x20 || *text == '\n');
    }
}

/* Whether an XML parser takes it. */
static int is_well_formed(const char *text)
{
    apr_xml_parser *parser = apr_xml_parser_create(pool);
    apr_xml_doc *doc;

    return apr_xml_parser_feed(parser, text, strlen(text)) == APR_SUCCESS
        && apr_xml_parser_done(parser, &doc) == APR_SUCCESS;
}

static void text_is_escaped_to_ascii(void **state)
{
    static const char *const cases[][2] = {
        {"plain text\n\tlines", "plain text\n\tlines"},
        {"<a href=\"x\">&'", "&#60;a href=&#34;x&#34;&#62;&#38;&#39;"},
        {"\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80", "&#246;&#8364;&#128512;"},
        {"\x01\r\x7f", "&#65533;&#65533;&#65533;"},
        {"\xc2\x85", "&#65533;"},             /* C1 control */
        {"\xc0\xaf" "a", "&#65533;&#65533;a"}, /* overlong */
        {"\xe0\x80\xaf", "&#65533;"},
        {"\xed\xa0\x80", "&#65533;"},         /* surrogate */
        {"\xf4\x90\x80\x80", "&#65533;"},     /* past the end */
        {"\xef\xbf\xbe", "&#65533;"},         /* no character */
        {"\xe2\x82", "&#65533;"},             /* cut off */
        {"\xe2<", "&#65533;&#60;"},           /* swallows no markup */
        {"\xff", "&#65533;"},
    };
    lpp_sink_t sink = lpp_buf_sink(&out);
    size_t i;

    (void)state;
    for (i = 0; i < LPP_COUNT(cases); i++) {
        lpp_buf_reset(&out);
        assert_int_equal(lpp_report_escape(&sink, cases[i][0]), APR_SUCCESS);
        assert_string_equal(out.data, cases[i][1]);
    }
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_escape(&sink, NULL), APR_SUCCESS);
    assert_int_equal(out.len, 0);
}

static void every_variant_is_well_formed_ascii(void **state)
{
    static const apr_uint32_t actions[] = {0, LPP_ACTION_SHOW,
                                           LPP_ACTION_HELP};
    lpp_report_file_t file = {LPP_FORMAT_CALLGRIND, "/var/it's & here"};
    int i;

    (void)state;
    for (i = 0; i < 3 * 16; i++) {
        lpp_report_t report = shown();

        report.actions = actions[i / 16];
        report.styled = i & 1;
        report.provisional = !!(i & 2);
        report.all_requests = !!(i & 4);
        report.files = &file;
        report.file_count = 1;
        if (i & 8) {
            report.view = NULL;
            report.oops = NULL;
            report.oops_id = report.oops_path = NULL;
            report.file_count = 0;
        }
        report.xhtml = 1;
        assert_true(is_well_formed(block(&report)));
        assert_ascii(out.data);
        report.xhtml = 0;
        assert_ascii(block(&report));
        assert_has(out.data, "<h1>Profiling Information</h1>");
    }
}

static void nothing_of_a_request_becomes_markup(void **state)
{
    lpp_report_t report = shown();
    const char *text = block(&report);

    (void)state;
    assert_has_not(text, "<script");
    assert_has_not(text, "</title></template>");
    assert_has_not(text, "<i>");
    assert_has(text, "&#60;script&#62;alert(1)");
    /* Only the block's own end closes the shadow tree. */
    assert_ptr_equal(strstr(text, "</template>"),
                     strstr(text, "</template>Profiling Information"));
    assert_has(text, "href=\"/++profile++show&amp;callgrind/a%20b/%3Ci%3E\"");
}

static void block_is_styled_only_where_allowed(void **state)
{
    lpp_report_t report = shown();

    (void)state;
    assert_has(block(&report), "<style>");
    report.styled = 0;
    assert_has_not(block(&report), "<style");
    assert_has_not(out.data, " style=");
    report.xhtml = 1;
    assert_has_not(block(&report), "<template");
}

static void block_is_open_where_it_was_asked_for(void **state)
{
    lpp_report_t report = shown();

    (void)state;
    assert_has(block(&report), "<details class=\"lpp\" open=\"open\">");
    report.actions = 0;
    report.all_requests = 1;
    assert_has(block(&report), "<details class=\"lpp\">");
    report.actions = LPP_ACTION_HELP;
    assert_has(block(&report), "<details class=\"lpp\" open=\"open\">");
}

static void headline_says_where_the_time_went(void **state)
{
    lpp_report_t report = shown();
    const char *text = block(&report);

    (void)state;
    assert_has(text, "<b>1.600&#160;s</b>");
    assert_has(text, "<b>1.100&#160;s</b>");
    assert_has(text, "<b>500&#160;ms</b>");
    assert_has(text, "69&#160;% CPU, 31&#160;% waiting");
    assert_has(text, "<code>luaV_execute</code> of liblua5.3.so.0.0.0 "
                     "(38&#160;%)");
    assert_has(text, "<code>poll</code> of libc.so.6 (29&#160;%), <code>"
                     "pcre2_match_8</code> of libpcre2-8.so.0.11.2 "
                     "(13&#160;%).</p>");
    assert_has(text, "Until this point");
    report.provisional = 0;
    assert_has_not(block(&report), "ntil this point");
}

/* Their names mean something where a stripped function's do not. */
static void headline_names_modules_by_exact_figures(void **state)
{
    static const lpp_scope_t scope = {LPP_SCOPE_REQUEST, "", 1,
                                      LPP_CALLS_NONE, LPP_CALLS_NONE};
    static const lpp_call_t calls[] = {
        {.phase = "handler", .module = "mod_lua.c", .calls = 1,
         .function = LPP_CALLS_NONE, .self_wall_ns = 600000000},
        {.phase = "fixups", .module = "mod_lua.c", .calls = 2,
         .function = LPP_CALLS_NONE, .self_wall_ns = 200000000},
        {.phase = "fixups", .module = "mod_<b>.c", .calls = 1,
         .function = LPP_CALLS_NONE, .self_wall_ns = 320000000},
        {.phase = "fixups", .module = "mod_small.c", .calls = 1,
         .function = LPP_CALLS_NONE, .self_wall_ns = 1500000},
        {.phase = "log_transaction", .module = "mod_log.c", .calls = 1,
         .function = LPP_CALLS_NONE, .self_wall_ns = 900000000},
    };
    lpp_calls_table_t table = {calls, LPP_COUNT(calls), &scope, 1, 0, 0, NULL,
                               0};
    lpp_view_t view = *fake_view(pool);
    lpp_report_t report = shown();

    (void)state;
    view.calls = &table;
    report.view = &view;
    assert_has(block(&report), "In modules: <b>mod_lua.c</b> (50&#160;%), "
               "<b>mod_&#60;b&#62;.c</b> (20&#160;%). Most of it in");
    /* under a thousandth of the request, so not among the rows */
    assert_has(out.data, "1 further functions");
    assert_has_not(out.data, "mod_small.c");
    report.full = 1;
    assert_has(block(&report), "mod_small.c");
}

/* lpp_report_headline.c, the table of rules. */
static void headline_says_statements_then_modules_then_functions(void **state)
{
    static const lpp_scope_t scope = {LPP_SCOPE_REQUEST, "", 1,
                                      LPP_CALLS_NONE, LPP_CALLS_NONE};
    static const lpp_call_t call = {.phase = "handler", .calls = 1,
        .module = "mod_lua.c", .function = LPP_CALLS_NONE,
        .self_wall_ns = 600000000};
    lpp_calls_table_t table = {&call, 1, &scope, 1, 0, 0, NULL, 0};
    lpp_sqlview_t sql = {.count = 40, .total_us = 500000};
    lpp_view_t view = *fake_view(pool);
    lpp_report_t report = shown();
    lpp_sink_t sink = lpp_buf_sink(&out);
    lpp_page_t page = {&sink, pool, APR_SUCCESS};

    (void)state;
    view.calls = &table;
    report.view = &view;
    report.sql = &sql;
    lpp_report_headline(&page, &report);
    assert_int_equal(page.status, APR_SUCCESS);
    assert_has(out.data, "waiting. <b>40</b> SQL statements took "
               "500&#160;ms. In modules: <b>mod_lua.c</b> (38&#160;%). "
               "Most of it in <code>luaV_execute</code>");
    /* exact calls are counted on after the profile has ended */
    lpp_buf_reset(&out);
    view.statistics.cut_short = LPP_STOP_MAX_TIME;
    lpp_report_headline(&page, &report);
    assert_has(out.data, "500&#160;ms. Most of it in");
    /* without a profile there are no modules and no functions */
    lpp_buf_reset(&out);
    report.view = NULL;
    lpp_report_headline(&page, &report);
    assert_has(out.data, "took 1.600&#160;s. <b>40</b> SQL statements took "
               "500&#160;ms.</p>");
}

static void request_without_a_sample_says_so(void **state)
{
    lpp_view_t view = *fake_view(pool);
    lpp_report_t report = shown();

    (void)state;
    view.total.samples = view.statistics.samples = 0;
    report.view = &view;
    assert_has(block(&report), "too short for a sample");
    assert_has_not(out.data, "Most of it");
    assert_has_not(out.data, "Flame graph</h2>");
    assert_has(out.data, "no frames to be named");
    view.total.samples = 1;
    assert_has(block(&report), ", as far as 1 sample can tell.</p>");
    view.total.samples = 10;
    assert_has_not(block(&report), "can tell");
}

static void tables_stand_in_launchpads_order(void **state)
{
    lpp_report_t report = shown();
    const char *text, *top[4];
    int i;

    (void)state;
    memset((void *)&report.view->functions[2].self, 0, sizeof(lpp_cost_t));
    text = block(&report);
    top[0] = strstr(text, "Profile quick view");
    top[1] = strstr(text, "Top Inline Time");
    top[2] = strstr(text, "Top Total Time");
    top[3] = strstr(text, "Top Call Count");
    for (i = 0; i < 4; i++) {
        assert_non_null(top[i]);
        assert_true(i == 0 || top[i] > top[i - 1]);
    }
    /* 601 of 1600 ms; recursion counted once. */
    assert_has(top[1], "601&#160;ms</td><td class=\"n share\">37.6&#160;%");
    assert_has(top[1], "1&#160;call<");
    assert_has(top[2], "<td class=\"n zero self\">0</td>"
                       "<td class=\"n share\"></td>");
    assert_has(top[1], "lvm.c:800");
    report.view = NULL;
    assert_has_not(block(&report), "Profile quick view");
    assert_has(out.data, "Total</span> <b>1.600&#160;s</b>");
    assert_has(out.data, "Until this point the request took 1.600&#160;s.</p>");
}

static void log_says_where_and_how_to_open(void **state)
{
    lpp_report_t report = shown();
    lpp_report_file_t file = {LPP_FORMAT_CALLGRIND,
                              "/var/p/callgrind.out.a:b+c@d"};

    (void)state;
    assert_has(block(&report), "not logged to a file");
    assert_has(out.data, "++profile++show&#38;callgrind");
    report.files = &file;
    report.file_count = 1;
    report.formats = LPP_FORMAT_BIT(LPP_FORMAT_CALLGRIND);
    assert_has(block(&report), "kcachegrind /var/p/callgrind.out.a:b+c@d"
                               "</pre>");
    assert_has_not(out.data, "not logged to a file");
    assert_has_not(out.data, "LPProfileAllRequests On");
    report.all_requests = 1;
    assert_has(block(&report), "because of <code>LPProfileAllRequests "
                               "On</code>");
    /* A command that can be pasted into a shell as it is. */
    file.path = "/var/it's $(here)";
    assert_has(block(&report), "kcachegrind &#39;/var/it&#39;\\&#39;&#39;s "
                               "$(here)&#39;</pre>");
}

static void notices_are_in_the_page(void **state)
{
    static const char *const notices[] = {"sql is not in this <build>", NULL};
    lpp_report_t report = shown();

    (void)state;
    report.notices = notices;
    assert_has(block(&report), "<p class=\"notice\">sql is not in this "
                               "&#60;build&#62;</p>");
}

static void flame_graph_is_to_scale(void **state)
{
    lpp_report_t report = shown();
    const char *text = strstr(block(&report), "<svg class=\"flame\"");

    (void)state;
    assert_non_null(text);
    assert_has(text, "<svg x=\"0.000%\" y=\"0\" width=\"100.000%\"");
    /* luaV_execute: 1131 of 1600 ms, three levels down. */
    assert_has(text, "<svg x=\"0.000%\" y=\"54\" width=\"70.688%\"");
    assert_has(text, "<title>poll (libc.so.6)\n470&#160;ms, 29.4 %; CPU "
                     "2.0&#160;ms; waiting 468&#160;ms; self 470&#160;ms; "
                     "470 samples</title>");
    /* Branch 12 has 0.06 %. */
    assert_has(text, "Left out (1)");
    /* which colour is which module, and the waterfall's scale */
    assert_has(text, " libc.so.6</span>");
    assert_has(text, "text-anchor=\"middle\">800&#160;ms</text>");
    assert_has(text, "text-anchor=\"end\">1.600&#160;s</text>");
    assert_has(text, "x=\"0.00%\" width=\"0.15%\""); /* 0.4 ms are seen */
    assert_has(text, "x=\"56.25%\" width=\"43.75%\"");
}

static void deep_and_wide_trees_stay_bounded(void **state)
{
    const apr_uint32_t depth = 60000, wide = 60000;
    lpp_view_t view = *fake_view(pool);
    lpp_branch_t *branches = apr_pcalloc(pool, (depth + wide)
                                         * sizeof(*branches));
    lpp_report_t report = shown();
    apr_uint32_t i;

    (void)state;
    for (i = 0; i < depth + wide; i++) {
        branches[i].function = i ? 7 : 0;
        branches[i].parent = i == 0 ? LPP_NODE_NONE : i < depth ? i - 1 : 0;
        branches[i].depth = i < depth ? i : 1;
        branches[i].first_child = i + 1 < depth ? i + 1 : LPP_NODE_NONE;
        branches[i].next_sibling = LPP_NODE_NONE;
        branches[i].total.wall_us = view.total.wall_us;
    }
    branches[1].next_sibling = depth;
    for (i = depth; i + 1 < depth + wide; i++) {
        branches[i].next_sibling = i + 1;
    }
    view.branches = branches;
    view.branch_count = depth + wide;
    report.view = &view;
    block(&report);
    assert_true(out.len < 2 * 1024 * 1024);
    assert_has(out.data, "Left out (");
}

static void raw_oops_shows_what_the_record_has(void **state)
{
    lpp_report_t report = shown();
    const char *text = strstr(block(&report), "Raw OOPS Information");

    (void)state;
    assert_non_null(text);
    assert_has(text, "Provisional");
    assert_has(text, "<th>type</th><td>ProfilingOops</td>");
    assert_has(text, "HTTP_COOKIE</th><td>&#60;hidden&#62;");
    assert_true(strstr(text, "HTTP_COOKIE") < strstr(text, "HTTP_USER"));
    assert_has(text, "00000-00226@phase translate_name\n");
    assert_has(text, "Traceback (most recent call last)");
    report.oops = NULL;
    assert_has_not(block(&report), "Raw OOPS");
}

static void help_names_what_this_build_has(void **state)
{
    lpp_report_t report = shown();

    (void)state;
    assert_has_not(block(&report), "<h2>Help</h2>");
    report.actions = LPP_ACTION_HELP;
    assert_has(block(&report), "<h2>Help</h2>");
    assert_has(out.data, "++profile++callgrind");
    assert_has(out.data, "<code>kcachegrind</code>");
    assert_has(out.data, "Code can profile parts of itself");
}

static void own_page_lists_settings_and_profiles(void **state)
{
    lpp_report_setting_t setting = {"LPProfileDir", "/a & b"};
    lpp_report_latest_t latest = {apr_time_from_sec(1700000000), "Root<x>",
                                  FAKE_ID, 1234567, 1234};
    lpp_report_home_t home = {0};
    lpp_sink_t sink = lpp_buf_sink(&out);
    apr_array_header_t *list = apr_array_make(pool, 1, sizeof(latest));

    (void)state;
    APR_ARRAY_PUSH(list, lpp_report_latest_t) = latest;
    home.host = "www.example.com";
    home.nonce = "abc";
    home.settings = &setting;
    home.setting_count = 1;
    home.latest = list;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_home(&home, &sink, pool), APR_SUCCESS);
    assert_ascii(out.data);
    assert_has(out.data, "<h1>Profiling Information</h1>");
    assert_has(out.data, "<style nonce=\"abc\">");
    assert_has(out.data, "<a href=\"/++profile++report:" FAKE_ID "\">");
    assert_has(out.data, "LPProfileDir</th><td>/a &#38; b");
    assert_has(out.data, "Root&#60;x&#62;");
    assert_has(out.data, "1.2&#160;kB");
    home.nonce = NULL;
    home.latest = NULL;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_home(&home, &sink, pool), APR_SUCCESS);
    assert_has_not(out.data, "<style");
    assert_has(out.data, "None yet.");
}

/* A sink that takes only so many bytes: the report must say so, whatever it
 * was writing. */
static void errors_of_the_sink_come_back(void **state)
{
    lpp_report_t report = shown();
    apr_size_t max, whole;

    (void)state;
    block(&report);
    whole = out.len;
    for (max = 0; max < whole; max += whole / 50) {
        lpp_buf_t small;
        lpp_sink_t sink;

        memset(&small, 0, sizeof(small));
        small.max_bytes = max;
        sink = lpp_buf_sink(&small);
        assert_int_equal(lpp_report_block(&report, &sink, pool), APR_ENOSPC);
        free(small.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(text_is_escaped_to_ascii, set_up),
        cmocka_unit_test(every_variant_is_well_formed_ascii),
        cmocka_unit_test(nothing_of_a_request_becomes_markup),
        cmocka_unit_test(block_is_styled_only_where_allowed),
        cmocka_unit_test(block_is_open_where_it_was_asked_for),
        cmocka_unit_test(headline_says_where_the_time_went),
        cmocka_unit_test(headline_names_modules_by_exact_figures),
        cmocka_unit_test(
            headline_says_statements_then_modules_then_functions),
        cmocka_unit_test(request_without_a_sample_says_so),
        cmocka_unit_test(tables_stand_in_launchpads_order),
        cmocka_unit_test(log_says_where_and_how_to_open),
        cmocka_unit_test(notices_are_in_the_page),
        cmocka_unit_test(flame_graph_is_to_scale),
        cmocka_unit_test(deep_and_wide_trees_stay_bounded),
        cmocka_unit_test(raw_oops_shows_what_the_record_has),
        cmocka_unit_test(help_names_what_this_build_has),
        cmocka_unit_test(own_page_lists_settings_and_profiles),
        cmocka_unit_test(errors_of_the_sink_come_back),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    lpp_buf_init(&out, pool, MAX_BYTES);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(pool);
    apr_terminate();
    return failed;
}
