/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_finish: writes the profile of a run. When the request is over:
 * files and OOPS, on the jobs thread (on the request's thread if the queue of
 * jobs is full); reads only the run, since the request may be destroyed. For
 * the sum over all requests of a server: a record, on the request's own thread,
 * because it counts only once it is written, and a process may end as soon as
 * the response was sent.
 */
#include <stdatomic.h>

#include <http_core.h>
#include <http_log.h>
#include <http_main.h>

#include "base/lpp_clock.h"
#include "base/lpp_log_tags.h"
#include "server/mod_lpprofile_aggregate.h"
#include "server/mod_lpprofile_retention.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

APLOG_USE_MODULE(lpprofile);

/* At most a full ring of samples remains for the helper thread to unwind. */
#define FINAL_WAIT_US apr_time_from_sec(5)
#define COMPLAIN_EVERY_US apr_time_from_sec(60)

void lpp_run_record(lpp_run_t *run, request_rec *r)
{
    lpp_run_profiling_t *profiling = &run->profiling;
    const lpp_view_t *view;

    if (!run->asked.aggregate || profiling->recorded || !profiling->session
        || !run->r) {
        return;
    }
    profiling->recorded = 1;
    lpp_run_name(run, r);
    if (lpp_run_view(run, &view, lpp_run_calls_table(run, run->pool), 0,
                     FINAL_WAIT_US, run->pool) == APR_SUCCESS) {
        lpp_aggregate_record(view, r, run->pool);
    }
    else {
        lpp_aggregate_count_skip(LPP_AGGREGATE_FAILED);
    }
}

/* Fill in what the run contains besides the view. */
static void fill_output(lpp_run_t *run)
{
    lpp_symbols_t *symbols = lpp_process_get()->symbols;
    apr_uint32_t profiles = lpp_run_inline_profiles(run);
    lpp_saved_t *saved = &run->output.saved;

    if (run->oops) {
        run->oops->tb_text = !symbols ? ""
            : lpp_symbols_traceback(symbols, run->failure.stack,
                                    run->failure.frames, run->pool);
    }
    saved->oops = run->oops;
    saved->head.outcome = run->answer.status;
    saved->head.waited_us = run->profiling.waited_us;
    saved->memory = run->memory[1].vss_bytes > 0 ? run->memory : NULL;
    saved->regions = lpp_run_region_sums(run, &saved->region_count,
                                         run->pool);
    if (run->asked.inline_only) {
        saved->inline_count = profiles;
    }
    else {
        saved->inline_ignored = profiles > 0;
    }
    saved->sql = lpp_run_sql_view(run, run->facts.begin_us + run->duration_us,
                                  run->pool);
    saved->sql_condition = run->asked.plan ? run->asked.plan->sql_condition
                                           : NULL;
}

static apr_status_t write_files(lpp_run_t *run, apr_off_t *bytes)
{
    const lpp_view_t *view;
    /* With source lines, which are slow: no response waits for this. */
    apr_status_t rv = lpp_run_view(run, &view,
                                   lpp_run_calls_table(run, run->pool), 1,
                                   FINAL_WAIT_US, run->pool);

    return rv == APR_SUCCESS ? lpp_output_write_files(&run->output, view,
                                                      bytes) : rv;
}

/* On a full disk every profile fails: log it at most once a minute. */
typedef struct log_limit_t {
    _Atomic apr_time_t last_us; /* monotonic; 0: never */
    atomic_uint left_out;       /* since then */
} log_limit_t;

static log_limit_t no_file, no_oops;

static int may_log(log_limit_t *limit)
{
    apr_time_t now = lpp_monotonic_us();
    apr_time_t last = atomic_load(&limit->last_us);

    if ((!last || now - last >= COMPLAIN_EVERY_US)
        && atomic_compare_exchange_strong(&limit->last_us, &last, now)) {
        return 1;
    }
    atomic_fetch_add(&limit->left_out, 1);
    return 0;
}

/* Logged after the session, when the rate is final. */
static void log_cost(const lpp_run_t *run)
{
    apr_uint32_t hz = lpp_session_lowered_hz(run->profiling.session);

    if (hz != 0) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, ap_server_conf,
                      LPP_TAG_RUN_STOOD_DOWN ": %s: profiling took more than "
                      "10 %% of the request's CPU time: rate lowered to %u Hz"
                      "%s", run->facts.about.id, hz,
                      lpp_session_cut_short(run->profiling.session)
                          == LPP_STOP_SELF ? ", then ended" : "");
    }
}

void lpp_run_finish(void *baton)
{
    lpp_run_t *run = baton;
    apr_off_t bytes = 0;
    apr_status_t rv;

    if (run->asked.aggregate) {
        goto leave;
    }
    log_cost(run);
    fill_output(run);
    rv = write_files(run, &bytes);
    if (rv != APR_SUCCESS && may_log(&no_file)) {
        ap_log_perror(APLOG_MARK, APLOG_WARNING, rv, run->pool,
                      LPP_TAG_RUN_NO_FILE ": %s: the profile could not be "
                      "written to the " LPP_DIR_DIR " \"%s\" (%u more since "
                      "the last such line)", run->facts.about.id,
                      lpp_config_dir(run->facts.conf),
                      atomic_exchange(&no_file.left_out, 0));
    }
    rv = lpp_output_write_oops(&run->output, &bytes);
    if (rv != APR_SUCCESS && may_log(&no_oops)) {
        ap_log_perror(APLOG_MARK, APLOG_WARNING, rv, run->pool,
                      LPP_TAG_RUN_NO_OOPS ": %s: the OOPS report could not be "
                      "written to the " LPP_DIR_OOPS_DIR " \"%s\" (%u more "
                      "since the last such line)", run->facts.about.id,
                      lpp_config_oops_dir(run->facts.conf),
                      atomic_exchange(&no_oops.left_out, 0));
    }
    if (bytes > 0) {
        lpp_retention_child_wrote(run->facts.conf, bytes);
    }

leave:
    lpp_session_close(run->profiling.session);
    lpp_run_free(run);
}
