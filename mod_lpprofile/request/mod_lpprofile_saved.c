/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_saved: the saved form of a run, for the report pages, and whose
 * it is. Runs on the jobs thread beside mod_lpprofile_finish.c.
 */
#include <apr_sha1.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_main.h>

#include "saved/lpp_saved.h"
#include "store/lpp_store.h"
#include "request/mod_lpprofile_run_internal.h"

static void copy_sizes(lpp_saved_memory_t *to, const lpp_memory_sizes_t *from)
{
    to->vss_bytes = from->vss_bytes;
    to->rss_bytes = from->rss_bytes;
    to->heap_bytes = from->heap_bytes;
}

/* Memory and inline regions, as the block has them. */
static void add_extras(const lpp_run_t *run, lpp_saved_t *saved)
{
    lpp_saved_memory_t *memory = apr_palloc(run->pool, 2 * sizeof(*memory));
    lpp_saved_region_t *regions;
    lpp_report_t report;
    apr_uint32_t i;

    if (run->memory_after.vss_bytes > 0) { /* else it died before */
        copy_sizes(&memory[0], &run->memory);
        copy_sizes(&memory[1], &run->memory_after);
        saved->memory = memory;
    }
    memset(&report, 0, sizeof(report));
    lpp_run_report_regions(run, &report, run->pool);
    regions = apr_palloc(run->pool, (report.region_count + 1)
                         * sizeof(*regions));
    for (i = 0; i < report.region_count; i++) {
        regions[i].name = report.regions[i].name;
        regions[i].count = report.regions[i].count;
        regions[i].wall_us = report.regions[i].wall_us;
    }
    saved->regions = regions;
    saved->region_count = report.region_count;
    saved->inline_count = report.inline_count;
    saved->inline_ignored = report.inline_ignored;
}

apr_status_t lpp_run_save(const lpp_run_t *run, const lpp_view_t *view,
                          lpp_store_t *store)
{
    lpp_store_file_t *file;
    lpp_saved_t saved;
    apr_status_t rv;

    memset(&saved, 0, sizeof(saved));
    saved.head.vhost = run->vhost;
    saved.head.outcome = run->status;
    saved.head.status = (apr_uint32_t)run->http_status;
    saved.head.waited_us = run->waited_us;
    saved.view = view;
    saved.oops = run->oops;
    saved.oops_path = lpp_run_oops_path(run, run->pool);
    saved.sql = lpp_run_sql_view(run, run->begin_us + run->duration_us,
                                 run->pool);
    saved.sql_condition = run->plan ? run->plan->sql_condition : NULL;
    add_extras(run, &saved);
    rv = lpp_store_begin(store, NULL,
                         lpp_store_name(run->stem, LPP_FORMAT_SAVED,
                                        run->pool), &file, run->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_saved_write(&saved, lpp_store_sink(file), run->pool);
    if (rv != APR_SUCCESS) {
        lpp_store_abort(file);
        return rv;
    }
    return lpp_store_finish(file, NULL);
}
