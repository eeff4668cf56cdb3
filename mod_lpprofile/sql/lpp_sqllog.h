/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqllog: the SQL statements of one request, as they come.
 *
 * Each statement has its times and, where wanted, the stack that sent it; equal
 * stacks are stored once. The caller masks what must never be shown. The log
 * grows to its ceilings (lpp_base.h) and then only counts.
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

/* 1 where the stack of a statement with that text (whole) is wanted.
 * Signal-safe: no. Thread: one at a time. */
int lpp_sqllog_wants_stack(lpp_sqllog_t *log, const char *text);

/*
 * A statement begins: all but error, took_us, rows and running is given;
 * bytes is the length of text. Text, label and database are copied, call is
 * borrowed for as long as the log lives. Returns its index, or -1 past a
 * ceiling, which end and fetched take, too.
 */
int lpp_sqllog_begin(lpp_sqllog_t *log, const lpp_sql_statement_t *given);

/* Move the start of a statement: it is sent only now. */
void lpp_sqllog_started(lpp_sqllog_t *log, int index, apr_uint64_t start_us);

/* A statement has ended. error (or NULL) is copied; rows < 0: not known. */
void lpp_sqllog_end(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                    long rows, const char *error);

/* Rows of a statement were fetched, which took more time in the database;
 * rows < 0: not to be counted. error as above. */
void lpp_sqllog_fetched(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                        long rows, const char *error);

/* Set the length of the whole text, for a log that was read from a file, which
 * has only the text as it was cut. */
void lpp_sqllog_keep_length(lpp_sqllog_t *log, int index, apr_size_t bytes);

/* Store a stack (frames are copied); returns its number for
 * lpp_sql_statement_t.stack, 0 past the ceiling. */
unsigned lpp_sqllog_keep_stack(lpp_sqllog_t *log, const lpp_pc_t *frames,
                               unsigned count);

/* What the log has. Pointers are valid until the next begin. */
unsigned lpp_sqllog_count(const lpp_sqllog_t *log);
const lpp_sql_statement_t *lpp_sqllog_at(const lpp_sqllog_t *log,
                                         unsigned index);
unsigned lpp_sqllog_stack_count(const lpp_sqllog_t *log);
const lpp_sql_stack_t *lpp_sqllog_stack(const lpp_sqllog_t *log,
                                        unsigned stack); /* 1 and up */

/* Statements past the ceiling, of which only the time is known. */
unsigned lpp_sqllog_dropped(const lpp_sqllog_t *log);

/* Time in the database, dropped statements included. */
apr_uint64_t lpp_sqllog_total_us(const lpp_sqllog_t *log);

int lpp_sqllog_traced(const lpp_sqllog_t *log);
const lpp_sqlfilter_t *lpp_sqllog_filter(const lpp_sqllog_t *log);

#endif
