/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url_follow: effects of a profile or a segment on other modules:
 * no cache stores the response, mod_cache neither answers nor stores, backends
 * send an identity body and are told the parent's OOPS id, and the redirect of
 * mod_dir keeps the segment. Stores the data about the URL of a request. A
 * request without a run and a segment stays unchanged.
 */
#include <string.h>
#include <strings.h>

#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_proxy.h>
#include <util_filter.h>

#include "server/mod_lpprofile_aggregate.h"
#include "server/mod_lpprofile_wrappers.h"
#include "request/mod_lpprofile_run.h"
#include "web/mod_lpprofile_url_internal.h"

#define CACHE_SOURCE "mod_cache.c"
#define POOL_KEY "lpprofile url"

static ap_filter_rec_t *encodings_filter_handle;
static ap_filter_rec_t *location_filter_handle;
static ap_filter_rec_t *last_headers_filter_handle;

static apr_status_t forget(void *unused)
{
    lpp_wrappers_unwatch();
    return APR_SUCCESS;
}

void lpp_url_keep(request_rec *r, lpp_url_t *url)
{
    apr_pool_userdata_setn(url, POOL_KEY, NULL, r->pool);
    lpp_wrappers_watch();
    apr_pool_cleanup_register(r->pool, url, forget, apr_pool_cleanup_null);
}

lpp_url_t *lpp_url_get(const request_rec *r)
{
    void *url = NULL;

    if (!lpp_wrappers_any()) {
        return NULL;
    }
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    /* An internal redirect shares the pool of the first request; a subrequest
     * has its own, so start from the first request. */
    apr_pool_userdata_get(&url, POOL_KEY, r->pool);
    return url;
}

void lpp_url_restore_encodings(lpp_url_t *url)
{
    if (url->headers) {
        apr_table_setn(url->headers, "Accept-Encoding", url->encodings);
        url->headers = NULL;
    }
}

/* Remove every header whose name begins with len bytes of prefix. */
static void unset_all(apr_table_t *headers, const char *prefix,
                      apr_size_t len)
{
    const apr_array_header_t *all = apr_table_elts(headers);
    int i;

    for (i = all->nelts - 1; i >= 0; i--) {
        const char *name = APR_ARRAY_IDX(all, i, apr_table_entry_t).key;

        if (!ap_cstr_casecmpn(name, prefix, len)) {
            apr_table_unset(headers, name);
            i = all->nelts; /* start again: several headers may have had that
                               name */
        }
    }
}

static int put_header(void *baton, const char *name, const char *value)
{
    request_rec *r = baton;
    apr_size_t len = strlen(name);

    if (name[len - 1] == '*') {
        unset_all(r->headers_out, name, len - 1);
        unset_all(r->err_headers_out, name, len - 1);
        return 1;
    }
    apr_table_unset(r->headers_out, name);
    apr_table_unset(r->err_headers_out, name);
    if (*value) {
        apr_table_setn(r->err_headers_out, name, value);
    }
    return 1;
}

static apr_status_t set_last_headers(ap_filter_t *f,
                                     apr_bucket_brigade *brigade)
{
    ap_filter_t *next = f->next;

    apr_table_do(put_header, f->r, f->ctx, NULL);
    ap_remove_output_filter(f);
    return lpp_pass_brigade(next, brigade);
}

apr_table_t *lpp_url_last_headers(request_rec *r)
{
    const lpp_url_t *url = lpp_url_get(r);
    apr_table_t *headers;
    ap_filter_t *f;

    for (f = r->output_filters; f; f = f->next) {
        if (f->frec == last_headers_filter_handle && f->r == r) {
            return f->ctx;
        }
    }
    headers = apr_table_make(r->pool, 8);
    apr_table_setn(headers, "Cache-Control", "no-store");
    apr_table_setn(headers, "Expires", "");
    if (url && url->plan->page) {
        apr_table_setn(headers, "Access-Control-*", "");
        apr_table_setn(headers, "Cross-Origin-Resource-Policy", "same-origin");
        apr_table_setn(headers, "Cross-Origin-Opener-Policy", "same-origin");
    }
    ap_add_output_filter_handle(last_headers_filter_handle, headers, r,
                                r->connection);
    return headers;
}

/* Mark a response to a URL with a segment. For the sum over all requests
 * nothing may be visible. */
static void keep_from_caches(request_rec *r)
{
    if (!lpp_aggregate_on() && lpp_url_get(r)) {
        (void)lpp_url_last_headers(r);
    }
}

/* Whether r must not be answered from the cache, nor stored in it. */
static int is_uncacheable(const request_rec *r)
{
    const lpp_run_t *run = lpp_run_get(r);

    return run && !lpp_run_unseen(run)
        && (lpp_run_profiled(run) || lpp_run_plan(run));
}

/*
 * Runs before the hook of mod_cache, which would answer before most hooks.
 * Calls the other quick handlers, then serves the request the normal way:
 * DECLINED would call mod_cache next.
 */
