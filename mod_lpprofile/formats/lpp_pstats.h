/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_pstats: the content of a pstats file as a table: functions, identified by
 * (file, line, name), and calls between them. It is a step between the view and
 * the marshalled bytes, so that tables of many requests can be summed up.
 *
 * The file is one dictionary {(file, line, name): (cc, nc, tt, ct, callers)},
 * callers another {(file, line, name): (nc, cc, tt, ct)}: the order of the two
 * counts differs, as in files of cProfile. Every caller is a key, too, every
 * count is at least 1, and the root is always there: readers fail otherwise.
 */
#ifndef LPP_PSTATS_H
#define LPP_PSTATS_H

#include "base/lpp_buf.h"
#include "names/lpp_view.h"

typedef struct lpp_pstats_function_t {
    const char *file;      /* "~" where unknown: pstats shows the bare name */
    const char *name;
    apr_uint32_t line;     /* 0: unknown */
    apr_uint64_t calls;    /* at least 1 */
    apr_uint64_t self_us;  /* wall */
    apr_uint64_t total_us;
} lpp_pstats_function_t;

typedef struct lpp_pstats_edge_t {
    apr_uint32_t caller, callee;     /* indexes of functions */
    apr_uint64_t calls;              /* at least 1 */
    apr_uint64_t self_us, total_us;  /* of the callee, called by the caller */
} lpp_pstats_edge_t;

typedef struct lpp_pstats_t {
    const lpp_pstats_function_t *functions; /* (file, line, name) unique;
                                               at least one */
    apr_uint32_t function_count;
    const lpp_pstats_edge_t *edges;         /* (caller, callee) unique */
    apr_uint32_t edge_count;
} lpp_pstats_t;

/*
 * Make the table of a view, in pool; strings are borrowed from the view or in
 * pool. Function 0 is the root. The sum of all self_us is the view's total.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_pstats_create(lpp_pstats_t **pstats,
                                              const lpp_view_t *view,
                                              apr_pool_t *pool);

/*
 * Write a table as Python's marshalled pstats, in wall seconds. All strings
 * must be UTF-8.
 * Errors: those of the sink; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_pstats_write(const lpp_pstats_t *pstats,
                                             const lpp_sink_t *sink,
                                             apr_pool_t *scratch);

#endif
