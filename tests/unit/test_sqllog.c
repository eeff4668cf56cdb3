/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_sqllog and lpp_sqlview: what is kept of statements, and what it tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "fake_symbols.h"
#include "sql/lpp_sqlview.h"

static apr_pool_t *pool;

static int setup(void **state)
{
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int teardown(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static lpp_sqllog_t *make_log(const char *condition)
{
    lpp_sqlfilter_t *filter = NULL;
    lpp_sqllog_t *log;

    if (condition) {
        assert_int_equal(lpp_sqlfilter_parse(condition, &filter, pool), 0);
    }
    assert_int_equal(lpp_sqllog_create(&log, condition != NULL, filter, pool),
                     APR_SUCCESS);
    return log;
}

/* A statement from start for took microseconds. */
static int add(lpp_sqllog_t *log, const char *text, apr_uint64_t start,
               apr_uint64_t took, unsigned stack)
{
    lpp_sql_statement_t statement;
    int index;

    memset(&statement, 0, sizeof(statement));
    statement.text = text;
    statement.bytes = strlen(text);
    statement.database = "sqlite3:x";
    statement.call = "query";
    statement.flavour = LPP_SQLTEXT_SQLITE;
    statement.start_us = start;
    statement.stack = stack;
    index = lpp_sqllog_begin(log, &statement);
    lpp_sqllog_end(log, index, took, 1, NULL);
    return index;
}

static const lpp_sqlview_t *view_of(const lpp_sqllog_t *log,
                                    apr_uint64_t from, apr_uint64_t until)
{
    const lpp_sqlview_t *view;

    assert_int_equal(lpp_sqlview_create(&view, log, (lpp_symbols_t *)log,
                                        from, until, pool), APR_SUCCESS);
    return view;
}

static void a_statement_is_copied(void **state)
{
    lpp_sqllog_t *log = make_log(NULL);
    char text[] = "SELECT 1";
    const lpp_sql_statement_t *kept;
    int index = add(log, text, 5, 7, 0);

    memset(text, 'x', sizeof(text) - 1);
    kept = lpp_sqllog_at(log, (unsigned)index);
    assert_string_equal(kept->text, "SELECT 1");
    assert_int_equal(kept->start_us, 5);
    assert_int_equal(kept->took_us, 7);
    assert_int_equal(kept->rows, 1);
    assert_false(kept->running);
    lpp_sqllog_fetched(log, index, 3, 2, "\n late\n");
    kept = lpp_sqllog_at(log, (unsigned)index);
    assert_int_equal(kept->took_us, 10);
    assert_int_equal(kept->rows, 3);
    assert_string_equal(kept->error, "late");
    assert_int_equal(lpp_sqllog_total_us(log), 10);
}

/* mod_dbd's connections may last shorter than the request. */
static void a_connection_may_go_before_the_log(void **state)
{
    lpp_sqllog_t *log = make_log(NULL);
    char database[] = "pgsql:h/one";
    lpp_sql_statement_t statement;
    int i;

    (void)state;
    memset(&statement, 0, sizeof(statement));
    statement.text = statement.call = "x";
    statement.bytes = 1;
    statement.database = database;
    for (i = 0; i < 3; i++) {
        assert_int_equal(lpp_sqllog_begin(log, &statement), i);
    }
    memcpy(database, "XXXXX", 5);
    assert_int_equal(lpp_sqllog_begin(log, &statement), 3);
    memset(database, 0, sizeof(database));
    for (i = 0; i < 4; i++) {
        assert_string_equal(lpp_sqllog_at(log, (unsigned)i)->database,
                            i < 3 ? "pgsql:h/one" : "XXXXX:h/one");
    }
    assert_ptr_equal(lpp_sqllog_at(log, 0)->database,
                     lpp_sqllog_at(log, 2)->database);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    lpp_sqllog_t *log = make_log(NULL);
    apr_size_t size = 1024 * 1024, len;
    char *text = apr_palloc(pool, size + 1);
    const lpp_sql_statement_t *kept;

    memset(text, 'a', size);
    text[size] = '\0';
    memcpy(text + LPP_SQL_TEXT_MAX_BYTES - 1, "\xe2\x82\xac", 3);
    kept = lpp_sqllog_at(log, (unsigned)add(log, text, 0, 1, 0));
    len = strlen(kept->text);
    assert_int_equal(len, LPP_SQL_TEXT_MAX_BYTES - 1);
    assert_int_equal(kept->bytes, size);
}

static void ceilings_are_counted(void **state)
{
    lpp_sqllog_t *log = make_log(NULL);
    apr_size_t size = LPP_SQL_TEXT_MAX_BYTES, bytes = 0;
    char *text = apr_palloc(pool, size + 1);
    unsigned i;

    memset(text, 'a', size);
    text[size] = '\0';
    for (i = 0; i < LPP_SQL_STATEMENTS_MAX + 3; i++) {
        int index = add(log, text, i, 1, 0);

        if (index >= 0) {
            bytes += strlen(lpp_sqllog_at(log, (unsigned)index)->text);
        }
    }
    assert_int_equal(lpp_sqllog_count(log), LPP_SQL_STATEMENTS_MAX);
    assert_int_equal(lpp_sqllog_dropped(log), 3);
    assert_int_equal(lpp_sqllog_total_us(log), LPP_SQL_STATEMENTS_MAX + 3);
    assert_true(bytes <= LPP_SQL_TEXTS_MAX_BYTES);
    assert_true(bytes > LPP_SQL_TEXTS_MAX_BYTES - size);
    /* What has no text is no group. */
    assert_int_equal(view_of(log, 0, 1)->groups[0].count,
                     LPP_SQL_TEXTS_MAX_BYTES / LPP_SQL_TEXT_MAX_BYTES);
}

static void equal_stacks_are_one(void **state)
{
    static const lpp_pc_t a[] = {1, 2, 3}, b[] = {1, 2}, c[] = {1, 2, 3};
    lpp_sqllog_t *log = make_log("");
    lpp_pc_t other = 0;
    unsigned i, first = lpp_sqllog_keep_stack(log, a, 3);

    assert_int_equal(first, 1);
    assert_int_equal(lpp_sqllog_keep_stack(log, b, 2), 2);
    assert_int_equal(lpp_sqllog_keep_stack(log, c, 3), first);
    assert_int_equal(lpp_sqllog_keep_stack(log, c, 0), 0);
    assert_int_equal(lpp_sqllog_stack(log, 2)->count, 2);
    for (i = 2; i < LPP_SQL_STACKS_MAX; i++) {
        other = i * 10;
        assert_int_not_equal(lpp_sqllog_keep_stack(log, &other, 1), 0);
    }
    other = 7;
    assert_int_equal(lpp_sqllog_keep_stack(log, &other, 1), 0);
    assert_int_equal(lpp_sqllog_keep_stack(log, a, 3), first);
}

static void stacks_go_by_condition(void **state)
{
    lpp_sqllog_t *log = make_log("includes from team");

    assert_true(lpp_sqllog_wants_stack(log, "SELECT *\n FROM Team"));
    assert_false(lpp_sqllog_wants_stack(log, "SELECT 1"));
    log = make_log("");
    assert_true(lpp_sqllog_wants_stack(log, "SELECT 1"));
    log = make_log(NULL);
    assert_false(lpp_sqllog_wants_stack(log, "SELECT 1"));
}

static void the_slowest_and_the_longest_pauses_come_first(void **state)
{
    lpp_sqllog_t *log = make_log(NULL);
    const lpp_sqlview_t *view;
    unsigned i;

    for (i = 0; i < 30; i++) { /* times 1, 8, 15 ... of 31; pauses i */
        add(log, apr_psprintf(pool, "s%c", 'a' + i % 26),
            i * 1000 + i * (i + 1) / 2, 1000, 0);
    }
    lpp_sqllog_fetched(log, 3, 50, -1, NULL);
    lpp_sqllog_fetched(log, 20, 90, -1, NULL);
    view = view_of(log, 0, 40000);
    assert_int_equal(view->top_count, LPP_SQLVIEW_TOP);
    assert_int_equal(view->top[0], 20);
    assert_int_equal(view->top[1], 3);
    assert_int_equal(view->top[2], 0); /* equal ones as they came */
    assert_int_equal(view->gap_count, LPP_SQLVIEW_TOP);
    assert_int_equal(view->gaps[0].before, 30); /* after the last */
    assert_int_equal(view->gaps[1].before, 29);
    assert_int_equal(view->gaps[1].us, 29);
    for (i = 1; i < view->gap_count; i++) {
        assert_true(view->gaps[i].us <= view->gaps[i - 1].us);
    }
}

static void a_pause_begins_when_ones_turn_came(void **state)
{
    lpp_sqllog_t *log = make_log(NULL);
    const lpp_sqlview_t *view;

    add(log, "a", 900, 100, 0);
    add(log, "b", 950, 10, 0); /* within the first: no pause */
    view = view_of(log, 850, 1000);
    assert_int_equal(view->gap_count, 1);
    assert_int_equal(view->gaps[0].us, 50);
    assert_int_equal(view->gaps[0].before, 0);
}

static void a_loop_is_one_group(void **state)
{
    lpp_sqllog_t *log = make_log(NULL);
    const lpp_sqlview_t *view;
    unsigned i, index;

    add(log, "SELECT id FROM t", 0, 500, 0);
    for (i = 0; i < 50; i++) {
        add(log, apr_psprintf(pool, "SELECT *\n FROM t WHERE id = %u AND n = "
                              "'n%u'", i, i * i), 1000 + i, 2, 0);
    }
    add(log, "UPDATE t SET a = 1", 5000, 30, 0);
    add(log, "UPDATE t SET a = 2", 6000, 30, 0);
    view = view_of(log, 0, 7000);
    assert_int_equal(view->group_count, 2);
    assert_int_equal(view->groups[0].count, 50);
    assert_int_equal(view->groups[0].total_us, 100);
    assert_string_equal(view->groups[0].text,
                        "SELECT * FROM t WHERE id = ? AND n = ?");
    for (i = 0, index = view->groups[0].first; index != LPP_SQLVIEW_NONE;
         index = view->next_same[index]) {
        assert_int_equal(index, ++i);
    }
    assert_int_equal(i, 50);
    assert_int_equal(view->groups[1].count, 2);
    assert_int_equal(view->trigger_count, 0);
}

static void triggers_and_their_stacks(void **state)
{
    static const char *const names[] = {"main", "handler", "apr_dbd_pvselect",
                                        "apr_dbd_like"};
    static const lpp_pc_t with[] = {FAKE_PC(2, 2, 4), FAKE_PC(1, 1, 8),
                                    FAKE_PC(1, 0, 8)};
    static const lpp_pc_t without[] = {FAKE_PC(1, 1, 9), FAKE_PC(2, 3, 1),
                                       FAKE_PC(1, 0, 8)};
    lpp_sqllog_t *log = make_log("");
    const lpp_sqlview_t *view;
    unsigned a, b;

    fake_names = names;
    a = lpp_sqllog_keep_stack(log, with, 3);
    b = lpp_sqllog_keep_stack(log, without, 3);
    add(log, "a", 0, 1, a);
    add(log, "b", 10, 1, b);
    add(log, "c", 20, 1, a);
    add(log, "d", 30, 1, 0);
    view = view_of(log, 0, 40);
    assert_int_equal(view->trigger_count, 1);
    assert_int_equal(view->triggers[0].stack, a);
    assert_int_equal(view->triggers[0].first, 0);
    assert_int_equal(view->next_trigger[0], 2);
    assert_int_equal(view->next_trigger[2], LPP_SQLVIEW_NONE);
    assert_string_equal(view->stacks[a - 1].frames[0].name, "main");
    assert_string_equal(view->stacks[a - 1].frames[0].object, "mod_a.so");
    assert_int_equal(view->stacks[a - 1].database, 2);
    /* A frame of that name further out is not the database part. */
    assert_int_equal(view->stacks[b - 1].database, 3);
}

static void an_empty_log_has_a_view(void **state)
{
    const lpp_sqlview_t *view = view_of(make_log(NULL), 5, 1);

    assert_int_equal(view->count + view->top_count + view->gap_count
                     + view->group_count + view->trigger_count, 0);
    assert_int_equal(view->until_us, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement_is_copied),
        cmocka_unit_test(a_connection_may_go_before_the_log),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(ceilings_are_counted),
        cmocka_unit_test(equal_stacks_are_one),
        cmocka_unit_test(stacks_go_by_condition),
        cmocka_unit_test(the_slowest_and_the_longest_pauses_come_first),
        cmocka_unit_test(a_pause_begins_when_ones_turn_came),
        cmocka_unit_test(a_loop_is_one_group),
        cmocka_unit_test(triggers_and_their_stacks),
        cmocka_unit_test(an_empty_log_has_a_view),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
