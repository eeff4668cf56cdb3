/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_answer: what the response shows of a run: headers, and the
 * block in the page. It uses the profile as of that moment;
 * mod_lpprofile_finish writes the final one.
 */
#include <apr_strings.h>
#include <http_protocol.h>

#include "base/lpp_clock.h"
#include "request/mod_lpprofile_memory.h"
#include "server/mod_lpprofile_names.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

/* The longest time that a page waits for the last samples to be unwound. */
#define SNAPSHOT_WAIT_US apr_time_from_msec(500)

#define NOTICES_MAX 16

#define WAIT_BYTES 200      /* of what was waited for, in a header */
#define WAIT_MIN_NS 1000000 /* shorter waits are not in it */

int lpp_run_wants_block(const lpp_run_t *run, const request_rec *r)
{
    if (r->main || !lpp_run_visible(run)) {
        return 0;
    }
    return run->asked.plan ? !run->asked.plan->page
                     : (run->asked.all_requests || run->asked.inline_only)
                           && run->profiling.profiled;
}

/* The value of X-LPProfile: the status, then remarks. A client without
 * LPProfileAccess gets the status only. */
static const char *status_value(const lpp_run_t *run, apr_pool_t *pool)
{
    const char *remarks;

    if (!lpp_run_visible(run) || !run->answer.tokens->nelts) {
        return run->answer.status;
    }
    remarks = apr_array_pstrcat(pool, run->answer.tokens, ';');
    return apr_pstrcat(pool, run->answer.status, ";", remarks, NULL);
}

/* The shares of the time so far, as metrics of Server-Timing. Where the kernel
 * does not count ready time, CPU and all else. */
static const char *shares_timing(lpp_session_t *session, apr_pool_t *pool)
{
    lpp_weight_t times;
    int ready = lpp_session_times(session, &times);
    apr_uint64_t used = times.cpu_ns + times.ready_ns;
    double rest_ms = used < times.wall_ns
        ? (double)(times.wall_ns - used) / 1e6 : 0;

    return ready == LPP_READY_EXACT
        ? apr_psprintf(pool, "cpu;dur=%.3f, ready;dur=%.3f, blocked;dur=%.3f",
                       (double)times.cpu_ns / 1e6,
                       (double)times.ready_ns / 1e6, rest_ms)
        : apr_psprintf(pool, "cpu;dur=%.3f, waiting;dur=%.3f",
                       (double)times.cpu_ns / 1e6, rest_ms);
}

static void set_file_headers(lpp_run_t *run, request_rec *r)
{
    const char *timing;
    int i;

    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        if (run->output.formats & LPP_FORMAT_BIT(i)) {
            apr_table_addn(r->err_headers_out, "X-LPProfile-File",
                           lpp_output_file_path(&run->output, i, r->pool));
        }
    }
    timing = lpp_phases_server_timing(run->records.phases, r->pool);
    if (timing) {
        apr_table_addn(r->err_headers_out, "Server-Timing", timing);
    }
    if (run->profiling.session) {
        apr_table_addn(r->err_headers_out, "Server-Timing",
                       shares_timing(run->profiling.session, r->pool));
    }
    timing = lpp_run_calls_timing(run, r->pool);
    if (timing) {
        apr_table_addn(r->err_headers_out, "Server-Timing", timing);
    }
    timing = run->records.sql
        ? lpp_sql_server_timing(run->records.sql, r->pool) : NULL;
    if (timing) {
        apr_table_addn(r->err_headers_out, "Server-Timing", timing);
    }
}

/* A backend with this module sends headers of the same names. */
static void drop_headers_of_backend(request_rec *r)
{
    static const char *const own_headers[] = {
        "X-LPProfile", "X-LPProfile-File", "X-Lazr-OopsId"
    };
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(own_headers); i++) {
        apr_table_unset(r->headers_out, own_headers[i]);
        apr_table_unset(r->err_headers_out, own_headers[i]);
    }
}

/* Add a remark if the profiler lowered its rate or ended the profile because of
 * its cost. */
static void note_cost(lpp_run_t *run)
{
    if (lpp_session_cut_short(run->profiling.session) == LPP_STOP_SELF) {
        lpp_run_note(run, "stood-down");
    }
    else if (lpp_session_lowered_hz(run->profiling.session) != 0) {
        lpp_run_note(run, "rate-lowered");
    }
}

