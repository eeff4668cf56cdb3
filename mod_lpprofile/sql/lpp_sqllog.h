/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqllog: the SQL statements of one request, as they come.
 *
 * Statement by statement with times and, where asked for, the stack that sent
 * it; equal stacks are kept once. What is to be hidden for good is hidden
 * before it comes here. Grows to its ceilings (lpp_base.h) and then only
 * counts. Knows no database and no request.
 */
#ifndef LPP_SQLLOG_H
#define LPP_SQLLOG_H

#include "base/lpp_base.h"
#include "parse/lpp_sqlfilter.h"
#include "parse/lpp_sqltext.h"

/* One statement. Times are microseconds since the request began. */
typedef struct lpp_sql_statement_t {
    const char *text;     /* at most LPP_SQL_TEXT_MAX_BYTES of it */
    apr_size_t bytes;     /* of the whole text */
    const char *database; /* "pgsql:localhost/shop" */
    const char *label;    /* of a prepared statement, or NULL */
    const char *call;     /* how it was sent: "query", "pvselect" */
    const char *error;    /* of the database, or NULL */
    lpp_sqltext_flavour_e flavour;
    apr_uint64_t start_us;
    apr_uint64_t took_us; /* in the database, fetching of rows included */
    long rows;            /* got or affected, < 0: not known */
    int running;          /* not ended yet */
    unsigned stack;       /* 1 and up; 0: none was taken */
} lpp_sql_statement_t;

/* A calling stack, leaf first. */
typedef struct lpp_sql_stack_t {
    const lpp_pc_t *frames;
    unsigned count;
} lpp_sql_stack_t;

typedef struct lpp_sqllog_t lpp_sqllog_t;

/*
 * An empty log in pool. traced: stacks are wanted; filter (or NULL: all)
 * says for which statements, and is borrowed.
 * Errors: APR_ENOMEM. Signal-safe: no. Thread: any, one at a time, as all of
 * these.
 */
LPP_MUST_CHECK apr_status_t lpp_sqllog_create(lpp_sqllog_t **log, int traced,
                                              const lpp_sqlfilter_t *filter,
                                              apr_pool_t *pool);

/* Whether a stack should be taken for that statement (its whole text). */
int lpp_sqllog_wants_stack(lpp_sqllog_t *log, const char *text);

/*
 * A statement begins: all but error, took_us, rows and running is given;
 * bytes is the length of text. Text, label and database are copied, call is
 * borrowed for as long as the log lives. Returns its index, or -1 past a
 * ceiling, which end and fetched take, too.
 */
int lpp_sqllog_begin(lpp_sqllog_t *log, const lpp_sql_statement_t *given);

/* It is sent only now: what came before was no time of the database. */
void lpp_sqllog_started(lpp_sqllog_t *log, int index, apr_uint64_t start_us);

/* It is over. error is copied; rows < 0: not known. */
void lpp_sqllog_end(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                    long rows, const char *error);

/* Rows of it were fetched: more time in the database; rows < 0: none to be
 * counted. error as above. */
void lpp_sqllog_fetched(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                        long rows, const char *error);

/* How long the whole text was, for a log that is read back from a file and has
 * only what was kept of it. */
void lpp_sqllog_keep_length(lpp_sqllog_t *log, int index, apr_size_t bytes);

/* Keep a stack; returns what lpp_sql_statement_t.stack holds, 0 past the
 * ceiling. frames are copied. */
unsigned lpp_sqllog_keep_stack(lpp_sqllog_t *log, const lpp_pc_t *frames,
                               unsigned count);

/* What is in it. Pointers stay until the next begin. */
unsigned lpp_sqllog_count(const lpp_sqllog_t *log);
const lpp_sql_statement_t *lpp_sqllog_at(const lpp_sqllog_t *log,
                                         unsigned index);
unsigned lpp_sqllog_stack_count(const lpp_sqllog_t *log);
const lpp_sql_stack_t *lpp_sqllog_stack(const lpp_sqllog_t *log,
                                        unsigned stack); /* 1 and up */

/* Statements past the ceiling, of which nothing but their time is known. */
unsigned lpp_sqllog_dropped(const lpp_sqllog_t *log);

/* Time in the database, dropped statements included. */
apr_uint64_t lpp_sqllog_total_us(const lpp_sqllog_t *log);

int lpp_sqllog_traced(const lpp_sqllog_t *log);
const lpp_sqlfilter_t *lpp_sqllog_filter(const lpp_sqllog_t *log);

#endif
