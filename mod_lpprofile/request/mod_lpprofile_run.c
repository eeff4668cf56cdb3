/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run: which run a request has, and what others may know of it.
 * How it begins stands in mod_lpprofile_run_life.c, what happens to it while
 * its request is served in mod_lpprofile_watch.c.
 */
#include <stdatomic.h>

#include <sys/syscall.h>
#include <unistd.h>

#include <apr_allocator.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <ap_mpm.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>

#include "base/lpp_clock.h"
#include "base/lpp_log_tags.h"
#include "store/lpp_store.h"
#include "server/mod_lpprofile_aggregate.h"
#include "server/mod_lpprofile_wrappers.h"
#include "request/mod_lpprofile_memory.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

APLOG_USE_MODULE(lpprofile);

apr_time_t lpp_run_now_us(void)
{
    return lpp_monotonic_us();
}

double lpp_run_ms(const lpp_run_t *run, apr_time_t moment_us)
{
    return (double)(moment_us - run->begin_us) / 1000.0;
}

lpp_run_t *lpp_run_get(const request_rec *r)
{
    if (!lpp_run_any()) {
        return NULL;
    }
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    return ap_get_module_config(r->request_config, &lpprofile_module);
}

lpp_calls_t *lpp_run_calls(const request_rec *r)
{
    const lpp_run_t *run = r->request_config ? lpp_run_get(r) : NULL;

    return run && run->counting ? run->calls : NULL;
}

lpp_phases_t *lpp_run_phases(const request_rec *r)
{
    const lpp_run_t *run = lpp_run_get(r);

    return run && !run->inline_only ? run->phases : NULL;
}

const lpp_plan_t *lpp_run_plan(const lpp_run_t *run)
{
    return run->plan;
}

int lpp_run_visible(const lpp_run_t *run)
{
    return run->access && run->user_ok > 0;
}

int lpp_run_profiled(const lpp_run_t *run)
{
    return run->profiled;
}

int lpp_run_unseen(const lpp_run_t *run)
{
    return run->aggregate;
}

const lpp_oops_hidden_t *lpp_run_hidden(const lpp_run_t *run)
{
    return run->hidden;
}

const char *lpp_run_id(const lpp_run_t *run)
{
    return run->id;
}

void lpp_run_keep_stack(lpp_run_t *run)
{
    if (run->session && !run->failure.stack_taken) {
        run->failure.stack_taken = 1;
        if (lpp_session_stack(run->session, run->failure_stack,
                              LPP_RUN_STACK_MAX, &run->failure_frames)
            != APR_SUCCESS) {
            run->failure_frames = 0;
        }
    }
}

void lpp_run_note(lpp_run_t *run, const char *token)
{
    if (!run->headers_set) {
        APR_ARRAY_PUSH(run->tokens, const char *) = apr_pstrdup(run->pool,
                                                                token);
    }
}
