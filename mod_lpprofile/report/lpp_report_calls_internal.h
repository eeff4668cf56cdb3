/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report_calls_internal: shared by the table of exact calls and the rows of
 * samples below it. For these two files only.
 *
 * All functions:
 * Signal-safe: no. Thread: any.
 */
#ifndef LPP_REPORT_CALLS_INTERNAL_H
#define LPP_REPORT_CALLS_INTERNAL_H

#include "report/lpp_report_internal.h"
#include "names/lpp_view_graph.h"

#define LPP_CALLS_COLUMNS_MAX "10" /* a colspan may be larger than the table */

/* A function within the innermost call of a sample. */
typedef struct lpp_below_t {
    apr_uint32_t call, function;
    apr_uint64_t samples, wall_us;
} lpp_below_t;

typedef struct lpp_sampled_t {
    lpp_below_t *below; /* by call, heaviest first */
    apr_uint32_t count;
} lpp_sampled_t;

/* Find what the samples show within each call, without calls inside it; 0: no
 * memory. view->calls is not NULL. */
int lpp_sampled_find(lpp_sampled_t *sampled, const lpp_view_t *view,
                     apr_pool_t *pool);

/* Write a row for the samples within that call, if there are any. */
void lpp_sampled_row(lpp_page_t *page, const lpp_view_t *view,
                     const lpp_sampled_t *sampled, apr_uint32_t call);

#endif
