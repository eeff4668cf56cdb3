/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_records: what a run records exactly, in addition to
 * samples: calls of hooks, SQL statements, phases, inline regions; and how the
 * timeline, the headers and the page show them.
 *
 * Calls are recorded from the start of the session until the run is passed to
 * the jobs thread. Statements are recorded in each profiling run, for its OOPS,
 * and shown if the URL asks for them.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "base/lpp_clock.h"
#include "request/mod_lpprofile_run_internal.h"
#include "server/mod_lpprofile_wrappers.h"
#include "server/mod_lpprofile_process.h"

#define TIMING_MAX 8            /* metrics of Server-Timing */
#define TIMING_MIN_NS 1000000   /* shorter calls have no metric */

void lpp_run_start_calls(lpp_run_t *run)
{
    if (lpp_wrappers_count() > 0 && run->profiling.session
        && lpp_calls_create(&run->records.calls, lpp_wrappers_hooks(),
                            lpp_wrappers_left_out(), run->pool)
           == APR_SUCCESS) {
        run->records.counting = 1;
        lpp_calls_count_ready(run->records.calls, lpp_session_ready_ns,
                              run->profiling.session);
        lpp_wrappers_watch();
    }
}

void lpp_run_stop_calls(lpp_run_t *run)
{
    if (run->records.counting) {
        run->records.counting = 0;
        lpp_wrappers_unwatch();
    }
}

/* Calls are counted over the whole request, so a profile of regions alone has
 * none. */
const lpp_calls_table_t *lpp_run_calls_table(const lpp_run_t *run,
                                             apr_pool_t *pool)
{
    return run->records.calls && !run->asked.inline_only
        ? lpp_calls_table(run->records.calls, pool) : NULL;
}

unsigned lpp_run_enter_profiler(const lpp_run_t *run)
{
    return run->records.counting
        ? lpp_calls_enter_here(run->records.calls, LPP_WRAPPERS_PROFILER) : 0;
}

void lpp_run_leave_profiler(const lpp_run_t *run, unsigned handle)
{
    if (run->records.counting) {
        lpp_calls_leave(run->records.calls, handle, NULL, 0);
    }
}

static int by_self(const void *a, const void *b)
{
    const lpp_call_t *left = *(const lpp_call_t *const *)a;
    const lpp_call_t *right = *(const lpp_call_t *const *)b;

    return left->self_wall_ns > right->self_wall_ns ? -1
        : left->self_wall_ns < right->self_wall_ns;
}

/* The name of a metric is a token: "check_user_id.mod_auth_basic". */
static const char *metric(const lpp_call_t *call, apr_pool_t *pool)
{
    char *name = apr_pstrcat(pool, call->phase, ".", call->module, NULL);
    char *at, *dot = strrchr(name, '.');

    if (strcmp(dot, ".c") == 0) {
        *dot = '\0';
    }
    for (at = name; *at; at++) {
        if (!lpp_is_alnum(*at) && *at != '_' && *at != '-' && *at != '.') {
            *at = '_';
        }
    }
    return name;
}

const char *lpp_run_calls_timing(const lpp_run_t *run, apr_pool_t *pool)
{
    const lpp_calls_table_t *table;
    const lpp_call_t **sorted;
    const char *value = NULL;
    apr_uint32_t i, count = 0;

    table = run->records.calls ? lpp_calls_table(run->records.calls, pool)
                               : NULL;
    if (!table || table->count == 0) {
        return NULL;
    }
    sorted = apr_palloc(pool, table->count * sizeof(*sorted));
    for (i = 0; i < table->count; i++) {
        if (table->calls[i].self_wall_ns >= TIMING_MIN_NS) {
            sorted[count++] = &table->calls[i];
        }
    }
    qsort(sorted, count, sizeof(*sorted), by_self);
    for (i = 0; i < count && i < TIMING_MAX; i++) {
        value = apr_psprintf(pool, "%s%s%s;dur=%.3f", value ? value : "",
                             value ? ", " : "", metric(sorted[i], pool),
                             (double)sorted[i]->self_wall_ns / 1e6);
    }
    return value;
}

int lpp_run_asks_sql(const lpp_run_t *run)
{
    const lpp_plan_t *plan = run->asked.plan;

    return plan && (plan->actions & (LPP_ACTION_SQL | LPP_ACTION_SQLTRACE));
}

void lpp_run_start_sql(lpp_run_t *run)
{
    const lpp_plan_t *plan = run->asked.plan;
    lpp_sql_options_t options;
    lpp_sqlfilter_t *filter = NULL;

    if (run->asked.aggregate) {
        return; /* no output would contain them */
    }
    memset(&options, 0, sizeof(options));
    options.begin_us = run->facts.begin_us;
    options.session = run->profiling.session;
    options.traced = plan && (plan->actions & LPP_ACTION_SQLTRACE);
    if (options.traced && plan->sql_condition
        && lpp_sqlfilter_parse(plan->sql_condition, &filter, run->pool)
           == APR_SUCCESS) {
        options.filter = filter;
    }
    if (lpp_sql_start(&run->records.sql, &options, run->pool) != APR_SUCCESS) {
        run->records.sql = NULL; /* the profile then has no statements */
    }
}

void lpp_run_stop_sql(lpp_run_t *run)
{
    if (run->records.sql) {
        lpp_sql_stop(run->records.sql);
    }
}

