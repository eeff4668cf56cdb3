/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_report_pagecode: page functions in what people see: the first sentence,
 * the flame graph and its switch, tables, call tree, comparison, traceback; in
 * a profile made by hand, with names and paths that are hostile. With
 * LPP_SHOTS=directory the pages are kept there.
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
#include <apr_strings.h>
#include <apr_xml.h>

#include "names/lpp_view_part.h"
#include "report/lpp_report_internal.h"
#include "report/lpp_report_pages.h"
#include "report_text.h"
#include "view_named.h"

#define MAX_BYTES (4 * 1024 * 1024)
#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define SCRIPT "/srv/www/shop/index.php"
#define LONG_SCRIPT "/srv/www/shop/vendor/acme/renderer/src/Acme/Render/P.php"
#define EVIL "</script><b onclick=\"x\">'&"

enum { MAIN, PAGE, SORT, EVIL_ONE, MORE, HANDLE, WORK, TEMPLATE, PAGES };

static const lpp_page_function_t functions[PAGES] = {
    { LPP_LANGUAGE_PHP, 0, "{main}", SCRIPT, 1 },
    { LPP_LANGUAGE_PHP, 0, "Renderer::page", LONG_SCRIPT, 12 },
    { LPP_LANGUAGE_PHP, 1, "usort()", "", 0 },
    { LPP_LANGUAGE_PHP, 0, EVIL, "/srv/" EVIL "/e.php", 3 },
    { LPP_LANGUAGE_PHP, 0, "Renderer::more", SCRIPT, 70 },
    { LPP_LANGUAGE_PYTHON, 0, "handle", "/srv/app.py", 5 },
    { LPP_LANGUAGE_LUA, 0, "work", "/srv/x.lua", 2 },
    { LPP_LANGUAGE_PERL, 0, "Shop::item", "/srv/item.pl", 9 },
};

static apr_pool_t *pool;
static lpp_symbols_t *symbols;
static lpp_maps_t *maps;
static lpp_pc_t page_pcs[PAGES];
static lpp_buf_t out;

static lpp_pc_t at(int function, unsigned line)
{
    return page_pcs[function] | line;
}

/* A C function that has a name. */
static lpp_pc_t c_code(void *function)
{
    return lpp_maps_pc(maps, (apr_uintptr_t)function) + 1;
}

static void add(lpp_profile_t *profile, unsigned ms, unsigned count, ...)
{
    lpp_weight_t weight = { ms * APR_UINT64_C(1000000),
                            ms * APR_UINT64_C(900000), 0, ms };
    lpp_pc_t frames[16];
    va_list args;
    unsigned i;

    va_start(args, count);
    for (i = count; i-- > 0;) { /* outermost first */
        frames[i] = va_arg(args, lpp_pc_t);
    }
    va_end(args);
    lpp_profile_add(profile, frames, count, &weight);
    profile->total.wall_ns += weight.wall_ns;
    profile->total.cpu_ns += weight.cpu_ns;
}

/* 1000 ms: 620 in Renderer::page and the C code it called, 400 of it in line
 * 41, of that 300 in C. */
static const lpp_view_t *shop(void)
{
    static const lpp_view_about_t about = { ID, "shop:index.php",
        "/shop/index.php", "www.example.com", "GET",
        APR_INT64_C(1700000000000000), 1, 2, 0 };
    lpp_pc_t handler = c_code((void *)apr_pool_create_ex);
    lpp_pc_t regex = c_code((void *)apr_psprintf);
    const lpp_view_t *view = NULL;
    lpp_profile_t *profile;

    assert_int_equal(lpp_profile_create(&profile, 0, pool), APR_SUCCESS);
    add(profile, 80, 1, handler);
    add(profile, 100, 3, handler, at(MAIN, 60), at(PAGE, 41));
    add(profile, 300, 4, handler, at(MAIN, 60), at(PAGE, 41), regex);
    add(profile, 20, 4, handler, at(MAIN, 61), at(PAGE, 41), regex);
    add(profile, 170, 3, handler, at(MAIN, 60), at(PAGE, 42));
    add(profile, 30, 5, handler, at(MAIN, 60), at(PAGE, 42), at(SORT, 0),
        regex);
    add(profile, 50, 2, handler, at(MAIN, 7));
    add(profile, 90, 5, handler, at(MAIN, 60), at(PAGE, 42), at(SORT, 0),
        at(EVIL_ONE, 4));
    add(profile, 60, 3, handler, at(MAIN, 62), at(MORE, 71));
    add(profile, 60, 2, LPP_PC_OWN_STACK, at(MORE, 72));
    add(profile, 40, 1, LPP_PC_OWN_STACK);
    assert_int_equal(lpp_view_create(&view, profile, symbols, maps, &about,
                                     pool), APR_SUCCESS);
    return view;
}

