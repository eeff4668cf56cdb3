/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_inline: inline regions of a run. If nothing else asked for
 * a profile, only the regions are profiled: the session pauses between them and
 * keeps the gate, so that all regions of a request are in one profile.
 */
#include <apr_strings.h>
#include <http_request.h>

#include "base/lpp_clock.h"
#include "request/mod_lpprofile_run_internal.h"
#include "server/mod_lpprofile_aggregate.h"

/* A request for help alone is not profiled; its regions may be. */
static int asks_help_only(const lpp_run_t *run)
{
    return run->asked.plan && run->asked.plan->actions == LPP_ACTION_HELP
        && !run->asked.plan->formats && !run->asked.plan->page;
}

/* The run to profile regions in: a new one, or one that asks only for help. */
static lpp_run_t *find_run(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);
    const lpp_conf_t *conf = lpp_config_get(r->server);

    if (run) {
        return run->asked.inline_only || run->answer.headers_set
               || !asks_help_only(run) ? NULL : run;
    }
    if (lpp_aggregate_on() || !lpp_config_enabled(conf)
        || !lpp_config_allowed(conf, r)) {
        return NULL;
    }
    run = lpp_run_create(r, NULL, lpp_config_access(conf, r));
    if (run) {
        run->asked.all_requests = 0;
    }
    return run;
}

/* Whether regions may be profiled. The user may be known already; if fixups
 * come later, lpp_run_check_user checks again. */
static int may_profile(lpp_run_t *run, request_rec *r)
{
    if (!lpp_config_requires_user(run->facts.conf)) {
        return 1;
    }
    run->viewer.inline_user = lpp_config_user(run->facts.conf, r);
    if (!run->viewer.inline_user) {
        run->viewer.user_ok = 0;
        run->answer.status = "user-not-allowed";
    }
    return run->viewer.inline_user;
}

/* Whether the URL asked for statements only: then regions may be profiled. */
static int asks_sql_alone(const lpp_run_t *run)
{
    return lpp_run_asks_sql(run) && !run->output.formats
        && !(run->asked.plan->actions & LPP_ACTION_SHOW);
}

/* Profile the regions in the session that records the statements. */
static void profile_beside_sql(lpp_run_t *run)
{
    lpp_start_e how;

    if (!run->records.regions) {
        run->records.regions = lpp_regions_create(run->pool);
    }
    if (!run->records.regions) {
        return;
    }
    how = lpp_session_sample(run->profiling.session, lpp_run_inline_roots);
    if (how == LPP_START_FAILED) {
        return; /* was cut short before: regions are in the timeline only */
    }
    run->profiling.start = how;
    run->answer.status = lpp_run_start_token(how);
    run->asked.inline_only = 1;
    run->output.formats = LPP_FORMAT_BIT(LPP_FORMAT_PSTATS);
    lpp_run_note(run, "inline");
}

lpp_run_t *lpp_run_begin_inline(request_rec *r, int *fresh)
{
    request_rec *first = r, *here = r;
    lpp_run_t *run = lpp_run_get(r);

    *fresh = 0;
    if (run && run->profiling.profiled) {
        if (!run->r || !run->profiling.session || run->asked.aggregate) {
            return NULL;
        }
        if (!run->asked.inline_only && asks_sql_alone(run)) {
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
    run->asked.inline_only = 1; /* also on failure: do not try again */
    run->records.regions = lpp_regions_create(run->pool);
    if (!run->records.regions || !may_profile(run, here)) {
        return NULL;
    }
    run->output.formats = LPP_FORMAT_BIT(LPP_FORMAT_PSTATS);
    run->profiling.hook_us = lpp_monotonic_us();
    /* Not attached: the phases of the request have begun before. */
    run->records.phases = lpp_phases_create(run->pool, run->facts.begin_us,
                                            run->facts.hidden);
    lpp_run_start(run, first, 1);
    if (!run->profiling.session) {
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

void lpp_run_enter_region(lpp_run_t *run, const char *name, int profiled)
{
    if (!run->records.regions) {
        run->records.regions = lpp_regions_create(run->pool);
        if (!run->records.regions) {
            return;
        }
    }
    /* For the first region the session was just begun, and runs. */
    if (run->asked.inline_only && profiled && run->profiling.session
        && lpp_regions_profiles(run->records.regions) > 0
        && !lpp_regions_profiled_depth(run->records.regions)
        && lpp_session_resume(run->profiling.session) != APR_SUCCESS) {
        lpp_run_freeze_regions(run);
        lpp_session_stop(run->profiling.session, LPP_STOP_NOT);
    }
    (void)lpp_regions_enter(run->records.regions, name, profiled,
                            lpp_monotonic_us());
}

int lpp_run_leave_region(lpp_run_t *run)
{
    if (!run->records.regions || !lpp_regions_depth(run->records.regions)) {
        return 0;
    }
    if (lpp_regions_leave(run->records.regions, lpp_monotonic_us())
        && run->asked.inline_only && run->profiling.session) {
        lpp_session_pause(run->profiling.session);
    }
    return 1;
}
