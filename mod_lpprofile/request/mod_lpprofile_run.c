/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run: which run a request has, the getters of a run, its memory,
 * and its user. mod_lpprofile_run_life.c has its begin and end,
 * mod_lpprofile_watch.c what happens to it while its request is served.
 *
 * The pool of a run is unmanaged and has an allocator of its own, because the
 * jobs thread uses it after the request is destroyed.
 */
#include <stdatomic.h>

#include <apr_allocator.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>

#include "base/lpp_clock.h"
#include "request/mod_lpprofile_run_internal.h"
#include "server/mod_lpprofile_process.h"

/*
 * Newly mapped memory costs page faults, microseconds each: so the next run
 * uses the memory that the last one freed. An allocator belongs to the run that
 * took it, without a lock: the pools of requests may be destroyed in prefork's
 * signal handler.
 */
#define RUN_MEMORY_KEPT (1024 * 1024) /* of a child's last runs, each */

static _Atomic(apr_allocator_t *) spare_allocators[2];

apr_status_t lpp_run_make_pool(apr_pool_t **pool)
{
    apr_allocator_t *allocator = NULL;
    apr_status_t status;
    unsigned i;

    for (i = 0; i < LPP_COUNT(spare_allocators) && !allocator; i++) {
        allocator = atomic_exchange(&spare_allocators[i], NULL);
    }
    if (!allocator) {
        status = apr_allocator_create(&allocator);
        if (status != APR_SUCCESS) {
            return status;
        }
        apr_allocator_max_free_set(allocator, RUN_MEMORY_KEPT);
    }
    status = apr_pool_create_unmanaged_ex(pool, NULL, allocator);
    if (status != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return status;
    }
    apr_pool_tag(*pool, "lpprofile run");
    return APR_SUCCESS;
}

void lpp_run_free(lpp_run_t *run)
{
    apr_pool_t *pool = run->pool;
    apr_allocator_t *allocator = apr_pool_allocator_get(pool);
    unsigned i;

    apr_pool_destroy(pool);
    for (i = 0; i < LPP_COUNT(spare_allocators); i++) {
        apr_allocator_t *none = NULL;

        if (atomic_compare_exchange_strong(&spare_allocators[i], &none,
                                           allocator)) {
            return;
        }
    }
    apr_allocator_destroy(allocator);
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

    return run && run->records.counting ? run->records.calls : NULL;
}

lpp_phases_t *lpp_run_phases(const request_rec *r)
{
    const lpp_run_t *run = lpp_run_get(r);

    return run && !run->asked.inline_only ? run->records.phases : NULL;
}

const lpp_plan_t *lpp_run_plan(const lpp_run_t *run)
{
    return run->asked.plan;
}

int lpp_run_visible(const lpp_run_t *run)
{
    return run->viewer.access && run->viewer.user_ok > 0;
}

int lpp_run_profiled(const lpp_run_t *run)
{
    return run->profiling.profiled;
}

int lpp_run_unseen(const lpp_run_t *run)
{
    return run->asked.aggregate;
}

const lpp_oops_hidden_t *lpp_run_hidden(const lpp_run_t *run)
{
    return run->facts.hidden;
}

const char *lpp_run_id(const lpp_run_t *run)
{
    return run->facts.about.id;
}

void lpp_run_name(lpp_run_t *run, request_rec *r)
{
    lpp_view_about_t *about = &run->facts.about;

    if (run->output.stem || !run->profiling.profiled) {
        return;
    }
    about->page_id = apr_pstrdup(run->pool,
                                 lpp_facts_page_id(r, run->facts.conf,
                                                   run->facts.hidden));
    lpp_output_name(&run->output);
    apr_table_set(run->r->notes, LPP_MEMORY_PAGE_NOTE, about->page_id);
    lpp_gate_set_page_id(lpp_process_get()->gate, about->id, about->page_id);
}

apr_status_t lpp_run_view(const lpp_run_t *run, const lpp_view_t **view,
                          const lpp_calls_table_t *calls, int lines,
                          apr_interval_time_t timeout_us, apr_pool_t *pool)
{
    const lpp_process_t *process = lpp_process_get();
    lpp_view_about_t about = run->facts.about;
    lpp_profile_t *profile;
    apr_status_t rv = lpp_session_profile(run->profiling.session, &profile,
                                          timeout_us, pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (run->asked.inline_only) {
        /* The time between the regions is not part of this profile. */
        profile->total.wall_ns
            = 1000 * lpp_regions_inside_us(run->records.regions,
                                           lpp_monotonic_us());
    }
    profile->calls = calls;
    about.lines = lines;
    return lpp_view_create(view, profile, process->symbols, process->maps,
                           &about, pool);
}

void lpp_run_keep_stack(lpp_run_t *run)
{
    lpp_oops_failure_t *failure = &run->failure;

    if (run->profiling.session && !failure->stack_taken) {
        failure->stack_taken = 1;
        if (lpp_session_stack(run->profiling.session, failure->stack,
                              LPP_COUNT(failure->stack), &failure->frames)
            != APR_SUCCESS) {
            failure->frames = 0;
        }
    }
}

void lpp_run_note(lpp_run_t *run, const char *token)
{
    if (!run->answer.headers_set) {
        APR_ARRAY_PUSH(run->answer.tokens, const char *)
            = apr_pstrdup(run->pool, token);
    }
}

/* LPProfileRequireUser does not hold: drop the profile and show nothing. */
static void drop(lpp_run_t *run)
{
    run->viewer.user_ok = 0;
    lpp_run_stop_calls(run);
    run->records.calls = NULL;
    lpp_run_stop_sql(run);
    run->records.sql = NULL;
    if (run->profiling.session) {
        lpp_session_stop(run->profiling.session, LPP_STOP_NOT);
        lpp_session_close(run->profiling.session);
        run->profiling.session = NULL;
    }
    run->profiling.profiled = 0;
    run->facts.about.id = "";
    apr_table_unset(run->r->notes, LPP_MEMORY_OOPS_NOTE);
    run->answer.status = "user-not-allowed";
}

void lpp_run_check_user(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);

    if (run && !r->main && run->viewer.user_ok != 0 && !run->asked.aggregate
        && lpp_config_requires_user(run->facts.conf)) {
        if (lpp_config_user(run->facts.conf, r)) {
            run->viewer.user_ok = 1;
        }
        else {
            drop(run);
        }
    }
}

/* A response may be sent without any fixup (401, 404 in map_to_storage): then
 * the user is not known, and nothing is shown. */
void lpp_run_settle_user(lpp_run_t *run)
{
    request_rec *last = run->r;

    if (run->viewer.user_ok >= 0 || !last) {
        return;
    }
    while (last->next) {
        last = last->next;
    }
    /* An inline region began when LPProfileRequireUser held, and the user was
     * not refused since. */
    if (run->viewer.inline_user && last->status != HTTP_UNAUTHORIZED
        && last->status != HTTP_FORBIDDEN) {
        run->viewer.user_ok = 1;
    }
    else {
        drop(run);
    }
}
