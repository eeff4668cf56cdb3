/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_oops: the section of the OOPS of a saved profile, and of the path
 * where it was written. Secrets were hidden before; nothing is masked here.
 */
#include <string.h>

#include "saved/lpp_saved_internal.h"

#define SECONDS_MAX 1e12

static void put_variables(lpp_saved_writer_t *writer, const apr_table_t *table)
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

/* Microseconds and 1, or 0: not known. */
static void put_share(lpp_saved_writer_t *writer, double ms)
{
    lpp_saved_put_number(writer, ms < 0 ? 0
                                        : (apr_uint64_t)(ms * 1000) + 1);
}

static double read_share(lpp_saved_reader_t *reader)
{
    apr_uint64_t us = lpp_saved_number(reader, LPP_SAVED_TOTAL_MAX);

    return us == 0 ? -1 : (double)(us - 1) / 1000;
}

static void put_oops(lpp_saved_writer_t *writer, const lpp_oops_t *oops)
{
    int i;

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
    for (i = 0; i < oops->timeline->nelts; i++) {
        const lpp_oops_event_t *event =
            &APR_ARRAY_IDX(oops->timeline, i, lpp_oops_event_t);

        put_share(writer, event->cpu_ms);
        put_share(writer, event->ready_ms);
    }
}

void lpp_saved_put_oops(lpp_saved_writer_t *writer, const lpp_saved_t *saved)
{
    lpp_saved_put_string(writer, saved->oops_path);
    lpp_saved_put_number(writer, saved->oops != NULL);
    if (saved->oops) {
        put_oops(writer, saved->oops);
    }
}

static double read_double(lpp_saved_reader_t *reader)
{
    apr_uint64_t bits = 0;
    double value;
    unsigned i;

    if (reader->bad || reader->end - reader->at < 8) {
        reader->bad = 1;
        return 0;
    }
    for (i = 0; i < 8; i++) {
        bits |= (apr_uint64_t)*reader->at++ << (8 * i);
    }
    memcpy(&value, &bits, sizeof(value));
    if (!(value >= 0 && value <= SECONDS_MAX)) { /* NaN too */
        reader->bad = 1;
        return 0;
    }
    return value;
}

static void read_variables(lpp_saved_reader_t *reader, lpp_oops_t *oops)
{
    apr_uint32_t count = lpp_saved_count(reader, LPP_SAVED_VARS_MAX, 2), i;

    for (i = 0; i < count && !reader->bad; i++) {
        const char *name = lpp_saved_string(reader);

        apr_table_addn(oops->req_vars, name, lpp_saved_string(reader));
    }
}

static void read_timeline(lpp_saved_reader_t *reader, lpp_oops_t *oops)
{
    apr_uint32_t count = lpp_saved_count(reader, LPP_TIMELINE_MAX, 18), i;
    double last = 0;

    for (i = 0; i < count && !reader->bad; i++) {
        lpp_oops_event_t event;

        event.start_ms = read_double(reader);
        event.end_ms = read_double(reader);
        event.category = lpp_saved_string(reader);
        event.detail = lpp_saved_string(reader);
        event.cpu_ms = event.ready_ms = -1;
        /* sorted by start, and no event ends before it begins */
        if (event.start_ms < last || event.end_ms < event.start_ms) {
            reader->bad = 1;
        }
        last = event.start_ms;
        APR_ARRAY_PUSH(oops->timeline, lpp_oops_event_t) = event;
    }
    oops->timeline_dropped = (apr_uint32_t)lpp_saved_number(reader,
                                                            APR_UINT32_MAX);
    /* older files have none */
    for (i = 0; i < count && !reader->bad && reader->at < reader->end; i++) {
        lpp_oops_event_t *event =
            &APR_ARRAY_IDX(oops->timeline, (int)i, lpp_oops_event_t);

        event->cpu_ms = read_share(reader);
        event->ready_ms = read_share(reader);
    }
}

void lpp_saved_read_oops(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_oops_t *oops;

    saved->oops_path = lpp_saved_string(reader);
    if (!lpp_saved_number(reader, 1)) {
        return;
    }
    if (lpp_oops_create(&oops, "", reader->pool) != APR_SUCCESS) {
        reader->bad = 1;
        reader->status = APR_ENOMEM;
        return;
    }
    saved->oops = oops;
    oops->id = lpp_saved_string(reader);
    oops->type = lpp_saved_string(reader);
    oops->value = lpp_saved_string(reader);
    oops->reporter = lpp_saved_string(reader);
    oops->topic = lpp_saved_string(reader);
    oops->branch_nick = lpp_saved_string(reader);
    oops->revno = lpp_saved_string(reader);
    oops->tb_text = lpp_saved_string(reader);
    oops->url = lpp_saved_string(reader);
    oops->username = lpp_saved_optional(reader);
    oops->time = (apr_time_t)lpp_saved_number(reader, APR_UINT64_MAX);
    oops->duration_s = read_double(reader);
    oops->informational = (int)lpp_saved_number(reader, 1);
    read_variables(reader, oops);
    read_timeline(reader, oops);
}
