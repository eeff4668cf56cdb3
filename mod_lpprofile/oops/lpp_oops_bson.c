/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_bson: a record as one bson document, keys as python-oops' README
 * names them; times of the timeline in whole milliseconds, as in rfc822.
 *
 * libbson does the encoding. It ends the process when malloc fails, so the most
 * memory that it can need here is allocated and freed first.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <bson/bson.h>

#include "base/lpp_utf8.h"
#include "oops/lpp_oops.h"
#include "oops/lpp_oops_text_internal.h"

#define ROW_BYTES 96 /* of a timeline row without its texts */
#define VAR_BYTES 16 /* of a variable without its texts */
#define HEAD_BYTES 1024
#define GROWTH 8 /* doubled beyond the need, and copied meanwhile */

typedef struct encoder_t {
    bson_t *document;
    apr_pool_t *pool; /* for texts that had to be made valid */
    int failed;
} encoder_t;

/* The length of the valid character at the begin of text; 0: it is not
 * valid. */
static unsigned valid_length(const char *text)
{
    apr_uint32_t character;
    unsigned len = lpp_utf8_read(text, &character);

    return character == LPP_UTF8_INVALID ? 0 : len;
}

/* The text itself where it is valid UTF-8, else with its bad bytes escaped. */
static const char *valid(encoder_t *encoder, const char *text)
{
    apr_size_t bad = 0;
    const char *c;
    char *copy, *to;
    unsigned len;

    for (c = text; *c; c += len ? len : 1) {
        len = valid_length(c);
        bad += len == 0;
    }
    if (!bad) {
        return text;
    }
    copy = to =
        apr_palloc(encoder->pool, (apr_size_t)(c - text) + 3 * bad + 1);
    if (!copy) {
        encoder->failed = 1;
        return "";
    }
    for (c = text; *c; c += len ? len : 1) {
        len = valid_length(c);
        if (len) {
            memcpy(to, c, len);
            to += len;
        }
        else {
            to += apr_snprintf(to, 5, "\\x%02x", (unsigned char)*c);
        }
    }
    *to = '\0';
    return copy;
}

static void add_text(encoder_t *encoder, bson_t *to, const char *key,
                     const char *text)
{
    if (!bson_append_utf8(to, key, -1, valid(encoder, text), -1)) {
        encoder->failed = 1;
    }
}

static void add_texts(encoder_t *encoder, const lpp_oops_t *oops)
{
    const struct {
        const char *key;
        const char *text;
    } texts[] = {{"id", oops->id},
                 {"type", oops->type},
                 {"value", oops->value},
                 {"reporter", oops->reporter},
                 {"topic", oops->topic},
                 {"branch_nick", oops->branch_nick},
                 {"revno", oops->revno},
                 {"tb_text", oops->tb_text},
                 {"username", oops->username},
                 {"url", oops->url}};
    unsigned i;

    for (i = 0; i < LPP_COUNT(texts); i++) {
        if (texts[i].text) {
            add_text(encoder, encoder->document, texts[i].key, texts[i].text);
        }
    }
}

static void add_variables(encoder_t *encoder, const lpp_oops_t *oops)
{
    const apr_array_header_t *all = apr_table_elts(oops->req_vars);
    bson_t variables;
    int i;

    if (!bson_append_document_begin(encoder->document, "req_vars", -1,
                                    &variables)) {
        encoder->failed = 1;
        return;
    }
    for (i = 0; i < all->nelts; i++) {
        const apr_table_entry_t *entry =
            &APR_ARRAY_IDX(all, i, apr_table_entry_t);

        if (entry->key && entry->val) {
            add_text(encoder, &variables, valid(encoder, entry->key),
                     entry->val);
        }
    }
    if (!bson_append_document_end(encoder->document, &variables)) {
        encoder->failed = 1;
    }
}

/* int32 where it fits: readers get a plain integer. */
static int add_ms(bson_t *row, const char *key, double ms)
{
    return ms <= 0x7fffffff ? bson_append_int32(row, key, -1, (int32_t)ms)
                            : bson_append_int64(row, key, -1, (int64_t)ms);
}

