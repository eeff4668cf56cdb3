/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_oops: fills the OOPS of one request.
 *
 * Reads the request and never changes it: ap_add_common_vars and
 * ap_add_cgi_vars of httpd write to the environment of the request, look up
 * host names, and run a subrequest, so the same variables are collected here.
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

/* The record to add variables to, and what to hide of them. */
typedef struct vars_t {
    lpp_oops_t *oops;
    const lpp_oops_hidden_t *hidden;
} vars_t;

static void add(const vars_t *vars, const char *name, const char *value)
{
    if (value) {
        lpp_oops_add_var(vars->oops, name, value, vars->hidden);
    }
}

/* The name of a header as a CGI variable. */
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

/* The first request of the chain, which the client sent. */
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
    /* The value that CGI programs get; the request line may contain the trigger
     * segment again by now, for the access log. */
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

static const char *find_user(const request_rec *r)
{
    for (; r; r = r->prev) {
        if (r->user) {
            return r->user;
        }
    }
    return NULL;
}

/* "HTTPBadGateway" for 502; "HTTP599" for a status without a name. */
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

/* The reason phrase: that of a script, if it sent one. */
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

void lpp_oops_gather(lpp_oops_t *oops, request_rec *r,
                     const lpp_facts_t *facts, apr_interval_time_t duration_us,
                     const lpp_oops_failure_t *failure, int final)
{
    vars_t vars = {oops, facts->hidden};
    const char *user = find_user(r);

    classify(&vars, r, failure, final);
    oops->time = facts->about.start;
    oops->duration_s = (double)duration_us / APR_USEC_PER_SEC;
    oops->reporter = apr_pstrdup(
        oops->pool, lpp_config_oops_reporter(facts->conf, r->server));
    oops->topic = apr_pstrdup(oops->pool, facts->about.page_id);
    oops->username = user ? apr_pstrdup(oops->pool, user) : NULL;
    oops->url = apr_pstrdup(oops->pool, facts->full_url);
    add_server(&vars, r);
    /* Headers and environment last: a variable that a module has set has
     * priority. */
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