static lpp_report_t report_of(const lpp_view_t *view)
{
    lpp_report_t report;

    memset(&report, 0, sizeof(report));
    report.actions = LPP_ACTION_SHOW;
    report.example_url = "/shop/index.php";
    report.oops_id = ID;
    report.view = view;
    report.styled = 1;
    return report;
}

static void keep_page(const char *name)
{
    const char *directory = getenv("LPP_SHOTS");
    FILE *file;

    if (directory != NULL) {
        file = fopen(apr_pstrcat(pool, directory, "/", name, NULL), "w");
        assert_non_null(file);
        fwrite(out.data, 1, out.len, file);
        fclose(file);
    }
}

static const char *block(const lpp_report_t *report, const char *name)
{
    lpp_sink_t sink = lpp_buf_sink(&out);

    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_block(report, &sink, pool), APR_SUCCESS);
    keep_page(name);
    return out.data;
}

static lpp_saved_t saved_of(const lpp_view_t *view)
{
    lpp_saved_t saved;

    memset(&saved, 0, sizeof(saved));
    saved.view = view;
    saved.oops_path = "";
    saved.head.id = ID;
    saved.head.page_id = view->about.page_id;
    saved.head.url = view->about.url;
    saved.head.method = "GET";
    saved.head.outcome = "profiled";
    saved.head.vhost = saved.head.host = "h";
    saved.head.status = 200;
    saved.head.total = view->total;
    return saved;
}

static const char *full(const lpp_view_t *view, apr_uint32_t function)
{
    lpp_sink_t sink = lpp_buf_sink(&out);
    lpp_saved_t saved = saved_of(view);
    lpp_saved_entry_t entry;
    lpp_report_full_t page;

    memset(&entry, 0, sizeof(entry));
    memset(&page, 0, sizeof(page));
    entry.head = saved.head;
    entry.stem = "stem";
    page.frame.nonce = "abc";
    page.saved = &saved;
    page.entry = &entry;
    page.dir = "/var/x";
    page.function = function;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_full(&page, &sink, pool), APR_SUCCESS);
    keep_page("full.html");
    return out.data;
}

/* The text from start up to end. */
static const char *between(const char *text, const char *start,
                           const char *end)
{
    const char *from = strstr(text, start), *to;

    assert_non_null(from);
    to = strstr(from, end);
    assert_non_null(to);
    return apr_pstrmemdup(pool, from, (apr_size_t)(to - from));
}

static unsigned occurrences(const char *text, const char *part)
{
    unsigned count = 0;

    while ((text = strstr(text, part)) != NULL) {
        count++;
        text++;
    }
    return count;
}

static void c_code_counts_for_the_page_function_that_called_it(void **state)
{
    const lpp_view_t *view = shop(), *part;

    (void)state;
    assert_true(lpp_view_has_page_code(view));
    assert_int_equal(lpp_view_part(&part, view, LPP_VIEW_PAGE_CODE, pool),
                     APR_SUCCESS);
    assert_int_equal(named(part, "Renderer::page")->self.wall_us, 590000);
    assert_int_equal(named(part, "usort()")->self.wall_us, 30000);
    assert_int_equal(lpp_view_part(&part, view, LPP_VIEW_SCRIPT_CODE, pool),
                     APR_SUCCESS);
    assert_int_equal(named(part, "usort()")->total.wall_us, 0);
    assert_int_equal(part->total.wall_us, view->total.wall_us);
    assert_int_equal(part->branches[0].total.wall_us, 1000000);
    assert_int_equal(named(part, "Renderer::page")->self.wall_us, 620000);
    assert_int_equal(named(part, "Renderer::page")->total.wall_us, 710000);
    assert_int_equal(named(part, "{main}")->self.wall_us, 50000);
    /* two branches of one function below one page function are one */
    assert_int_equal(named(part, "apr_psprintf")->total.wall_us, 0);
    assert_int_equal(part->branches[0].self.wall_us, 120000);
    assert_int_equal(
        lpp_view_hottest_line(view, (apr_uint32_t)(named(
            view, "Renderer::page") - view->functions), pool), 41);
}

