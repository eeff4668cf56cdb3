/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_lines: the costs of page functions by source line.
 *
 * An edge counts a sample once, at its outermost call (lpp_view_graph), so its
 * parts are those of the calls that count.
 */
#include <stdlib.h>
#include <string.h>

#include "names/lpp_view_graph.h"

static int compare_costs(const void *a, const void *b)
{
    const lpp_line_cost_t *left = a, *right = b;

    if (left->index != right->index) {
        return left->index < right->index ? -1 : 1;
    }
    return left->line < right->line ? -1 : left->line > right->line;
}

/* Sort the parts, and add up those of one line; returns how many remain. */
static apr_uint32_t merge(lpp_line_cost_t *costs, apr_uint32_t count)
{
    apr_uint32_t i, made = 0;

    qsort(costs, count, sizeof(*costs), compare_costs);
    for (i = 0; i < count; i++) {
        if (made > 0 && compare_costs(&costs[made - 1], &costs[i]) == 0) {
            lpp_cost_add(&costs[made - 1].cost, &costs[i].cost);
        }
        else {
            costs[made++] = costs[i];
        }
    }
    return made;
}

static void add(lpp_line_cost_t *costs, apr_uint32_t *count,
                apr_uint32_t index, apr_uint32_t line, const lpp_cost_t *cost)
{
    if (cost->wall_us != 0 || cost->cpu_us != 0 || cost->ready_us != 0
        || cost->samples != 0) {
        costs[*count].index = index;
        costs[*count].line = line;
        costs[(*count)++].cost = *cost;
    }
}

apr_uint32_t lpp_view_edge(const lpp_view_t *view, apr_uint32_t caller,
                           apr_uint32_t callee)
{
    apr_uint32_t low = 0, high = view->edge_count;

    while (low < high) {
        apr_uint32_t middle = low + (high - low) / 2;
        const lpp_edge_t *edge = &view->edges[middle];

        if (edge->caller < caller
            || (edge->caller == caller && edge->callee < callee)) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low < view->edge_count && view->edges[low].caller == caller
        && view->edges[low].callee == callee ? low : view->edge_count;
}

static int is_page(const lpp_view_t *view, apr_uint32_t function)
{
    return view->functions[function].symbol.kind == LPP_NAME_INTERPRETER;
}

/* Whether no branch above at is the same call. */
static int is_outermost(const lpp_view_t *view, apr_uint32_t at)
{
    const lpp_branch_t *branches = view->branches;
    apr_uint32_t callee = branches[at].function;
    apr_uint32_t caller = branches[branches[at].parent].function;

    for (at = branches[at].parent; at != 0; at = branches[at].parent) {
        if (branches[at].function == callee
            && branches[branches[at].parent].function == caller) {
            return 0;
        }
    }
    return 1;
}

/* Add the call that line branch i is. */
static void add_call(lpp_line_cost_t *calls, apr_uint32_t *count,
                     const lpp_view_t *view, apr_uint32_t i,
                     const lpp_cost_t *total)
{
    const lpp_line_branch_t *lines = view->line_branches;
    apr_uint32_t at = lines[i].branch;
    apr_uint32_t caller
        = view->branches[view->branches[at].parent].function;

    if (is_page(view, caller) && is_outermost(view, at)) {
        add(calls, count,
            lpp_view_edge(view, caller, view->branches[at].function),
            lines[lines[i].parent].line, total);
    }
}

apr_status_t lpp_view_line_costs(lpp_line_costs_t *costs,
                                 const lpp_view_t *view, apr_pool_t *pool)
{
    const lpp_line_branch_t *lines = view->line_branches;
    apr_uint32_t count = view->line_branch_count, i;
    lpp_line_cost_t *selfs, *calls;
    lpp_cost_t *totals;

    memset(costs, 0, sizeof(*costs));
    for (i = 0; i < view->function_count && !is_page(view, i); i++) {
    }
    if (i == view->function_count) {
        return APR_SUCCESS;
    }
    selfs = apr_palloc(pool, count * sizeof(*selfs));
    calls = apr_palloc(pool, count * sizeof(*calls));
    totals = apr_pcalloc(pool, count * sizeof(*totals));
    if (selfs == NULL || calls == NULL || totals == NULL) {
        return APR_ENOMEM;
    }
    for (i = count; i-- > 1;) {
        apr_uint32_t function = view->branches[lines[i].branch].function;

        lpp_cost_add(&totals[i], &lines[i].self);
        lpp_cost_add(&totals[lines[i].parent], &totals[i]);
        if (is_page(view, function)) {
            add(selfs, &costs->self_count, function, lines[i].line,
                &lines[i].self);
        }
        add_call(calls, &costs->call_count, view, i, &totals[i]);
    }
    costs->self_count = merge(selfs, costs->self_count);
    costs->call_count = merge(calls, costs->call_count);
    costs->selfs = selfs;
    costs->calls = calls;
    return APR_SUCCESS;
}
