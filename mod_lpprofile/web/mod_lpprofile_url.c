/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url: removes the segment from a request, before any module uses
 * its URL, and from the URLs in its headers. The run decides the rest.
 */
#include <string.h>

#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

#include "base/lpp_log_tags.h"
#include "server/mod_lpprofile_aggregate.h"
#include "server/mod_lpprofile_config.h"
#include "server/mod_lpprofile_wrappers.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run.h"
#include "web/mod_lpprofile_url_internal.h"

APLOG_USE_MODULE(lpprofile);

/* Whether there is a segment, and it is for this server. */
static int has_segment(const request_rec *r)
{
    return r->parsed_uri.path && lpp_trigger_find(r->parsed_uri.path)
           && r->proxyreq != PROXYREQ_PROXY && r->method_number != M_CONNECT
           && r->method_number != M_TRACE && r->parsed_uri.path[0] == '/';
}

/*
 * Whether a browser fetches r as a part of a page. A person may have asked for
 * any other destination, or one that is not given.
 */
static int is_part_of_page(const request_rec *r)
{
    static const char *const parts[] = {
        "script", "style", "image", "font", "audio", "video", "track",
        "manifest", "worker", "sharedworker", "serviceworker",
        "audioworklet", "paintworklet", "xslt"
    };
    const char *destination = apr_table_get(r->headers_in, "Sec-Fetch-Dest");
    apr_size_t i;

    for (i = 0; destination && i < LPP_COUNT(parts); i++) {
        if (!ap_cstr_casecmp(destination, parts[i])) {
            return 1;
        }
    }
    return 0;
}

/* The URI that the client sent, with another path. */
static const char *with_path(const request_rec *r, const char *path)
{
    const char *uri = r->unparsed_uri, *rest = uri;

    if (uri[0] != '/') {
        rest = strstr(uri, "://");
        rest = rest ? rest + 3 : uri;
        rest += strcspn(rest, "/?#");
    }
    return apr_pstrcat(r->pool,
                       apr_pstrndup(r->pool, uri, (apr_size_t)(rest - uri)),
                       path, rest + strcspn(rest, "?#"), NULL);
}

/*
 * Make r what it would be if the client had sent the plain URL. ap_parse_uri is
 * needed for that: access control uses parsed_uri.path, which is normalised in
 * place, and r->uri must be the same buffer. It removes the host name of the
 * Host header, which is saved and restored.
 */
static int rewrite(request_rec *r, const lpp_plan_t *plan)
{
    const char *hostname = r->hostname;
    char *port_str = r->parsed_uri.port_str;
    apr_port_t port = r->parsed_uri.port;

    ap_parse_uri(r, with_path(r, plan->plain_path));
    r->hostname = hostname;
    r->parsed_uri.port_str = port_str;
    r->parsed_uri.port = port;
    if (r->status != HTTP_OK || r->uri != r->parsed_uri.path) {
        ap_log_cserror(APLOG_MARK, APLOG_WARNING, 0, r->connection, r->server,
                       LPP_TAG_URL_MISMATCH ": refused, the URL without "
                       "its " LPP_TRIGGER_MARK
                       " segment cannot be parsed");
        return HTTP_BAD_REQUEST;
    }
    if (!plan->page) {
        r->the_request = (char *)lpp_trigger_strip_line(r->the_request,
                                                        r->pool);
    }
    return OK;
}

/*
 * A profile needs the whole page: without this, the response could be a 304 or
 * a part. If-Match, If-Unmodified-Since and If stay: they protect a write.
 */
static void ignore_conditions(request_rec *r)
{
    if (r->method_number == M_GET) {
        apr_table_unset(r->headers_in, "If-None-Match");
        apr_table_unset(r->headers_in, "If-Modified-Since");
        apr_table_unset(r->headers_in, "If-Range");
        apr_table_unset(r->headers_in, "Range");
    }
}

/* The plan of the segment of r; NULL: the segment is ordinary text. */
static const lpp_plan_t *read_plan(const request_rec *r)
{
    lpp_plan_t *plan;

    if (lpp_trigger_parse(r->parsed_uri.path, &plan, r->pool)
        != APR_SUCCESS) {
        return NULL;
    }
    if (lpp_aggregate_on() && plan->page) {
        plan->page = 0; /* transparent, like any other segment */
        plan->plain_path = "/";
    }
    return plan;
}

