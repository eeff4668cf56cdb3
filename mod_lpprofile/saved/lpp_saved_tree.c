/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_tree: three sections of a saved profile: the objects, the sampling
 * statistics, and the tree, which is functions, branches and the known calls of
 * edges. Total times and edges are computed again by lpp_view_graph.h, so that
 * a file cannot have sums that differ from their parts. Page functions are
 * written like others, for readers that do not know of them;
 * lpp_saved_pagecode.c has the rest.
 */
#include <string.h>

#include <apr_strings.h>

#include "saved/lpp_saved_internal.h"
#include "names/lpp_view_graph.h"

#define TOTAL_MAX LPP_SAVED_TOTAL_MAX
#define BRANCHES_MAX LPP_SAVED_BRANCHES_MAX

void lpp_saved_put_objects(lpp_saved_writer_t *writer,
                           const lpp_saved_t *saved)
{
    const lpp_view_t *view = saved->view;
    apr_uint32_t i;

    lpp_saved_put_number(writer, view->object_count);
    for (i = 0; i < view->object_count; i++) {
        const lpp_object_t *object = &view->objects[i];
        apr_size_t len = object->build_id ? object->build_id_len : 0;

        if (len > LPP_SAVED_BUILD_ID_MAX_BYTES) {
            len = LPP_SAVED_BUILD_ID_MAX_BYTES;
        }
        lpp_saved_put_number(writer, object->number);
        lpp_saved_put_string(writer, object->path);
        lpp_saved_put_number(writer, object->bias);
        lpp_saved_put_number(writer, object->start);
        lpp_saved_put_number(writer, object->end);
        lpp_saved_put_number(writer, len);
        lpp_buf_add(&writer->content, (const char *)object->build_id, len);
    }
}

void lpp_saved_read_objects(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    apr_uint32_t count = lpp_saved_count(reader, LPP_OBJECTS_MAX, 6), i;
    lpp_object_t *objects = lpp_saved_array(reader, count, sizeof(*objects));
    unsigned last = 0;

    for (i = 0; objects && i < count && !reader->bad; i++) {
        lpp_object_t *object = &objects[i];

        object->number = (unsigned)lpp_saved_number(reader, LPP_OBJECTS_MAX);
        object->path = lpp_saved_name(reader);
        object->bias = lpp_saved_number(reader, APR_UINT64_MAX);
        object->start = lpp_saved_number(reader, APR_UINT64_MAX);
        object->end = lpp_saved_number(reader, APR_UINT64_MAX);
        object->build_id_len = lpp_saved_count(
            reader, LPP_SAVED_BUILD_ID_MAX_BYTES, 1);
        object->build_id = object->build_id_len ? reader->at : NULL;
        reader->at += object->build_id_len;
        /* sorted, so that each number occurs once and can be found */
        if (object->number <= last) {
            reader->bad = 1;
        }
        last = object->number;
    }
    reader->view->objects = objects;
    reader->view->object_count = reader->bad ? 0 : count;
}

void lpp_saved_put_page_statistics(lpp_saved_writer_t *writer,
                                   const lpp_saved_t *saved)
{
    const lpp_page_statistics_t *pages = &saved->view->statistics.pages;
    lpp_buf_t *content = &writer->content;

    if (!pages->samples && !pages->cut && !pages->late && !pages->refused
        && !pages->ambiguous && !pages->unread[0]) {
        return;
    }
    lpp_saved_add_number(content, pages->samples);
    lpp_saved_add_number(content, pages->cut);
    lpp_saved_add_number(content, pages->late);
    lpp_saved_add_number(content, pages->refused);
    lpp_saved_add_number(content, pages->ambiguous);
    lpp_saved_add_number(content, pages->nameless);
    lpp_saved_add_number(content, pages->faults);
    lpp_saved_put_string(writer, pages->unread);
}

void lpp_saved_read_page_statistics(lpp_saved_reader_t *reader,
                                    lpp_saved_t *saved)
{
    lpp_page_statistics_t *pages = &reader->view->statistics.pages;
    const apr_uint64_t any = APR_UINT64_MAX;

    pages->samples = lpp_saved_number(reader, any);
    pages->cut = lpp_saved_number(reader, any);
    pages->late = lpp_saved_number(reader, any);
    pages->refused = lpp_saved_number(reader, any);
    pages->ambiguous = lpp_saved_number(reader, any);
    pages->nameless = lpp_saved_number(reader, any);
    pages->faults = lpp_saved_number(reader, any);
    apr_cpystrn(pages->unread, lpp_saved_name(reader), sizeof(pages->unread));
}

