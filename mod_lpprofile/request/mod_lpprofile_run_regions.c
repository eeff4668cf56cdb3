/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_regions: the inline regions of a run, and its memory, as
 * OOPS and page show them.
 */
#include "request/mod_lpprofile_run_internal.h"

void lpp_run_enter_region(lpp_run_t *run, const char *name, int profiled)
{
    if (!run->regions) {
        run->regions = lpp_regions_create(run->pool);
        if (!run->regions) {
            return;
        }
    }
    /* The session runs since it was begun for the first of them. */
    if (run->inline_only && profiled && run->session
        && lpp_regions_profiles(run->regions) > 0
        && !lpp_regions_profiled_depth(run->regions)
        && lpp_session_resume(run->session) != APR_SUCCESS) {
        lpp_run_freeze_regions(run);
        lpp_session_stop(run->session, LPP_STOP_NOT);
    }
    (void)lpp_regions_enter(run->regions, name, profiled, lpp_run_now_us());
}

int lpp_run_leave_region(lpp_run_t *run)
{
    if (!run->regions || !lpp_regions_depth(run->regions)) {
        return 0;
    }
    if (lpp_regions_leave(run->regions, lpp_run_now_us()) && run->inline_only
        && run->session) {
        lpp_session_pause(run->session);
    }
    return 1;
}

void lpp_run_freeze_regions(lpp_run_t *run)
{
    if (run->regions) {
        lpp_regions_freeze(run->regions, lpp_run_now_us());
    }
}

void lpp_run_close_regions(lpp_run_t *run)
{
    if (run->regions) {
        lpp_regions_leave_all(run->regions, lpp_run_now_us());
        lpp_run_freeze_regions(run);
    }
}

void lpp_run_add_regions_to(const lpp_run_t *run, lpp_oops_t *oops)
{
    apr_time_t now = lpp_run_now_us();
    apr_uint32_t i;

    if (!run->regions) {
        return;
    }
    for (i = 0; i < lpp_regions_count(run->regions); i++) {
        lpp_region_t region = lpp_regions_get(run->regions, i, now);

        lpp_oops_add_event(oops, lpp_run_ms(run, region.start_us),
                           lpp_run_ms(run, region.end_us), "inline",
                           region.name);
    }
    oops->timeline_dropped += lpp_regions_dropped(run->regions);
}

void lpp_run_report_regions(const lpp_run_t *run, lpp_report_t *report,
                            apr_pool_t *pool)
{
    const lpp_region_sum_t *sums;
    lpp_report_region_t *rows;
    apr_time_t now = lpp_run_now_us();
    apr_uint32_t i;

    if (!run->regions) {
        return;
    }
    sums = lpp_regions_sums(run->regions, &report->region_count);
    rows = apr_palloc(pool, (report->region_count + 1) * sizeof(*rows));
    for (i = 0; i < report->region_count; i++) {
        rows[i].name = sums[i].name;
        rows[i].count = sums[i].count;
        rows[i].wall_us = lpp_regions_sum_us(run->regions, i, now);
    }
    report->regions = rows;
    if (run->inline_only) {
        report->inline_count = lpp_regions_profiles(run->regions);
    }
    else {
        report->inline_ignored = lpp_regions_profiles(run->regions) > 0;
    }
}

static void copy_sizes(lpp_report_memory_t *to, const lpp_memory_sizes_t *from)
{
    to->vss_bytes = from->vss_bytes;
    to->rss_bytes = from->rss_bytes;
    to->heap_bytes = from->heap_bytes;
}

void lpp_run_report_memory(const lpp_run_t *run, lpp_report_t *report,
                           apr_pool_t *pool)
{
    lpp_report_memory_t *memory = apr_palloc(pool, 2 * sizeof(*memory));
    lpp_memory_sizes_t now;

    lpp_memory_read(&now, &run->memory);
    copy_sizes(&memory[0], &run->memory);
    copy_sizes(&memory[1], &now);
    report->memory = memory;
}