const lpp_sqlview_t *lpp_run_sql_view(const lpp_run_t *run,
                                      apr_time_t until_us, apr_pool_t *pool)
{
    apr_time_t gate_us = run->profiling.hook_us + run->profiling.waited_us;
    apr_time_t begin_us = run->facts.begin_us;
    const lpp_sqlview_t *view;

    if (!run->records.sql || !lpp_run_asks_sql(run)
        || lpp_sqlview_create(&view, lpp_sql_log(run->records.sql),
                              lpp_process_get()->symbols,
                              (apr_uint64_t)(gate_us - begin_us),
                              (apr_uint64_t)(until_us - begin_us), pool)
           != APR_SUCCESS) {
        return NULL;
    }
    return view;
}

void lpp_run_freeze_regions(lpp_run_t *run)
{
    if (run->records.regions) {
        lpp_regions_freeze(run->records.regions, lpp_monotonic_us());
    }
}

void lpp_run_close_regions(lpp_run_t *run)
{
    if (run->records.regions) {
        lpp_regions_leave_all(run->records.regions, lpp_monotonic_us());
        lpp_run_freeze_regions(run);
    }
}

apr_uint32_t lpp_run_inline_profiles(const lpp_run_t *run)
{
    return run->records.regions ? lpp_regions_profiles(run->records.regions)
                                : 0;
}

const lpp_region_sum_t *lpp_run_region_sums(const lpp_run_t *run,
                                            apr_uint32_t *count,
                                            apr_pool_t *pool)
{
    const lpp_regions_t *regions = run->records.regions;
    const lpp_region_sum_t *sums;
    lpp_region_sum_t *rows;
    apr_time_t now = lpp_monotonic_us();
    apr_uint32_t i;

    *count = 0;
    if (!regions) {
        return NULL;
    }
    sums = lpp_regions_sums(regions, count);
    rows = apr_palloc(pool, (*count + 1) * sizeof(*rows));
    for (i = 0; i < *count; i++) {
        rows[i] = sums[i];
        rows[i].wall_us = lpp_regions_sum_us(regions, i, now);
    }
    return rows;
}

/* Milliseconds between the request's start and a monotonic moment. */
static double since_begin_ms(const lpp_run_t *run, apr_time_t moment_us)
{
    return (double)(moment_us - run->facts.begin_us) / 1000.0;
}

static void add_regions(const lpp_run_t *run, lpp_oops_t *oops)
{
    const lpp_regions_t *regions = run->records.regions;
    apr_time_t now = lpp_monotonic_us();
    apr_uint32_t i;

    if (!regions) {
        return;
    }
    for (i = 0; i < lpp_regions_count(regions); i++) {
        lpp_region_t region = lpp_regions_get(regions, i, now);

        lpp_oops_add_event(oops, since_begin_ms(run, region.start_us),
                           since_begin_ms(run, region.end_us), "inline",
                           region.name);
    }
    oops->timeline_dropped += lpp_regions_dropped(regions);
}

/* "fixups mod_dir.c (subrequest /a/)" */
static const char *say_span(const lpp_call_span_t *span, apr_pool_t *pool)
{
    static const char *const kinds[] = { "", "redirect ", "subrequest ",
                                         "further requests" };

    if (span->kind == LPP_SCOPE_REQUEST) {
        return apr_pstrcat(pool, span->phase, " ", span->module, NULL);
    }
    return apr_pstrcat(pool, span->phase, " ", span->module, " (",
                       kinds[span->kind], span->path, ")", NULL);
}

static void add_calls(const lpp_run_t *run, lpp_oops_t *oops)
{
    const lpp_call_span_t *spans;
    apr_uint32_t count, i;
    double begin = (double)run->facts.begin_us / 1000.0;

    if (!run->records.calls) {
        return;
    }
    spans = lpp_calls_spans(run->records.calls, &count);
    for (i = 0; i < count; i++) {
        const lpp_oops_event_t row = {
            (double)spans[i].start_ns / 1e6 - begin,
            (double)spans[i].end_ns / 1e6 - begin, "hook",
            say_span(&spans[i], oops->pool), (double)spans[i].cpu_ns / 1e6,
            (double)spans[i].ready_ns / 1e6
        };

        lpp_oops_add_row(oops, &row);
    }
}

/* The waits of 10 ms and more. */
static void add_waits(const lpp_run_t *run, lpp_oops_t *oops)
{
    lpp_pagecode_t *pages = lpp_symbols_pagecode(lpp_process_get()->symbols);
    char what[LPP_WAIT_TEXT_BYTES];
    lpp_waits_t waits;
    apr_uint32_t i;

    if (!run->profiling.session) {
        return;
    }
    lpp_session_waits(run->profiling.session, &waits);
    for (i = 0; i < waits.episode_count; i++) {
        const lpp_wait_episode_t *episode = &waits.episodes[i];
        double start = (double)episode->start_ns / 1e6
            - (double)run->facts.begin_us / 1000.0;

        lpp_pagecode_wait_text(pages, episode->pc, what, sizeof(what));
        lpp_oops_add_event(oops, start,
                           start + (double)episode->wall_ns / 1e6, "wait",
                           what);
    }
    oops->timeline_dropped += waits.episodes_more;
    lpp_waits_free(&waits);
}

void lpp_run_fill_timeline(const lpp_run_t *run, lpp_oops_t *oops)
{
    if (run->profiling.waited_us > 0) {
        apr_time_t start = run->profiling.hook_us;

        lpp_oops_add_event(
            oops, since_begin_ms(run, start),
            since_begin_ms(run, start + run->profiling.waited_us), "gate",
            "waiting for the gate");
    }
    lpp_phases_add_to(run->records.phases, oops);
    if (run->records.sql) {
        lpp_sql_add_to(run->records.sql, oops, lpp_run_asks_sql(run));
    }
    add_calls(run, oops);
    add_regions(run, oops);
    add_waits(run, oops);
}
