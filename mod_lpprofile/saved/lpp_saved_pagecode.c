/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_pagecode: the section of page functions: which functions of the
 * tree are page functions, their languages, and the tree by line. It exists
 * only if there is a page function. Names, files and lines are in the tree; the
 * numbers of page functions are those of the process that wrote the file, and
 * only tell one from another.
 */
#include <string.h>

#include "saved/lpp_saved_internal.h"
#include "names/lpp_view_graph.h"

#define LINE_BYTES 6

static void put_line_branch(lpp_saved_writer_t *writer,
                            const lpp_line_branch_t *line, apr_uint32_t i)
{
    lpp_saved_put_number(writer, line->branch);
    /* the distance, as in the tree */
    lpp_saved_put_number(writer, i == 0 ? 0 : i - line->parent);
    lpp_saved_put_number(writer, line->line);
    lpp_saved_put_number(writer, line->self.wall_us);
    lpp_saved_put_number(writer, line->self.cpu_us);
    lpp_saved_put_number(writer, line->self.samples);
}

void lpp_saved_put_pagecode(lpp_saved_writer_t *writer,
                            const lpp_saved_t *saved)
{
    const lpp_view_t *view = saved->view;
    apr_uint32_t i, count = 0;

    for (i = 0; i < view->function_count; i++) {
        count += view->functions[i].symbol.kind == LPP_NAME_INTERPRETER;
    }
    if (count == 0) {
        return;
    }
    lpp_saved_put_number(writer, count);
    for (i = 0; i < view->function_count; i++) {
        if (view->functions[i].symbol.kind == LPP_NAME_INTERPRETER) {
            lpp_saved_put_number(writer, i);
            lpp_saved_put_number(writer, view->functions[i].symbol.language);
        }
    }
    lpp_saved_put_number(writer, view->line_branch_count);
    for (i = 0; i < view->line_branch_count; i++) {
        put_line_branch(writer, &view->line_branches[i], i);
    }
}

/* Mark the page functions, and the pcs of their branches. */
static void read_functions(lpp_saved_reader_t *reader, lpp_view_t *view)
{
    apr_uint32_t count = lpp_saved_count(reader, view->function_count, 2), i;
    lpp_function_t *functions = lpp_saved_array(
        reader, view->function_count, sizeof(*functions));
    lpp_pc_t *pcs = lpp_saved_array(reader, view->branch_count, sizeof(*pcs));

    if (!functions || !pcs) {
        return;
    }
    memcpy(functions, view->functions,
           view->function_count * sizeof(*functions));
    memcpy(pcs, view->branch_pcs, view->branch_count * sizeof(*pcs));
    for (i = 0; i < count && !reader->bad; i++) {
        apr_uint64_t at = lpp_saved_number(reader, view->function_count - 1);
        lpp_symbol_t *symbol = &functions[at].symbol;

        /* root and rest are none; a script's path may be unknown, but is a
         * string */
        if (at < 2 || !LPP_PC_IS_PAGE(symbol->start)
            || LPP_PAGE_LINE(symbol->start) != 0 || !symbol->file) {
            reader->bad = 1;
            return;
        }
        symbol->kind = LPP_NAME_INTERPRETER;
        symbol->language = (lpp_language_e)lpp_saved_number(
            reader, LPP_LANGUAGES - 1);
    }
    for (i = 0; i < view->branch_count; i++) {
        const lpp_symbol_t *symbol
            = &functions[view->branches[i].function].symbol;

        if (symbol->kind == LPP_NAME_INTERPRETER) {
            pcs[i] = symbol->start | LPP_PAGE_LINE(pcs[i]);
        }
    }
    view->functions = functions;
    view->branch_pcs = pcs;
}

static void read_line_branch(lpp_saved_reader_t *reader,
                             const lpp_view_t *view,
                             lpp_line_branch_t *lines, apr_uint32_t i,
                             lpp_cost_t *left)
{
    lpp_line_branch_t *line = &lines[i];
    const lpp_branch_t *branch;

    line->branch = (apr_uint32_t)lpp_saved_number(reader,
                                                  view->branch_count - 1);
    line->parent = i - (apr_uint32_t)lpp_saved_number(reader, i);
    line->line = (apr_uint32_t)lpp_saved_number(reader, LPP_PAGE_LINE_MAX);
    branch = &view->branches[line->branch];
    left += line->branch;
    line->self.wall_us = lpp_saved_number(reader, left->wall_us);
    line->self.cpu_us = lpp_saved_number(
        reader, left->cpu_us < line->self.wall_us ? left->cpu_us
                                                  : line->self.wall_us);
    line->self.samples = lpp_saved_number(reader, left->samples);
    line->self.ready_us = lpp_saved_ready_us(reader, &reader->line_branches, i,
                                             &line->self);
    if (line->self.ready_us > left->ready_us) {
        reader->bad = 1;
        return;
    }
    left->ready_us -= line->self.ready_us;
    left->wall_us -= line->self.wall_us;
    left->cpu_us -= line->self.cpu_us;
    left->samples -= line->self.samples;
    if (i == 0) {
        line->parent = LPP_NODE_NONE;
    }
    /* The parent comes before its child, and is a part of the branch's
     * parent. */
    if ((i < 2 ? line->branch != i : line->branch < 2)
        || (i > 0 && (line->parent == i
                      || lines[line->parent].branch != branch->parent))
        || (line->line != 0
            && view->functions[branch->function].symbol.kind
                   != LPP_NAME_INTERPRETER)) {
        reader->bad = 1;
    }
}

/* The parts must make up the branches. */
static void read_line_branches(lpp_saved_reader_t *reader, lpp_view_t *view)
{
    apr_uint32_t count = lpp_saved_count(reader, LPP_SAVED_BRANCHES_MAX,
                                         LINE_BYTES);
    lpp_line_branch_t *lines = lpp_saved_array(reader, count,
                                               sizeof(*lines));
    lpp_cost_t *left = lpp_saved_array(reader, view->branch_count,
                                       sizeof(*left));
    apr_uint32_t i;

    for (i = 0; left && i < view->branch_count; i++) {
        left[i] = view->branches[i].self;
    }
    for (i = 0; lines && left && i < count && !reader->bad; i++) {
        read_line_branch(reader, view, lines, i, left);
    }
    for (i = 0; left && i < view->branch_count && !reader->bad; i++) {
        if (left[i].wall_us != 0 || left[i].cpu_us != 0
            || left[i].ready_us != 0 || left[i].samples != 0) {
            reader->bad = 1;
        }
    }
    if (count < 2) {
        reader->bad = 1;
    }
    view->line_branches = lines;
    view->line_branch_count = reader->bad ? 0 : count;
}

void lpp_saved_read_pagecode(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    read_functions(reader, reader->view);
    if (!reader->bad) {
        read_line_branches(reader, reader->view);
    }
}
