/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_calls: the section of the exact calls of a saved profile. It exists
 * only if calls were counted. The counts of functions and edges are computed
 * from it. Sums are not trusted: times are compared with each other, and
 * indexes are checked against the view.
 */
#include <string.h>

#include "saved/lpp_saved_internal.h"
#include "names/lpp_view_graph.h"

#define TOTAL_MAX (APR_UINT64_C(1) << 48) /* sums of as many do not wrap */
#define ANSWER_OFFSET 16
#define ANSWER_MAX (999 + ANSWER_OFFSET)
#define SCOPE_BYTES 5
#define CALL_BYTES 11
#define FILTER_BYTES 2

static void put_call(lpp_saved_writer_t *writer, const lpp_call_t *call)
{
    lpp_buf_t *content = &writer->content;

    lpp_saved_add_number(content, call->scope);
    lpp_saved_put_string(writer, call->phase);
    lpp_saved_put_string(writer, call->module);
    lpp_saved_add_number(content, call->function + 1u); /* none: 0 */
    lpp_saved_add_number(content, call->calls);
    lpp_saved_add_number(content, call->wall_ns);
    lpp_saved_add_number(content, call->cpu_ns);
    lpp_saved_add_number(content, call->self_wall_ns);
    lpp_saved_add_number(content, call->self_cpu_ns);
    lpp_saved_add_number(content, call->decided);
    /* results begin at -3 */
    lpp_saved_add_number(content, call->has_result
                            ? (apr_uint64_t)(call->result
                                            + ANSWER_OFFSET) : 0);
}

void lpp_saved_put_calls(lpp_saved_writer_t *writer, const lpp_saved_t *saved)
{
    const lpp_calls_table_t *table = saved->view->calls;
    lpp_buf_t *content = &writer->content;
    apr_uint32_t i;

    if (!table) {
        return;
    }
    lpp_saved_add_number(content, table->scope_count);
    for (i = 0; i < table->scope_count; i++) {
        const lpp_scope_t *scope = &table->scopes[i];

        lpp_saved_add_number(content, scope->kind);
        lpp_saved_put_string(writer, scope->path);
        lpp_saved_add_number(content, scope->requests);
        lpp_saved_add_number(content, scope->parent + 1u);
        lpp_saved_add_number(content, scope->caller + 1u);
    }
    lpp_saved_add_number(content, table->count);
    for (i = 0; i < table->count; i++) {
        put_call(writer, &table->calls[i]);
    }
    lpp_saved_add_number(content, table->dropped);
    lpp_saved_add_number(content, table->left_out);
    lpp_saved_add_number(content, table->filter_count);
    for (i = 0; i < table->filter_count; i++) {
        lpp_saved_put_string(writer, table->filters[i].name);
        lpp_saved_add_number(content, table->filters[i].function);
    }
    for (i = 0; i < table->count; i++) {
        lpp_saved_add_number(content, table->calls[i].ready_ns);
        lpp_saved_add_number(content, table->calls[i].self_ready_ns);
    }
}

/* A scope's parent must come before it, so that following parents ends. */
static lpp_scope_t *read_scopes(lpp_saved_reader_t *reader,
                                lpp_calls_table_t *table)
{
    lpp_scope_t *scopes;
    apr_uint32_t i;

    table->scope_count = lpp_saved_count(reader, LPP_CALLS_SCOPES_MAX,
                                         SCOPE_BYTES);
    scopes = lpp_saved_array(reader, table->scope_count + 1,
                             sizeof(*scopes));
    for (i = 0; scopes && i < table->scope_count && !reader->bad; i++) {
        lpp_scope_t *scope = &scopes[i];

        scope->kind = (lpp_scope_kind_e)lpp_saved_number(reader,
                                                         LPP_SCOPE_OTHERS);
        scope->path = lpp_saved_string(reader);
        scope->requests = (apr_uint32_t)lpp_saved_number(reader,
                                                         APR_INT32_MAX);
        scope->parent = (apr_uint32_t)lpp_saved_number(reader, i) - 1u;
        scope->caller = (apr_uint32_t)lpp_saved_number(
            reader, LPP_CALLS_PLACES_MAX) - 1u;
        if ((i == 0) != (scope->parent == LPP_CALLS_NONE)
            || (i == 0) != (scope->kind == LPP_SCOPE_REQUEST)) {
            reader->bad = 1;
        }
    }
    if (table->scope_count == 0) {
        reader->bad = 1;
    }
    return scopes;
}

