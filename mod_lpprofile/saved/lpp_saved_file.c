/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_file: writes and reads the file of a saved profile: its head, the
 * compressed body, and the table of its sections. Values that can be computed
 * from others are not written. The content of a file is not trusted: see
 * lpp_saved.h.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "saved/lpp_saved_internal.h"

#define SPAN_MAX (APR_UINT64_C(1) << 62) /* any duration, in microseconds */
#define LENGTH_BYTES 4                   /* of a section's length */

/*
 * The sections of a body, in the order of their tags. A new section needs its
 * own tag, higher than those of the sections it needs while it is read, and two
 * functions beside each other in the file for its subject. A tag is never used
 * for something else. Values are added only at the end of a section: an older
 * reader stops before them, and a newer reader checks whether at is end before
 * it reads them.
 */
static const lpp_saved_section_t sections[] = {
    {10, 1, lpp_saved_put_about, lpp_saved_read_about},
    {20, 1, lpp_saved_put_objects, lpp_saved_read_objects},
    {30, 1, lpp_saved_put_statistics, lpp_saved_read_statistics},
    {35, 0, lpp_saved_put_page_statistics, lpp_saved_read_page_statistics},
    {37, 0, lpp_saved_put_kernel_statistics, lpp_saved_read_kernel_statistics},
    {38, 0, lpp_saved_put_shares, lpp_saved_read_shares},
    {40, 1, lpp_saved_put_tree, lpp_saved_read_tree},
    {45, 0, lpp_saved_put_pagecode, lpp_saved_read_pagecode}, /* needs the
                                                                 tree */
    {47, 0, lpp_saved_put_waits, lpp_saved_read_waits}, /* needs the tree */
    {50, 0, lpp_saved_put_calls, lpp_saved_read_calls}, /* needs the tree */
    {60, 0, lpp_saved_put_oops, lpp_saved_read_oops},
    {70, 0, lpp_saved_put_sql, lpp_saved_read_sql},
    {75, 0, lpp_saved_put_sql_lines, lpp_saved_read_sql_lines}, /* needs sql */
    {80, 0, lpp_saved_put_memory, lpp_saved_read_memory},
    {90, 0, lpp_saved_put_regions, lpp_saved_read_regions},
};

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
    lpp_saved_add_number(buf, (apr_uint64_t)saved->view->statistics.cut_short);
    lpp_saved_add_number(buf, saved->view->total.wall_us);
    lpp_saved_add_number(buf, saved->view->total.cpu_us);
    lpp_saved_add_number(buf, saved->view->total.samples);
    lpp_saved_add_number(buf, (apr_uint64_t)saved->view->statistics.ready);
    lpp_saved_add_number(buf, saved->view->total.ready_us);
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

/* Write tag, length and content; nothing if the content is empty. */
static void put_section(lpp_saved_writer_t *writer,
                        const lpp_saved_section_t *section,
                        const lpp_saved_t *saved)
{
    lpp_buf_t *content = &writer->content;
    apr_size_t before = content->len, start;

    lpp_saved_add_number(content, section->tag);
    lpp_buf_add(content, "\0\0\0", LENGTH_BYTES);
    start = content->len;
    section->put(writer, saved);
    if (content->status != APR_SUCCESS) {
        return;
    }
    if (content->len == start) {
        content->len = before;
        return;
    }
    lpp_saved_set_u32(content->data + start - LENGTH_BYTES,
                      content->len - start);
    writer->sections++;
}

static void put_sections(lpp_saved_writer_t *writer, const lpp_saved_t *saved)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(sections); i++) {
        put_section(writer, &sections[i], saved);
    }
}