void lpp_saved_put_kernel_statistics(lpp_saved_writer_t *writer,
                                     const lpp_saved_t *saved)
{
    const lpp_sampling_statistics_t *statistics = &saved->view->statistics;

    if (statistics->kernel_events) {
        lpp_saved_add_number(&writer->content, statistics->kernel_blocks);
        lpp_saved_add_number(&writer->content, statistics->kernel_lost);
    }
}

void lpp_saved_read_kernel_statistics(lpp_saved_reader_t *reader,
                                      lpp_saved_t *saved)
{
    lpp_sampling_statistics_t *statistics = &reader->view->statistics;

    statistics->kernel_events = 1;
    statistics->kernel_blocks = lpp_saved_number(reader, APR_UINT64_MAX);
    statistics->kernel_lost = lpp_saved_number(reader, APR_UINT64_MAX);
}

void lpp_saved_put_statistics(lpp_saved_writer_t *writer,
                              const lpp_saved_t *saved)
{
    const lpp_sampling_statistics_t *statistics = &saved->view->statistics;
    lpp_buf_t *content = &writer->content;

    lpp_saved_add_number(content, statistics->samples);
    lpp_saved_add_number(content, statistics->lost);
    lpp_saved_add_number(content, statistics->cut);
    lpp_saved_add_number(content, statistics->broken);
    lpp_saved_add_number(content, statistics->overflowed);
    lpp_saved_add_number(content, statistics->blocked_ns);
    lpp_saved_add_number(content, statistics->signals);
    lpp_saved_add_number(content, statistics->repaired_calls);
    lpp_saved_add_number(content, statistics->own_ns);
    lpp_saved_add_number(content, statistics->asked_hz);
    lpp_saved_add_number(content, (apr_uint64_t)statistics->cut_short);
    lpp_saved_add_number(content, statistics->lowered_hz);
    lpp_saved_put_optional(writer, statistics->unwinder);
}

void lpp_saved_read_statistics(lpp_saved_reader_t *reader,
                               lpp_saved_t *saved)
{
    lpp_sampling_statistics_t *statistics = &reader->view->statistics;
    const apr_uint64_t any = APR_UINT64_MAX;

    statistics->samples = lpp_saved_number(reader, any);
    statistics->lost = lpp_saved_number(reader, any);
    statistics->cut = lpp_saved_number(reader, any);
    statistics->broken = lpp_saved_number(reader, any);
    statistics->overflowed = lpp_saved_number(reader, any);
    statistics->blocked_ns = lpp_saved_number(reader, any);
    statistics->signals = lpp_saved_number(reader, any);
    statistics->repaired_calls = lpp_saved_number(reader, any);
    statistics->own_ns = lpp_saved_number(reader, any);
    statistics->asked_hz = (apr_uint32_t)lpp_saved_number(reader,
                                                       APR_UINT32_MAX);
    statistics->cut_short = (int)lpp_saved_number(reader, 255);
    statistics->lowered_hz = (apr_uint32_t)lpp_saved_number(reader,
                                                         APR_UINT32_MAX);
    statistics->unwinder = lpp_saved_optional(reader);
}

/* As readers that know no page functions take it. */
static lpp_name_kind_e plain_kind(const lpp_symbol_t *symbol)
{
    return symbol->kind != LPP_NAME_INTERPRETER ? symbol->kind
        : LPP_PAGE_NUMBER(symbol->start) == LPP_PAGE_MORE ? LPP_NAME_UNKNOWN
        : LPP_NAME_SYMBOL;
}

/* The object of a pc; a page function has none for such readers, nor has what
 * was waited for. */
static unsigned plain_object(lpp_pc_t pc)
{
    return LPP_PC_IS_PAGE(pc) || LPP_PC_IS_WAIT(pc) ? 0 : LPP_PC_OBJECT(pc);
}

static void put_functions(lpp_saved_writer_t *writer, const lpp_view_t *view)
{
    apr_uint32_t i;

    lpp_saved_put_number(writer, view->function_count);
    for (i = 0; i < view->function_count; i++) {
        const lpp_function_t *function = &view->functions[i];

        lpp_saved_put_number(writer, function->symbol.start);
        lpp_saved_put_string(writer, function->symbol.name);
        lpp_saved_put_string(writer, function->symbol.object);
        lpp_saved_put_optional(writer, function->symbol.file);
        lpp_saved_put_number(writer, function->symbol.line);
        lpp_saved_put_number(writer, plain_kind(&function->symbol));
        lpp_saved_put_number(writer, function->calls);
    }
}

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

