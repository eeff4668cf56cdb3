/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_access: the questions a configuration answers about a request:
 * is profiling allowed for it, may this client, which page is it. Reads the
 * request and never changes it: every expression was parsed with DONT_VARY, so
 * that asking adds no Vary header. Whatever fails counts as no.
 */

#include <apr_network_io.h>
#include <httpd.h>
#include <http_log.h>

#include "lpp_log_tags.h"
#include "mod_lpprofile_config_internal.h"

APLOG_USE_MODULE(lpprofile);

/* httpd has logged an error with file and line already; this adds what came
 * of it. */
static void log_failed(request_rec *r, const char *directive,
                       const char *error)
{
    ap_log_cserror(APLOG_MARK, APLOG_INFO, 0, r->connection, r->server,
                   LPP_TAG_CONFIG_EXPR_FAILED ": %s could not be evaluated "
                   "and counts as no: %s", directive,
                   error ? error : "unknown reason");
}

static int holds(const lpp_conf_expr_t *expr, const char *directive,
                 request_rec *r)
{
    const char *error = NULL;
    int result = ap_expr_exec(r, expr->parsed, &error);

    if (result < 0 || error) {
        log_failed(r, directive, error);
        return 0;
    }
    return result > 0;
}

int lpp_config_allowed(const lpp_conf_t *conf, request_rec *r)
{
    if (conf->front.allowed == LPP_ALLOWED_EXPR) {
        return holds(conf->allowed_expr, LPP_DIR_ALLOWED, r);
    }
    return conf->front.allowed == LPP_ALLOWED_ON;
}

static int is_loopback(const apr_sockaddr_t *address)
{
    const unsigned char *bytes;

    if (!address) {
        return 0;
    }
    if (address->family == APR_INET) {
        bytes = (const unsigned char *)&address->sa.sin.sin_addr;
        return bytes[0] == 127;
    }
#if APR_HAVE_IPV6
    if (address->family == APR_INET6) {
        const struct in6_addr *in6 = &address->sa.sin6.sin6_addr;

        return IN6_IS_ADDR_LOOPBACK(in6)
               || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
    }
#endif
    return 0;
}

/* Whether a header says that somebody stands between the client and us. */
static int came_through_proxy(const request_rec *r)
{
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)headers->elts;
    int i;

    for (i = 0; i < headers->nelts; i++) {
        if (entry[i].key
            && (!ap_cstr_casecmp(entry[i].key, "Forwarded")
                || !ap_cstr_casecmpn(entry[i].key, "X-Forwarded-", 12)
                || !ap_cstr_casecmp(entry[i].key, "X-Real-IP")
                || !ap_cstr_casecmp(entry[i].key, "Via"))) {
            return 1;
        }
    }
    return 0;
}

/*
 * mod_remoteip takes away the header that it used. So an address that is no
 * longer the connection's own is as good as that header: refused, even if the
 * proxy says that its client was on this machine.
 */
static int is_direct_from_here(const request_rec *r)
{
    return r->useragent_addr == r->connection->client_addr
           && is_loopback(r->connection->client_addr)
           && !came_through_proxy(r);
}

int lpp_config_access(const lpp_conf_t *conf, request_rec *r)
{
    if (conf->access) {
        return holds(conf->access, LPP_DIR_ACCESS, r);
    }
    return is_direct_from_here(r);
}

int lpp_config_requires_user(const lpp_conf_t *conf)
{
    return conf->require_user != NULL;
}

int lpp_config_user(const lpp_conf_t *conf, request_rec *r)
{
    return !conf->require_user
           || holds(conf->require_user, LPP_DIR_REQUIRE_USER, r);
}

const char *lpp_config_page_id(const lpp_conf_t *conf, request_rec *r)
{
    const char *error = NULL, *page_id;

    if (!conf->page_id) {
        return NULL;
    }
    page_id = ap_expr_str_exec(r, conf->page_id->parsed, &error);
    if (error) {
        log_failed(r, LPP_DIR_PAGE_ID, error);
        return NULL;
    }
    return page_id && *page_id ? page_id : NULL;
}