/* Whether the response has the headers. An error response that replaces the
 * first one has none: for example, a filter after this module's finds that a
 * range cannot be satisfied. */
static int has_headers(const request_rec *r)
{
    return apr_table_get(r->err_headers_out, "X-LPProfile")
           || apr_table_get(r->headers_out, "X-LPProfile");
}

/* Add what the request waited for most until now: "waits=812ms tcp
 * 10.0.0.5:5432". */
static void note_waits(lpp_run_t *run, request_rec *r)
{
    lpp_pagecode_t *pages = lpp_symbols_pagecode(lpp_process_get()->symbols);
    char what[WAIT_BYTES], *at;
    const lpp_wait_t *most;
    lpp_waits_t waits;

    lpp_session_waits(run->profiling.session, &waits);
    most = lpp_waits_heaviest(&waits);
    if (most && most->total_ns >= WAIT_MIN_NS) {
        lpp_pagecode_wait_text(pages, most->pc, what, sizeof(what));
        for (at = what; *at; at++) { /* a header is ASCII */
            *at = (unsigned char)*at < 0x20 || (unsigned char)*at > 0x7e
                ? '?' : *at;
        }
        lpp_run_note(run, apr_psprintf(r->pool, "waits=%" APR_UINT64_T_FMT
                                       "ms %s", most->total_ns / 1000000,
                                       what));
    }
    lpp_waits_free(&waits);
}

static void add_remarks(lpp_run_t *run, request_rec *r)
{
    lpp_run_settle_user(run);
    if (run->profiling.session) {
        note_cost(run);
        if (lpp_run_visible(run)) {
            note_waits(run, r);
        }
    }
    if (run->records.sql && lpp_run_asks_sql(run)) {
        lpp_run_note(run, apr_pstrcat(
            r->pool, "sql=", lpp_sql_figures(run->records.sql, r->pool),
            NULL));
    }
}

void lpp_run_set_headers(lpp_run_t *run, request_rec *r)
{
    if (run->asked.aggregate) { /* nothing is shown */
        if (run->profiling.profiled) {
            lpp_names_register_filters_of(lpp_process_get()->symbols, r);
        }
        return;
    }
    if (!run->r || (run->answer.headers_set && has_headers(r))) {
        return;
    }
    if (!run->answer.headers_set) {
        add_remarks(run, r);
    }
    run->answer.headers_set = 1;
    drop_headers_of_backend(r);
    if (run->profiling.profiled) {
        if (lpp_oops_failed(r->status)) {
            lpp_run_keep_stack(run);
        }
        lpp_run_name(run, r);
        /* The filter chain is complete now; at the end some filters have
         * removed themselves. */
        lpp_names_register_filters_of(lpp_process_get()->symbols, r);
        apr_table_setn(r->err_headers_out, "X-Lazr-OopsId",
                       apr_pstrdup(r->pool, run->facts.about.id));
        if (lpp_run_visible(run)) {
            set_file_headers(run, r);
        }
    }
    apr_table_setn(r->err_headers_out, "X-LPProfile",
                   apr_pstrdup(r->pool, status_value(run, r->pool)));
}

/* The path of this page without the trigger segment, for the examples. */
static const char *example_url(lpp_run_t *run, request_rec *r)
{
    return lpp_oops_mask_url(run->r->uri, run->facts.hidden, r->pool);
}

/* Sentences about what the URL asked for but does not get. */
static const char *const *notices(const lpp_run_t *run, apr_pool_t *pool)
{
    const char **list = apr_pcalloc(pool, (NOTICES_MAX + 1) * sizeof(*list));
    const lpp_plan_t *plan = run->asked.plan;
    int i, n = 0;

    if (!plan) {
        return list;
    }
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const lpp_writer_t *writer = lpp_writer_get(i);

        if ((plan->formats & LPP_FORMAT_BIT(i)) && !writer->write) {
            list[n++] = apr_psprintf(pool, "%s is not in this build: no such "
                                     "file was written.", writer->action);
        }
    }
    if (run->answer.status && !run->profiling.profiled
        && (plan->formats
            || (plan->actions & (LPP_ACTION_SHOW | LPP_ACTION_SQL
                                 | LPP_ACTION_SQLTRACE)))) {
        list[n++] = apr_psprintf(pool, "This request was not profiled: %s.",
                                 run->answer.status);
    }
    if (run->profiling.start == LPP_START_NO_SIGNAL
        && run->profiling.profiled) {
        list[n++] = "No signal was available for sampling this request, so "
                    "there are no stacks: the totals are exact. The error log "
                    "says why. See " LPP_DIR_SIGNAL ".";
    }
    return list;
}

