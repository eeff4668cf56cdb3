/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_graph: inclusive times, edges and orders of a view. For the two
 * rooms that make views: lpp_view and lpp_saved.
 */
#ifndef LPP_VIEW_GRAPH_H
#define LPP_VIEW_GRAPH_H

#include "names/lpp_view.h"

/* Add one cost to another. Signal-safe: yes. Thread: any. */
void lpp_cost_add(lpp_cost_t *into, const lpp_cost_t *cost);

/* One branch of a tree while its siblings are put in order. */
typedef struct lpp_sibling_t {
    apr_uint32_t parent, branch; /* indexes of branches */
    apr_uint64_t width_us;       /* what it is as wide as in a picture */
} lpp_sibling_t;

/* Sort by parent, the widest of each first. Signal-safe: no. Thread: any. */
void lpp_siblings_sort(lpp_sibling_t *siblings, apr_uint32_t count);

/*
 * From branches that have function, parent, depth and self: their totals and
 * children, the functions' self and total, and view's edges (in pool). Parents
 * must stand before children.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_graph_add(
    lpp_view_t *view, lpp_branch_t *branches, apr_uint32_t branch_count,
    lpp_function_t *functions, apr_uint32_t function_count,
    apr_pool_t *scratch, apr_pool_t *pool);

/*
 * Add " (0x...)", their address, to names that functions of one object share.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_part_namesakes(lpp_function_t *functions,
                                                    apr_uint32_t count,
                                                    apr_pool_t *scratch,
                                                    apr_pool_t *pool);

/* named_percent and true_hz of a view that has all else. Thread: any. */
void lpp_view_add_figures(lpp_view_t *view);

/*
 * The objects that the view's pcs lie in. maps may be NULL. Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_add_objects(lpp_view_t *view,
                                                 const lpp_maps_t *maps,
                                                 apr_pool_t *pool);

/*
 * Where a function of this process lies: the place of its address, 0 in no
 * known object. maps NULL: address is the place.
 * Signal-safe: no. Thread: any.
 */
lpp_pc_t lpp_view_place(const lpp_maps_t *maps, const void *address);

/*
 * Of each branch, the call (index into view->calls->calls, LPP_CALLS_NONE) that
 * it is below: the outermost on its way from the root, and the innermost. A
 * function of several phases goes by its caller's name. Both arrays have
 * branch_count members, in pool; NULL where the view has no calls.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_branch_calls(const lpp_view_t *view,
                                                  apr_uint32_t **outermost,
                                                  apr_uint32_t **innermost,
                                                  apr_pool_t *pool);

/*
 * Exact calls from view->calls, whose functions are set: into functions and
 * the view's edges, which are made anew in pool. Nothing where there are none.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_count_calls(lpp_view_t *view,
                                                 lpp_function_t *functions,
                                                 apr_uint32_t function_count,
                                                 apr_pool_t *scratch,
                                                 apr_pool_t *pool);

#endif
