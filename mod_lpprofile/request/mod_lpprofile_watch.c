/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_watch: a run while its request is served: filters next to the
 * network, suspended connections, logged errors.
 *
 * Sampling ends when EOS has been passed to the network filters, on the thread
 * of the handler; log_transaction and the cleanup of the pool may run on any
 * thread.
 */
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>
#include <util_filter.h>

#include "server/mod_lpprofile_wrappers.h"
#include "request/mod_lpprofile_memory.h"
#include "server/mod_lpprofile_names.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

static ap_filter_rec_t *end_filter_handle;
static ap_filter_rec_t *read_filter_handle;
static ap_filter_rec_t *upgrade_filter_handle;

void lpp_run_watch(lpp_run_t *run, request_rec *r)
{
    ap_add_output_filter_handle(end_filter_handle, run, r, r->connection);
    ap_add_input_filter_handle(read_filter_handle, run, r, r->connection);
    if (apr_table_get(r->headers_in, "Upgrade")) {
        run->upgrade_filter = ap_add_output_filter_handle(
            upgrade_filter_handle, run, NULL, r->connection);
    }
}

void lpp_run_tell_page(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);

    if (run && !r->main && run->profiling.profiled && !run->output.stem) {
        lpp_gate_set_page_id(lpp_process_get()->gate, run->facts.about.id,
                             lpp_facts_page_id(r, run->facts.conf,
                                               run->facts.hidden));
    }
}

static void see_message(const ap_errorlog_info *info, const char *message)
{
    lpp_run_t *run;

    if (!lpp_run_any() || !info->r || info->level < 0
        || info->level > APLOG_ERR) {
        return;
    }
    run = lpp_run_get(info->r);
    if (run && run->profiling.session && run->r
        && lpp_oops_see_message(&run->failure, info->level, message,
                                run->facts.hidden, run->pool)) {
        lpp_run_keep_stack(run);
    }
}

/* Last of the request's filters: when EOS has passed, those before it have
 * finished, and those after it write to the client. */
static apr_status_t end_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    lpp_run_t *run = f->ctx;
    apr_bucket *last = APR_BRIGADE_EMPTY(bb) ? NULL : APR_BRIGADE_LAST(bb);
    int end = 0;
    apr_status_t rv;

    if (!run->profiling.session) {
        ap_remove_output_filter(f);
        return lpp_pass_brigade(f->next, bb);
    }
    for (; last && last != APR_BRIGADE_SENTINEL(bb) && !end;
         last = APR_BUCKET_PREV(last)) {
        end = APR_BUCKET_IS_EOS(last);
        if (!APR_BUCKET_IS_METADATA(last)) {
            break;
        }
    }
    if (f->r->content_type
        && !ap_cstr_casecmpn(f->r->content_type, "text/event-stream", 17)) {
        lpp_session_stop(run->profiling.session, LPP_STOP_STREAM);
    }
    lpp_session_client_enter(run->profiling.session);
    rv = lpp_pass_brigade(f->next, bb);
    lpp_session_client_leave(run->profiling.session);
    if (end) {
        lpp_run_freeze_regions(run);
        lpp_session_stop(run->profiling.session, LPP_STOP_NOT);
        lpp_phases_sending(run->records.phases);
        /* Before the client has received all of a short response: the client
         * may then kill this process, and the record must not be lost. */
        lpp_run_record(run, f->r);
        lpp_sql_leave_thread();
    }
    return rv;
}

/*
 * A 101 response passes only the filters of the connection, not those of the
 * request. Another protocol follows, for an unlimited time.
 */
static apr_status_t upgrade_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    lpp_run_t *run = f->ctx;
    request_rec *r = run->r;

    while (r && r->next) {
        r = r->next;
    }
    if (run->profiling.session && r && r->status == HTTP_SWITCHING_PROTOCOLS) {
        lpp_session_stop(run->profiling.session, LPP_STOP_UPGRADE);
    }
    return lpp_pass_brigade(f->next, bb);
}

void lpp_run_unwatch(lpp_run_t *run)
{
    if (run->upgrade_filter) {
        ap_remove_output_filter(run->upgrade_filter);
        run->upgrade_filter = NULL;
    }
}

/* Last of the request's input filters, next to the network. */
static apr_status_t read_filter(ap_filter_t *f, apr_bucket_brigade *bb,
                                ap_input_mode_t mode, apr_read_type_e block,
                                apr_off_t bytes)
{
    lpp_run_t *run = f->ctx;
    apr_status_t rv;

    if (!run->profiling.session) {
        return lpp_get_brigade(f->next, bb, mode, block, bytes);
    }
    lpp_session_client_enter(run->profiling.session);
    rv = lpp_get_brigade(f->next, bb, mode, block, bytes);
    lpp_session_client_leave(run->profiling.session);
    return rv;
}

static void suspend_connection(conn_rec *c, request_rec *r)
{
    lpp_run_t *run = r ? lpp_run_get(r) : NULL;

    if (lpp_run_any()) {
        lpp_sql_leave_thread();
    }
    if (run && run->profiling.session) {
        lpp_session_pause(run->profiling.session);
    }
}

static void resume_connection(conn_rec *c, request_rec *r)
{
    lpp_run_t *run = r ? lpp_run_get(r) : NULL;

    if (run && run->records.sql) {
        lpp_sql_enter_thread(run->records.sql);
    }
    if (run && run->profiling.session
        && (!run->asked.inline_only
            || lpp_regions_profiled_depth(run->records.regions) > 0)
        && lpp_session_resume(run->profiling.session) != APR_SUCCESS) {
        lpp_session_stop(run->profiling.session, LPP_STOP_NOT);
    }
}

void lpp_run_register_hooks(apr_pool_t *pool)
{
    end_filter_handle = ap_register_output_filter(
        "LPPROFILE_END", end_filter, NULL, AP_FTYPE_CONNECTION - 1);
    read_filter_handle = ap_register_input_filter(
        "LPPROFILE_READ", read_filter, NULL, AP_FTYPE_CONNECTION - 1);
    upgrade_filter_handle = ap_register_output_filter(
        "LPPROFILE_UPGRADE", upgrade_filter, NULL, AP_FTYPE_CONNECTION);
    ap_hook_error_log(see_message, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_suspend_connection(suspend_connection, NULL, NULL,
                               APR_HOOK_FIRST);
    ap_hook_resume_connection(resume_connection, NULL, NULL, APR_HOOK_LAST);
}
