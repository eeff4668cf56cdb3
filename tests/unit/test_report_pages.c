/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_report_pages: list, one report, comparison and "no such report": all of
 * it ASCII, balanced, escaped, within the policy that a page has, and in the
 * order that was asked for.
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

#include "fake_report.h"
#include "report/lpp_report_pages.h"

#define ID2 "OOPS-00000000000000000000000000000002"
#define EVIL "</script><b>\"'&\xff"

static apr_pool_t *pool;
static lpp_buf_t out;
static const lpp_report_frame_t frame = {"www.example.com", "abc"};

static lpp_saved_t saved_of(const char *id)
{
    lpp_saved_t saved;
    lpp_view_t *view = (lpp_view_t *)fake_view(pool);

    memset(&saved, 0, sizeof(saved));
    view->about.id = id;
    view->about.page_id = "Root" EVIL;
    view->about.url = "/a?" EVIL;
    view->about.host = "www.example.com";
    view->about.method = "GET";
    view->about.start = apr_time_from_sec(1700000000);
    saved.view = view;
    saved.oops = fake_oops(pool);
    saved.oops_path = "/oops/" EVIL;
    saved.head.id = id;
    saved.head.page_id = view->about.page_id;
    saved.head.url = view->about.url;
    saved.head.method = "GET";
    saved.head.outcome = "profiled";
    saved.head.vhost = saved.head.host = "h";
    saved.head.status = 200;
    saved.head.total = view->total;
    return saved;
}

static lpp_saved_entry_t entry_of(const lpp_saved_t *saved)
{
    lpp_saved_entry_t entry;

    memset(&entry, 0, sizeof(entry));
    entry.head = saved->head;
    entry.stem = "2026-11-22_15:34:46.123-P:v-" FAKE_ID "-1.2";
    entry.bytes = 4321;
    entry.formats = LPP_FORMAT_BIT(LPP_FORMAT_CALLGRIND);
    return entry;
}

static void assert_has(const char *part)
{
    if (!strstr(out.data, part)) {
        print_error("missing: %s\n", part);
        fail();
    }
}

static void assert_has_not(const char *part)
{
    if (strstr(out.data, part)) {
        print_error("not wanted: %s\n", part);
        fail();
    }
}

static int count_of(const char *part)
{
    const char *at = out.data;
    int count = 0;

    while ((at = strstr(at, part)) != NULL) {
        count++;
        at += strlen(part);
    }
    return count;
}

/* ASCII, every element closed, nothing of the request as markup, and nothing
 * that the page's own policy forbids. */
static void assert_sound(void)
{
    static const char *const elements[] = {
        "details", "summary", "section", "table", "tbody", "tr", "td", "th",
        "ul", "li", "svg", "a", "code", "p", "div", "form", "main", "body",
        "button", "small", "b", "nav", "h2", "h3"
    };
    char open[32], close[32];
    unsigned i;
    char *c;

    for (c = out.data; *c; c++) {
        assert_true((unsigned char)*c < 0x7f);
    }
    assert_has_not("<b>\"");
    assert_has_not(" onclick");
    assert_has_not("style=\"");
    assert_has_not("javascript:");
    assert_has_not("<script>");
    /* the script and the style hold no markup */
    c = strstr(out.data, "<script nonce");
    if (c) {
        *c = '\0';
    }
    for (i = 0; i < LPP_COUNT(elements); i++) {
        snprintf(open, sizeof(open), "<%s", elements[i]);
        snprintf(close, sizeof(close), "</%s>", elements[i]);
        if (c && (!strcmp(elements[i], "body"))) {
            continue;
        }
        if (count_of(open) < count_of(close)
            || (strlen(elements[i]) > 4
                && count_of(open) != count_of(close))) {
            print_error("%s: %d opened, %d closed\n", elements[i],
                        count_of(open), count_of(close));
            fail();
        }
    }
    if (c) {
        *c = '<';
    }
}

