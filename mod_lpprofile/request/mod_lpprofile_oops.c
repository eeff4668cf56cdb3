/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_oops: what an OOPS says of one request.
 *
 * Reads the request and never changes it: httpd's own ap_add_common_vars and
 * ap_add_cgi_vars write to the request's environment, look up host names, and
 * run a subrequest, so the same variables are gathered here by hand.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_script.h>

#include "base/lpp_ascii.h"
#include "request/mod_lpprofile_oops_internal.h"

#define PAGE_ID_KEY "launchpad.pageid"

/* Where variables go. */
typedef struct vars_t {
    lpp_oops_t *oops;
    const lpp_oops_hidden_t *hidden;
} vars_t;

const lpp_oops_hidden_t *lpp_oops_hidden_of(const request_rec *r,
                                            const lpp_conf_t *conf,
                                            apr_pool_t *pool)
{
    lpp_oops_hidden_t *hidden = apr_pcalloc(pool, sizeof(*hidden));

    if (hidden) {
        hidden->names = lpp_config_oops_hide(conf);
        lpp_oops_hide_cookies(hidden, apr_table_get(r->headers_in, "Cookie"),
                              pool);
        lpp_oops_hide_authorization(
            hidden, apr_table_get(r->headers_in, "Authorization"), pool);
        lpp_oops_hide_authorization(
            hidden, apr_table_get(r->headers_in, "Proxy-Authorization"), pool);
    }
    return hidden;
}

/* An internal redirect to an error document is not what was asked for. */
static request_rec *before_error_document(request_rec *r)
{
    while (r->prev && ap_is_HTTP_ERROR(r->prev->status)) {
        r = r->prev;
    }
    return r;
}

/* What an application said in a note or the environment of any request of the
 * chain. */
static const char *told_page_id(const request_rec *r)
{
    for (; r; r = r->prev) {
        const char *told = apr_table_get(r->notes, PAGE_ID_KEY);

        if (!told || !told[0]) {
            told = apr_table_get(r->subprocess_env, PAGE_ID_KEY);
        }
        if (told && told[0]) {
            return told;
        }
    }
    return NULL;
}

/* The handler's name where it and not a directory says what answers: a proxy
 * or a script. */
static const char *active_handler(const request_rec *r)
{
    if (r->proxyreq || (r->handler && !strncmp(r->handler, "proxy:", 6))) {
        return "proxy-server";
    }
    if (!r->handler || !strcmp(r->handler, "default-handler")
        || !strcmp(r->handler, DIR_MAGIC_TYPE)
        || (r->content_type && !strcmp(r->handler, r->content_type))) {
        return NULL;
    }
    return r->handler;
}

/* Length of the URI without the path info behind a script or file. */
static apr_size_t mapped_length(const request_rec *r)
{
    apr_size_t len = strlen(r->uri);
    apr_size_t info = r->path_info ? strlen(r->path_info) : 0;

    if (!r->proxyreq && r->finfo.filetype == APR_REG && info > 0 && info < len
        && !strcmp(r->uri + len - info, r->path_info)) {
        len -= info;
    }
    return len;
}

/* Where the segment that ends at end of uri begins. */
static apr_size_t segment_start(const char *uri, apr_size_t end)
{
    while (end > 0 && uri[end - 1] != '/') {
        end--;
    }
    return end;
}

static const char *derived_page_id(const request_rec *r)
{
    const char *context = active_handler(r);
    apr_size_t view, end, start;

    if (!r->uri || r->uri[0] != '/' || (!r->filename && !context)) {
        return "Unknown";
    }
    end = mapped_length(r);
    view = segment_start(r->uri, end);
    if (!context) {
        apr_size_t dir = view;

        while (dir > 0 && r->uri[dir - 1] == '/') {
            dir--;
        }
        start = segment_start(r->uri, dir);
        context = start < dir
                      ? apr_pstrmemdup(r->pool, r->uri + start, dir - start)
                      : "RootObject";
    }
    return apr_pstrcat(r->pool, context, ":",
                       view < end
                           ? apr_pstrmemdup(r->pool, r->uri + view, end - view)
                           : "+index",
                       NULL);
}

const char *lpp_oops_page_id(request_rec *r, const lpp_conf_t *conf,
                             const lpp_oops_hidden_t *hidden)
{
    const char *page_id;

    r = before_error_document(r);
    page_id = lpp_config_page_id(conf, r);
    if (!page_id || !page_id[0]) {
        page_id = told_page_id(r);
    }
    if (!page_id) {
        page_id = derived_page_id(r);
    }
    return lpp_oops_mask_url(page_id, hidden, r->pool);
}

