/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_calls: see mod_lpprofile_calls.h.
 *
 * The scope of a subrequest or redirect is stored in its own request_config,
 * where the first request has its run. So no table must be searched and no
 * entry removed, even if httpd uses the memory of a request_rec again.
 */
#include <string.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>

#include "profile/lpp_calls.h"
#include "base/lpp_log_tags.h"
#include "oops/lpp_oops.h"
#include "request/mod_lpprofile_calls.h"
#include "server/mod_lpprofile_config.h"
#include "server/mod_lpprofile_wrappers.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run.h"

APLOG_USE_MODULE(lpprofile);

#define PATH_MAX_BYTES 255

static const request_rec *maker_of(const request_rec *r)
{
    return r->main ? r->main : r->prev;
}

/* The scope of r; LPP_CALLS_NONE: it has none yet. */
static apr_uint32_t known_scope(const request_rec *r)
{
    apr_uintptr_t slot;

    if (!maker_of(r)) {
        return 0; /* the slot of the first request has the run */
    }
    slot = (apr_uintptr_t)ap_get_module_config(r->request_config,
                                               &lpprofile_module);
    return slot ? (apr_uint32_t)(slot - 1) : LPP_CALLS_NONE;
}

/* Begin a scope at the first call in a subrequest or redirect. Its name is the
 * path without the query, which says little here. */
static apr_uint32_t begin_scope(lpp_calls_t *calls, request_rec *r)
{
    const request_rec *maker = maker_of(r);
    apr_uint32_t scope;
    const char *path;

    while (known_scope(maker) == LPP_CALLS_NONE) {
        maker = maker_of(maker); /* the maker ran no hook itself */
    }
    path = lpp_oops_mask_url(r->uri ? r->uri : "",
                             lpp_run_hidden(lpp_run_get(r)), r->pool);
    if (strlen(path) > PATH_MAX_BYTES) {
        path = apr_pstrmemdup(r->pool, path, PATH_MAX_BYTES);
    }
    scope = lpp_calls_begin_scope(calls, known_scope(maker),
                                  r->main ? LPP_SCOPE_SUBREQUEST
                                          : LPP_SCOPE_REDIRECT, path);
    ap_set_module_config(r->request_config, &lpprofile_module,
                         (void *)(apr_uintptr_t)(scope + 1));
    return scope;
}

static lpp_counted_t enter(request_rec *r, apr_uint32_t hook)
{
    lpp_counted_t counted = { lpp_run_calls(r), 0 };
    apr_uint32_t scope;

    if (!counted.calls) {
        return counted;
    }
    scope = known_scope(r);
    if (__builtin_expect(scope == LPP_CALLS_NONE, 0)) {
        scope = begin_scope(counted.calls, r);
    }
    counted.handle = lpp_calls_enter(counted.calls, scope, hook);
    return counted;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || !lpp_process_wanted(s)) {
        return OK; /* nothing is changed */
    }
    if (!lpp_config_hooks(s)) {
        lpp_wrappers_prepare(NULL, lpprofile_module.name, pconf);
        return OK;
    }
    lpp_wrappers_prepare(enter, lpprofile_module.name, pconf);
    if (lpp_wrappers_left_out() > 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     LPP_TAG_HOOKS_LEFT_OUT ": %u of %u hooks are not "
                     "counted: all hook wrappers are in use",
                     lpp_wrappers_left_out(),
                     lpp_wrappers_left_out() + lpp_wrappers_count());
    }
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, s,
                 LPP_TAG_HOOKS_COUNTED ": calls of %u hooks are counted while "
                 "a request is profiled", lpp_wrappers_count());
    return OK;
}

void lpp_calls_register_hooks(apr_pool_t *pool)
{
    /* After all others, so that hooks which they register are counted, too. */
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_REALLY_LAST);
}