/*
 * Request headers with a URL that a module of this server uses. A WebDAV client
 * that works below /++profile++show/ sends the segment in all of them; with it,
 * the target of a COPY would be a collection of that name. mod_dav compares
 * scheme and port with the request's, but not the host, so the host is not
 * checked here.
 */

/* Strip the segment from a header that is one URL. */
static void strip_url(request_rec *r, const char *name)
{
    const char *url = apr_table_get(r->headers_in, name);

    if (url) {
        apr_table_setn(r->headers_in, name,
                       lpp_trigger_strip_uri(url, r->pool));
    }
}

/*
 * RFC 4918, 10.4: <URL> (conditions) <URL> (conditions). The parentheses
 * contain tokens and ETags, which are not URLs; they end at the first ")", for
 * mod_dav too. A malformed part stays, and mod_dav refuses it.
 */
static void strip_if(request_rec *r)
{
    const char *rest = apr_table_get(r->headers_in, "If");
    apr_array_header_t *pieces;
    const char *open, *close, *url;

    if (!rest || !lpp_trigger_find(rest)) {
        return;
    }
    pieces = apr_array_make(r->pool, 16, sizeof(const char *));
    while ((open = strpbrk(rest, "<(")) != NULL
           && (close = strchr(open, *open == '<' ? '>' : ')')) != NULL) {
        url = apr_pstrmemdup(r->pool, open + 1,
                             (apr_size_t)(close - open - 1));
        APR_ARRAY_PUSH(pieces, const char *) =
            apr_pstrmemdup(r->pool, rest, (apr_size_t)(open + 1 - rest));
        APR_ARRAY_PUSH(pieces, const char *) =
            *open == '<' ? lpp_trigger_strip_uri(url, r->pool) : url;
        rest = close; /* the next piece begins here */
    }
    APR_ARRAY_PUSH(pieces, const char *) = rest;
    apr_table_setn(r->headers_in, "If",
                   apr_array_pstrcat(r->pool, pieces, 0));
}

static void strip_headers(request_rec *r)
{
    strip_url(r, "Destination"); /* RFC 4918, 10.3 */
    strip_url(r, "New-uri");     /* an older name, still read by mod_dav */
    strip_if(r);
}

/* Remove the segment from r and save what is needed to restore it. */
static int take_segment(request_rec *r, const lpp_plan_t *plan,
                        lpp_url_t **result)
{
    lpp_url_t *url = apr_pcalloc(r->pool, sizeof(*url));
    int status;

    *result = NULL;
    url->plan = plan;
    url->line = r->the_request;
    url->sent_uri = r->unparsed_uri;
    /* A copy: httpd normalises the buffer in place. */
    url->path = apr_pstrdup(r->pool, r->parsed_uri.path);
    status = rewrite(r, plan);
    if (status != OK) {
        return status;
    }
    strip_headers(r);
    apr_table_setn(r->subprocess_env, LPP_URL_ENV, url->path);
    lpp_url_keep(r, url);
    *result = url;
    return OK;
}

int lpp_url_came_by_link(const request_rec *r)
{
    const lpp_url_t *url = lpp_url_get(r);

    return url && url->by_link;
}

int lpp_url_before_digest(request_rec *r)
{
    lpp_url_t *url = r->main || r->prev ? NULL : lpp_url_get(r);

    if (url) {
        url->plain_uri = r->unparsed_uri;
        r->unparsed_uri = url->sent_uri;
    }
    return DECLINED;
}

void lpp_url_after_digest(request_rec *r)
{
    lpp_url_t *url = r->main || r->prev ? NULL : lpp_url_get(r);

    if (url && url->plain_uri) {
        r->unparsed_uri = url->plain_uri;
        url->plain_uri = NULL;
    }
}

int lpp_url_join_chain(request_rec *r)
{
    lpp_url_t *url = r->prev ? lpp_url_get(r) : NULL;

    if (url) {
        apr_table_setn(r->subprocess_env, LPP_URL_ENV, url->path);
        lpp_url_restore_encodings(url);
    }
    return DECLINED;
}

/* Whether the segment of r has effect with this access. It is logged if it has
 * none, or only after a confirmation. */