/* An error of any buffer, else APR_SUCCESS. */
static apr_status_t status_of(const lpp_saved_writer_t *writer)
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
    lpp_saved_writer_t writer; /* lives longer than its pool, which owns its
                                  buffers */
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
        put_sections(&writer, saved);
    }
    lpp_saved_add_number(&writer.body, writer.count);
    if (status_of(&writer) == APR_SUCCESS) {
        lpp_buf_add(&writer.body, writer.strings.data, writer.strings.len);
        lpp_saved_add_number(&writer.body, writer.sections);
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
    if (reader->at < reader->end) { /* older files have none */
        head->ready = (int)lpp_saved_number(reader, LPP_READY_EXACT);
        head->total.ready_us = lpp_saved_number(
            reader, head->total.wall_us - head->total.cpu_us);
    }
    /* a later version may have added values here */
    if (!lpp_store_is_id(head->id)) {
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

/* Uncompress the body, after the head, into the reader's pool. */
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

/* A walk over the sections; tag 0: no section is left. */
typedef struct walk_t {
    apr_uint32_t left;             /* sections after this one */
    apr_uint32_t tag;
    const unsigned char *at, *end; /* its content */
} walk_t;

/* Go to the next section. Its tag must be higher than the last one, so that
 * each section occurs once, and in the order of the table. */
static void next_section(lpp_saved_reader_t *reader, walk_t *walk)
{
    apr_uint32_t last = walk->tag, len = 0;

    walk->tag = 0;
    if (reader->bad || walk->left == 0) {
        return;
    }
    walk->left--;
    walk->tag = (apr_uint32_t)lpp_saved_number(reader, APR_UINT32_MAX);
    if (walk->tag > last && reader->end - reader->at >= LENGTH_BYTES) {
        len = lpp_saved_get_u32(reader->at);
        reader->at += LENGTH_BYTES;
    }
    else {
        reader->bad = 1;
    }
    if (len > (apr_size_t)(reader->end - reader->at)) {
        reader->bad = 1;
    }
    if (reader->bad) {
        walk->tag = 0;
        return;
    }
    walk->at = reader->at;
    walk->end = reader->at += len;
}

/* Read the current section. Values at its end that this version does not know
 * are skipped. */
static void read_section(lpp_saved_reader_t *reader, const walk_t *walk,
                         const lpp_saved_section_t *section,
                         lpp_saved_t *saved)
{
    const unsigned char *end = reader->end;

    reader->at = walk->at;
    reader->end = walk->end;
    section->read(reader, saved);
    reader->at = walk->end;
    reader->end = end;
}

/* Read each section that is in the table; skip the others. */
static void read_sections(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    walk_t walk = {0, 0, NULL, NULL};
    unsigned i;

    walk.left = lpp_saved_count(reader, APR_UINT32_MAX, 1 + LENGTH_BYTES);
    next_section(reader, &walk);
    for (i = 0; i < LPP_COUNT(sections) && !reader->bad; i++) {
        while (walk.tag && walk.tag < sections[i].tag) {
            next_section(reader, &walk);
        }
        if (walk.tag == sections[i].tag) {
            read_section(reader, &walk, &sections[i], saved);
            next_section(reader, &walk);
        }
        else if (sections[i].required) {
            reader->bad = 1;
        }
    }
    while (walk.tag) {
        next_section(reader, &walk);
    }
    if (reader->at != reader->end) {
        reader->bad = 1;
    }
}

/* Whether head and body are of the same profile. */
static int agree(const lpp_saved_t *saved)
{
    const lpp_cost_t *head = &saved->head.total, *body = &saved->view->total;

    return head->wall_us == body->wall_us && head->cpu_us == body->cpu_us
        && head->samples == body->samples
        && head->ready_us == body->ready_us
        && saved->head.ready == saved->view->statistics.ready
        && strcmp(saved->head.id, saved->view->about.id) == 0;
}

static void read_body(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    reader->view = lpp_saved_array(reader, 1, sizeof(*reader->view));
    if (!reader->view) {
        return;
    }
    saved->view = reader->view;
    saved->oops_path = "";
    read_strings(reader);
    read_sections(reader, saved);
    if (!reader->bad && !agree(saved)) {
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