static void write_full(const lpp_saved_t *saved, apr_uint32_t function)
{
    lpp_saved_entry_t entry = entry_of(saved);
    lpp_sink_t sink = lpp_buf_sink(&out);
    lpp_report_full_t full;

    memset(&full, 0, sizeof(full));
    full.frame = frame;
    full.saved = saved;
    full.entry = &entry;
    full.dir = "/var/x y";
    full.function = function;
    full.others = apr_array_make(pool, 2, sizeof(lpp_saved_entry_t));
    APR_ARRAY_PUSH((apr_array_header_t *)full.others, lpp_saved_entry_t) =
        entry;
    entry.head.id = ID2;
    APR_ARRAY_PUSH((apr_array_header_t *)full.others, lpp_saved_entry_t) =
        entry;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_full(&full, &sink, pool), APR_SUCCESS);
}

static void one_report_has_all_of_the_block_and_more(void **state)
{
    static const char *const parts[] = {
        "<h2>Flame graph</h2>", "Top Inline Time", "Top Total Time",
        "Top Call Count", "<h2>Callers and callees</h2>",
        "<h2>Call tree</h2>", "<h2>Timeline</h2>", "Raw OOPS Information",
        "samples at", "href=\"/++profile++report:" FAKE_ID "&#38;pprof\"",
        "against:" ID2, "<script nonce=\"abc\">", "<style nonce=\"abc\">",
        "1.600&#160;s", "<b>200</b>", "/var/x y/callgrind.out."
    };
    lpp_saved_t saved = saved_of(FAKE_ID);
    unsigned i;

    (void)state;
    write_full(&saved, 0);
    for (i = 0; i < LPP_COUNT(parts); i++) {
        assert_has(parts[i]);
    }
    assert_has_not("provisional");
    assert_has_not("against:" FAKE_ID);
    assert_sound();
}

static void a_function_is_chosen_by_its_number_or_not_at_all(void **state)
{
    static const apr_uint32_t numbers[] = {0, 1, 2, FAKE_FUNCTIONS - 1,
                                           FAKE_FUNCTIONS, 4000000000u};
    lpp_saved_t saved = saved_of(FAKE_ID);
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(numbers); i++) {
        write_full(&saved, numbers[i]);
        assert_has("id=\"function\"");
        assert_sound();
    }
    write_full(&saved, FAKE_FUNCTIONS - 1);
    assert_has("<p class=\"words\"><code>deflate_slow</code>");
    write_full(&saved, 4000000000u);
    assert_has("<p class=\"words\"><code>luaV_execute</code>");
}

static void objects_without_names_are_named(void **state)
{
    lpp_saved_t saved = saved_of(FAKE_ID);
    lpp_function_t *functions = (lpp_function_t *)saved.view->functions;

    (void)state;
    write_full(&saved, 0);
    assert_has_not("No names of functions");
    functions[8].symbol.kind = functions[9].symbol.kind = LPP_NAME_OFFSET;
    write_full(&saved, 0);
    assert_has("No names of functions: <code>libc.so.6</code>, "
               "<code>libweird.so</code>.");
    assert_sound();
}

static void a_profile_of_nothing_is_a_page(void **state)
{
    lpp_saved_t saved = saved_of(FAKE_ID);
    lpp_view_t *view = (lpp_view_t *)saved.view;
    lpp_branch_t branches[2];
    lpp_report_compare_t compare = {frame, &saved, &saved};
    lpp_sink_t sink = lpp_buf_sink(&out);

    (void)state;
    memset(branches, 0, sizeof(branches));
    branches[0].parent = LPP_NODE_NONE;
    branches[0].first_child = 1;
    branches[1].function = 1;
    branches[1].first_child = LPP_NODE_NONE;
    branches[0].next_sibling = branches[1].next_sibling = LPP_NODE_NONE;
    view->function_count = 2;
    view->branches = branches;
    view->branch_count = 2;
    memset(&view->total, 0, sizeof(view->total));
    memset((void *)&view->functions[1].self, 0, sizeof(lpp_cost_t));
    memset((void *)&view->functions[1].total, 0, sizeof(lpp_cost_t));
    saved.oops = NULL;
    write_full(&saved, 0);
    assert_sound();
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_compare(&compare, &sink, pool), APR_SUCCESS);
    assert_sound();
}

