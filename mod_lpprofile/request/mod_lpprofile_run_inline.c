/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_inline: inline regions of a run. One that nobody else asked
 * for profiles its regions alone: the session pauses between them, holding the
 * gate, so that all regions of a request are one profile.
 */
#include <apr_strings.h>
#include <http_request.h>

#include "server/mod_lpprofile_aggregate.h"
#include "request/mod_lpprofile_run_internal.h"

/* Help is no profile; a region beside it is. */
static int asks_help_only(const lpp_run_t *run)
{
    return run->plan && run->plan->actions == LPP_ACTION_HELP
        && !run->plan->formats && !run->plan->page;
}

/* A run that may become one of regions: made here, or nothing but help. */
static lpp_run_t *find_run(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);
    const lpp_conf_t *conf = lpp_config_get(r->server);

    if (run) {
        return run->inline_only || run->headers_set || !asks_help_only(run)
            ? NULL : run;
    }
    if (lpp_aggregate_on() || !lpp_config_enabled(conf)
        || !lpp_config_allowed(conf, r)) {
        return NULL;
    }
    run = lpp_run_create(r, NULL, lpp_config_access(conf, r));
    if (run) {
        run->all_requests = 0;
    }
    return run;
}

/* Fixups may have run already, or not: asked now, and where they come later,
 * then. */
static int may_profile(lpp_run_t *run, request_rec *r)
{
    if (!lpp_config_requires_user(run->conf)) {
        return 1;
    }
    run->inline_user = lpp_config_user(run->conf, r);
    if (!run->inline_user) {
        run->user_ok = 0;
        run->status = "user-not-allowed";
    }
    return run->inline_user;
}

/* The URL asked for statements alone: that is no profile to win over ours. */
static int asks_sql_alone(const lpp_run_t *run)
{
    return lpp_run_asks_sql(run) && !run->formats
        && !(run->plan->actions & LPP_ACTION_SHOW);
}

/* The run goes on as one of regions, in the session that it has. */
static void profile_beside_sql(lpp_run_t *run)
{
    lpp_start_e how;

    if (!run->regions) {
        run->regions = lpp_regions_create(run->pool);
    }
    if (!run->regions) {
        return;
    }
    how = lpp_session_sample(run->session, lpp_run_inline_roots);
    if (how == LPP_START_FAILED) {
        return; /* cut short before: named in the timeline, no more */
    }
    run->start = how;
    run->status = lpp_run_start_token(how);
    run->inline_only = 1;
    run->formats = LPP_FORMAT_BIT(LPP_FORMAT_PSTATS);
    lpp_run_note(run, "inline");
}

lpp_run_t *lpp_run_begin_inline(request_rec *r, int *fresh)
{
    request_rec *first = r, *here = r;
    lpp_run_t *run = lpp_run_get(r);

    *fresh = 0;
    if (run && run->profiled) {
        if (!run->r || !run->session || run->aggregate) {
            return NULL;
        }
        if (!run->inline_only && asks_sql_alone(run)) {
            profile_beside_sql(run);
        }
        return run;
    }
    while (first->main || first->prev) {
        first = first->main ? first->main : first->prev;
    }
    while (here->main) {
        here = here->main;
    }
    run = find_run(first);
    if (!run) {
        return NULL;
    }
    run->inline_only = 1; /* also where it fails: not tried again */
    run->regions = lpp_regions_create(run->pool);
    if (!run->regions || !may_profile(run, here)) {
        return NULL;
    }
    run->formats = LPP_FORMAT_BIT(LPP_FORMAT_PSTATS);
    run->hook_us = lpp_run_now_us();
    /* Never attached: those of the request began long ago. */
    run->phases = lpp_phases_create(run->pool, run->begin_us, run->hidden);
    lpp_run_start(run, first, 1);
    if (!run->session) {
        return NULL;
    }
    lpp_run_note(run, "inline");
    lpp_run_watch(run, here);
    if (lpp_run_visible(run)) {
        apr_table_setn(here->subprocess_env, "no-cache", "1");
    }
    *fresh = 1;
    return run;
}
