/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_write: a profile into the form of lpp_saved_internal.h. Writes what
 * lpp_saved_read checks, and nothing that can be computed from the rest.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "saved/lpp_saved_internal.h"

typedef lpp_saved_writer_t writer_t;

static void put_about(writer_t *writer, const lpp_view_about_t *about)
{
    lpp_saved_put_string(writer, about->id);
    lpp_saved_put_string(writer, about->page_id);
    lpp_saved_put_string(writer, about->url);
    lpp_saved_put_string(writer, about->host);
    lpp_saved_put_string(writer, about->method);
    lpp_saved_put_number(writer, (apr_uint64_t)about->start);
    lpp_saved_put_number(writer, about->pid);
    lpp_saved_put_number(writer, about->tid);
    lpp_saved_put_number(writer, about->lines != 0);
}

static void put_objects(writer_t *writer, const lpp_view_t *view)
{
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

static void put_honesty(writer_t *writer, const lpp_honesty_t *honesty)
{
    lpp_buf_t *content = &writer->content;

    lpp_saved_add_number(content, honesty->samples);
    lpp_saved_add_number(content, honesty->lost);
    lpp_saved_add_number(content, honesty->cut);
    lpp_saved_add_number(content, honesty->broken);
    lpp_saved_add_number(content, honesty->overflowed);
    lpp_saved_add_number(content, honesty->blocked_ns);
    lpp_saved_add_number(content, honesty->signals);
    lpp_saved_add_number(content, honesty->repaired_calls);
    lpp_saved_add_number(content, honesty->own_ns);
    lpp_saved_add_number(content, honesty->asked_hz);
    lpp_saved_add_number(content, (apr_uint64_t)honesty->cut_short);
    lpp_saved_add_number(content, honesty->lowered_hz);
    lpp_saved_put_optional(writer, honesty->unwinder);
}

static void put_functions(writer_t *writer, const lpp_view_t *view)
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
        lpp_saved_put_number(writer, function->symbol.kind);
        lpp_saved_put_number(writer, function->calls);
    }
}

static void put_branches(writer_t *writer, const lpp_view_t *view)
{
    apr_uint32_t i;

    lpp_saved_put_number(writer, view->branch_count);
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];

        lpp_saved_put_number(writer, branch->function);
        /* how far back, which is smaller than the number itself */
        lpp_saved_put_number(writer, i == 0 ? 0 : i - branch->parent);
        lpp_saved_put_number(writer, LPP_PC_OBJECT(view->branch_pcs[i]));
        lpp_saved_put_number(writer, LPP_PC_ADDRESS(view->branch_pcs[i]));
        lpp_saved_put_number(writer, branch->self.wall_us);
        lpp_saved_put_number(writer, branch->self.cpu_us);
        lpp_saved_put_number(writer, branch->self.samples);
    }
}

/* The edges follow from the branches, but for exact calls; and these from the
 * table of calls, where there is one. */
static void put_edge_calls(writer_t *writer, const lpp_view_t *view)
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

static void put_call(writer_t *writer, const lpp_call_t *call)
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
    /* answers begin at -3 */
    lpp_saved_add_number(content, call->has_result
                            ? (apr_uint64_t)(call->result + 16) : 0);
}

/* At the end, and only where calls were counted. */
static void put_calls(writer_t *writer, const lpp_calls_table_t *table)
{
    lpp_buf_t *content = &writer->content;
    apr_uint32_t i;

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
}

static void put_variables(writer_t *writer, const apr_table_t *table)
{
    const apr_array_header_t *list = apr_table_elts(table);
    int i, count = list->nelts < LPP_SAVED_VARS_MAX ? list->nelts
                                                    : LPP_SAVED_VARS_MAX;

    lpp_saved_put_number(writer, (apr_uint64_t)count);
    for (i = 0; i < count; i++) {
        const apr_table_entry_t *entry =
            &APR_ARRAY_IDX(list, i, apr_table_entry_t);

        lpp_saved_put_string(writer, entry->key);
        lpp_saved_put_string(writer, entry->val ? entry->val : "");
    }
}

static void put_oops(writer_t *writer, const lpp_oops_t *oops)
{
    int i;

    lpp_saved_put_number(writer, oops != NULL);
    if (!oops) {
        return;
    }
    lpp_saved_put_string(writer, oops->id);
    lpp_saved_put_string(writer, oops->type);
    lpp_saved_put_string(writer, oops->value);
    lpp_saved_put_string(writer, oops->reporter);
    lpp_saved_put_string(writer, oops->topic);
    lpp_saved_put_string(writer, oops->branch_nick);
    lpp_saved_put_string(writer, oops->revno);
    lpp_saved_put_string(writer, oops->tb_text);
    lpp_saved_put_string(writer, oops->url);
    lpp_saved_put_optional(writer, oops->username);
    lpp_saved_put_number(writer, (apr_uint64_t)oops->time);
    lpp_saved_add_double(&writer->content, oops->duration_s);
    lpp_saved_put_number(writer, oops->informational != 0);
    put_variables(writer, oops->req_vars);
    lpp_saved_put_number(writer, (apr_uint64_t)oops->timeline->nelts);
    for (i = 0; i < oops->timeline->nelts; i++) {
        const lpp_oops_event_t *event =
            &APR_ARRAY_IDX(oops->timeline, i, lpp_oops_event_t);

        lpp_saved_add_double(&writer->content, event->start_ms);
        lpp_saved_add_double(&writer->content, event->end_ms);
        lpp_saved_put_string(writer, event->category);
        lpp_saved_put_string(writer, event->detail);
    }
    lpp_saved_put_number(writer, oops->timeline_dropped);
}

