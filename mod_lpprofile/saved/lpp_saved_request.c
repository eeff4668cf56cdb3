/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_request: three sections of a saved profile: the request, the
 * process's memory, and the inline regions.
 */
#include "saved/lpp_saved_internal.h"

#define REGIONS_MAX 10000
#define REGION_BYTES 3

void lpp_saved_put_about(lpp_saved_writer_t *writer, const lpp_saved_t *saved)
{
    const lpp_view_about_t *about = &saved->view->about;

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

void lpp_saved_read_about(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_view_about_t *about = &reader->view->about;

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

void lpp_saved_put_memory(lpp_saved_writer_t *writer,
                          const lpp_saved_t *saved)
{
    unsigned at;

    for (at = 0; saved->memory && at < 2; at++) {
        lpp_saved_put_number(writer, saved->memory[at].vss_bytes);
        lpp_saved_put_number(writer, saved->memory[at].rss_bytes);
        lpp_saved_put_number(writer, saved->memory[at].heap_bytes);
    }
}

void lpp_saved_read_memory(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_memory_sizes_t *memory = lpp_saved_array(reader, 2, sizeof(*memory));
    unsigned at;

    for (at = 0; memory && at < 2; at++) {
        memory[at].vss_bytes = lpp_saved_number(reader, APR_INT64_MAX);
        memory[at].rss_bytes = lpp_saved_number(reader, APR_INT64_MAX);
        memory[at].heap_bytes = lpp_saved_number(reader, APR_INT64_MAX);
    }
    saved->memory = memory;
}

void lpp_saved_put_regions(lpp_saved_writer_t *writer,
                           const lpp_saved_t *saved)
{
    apr_uint32_t i, count = saved->region_count;

    if (!saved->inline_count && !saved->inline_ignored && !count) {
        return;
    }
    lpp_saved_put_number(writer, saved->inline_count);
    lpp_saved_put_number(writer, saved->inline_ignored != 0);
    count = count < REGIONS_MAX ? count : REGIONS_MAX;
    lpp_saved_put_number(writer, count);
    for (i = 0; i < count; i++) {
        lpp_saved_put_string(writer, saved->regions[i].name);
        lpp_saved_put_number(writer, saved->regions[i].count);
        lpp_saved_put_number(writer, saved->regions[i].wall_us);
    }
}

void lpp_saved_read_regions(lpp_saved_reader_t *reader, lpp_saved_t *saved)
{
    lpp_region_sum_t *regions;
    apr_uint32_t i, count;

    saved->inline_count = (apr_uint32_t)lpp_saved_number(reader,
                                                         APR_INT32_MAX);
    saved->inline_ignored = (int)lpp_saved_number(reader, 1);
    count = lpp_saved_count(reader, REGIONS_MAX, REGION_BYTES);
    regions = lpp_saved_array(reader, count, sizeof(*regions));
    for (i = 0; regions && i < count && !reader->bad; i++) {
        regions[i].name = lpp_saved_string(reader);
        regions[i].count = (apr_uint32_t)lpp_saved_number(reader,
                                                          APR_INT32_MAX);
        regions[i].wall_us = lpp_saved_number(reader, APR_INT64_MAX);
    }
    saved->regions = regions;
    saved->region_count = reader->bad ? 0 : count;
}
