/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_diff: compares two views, function by function and branch by branch.
 * Functions are the same if object and name are equal, page functions wherever
 * they begin in their script. A function or branch that only one view has costs
 * nothing in the other. Const once made; borrows both views.
 */
#ifndef LPP_DIFF_H
#define LPP_DIFF_H

#include "names/lpp_view.h"

typedef struct lpp_diff_function_t {
    const lpp_symbol_t *symbol;
    lpp_cost_t self[2], total[2]; /* before, after */
    int seen[2];                  /* whether that view has it */
} lpp_diff_function_t;

typedef struct lpp_diff_branch_t {
    apr_uint32_t function;
    apr_uint32_t parent;                    /* LPP_NODE_NONE in the root */
    apr_uint32_t first_child, next_sibling; /* widest sibling first */
    apr_uint32_t depth;
    lpp_cost_t self[2], total[2];
    apr_uint64_t width_us; /* the larger of both self times, summed up from the
                              leaves: the width that both views need */
} lpp_diff_branch_t;

typedef struct lpp_diff_t {
    const lpp_view_t *views[2]; /* before, after */
    const lpp_diff_function_t *functions;
    apr_uint32_t function_count;
    const lpp_diff_branch_t *branches; /* parents before children; 0: root */
    apr_uint32_t branch_count;
} lpp_diff_t;

enum { LPP_DIFF_BEFORE, LPP_DIFF_AFTER };

/* Self wall time of a function after, less that before, in microseconds.
 * Signal-safe: yes. Thread: any. */
static inline apr_int64_t lpp_diff_self_us(const lpp_diff_function_t *function)
{
    return (apr_int64_t)function->self[LPP_DIFF_AFTER].wall_us
        - (apr_int64_t)function->self[LPP_DIFF_BEFORE].wall_us;
}

/*
 * Compare two views. *diff is in pool and valid as long as both views.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_diff_create(const lpp_diff_t **diff,
                                            const lpp_view_t *before,
                                            const lpp_view_t *after,
                                            apr_pool_t *pool);

/*
 * Write the indexes of the functions whose self time grew (sign 1) or shrank
 * (-1) most to functions, at most max; the root is left out. Returns their
 * number.
 * Signal-safe: no. Thread: any.
 */
apr_uint32_t lpp_diff_top(const lpp_diff_t *diff, int sign,
                          apr_uint32_t *functions, apr_uint32_t max,
                          apr_pool_t *scratch);

#endif
