/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_sql: the log of one request, and which thread writes to it.
 *
 * A connection of mod_dbd serves many requests, and its driver cannot tell
 * which one; so each thread stores the number of the log for its statements. It
 * is a number and not a pointer: a thread that starts another request without
 * having left this one looks the number up among the existing logs, and does
 * not find one that was destroyed.
 */
#include <pthread.h>
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_clock.h"
#include "base/lpp_ascii.h"
#include "base/lpp_utf8.h"
#include "names/lpp_pagecode.h"
#include "request/mod_lpprofile_sql_internal.h"

static lpp_oops_hidden_t secret_labels; /* by name; in pconf */

void lpp_sql_set_secret_labels(const apr_array_header_t *labels)
{
    secret_labels.names = labels;
}

/* Whether statements with that label contain session data. */
static int is_secret(const char *label)
{
    return lpp_oops_is_sensitive(label, &secret_labels);
}

#define NAME_MAX_BYTES 120
#define NAMES_MAX 16
#define DETAIL_MAX_BYTES 4096 /* of a statement in an OOPS */

struct lpp_sql_t {
    lpp_dbd_watch_t watch; /* first: lpp_dbd has a pointer to it */
    lpp_sqllog_t *log;
    apr_pool_t *pool;
    const char *names[NAMES_MAX]; /* of databases, by other modules */
    lpp_sql_options_t options;
    apr_pool_t *scratch;
    apr_time_t started_us; /* of the most recent statement */
    apr_uint64_t serial;
    lpp_sql_t *next;       /* of all existing ones; guarded by live_mutex */
    lpp_pc_t frames[LPP_SQL_STACK_MAX_FRAMES + 1];
};

/* Returns an error to a thread that locks it twice: prefork ends a child in a
 * signal handler, as in lpp_dbd. */
static pthread_mutex_t live_mutex
    = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static lpp_sql_t *live;            /* guarded by live_mutex */
static apr_uint64_t last_serial;   /* guarded by live_mutex */
static __thread apr_uint64_t serial_of_thread; /* 0: none */

static lpp_sql_t *of_thread(void)
{
    lpp_sql_t *found;

    if (!serial_of_thread) {
        return NULL;
    }
    pthread_mutex_lock(&live_mutex);
    found = live;
    while (found && found->serial != serial_of_thread) {
        found = found->next;
    }
    pthread_mutex_unlock(&live_mutex);
    if (!found) {
        serial_of_thread = 0;
    }
    return found;
}

lpp_dbd_watch_t *lpp_sql_watch_of_thread(void)
{
    lpp_sql_t *sql = of_thread();

    return sql ? &sql->watch : NULL;
}

const char *lpp_sql_keep_name(const char *database)
{
    lpp_sql_t *sql = of_thread();
    char name[NAME_MAX_BYTES + 1], *c;
    unsigned i;

    apr_cpystrn(name, database, sizeof(name));
    for (c = name; *c; c++) {
        if (lpp_is_space(*c) || lpp_is_control(*c)) {
            *c = '_';
        }
    }
    for (i = 0; i < NAMES_MAX && sql->names[i]; i++) {
        if (!strcmp(sql->names[i], name)) {
            return sql->names[i];
        }
    }
    if (i == NAMES_MAX) {
        return "more";
    }
    sql->names[i] = apr_pstrdup(sql->pool, name);
    return sql->names[i];
}

/* Remove the frames of this module, which are the innermost of the C stack;
 * page functions may stand before them. Returns how many stay. */
static unsigned remove_own(lpp_pc_t *frames, unsigned count)
{
    unsigned first = 0, end;

    while (first < count && LPP_PC_IS_PAGE(frames[first])) {
        first++;
    }
    end = first;
    while (end < count
           && LPP_PC_OBJECT(frames[end]) == LPP_PC_OBJECT(frames[first])) {
        end++;
    }
    memmove(frames + first, frames + end, (count - end) * sizeof(*frames));
    return count - (end - first);
}

