/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqllog: a log of the SQL statements of one request, in the order in which
 * they are sent.
 *
 * Each statement has its times and, if wanted, the stack that sent it; equal
 * stacks are stored once. The caller masks what must never be shown. When the
 * log has reached its ceilings (lpp_base.h), it only counts. In all functions
 * log is not NULL.
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
    apr_uint64_t took_us; /* time in the database, including fetching rows */
    long rows;            /* returned or affected, < 0: not known */
    int running;          /* not ended yet */
    unsigned stack;       /* number of its stack, from 1; 0: none */
} lpp_sql_statement_t;

/* A calling stack, leaf first. */
typedef struct lpp_sql_stack_t {
    const lpp_pc_t *frames;
    unsigned count;
} lpp_sql_stack_t;

typedef struct lpp_sqllog_t lpp_sqllog_t;

/*
 * Create an empty log in pool. traced: stacks are wanted, for the statements
 * that filter (borrowed; NULL: all) matches.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any, one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_sqllog_create(lpp_sqllog_t **log, int traced,
                                              const lpp_sqlfilter_t *filter,
                                              apr_pool_t *pool);

/* 1 if the stack of a statement with that text (whole, not NULL) is wanted.
 * Signal-safe: no. Thread: one at a time. */
int lpp_sqllog_wants_stack(lpp_sqllog_t *log, const char *text);

/*
 * Call when a statement begins. given has everything except error, took_us,
 * rows and running; bytes is the length of text. text, label and database are
 * copied; call is borrowed for as long as the log lives. Returns its index; -1
 * past a ceiling or without memory: the statement is then counted as dropped.
 * The functions below accept -1.
 * Signal-safe: no. Thread: one at a time.
 */
int lpp_sqllog_begin(lpp_sqllog_t *log, const lpp_sql_statement_t *given);

/* Set the start of a statement, if it is sent later than begin was called.
 * Signal-safe: no. Thread: one at a time. */
void lpp_sqllog_started(lpp_sqllog_t *log, int index, apr_uint64_t start_us);

/* Call when a statement has ended. took_us is in microseconds; error (or NULL)
 * is copied; rows < 0: not known.
 * Signal-safe: no. Thread: one at a time. */
void lpp_sqllog_end(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                    long rows, const char *error);

/* Call when rows of a statement were fetched, which took took_us more
 * microseconds in the database; rows < 0: not to be counted. error as above.
 * Signal-safe: no. Thread: one at a time. */
void lpp_sqllog_fetched(lpp_sqllog_t *log, int index, apr_uint64_t took_us,
                        long rows, const char *error);

/* Set the length of the whole text of a statement. For a log read from a file,
 * which has the text only as it was cut.
 * Signal-safe: no. Thread: one at a time. */
void lpp_sqllog_keep_length(lpp_sqllog_t *log, int index, apr_size_t bytes);

/* Store a stack (frames are copied). Returns its number for
 * lpp_sql_statement_t.stack; 0 if count is 0, past the ceiling, or without
 * memory.
 * Signal-safe: no. Thread: one at a time. */
unsigned lpp_sqllog_keep_stack(lpp_sqllog_t *log, const lpp_pc_t *frames,
                               unsigned count);

/* The statements and stacks of the log. index must be less than count, stack
 * from 1 to stack_count. Pointers are valid until the next begin or keep_stack.
 * Signal-safe: no. Thread: one at a time. */
unsigned lpp_sqllog_count(const lpp_sqllog_t *log);
const lpp_sql_statement_t *lpp_sqllog_at(const lpp_sqllog_t *log,
                                         unsigned index);
unsigned lpp_sqllog_stack_count(const lpp_sqllog_t *log);
const lpp_sql_stack_t *lpp_sqllog_stack(const lpp_sqllog_t *log,
                                        unsigned stack); /* 1 and up */

/* The number of statements past the ceiling, of which only the time is known.
 * Signal-safe: no. Thread: one at a time. */
unsigned lpp_sqllog_dropped(const lpp_sqllog_t *log);

/* The time in the database, dropped statements included, in microseconds.
 * Signal-safe: no. Thread: one at a time. */
apr_uint64_t lpp_sqllog_total_us(const lpp_sqllog_t *log);

/* The arguments of create.
 * Signal-safe: yes. Thread: any. */
int lpp_sqllog_traced(const lpp_sqllog_t *log);
const lpp_sqlfilter_t *lpp_sqllog_filter(const lpp_sqllog_t *log);

#endif