static void compared_with_itself_nothing_changed(void **state)
{
    lpp_saved_t saved = saved_of(FAKE_ID);
    lpp_report_compare_t compare = {frame, &saved, &saved};
    lpp_sink_t sink = lpp_buf_sink(&out);

    (void)state;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_compare(&compare, &sink, pool), APR_SUCCESS);
    assert_int_equal(count_of(">Nothing.<"), 2);
    assert_has("Both took the same time.");
    assert_has_not("class=\"grown\"");
    assert_sound();
}

static void growth_is_told_by_sign_and_colour(void **state)
{
    lpp_saved_t before = saved_of(FAKE_ID), after = saved_of(ID2);
    lpp_report_compare_t compare = {frame, &after, &before};
    lpp_sink_t sink = lpp_buf_sink(&out);
    lpp_view_t *view = (lpp_view_t *)after.view;
    unsigned i;

    (void)state;
    /* 300 ms more in luaV_execute, and all of pcre2 gone */
    for (i = 0; i < FAKE_BRANCHES; i++) {
        lpp_branch_t *branch = (lpp_branch_t *)&view->branches[i];

        if (i == 6) {
            branch->self.wall_us += 300000;
            ((lpp_function_t *)&view->functions[7])->self.wall_us += 300000;
        }
        if (i == 8) {
            memset(&branch->self, 0, sizeof(branch->self));
            memset((void *)&view->functions[4].self, 0, sizeof(lpp_cost_t));
            memset((void *)&view->functions[4].total, 0, sizeof(lpp_cost_t));
        }
    }
    view->total.wall_us += 100000;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_compare(&compare, &sink, pool), APR_SUCCESS);
    assert_has("class=\"grown\"");
    assert_has("class=\"shrunk\"");
    assert_has("&#9650; luaV_execute");
    assert_has("&#9660; pcre2_match_8");
    assert_has("<b>+300&#160;ms</b>");
    assert_has("After took 100&#160;ms more (+6.3&#160;%), most of it in "
               "<code>luaV_execute</code> (+300&#160;ms).");
    assert_has("<b>&#8722;200&#160;ms</b></td><td class=\"n\">gone");
    assert_has("<small>only before</small>");
    assert_has("/++profile++report:" FAKE_ID "&#38;against:" ID2);
    assert_sound();
}

/* A list of count profiles, each with other figures. */
static lpp_report_list_t list_of(int count)
{
    lpp_saved_t saved = saved_of(FAKE_ID);
    lpp_report_list_t list;
    int i;

    memset(&list, 0, sizeof(list));
    list.frame = frame;
    list.number = 1;
    list.entries = apr_array_make(pool, 8, sizeof(lpp_saved_entry_t));
    for (i = 0; i < count; i++) {
        lpp_saved_entry_t entry = entry_of(&saved);

        entry.head.id = apr_psprintf(pool, "OOPS-%032d", i);
        entry.head.start += i;
        entry.head.page_id = apr_psprintf(pool, "P:%03d", (i * 7) % count);
        entry.head.total.wall_us = 100000u + (apr_uint64_t)(i * 3 % count);
        entry.head.total.cpu_us = 1000u + (apr_uint64_t)(i * 5 % count);
        entry.head.total.ready_us = (apr_uint64_t)(i * 4 % count);
        entry.head.ready = i % 3;
        entry.bytes = 5000 + i * 11 % count;
        APR_ARRAY_PUSH(list.entries, lpp_saved_entry_t) = entry;
    }
    return list;
}

static void write_list(lpp_report_list_t *list)
{
    lpp_sink_t sink = lpp_buf_sink(&out);

    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_list(list, &sink, pool), APR_SUCCESS);
}

