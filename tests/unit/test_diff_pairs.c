/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_diff_pairs: exact calls, SQL, regions and memory of two reports, side by
 * side: the same things meet, what one lacks is told, noise is left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "fake_report.h"
#include "saved/lpp_diff_pairs.h"
#include "report/lpp_report_pages.h"

#define EVIL "<b>\"'&\xff"

static apr_pool_t *pool;
static lpp_buf_t out;
static lpp_saved_t before, after;

/* One call of a hook; function as in fake_names, or none. */
static void add_call(lpp_calls_table_t *table, apr_uint32_t scope,
                     const char *phase, const char *module,
                     apr_uint32_t function, apr_uint64_t calls,
                     apr_uint64_t self_ns)
{
    lpp_call_t *call = (lpp_call_t *)&table->calls[table->count++];

    call->scope = scope;
    call->phase = phase;
    call->module = module;
    call->function = function;
    call->calls = calls;
    call->wall_ns = call->self_wall_ns = self_ns;
}

static lpp_calls_table_t *calls_of(lpp_saved_t *saved)
{
    static const lpp_scope_t scopes[2] = {
        {LPP_SCOPE_REQUEST, "", 1, LPP_CALLS_NONE, LPP_CALLS_NONE},
        {LPP_SCOPE_SUBREQUEST, "/sub", 1, 0, LPP_CALLS_NONE}};
    lpp_calls_table_t *table = apr_pcalloc(pool, sizeof(*table));

    table->calls = apr_pcalloc(pool, 8 * sizeof(lpp_call_t));
    table->scopes = scopes;
    table->scope_count = 2;
    ((lpp_view_t *)saved->view)->calls = table;
    return table;
}

static const lpp_sqlview_t *sql_of(const char *const *texts, unsigned count,
                                   apr_uint64_t took_us)
{
    const lpp_sqlview_t *view;
    lpp_sqllog_t *log;
    unsigned i;

    assert_int_equal(lpp_sqllog_create(&log, 0, NULL, pool), APR_SUCCESS);
    for (i = 0; i < count; i++) {
        lpp_sql_statement_t given;

        memset(&given, 0, sizeof(given));
        given.text = texts[i];
        given.bytes = strlen(texts[i]);
        given.database = "pgsql:localhost/shop";
        given.call = "query";
        given.flavour = LPP_SQLTEXT_ANSI;
        assert_int_equal(lpp_sqllog_begin(log, &given), i);
        lpp_sqllog_end(log, (int)i, took_us, -1, NULL);
    }
    assert_int_equal(lpp_sqlview_create(&view, log, NULL, 0, 1000000, pool),
                     APR_SUCCESS);
    return view;
}

