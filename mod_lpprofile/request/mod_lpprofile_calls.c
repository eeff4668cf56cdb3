/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_calls: see mod_lpprofile_calls.h.
 *
 * A subrequest or redirect remembers its scope in its own request_config, where
 * the first request keeps its run: nothing to look up and nothing to forget,
 * however often httpd uses the memory of a request_rec again.
 */
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

#define PATH_MAX_BYTES 256

static const request_rec *maker_of(const request_rec *r)
{
    return r->main ? r->main : r->prev;
}

/* The scope of r; LPP_CALLS_NONE: it has none yet. */
static apr_uint32_t known_scope(const request_rec *r)
{
    apr_uintptr_t slot;

    if (!maker_of(r)) {
        return 0; /* its slot holds the run */
    }
    slot = (apr_uintptr_t)ap_get_module_config(r->request_config,
                                               &lpprofile_module);
    return slot ? (apr_uint32_t)(slot - 1) : LPP_CALLS_NONE;
}

/* The first call in a subrequest or redirect. The path alone: a query says
 * little here. */
static apr_uint32_t begin_scope(lpp_run_t *run, lpp_calls_t *calls,
                                request_rec *r)
{
    const request_rec *maker = maker_of(r);
    apr_uint32_t scope;
    char path[PATH_MAX_BYTES];

    while (known_scope(maker) == LPP_CALLS_NONE) {
        maker = maker_of(maker); /* it ran no hook itself */
    }
    apr_cpystrn(path, lpp_oops_mask_url(r->uri ? r->uri : "",
                                        lpp_run_hidden(run), r->pool),
                sizeof(path));
    scope = lpp_calls_begin_scope(calls, known_scope(maker),
                                  r->main ? LPP_SCOPE_SUBREQUEST
                                          : LPP_SCOPE_REDIRECT, path);
    ap_set_module_config(r->request_config, &lpprofile_module,
                         (void *)(apr_uintptr_t)(scope + 1));
    return scope;
}

static void *enter(request_rec *r, apr_uint32_t hook, unsigned *handle)
{
    lpp_run_t *run = r->request_config ? lpp_run_get(r) : NULL;
    lpp_calls_t *calls = run ? lpp_run_calls(run) : NULL;
    apr_uint32_t scope;

    if (!calls) {
        return NULL;
    }
    scope = known_scope(r);
    if (__builtin_expect(scope == LPP_CALLS_NONE, 0)) {
        scope = begin_scope(run, calls, r);
    }
    *handle = lpp_calls_enter(calls, scope, hook);
    return calls;
}

static void leave(void *seen, unsigned handle, apr_uint32_t hook,
                  const int *result)
{
    lpp_calls_leave(seen, handle, result,
                    result && lpp_entries_decides(hook, *result));
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    static const lpp_watcher_t watcher = { enter, leave };

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || !lpp_process_wanted(s)) {
        return OK; /* nothing is touched */
    }
    if (!lpp_config_hooks(s)) {
        lpp_entries_prepare(NULL, lpprofile_module.name, pconf);
        return OK;
    }
    lpp_entries_prepare(&watcher, lpprofile_module.name, pconf);
    if (lpp_entries_left_out() > 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     LPP_TAG_HOOKS_LEFT_OUT ": %u of %u hooks are not "
                     "counted: there are no more entries",
                     lpp_entries_left_out(),
                     lpp_entries_left_out() + lpp_entries_count());
    }
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, s,
                 LPP_TAG_HOOKS_COUNTED ": calls of %u hooks are counted while "
                 "a request is profiled", lpp_entries_count());
    return OK;
}

void lpp_calls_register_hooks(apr_pool_t *pool)
{
    /* After all others: what they hook up in theirs is counted, too. */
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_REALLY_LAST);
}