static void without_page_code_nothing_of_it_is_left(void **state)
{
    const lpp_view_t *view = shop(), *part;

    (void)state;
    assert_int_equal(lpp_view_part(&part, view, LPP_VIEW_C_CODE, pool),
                     APR_SUCCESS);
    assert_false(lpp_view_has_page_code(part));
    assert_int_equal(named(part, "apr_pool_create_ex")->total.wall_us,
                     900000);
    assert_int_equal(named(part, "apr_psprintf")->self.wall_us, 350000);
    assert_int_equal(named(part, LPP_OWN_STACK_NAME)->self.wall_us, 100000);
    assert_int_equal(lpp_view_part(&part, view, LPP_VIEW_ALL_CODE, pool),
                     APR_SUCCESS);
    assert_ptr_equal(part, view);
}

static void first_sentence_names_function_and_line(void **state)
{
    lpp_report_t report = report_of(shop());
    const char *text = block(&report, "block.html");
    const char *words = between(text, "<p class=\"words\">", "</p>");

    (void)state;
    assert_int_equal(strncmp(words, "<p class=\"words\"><b>62&#160;%</b> in "
                             "<code>Renderer::page</code> (P.php:41). The "
                             "request took", 84), 0);
    assert_has(words, "In C functions: <code>apr_psprintf</code>");
    assert_has_not(words, "<code>{main}</code>");
    /* and so does the line of a closed block */
    assert_has(between(text, "<summary class=\"head\">", "</summary>"),
               "<b>62&#160;%</b> in <code>Renderer::page</code> (P.php:41)");
}

static void graph_starts_with_page_code(void **state)
{
    lpp_report_t report = report_of(shop());
    const char *text = block(&report, "block.html");
    const char *graph = between(text, "<section class=\"graph\">",
                                "</section>");
    const char *page = between(graph, "of-page", "of-all");
    const char *all = between(graph, "of-all", "of-c");
    const char *c = strstr(graph, "of-c");

    (void)state;
    assert_int_equal(occurrences(graph, "type=\"radio\""), 3);
    assert_int_equal(occurrences(graph, "checked=\"checked\""), 1);
    assert_has(graph, "value=\"page\" autocomplete=\"off\" checked");
    assert_has(page, "<title>Renderer::page (PHP &#8230;");
    assert_has(page, "/src/Acme/Render/P.php:12)\n710&#160;ms");
    assert_has(page, "P.php (PHP)"); /* the legend */
    assert_has_not(page, "<title>apr_psprintf");
    assert_has(all, "<title>apr_psprintf (libapr-1.so");
    assert_has(all, "<rect class=\"page\"");
    assert_has(c, "<title>apr_psprintf (libapr-1.so");
    assert_has_not(c, "<rect class=\"page\"");
    assert_has_not(c, "Renderer");
    assert_has(page, "<title>usort() (PHP)\n");
}

static void without_style_each_part_can_be_opened(void **state)
{
    lpp_report_t report = report_of(shop());
    const char *graph;

    (void)state;
    report.styled = 0;
    graph = between(block(&report, "plain.html"), "<section class=\"graph\">",
                    "</section>");
    assert_has_not(graph, "radio");
    assert_int_equal(occurrences(graph, "<details open=\"open\"><summary>page "
                                 "code only"), 1);
    assert_int_equal(occurrences(graph, "<details><summary>"), 2);
}

static void without_page_code_there_is_no_switch(void **state)
{
    const lpp_view_t *view = shop(), *part;
    lpp_report_t report;
    const char *text;

    (void)state;
    assert_int_equal(lpp_view_part(&part, view, LPP_VIEW_C_CODE, pool),
                     APR_SUCCESS);
    report = report_of(part);
    text = block(&report, "c.html");
    assert_has_not(text, "type=\"radio\"");
    assert_has_not(text, "page function");
    assert_int_equal(occurrences(text, "<svg class=\"flame\""), 1);
    assert_has(text, "Most of it in <code>apr_pool_create_ex</code>");
}

