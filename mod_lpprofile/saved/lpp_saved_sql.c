/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_sql: the section of the SQL statements of a saved profile. It
 * exists only if the URL asked for them. Lists and groups are computed again.
 * Stacks have names and no addresses: in the log that is read, a stack is only
 * a number.
 */
#include <string.h>

#include "saved/lpp_saved_internal.h"

#define TIME_MAX (APR_UINT64_C(1) << 46)
#define TOTAL_MAX (APR_UINT64_C(1) << 62) /* more than the sum of all */
#define DROPPED_MAX 10000000
#define STATEMENT_BYTES 10
#define FRAME_BYTES 2

static void put_statement(lpp_saved_writer_t *writer,
                          const lpp_sql_statement_t *statement)
{
    lpp_saved_put_string(writer, statement->text);
    lpp_saved_put_number(writer, statement->bytes);
    lpp_saved_put_string(writer, statement->database);
    lpp_saved_put_optional(writer, statement->label);
    lpp_saved_put_string(writer, statement->call);
    lpp_saved_put_optional(writer, statement->error);
    lpp_saved_put_number(writer, statement->flavour);
    lpp_saved_put_number(writer, statement->start_us);
    lpp_saved_put_number(writer, statement->took_us);
    lpp_saved_put_number(writer, statement->rows < 0
                         ? 0 : (apr_uint64_t)statement->rows + 1);
    lpp_saved_put_number(writer, statement->running != 0);
    lpp_saved_put_number(writer, statement->stack);
}

static void put_stack(lpp_saved_writer_t *writer,
                      const lpp_sqlview_stack_t *stack)
{
    unsigned i;

    lpp_saved_put_number(writer, stack->count);
    for (i = 0; i < stack->count; i++) {
        lpp_saved_put_string(writer, stack->frames[i].name);
        lpp_saved_put_string(writer, stack->frames[i].object);
    }
    lpp_saved_put_number(writer, stack->database);
}

void lpp_saved_put_sql(lpp_saved_writer_t *writer, const lpp_saved_t *saved)
{
    const lpp_sqlview_t *view = saved->sql;
    unsigned i, stacks;

    if (!view) {
        return;
    }
    lpp_saved_put_number(writer, lpp_sqllog_traced(view->log) != 0);
    lpp_saved_put_optional(writer, saved->sql_condition);
    lpp_saved_put_number(writer, view->from_us);
    lpp_saved_put_number(writer, view->until_us);
    stacks = lpp_sqllog_stack_count(view->log);
    lpp_saved_put_number(writer, stacks);
    for (i = 0; i < stacks; i++) {
        put_stack(writer, &view->stacks[i]);
    }
    lpp_saved_put_number(writer, view->count);
    for (i = 0; i < view->count; i++) {
        put_statement(writer, lpp_sqllog_at(view->log, i));
    }
    lpp_saved_put_number(writer, lpp_sqllog_dropped(view->log));
    lpp_saved_put_number(writer, view->total_us);
}

static void read_stack(lpp_saved_reader_t *reader, lpp_sqlview_stack_t *stack)
{
    unsigned count = lpp_saved_count(reader, LPP_SQL_STACK_MAX_FRAMES,
                                     FRAME_BYTES);
    lpp_sqlview_frame_t *frames = lpp_saved_array(reader, count,
                                                  sizeof(*frames));
    unsigned i;

    for (i = 0; frames && i < count && !reader->bad; i++) {
        frames[i].name = lpp_saved_name(reader);
        frames[i].object = lpp_saved_name(reader);
    }
    stack->frames = frames;
    stack->count = count;
    stack->database = (unsigned)lpp_saved_number(reader, count);
}

/* Read the stacks with names, and add as many stacks to the log. */
static lpp_sqlview_stack_t *read_stacks(lpp_saved_reader_t *reader,
                                        lpp_sqllog_t *log)
{
    unsigned count = lpp_saved_count(reader, LPP_SQL_STACKS_MAX, 2), i;
    lpp_sqlview_stack_t *stacks = lpp_saved_array(reader, count,
                                                  sizeof(*stacks));

    for (i = 0; stacks && i < count && !reader->bad; i++) {
        lpp_pc_t number = i + 1;

        read_stack(reader, &stacks[i]);
        if (lpp_sqllog_keep_stack(log, &number, 1) != i + 1) {
            reader->bad = 1;
        }
    }
    return stacks;
}

