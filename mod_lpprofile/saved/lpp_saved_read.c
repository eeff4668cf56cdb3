/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_read: a saved profile read back. Trusts nothing in the file: see
 * lpp_saved.h. What lies in the body's tree stands in lpp_saved_tree.c,
 * the OOPS in lpp_saved_oops.c.
 */
#include <string.h>
#include <zlib.h>

#include <apr_strings.h>

#include "saved/lpp_saved_internal.h"

#define SPAN_MAX (APR_UINT64_C(1) << 62) /* any duration, in microseconds */

static void read_head_fields(lpp_saved_reader_t *reader,
                             lpp_saved_head_t *head)
{
    unsigned i;

    for (i = 0; i < LPP_SAVED_HEAD_STRINGS; i++) {
        *lpp_saved_head_string(head, i) = lpp_saved_get_bytes(reader);
    }
    head->start = (apr_time_t)lpp_saved_number(reader, APR_UINT64_MAX);
    head->pid = (apr_uint32_t)lpp_saved_number(reader, APR_UINT32_MAX);
    head->tid = (apr_uint32_t)lpp_saved_number(reader, APR_UINT32_MAX);
    head->status = (apr_uint32_t)lpp_saved_number(reader, 999);
    head->waited_us = (apr_interval_time_t)lpp_saved_number(reader,
                                                            SPAN_MAX);
    head->cut_short = (apr_uint32_t)lpp_saved_number(reader, 255);
    head->total.wall_us = lpp_saved_number(reader, SPAN_MAX);
    head->total.cpu_us = lpp_saved_number(reader, head->total.wall_us);
    head->total.samples = lpp_saved_number(reader, SPAN_MAX);
    if (reader->at != reader->end || !lpp_store_is_id(head->id)) {
        reader->bad = 1;
    }
}

apr_status_t lpp_saved_read_head(lpp_saved_head_t *head, const char *data,
                                 apr_size_t len, apr_pool_t *pool)
{
    lpp_saved_reader_t reader;
    apr_uint32_t head_len;
    char *copy;

    memset(head, 0, sizeof(*head));
    memset(&reader, 0, sizeof(reader));
    if (len < LPP_SAVED_FIXED_BYTES
        || memcmp(data, LPP_SAVED_MAGIC, strlen(LPP_SAVED_MAGIC)) != 0
        || data[strlen(LPP_SAVED_MAGIC)] != LPP_SAVED_VERSION) {
        return APR_EINVAL;
    }
    head_len = lpp_saved_get_u32((const unsigned char *)data + 8);
    if (head_len > len - LPP_SAVED_FIXED_BYTES
        || head_len > LPP_SAVED_HEAD_MAX_BYTES - LPP_SAVED_FIXED_BYTES
        || crc32(0, (const unsigned char *)data + LPP_SAVED_FIXED_BYTES,
                 head_len)
               != lpp_saved_get_u32((const unsigned char *)data + 12)) {
        return APR_EINVAL;
    }
    copy = apr_pmemdup(pool, data + LPP_SAVED_FIXED_BYTES, head_len);
    if (!copy) {
        return APR_ENOMEM;
    }
    reader.at = (const unsigned char *)copy;
    reader.end = reader.at + head_len;
    read_head_fields(&reader, head);
    return reader.bad ? APR_EINVAL : APR_SUCCESS;
}

/* Uncompress the body behind the head into the reader's pool. */
static apr_status_t unpack(lpp_saved_reader_t *reader, const char *data,
                           apr_size_t len)
{
    apr_size_t head_len = lpp_saved_get_u32((const unsigned char *)data + 8);
    const unsigned char *at =
        (const unsigned char *)data + LPP_SAVED_FIXED_BYTES + head_len;
    apr_size_t left = len - LPP_SAVED_FIXED_BYTES - head_len, packed;
    unsigned char *body;
    uLongf got;

    if (left < 8) {
        return APR_EINVAL;
    }
    got = lpp_saved_get_u32(at);
    packed = lpp_saved_get_u32(at + 4);
    if (packed != left - 8 || got > LPP_SAVED_BODY_MAX_BYTES
        || got / LPP_SAVED_RATIO_MAX > packed) {
        return APR_EINVAL;
    }
    body = apr_palloc(reader->pool, got + 1);
    if (!body) {
        return APR_ENOMEM;
    }
    reader->at = body;
    reader->end = body + got;
    return uncompress(body, &got, at + 8, packed) == Z_OK
        && body + got == reader->end ? APR_SUCCESS : APR_EINVAL;
}

