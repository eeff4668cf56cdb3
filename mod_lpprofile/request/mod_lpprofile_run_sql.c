/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_sql: the SQL statements of a run: recorded in each run that
 * profiles, for its OOPS; shown where the URL asks for them.
 */
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

int lpp_run_asks_sql(const lpp_run_t *run)
{
    return run->plan && (run->plan->actions
                         & (LPP_ACTION_SQL | LPP_ACTION_SQLTRACE));
}

void lpp_run_start_sql(lpp_run_t *run)
{
    lpp_sql_options_t options;
    lpp_sqlfilter_t *filter = NULL;

    if (run->aggregate) {
        return; /* nothing of it would be shown or written */
    }
    memset(&options, 0, sizeof(options));
    options.begin_us = run->begin_us;
    options.session = run->session;
    options.traced = run->plan
                     && (run->plan->actions & LPP_ACTION_SQLTRACE);
    if (options.traced && run->plan->sql_condition
        && lpp_sqlfilter_parse(run->plan->sql_condition, &filter, run->pool)
           == APR_SUCCESS) {
        options.filter = filter;
    }
    if (lpp_sql_start(&run->sql, &options, run->pool) != APR_SUCCESS) {
        run->sql = NULL; /* the profile goes on without */
    }
}

void lpp_run_stop_sql(lpp_run_t *run)
{
    if (run->sql) {
        lpp_sql_stop(run->sql);
    }
}

const lpp_sqlview_t *lpp_run_sql_view(const lpp_run_t *run,
                                      apr_time_t until_us, apr_pool_t *pool)
{
    const lpp_sqlview_t *view;

    if (!run->sql || !lpp_run_asks_sql(run)
        || lpp_sqlview_create(&view, lpp_sql_log(run->sql),
                              lpp_process_get()->symbols,
                              (apr_uint64_t)(run->hook_us - run->begin_us
                                             + run->waited_us),
                              (apr_uint64_t)(until_us - run->begin_us),
                              pool) != APR_SUCCESS) {
        return NULL;
    }
    return view;
}
