/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_record: a run's part in the sum of a server whose requests are
 * all summed up. On the request's own thread, since a record counts only once
 * it is written, and a process may end as soon as its response was sent.
 */
#include "server/mod_lpprofile_aggregate.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

/* The helper has at most a ring of samples left to unwind. */
#define FINAL_WAIT_US apr_time_from_sec(5)

void lpp_run_record(lpp_run_t *run, request_rec *r)
{
    const lpp_process_t *process = lpp_process_get();
    lpp_profile_t *profile;
    const lpp_view_t *view;
    apr_status_t rv;

    if (!run->aggregate || run->recorded || !run->session || !run->r) {
        return;
    }
    run->recorded = 1;
    lpp_run_name(run, r);
    rv = lpp_run_profile(run, &profile, lpp_run_calls_table(run, run->pool),
                         FINAL_WAIT_US, run->pool);
    if (rv == APR_SUCCESS) {
        rv = lpp_view_create(&view, profile, process->symbols, process->maps,
                             &run->about, run->pool);
    }
    if (rv == APR_SUCCESS) {
        lpp_aggregate_record(view, r, run->pool);
    }
    else {
        lpp_aggregate_count_skip(LPP_AGGREGATE_FAILED);
    }
}