static void put_branches(lpp_saved_writer_t *writer, const lpp_view_t *view)
{
    apr_uint32_t i;

    lpp_saved_put_number(writer, view->branch_count);
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];

        lpp_saved_put_number(writer, branch->function);
        /* the distance, which needs fewer bytes than the number itself */
        lpp_saved_put_number(writer, i == 0 ? 0 : i - branch->parent);
        lpp_saved_put_number(writer, plain_object(view->branch_pcs[i]));
        lpp_saved_put_number(writer, LPP_PC_ADDRESS(view->branch_pcs[i]));
        lpp_saved_put_number(writer, branch->self.wall_us);
        lpp_saved_put_number(writer, branch->self.cpu_us);
        lpp_saved_put_number(writer, branch->self.samples);
    }
}

/* Whether a branch is in its place: the first two are the root and the rest,
 * and no other is one of them: see lpp_view.h. */
static int is_in_place(const lpp_branch_t *branch, apr_uint32_t i)
{
    if (i < 2) {
        return branch->function == i && branch->parent == i - 1;
    }
    return branch->function >= 2 && branch->parent != 1
        && branch->depth <= LPP_SAVED_DEPTH_MAX;
}

/* Read the self cost of branch i. */
static void read_cost(lpp_saved_reader_t *reader, lpp_cost_t *cost,
                      apr_uint32_t i, lpp_cost_t *sum)
{
    cost->wall_us = lpp_saved_number(reader, TOTAL_MAX - sum->wall_us);
    cost->cpu_us = lpp_saved_number(reader, cost->wall_us);
    cost->samples = lpp_saved_number(reader, TOTAL_MAX - sum->samples);
    cost->ready_us = lpp_saved_ready_us(reader, &reader->branches, i, cost);
    lpp_cost_add(sum, cost);
}

static lpp_branch_t *read_branches(lpp_saved_reader_t *reader,
                                   lpp_view_t *view,
                                   const lpp_function_t *functions,
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
        /* 1 to i before it: a parent comes before its child */
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
        if (LPP_PC_IS_WAIT(functions[branch->function].symbol.start)) {
            pcs[i] = functions[branch->function].symbol.start;
        }
        read_cost(reader, &branch->self, i, &view->total);
        if (!is_in_place(branch, i)) {
            reader->bad = 1;
        }
    }
    view->branch_pcs = pcs;
    return branches;
}

/* One line branch for each branch. */
static void add_line_branches(lpp_saved_reader_t *reader, lpp_view_t *view)
{
    apr_uint32_t count = view->branch_count, i;
    lpp_line_branch_t *lines = lpp_saved_array(reader, count,
                                               sizeof(*lines));

    for (i = 0; lines && i < count; i++) {
        lines[i].branch = i;
        lines[i].parent = view->branches[i].parent;
        lines[i].self = view->branches[i].self;
    }
    view->line_branches = lines;
    view->line_branch_count = lines ? count : 0;
}

/* Edges are computed from the branches, except their exact calls; these are
 * computed from the table of calls, if there is one. */
static void put_edge_calls(lpp_saved_writer_t *writer, const lpp_view_t *view)
{
    apr_uint32_t i, count = 0;

    for (i = 0; !view->calls && i < view->edge_count; i++) {
        count += view->edges[i].calls != 0;
    }
    lpp_saved_put_number(writer, count);
    for (i = 0; !view->calls && i < view->edge_count; i++) {
        if (view->edges[i].calls != 0) {
            lpp_saved_put_number(writer, i);
            lpp_saved_put_number(writer, view->edges[i].calls);
        }
    }
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

void lpp_saved_put_tree(lpp_saved_writer_t *writer, const lpp_saved_t *saved)
{
    put_functions(writer, saved->view);
    put_branches(writer, saved->view);
    put_edge_calls(writer, saved->view);
}

void lpp_saved_read_tree(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_view_t *view = reader->view;
    apr_uint32_t function_count, branch_count;
    lpp_function_t *functions = read_functions(reader, &function_count);
    lpp_branch_t *branches;
    apr_status_t status;

    if (function_count < 2) {
        reader->bad = 1;
        return;
    }
    branches = read_branches(reader, view, functions, function_count,
                             &branch_count);
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
    add_line_branches(reader, view);
    read_edge_calls(reader, view);
    lpp_view_add_figures(view);
}
