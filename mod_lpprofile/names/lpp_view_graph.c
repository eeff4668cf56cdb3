/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_graph: inclusive times, edges and orders of a view.
 *
 * A sample counts once for a function and once for an edge, even if they are on
 * its stack several times: one walk over the tree counts what is on the path
 * from the root, and only the outermost occurrence adds its time. The walk
 * follows parent links and needs neither recursion nor a stack.
 */
#include "names/lpp_view_graph.h"

#include <stdlib.h>
#include <string.h>

void lpp_cost_add(lpp_cost_t *into, const lpp_cost_t *cost)
{
    into->wall_us += cost->wall_us;
    into->cpu_us += cost->cpu_us;
    into->ready_us += cost->ready_us;
    into->samples += cost->samples;
}

static int compare_siblings(const void *a, const void *b)
{
    const lpp_sibling_t *left = a, *right = b;

    if (left->parent != right->parent) {
        return left->parent < right->parent ? -1 : 1;
    }
    if (left->width_us != right->width_us) {
        return left->width_us > right->width_us ? -1 : 1;
    }
    return left->branch < right->branch ? -1 : left->branch > right->branch;
}

void lpp_siblings_sort(lpp_sibling_t *siblings, apr_uint32_t count)
{
    qsort(siblings, count, sizeof(*siblings), compare_siblings);
}

/* Add the totals of children to parents; link children, heaviest first. */
static int link_branches(lpp_branch_t *branches, apr_uint32_t count,
                         apr_pool_t *scratch)
{
    lpp_sibling_t *siblings = apr_palloc(scratch, count * sizeof(*siblings));
    apr_uint32_t i;

    if (siblings == NULL) {
        return 0;
    }
    for (i = count; i-- > 0;) {
        lpp_cost_add(&branches[i].total, &branches[i].self);
        if (i > 0) {
            lpp_cost_add(&branches[branches[i].parent].total,
                     &branches[i].total);
        }
        siblings[i].parent = i > 0 ? branches[i].parent : 0;
        siblings[i].branch = i;
        siblings[i].width_us = branches[i].total.wall_us;
    }
    /* the root has no parent and is not sorted */
    lpp_siblings_sort(siblings + 1, count - 1);
    for (i = count - 1; i > 0; i--) {
        lpp_branch_t *parent = &branches[siblings[i].parent];

        branches[siblings[i].branch].next_sibling = parent->first_child;
        parent->first_child = siblings[i].branch;
    }
    return 1;
}

/* One branch as an edge. */
typedef struct call_t {
    apr_uint32_t caller, callee, branch;
} call_t;

static int compare_calls(const void *a, const void *b)
{
    const call_t *left = a, *right = b;

    if (left->caller != right->caller) {
        return left->caller < right->caller ? -1 : 1;
    }
    if (left->callee != right->callee) {
        return left->callee < right->callee ? -1 : 1;
    }
    return left->branch < right->branch ? -1 : 1;
}

/* The edges, sorted, and the edge of each branch. */
static int make_edges(lpp_view_t *view, const lpp_branch_t *branches,
                      apr_uint32_t count, lpp_edge_t **edges,
                      apr_uint32_t **edge_of, apr_pool_t *scratch,
                      apr_pool_t *pool)
{
    call_t *calls = apr_palloc(scratch, count * sizeof(*calls));
    apr_uint32_t i, made = 0;

    *edge_of = apr_palloc(scratch, count * sizeof(**edge_of));
    if (calls == NULL || *edge_of == NULL) {
        return 0;
    }
    for (i = 1; i < count; i++) {
        calls[i - 1].caller = branches[branches[i].parent].function;
        calls[i - 1].callee = branches[i].function;
        calls[i - 1].branch = i;
    }
    qsort(calls, count - 1, sizeof(*calls), compare_calls);
    for (i = 0; i + 1 < count; i++) {
        made += i == 0 || calls[i].caller != calls[i - 1].caller
            || calls[i].callee != calls[i - 1].callee;
        (*edge_of)[calls[i].branch] = made - 1;
    }
    *edges = apr_pcalloc(pool, (made + 1) * sizeof(**edges));
    if (*edges == NULL) {
        return 0;
    }
    for (i = 0; i + 1 < count; i++) {
        lpp_edge_t *edge = &(*edges)[(*edge_of)[calls[i].branch]];

        edge->caller = calls[i].caller;
        edge->callee = calls[i].callee;
    }
    view->edges = *edges;
    view->edge_count = made;
    return 1;
}

