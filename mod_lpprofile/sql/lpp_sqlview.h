/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqlview: an evaluation of a log of SQL statements: the slowest ones, the
 * longest times between them, those that differ in literals only, those that
 * were sent from the same place in the code.
 *
 * Made once from a log, and const after that; borrows the log.
 */
#ifndef LPP_SQLVIEW_H
#define LPP_SQLVIEW_H

#include "sql/lpp_sqllog.h"
#include "names/lpp_symbol.h"

#define LPP_SQLVIEW_TOP 10   /* rows of each top list */
#define LPP_SQLVIEW_NONE 0xffffffffu

/* Launchpad's limits for yellow and red. */
#define LPP_SQLVIEW_SLOW_US 100000
#define LPP_SQLVIEW_VERY_SLOW_US 500000

/* A group of similar statements; the heaviest group is first in its list. */
typedef struct lpp_sqlview_group_t {
    unsigned count;
    apr_uint64_t total_us;
    unsigned first;       /* index of its first statement */
    const char *text;     /* text of the first one, literals as "?" */
    unsigned stack;       /* in triggers: the stack they share */
} lpp_sqlview_group_t;

/* A time before a statement in which no statement ran. */
typedef struct lpp_sqlview_gap_t {
    apr_uint64_t us;
    unsigned before;      /* index of the statement; count: after the last
                             one */
} lpp_sqlview_gap_t;

typedef struct lpp_sqlview_frame_t {
    const char *name;
    const char *object;   /* base name, or "" */
    apr_uint32_t line;    /* page functions: of the script, that ran; else 0 */
} lpp_sqlview_frame_t;

/* A stack with names, outermost caller first. */
typedef struct lpp_sqlview_stack_t {
    const lpp_sqlview_frame_t *frames;
    unsigned count;
    unsigned database;    /* index of the first frame of the database part;
                             count: it has none */
} lpp_sqlview_stack_t;

typedef struct lpp_sqlview_t {
    const lpp_sqllog_t *log;
    unsigned count;                /* statements in the log */
    unsigned failed;
    apr_uint64_t total_us;         /* in the database, dropped ones too */
    apr_uint64_t from_us, until_us; /* the time that it covers */
    unsigned top[LPP_SQLVIEW_TOP]; /* slowest statements */
    unsigned top_count;
    lpp_sqlview_gap_t gaps[LPP_SQLVIEW_TOP];
    unsigned gap_count;
    const lpp_sqlview_group_t *groups;   /* of 2 and more, same text */
    unsigned group_count;
    const unsigned *next_same;           /* index to next of its group */
    const lpp_sqlview_group_t *triggers; /* of 2 and more, same stack */
    unsigned trigger_count;
    const unsigned *next_trigger;        /* or LPP_SQLVIEW_NONE */
    const lpp_sqlview_stack_t *stacks;   /* stack n at [n - 1] */
} lpp_sqlview_t;

/*
 * Evaluate a log from from_us to until_us, both microseconds since the request
 * began; in pool. With symbols NULL, stacks have no frames.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any, while no thread adds to the log.
 */
LPP_MUST_CHECK apr_status_t lpp_sqlview_create(const lpp_sqlview_t **view,
                                               const lpp_sqllog_t *log,
                                               lpp_symbols_t *symbols,
                                               apr_uint64_t from_us,
                                               apr_uint64_t until_us,
                                               apr_pool_t *pool);

/*
 * The same for a log read from a file, whose stacks already have names: stack n
 * is stacks[n - 1], in pool.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: as above.
 */
LPP_MUST_CHECK apr_status_t lpp_sqlview_restore(
    const lpp_sqlview_t **view, const lpp_sqllog_t *log,
    const lpp_sqlview_stack_t *stacks, apr_uint64_t from_us,
    apr_uint64_t until_us, apr_pool_t *pool);

#endif