static void add(const vars_t *vars, const char *name, const char *value)
{
    if (value) {
        lpp_oops_add_var(vars->oops, name, value, vars->hidden);
    }
}

/* A header's name as a CGI program knows it. */
static char *header_variable(apr_pool_t *pool, const char *name)
{
    char *variable = apr_pstrcat(pool, "HTTP_", name, NULL), *c;

    for (c = variable; *c; c++) {
        *c = lpp_is_alnum(*c) ? lpp_to_upper(*c) : '_';
    }
    return variable;
}

static int add_header(void *baton, const char *name, const char *value)
{
    const vars_t *vars = baton;

    if (!ap_cstr_casecmp(name, "Content-Type")) {
        add(vars, "CONTENT_TYPE", value);
    }
    else if (!ap_cstr_casecmp(name, "Content-Length")) {
        add(vars, "CONTENT_LENGTH", value);
    }
    else {
        add(vars, header_variable(vars->oops->pool, name), value);
    }
    return 1;
}

static int add_environment(void *baton, const char *name, const char *value)
{
    add(baton, name, value);
    return 1;
}

/* The request that the client sent. */
static const request_rec *first_of(const request_rec *r)
{
    while (r->prev) {
        r = r->prev;
    }
    return r;
}

static void add_server(const vars_t *vars, request_rec *r)
{
    apr_pool_t *pool = vars->oops->pool;

    add(vars, "SERVER_SOFTWARE", ap_get_server_banner());
    add(vars, "SERVER_NAME", ap_get_server_name_for_url(r));
    add(vars, "SERVER_ADDR", r->connection->local_ip);
    add(vars, "SERVER_PORT",
        apr_psprintf(pool, "%u", (unsigned)ap_get_server_port(r)));
    add(vars, "SERVER_PROTOCOL", r->protocol);
    add(vars, "SERVER_ADMIN", r->server->server_admin);
    add(vars, "DOCUMENT_ROOT", ap_document_root(r));
    add(vars, "CONTEXT_PREFIX", ap_context_prefix(r));
    add(vars, "CONTEXT_DOCUMENT_ROOT", ap_context_document_root(r));
    add(vars, "REMOTE_ADDR", r->useragent_ip);
    if (r->useragent_addr) {
        add(vars, "REMOTE_PORT",
            apr_psprintf(pool, "%u",
                         (unsigned)r->connection->client_addr->port));
    }
}

static void add_request(const vars_t *vars, request_rec *r)
{
    apr_pool_t *pool = vars->oops->pool;
    const char *info = r->path_info && r->path_info[0] ? r->path_info : NULL;
    const char *uri = r->uri ? r->uri : "";
    int script = info ? ap_find_path_info(uri, info) : (int)strlen(uri);

    add(vars, "GATEWAY_INTERFACE", "CGI/1.1");
    add(vars, "REQUEST_METHOD", r->method);
    add(vars, "REQUEST_SCHEME", ap_http_scheme(r));
    /* What CGI programs were given; by now the request line may have its
     * trigger segment back, for the access log. */
    add(vars, "REQUEST_URI", first_of(r)->unparsed_uri);
    add(vars, "QUERY_STRING", r->args ? r->args : "");
    add(vars, "SCRIPT_FILENAME", r->filename);
    add(vars, "SCRIPT_NAME", apr_pstrmemdup(pool, uri, (apr_size_t)script));
    add(vars, "PATH_INFO", info);
    add(vars, "REMOTE_USER", r->user);
    add(vars, "AUTH_TYPE", r->ap_auth_type);
    if (r->prev) {
        add(vars, "REDIRECT_URL", r->prev->uri);
        add(vars, "REDIRECT_QUERY_STRING", r->prev->args);
        add(vars, "REDIRECT_REMOTE_USER", r->prev->user);
    }
}

/* The URL that was asked for, without the trigger segment. */
static const char *full_url(request_rec *r, const lpp_oops_hidden_t *hidden,
                            apr_pool_t *pool)
{
    const char *uri = first_of(r)->unparsed_uri;

    uri = uri ? uri : "";
    if (uri[0] == '/' || !uri[0]) {
        uri = ap_construct_url(pool, uri, r);
    }
    return apr_pstrdup(pool, lpp_oops_mask_url(uri, hidden, pool));
}

