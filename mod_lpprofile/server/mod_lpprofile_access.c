/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_access: what the configuration decides about a request: whether
 * profiling is allowed, whether this client has access, which page it is. Reads
 * the request and never changes it: every expression was parsed with DONT_VARY,
 * so that its evaluation adds no Vary header. A failed expression counts as no.
 */
#include <httpd.h>
#include <http_log.h>

#include "base/lpp_log_tags.h"
#include "server/mod_lpprofile_config_internal.h"
#include "server/mod_lpprofile_origin_internal.h"

APLOG_USE_MODULE(lpprofile);

/* httpd has logged the error with file and line; this message adds its
 * effect. */
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

lpp_access_e lpp_config_judge(const lpp_conf_t *conf, request_rec *r,
                              const char **why)
{
    if (conf->access ? !holds(conf->access, LPP_DIR_ACCESS, r)
                     : !lpp_origin_is_direct(r)) {
        *why = LPP_DIR_ACCESS " does not let this client in";
        return LPP_ACCESS_REFUSED;
    }
    switch (lpp_origin_judge(r, why)) {
    case LPP_ORIGIN_OWN:
        return LPP_ACCESS_GRANTED;
    case LPP_ORIGIN_LINK:
        return LPP_ACCESS_BY_LINK;
    default:
        return LPP_ACCESS_REFUSED;
    }
}

int lpp_config_access(const lpp_conf_t *conf, request_rec *r)
{
    const char *why;

    return lpp_config_judge(conf, r, &why) == LPP_ACCESS_GRANTED;
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
