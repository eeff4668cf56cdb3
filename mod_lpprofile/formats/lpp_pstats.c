/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_pstats: writes the bytes of a table; see lpp_pstats.h. lpp_write_pstats.c
 * makes the table of a view.
 */
#include "formats/lpp_pstats.h"

#include <string.h>

#include "formats/lpp_marshal_internal.h"

#define FLUSH_BYTES 32768

typedef struct writer_t {
    const lpp_pstats_t *pstats;
    lpp_buf_t out;
    apr_uint32_t *first_in;   /* of each function: its callers begin here in
                                 by_callee; one more at the end */
    apr_uint32_t *by_callee;  /* indexes of edges */
} writer_t;

static int index_edges(writer_t *writer, apr_pool_t *pool)
{
    const lpp_pstats_t *pstats = writer->pstats;
    apr_uint32_t functions = pstats->function_count, i, at = 0;

    writer->first_in = apr_pcalloc(pool, (functions + 2)
                                   * sizeof(*writer->first_in));
    writer->by_callee = apr_palloc(pool, (pstats->edge_count + 1)
                                   * sizeof(*writer->by_callee));
    if (writer->first_in == NULL || writer->by_callee == NULL) {
        return 0;
    }
    for (i = 0; i < pstats->edge_count; i++) {
        writer->first_in[pstats->edges[i].callee + 2]++;
    }
    for (i = 2; i < functions + 2; i++) {
        at += writer->first_in[i];
        writer->first_in[i] = at;
    }
    /* Filling moves each start to its end, which is the start of the next
     * one. */
    for (i = 0; i < pstats->edge_count; i++) {
        writer->by_callee[writer->first_in[pstats->edges[i].callee + 1]++] = i;
    }
    return 1;
}

static void add_key(writer_t *writer, apr_uint32_t index)
{
    const lpp_pstats_function_t *function = &writer->pstats->functions[index];

    lpp_marshal_tuple(&writer->out, 3);
    lpp_marshal_string(&writer->out, function->file);
    lpp_marshal_integer(&writer->out, function->line);
    lpp_marshal_string(&writer->out, function->name);
}

/* Add two counts and two times. In a function the counts are cc and nc, which
 * are equal here, in an edge nc and cc. */
static void add_figures(lpp_buf_t *out, apr_uint64_t calls,
                        apr_uint64_t self_us, apr_uint64_t total_us)
{
    lpp_marshal_integer(out, calls);
    lpp_marshal_integer(out, calls);
    lpp_marshal_double(out, (double)self_us / 1e6);
    lpp_marshal_double(out, (double)total_us / 1e6);
}

static void add_function(writer_t *writer, apr_uint32_t index)
{
    const lpp_pstats_function_t *function = &writer->pstats->functions[index];
    lpp_buf_t *out = &writer->out;
    apr_uint32_t at;

    add_key(writer, index);
    lpp_marshal_tuple(out, 5);
    add_figures(out, function->calls, function->self_us, function->total_us);
    lpp_marshal_begin_dict(out);
    for (at = writer->first_in[index]; at < writer->first_in[index + 1];
         at++) {
        const lpp_pstats_edge_t *edge
            = &writer->pstats->edges[writer->by_callee[at]];

        add_key(writer, edge->caller);
        lpp_marshal_tuple(out, 4);
        add_figures(out, edge->calls, edge->self_us, edge->total_us);
    }
    lpp_marshal_end_dict(out);
}

/* Write the buffer to the sink and make it empty. */
static apr_status_t flush(writer_t *writer, const lpp_sink_t *sink)
{
    apr_status_t status = writer->out.status;

    if (status == APR_SUCCESS && writer->out.len > 0) {
        status = lpp_sink_write(sink, writer->out.data, writer->out.len);
    }
    lpp_buf_reset(&writer->out);
    return status;
}

apr_status_t lpp_pstats_write(const lpp_pstats_t *pstats,
                              const lpp_sink_t *sink, apr_pool_t *scratch)
{
    apr_uint32_t index;
    apr_pool_t *pool;
    writer_t writer;
    apr_status_t status;

    memset(&writer, 0, sizeof(writer));
    writer.pstats = pstats;
    status = apr_pool_create(&pool, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_buf_init(&writer.out, pool, LPP_FILE_MAX_BYTES);
    if (!index_edges(&writer, pool)) {
        status = APR_ENOMEM;
        goto leave;
    }
    lpp_marshal_begin_dict(&writer.out);
    for (index = 0; index < pstats->function_count; index++) {
        add_function(&writer, index);
        if (writer.out.len > FLUSH_BYTES) {
            status = flush(&writer, sink);
            if (status != APR_SUCCESS) {
                goto leave;
            }
        }
    }
    lpp_marshal_end_dict(&writer.out);
    status = flush(&writer, sink);

leave:
    apr_pool_destroy(pool);
    return status;
}