static void read_statement(lpp_saved_reader_t *reader, lpp_sqllog_t *log)
{
    lpp_sql_statement_t statement;
    apr_uint64_t took_us, rows;
    const char *error;
    int index, running;
    apr_size_t bytes;

    memset(&statement, 0, sizeof(statement));
    statement.text = lpp_saved_string(reader);
    bytes = (apr_size_t)lpp_saved_number(reader, APR_INT32_MAX);
    statement.bytes = strlen(statement.text);
    statement.database = lpp_saved_string(reader);
    statement.label = lpp_saved_optional(reader);
    statement.call = lpp_saved_string(reader);
    error = lpp_saved_optional(reader);
    statement.flavour = (lpp_sqltext_flavour_e)lpp_saved_number(
        reader, LPP_SQLTEXT_SQLITE);
    statement.start_us = lpp_saved_number(reader, TIME_MAX);
    took_us = lpp_saved_number(reader, TIME_MAX);
    rows = lpp_saved_number(reader, APR_INT32_MAX);
    running = (int)lpp_saved_number(reader, 1);
    statement.stack = (unsigned)lpp_saved_number(
        reader, lpp_sqllog_stack_count(log));
    /* A text that was cut is not longer than the whole text. */
    if (bytes < statement.bytes) {
        reader->bad = 1;
    }
    if (reader->bad) {
        return;
    }
    index = lpp_sqllog_begin(log, &statement);
    if (index < 0) {
        reader->bad = 1;
        return;
    }
    lpp_sqllog_keep_length(log, index, bytes);
    if (running) {
        lpp_sqllog_fetched(log, index, took_us, (long)rows - 1, error);
    }
    else {
        lpp_sqllog_end(log, index, took_us, (long)rows - 1, error);
    }
}

/* Read the number and time of the statements past the ceiling. */
static void read_dropped(lpp_saved_reader_t *reader, lpp_sqllog_t *log)
{
    apr_uint64_t dropped = lpp_saved_number(reader, DROPPED_MAX);
    apr_uint64_t total_us = lpp_saved_number(reader, TOTAL_MAX);
    lpp_sql_statement_t none;

    if (dropped && lpp_sqllog_count(log) < LPP_SQL_STATEMENTS_MAX) {
        return; /* memory was short when it was written; the rest is valid */
    }
    memset(&none, 0, sizeof(none));
    none.text = none.database = none.call = "";
    for (; dropped && !reader->bad; dropped--) {
        if (lpp_sqllog_begin(log, &none) >= 0) {
            reader->bad = 1;
        }
    }
    if (total_us > lpp_sqllog_total_us(log)) {
        lpp_sqllog_end(log, -1, total_us - lpp_sqllog_total_us(log), -1,
                       NULL);
    }
}

void lpp_saved_read_sql(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_sqlfilter_t *filter = NULL;
    lpp_sqlview_stack_t *stacks;
    apr_uint64_t from_us, until_us;
    lpp_sqllog_t *log;
    apr_uint32_t count;
    int traced;

    traced = (int)lpp_saved_number(reader, 1);
    saved->sql_condition = lpp_saved_optional(reader);
    if ((saved->sql_condition
         && lpp_sqlfilter_parse(saved->sql_condition, &filter, reader->pool)
            != APR_SUCCESS)
        || lpp_sqllog_create(&log, traced, filter, reader->pool)
           != APR_SUCCESS) {
        reader->bad = 1;
        reader->status = APR_ENOMEM;
        return;
    }
    from_us = lpp_saved_number(reader, TIME_MAX);
    until_us = lpp_saved_number(reader, TIME_MAX);
    stacks = read_stacks(reader, log);
    count = lpp_saved_count(reader, LPP_SQL_STATEMENTS_MAX, STATEMENT_BYTES);
    for (; count && !reader->bad; count--) {
        read_statement(reader, log);
    }
    read_dropped(reader, log);
    if (!reader->bad
        && lpp_sqlview_restore(&saved->sql, log, stacks, from_us, until_us,
                               reader->pool) != APR_SUCCESS) {
        reader->bad = 1;
        reader->status = APR_ENOMEM;
    }
}

static int has_lines(const lpp_sqlview_stack_t *stacks, unsigned count)
{
    unsigned i, j;

    for (i = 0; i < count; i++) {
        for (j = 0; j < stacks[i].count; j++) {
            if (stacks[i].frames[j].line != 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* The lines of page functions in the stacks, frame by frame; nothing where
 * there are none. */
void lpp_saved_put_sql_lines(lpp_saved_writer_t *writer,
                             const lpp_saved_t *saved)
{
    const lpp_sqlview_t *view = saved->sql;
    unsigned stacks = view ? lpp_sqllog_stack_count(view->log) : 0, i, j;

    if (stacks == 0 || !has_lines(view->stacks, stacks)) {
        return;
    }
    for (i = 0; i < stacks; i++) {
        for (j = 0; j < view->stacks[i].count; j++) {
            lpp_saved_put_number(writer, view->stacks[i].frames[j].line);
        }
    }
}

void lpp_saved_read_sql_lines(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    const lpp_sqlview_t *view = saved->sql;
    unsigned stacks = view ? lpp_sqllog_stack_count(view->log) : 0, i, j;

    for (i = 0; i < stacks && !reader->bad; i++) {
        /* read_stack made them, so they can be changed */
        lpp_sqlview_frame_t *frames =
            (lpp_sqlview_frame_t *)view->stacks[i].frames;

        for (j = 0; j < view->stacks[i].count; j++) {
            frames[j].line = (apr_uint32_t)lpp_saved_number(
                reader, LPP_PAGE_LINE_MAX);
        }
    }
}
