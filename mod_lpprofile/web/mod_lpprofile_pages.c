/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages: see mod_lpprofile_pages.h.
 *
 * A page of the module has no file. It is claimed before other modules
 * translate the URI, so that "ProxyPass /" or a rewrite rule does not apply to
 * it; <Location> and the access hooks still see its URI and protect it. The
 * plan of its run shows that a request is such a page, not the name of the
 * handler, which can be configured.
 */
#include <apr_base64.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "base/lpp_log_tags.h"
#include "report/lpp_report_pages.h"
#include "server/mod_lpprofile_config.h"
#include "web/mod_lpprofile_pages.h"
#include "web/mod_lpprofile_pages_internal.h"
#include "request/mod_lpprofile_run.h"
#include "web/mod_lpprofile_url.h"

APLOG_USE_MODULE(lpprofile);

#define LATEST_MAX 20

/* The plan if r itself is a page of the module: not a request to which it was
 * redirected (an ErrorDocument), nor one that it includes. */
static const lpp_plan_t *page_plan(const request_rec *r)
{
    lpp_run_t *run = r->main || r->prev ? NULL : lpp_run_get(r);
    const lpp_plan_t *plan = run ? lpp_run_plan(run) : NULL;

    return plan && plan->page ? plan : NULL;
}

int lpp_pages_claim(request_rec *r)
{
    if (!page_plan(r)) {
        return DECLINED;
    }
    /* Not a path: there is no file. */
    r->filename = apr_pstrdup(r->pool, "lpprofile:page");
    r->handler = LPP_PAGES_HANDLER;
    return OK;
}

int lpp_pages_skip_storage(request_rec *r)
{
    return page_plan(r) ? OK : DECLINED;
}

void lpp_pages_set_handler(request_rec *r)
{
    if (page_plan(r)) {
        r->handler = LPP_PAGES_HANDLER;
    }
}

static apr_array_header_t *list_latest(request_rec *r)
{
    apr_array_header_t *entries, *latest;
    int i, more;

    entries = lpp_pages_list(r, LATEST_MAX, &more);
    latest = apr_array_make(r->pool, LATEST_MAX, sizeof(lpp_report_latest_t));
    for (i = 0; i < entries->nelts; i++) {
        const lpp_saved_entry_t *entry =
            &APR_ARRAY_IDX(entries, i, lpp_saved_entry_t);
        lpp_report_latest_t *one = apr_array_push(latest);

        one->start = entry->head.start;
        one->page_id = entry->head.page_id;
        one->oops_id = entry->head.id;
        one->wall_us = entry->head.total.wall_us;
        one->bytes = entry->bytes;
    }
    return latest;
}

static apr_status_t write_home(request_rec *r, lpp_buf_t *buf)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    const apr_array_header_t *settings =
        lpp_config_settings(conf, r->server, r->pool);
    lpp_sink_t sink = lpp_buf_sink(buf);
    lpp_report_home_t home = {NULL};

    home.nonce = lpp_pages_set_headers(r);
    home.host = r->server->server_hostname;
    home.settings = (const lpp_report_setting_t *)settings->elts;
    home.setting_count = settings->nelts;
    home.latest = list_latest(r);
    return lpp_report_home(&home, &sink, r->pool);
}

/* The page with a link to the same page: a request by that link comes from a
 * page of the module, not from another site. */
static apr_status_t write_open_again(request_rec *r, const lpp_plan_t *plan,
                                     lpp_buf_t *buf)
{
    lpp_sink_t sink = lpp_buf_sink(buf);
    lpp_report_frame_t frame;

    r->status = HTTP_FORBIDDEN;
    frame.host = NULL;
    frame.nonce = lpp_pages_set_headers(r);
    return lpp_report_open_again(&frame, r->args
                                 ? apr_pstrcat(r->pool, plan->plain_path, "?",
                                               r->args, NULL)
                                 : plan->plain_path, &sink, r->pool);
}

int lpp_pages_handle(request_rec *r)
{
    const lpp_plan_t *plan = page_plan(r);
    lpp_buf_t *buf;
    apr_status_t rv;

    if (!plan) {
        return DECLINED;
    }
    /* LPProfileRequireUser applies to pages as well. */
    if (!lpp_url_came_by_link(r) && !lpp_run_visible(lpp_run_get(r))) {
        return HTTP_FORBIDDEN;
    }
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
    if (r->method_number != M_GET) {
        return HTTP_METHOD_NOT_ALLOWED;
    }
    rv = ap_discard_request_body(r);
    if (rv != OK) {
        return rv;
    }
    /* The buffer's cleanup runs when the request's pool is destroyed. */
    buf = apr_palloc(r->pool, sizeof(*buf));
    lpp_buf_init(buf, r->pool, LPP_FILE_MAX_BYTES);
    if (lpp_url_came_by_link(r)) {
        rv = write_open_again(r, plan, buf);
    }
    else if (plan->actions & (LPP_ACTION_REPORTS | LPP_ACTION_REPORT)) {
        int answer = lpp_pages_reports(r, plan, buf, &rv);

        if (answer != OK) {
            return answer;
        }
    }
    else {
        rv = write_home(r, buf);
    }
    if (rv != APR_SUCCESS) {
        ap_log_cserror(APLOG_MARK, APLOG_ERR, rv, r->connection, r->server,
                       LPP_TAG_PAGES_WRITE ": the page %s could not be made",
                       r->uri);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ap_set_content_length(r, (apr_off_t)buf->len);
    if (buf->len) {
        ap_rwrite(buf->data, (int)buf->len, r);
    }
    return OK;
}
