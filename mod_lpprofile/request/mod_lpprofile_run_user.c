/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_user: LPProfileRequireUser, once the user is known.
 */
#include <httpd.h>

#include "request/mod_lpprofile_run_internal.h"

/* LPProfileRequireUser said no: the profile is dropped, nothing is shown. */
static void drop(lpp_run_t *run)
{
    run->user_ok = 0;
    lpp_run_stop_calls(run);
    run->calls = NULL;
    lpp_run_stop_sql(run);
    run->sql = NULL;
    if (run->session) {
        lpp_session_stop(run->session, LPP_STOP_NOT);
        lpp_session_close(run->session);
        run->session = NULL;
    }
    run->profiled = 0;
    run->id[0] = '\0';
    apr_table_unset(run->r->notes, LPP_MEMORY_OOPS_NOTE);
    run->status = "user-not-allowed";
}

void lpp_run_check_user(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);

    if (run && !r->main && run->user_ok != 0 && !run->aggregate
        && lpp_config_requires_user(run->conf)) {
        if (lpp_config_user(run->conf, r)) {
            run->user_ok = 1;
        }
        else {
            drop(run);
        }
    }
}

/* A response may be sent though no fixup ran (401, 404 in map_to_storage):
 * then the user is not known, and nothing is shown. */
void lpp_run_settle_user(lpp_run_t *run)
{
    request_rec *last = run->r;

    if (run->user_ok >= 0 || !last) {
        return;
    }
    while (last->next) {
        last = last->next;
    }
    /* An inline region that began when the user was known, and nothing was
     * found wrong with him since. */
    if (run->inline_user && last->status != HTTP_UNAUTHORIZED
        && last->status != HTTP_FORBIDDEN) {
        run->user_ok = 1;
    }
    else {
        drop(run);
    }
}
