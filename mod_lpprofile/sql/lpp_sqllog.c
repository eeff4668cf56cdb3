/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqllog: see lpp_sqllog.h. Only copies while a request is being served;
 * lpp_sqlview sums and sorts later.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "base/lpp_utf8.h"
#include "sql/lpp_sqllog.h"

struct lpp_sqllog_t {
    apr_pool_t *pool;
    apr_pool_t *scratch;            /* for the filter, cleared after use */
    apr_array_header_t *statements; /* lpp_sql_statement_t */
    apr_array_header_t *stacks;     /* lpp_sql_stack_t */
    apr_hash_t *known;              /* frames to (index + 1) */
    apr_size_t text_bytes;          /* of all texts */
    apr_uint64_t total_us;
    unsigned dropped;
    int traced;
    const lpp_sqlfilter_t *filter;
};

apr_status_t lpp_sqllog_create(lpp_sqllog_t **log, int traced,
                               const lpp_sqlfilter_t *filter,
                               apr_pool_t *pool)
{
    lpp_sqllog_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_status_t rv;

    *log = NULL;
    if (!made) {
        return APR_ENOMEM;
    }
    rv = apr_pool_create(&made->scratch, pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_tag(made->scratch, "lpprofile sql scratch");
    made->pool = pool;
    made->statements = apr_array_make(pool, 16, sizeof(lpp_sql_statement_t));
    made->stacks = apr_array_make(pool, 4, sizeof(lpp_sql_stack_t));
    made->known = apr_hash_make(pool);
    if (!made->statements || !made->stacks || !made->known) {
        return APR_ENOMEM;
    }
    made->traced = traced;
    made->filter = filter;
    *log = made;
    return APR_SUCCESS;
}

int lpp_sqllog_wants_stack(lpp_sqllog_t *log, const char *text)
{
    int wanted;

    if (!log->traced) {
        return 0;
    }
    if (!log->filter) {
        return 1;
    }
    wanted = lpp_sqlfilter_matches(log->filter, text, log->scratch);
    apr_pool_clear(log->scratch);
    return wanted;
}

/* A copy of the text, cut at its ceiling between two characters; "" past the
 * ceiling for all texts. */
static const char *keep_text(lpp_sqllog_t *log, const char *text,
                             apr_size_t bytes)
{
    apr_size_t len = bytes;

    if (len > LPP_SQL_TEXT_MAX_BYTES) {
        len = lpp_utf8_cut(text, LPP_SQL_TEXT_MAX_BYTES);
    }
    if (log->text_bytes + len > LPP_SQL_TEXTS_MAX_BYTES) {
        len = 0;
    }
    log->text_bytes += len;
    return apr_pstrmemdup(log->pool, text, len);
}

/* A copy of the database's name, since a connection may be closed before its
 * request ends; successive statements of one database share it. */
static const char *keep_database(lpp_sqllog_t *log, const char *database)
{
    int last = log->statements->nelts - 1;

    if (last >= 0) {
        const char *known = APR_ARRAY_IDX(log->statements, last,
                                          lpp_sql_statement_t).database;

        if (strcmp(known, database) == 0) {
            return known;
        }
    }
    return apr_pstrdup(log->pool, database);
}

int lpp_sqllog_begin(lpp_sqllog_t *log, const lpp_sql_statement_t *given)
{
    lpp_sql_statement_t *statement;
    const char *text, *label, *database;

    if (log->statements->nelts >= LPP_SQL_STATEMENTS_MAX) {
        log->dropped++;
        return -1;
    }
    text = keep_text(log, given->text, given->bytes);
    label = given->label ? apr_pstrdup(log->pool, given->label) : NULL;
    database = keep_database(log, given->database);
    statement = text && database ? apr_array_push(log->statements) : NULL;
    if (!statement) {
        log->dropped++;
        return -1;
    }
    *statement = *given;
    statement->text = text;
    statement->label = label;
    statement->database = database;
    statement->error = NULL;
    statement->took_us = 0;
    statement->rows = -1;
    statement->running = 1;
    return log->statements->nelts - 1;
}

static lpp_sql_statement_t *find(lpp_sqllog_t *log, int index)
{
    return index >= 0 && index < log->statements->nelts
               ? &APR_ARRAY_IDX(log->statements, index, lpp_sql_statement_t)
               : NULL;
}

void lpp_sqllog_keep_length(lpp_sqllog_t *log, int index, apr_size_t bytes)
{
    lpp_sql_statement_t *statement = find(log, index);

    if (statement) {
        statement->bytes = bytes;
    }
}

void lpp_sqllog_started(lpp_sqllog_t *log, int index, apr_uint64_t start_us)
{
    lpp_sql_statement_t *statement = find(log, index);

    if (statement) {
        statement->start_us = start_us;
    }
}

/* A copy of the message without white space at its ends: databases end their
 * messages with a newline. */
static const char *keep_error(lpp_sqllog_t *log, const char *error)
{
    apr_size_t len;

    error += strspn(error, " \t\r\n");
    len = strlen(error);
    if (len > LPP_SQL_ERROR_MAX_BYTES) {
        len = lpp_utf8_cut(error, LPP_SQL_ERROR_MAX_BYTES);
    }
    while (len && strchr(" \t\r\n", error[len - 1])) {
        len--;
    }
    return apr_pstrmemdup(log->pool, error, len);
}

static void add_time(lpp_sqllog_t *log, lpp_sql_statement_t *statement,
                     apr_uint64_t took_us, const char *error)
{
    log->total_us += took_us;
    if (statement) {
        statement->took_us += took_us;
        if (error && !statement->error) {
            statement->error = keep_error(log, error);
        }
    }
}

void lpp_sqllog_end(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                    long rows, const char *error)
{
    lpp_sql_statement_t *statement = find(log, index);

    add_time(log, statement, took_us, error);
    if (statement) {
        statement->rows = rows;
        statement->running = 0;
    }
}

void lpp_sqllog_fetched(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                        long rows, const char *error)
{
    lpp_sql_statement_t *statement = find(log, index);

    add_time(log, statement, took_us, error);
    if (statement && rows >= 0) {
        statement->rows = (statement->rows < 0 ? 0 : statement->rows) + rows;
    }
}

unsigned lpp_sqllog_keep_stack(lpp_sqllog_t *log, const lpp_pc_t *frames,
                               unsigned count)
{
    apr_ssize_t len;
    lpp_sql_stack_t *stack;
    void *copy, *known;

    if (count > LPP_SQL_STACK_MAX_FRAMES) {
        count = LPP_SQL_STACK_MAX_FRAMES;
    }
    len = (apr_ssize_t)(count * sizeof(*frames));
    if (!count) {
        return 0;
    }
    known = apr_hash_get(log->known, frames, len);
    if (known) {
        return (unsigned)(apr_uintptr_t)known;
    }
    if (log->stacks->nelts >= LPP_SQL_STACKS_MAX) {
        return 0;
    }
    copy = apr_pmemdup(log->pool, frames, (apr_size_t)len);
    stack = copy ? apr_array_push(log->stacks) : NULL;
    if (!stack) {
        return 0;
    }
    stack->frames = copy;
    stack->count = count;
    apr_hash_set(log->known, copy, len,
                 (void *)(apr_uintptr_t)log->stacks->nelts);
    return (unsigned)log->stacks->nelts;
}

unsigned lpp_sqllog_count(const lpp_sqllog_t *log)
{
    return (unsigned)log->statements->nelts;
}

const lpp_sql_statement_t *lpp_sqllog_at(const lpp_sqllog_t *log,
                                         unsigned index)
{
    return &APR_ARRAY_IDX(log->statements, (int)index, lpp_sql_statement_t);
}

unsigned lpp_sqllog_stack_count(const lpp_sqllog_t *log)
{
    return (unsigned)log->stacks->nelts;
}

const lpp_sql_stack_t *lpp_sqllog_stack(const lpp_sqllog_t *log,
                                        unsigned stack)
{
    return &APR_ARRAY_IDX(log->stacks, (int)stack - 1, lpp_sql_stack_t);
}

unsigned lpp_sqllog_dropped(const lpp_sqllog_t *log)
{
    return log->dropped;
}

apr_uint64_t lpp_sqllog_total_us(const lpp_sqllog_t *log)
{
    return log->total_us;
}

int lpp_sqllog_traced(const lpp_sqllog_t *log)
{
    return log->traced;
}

const lpp_sqlfilter_t *lpp_sqllog_filter(const lpp_sqllog_t *log)
{
    return log->filter;
}
