/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_write_pstats: a profile as Python's pstats reads it, in wall seconds.
 *
 * The file is one dictionary {(file, line, name): (cc, nc, tt, ct, callers)},
 * callers another {(file, line, name): (nc, cc, tt, ct)}: the order of the two
 * counts differs, as cProfile has it. Every caller is a key too, every count
 * at least 1, and the root is always there: readers break otherwise.
 */
#include "lpp_writer.h"

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "lpp_marshal.h"

typedef struct writer_t {
    const lpp_view_t *view;
    lpp_buf_t out;
    const char **names;         /* of each function, unique with its file */
    apr_uint64_t *edge_self_us; /* of each edge: self time of the callee */
    apr_uint32_t *first_in;     /* of each function: its callers begin here
                                   in by_callee; one more at the end */
    apr_uint32_t *by_callee;    /* edges */
    apr_pool_t *pool;
} writer_t;

static const char *file_of(const lpp_symbol_t *symbol)
{
    if (symbol->file != NULL && symbol->file[0] != '\0') {
        return symbol->file;
    }
    /* '~' and line 0: pstats shows the bare name */
    return symbol->object[0] != '\0' ? symbol->object : "~";
}

/* Two objects may hold the same function of the same source line. */
static int make_names(writer_t *writer)
{
    const lpp_view_t *view = writer->view;
    apr_hash_t *seen = apr_hash_make(writer->pool);
    apr_uint32_t i;

    writer->names = apr_palloc(writer->pool, view->function_count
                               * sizeof(*writer->names));
    if (seen == NULL || writer->names == NULL) {
        return 0;
    }
    for (i = 0; i < view->function_count; i++) {
        const lpp_symbol_t *symbol = &view->functions[i].symbol;
        const char *key = apr_psprintf(writer->pool, "%s\n%u\n%s",
                                       file_of(symbol), symbol->line,
                                       symbol->name);

        writer->names[i] = symbol->name;
        if (apr_hash_get(seen, key, APR_HASH_KEY_STRING) != NULL) {
            writer->names[i] = apr_psprintf(writer->pool, "%s [%s, %u]",
                symbol->name, lpp_view_object_name(symbol), i);
        }
        apr_hash_set(seen, key, APR_HASH_KEY_STRING, symbol);
    }
    return 1;
}

/* Edges are sorted by caller and callee. */
static apr_uint32_t find_edge(const lpp_view_t *view, apr_uint32_t caller,
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
    return low;
}

/* What each edge's callee spent itself, and the edges by callee. */
static int index_edges(writer_t *writer)
{
    const lpp_view_t *view = writer->view;
    apr_uint32_t functions = view->function_count, i, at = 0;

    writer->edge_self_us = apr_pcalloc(writer->pool, (view->edge_count + 1)
                                       * sizeof(*writer->edge_self_us));
    writer->first_in = apr_pcalloc(writer->pool, (functions + 2)
                                   * sizeof(*writer->first_in));
    writer->by_callee = apr_palloc(writer->pool, (view->edge_count + 1)
                                   * sizeof(*writer->by_callee));
    if (writer->edge_self_us == NULL || writer->first_in == NULL
        || writer->by_callee == NULL) {
        return 0;
    }
    for (i = 1; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];
        apr_uint32_t caller = view->branches[branch->parent].function;

        writer->edge_self_us[find_edge(view, caller, branch->function)]
            += branch->self.wall_us;
    }
    for (i = 0; i < view->edge_count; i++) {
        writer->first_in[view->edges[i].callee + 2]++;
    }
    for (i = 2; i < functions + 2; i++) {
        at += writer->first_in[i];
        writer->first_in[i] = at;
    }
    /* filling moves each start to its end, which is the next one's start */
    for (i = 0; i < view->edge_count; i++) {
        writer->by_callee[writer->first_in[view->edges[i].callee + 1]++] = i;
    }
    return 1;
}

static int is_zero(const lpp_cost_t *cost)
{
    return cost->wall_us == 0 && cost->samples == 0;
}

static void add_key(writer_t *writer, apr_uint32_t index)
{
    const lpp_symbol_t *symbol = &writer->view->functions[index].symbol;

    lpp_marshal_tuple(&writer->out, 3);
    lpp_marshal_string(&writer->out, file_of(symbol));
    lpp_marshal_integer(&writer->out, symbol->line);
    lpp_marshal_string(&writer->out, writer->names[index]);
}

static void add_seconds(lpp_buf_t *out, apr_uint64_t us)
{
    lpp_marshal_double(out, (double)us / 1e6);
}

static void add_function(writer_t *writer, apr_uint32_t index)
{
    const lpp_function_t *function = &writer->view->functions[index];
    apr_uint64_t count = lpp_writer_count(function->calls,
                                          function->total.samples);
    lpp_buf_t *out = &writer->out;
    apr_uint32_t at;

    add_key(writer, index);
    lpp_marshal_tuple(out, 5);
    lpp_marshal_integer(out, count); /* cc: recursion is counted once */
    lpp_marshal_integer(out, count); /* nc */
    add_seconds(out, function->self.wall_us);
    add_seconds(out, function->total.wall_us);
    lpp_marshal_begin_dict(out);
    for (at = writer->first_in[index]; at < writer->first_in[index + 1];
         at++) {
        apr_uint32_t number = writer->by_callee[at];
        const lpp_edge_t *edge = &writer->view->edges[number];

        if (is_zero(&edge->total)) {
            continue;
        }
        count = lpp_writer_count(edge->calls, edge->total.samples);
        add_key(writer, edge->caller);
        lpp_marshal_tuple(out, 4);
        lpp_marshal_integer(out, count); /* nc */
        lpp_marshal_integer(out, count); /* cc */
        add_seconds(out, writer->edge_self_us[number]);
        add_seconds(out, edge->total.wall_us);
    }
    lpp_marshal_end_dict(out);
}

/* Hand what is in the buffer to the sink. */
static apr_status_t flush(writer_t *writer, const lpp_sink_t *sink)
{
    apr_status_t status = writer->out.status;

    if (status == APR_SUCCESS && writer->out.len > 0) {
        status = lpp_sink_write(sink, writer->out.data, writer->out.len);
    }
    lpp_buf_reset(&writer->out);
    return status;
}

apr_status_t lpp_write_pstats(const lpp_view_t *view, const lpp_sink_t *sink,
                              apr_pool_t *scratch)
{
    apr_uint32_t index;
    writer_t writer;
    apr_status_t status;

    memset(&writer, 0, sizeof(writer));
    writer.view = view;
    status = apr_pool_create(&writer.pool, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_buf_init(&writer.out, writer.pool, LPP_FILE_MAX_BYTES);
    if (!make_names(&writer) || !index_edges(&writer)) {
        status = APR_ENOMEM;
        goto leave;
    }
    lpp_marshal_begin_dict(&writer.out);
    for (index = 0; index < view->function_count; index++) {
        if (index == 0 || !is_zero(&view->functions[index].total)) {
            add_function(&writer, index);
        }
        if (writer.out.len > 32768) {
            status = flush(&writer, sink);
            if (status != APR_SUCCESS) {
                goto leave;
            }
        }
    }
    lpp_marshal_end_dict(&writer.out);
    status = flush(&writer, sink);

leave:
    apr_pool_destroy(writer.pool);
    return status;
}
