/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages: see include/mod_lpprofile_pages.h.
 *
 * A page of ours has no file. It is claimed before anybody else translates the
 * URI, so that "ProxyPass /" or a rewrite rule does not swallow it; <Location>
 * and the access hooks still see its URI and guard it. Which request it is says
 * the plan of its run, never its handler's name, which anybody can configure.
 */
#include <apr_base64.h>
#include <apr_general.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "lpp_log_tags.h"
#include "lpp_report.h"
#include "lpp_store.h"
#include "mod_lpprofile_config.h"
#include "mod_lpprofile_pages.h"
#include "mod_lpprofile_run.h"

APLOG_USE_MODULE(lpprofile);

#define PAGE_MAX_BYTES (1024 * 1024)
#define LATEST_MAX 20
#define NONCE_BYTES 18

/* The plan when r is a page of ours itself: not what it was redirected to
 * (an ErrorDocument), not what it includes. */
static const lpp_plan_t *page_plan(const request_rec *r)
{
    lpp_run_t *run = r->main || r->prev ? NULL : lpp_run_get(r);
    const lpp_plan_t *plan = run ? lpp_run_plan(run) : NULL;

    return plan && plan->page ? plan : NULL;
}

/* pre_translate_name and translate_name, before mod_proxy and mod_rewrite. */
static int claim(request_rec *r)
{
    if (!page_plan(r)) {
        return DECLINED;
    }
    /* No path: nothing on disk stands behind it. */
    r->filename = apr_pstrdup(r->pool, "lpprofile:page");
    r->handler = LPP_PAGES_HANDLER;
    return OK;
}

/* No directory walk: nothing is mapped. */
static int skip_storage(request_rec *r)
{
    return page_plan(r) ? OK : DECLINED;
}

/* SetHandler and FallbackResource may have had other ideas since. */
static int keep_handler(request_rec *r)
{
    if (page_plan(r)) {
        r->handler = LPP_PAGES_HANDLER;
    }
    return DECLINED;
}

/* Time and page id of a file name: the stem is <time>-<pageid>-<oopsid>-... and
 * a page id may hold a "-". */
static void split_name(const lpp_store_entry_t *entry,
                       lpp_report_latest_t *latest, apr_pool_t *pool)
{
    const apr_size_t time_len = sizeof("2026-01-31_12:34:56.789") - 1;
    char *stem = apr_pstrdup(pool, entry->name);
    char *id = strstr(stem, entry->id), *c;

    latest->time = latest->page_id = "";
    for (c = stem; *c && !apr_isdigit(*c); c++) {
    }
    if (!id || id < c + time_len + 2) {
        return;
    }
    id[-1] = '\0';
    latest->page_id = c + time_len + 1;
    c[time_len] = '\0';
    c[10] = ' ';
    latest->time = c;
}

static apr_array_header_t *list_latest(request_rec *r, const char *dir)
{
    apr_array_header_t *entries, *latest;
    lpp_store_t *store;
    int i;

    latest = apr_array_make(r->pool, LATEST_MAX, sizeof(lpp_report_latest_t));
    if (lpp_store_open(&store, dir, r->pool) != APR_SUCCESS
        || lpp_store_list(store, NULL, LATEST_MAX, &entries, r->pool)
           != APR_SUCCESS) {
        return latest;
    }
    for (i = 0; i < entries->nelts; i++) {
        const lpp_store_entry_t *entry =
            &APR_ARRAY_IDX(entries, i, lpp_store_entry_t);
        lpp_report_latest_t *one = apr_array_push(latest);

        split_name(entry, one, r->pool);
        one->oops_id = entry->id;
        one->file = apr_pstrcat(r->pool, dir, "/", entry->name, NULL);
        one->bytes = entry->bytes;
    }
    return latest;
}

/* A page of ours runs nothing, loads nothing and is kept by nobody. */
static const char *set_headers(request_rec *r)
{
    unsigned char random[NONCE_BYTES];
    char *nonce = NULL;
    const char *style = "'none'";

    if (apr_generate_random_bytes(random, sizeof(random)) == APR_SUCCESS) {
        nonce = apr_palloc(r->pool,
                           (apr_size_t)apr_base64_encode_len(sizeof(random)));
        apr_base64_encode_binary(nonce, random, sizeof(random));
        style = apr_pstrcat(r->pool, "'nonce-", nonce, "'", NULL);
    }
    apr_table_setn(r->err_headers_out, "Content-Security-Policy",
                   apr_pstrcat(r->pool, "default-src 'none'; style-src ",
                               style, "; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'", NULL));
    apr_table_setn(r->err_headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->err_headers_out, "Referrer-Policy", "same-origin");
    ap_set_content_type(r, "text/html; charset=utf-8");
    return nonce;
}

static apr_status_t write_home(request_rec *r, const lpp_plan_t *plan,
                               lpp_buf_t *buf)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    const apr_array_header_t *settings =
        lpp_config_settings(conf, r->server, r->pool);
    lpp_sink_t sink = lpp_buf_sink(buf);
    lpp_report_home_t home = {NULL};

    home.nonce = set_headers(r);
    home.host = r->server->server_hostname;
    if (plan->actions & (LPP_ACTION_REPORTS | LPP_ACTION_REPORT
                         | LPP_ACTION_AGAINST)) {
        home.notice = "The report pages (reports, report:OOPS-ID) are not in "
                      "this build. The files themselves are listed below.";
        r->status = HTTP_NOT_IMPLEMENTED;
    }
    home.settings = (const lpp_report_setting_t *)settings->elts;
    home.setting_count = settings->nelts;
    home.latest = list_latest(r, lpp_config_dir(conf));
    return lpp_report_home(&home, &sink, r->pool);
}

static int handle(request_rec *r)
{
    const lpp_plan_t *plan = page_plan(r);
    lpp_buf_t *buf;
    apr_status_t rv;

    if (!plan) {
        return DECLINED;
    }
    /* A page is for those who may see any of it: LPProfileRequireUser. */
    if (!lpp_run_visible(lpp_run_get(r))) {
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
    /* The buffer's cleanup runs when the request's pool goes. */
    buf = apr_palloc(r->pool, sizeof(*buf));
    lpp_buf_init(buf, r->pool, PAGE_MAX_BYTES);
    rv = write_home(r, plan, buf);
    if (rv != APR_SUCCESS) {
        ap_log_cserror(APLOG_MARK, APLOG_ERR, rv, r->connection, r->server,
                       LPP_TAG_PAGES_WRITE ": the page %s could not be made",
                       r->uri);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ap_set_content_length(r, (apr_off_t)buf->len);
    ap_rwrite(buf->data, (int)buf->len, r);
    return OK;
}

void lpp_pages_register_hooks(apr_pool_t *pool)
{
    ap_hook_pre_translate_name(claim, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(claim, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(skip_storage, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(keep_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