static int is_trigger(const request_rec *r, const lpp_plan_t *plan,
                      lpp_access_e access, const char *why)
{
    if (access == LPP_ACCESS_GRANTED) {
        return 1;
    }
    if (access == LPP_ACCESS_BY_LINK && plan->page) {
        ap_log_cserror(APLOG_MARK, APLOG_INFO, 0, r->connection, r->server,
                       LPP_TAG_URL_BY_LINK ": a link led to %s; the answer "
                       "asks to open it again: %s", plan->plain_path, why);
        return 1;
    }
    ap_log_cserror(APLOG_MARK, APLOG_INFO, 0, r->connection, r->server,
                   LPP_TAG_URL_REFUSED ": " LPP_TRIGGER_MARK " in the URL is "
                   "taken as ordinary text: %s", why);
    return 0;
}

/* Handle a request on a host that allows profiling, with a possible segment or
 * with LPProfileAllRequests. This function and the next two are not inlined, so
 * that read_request saves no registers for them. */
static __attribute__((noinline)) int consider(request_rec *r)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    lpp_url_t *url = NULL;
    const lpp_plan_t *plan = NULL;
    lpp_access_e access;
    const char *why;
    int segment, status;

    if (r->prev || r->main) {
        return DECLINED; /* the segment of an internal redirect is text */
    }
    segment = has_segment(r);
    if ((!segment && !lpp_config_all_requests(conf))
        || !lpp_config_allowed(conf, r)) {
        return DECLINED;
    }
    access = lpp_config_judge(conf, r, &why);
    if (segment) {
        plan = read_plan(r);
    }
    if (plan && is_trigger(r, plan, access, why)) {
        status = take_segment(r, plan, &url);
        if (status != OK) {
            return status;
        }
        url->by_link = access == LPP_ACCESS_BY_LINK;
    }
    if (url && (url->plan->page || !is_part_of_page(r))) {
        url->profiled_as_asked = 1;
        ignore_conditions(r);
        lpp_run_begin(r, url->plan, access == LPP_ACCESS_GRANTED);
    }
    else if (lpp_config_all_requests(conf)) {
        lpp_run_begin(r, NULL, access == LPP_ACCESS_GRANTED);
    }
    return DECLINED;
}

static __attribute__((noinline)) int look_behind(request_rec *r)
{
    return lpp_trigger_look_behind(r->uri) == LPP_TRIGGER_NO ? DECLINED
                                                             : consider(r);
}

static __attribute__((noinline)) int look_at_all(request_rec *r)
{
    return lpp_config_look(lpp_config_get(r->server)) == LPP_LOOK_NOWHERE
               ? DECLINED : consider(r);
}

/*
 * Runs when the client's address (mod_remoteip) and a proxy request (mod_proxy)
 * are known, before mod_setenvif reads the URL. r->uri is still the path, or
 * "/" if there is none.
 */
static int read_request(request_rec *r)
{
    if (lpp_config_look(lpp_config_get(r->server)) != LPP_LOOK_AT_PATH) {
        return look_at_all(r);
    }
    switch (lpp_trigger_look(r->uri)) {
    case LPP_TRIGGER_NO:
        return DECLINED;
    case LPP_TRIGGER_LONG:
        return look_behind(r);
    case LPP_TRIGGER_MAYBE:
        break;
    }
    return consider(r);
}

/* The same hook if all requests are summed up. */
static int read_summed_request(request_rec *r)
{
    const lpp_plan_t *plan;
    lpp_url_t *url;
    int status;

    if (r->prev || r->main) {
        return DECLINED;
    }
    plan = has_segment(r) ? read_plan(r) : NULL;
    if (plan) {
        status = take_segment(r, plan, &url);
        if (status != OK) {
            return status;
        }
    }
    lpp_run_begin(r, NULL, 0);
    return DECLINED;
}

/*
 * Called before the loggers: the access log shows the request line as sent. The
 * pointer was copied into every request_rec of the chain.
 */
void lpp_url_restore_line(request_rec *r)
{
    lpp_url_t *url = lpp_url_get(r);

    if (url) {
        lpp_url_restore_encodings(url);
        for (; r; r = r->next) {
            r->the_request = (char *)url->line;
        }
    }
}

void lpp_url_register_hooks(apr_pool_t *pool)
{
    static const char *const before[] = {
        "mod_remoteip.c", "mod_proxy.c", "mod_headers.c", NULL
    };
    /* Modules that use the URL in this phase. The last two would otherwise run
     * first. */
    static const char *const after[] = {
        "mod_setenvif.c", "mod_qos.c", "mod_perl.c", "mod_security2.c", NULL
    };

    ap_hook_post_read_request(lpp_aggregate_on() ? read_summed_request
                                                 : read_request,
                              before, after, APR_HOOK_FIRST);
    lpp_url_follow_register_hooks(pool);
}