static void add_event(encoder_t *encoder, bson_t *timeline, unsigned index,
                      const lpp_oops_event_t *event)
{
    const char *key;
    char digits[16];
    bson_t row;

    bson_uint32_to_string(index, &key, digits, sizeof(digits));
    if (!bson_append_array_begin(timeline, key, -1, &row)) {
        encoder->failed = 1;
        return;
    }
    if (!add_ms(&row, "0", event->start_ms)
        || !add_ms(&row, "1", event->end_ms)) {
        encoder->failed = 1;
    }
    add_text(encoder, &row, "2", event->category);
    add_text(encoder, &row, "3", event->detail);
    if (!bson_append_array_end(timeline, &row)) {
        encoder->failed = 1;
    }
}

static void add_timeline(encoder_t *encoder, const lpp_oops_t *oops)
{
    bson_t timeline;
    int i;

    if (!bson_append_array_begin(encoder->document, "timeline", -1,
                                 &timeline)) {
        encoder->failed = 1;
        return;
    }
    for (i = 0; i < oops->timeline->nelts; i++) {
        add_event(encoder, &timeline, (unsigned)i,
                  &APR_ARRAY_IDX(oops->timeline, i, lpp_oops_event_t));
    }
    if (!bson_append_array_end(encoder->document, &timeline)) {
        encoder->failed = 1;
    }
}

static apr_size_t text_bytes(const char *text)
{
    return text ? 4 * strlen(text) : 0; /* each invalid byte becomes four */
}

/* An upper bound of the size of the document. */
static apr_size_t most_bytes(const lpp_oops_t *oops)
{
    const apr_array_header_t *vars = apr_table_elts(oops->req_vars);
    apr_size_t most = HEAD_BYTES + text_bytes(oops->id)
                      + text_bytes(oops->type) + text_bytes(oops->value)
                      + text_bytes(oops->reporter) + text_bytes(oops->topic)
                      + text_bytes(oops->branch_nick) + text_bytes(oops->revno)
                      + text_bytes(oops->tb_text) + text_bytes(oops->username)
                      + text_bytes(oops->url);
    int i;

    for (i = 0; i < vars->nelts; i++) {
        const apr_table_entry_t *entry =
            &APR_ARRAY_IDX(vars, i, apr_table_entry_t);

        most += VAR_BYTES + text_bytes(entry->key) + text_bytes(entry->val);
    }
    for (i = 0; i < oops->timeline->nelts; i++) {
        const lpp_oops_event_t *event =
            &APR_ARRAY_IDX(oops->timeline, i, lpp_oops_event_t);

        most += ROW_BYTES + text_bytes(event->category)
                + text_bytes(event->detail);
    }
    return most;
}

/* Check whether libbson will get its memory. Another thread may allocate that
 * memory in between; the process then ends, as it does when httpd's own pools
 * get no memory. */
static apr_status_t try_memory(const lpp_oops_t *oops)
{
    apr_size_t most = most_bytes(oops);
    void *memory;

    if (most > LPP_FILE_MAX_BYTES) {
        return APR_ENOSPC;
    }
    memory = malloc(GROWTH * most);
    if (!memory) {
        return APR_ENOMEM;
    }
    free(memory);
    return APR_SUCCESS;
}

apr_status_t lpp_oops_write_bson(const lpp_oops_t *oops,
                                 const lpp_sink_t *sink, apr_pool_t *scratch)
{
    bson_t document = BSON_INITIALIZER;
    encoder_t encoder = {&document, scratch, 0};
    apr_status_t rv = try_memory(oops);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    add_texts(&encoder, oops);
    if (!bson_append_date_time(&document, "time", -1,
                               apr_time_as_msec(oops->time))
        || !bson_append_double(&document, "duration", -1, oops->duration_s)
        || !bson_append_bool(&document, "informational", -1,
                             oops->informational != 0)) {
        encoder.failed = 1;
    }
    add_variables(&encoder, oops);
    add_timeline(&encoder, oops);
    rv = encoder.failed
             ? APR_ENOMEM
             : lpp_sink_write(sink, (const char *)bson_get_data(&document),
                              document.len);
    bson_destroy(&document);
    return rv;
}
