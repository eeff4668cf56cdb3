/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_tree: functions and branches of a saved profile, and the view they
 * make. Times and edges are computed again, by the same room that made them
 * first, so that a file cannot claim sums that its parts do not have.
 */
#include <string.h>

#include "saved/lpp_saved_internal.h"
#include "names/lpp_view_graph.h"

#define TOTAL_MAX (APR_UINT64_C(1) << 62) /* so that no sum wraps */
/* Root, rest, and what a tree at its ceiling has. */
#define BRANCHES_MAX (LPP_TREE_MAX_NODES + 2)

static lpp_function_t *read_functions(lpp_saved_reader_t *reader,
                                      apr_uint32_t *count)
{
    lpp_function_t *functions;
    apr_uint32_t i;

    *count = lpp_saved_count(reader, BRANCHES_MAX, 7);
    functions = lpp_saved_array(reader, *count, sizeof(*functions));
    for (i = 0; functions && i < *count && !reader->bad; i++) {
        lpp_symbol_t *symbol = &functions[i].symbol;

        symbol->start = lpp_saved_number(reader, APR_UINT64_MAX);
        symbol->name = lpp_saved_name(reader);
        symbol->object = lpp_saved_name(reader);
        symbol->file = lpp_saved_number(reader, 1) ? lpp_saved_name(reader)
                                                   : NULL;
        symbol->line = (unsigned)lpp_saved_number(reader, APR_INT32_MAX);
        symbol->kind = (lpp_name_kind_e)lpp_saved_number(reader,
                                                         LPP_NAME_UNKNOWN);
        functions[i].calls = lpp_saved_number(reader, TOTAL_MAX);
    }
    return functions;
}

/* The first two branches are the root and the rest, and no other is one of
 * them: see lpp_view.h. */
static int is_in_place(const lpp_branch_t *branch, apr_uint32_t i)
{
    if (i < 2) {
        return branch->function == i && branch->parent == i - 1;
    }
    return branch->function >= 2 && branch->parent != 1
        && branch->depth <= LPP_SAVED_DEPTH_MAX;
}

static void read_cost(lpp_saved_reader_t *reader, lpp_cost_t *cost,
                      lpp_cost_t *sum)
{
    cost->wall_us = lpp_saved_number(reader, TOTAL_MAX - sum->wall_us);
    cost->cpu_us = lpp_saved_number(reader, cost->wall_us);
    cost->samples = lpp_saved_number(reader, TOTAL_MAX - sum->samples);
    sum->wall_us += cost->wall_us;
    sum->cpu_us += cost->cpu_us;
    sum->samples += cost->samples;
}

static lpp_branch_t *read_branches(lpp_saved_reader_t *reader,
                                   lpp_view_t *view,
                                   apr_uint32_t function_count,
                                   apr_uint32_t *count)
{
    lpp_branch_t *branches;
    lpp_pc_t *pcs;
    apr_uint32_t i;

    *count = lpp_saved_count(reader, BRANCHES_MAX, 7);
    branches = lpp_saved_array(reader, *count, sizeof(*branches));
    pcs = lpp_saved_array(reader, *count, sizeof(*pcs));
    for (i = 0; branches && pcs && i < *count && !reader->bad; i++) {
        lpp_branch_t *branch = &branches[i];
        apr_uint64_t object;

        branch->function = (apr_uint32_t)lpp_saved_number(
            reader, function_count - 1);
        /* 1 to i back: a parent stands before its child, always */
        branch->parent = i - (apr_uint32_t)lpp_saved_number(reader, i);
        if (i > 0 && branch->parent == i) {
            reader->bad = 1;
            break;
        }
        branch->depth = i == 0 ? 0 : branches[branch->parent].depth + 1;
        branch->parent = i == 0 ? LPP_NODE_NONE : branch->parent;
        branch->first_child = branch->next_sibling = LPP_NODE_NONE;
        object = lpp_saved_number(reader, LPP_OBJECTS_MAX);
        pcs[i] = LPP_PC_MAKE(object, lpp_saved_number(reader,
                                                      LPP_PC_ADDRESS_MASK));
        read_cost(reader, &branch->self, &view->total);
        if (!is_in_place(branch, i)) {
            reader->bad = 1;
        }
    }
    view->branch_pcs = pcs;
    return branches;
}

static void read_edge_calls(lpp_saved_reader_t *reader, lpp_view_t *view)
{
    apr_uint32_t count = lpp_saved_count(reader, view->edge_count, 2), i;
    lpp_edge_t *edges;

    if (!count) {
        return;
    }
    edges = lpp_saved_array(reader, view->edge_count, sizeof(*edges));
    if (!edges) {
        return;
    }
    memcpy(edges, view->edges, view->edge_count * sizeof(*edges));
    for (i = 0; i < count && !reader->bad; i++) {
        apr_uint64_t at = lpp_saved_number(reader, view->edge_count - 1);

        edges[at].calls = lpp_saved_number(reader, TOTAL_MAX);
    }
    view->edges = edges;
}

void lpp_saved_read_tree(lpp_saved_reader_t *reader, lpp_view_t *view)
{
    apr_uint32_t function_count, branch_count;
    lpp_function_t *functions = read_functions(reader, &function_count);
    lpp_branch_t *branches;
    apr_status_t status;

    if (function_count < 2) {
        reader->bad = 1;
        return;
    }
    branches = read_branches(reader, view, function_count, &branch_count);
    if (branch_count < 2) {
        reader->bad = 1;
    }
    if (reader->bad) {
        return;
    }
    status = lpp_view_graph_add(view, branches, branch_count, functions,
                                function_count, reader->scratch,
                                reader->pool);
    if (status != APR_SUCCESS) {
        reader->bad = 1;
        reader->status = status;
        return;
    }
    view->functions = functions;
    view->function_count = function_count;
    view->branches = branches;
    view->branch_count = branch_count;
    read_edge_calls(reader, view);
    lpp_view_add_figures(view);
}