static const lpp_report_file_t *report_files(const lpp_run_t *run, int *count,
                                             apr_pool_t *pool)
{
    lpp_report_file_t *files;
    int i;

    files = apr_pcalloc(pool, LPP_FORMAT_COUNT * sizeof(*files));
    *count = 0;
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        if (run->output.formats & LPP_FORMAT_BIT(i)) {
            files[*count].format = i;
            files[*count].path = lpp_output_file_path(&run->output, i, pool);
            (*count)++;
        }
    }
    return files;
}

/* View and OOPS as of now. If one cannot be made, the page is sent without
 * it. */
static void report_profile(lpp_run_t *run, request_rec *r,
                           const lpp_calls_table_t *calls,
                           lpp_report_t *report)
{
    apr_time_t now = lpp_monotonic_us();
    lpp_oops_t *oops;

    lpp_run_name(run, r);
    report->oops_id = run->facts.about.id;
    report->oops_path = lpp_output_oops_path(&run->output, r->pool);
    report->sql = lpp_run_sql_view(run, now, r->pool);
    if (report->actions & LPP_ACTION_SHOW) {
        lpp_names_register_filters_of(lpp_process_get()->symbols, r);
        if (lpp_run_view(run, &report->view, calls, 0, SNAPSHOT_WAIT_US,
                         r->pool) != APR_SUCCESS) {
            report->view = NULL;
        }
    }
    if (lpp_oops_create(&oops, run->facts.about.id, r->pool) == APR_SUCCESS) {
        lpp_oops_gather(oops, r, &run->facts,
                        lpp_monotonic_us() - run->facts.begin_us,
                        &run->failure, 0);
        lpp_run_fill_timeline(run, oops);
        report->oops = oops;
    }
}

static void report_memory(const lpp_run_t *run, lpp_report_t *report,
                          apr_pool_t *pool)
{
    lpp_memory_sizes_t *memory = apr_palloc(pool, 2 * sizeof(*memory));

    memory[0] = run->memory[0];
    lpp_memory_read(&memory[1], &memory[0]);
    report->memory = memory;
}

static void report_regions(const lpp_run_t *run, lpp_report_t *report,
                           apr_pool_t *pool)
{
    apr_uint32_t profiles = lpp_run_inline_profiles(run);

    report->regions = lpp_run_region_sums(run, &report->region_count, pool);
    if (run->asked.inline_only) {
        report->inline_count = profiles;
    }
    else {
        report->inline_ignored = profiles > 0;
    }
}

apr_status_t lpp_run_write_block(lpp_run_t *run, request_rec *r, int styled,
                                 int xhtml, const lpp_sink_t *sink)
{
    lpp_report_t report;
    const lpp_calls_table_t *calls = lpp_run_calls_table(run, r->pool);
    unsigned handle = lpp_run_enter_profiler(run);
    apr_status_t rv;

    memset(&report, 0, sizeof(report));
    report.actions = run->asked.plan ? run->asked.plan->actions : 0;
    if (run->asked.inline_only && run->profiling.profiled) {
        report.actions |= LPP_ACTION_SHOW;
    }
    report.formats = run->output.formats;
    report.example_url = example_url(run, r);
    report.all_requests = run->asked.all_requests;
    report.provisional = 1;
    report.waited_us = run->profiling.waited_us;
    report.styled = styled;
    report.xhtml = xhtml;
    report.notices = notices(run, r->pool);
    if (run->profiling.profiled && run->profiling.session) {
        report.files = report_files(run, &report.file_count, r->pool);
        report_profile(run, r, calls, &report);
        report_memory(run, &report, r->pool);
        report_regions(run, &report, r->pool);
    }
    rv = lpp_report_block(&report, sink, r->pool);
    lpp_run_leave_profiler(run, handle);
    return rv;
}
