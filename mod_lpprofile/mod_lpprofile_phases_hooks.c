/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_phases_hooks: one hook before all others of each phase.
 *
 * Where a phase begins, the one before it has ended: most phases stop at the
 * first module that takes the request, so a hook behind all others would not
 * see their end. Fixups has one there too, because the lookup of a subrequest
 * ends with it. While no request of this child is profiled, a hook is a load,
 * a compare and a return. Every hook declines: none changes what httpd does.
 *
 * A subrequest that is run has no phase after its handler, and may be kept long
 * after (mod_include does): its EOS tells its end, to a filter of ours.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include "mod_lpprofile_phases_internal.h"

static ap_filter_rec_t *end_filter_handle;

static int any_attached(void)
{
    return __builtin_expect(
        atomic_load_explicit(&lpp_phases_attached, memory_order_relaxed) != 0,
        0);
}

static int pre_translate_name(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_PRE_TRANSLATE);
    }
    return DECLINED;
}

static int translate_name(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_TRANSLATE);
    }
    return DECLINED;
}

static int map_to_storage(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_MAP_TO_STORAGE);
    }
    return DECLINED;
}

static int header_parser(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_HEADER_PARSER);
    }
    return DECLINED;
}

static int access_checker(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_ACCESS);
    }
    return DECLINED;
}

static int check_user_id(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_USER);
    }
    return DECLINED;
}

static int auth_checker(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_AUTH);
    }
    return DECLINED;
}

static int type_checker(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_TYPE);
    }
    return DECLINED;
}

static int fixups(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_FIXUPS);
    }
    return DECLINED;
}

static int fixups_done(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_leave(r);
    }
    return DECLINED;
}

/* Behind all that a subrequest's own output goes through. */
static apr_status_t end_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    int eos = !APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
    apr_status_t status = ap_pass_brigade(f->next, bb);

    if (eos && any_attached()) {
        lpp_phases_leave(r);
    }
    return status;
}

static void insert_filter(request_rec *r)
{
    if (any_attached() && lpp_phases_enter(r, LPP_PHASE_INSERT_FILTER)
        && r->main) {
        ap_add_output_filter_handle(end_filter_handle, NULL, r,
                                    r->connection);
    }
}

static int handler(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_enter(r, LPP_PHASE_HANDLER);
    }
    return DECLINED;
}

static int log_transaction(request_rec *r)
{
    if (any_attached()) {
        lpp_phases_leave_all(r);
        lpp_phases_enter(r, LPP_PHASE_LOG);
    }
    return DECLINED;
}

void lpp_phases_register_hooks(apr_pool_t *pool)
{
    end_filter_handle = ap_register_output_filter(
        "LPPROFILE_PHASES", end_filter, NULL, AP_FTYPE_CONTENT_SET - 1);
    /* All before any other module's, so that their time is in the phase. */
    ap_hook_pre_translate_name(pre_translate_name, NULL, NULL,
                               APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(translate_name, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_header_parser(header_parser, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* By these and not by ap_hook_access_checker and so on: one hook that did
     * not say that it goes by configuration would make httpd check each
     * subrequest's access anew, also where it did not before. */
    ap_hook_check_access(access_checker, NULL, NULL, APR_HOOK_REALLY_FIRST,
                         AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(check_user_id, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authz(auth_checker, NULL, NULL, APR_HOOK_REALLY_FIRST,
                        AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_type_checker(type_checker, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(fixups, NULL, NULL, APR_HOOK_REALLY_FIRST);
    /* After all of them. */
    ap_hook_fixups(fixups_done, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_insert_filter(insert_filter, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(log_transaction, NULL, NULL,
                            APR_HOOK_REALLY_FIRST);
}
