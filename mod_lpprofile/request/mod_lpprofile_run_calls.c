/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_calls: the recorder of exact calls of one run, from the
 * start of its session until it is handed to the jobs thread, and what is said
 * of it in timeline and headers.
 */
#include <stdlib.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "server/mod_lpprofile_wrappers.h"
#include "request/mod_lpprofile_run_internal.h"

#define TIMING_MAX 8            /* metrics of Server-Timing */
#define TIMING_MIN_NS 1000000   /* what a person may look for */

void lpp_run_start_calls(lpp_run_t *run)
{
    if (lpp_entries_count() > 0 && run->session
        && lpp_calls_create(&run->calls, lpp_entries_hooks(),
                            lpp_entries_left_out(), run->pool)
           == APR_SUCCESS) {
        run->counting = 1;
        lpp_entries_watch();
    }
}

void lpp_run_stop_calls(lpp_run_t *run)
{
    if (run->counting) {
        run->counting = 0;
        lpp_entries_unwatch();
    }
}

/* Calls are of the whole request: not beside its regions alone. */
const lpp_calls_table_t *lpp_run_calls_table(const lpp_run_t *run,
                                             apr_pool_t *pool)
{
    return run->calls && !run->inline_only
        ? lpp_calls_table(run->calls, pool) : NULL;
}

unsigned lpp_run_enter_profiler(const lpp_run_t *run)
{
    return run->counting
        ? lpp_calls_enter_here(run->calls, LPP_ENTRIES_PROFILER) : 0;
}

void lpp_run_leave_profiler(const lpp_run_t *run, unsigned handle)
{
    if (run->counting) {
        lpp_calls_leave(run->calls, handle, NULL, 0);
    }
}

apr_status_t lpp_run_profile(const lpp_run_t *run, lpp_profile_t **profile,
                             const lpp_calls_table_t *calls,
                             apr_interval_time_t timeout_us, apr_pool_t *pool)
{
    apr_status_t rv = lpp_session_profile(run->session, profile, timeout_us,
                                          pool);

    if (rv == APR_SUCCESS && run->inline_only) {
        /* What passed between the regions is not of this profile. */
        (*profile)->total.wall_ns
            = 1000 * lpp_regions_inside_us(run->regions, lpp_run_now_us());
    }
    if (rv == APR_SUCCESS) {
        (*profile)->calls = calls;
    }
    return rv;
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

void lpp_run_add_calls_to(const lpp_run_t *run, lpp_oops_t *oops)
{
    const lpp_call_span_t *spans;
    apr_uint32_t count, i;
    double begin = (double)run->begin_us / 1000.0;

    if (!run->calls) {
        return;
    }
    spans = lpp_calls_spans(run->calls, &count);
    for (i = 0; i < count; i++) {
        lpp_oops_add_event(oops, (double)spans[i].start_ns / 1e6 - begin,
                           (double)spans[i].end_ns / 1e6 - begin, "hook",
                           say_span(&spans[i], oops->pool));
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

    table = run->calls ? lpp_calls_table(run->calls, pool) : NULL;
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
