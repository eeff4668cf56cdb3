/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_watch: a run while its request is served.
 *
 * Sampling ends when EOS has been handed to the network filters, on the
 * handler's thread; what follows (log_transaction, pool cleanup) may run on any
 * thread: it gathers what only the request knows and hands the run to the jobs
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

#include "server/mod_lpprofile_entries.h"
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

void lpp_run_keep_stack(lpp_run_t *run)
{
    if (run->session && !run->failure.stack_taken) {
        run->failure.stack_taken = 1;
        if (lpp_session_stack(run->session, run->failure_stack,
                              LPP_RUN_STACK_MAX, &run->failure_frames)
            != APR_SUCCESS) {
            run->failure_frames = 0;
        }
    }
}

/* LPProfileRequireUser said no: the profile is dropped, nothing is shown. */
static void drop(lpp_run_t *run)
{
    run->user_ok = 0;
    lpp_run_stop_calls(run);
    run->calls = NULL;
    lpp_run_stop_sql(run);
    run->sql = NULL;
    if (run->session) {
        lpp_session_stop(run->session, LPP_STOP_NOT);
        lpp_session_close(run->session);
        run->session = NULL;
    }
    run->profiled = 0;
    run->id[0] = '\0';
    apr_table_unset(run->r->notes, LPP_MEMORY_OOPS_NOTE);
    run->status = "user-not-allowed";
}

void lpp_run_check_user(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);

    if (run && !r->main && run->user_ok != 0 && !run->aggregate
        && lpp_config_requires_user(run->conf)) {
        if (lpp_config_user(run->conf, r)) {
            run->user_ok = 1;
        }
        else {
            drop(run);
        }
    }
}

void lpp_run_tell_page(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);

    if (run && !r->main && run->profiled && !run->page_id) {
        lpp_gate_set_page_id(lpp_process_get()->gate, run->id,
                             lpp_oops_page_id(r, run->conf, run->hidden));
    }
}

/* A response may be sent though no fixup ran (401, 404 in map_to_storage):
 * then the user is not known, and nothing is shown. */
void lpp_run_settle_user(lpp_run_t *run)
{
    request_rec *last = run->r;

    if (run->user_ok >= 0 || !last) {
        return;
    }
    while (last->next) {
        last = last->next;
    }
    /* An inline region that began when the user was known, and nothing was
     * found wrong with him since. */
    if (run->inline_user && last->status != HTTP_UNAUTHORIZED
        && last->status != HTTP_FORBIDDEN) {
        run->user_ok = 1;
    }
    else {
        drop(run);
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
    if (run && run->session && run->r
        && lpp_oops_see_message(&run->failure, info->level, message,
                                run->hidden, run->pool)) {
        lpp_run_keep_stack(run);
    }
}

/* Last of the request's filters: all that is in front of it has worked when
 * EOS has passed, and what is behind it writes to the client. */
static apr_status_t end_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    lpp_run_t *run = f->ctx;
    apr_bucket *last = APR_BRIGADE_EMPTY(bb) ? NULL : APR_BRIGADE_LAST(bb);
    int end = 0;
    apr_status_t rv;

    if (!run->session) {
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
        lpp_session_stop(run->session, LPP_STOP_STREAM);
    }
    lpp_session_client_enter(run->session);
    rv = lpp_pass_brigade(f->next, bb);
    lpp_session_client_leave(run->session);
    if (end) {
        lpp_run_freeze_regions(run);
        lpp_session_stop(run->session, LPP_STOP_NOT);
        lpp_phases_sending(run->phases);
        /* Before a client can have the whole of a short response: what it
         * does next, be it to kill this process, loses nothing. */
        lpp_run_record(run, f->r);
        lpp_sql_leave_thread();
    }
    return rv;
}

/*
 * A 101 passes none of the request's filters, only its connection's. What
 * follows is another protocol, and lasts as long as it likes.
 */
static apr_status_t upgrade_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    lpp_run_t *run = f->ctx;
    request_rec *r = run->r;

    while (r && r->next) {
        r = r->next;
    }
    if (run->session && r && r->status == HTTP_SWITCHING_PROTOCOLS) {
        lpp_session_stop(run->session, LPP_STOP_UPGRADE);
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

/* Nearest to the network of the request's input filters. */
static apr_status_t read_filter(ap_filter_t *f, apr_bucket_brigade *bb,
                                ap_input_mode_t mode, apr_read_type_e block,
                                apr_off_t bytes)
{
    lpp_run_t *run = f->ctx;
    apr_status_t rv;

    if (!run->session) {
        return lpp_get_brigade(f->next, bb, mode, block, bytes);
    }
    lpp_session_client_enter(run->session);
    rv = lpp_get_brigade(f->next, bb, mode, block, bytes);
    lpp_session_client_leave(run->session);
    return rv;
}

static void suspend_connection(conn_rec *c, request_rec *r)
{
    lpp_run_t *run = r ? lpp_run_get(r) : NULL;

    if (lpp_run_any()) {
        lpp_sql_leave_thread();
    }
    if (run && run->session) {
        lpp_session_pause(run->session);
    }
}

static void resume_connection(conn_rec *c, request_rec *r)
{
    lpp_run_t *run = r ? lpp_run_get(r) : NULL;

    if (run && run->sql) {
        lpp_sql_enter_thread(run->sql);
    }
    if (run && run->session
        && (!run->inline_only || lpp_regions_profiled_depth(run->regions) > 0)
        && lpp_session_resume(run->session) != APR_SUCCESS) {
        lpp_session_stop(run->session, LPP_STOP_NOT);
    }
}

/*
 * The request is over: gather what only it knows. r is the first request; the
 * last of its redirects has the answer.
 */
void lpp_run_gather(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);
    request_rec *last = r;

    if (!run || run->r != r) {
        return;
    }
    while (last->next) {
        last = last->next;
    }
    lpp_run_settle_user(run);
    if (!run->session) {
        return;
    }
    lpp_run_close_regions(run);
    lpp_session_stop(run->session, LPP_STOP_NOT);
    run->duration_us = lpp_run_now_us() - run->begin_us;
    run->http_status = last->status;
    lpp_memory_read(&run->memory_after, &run->memory);
    lpp_run_name(run, last);
    lpp_names_register_filters_of(lpp_process_get()->symbols, last);
    if (run->aggregate) {
        lpp_run_record(run, last);
        return;
    }
    if (lpp_oops_create(&run->oops, run->id, run->pool) == APR_SUCCESS) {
        lpp_oops_gather(run->oops, last, run->conf, run->hidden,
                        run->duration_us, &run->failure, 1);
    }
}

/* The request is logged: the rest is for the jobs thread. */
void lpp_run_take_over(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);
    const lpp_process_t *process = lpp_process_get();

    if (!run || run->r != r || !run->session) {
        return; /* abandon() ends it with the request's pool */
    }
    if (run->oops) {
        lpp_run_fill_timeline(run, run->oops);
    }
    lpp_run_stop_sql(run);
    lpp_run_stop_calls(run);
    lpp_phases_attach(r, NULL);
    lpp_run_unwatch(run);
    run->r = NULL; /* from here the job owns the run */
    apr_pool_cleanup_kill(r->pool, run, lpp_run_abandon);
    ap_set_module_config(r->request_config, &lpprofile_module, NULL);
    lpp_entries_unwatch();
    if (!process->jobs
        || lpp_jobs_submit(process->jobs, lpp_run_finish, run)
           != APR_SUCCESS) {
        lpp_run_finish(run);
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