static int set_up(void **state)
{
    lpp_saved_t *both[2] = {&before, &after};
    int i;

    (void)state;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    lpp_buf_init(&out, pool, 1 << 20);
    for (i = 0; i < 2; i++) {
        lpp_view_t *view = (lpp_view_t *)fake_view(pool);

        memset(both[i], 0, sizeof(*both[i]));
        view->about.id = FAKE_ID;
        view->about.page_id = view->about.url = view->about.host = "x";
        view->about.method = "GET";
        both[i]->view = view;
        both[i]->oops = fake_oops(pool);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

static const lpp_diff_pair_t *at(const apr_array_header_t *pairs, int i)
{
    assert_non_null(pairs);
    assert_in_range(i, 0, pairs->nelts - 1);
    return &APR_ARRAY_IDX(pairs, i, lpp_diff_pair_t);
}

static void calls_meet_by_phase_module_and_symbol(void **state)
{
    const apr_array_header_t *pairs;
    lpp_calls_table_t *left = calls_of(&before), *right = calls_of(&after);

    (void)state;
    /* a subrequest's calls count, too; offsets and addresses do not differ */
    add_call(left, 0, "fixups", "mod_a.c", LPP_CALLS_NONE, 2, 5000);
    add_call(left, 1, "fixups", "mod_a.c", 3, 1, 1000);
    add_call(left, 0, "handler", "mod_b.c", LPP_CALLS_NONE, 1, 900000);
    add_call(right, 0, "fixups", "mod_a.c", LPP_CALLS_NONE, 4, 7000);
    add_call(right, 0, "log_transaction", "mod_b.c", LPP_CALLS_NONE, 1, 10);
    /* two functions of one hook and module that have names */
    add_call(right, 0, "quick_handler", "core.c", 2, 1, 100);
    add_call(right, 0, "quick_handler", "core.c", 5, 1, 100);
    ((lpp_function_t *)after.view->functions)[2].symbol.kind =
        LPP_NAME_SYMBOL;
    ((lpp_function_t *)before.view->functions)[3].symbol.kind =
        LPP_NAME_REGISTERED;
    ((lpp_function_t *)after.view->functions)[5].symbol.kind =
        LPP_NAME_SYMBOL;
    pairs = lpp_diff_calls(&before, &after, pool);
    assert_int_equal(pairs->nelts, 5);
    assert_string_equal(at(pairs, 0)->name, "handler");
    assert_int_equal(at(pairs, 0)->ns[LPP_DIFF_BEFORE], 900000);
    assert_int_equal(at(pairs, 0)->count[LPP_DIFF_AFTER], 0);
    assert_string_equal(at(pairs, 1)->name, "fixups");
    assert_string_equal(at(pairs, 1)->place, "mod_a.c");
    assert_int_equal(at(pairs, 1)->count[LPP_DIFF_BEFORE], 3);
    assert_int_equal(at(pairs, 1)->count[LPP_DIFF_AFTER], 4);
    assert_int_equal(at(pairs, 1)->ns[LPP_DIFF_BEFORE], 6000);
    assert_int_equal(at(pairs, 1)->ns[LPP_DIFF_AFTER], 7000);
    assert_string_equal(at(pairs, 2)->name, "quick_handler");
    assert_string_equal(at(pairs, 3)->name, "quick_handler");
    assert_string_not_equal(at(pairs, 2)->function, at(pairs, 3)->function);
}

static void statements_meet_that_differ_in_values_alone(void **state)
{
    static const char *const one[] = {"SELECT * FROM t WHERE id = 1",
        "SELECT * FROM  t WHERE id = 22", "DELETE FROM t"};
    static const char *const two[] = {"SELECT * FROM t WHERE id = 3", "",
        "UPDATE t SET name = 'secret'"};
    const apr_array_header_t *pairs;

    (void)state;
    before.sql = sql_of(one, 3, 1000);
    after.sql = sql_of(two, 3, 5000);
    pairs = lpp_diff_sql(&before, &after, pool);
    assert_int_equal(pairs->nelts, 3);
    assert_string_equal(at(pairs, 0)->name, "UPDATE t SET name = ?");
    assert_int_equal(at(pairs, 0)->count[LPP_DIFF_BEFORE], 0);
    assert_int_equal(at(pairs, 0)->ns[LPP_DIFF_AFTER], 5000000);
    assert_string_equal(at(pairs, 1)->name, "SELECT * FROM t WHERE id = ?");
    assert_int_equal(at(pairs, 1)->count[LPP_DIFF_BEFORE], 2);
    assert_int_equal(at(pairs, 1)->count[LPP_DIFF_AFTER], 1);
    assert_int_equal(at(pairs, 1)->ns[LPP_DIFF_BEFORE], 2000000);
    assert_string_equal(at(pairs, 2)->name, "DELETE FROM t");
    assert_int_equal(lpp_diff_sql(&before, &before, pool)->nelts, 2);
    before.sql = after.sql = NULL;
    assert_int_equal(lpp_diff_sql(&before, &after, pool)->nelts, 0);
}

static void write_page(void)
{
    lpp_report_compare_t compare = {{"h", NULL}, &after, &before};
    lpp_sink_t sink = lpp_buf_sink(&out);
    apr_size_t i;

    lpp_buf_reset(&out);
    assert_int_equal(lpp_report_compare(&compare, &sink, pool), APR_SUCCESS);
    assert_int_equal(lpp_buf_add(&out, "", 1), APR_SUCCESS);
    for (i = 0; i + 1 < out.len; i++) {
        assert_in_range((unsigned char)out.data[i], 9, 126);
    }
    assert_null(strstr(out.data, "<b>\"'"));
}

#define HAS(text) assert_non_null(strstr(out.data, text))
#define LACKS(text) assert_null(strstr(out.data, text))

static void the_page_tells_all_of_it(void **state)
{
    static const lpp_memory_sizes_t small[2] = {{1 << 20, 1 << 20, 1024, 0, 0},
                                                {1 << 20, 2 << 20, 2048, 0, 0}};
    static const lpp_memory_sizes_t large[2] = {{1 << 20, 1 << 20, 1024, 0, 0},
                                                {1 << 20, 1 << 20, 9216, 0, 0}};
    static const lpp_region_sum_t one[] = {{"parse" EVIL, 1, 1000, 0}};
    static const lpp_region_sum_t two[] = {{"parse" EVIL, 3, 9000, 0},
                                           {"render", 1, 50, 0}};
    static const char *const text[] = {"SELECT '" EVIL "' FROM t" EVIL};

    (void)state;
    add_call(calls_of(&before), 0, "fixups", "mod_a.c" EVIL, LPP_CALLS_NONE,
             1, 50000000);
    add_call(calls_of(&after), 0, "fixups", "mod_a.c" EVIL, LPP_CALLS_NONE,
             3, 20000000);
    before.memory = small;
    after.memory = large;
    before.regions = one;
    before.region_count = 1;
    after.regions = two;
    after.region_count = 2;
    before.sql = sql_of(text, 1, 3000);
    after.sql = sql_of(text, 1, 4500);
    write_page();
    HAS("<b>&#8722;30.0&#160;ms</b></td><td class=\"n\">&#8722;60.0&#160;%");
    HAS("3&#160;calls, was&#160;1</td>");
    HAS("<b>+8.0&#160;ms</b>");
    HAS("3&#160;times, was&#160;1</td>");
    HAS("<code>render</code> <small>only after</small>");
    HAS("1 statement in 3.0&#160;ms before, 1 in 4.5&#160;ms after.");
    HAS("<b>+1.5&#160;ms</b></td><td class=\"n\">+50.0&#160;%");
    HAS("<th>Resident</th><td class=\"n \">+1024&#160;kB</td><td class=\"n "
        "\">0&#160;kB</td><td class=\"n shrank\">&#8722;1024&#160;kB</td>");
    HAS("<td class=\"n grew\">+7&#160;kB</td>");
}

static void noise_of_calls_is_left_out(void **state)
{
    lpp_calls_table_t *left = calls_of(&before), *right = calls_of(&after);

    (void)state;
    /* the request took 1.6 s: 1.6 ms is a thousandth of it */
    add_call(left, 0, "fixups", "quiet.c", LPP_CALLS_NONE, 1, 100000);
    add_call(right, 0, "fixups", "quiet.c", LPP_CALLS_NONE, 1, 1600000);
    write_page();
    LACKS("quiet.c");
    HAS("Nothing; left out: 1 that changed");
    add_call(right, 0, "fixups", "quiet.c", LPP_CALLS_NONE, 1, 0);
    write_page();
    HAS("quiet.c");
    LACKS("left out: 1");
}

static void what_neither_has_is_not_there(void **state)
{
    static const char *const text[] = {"SELECT 1"};

    (void)state;
    write_page();
    LACKS("<h2>SQL");
    LACKS("<h2>Regions");
    LACKS("<h2>Memory");
    LACKS("<h2>By module");
    after.sql = sql_of(text, 1, 10);
    write_page();
    HAS("Only one of the two recorded its SQL statements");
    LACKS("SELECT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(calls_meet_by_phase_module_and_symbol,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            statements_meet_that_differ_in_values_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_page_tells_all_of_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(noise_of_calls_is_left_out, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_neither_has_is_not_there, set_up,
                                        tear_down),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