static void put_head(lpp_buf_t *buf, const lpp_saved_t *saved)
{
    const lpp_view_about_t *about = &saved->view->about;
    lpp_saved_head_t head = saved->head;
    unsigned i;

    head.id = about->id;
    head.page_id = about->page_id;
    head.url = about->url;
    head.host = about->host;
    head.method = about->method;
    for (i = 0; i < LPP_SAVED_HEAD_STRINGS; i++) {
        lpp_saved_add_bytes(buf, *lpp_saved_head_string(&head, i),
                  LPP_SAVED_HEAD_STRING_MAX_BYTES);
    }
    lpp_saved_add_number(buf, (apr_uint64_t)about->start);
    lpp_saved_add_number(buf, about->pid);
    lpp_saved_add_number(buf, about->tid);
    lpp_saved_add_number(buf, head.status);
    lpp_saved_add_number(buf, (apr_uint64_t)head.waited_us);
    lpp_saved_add_number(buf, (apr_uint64_t)saved->view->honesty.cut_short);
    lpp_saved_add_number(buf, saved->view->total.wall_us);
    lpp_saved_add_number(buf, saved->view->total.cpu_us);
    lpp_saved_add_number(buf, saved->view->total.samples);
}

static apr_status_t write_head(const lpp_buf_t *head, const lpp_sink_t *sink)
{
    char fixed[LPP_SAVED_FIXED_BYTES] = LPP_SAVED_MAGIC;
    apr_status_t status;

    fixed[strlen(LPP_SAVED_MAGIC)] = LPP_SAVED_VERSION;
    lpp_saved_set_u32(fixed + 8, head->len);
    lpp_saved_set_u32(fixed + 12, crc32(0, (const unsigned char *)head->data,
                              (uInt)head->len));
    status = lpp_sink_write(sink, fixed, sizeof(fixed));
    return status == APR_SUCCESS
        ? lpp_sink_write(sink, head->data, head->len) : status;
}

static apr_status_t write_body(const lpp_buf_t *body, const lpp_sink_t *sink)
{
    uLongf len = compressBound(body->len);
    unsigned char *packed = malloc(len);
    char lengths[8];
    apr_status_t status;

    if (!packed
        || compress2(packed, &len, (const unsigned char *)body->data,
                     body->len, Z_BEST_SPEED) != Z_OK) {
        free(packed);
        return APR_ENOMEM;
    }
    lpp_saved_set_u32(lengths, body->len);
    lpp_saved_set_u32(lengths + 4, len);
    status = lpp_sink_write(sink, lengths, sizeof(lengths));
    if (status == APR_SUCCESS) {
        status = lpp_sink_write(sink, (const char *)packed, len);
    }
    free(packed);
    return status;
}

static void put_body(writer_t *writer, const lpp_saved_t *saved)
{
    put_about(writer, &saved->view->about);
    put_objects(writer, saved->view);
    put_honesty(writer, &saved->view->honesty);
    put_functions(writer, saved->view);
    put_branches(writer, saved->view);
    put_edge_calls(writer, saved->view);
    put_oops(writer, saved->oops);
    lpp_saved_put_string(writer, saved->oops_path);
    lpp_saved_put_sql(writer, saved);
    lpp_saved_put_extras(writer, saved);
    if (saved->view->calls) {
        put_calls(writer, saved->view->calls);
    }
}

/* The first error of all buffers. */
static apr_status_t status_of(const writer_t *writer)
{
    return writer->no_memory ? APR_ENOMEM
        : writer->head.status != APR_SUCCESS ? writer->head.status
        : writer->strings.status != APR_SUCCESS ? writer->strings.status
        : writer->content.status != APR_SUCCESS ? writer->content.status
        : writer->body.status;
}

apr_status_t lpp_saved_write(const lpp_saved_t *saved, const lpp_sink_t *sink,
                             apr_pool_t *scratch)
{
    writer_t writer; /* its buffers go with its pool, which is gone before */
    apr_status_t status;

    memset(&writer, 0, sizeof(writer));
    status = apr_pool_create(&writer.pool, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_buf_init(&writer.head, writer.pool, LPP_SAVED_HEAD_MAX_BYTES
                                            - LPP_SAVED_FIXED_BYTES);
    lpp_buf_init(&writer.strings, writer.pool, LPP_SAVED_BODY_MAX_BYTES);
    lpp_buf_init(&writer.content, writer.pool, LPP_SAVED_BODY_MAX_BYTES);
    lpp_buf_init(&writer.body, writer.pool, LPP_SAVED_BODY_MAX_BYTES);
    writer.numbers = apr_hash_make(writer.pool);
    writer.no_memory = !writer.numbers;
    if (!writer.no_memory) {
        put_head(&writer.head, saved);
        put_body(&writer, saved);
    }
    lpp_saved_add_number(&writer.body, writer.count);
    if (status_of(&writer) == APR_SUCCESS) {
        lpp_buf_add(&writer.body, writer.strings.data, writer.strings.len);
        lpp_buf_add(&writer.body, writer.content.data, writer.content.len);
    }
    status = status_of(&writer);
    if (status == APR_SUCCESS) {
        status = write_head(&writer.head, sink);
    }
    if (status == APR_SUCCESS) {
        status = write_body(&writer.body, sink);
    }
    apr_pool_destroy(writer.pool);
    return status;
}