static void every_variant_is_well_formed_ascii(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 4; i++) {
        lpp_report_t report = report_of(shop());
        const char *text;
        apr_xml_parser *parser = apr_xml_parser_create(pool);
        apr_xml_doc *doc;

        report.xhtml = 1;
        report.styled = i & 1;
        report.provisional = i >> 1;
        text = block(&report, "xhtml.html");
        assert_int_equal(apr_xml_parser_feed(parser, text, strlen(text)),
                         APR_SUCCESS);
        assert_int_equal(apr_xml_parser_done(parser, &doc), APR_SUCCESS);
        for (; *text; text++) {
            assert_true((unsigned char)*text < 0x7f);
        }
    }
}

static void hostile_names_become_no_markup(void **state)
{
    lpp_report_t report = report_of(shop());

    (void)state;
    assert_has_not(block(&report, "block.html"), "<b onclick");
    assert_has(out.data, "&#60;/script&#62;&#60;b onclick=&#34;x&#34;&#62;");
    assert_has_not(full(report.view, 0), "<b onclick");
}

static void tables_and_tree_show_the_script(void **state)
{
    const lpp_view_t *view = shop();
    apr_uint32_t index = (apr_uint32_t)(named(view, "{main}")
                                        - view->functions);
    const char *text = full(view, index), *part;

    (void)state;
    part = between(text, "<h3>Page functions", "</table>");
    assert_has(part, "620&#160;ms");
    assert_has(part, "Renderer::page</code></a> <small>&#8230;/");
    assert_has(part, "P.php:12</small> <small>&#183; most of it in line 41</small>"
                     "</td><td class=\"m\">P.php (PHP)</td>");
    part = between(text, "<h3>Top Inline Time", "</table>");
    assert_has(part, "Renderer::page");
    assert_has(part, "apr_psprintf");
    part = between(text, "id=\"tree\"", "</section>");
    assert_has(part, "<code>{main}</code></a> <small>" SCRIPT ":1 PHP"
                     "</small>");
    part = between(text, "id=\"function\"", "<h3>Choose");
    assert_has(part, "<code>{main}</code> <small>" SCRIPT ":1 PHP</small>: "
                     "total");
    assert_has(part, "<code>Renderer::page</code>");
    assert_has(text, "100 samples are below <code>" LPP_OWN_STACK_NAME);
    assert_has(text, "In 60 of them the page functions are known.");
}

static void comparison_shows_the_script(void **state)
{
    lpp_saved_t before = saved_of(shop()), after = saved_of(shop());
    lpp_sink_t sink = lpp_buf_sink(&out);
    lpp_report_compare_t compare;
    lpp_function_t *changed = (lpp_function_t *)named(after.view,
                                                      "Renderer::page");

    (void)state;
    changed->self.wall_us += 100000;
    memset(&compare, 0, sizeof(compare));
    compare.before = &before;
    compare.after = &after;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_compare(&compare, &sink, pool), APR_SUCCESS);
    keep_page("compare.html");
    assert_has(out.data, "Renderer::page</code> <small>&#8230;");
    assert_has(out.data, "P.php:12</small>");
    assert_has_not(out.data, "<b onclick");
}

/* The differential flame graph has the switch of the other one. */
static void comparison_has_the_parts(void **state)
{
    lpp_saved_t before = saved_of(shop()), after = saved_of(shop());
    lpp_sink_t sink = lpp_buf_sink(&out);
    lpp_report_compare_t compare;
    const char *part;

    (void)state;
    memset(&compare, 0, sizeof(compare));
    compare.before = &before;
    compare.after = &after;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_compare(&compare, &sink, pool), APR_SUCCESS);
    assert_has(out.data, "class=\"pick-page\" value=\"page\" "
                         "autocomplete=\"off\" checked=\"checked\"");
    part = between(out.data, "<div class=\"part of-page\">", "</div>");
    assert_has(part, "<title>Renderer::page");
    assert_has_not(part, "apr_psprintf");
    part = between(out.data, "<div class=\"part of-all\">", "</div>");
    assert_has(part, "<title>Renderer::page");
    assert_has(part, "<title>apr_psprintf");
    part = between(out.data, "<div class=\"part of-c\">", "</div>");
    assert_has_not(part, "Renderer::page");
    assert_has(part, "<title>apr_psprintf");
}