static const char *find_user(const request_rec *r)
{
    for (; r; r = r->prev) {
        if (r->user) {
            return r->user;
        }
    }
    return NULL;
}

/* "HTTPBadGateway" for 502; "HTTP599" for one that has no name. */
static const char *status_type(int status, apr_pool_t *pool)
{
    const char *line = ap_get_status_line(status);
    const char *from;
    char *type, *to;
    int new_word = 1;

    if (atoi(line) != status) {
        return apr_psprintf(pool, "HTTP%d", status);
    }
    type = apr_pstrcat(pool, "HTTP", line + 3, NULL);
    to = type + 4;
    for (from = to; *from; from++) {
        if (!lpp_is_alnum(*from)) {
            new_word = 1;
            continue;
        }
        *to++ = new_word ? lpp_to_upper(*from) : *from;
        new_word = 0;
    }
    *to = '\0';
    return type;
}

/* The status in words: a script's own, if it sent any. */
static const char *status_value(const request_rec *r, const vars_t *vars)
{
    const char *line =
        r->status_line ? r->status_line : ap_get_status_line(r->status);

    if (atoi(line) != r->status) {
        return apr_psprintf(vars->oops->pool, "%d", r->status);
    }
    return apr_pstrdup(vars->oops->pool,
                       lpp_oops_mask_url(line, vars->hidden, vars->oops->pool));
}

static const char *level_type(int level)
{
    return level <= APLOG_EMERG   ? "LogEmerg"
           : level == APLOG_ALERT ? "LogAlert"
                                  : "LogCritical";
}

int lpp_oops_failed(int status)
{
    switch (status) {
    case HTTP_NOT_IMPLEMENTED:
    case HTTP_VERSION_NOT_SUPPORTED:
    case HTTP_NOT_EXTENDED:
        return 0;
    default:
        return status >= HTTP_INTERNAL_SERVER_ERROR;
    }
}

static void classify(const vars_t *vars, const request_rec *r,
                     const lpp_oops_failure_t *failure, int final)
{
    lpp_oops_t *oops = vars->oops;
    const char *message = failure ? failure->message : NULL;

    oops->informational = 0;
    if (lpp_oops_failed(r->status)) {
        oops->type = status_type(r->status, oops->pool);
        oops->value = status_value(r, vars);
    }
    else if (message && failure->level <= APLOG_CRIT) {
        oops->type = level_type(failure->level);
    }
    else {
        oops->type = "ProfilingOops";
        oops->informational = 1;
        oops->value =
            final ? apr_psprintf(oops->pool, "Profiled, status %d", r->status)
                  : "Profiled until this point";
    }
    if (message) {
        oops->value = apr_pstrdup(oops->pool, message);
    }
}

void lpp_oops_gather(lpp_oops_t *oops, request_rec *r, const lpp_conf_t *conf,
                     const lpp_oops_hidden_t *hidden,
                     apr_interval_time_t duration_us,
                     const lpp_oops_failure_t *failure, int final)
{
    vars_t vars = {oops, hidden};
    const char *user = find_user(r);

    classify(&vars, r, failure, final);
    oops->time = r->request_time;
    oops->duration_s = (double)duration_us / APR_USEC_PER_SEC;
    oops->reporter =
        apr_pstrdup(oops->pool, lpp_config_oops_reporter(conf, r->server));
    oops->topic = apr_pstrdup(oops->pool, lpp_oops_page_id(r, conf, hidden));
    oops->username = user ? apr_pstrdup(oops->pool, user) : NULL;
    oops->url = full_url(r, hidden, oops->pool);
    add_server(&vars, r);
    /* Headers and environment last: a module's word on a variable counts. */
    add_request(&vars, r);
    apr_table_do(add_header, &vars, r->headers_in, NULL);
    apr_table_do(add_environment, &vars, r->subprocess_env, NULL);
}

int lpp_oops_see_message(lpp_oops_failure_t *failure, int level,
                         const char *message,
                         const lpp_oops_hidden_t *hidden, apr_pool_t *pool)
{
    int first = failure->message == NULL;

    if (level > APLOG_ERR || !message) {
        return 0;
    }
    if (first) {
        failure->message =
            apr_pstrdup(pool, lpp_oops_mask_url(message, hidden, pool));
    }
    if (first || level < failure->level) {
        failure->level = level;
    }
    return first;
}