static void read_call(lpp_saved_reader_t *reader, lpp_call_t *call,
                      const lpp_calls_table_t *table,
                      apr_uint32_t function_count)
{
    int answer;

    call->scope = (apr_uint32_t)lpp_saved_number(reader,
                                                 table->scope_count - 1);
    call->phase = lpp_saved_name(reader);
    call->module = lpp_saved_name(reader);
    call->function = (apr_uint32_t)lpp_saved_number(reader, function_count)
        - 1u;
    call->calls = lpp_saved_number(reader, TOTAL_MAX);
    call->wall_ns = lpp_saved_number(reader, TOTAL_MAX);
    call->cpu_ns = lpp_saved_number(reader, call->wall_ns);
    call->self_wall_ns = lpp_saved_number(reader, TOTAL_MAX);
    call->self_cpu_ns = lpp_saved_number(reader, TOTAL_MAX);
    call->decided = (apr_uint32_t)lpp_saved_number(reader, APR_INT32_MAX);
    answer = (int)lpp_saved_number(reader, ANSWER_MAX);
    call->has_result = answer != 0;
    call->result = answer ? answer - ANSWER_OFFSET : 0;
}

/* The ready times, at the end of the section; older files have none. */
static void read_ready(lpp_saved_reader_t *reader, lpp_call_t *rows,
                       apr_uint32_t count)
{
    apr_uint32_t i;

    for (i = 0; rows && i < count && reader->at < reader->end; i++) {
        rows[i].ready_ns = lpp_saved_number(
            reader, rows[i].wall_ns - rows[i].cpu_ns);
        rows[i].self_ready_ns = lpp_saved_number(reader, TOTAL_MAX);
    }
}

static lpp_call_t *read_rows(lpp_saved_reader_t *reader,
                             lpp_calls_table_t *table,
                             apr_uint32_t function_count)
{
    lpp_call_t *rows;
    apr_uint32_t i;

    table->count = lpp_saved_count(reader, LPP_CALLS_PLACES_MAX, CALL_BYTES);
    rows = lpp_saved_array(reader, table->count + 1, sizeof(*rows));
    for (i = 0; rows && i < table->count && !reader->bad; i++) {
        read_call(reader, &rows[i], table, function_count);
    }
    /* The call that made a scope must be a call in the scope's parent. */
    for (i = 0; rows && i < table->scope_count && !reader->bad; i++) {
        const lpp_scope_t *scope = &table->scopes[i];

        if (scope->caller != LPP_CALLS_NONE
            && (scope->caller >= table->count
                || rows[scope->caller].scope != scope->parent)) {
            reader->bad = 1;
        }
    }
    return rows;
}

static lpp_filter_t *read_filters(lpp_saved_reader_t *reader,
                                  lpp_calls_table_t *table,
                                  apr_uint32_t function_count)
{
    lpp_filter_t *filters;
    apr_uint32_t i;

    table->filter_count = lpp_saved_count(reader, function_count,
                                          FILTER_BYTES);
    filters = lpp_saved_array(reader, table->filter_count + 1,
                              sizeof(*filters));
    for (i = 0; filters && i < table->filter_count && !reader->bad; i++) {
        filters[i].name = lpp_saved_name(reader);
        filters[i].function = (apr_uint32_t)lpp_saved_number(
            reader, function_count - 1);
    }
    return filters;
}

void lpp_saved_read_calls(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_view_t *view = reader->view;
    lpp_calls_table_t *table = lpp_saved_array(reader, 1, sizeof(*table));
    lpp_function_t *functions;
    lpp_call_t *rows = NULL;
    apr_status_t status;

    if (!table) {
        return;
    }
    table->scopes = read_scopes(reader, table);
    if (!reader->bad) {
        rows = read_rows(reader, table, view->function_count);
        table->calls = rows;
    }
    table->dropped = lpp_saved_number(reader, TOTAL_MAX);
    table->left_out = (apr_uint32_t)lpp_saved_number(reader, APR_INT32_MAX);
    if (!reader->bad) {
        table->filters = read_filters(reader, table, view->function_count);
        read_ready(reader, rows, table->count);
    }
    functions = reader->bad ? NULL
        : lpp_saved_array(reader, view->function_count, sizeof(*functions));
    if (!functions) {
        return;
    }
    memcpy(functions, view->functions,
           view->function_count * sizeof(*functions));
    view->functions = functions;
    view->calls = table;
    status = lpp_view_count_calls(view, functions, view->function_count,
                                  reader->scratch, reader->pool);
    if (status != APR_SUCCESS) {
        reader->bad = 1;
        reader->status = status;
    }
}
