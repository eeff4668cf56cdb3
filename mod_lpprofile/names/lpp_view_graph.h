/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_graph: inclusive times, edges and orders of a view. For lpp_view and
 * lpp_saved, which make views.
 */
#ifndef LPP_VIEW_GRAPH_H
#define LPP_VIEW_GRAPH_H

#include "names/lpp_view.h"

/* Add one cost to another. Signal-safe: yes. Thread: any. */
void lpp_cost_add(lpp_cost_t *into, const lpp_cost_t *cost);

/* One branch of a tree while siblings are sorted. */
typedef struct lpp_sibling_t {
    apr_uint32_t parent, branch; /* indexes of branches */
    apr_uint64_t width_us;       /* its width in a graph */
} lpp_sibling_t;

/* Sort by parent, the widest of each first. Signal-safe: no. Thread: any. */
void lpp_siblings_sort(lpp_sibling_t *siblings, apr_uint32_t count);

/*
 * Compute, from branches that have function, parent, depth and self: their
 * totals and children, the functions' self and total, and the view's edges (in
 * pool). Parents must come before children.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_graph_add(
    lpp_view_t *view, lpp_branch_t *branches, apr_uint32_t branch_count,
    lpp_function_t *functions, apr_uint32_t function_count,
    apr_pool_t *scratch, apr_pool_t *pool);

/*
 * Add the address, as " (0x...)", to names that functions of one object share,
 * or, to those of page functions, the line that they begin at, as ":12"; new
 * names are in pool.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_part_namesakes(lpp_function_t *functions,
                                                    apr_uint32_t count,
                                                    apr_pool_t *scratch,
                                                    apr_pool_t *pool);

/* Set named_percent, own_stack_samples, run_time_samples and true_hz of a view
 * that has everything else.
 * Signal-safe: no. Thread: any. */
void lpp_view_add_figures(lpp_view_t *view);

/*
 * Set the objects of the view's pcs, in pool. maps may be NULL.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_add_objects(lpp_view_t *view,
                                                 const lpp_maps_t *maps,
                                                 apr_pool_t *pool);

/*
 * Set the waits of a view whose functions and branches are complete, in pool;
 * rows has count rows with their times, by pc.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_add_waits(lpp_view_t *view,
                                               const lpp_wait_t *rows,
                                               apr_uint32_t count,
                                               apr_pool_t *pool);

/*
 * The lpp_pc_t of a function at an address of this process; 0: in no known
 * object. With maps NULL, address itself is returned.
 * Signal-safe: no. Thread: any.
 */
lpp_pc_t lpp_view_place(const lpp_maps_t *maps, const void *address);

/*
 * For each branch, find the calls (index into view->calls->calls, or
 * LPP_CALLS_NONE) that it is or is below: the outermost one on the path from
 * the root, and the innermost one. For a function of several phases, the
 * caller's name decides. Both arrays have branch_count members, in pool; they
 * are NULL if the view has no calls.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_branch_calls(const lpp_view_t *view,
                                                  apr_uint32_t **outermost,
                                                  apr_uint32_t **innermost,
                                                  apr_pool_t *pool);

/*
 * Copy the exact calls of view->calls, whose functions must be set, to
 * functions and to the view's edges, which are allocated again in pool. Does
 * nothing if there are none.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_count_calls(lpp_view_t *view,
                                                 lpp_function_t *functions,
                                                 apr_uint32_t function_count,
                                                 apr_pool_t *scratch,
                                                 apr_pool_t *pool);

#endif