static void lists_are_sorted_as_asked(void **state)
{
    static const char *const values[] = {
        "time", "-time", "page", "-page", "status", "wall", "-wall", "cpu",
        "waiting", "samples", "-size", "", "nonsense", "--wall", "ready"
    };
    unsigned i;
    int j;

    (void)state;
    for (i = 0; i < LPP_COUNT(values); i++) {
        lpp_report_list_t list = list_of(31);

        lpp_report_read_sort(values[i], &list.sort, &list.reverse);
        write_list(&list);
        assert_sound();
        for (j = 1; j < list.entries->nelts; j++) {
            const lpp_saved_head_t *a =
                &APR_ARRAY_IDX(list.entries, j - 1, lpp_saved_entry_t).head;
            const lpp_saved_head_t *b =
                &APR_ARRAY_IDX(list.entries, j, lpp_saved_entry_t).head;

            switch (i) {
            case 0: case 11: case 12: case 13:
                assert_true(a->start > b->start);
                break;
            case 1: assert_true(a->start < b->start); break;
            case 2: assert_true(strcmp(a->page_id, b->page_id) < 0); break;
            case 3: assert_true(strcmp(a->page_id, b->page_id) > 0); break;
            case 5: assert_true(a->total.wall_us > b->total.wall_us); break;
            case 6: assert_true(a->total.wall_us < b->total.wall_us); break;
            case 7: assert_true(a->total.cpu_us > b->total.cpu_us); break;
            case 14:
                assert_true(a->total.ready_us > b->total.ready_us);
                break;
            default: break;
            }
        }
    }
}

static void lists_come_in_pages(void **state)
{
    lpp_report_list_t list = list_of(120);

    (void)state;
    write_list(&list);
    assert_int_equal(count_of("name=\"report\""), 50);
    assert_has("Page 1 of 3");
    assert_has("sort=time&#38;page=2");
    list.number = 3;
    write_list(&list);
    assert_int_equal(count_of("name=\"report\""), 20);
    list.number = 99;
    write_list(&list);
    assert_has("Page 3 of 3");
    assert_has_not("rel=\"next\"");
    list.number = -4;
    write_list(&list);
    assert_has("Page 1 of 3");
    list = list_of(0);
    write_list(&list);
    assert_has("No profile of this host yet");
    assert_sound();
}

static void what_is_missing_is_said(void **state)
{
    lpp_sink_t sink = lpp_buf_sink(&out);

    (void)state;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_missing(&frame, FAKE_ID, 0, &sink, pool),
                     APR_SUCCESS);
    assert_has("This host has no report <code>" FAKE_ID);
    assert_sound();
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_missing(&frame, FAKE_ID, 1, &sink, pool),
                     APR_SUCCESS);
    assert_has("is damaged");
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_missing(&frame, NULL, 0, &sink, pool),
                     APR_SUCCESS);
    assert_sound();
}

static void a_page_to_open_again_shows_its_address_alone(void **state)
{
    lpp_sink_t sink = lpp_buf_sink(&out);

    (void)state;
    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_open_again(
                         &frame, "/++profile++reports?a=\"><b>&c='d'", &sink,
                         pool), APR_SUCCESS);
    assert_has(
        "<a href=\"/++profile++reports?a=&#34;&#62;&#60;b&#62;&#38;c=&#39;d");
    assert_sound();
}

static int set_up(void **state)
{
    (void)state;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    lpp_buf_init(&out, pool, 64 * 1024 * 1024);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_report_has_all_of_the_block_and_more),
        TEST(a_function_is_chosen_by_its_number_or_not_at_all),
        TEST(objects_without_names_are_named),
        TEST(a_profile_of_nothing_is_a_page),
        TEST(compared_with_itself_nothing_changed),
        TEST(growth_is_told_by_sign_and_colour),
        TEST(lists_are_sorted_as_asked),
        TEST(lists_come_in_pages),
        TEST(what_is_missing_is_said),
        TEST(a_page_to_open_again_shows_its_address_alone),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
