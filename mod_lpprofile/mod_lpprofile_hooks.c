/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_hooks: see mod_lpprofile_hooks.h. Contains the order of this
 * module's calls in a phase, and nothing else.
 *
 * The phase is entered first, so that it contains the time of this module.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>

#include "server/mod_lpprofile_wrappers.h"
#include "web/mod_lpprofile_filter.h"
#include "mod_lpprofile_hooks.h"
#include "web/mod_lpprofile_pages.h"
#include "request/mod_lpprofile_phases.h"
#include "request/mod_lpprofile_run.h"
#include "web/mod_lpprofile_url.h"

/* A page of the module is claimed before mod_proxy and mod_rewrite see its URI,
 * in both hooks. */
static int begin_pre_translate(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_PRE_TRANSLATE);
    return lpp_pages_claim(r);
}

static int begin_translate(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_TRANSLATE);
    return lpp_pages_claim(r);
}

static int begin_map_to_storage(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_MAP_TO_STORAGE);
    return lpp_pages_skip_storage(r);
}

static int begin_header_parser(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_HEADER_PARSER);
    return DECLINED;
}

static int begin_access(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_ACCESS);
    return DECLINED;
}

static int begin_check_user(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_USER);
    return DECLINED;
}

static int begin_auth(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_AUTH);
    return DECLINED;
}

static int begin_type(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_TYPE);
    return DECLINED;
}

static int begin_fixups(request_rec *r)
{
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_FIXUPS);
    return DECLINED;
}

/* The look-up of a subrequest ends here; other requests continue with their
 * filters. */
static void end_fixups(request_rec *r)
{
    if (r->main) {
        lpp_phases_leave(lpp_run_phases(r), r);
        return;
    }
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_INSERT_FILTER);
    lpp_pages_set_handler(r);
    lpp_run_check_user(r);
    lpp_run_tell_page(r);
}

/* The filters were inserted just before. */
static int begin_handler(request_rec *r)
{
    lpp_phases_enter_handler(lpp_run_phases(r), r);
    lpp_filter_insert(r);
    lpp_url_before_handler(r);
    return lpp_pages_handle(r);
}

/* The run reads the plain request line first; then it is restored to what the
 * client sent, for the loggers. */
static int begin_log(request_rec *r)
{
    lpp_phases_leave_all(lpp_run_phases(r));
    lpp_phases_enter(lpp_run_phases(r), r, LPP_PHASE_LOG);
    lpp_run_gather(r);
    lpp_url_restore_line(r);
    return DECLINED;
}

static const lpp_phase_callbacks_t callbacks[] = {
    { "post_read_request", lpp_url_join_chain, NULL, NULL },
    { "post_read_request", lpp_url_before_digest, lpp_url_after_digest,
      "mod_auth_digest.c" },
    { "pre_translate_name", begin_pre_translate, NULL, NULL },
    { "translate_name", begin_translate, NULL, NULL },
    { "map_to_storage", begin_map_to_storage, NULL, NULL },
    { "header_parser", begin_header_parser, NULL, NULL },
    { "access_checker", begin_access, NULL, NULL },
    { "access_checker_ex", begin_access, NULL, NULL },
    { "check_user_id", begin_check_user, NULL, NULL },
    { "auth_checker", begin_auth, NULL, NULL },
    { "type_checker", begin_type, NULL, NULL },
    { "fixups", begin_fixups, end_fixups, NULL },
    { "handler", begin_handler, NULL, NULL },
    { "log_transaction", begin_log, lpp_run_take_over, NULL },
};

static int no_log(request_rec *r)
{
    return DECLINED;
}

void lpp_hooks_register(apr_pool_t *pool)
{
    /* Callbacks need a hook in their phase; in all other phases used here
     * httpd's core has one. */
    if (!ap_hook_get_log_transaction()) {
        ap_hook_log_transaction(no_log, NULL, NULL, APR_HOOK_LAST);
    }
    lpp_wrappers_set_callbacks(callbacks, LPP_COUNT(callbacks));
}