/* Copy the calling stack without the frames of this module. */
static unsigned take_stack(lpp_sql_t *sql)
{
    unsigned count = 0;

    if (lpp_session_cut_short(sql->options.session) != LPP_STOP_NOT
        || lpp_session_stack(sql->options.session, sql->frames,
                             LPP_COUNT(sql->frames), &count)
           != APR_SUCCESS) {
        return 0;
    }
    return lpp_sqllog_keep_stack(sql->log, sql->frames,
                                 remove_own(sql->frames, count));
}

static apr_uint64_t since_begin(const lpp_sql_t *sql, apr_time_t moment_us)
{
    return (apr_uint64_t)(moment_us - sql->options.begin_us);
}

static int begin(lpp_dbd_watch_t *watch, const lpp_dbd_call_t *call)
{
    lpp_sql_t *sql = (lpp_sql_t *)watch;
    lpp_sql_statement_t statement;
    int index;

    memset(&statement, 0, sizeof(statement));
    statement.text = call->text;
    statement.flavour = lpp_sqltext_flavour(call->driver);
    statement.database = call->database;
    statement.label = call->label;
    statement.call = call->call;
    if (sql->options.session && lpp_sqllog_wants_stack(sql->log, call->text)) {
        statement.stack = take_stack(sql);
    }
    if (call->label && is_secret(call->label)) {
        statement.text = lpp_sqltext_mask(call->text, statement.flavour,
                                          sql->scratch);
    }
    statement.bytes = strlen(statement.text);
    index = lpp_sqllog_begin(sql->log, &statement);
    /* From here on, so that stack and copies are not part of the database's
     * time. */
    sql->started_us = lpp_monotonic_us();
    lpp_sqllog_started(sql->log, index, since_begin(sql, sql->started_us));
    apr_pool_clear(sql->scratch);
    return index;
}

/* A message may contain parts of the statement. */
static const char *error_of(lpp_sql_t *sql, int index, const char *error)
{
    const char *label = index < 0 ? NULL
        : lpp_sqllog_at(sql->log, (unsigned)index)->label;

    return error && label && is_secret(label)
               ? lpp_sqltext_mask_error(error, sql->scratch) : error;
}

static void end(lpp_dbd_watch_t *watch, int index, long rows,
                const char *error)
{
    lpp_sql_t *sql = (lpp_sql_t *)watch;
    apr_time_t now = lpp_monotonic_us();
    apr_uint64_t start = since_begin(sql, sql->started_us);

    if (index >= 0) {
        const lpp_sql_statement_t *statement;

        if (index >= (int)lpp_sqllog_count(sql->log)) {
            return; /* not a number of this log */
        }
        statement = lpp_sqllog_at(sql->log, (unsigned)index);
        if (!statement->running) {
            return;
        }
        start = statement->start_us; /* not started_us: other statements
                                        may run within this one */
    }
    lpp_sqllog_end(sql->log, index, since_begin(sql, now) - start, rows,
                   error_of(sql, index, error));
}

static void fetched(lpp_dbd_watch_t *watch, int index, apr_uint64_t took_us,
                    long rows, const char *error)
{
    lpp_sql_t *sql = (lpp_sql_t *)watch;

    lpp_sqllog_fetched(sql->log, index, took_us, rows,
                       error_of(sql, index, error));
}