static int bypass_quick_cache(request_rec *r, int lookup)
{
    apr_array_header_t *hooks;
    ap_LINK_quick_handler_t *links;
    int i, status;

    if (!lpp_run_any() || lookup || r->main || r->prev) {
        return DECLINED;
    }
    if (!is_uncacheable(r)) {
        /* A part of a page may come from the cache. */
        keep_from_caches(r);
        return DECLINED;
    }
    hooks = ap_hook_get_quick_handler();
    links = (ap_LINK_quick_handler_t *)hooks->elts;
    for (i = 0; i < hooks->nelts; i++) {
        if (links[i].pFunc == bypass_quick_cache
            || (links[i].szName && !strcmp(links[i].szName, CACHE_SOURCE))) {
            continue;
        }
        status = links[i].pFunc(r, lookup);
        if (status != DECLINED) {
            return status;
        }
    }
    apr_table_setn(r->subprocess_env, "no-cache", "1");
    status = ap_process_request_internal(r);
    if (status == OK) {
        status = ap_invoke_handler(r);
    }
    /* DECLINED would make httpd process the request again. */
    return status == DECLINED ? HTTP_INTERNAL_SERVER_ERROR : status;
}

/* The same for CacheQuickHandler Off, where mod_cache is a handler. */
static int bypass_cache(request_rec *r)
{
    apr_array_header_t *hooks;
    ap_LINK_handler_t *links;
    int i, status;

    if (!lpp_run_any() || r->main || !is_uncacheable(r)) {
        return DECLINED;
    }
    hooks = ap_hook_get_handler();
    links = (ap_LINK_handler_t *)hooks->elts;
    /* Set here too: an internal redirect may have renamed the variable. */
    apr_table_setn(r->subprocess_env, "no-cache", "1");
    for (i = 0; i < hooks->nelts; i++) {
        if (lpp_wrappers_original((lpp_wrappers_fn *)links[i].pFunc)
                == (lpp_wrappers_fn *)bypass_cache
            || (links[i].szName && !strcmp(links[i].szName, CACHE_SOURCE))) {
            continue;
        }
        status = links[i].pFunc(r);
        if (status != DECLINED) {
            return status;
        }
    }
    return DECLINED;
}

/*
 * The block can only be added to an identity body. Accept-Encoding is removed
 * while the handler asks its backend, and restored before the first output
 * filter runs, so that mod_deflate still compresses.
 */
static void take_encodings(request_rec *r)
{
    lpp_url_t *url = lpp_url_get(r);
    const char *encodings;

    if (!url || !url->profiled_as_asked || url->headers) {
        return;
    }
    encodings = apr_table_get(r->headers_in, "Accept-Encoding");
    if (encodings) {
        url->encodings = encodings;
        url->headers = r->headers_in;
        apr_table_unset(r->headers_in, "Accept-Encoding");
        ap_add_output_filter_handle(encodings_filter_handle, NULL, r,
                                    r->connection);
    }
}

static apr_status_t restore_encodings(ap_filter_t *f,
                                        apr_bucket_brigade *brigade)
{
    lpp_url_t *url = lpp_url_get(f->r);
    ap_filter_t *next = f->next;

    if (url) {
        lpp_url_restore_encodings(url);
    }
    ap_remove_output_filter(f);
    return lpp_pass_brigade(next, brigade);
}

void lpp_url_before_handler(request_rec *r)
{
    if (!r->main) {
        keep_from_caches(r);
        take_encodings(r);
    }
}

/* Whether an address belongs to this machine or to a network that cannot be
 * reached from the Internet. */
static int is_near(const apr_sockaddr_t *address, const request_rec *r)
{
    static const char *const networks[][2] = {
        {"127.0.0.0", "8"},    {"10.0.0.0", "8"},     {"172.16.0.0", "12"},
        {"192.168.0.0", "16"}, {"169.254.0.0", "16"}, {"::1", "128"},
        {"fe80::", "10"},      {"fc00::", "7"}};
    apr_ipsubnet_t *network;
    unsigned i;

    for (i = 0; i < LPP_COUNT(networks); i++) {
        if (apr_ipsubnet_create(&network, networks[i][0], networks[i][1],
                                r->pool) == APR_SUCCESS
            && apr_ipsubnet_test(network, (apr_sockaddr_t *)address)) {
            return 1;
        }
    }
    return apr_sockaddr_equal(address, r->connection->local_addr);
}

