/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_inline: see mod_lpprofile_inline.h.
 */
#include <apr_optional.h>
#include <httpd.h>
#include <http_log.h>

#include "base/lpp_log_tags.h"
#include "lpprofile.h"
#include "server/mod_lpprofile_config.h"
#include "web/mod_lpprofile_filter.h"
#include "web/mod_lpprofile_inline.h"
#include "request/mod_lpprofile_run.h"

APLOG_USE_MODULE(lpprofile);

/* Whether the caller is the thread that serves the request, to which the run
 * belongs. httpd records that thread; if it does not, the caller is trusted.
 * (apr_os_thread_get cannot be used: for the only thread of prefork it returns
 * a variable that no longer exists.) */
static int is_serving_thread(const request_rec *r)
{
#if AP_HAS_THREAD_LOCAL
    const apr_thread_t *thread = r->connection->current_thread;

    return !thread || thread == ap_thread_current();
#else
    return 1;
#endif
}

static int refuse(const request_rec *r)
{
    ap_log_cserror(APLOG_MARK, APLOG_DEBUG, 0, r->connection, r->server,
                   LPP_TAG_INLINE_THREAD ": an inline region is refused: "
                   "another thread than the one that serves the request "
                   "asked for it");
    return 0;
}

int lpp_inline_start(request_rec *r, const char *name)
{
    request_rec *here = r;
    lpp_run_t *run;
    int fresh;

    /* The fast path: profiling is not allowed here. */
    if (!lpp_config_enabled(lpp_config_get(r->server)) && !lpp_run_any()) {
        return 0;
    }
    if (!is_serving_thread(r)) {
        return refuse(r);
    }
    run = lpp_run_begin_inline(r, &fresh);
    if (!run) {
        return 0;
    }
    while (here->main) {
        here = here->main;
    }
    if (fresh) {
        /* If the headers were already sent, this fails: files and OOPS are
         * written all the same. */
        (void)lpp_filter_join(here);
    }
    lpp_run_enter_region(run, name, 1);
    return 1;
}

int lpp_inline_time(request_rec *r, const char *name)
{
    lpp_run_t *run = lpp_run_get(r);

    if (!run || !lpp_run_profiled(run) || lpp_run_unseen(run)) {
        return 0;
    }
    if (!is_serving_thread(r)) {
        return refuse(r);
    }
    lpp_run_enter_region(run, name, 0);
    return 1;
}

int lpp_inline_stop(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);

    if (!run) {
        return 0;
    }
    return is_serving_thread(r) ? lpp_run_leave_region(run) : refuse(r);
}

/* The API defines these names; the functions are static, so they are not
 * exported. */
static int lpprofile_start(request_rec *r, const char *name)
{
    return lpp_inline_start(r, name);
}

static int lpprofile_time(request_rec *r, const char *name)
{
    return lpp_inline_time(r, name);
}

static int lpprofile_stop(request_rec *r)
{
    return lpp_inline_stop(r);
}

void lpp_inline_register_functions(void)
{
    APR_REGISTER_OPTIONAL_FN(lpprofile_start);
    APR_REGISTER_OPTIONAL_FN(lpprofile_time);
    APR_REGISTER_OPTIONAL_FN(lpprofile_stop);
}