static void calls_show_page_functions_below_a_handler(void **state)
{
    lpp_view_t view = *shop();
    lpp_report_t report = report_of(&view);
    lpp_call_t call;
    lpp_scope_t scope;
    lpp_calls_table_t table;
    const char *part;

    (void)state;
    memset(&call, 0, sizeof(call));
    memset(&scope, 0, sizeof(scope));
    memset(&table, 0, sizeof(table));
    call.phase = "handler";
    call.module = "mod_php.c";
    call.calls = 1;
    call.wall_ns = call.self_wall_ns = 900000000;
    call.function = (apr_uint32_t)(named(&view, "apr_pool_create_ex")
                                   - view.functions);
    scope.path = "";
    scope.parent = scope.caller = LPP_CALLS_NONE;
    scope.requests = 1;
    table.calls = &call;
    table.count = 1;
    table.scopes = &scope;
    table.scope_count = 1;
    view.calls = &table;
    part = between(block(&report, "calls.html"), "&#8776; sampled:", "</tr>");
    assert_has(part, "900 samples");
    assert_has(part, "; in <code>Renderer::page</code> <small>&#8230;");
    assert_has(part, "P.php:12</small> 69&#160;%");
    assert_has_not(part, "apr_psprintf");
}

static void traceback_has_each_language_in_its_own_order(void **state)
{
    static const char expected[] =
        "Traceback of the PHP code, at " LONG_SCRIPT " line 41:\n"
        "#0 [internal function]: Renderer::page()\n"
        "#1 " SCRIPT "(60): usort()\n"
        "#2 {main}\n"
        "Traceback of the Python code (most recent call last):\n"
        "  File \"/srv/app.py\", line 5, in handle\n"
        "  File \"/srv/app.py\", line 9, in handle\n"
        "Traceback of the Lua code:\n"
        "\t/srv/x.lua:4: in function 'work'\n"
        "\t/srv/x.lua:3: in function 'work'\n"
        "Traceback of the Perl code, at /srv/item.pl line 12:\n"
        "\tShop::item() called at /srv/item.pl line 11\n"
        "\tShop::item()\n"
        "\n"
        "Traceback (most recent call last):\n"
        "  File \"" SCRIPT "\", line 60, in {main}\n"
        "  File \"\", line 0, in usort()\n"
        "  File \"" LONG_SCRIPT "\", line 41, in Renderer::page\n";
    /* leaf first; a line that is not known is that of the function's start */
    lpp_pc_t stack[] = { c_code((void *)apr_psprintf), at(TEMPLATE, 12),
        at(TEMPLATE, 11), at(WORK, 4), at(WORK, 3), at(HANDLE, 9),
        at(HANDLE, 0), at(PAGE, 41), at(SORT, 0), at(MAIN, 60) };
    const char *text = lpp_symbols_traceback(symbols, stack, 10, pool);

    (void)state;
    assert_int_equal(strncmp(text, expected, sizeof(expected) - 1), 0);
    assert_has(text, "in apr_psprintf\n");
    text = lpp_symbols_traceback(symbols, stack, 1, pool);
    assert_int_equal(strncmp(text, "Traceback (most recent call last):\n"
                             "  File \"", 43), 0);
    assert_string_equal(lpp_symbols_traceback(symbols, stack, 0, pool), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c_code_counts_for_the_page_function_that_called_it),
        cmocka_unit_test(without_page_code_nothing_of_it_is_left),
        cmocka_unit_test(first_sentence_names_function_and_line),
        cmocka_unit_test(graph_starts_with_page_code),
        cmocka_unit_test(without_style_each_part_can_be_opened),
        cmocka_unit_test(without_page_code_there_is_no_switch),
        cmocka_unit_test(every_variant_is_well_formed_ascii),
        cmocka_unit_test(hostile_names_become_no_markup),
        cmocka_unit_test(tables_and_tree_show_the_script),
        cmocka_unit_test(comparison_shows_the_script),
        cmocka_unit_test(comparison_has_the_parts),
        cmocka_unit_test(calls_show_page_functions_below_a_handler),
        cmocka_unit_test(traceback_has_each_language_in_its_own_order),
    };
    int failed, i;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    lpp_buf_init(&out, pool, MAX_BYTES);
    if (lpp_maps_create(&maps, pool) != APR_SUCCESS
        || lpp_symbols_create(&symbols, maps) != APR_SUCCESS) {
        return 1;
    }
    for (i = 0; i < PAGES; i++) {
        page_pcs[i] = LPP_PAGE_PC(
            lpp_pagecode_number(lpp_symbols_pagecode(symbols), &functions[i]),
            0);
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    lpp_symbols_destroy(symbols);
    apr_pool_destroy(pool);
    apr_terminate();
    return failed;
}