/* Whether the backend of r may belong to a third party. */
static int is_third_party(const request_rec *r)
{
    const char *url = apr_table_get(r->subprocess_env, "BALANCER_WORKER_NAME");
    apr_sockaddr_t *address;
    apr_uri_t parsed;

    if (r->proxyreq != PROXYREQ_REVERSE || !r->filename
        || strncmp(r->filename, "proxy:", 6) != 0) {
        return 1;
    }
    if (!url || strncmp(r->filename, "proxy:balancer:", 15) != 0) {
        url = r->filename + 6;
    }
    if (!strncmp(url, "unix:", 5)) {
        return 0;
    }
    if (apr_uri_parse(r->pool, url, &parsed) != APR_SUCCESS
        || !parsed.hostname
        || apr_sockaddr_info_get(&address, parsed.hostname, APR_UNSPEC, 0, 0,
                                 r->pool) != APR_SUCCESS) {
        return 1;
    }
    while (address && is_near(address, r)) {
        address = address->next;
    }
    return address != NULL;
}

/*
 * r has a copy of the headers that mod_proxy is about to send; r is a
 * subrequest if mod_include includes a proxied part.
 */
static int fix_backend_headers(request_rec *r)
{
    const lpp_run_t *run;

    if (!lpp_run_any() || !(run = lpp_run_get(r))) {
        return DECLINED;
    }
    if (lpp_run_plan(run)) {
        apr_table_unset(r->headers_in, "Accept-Encoding");
    }
    /* A header of this name from the client is not valid. */
    apr_table_unset(r->headers_in, LPP_RUN_PARENT_HEADER);
    if (lpp_run_profiled(run) && !is_third_party(r)) {
        apr_table_setn(r->headers_in, LPP_RUN_PARENT_HEADER,
                       apr_pstrdup(r->pool, lpp_run_id(run)));
    }
    return OK;
}

/*
 * The redirect of mod_dir to the same URL with a slash keeps the segment. The
 * whole URL is compared: other redirects stay as they are. NULL: the location
 * stays unchanged.
 */
static const char *carry_segment(request_rec *r, const lpp_url_t *url)
{
    const char *location = apr_table_get(r->headers_out, "Location");
    const char *path, *query;

    if (!location || url->plan->page) {
        return NULL;
    }
    path = apr_pstrcat(r->pool, ap_escape_uri(r->pool, r->uri), "/", NULL);
    query = r->args ? apr_pstrcat(r->pool, "?", r->args, NULL) : "";
    if (strcmp(location, ap_construct_url(r->pool, apr_pstrcat(
                             r->pool, path, query, NULL), r))) {
        return NULL;
    }
    path = lpp_trigger_put_back(url->plan, url->path, path, r->pool);
    return ap_construct_url(r->pool, apr_pstrcat(r->pool, path, query, NULL),
                            r);
}

/* httpd saves the old Location before the hook below and sets it afterwards:
 * only a filter runs later. */
static apr_status_t set_location(ap_filter_t *f, apr_bucket_brigade *brigade)
{
    ap_filter_t *next = f->next;

    apr_table_setn(f->r->headers_out, "Location", f->ctx);
    ap_remove_output_filter(f);
    return lpp_pass_brigade(next, brigade);
}

static __attribute__((noinline)) void follow_redirect(request_rec *r)
{
    lpp_url_t *url = lpp_url_get(r);
    const char *location;

    if (!url) {
        return;
    }
    keep_from_caches(r);
    lpp_url_restore_encodings(url);
    location = r->status == HTTP_MOVED_PERMANENTLY ? carry_segment(r, url)
                                                   : NULL;
    if (location) {
        ap_add_output_filter_handle(location_filter_handle, (void *)location,
                                    r, r->connection);
    }
}

/* Runs when httpd sends an error or redirect of its own: the handler has
 * finished, the filter chain is new. */
static void before_own_response(request_rec *r)
{
    if (lpp_wrappers_any()) {
        follow_redirect(r);
    }
}

void lpp_url_follow_register_hooks(apr_pool_t *pool)
{
    static const char *const cache[] = {CACHE_SOURCE, NULL};

    encodings_filter_handle = ap_register_output_filter(
        "LPPROFILE_ENCODINGS", restore_encodings, NULL,
        AP_FTYPE_RESOURCE - 1);
    location_filter_handle = ap_register_output_filter(
        "LPPROFILE_LOCATION", set_location, NULL, AP_FTYPE_RESOURCE - 1);
    /* After mod_headers and all others that set headers. */
    last_headers_filter_handle = ap_register_output_filter(
        "LPPROFILE_HEADERS", set_last_headers, NULL, AP_FTYPE_PROTOCOL - 1);
    if (ap_find_linked_module(CACHE_SOURCE)) {
        ap_hook_quick_handler(bypass_quick_cache, NULL, cache,
                              APR_HOOK_REALLY_FIRST);
        ap_hook_handler(bypass_cache, NULL, cache, APR_HOOK_REALLY_FIRST);
    }
    ap_hook_insert_error_filter(before_own_response, NULL, NULL,
                                APR_HOOK_REALLY_FIRST);
    /* Optional, so that the module loads without mod_proxy. */
    APR_OPTIONAL_HOOK(proxy, fixups, fix_backend_headers, NULL, NULL,
                      APR_HOOK_LAST);
}