/* How often each function and edge is on the path to the current branch. */
typedef struct path_t {
    apr_uint32_t *functions;
    apr_uint32_t *edges;
} path_t;

static void enter(const lpp_branch_t *branches, apr_uint32_t at,
                  lpp_function_t *functions, lpp_edge_t *edges,
                  const apr_uint32_t *edge_of, path_t *path)
{
    const lpp_branch_t *branch = &branches[at];

    lpp_cost_add(&functions[branch->function].self, &branch->self);
    if (path->functions[branch->function]++ == 0) {
        lpp_cost_add(&functions[branch->function].total, &branch->total);
    }
    if (at != 0 && path->edges[edge_of[at]]++ == 0) {
        lpp_cost_add(&edges[edge_of[at]].total, &branch->total);
    }
}

static void leave(const lpp_branch_t *branches, apr_uint32_t at,
                  const apr_uint32_t *edge_of, path_t *path)
{
    path->functions[branches[at].function]--;
    if (at != 0) {
        path->edges[edge_of[at]]--;
    }
}

static void walk(const lpp_branch_t *branches, lpp_function_t *functions,
                 lpp_edge_t *edges, const apr_uint32_t *edge_of,
                 path_t *path)
{
    apr_uint32_t at = 0;

    enter(branches, at, functions, edges, edge_of, path);
    for (;;) {
        if (branches[at].first_child != LPP_NODE_NONE) {
            at = branches[at].first_child;
        }
        else {
            while (at != 0 && branches[at].next_sibling == LPP_NODE_NONE) {
                leave(branches, at, edge_of, path);
                at = branches[at].parent;
            }
            if (at == 0) {
                return;
            }
            leave(branches, at, edge_of, path);
            at = branches[at].next_sibling;
        }
        enter(branches, at, functions, edges, edge_of, path);
    }
}

apr_status_t lpp_view_graph_add(lpp_view_t *view, lpp_branch_t *branches,
                                apr_uint32_t branch_count,
                                lpp_function_t *functions,
                                apr_uint32_t function_count,
                                apr_pool_t *scratch, apr_pool_t *pool)
{
    apr_uint32_t *edge_of;
    lpp_edge_t *edges;
    path_t path;

    if (!link_branches(branches, branch_count, scratch)
        || !make_edges(view, branches, branch_count, &edges, &edge_of,
                       scratch, pool)) {
        return APR_ENOMEM;
    }
    path.functions = apr_pcalloc(scratch, function_count
                                 * sizeof(*path.functions));
    path.edges = apr_pcalloc(scratch, (view->edge_count + 1)
                             * sizeof(*path.edges));
    if (path.functions == NULL || path.edges == NULL) {
        return APR_ENOMEM;
    }
    walk(branches, functions, edges, edge_of, &path);
    return APR_SUCCESS;
}

/* A function with the figures by which it is sorted. */
typedef struct ranked_t {
    apr_uint64_t first, second;
    apr_uint32_t function;
} ranked_t;

static int compare_ranked(const void *a, const void *b)
{
    const ranked_t *left = a, *right = b;

    if (left->first != right->first) {
        return left->first > right->first ? -1 : 1;
    }
    if (left->second != right->second) {
        return left->second > right->second ? -1 : 1;
    }
    return left->function < right->function ? -1 : 1;
}

apr_uint32_t lpp_view_top(const lpp_view_t *view, lpp_view_order_e order,
                          apr_uint32_t *functions, apr_uint32_t max,
                          apr_pool_t *scratch)
{
    ranked_t *ranked = apr_palloc(scratch, view->function_count
                                  * sizeof(*ranked));
    apr_uint32_t i, count = 0;

    if (ranked == NULL) {
        return 0;
    }
    for (i = 1; i < view->function_count; i++) {
        const lpp_function_t *function = &view->functions[i];
        ranked_t *at = &ranked[count];

        at->function = i;
        at->first = order == LPP_VIEW_BY_SELF ? function->self.wall_us
            : order == LPP_VIEW_BY_TOTAL ? function->total.wall_us
            : function->calls;
        at->second = function->total.samples;
        count += at->first != 0
            || (order == LPP_VIEW_BY_CALLS && at->second != 0);
    }
    qsort(ranked, count, sizeof(*ranked), compare_ranked);
    for (i = 0; i < count && i < max; i++) {
        functions[i] = ranked[i].function;
    }
    return i;
}