apr_status_t lpp_sql_start(lpp_sql_t **sql, const lpp_sql_options_t *options,
                           apr_pool_t *pool)
{
    lpp_sql_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_status_t rv;

    *sql = NULL;
    if (!made) {
        return APR_ENOMEM;
    }
    rv = apr_pool_create(&made->scratch, pool);
    if (rv == APR_SUCCESS) {
        rv = lpp_sqllog_create(&made->log, options->traced, options->filter,
                               pool);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    made->pool = pool;
    made->watch.begin = begin;
    made->watch.end = end;
    made->watch.fetched = fetched;
    made->options = *options;
    pthread_mutex_lock(&live_mutex);
    made->serial = ++last_serial;
    made->next = live;
    live = made;
    pthread_mutex_unlock(&live_mutex);
    serial_of_thread = made->serial;
    atomic_fetch_add(&lpp_dbd_watched, 1);
    *sql = made;
    return APR_SUCCESS;
}

void lpp_sql_leave_thread(void)
{
    if (serial_of_thread) {
        serial_of_thread = 0;
    }
}

void lpp_sql_enter_thread(const lpp_sql_t *sql)
{
    serial_of_thread = sql->serial;
}

void lpp_sql_stop(lpp_sql_t *sql)
{
    lpp_sql_t **at;

    if (pthread_mutex_lock(&live_mutex)) {
        return;
    }
    at = &live;
    while (*at && *at != sql) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = sql->next;
        atomic_fetch_sub(&lpp_dbd_watched, 1);
    }
    pthread_mutex_unlock(&live_mutex);
    if (serial_of_thread == sql->serial) {
        serial_of_thread = 0;
    }
    sql->options.session = NULL;
}

const lpp_sqllog_t *lpp_sql_log(const lpp_sql_t *sql)
{
    return sql->log;
}

static const char *cut(const char *text, apr_pool_t *pool)
{
    apr_size_t len;

    if (strlen(text) <= DETAIL_MAX_BYTES) {
        return text;
    }
    len = lpp_utf8_cut(text, DETAIL_MAX_BYTES);
    return apr_pstrcat(pool, apr_pstrmemdup(pool, text, len), " [...]", NULL);
}

static const char *detail_of(const lpp_sql_statement_t *statement,
                             int literals, apr_pool_t *pool)
{
    const char *text = statement->text, *error = statement->error;

    if (!literals) {
        text = lpp_sqltext_mask(text, statement->flavour, pool);
        error = error ? lpp_sqltext_mask_error(error, pool) : NULL;
    }
    text = cut(text, pool);
    if (statement->bytes > strlen(statement->text)) {
        text = apr_psprintf(pool, "%s [%" APR_SIZE_T_FMT " bytes in all]",
                            text, statement->bytes);
    }
    return error ? apr_pstrcat(pool, text, " [failed: ", error, "]", NULL)
                 : text;
}

void lpp_sql_add_to(const lpp_sql_t *sql, lpp_oops_t *oops, int literals)
{
    double now = (double)(lpp_monotonic_us() - sql->options.begin_us) / 1000.0;
    apr_pool_t *scratch;
    unsigned i;

    oops->timeline_dropped += lpp_sqllog_dropped(sql->log);
    if (apr_pool_create(&scratch, oops->pool) != APR_SUCCESS) {
        oops->timeline_dropped += lpp_sqllog_count(sql->log);
        return;
    }
    for (i = 0; i < lpp_sqllog_count(sql->log); i++) {
        const lpp_sql_statement_t *statement = lpp_sqllog_at(sql->log, i);
        double start = (double)statement->start_us / 1000.0;

        lpp_oops_add_event(oops, start,
                           statement->running
                               ? now
                               : start + (double)statement->took_us / 1000.0,
                           apr_pstrcat(scratch, "SQL-", statement->database,
                                       NULL),
                           detail_of(statement, literals, scratch));
        apr_pool_clear(scratch);
    }
    apr_pool_destroy(scratch);
}

const char *lpp_sql_figures(const lpp_sql_t *sql, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%u/%.0fms", lpp_sqllog_count(sql->log)
                        + lpp_sqllog_dropped(sql->log),
                        (double)lpp_sqllog_total_us(sql->log) / 1000.0);
}

const char *lpp_sql_server_timing(const lpp_sql_t *sql, apr_pool_t *pool)
{
    unsigned count = lpp_sqllog_count(sql->log)
                     + lpp_sqllog_dropped(sql->log);

    return count == 0 ? NULL
        : apr_psprintf(pool, "sql;dur=%.3f;desc=\"%u statement%s\"",
                       (double)lpp_sqllog_total_us(sql->log) / 1000.0, count,
                       count == 1 ? "" : "s");
}