static void read_strings(lpp_saved_reader_t *reader)
{
    apr_uint32_t count = lpp_saved_count(reader, LPP_SAVED_STRINGS_MAX, 1), i;
    const char **strings = lpp_saved_array(reader, count, sizeof(*strings));

    for (i = 0; strings && i < count && !reader->bad; i++) {
        strings[i] = lpp_saved_get_bytes(reader);
    }
    reader->strings = strings;
    reader->string_count = reader->bad ? 0 : count;
}

static void read_about(lpp_saved_reader_t *reader, lpp_view_about_t *about)
{
    about->id = lpp_saved_string(reader);
    about->page_id = lpp_saved_string(reader);
    about->url = lpp_saved_string(reader);
    about->host = lpp_saved_string(reader);
    about->method = lpp_saved_string(reader);
    about->start = (apr_time_t)lpp_saved_number(reader, APR_UINT64_MAX);
    about->pid = (apr_uint32_t)lpp_saved_number(reader, APR_UINT32_MAX);
    about->tid = (apr_uint32_t)lpp_saved_number(reader, APR_UINT32_MAX);
    about->lines = (int)lpp_saved_number(reader, 1);
}

static void read_objects(lpp_saved_reader_t *reader, lpp_view_t *view)
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
        /* in order, so that each number is there once and can be found */
        if (object->number <= last) {
            reader->bad = 1;
        }
        last = object->number;
    }
    view->objects = objects;
    view->object_count = reader->bad ? 0 : count;
}

static void read_honesty(lpp_saved_reader_t *reader, lpp_honesty_t *honesty)
{
    const apr_uint64_t any = APR_UINT64_MAX;
    const char *unwinder;

    honesty->samples = lpp_saved_number(reader, any);
    honesty->lost = lpp_saved_number(reader, any);
    honesty->cut = lpp_saved_number(reader, any);
    honesty->broken = lpp_saved_number(reader, any);
    honesty->overflowed = lpp_saved_number(reader, any);
    honesty->blocked_ns = lpp_saved_number(reader, any);
    honesty->signals = lpp_saved_number(reader, any);
    honesty->repaired_calls = lpp_saved_number(reader, any);
    honesty->own_ns = lpp_saved_number(reader, any);
    honesty->asked_hz = (apr_uint32_t)lpp_saved_number(reader,
                                                       APR_UINT32_MAX);
    honesty->cut_short = (int)lpp_saved_number(reader, 255);
    honesty->lowered_hz = (apr_uint32_t)lpp_saved_number(reader,
                                                         APR_UINT32_MAX);
    unwinder = lpp_saved_optional(reader);
    honesty->unwinder = unwinder;
}

/* Head and body say the same, or somebody put two files together. */
static int agree(const lpp_saved_t *saved)
{
    const lpp_cost_t *head = &saved->head.total, *body = &saved->view->total;

    return head->wall_us == body->wall_us && head->cpu_us == body->cpu_us
        && head->samples == body->samples
        && strcmp(saved->head.id, saved->view->about.id) == 0;
}

static void read_body(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_view_t *view = lpp_saved_array(reader, 1, sizeof(*view));

    if (!view) {
        return;
    }
    saved->view = view;
    read_strings(reader);
    read_about(reader, &view->about);
    read_objects(reader, view);
    read_honesty(reader, &view->honesty);
    lpp_saved_read_tree(reader, view);
    saved->oops = lpp_saved_read_oops(reader);
    saved->oops_path = lpp_saved_string(reader);
    lpp_saved_read_sql(reader, saved);
    lpp_saved_read_extras(reader, saved);
    if (!reader->bad && reader->at != reader->end) {
        lpp_saved_read_calls(reader, view);
    }
    if (reader->at != reader->end || !agree(saved)) {
        reader->bad = 1;
    }
}

apr_status_t lpp_saved_read(lpp_saved_t **saved, const char *data,
                            apr_size_t len, apr_pool_t *pool)
{
    lpp_saved_reader_t reader;
    lpp_saved_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_status_t status;

    *saved = NULL;
    if (!made) {
        return APR_ENOMEM;
    }
    status = lpp_saved_read_head(&made->head, data, len, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    memset(&reader, 0, sizeof(reader));
    reader.pool = pool;
    status = apr_pool_create(&reader.scratch, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = unpack(&reader, data, len);
    if (status == APR_SUCCESS) {
        read_body(&reader, made);
        status = !reader.bad ? APR_SUCCESS
            : reader.status != APR_SUCCESS ? reader.status : APR_EINVAL;
    }
    apr_pool_destroy(reader.scratch);
    if (status == APR_SUCCESS) {
        *saved = made;
    }
    return status;
}
