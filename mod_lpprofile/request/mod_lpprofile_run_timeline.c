/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_timeline: the events of a run, for its OOPS and the page.
 */
#include <http_core.h>

#include "request/mod_lpprofile_run_internal.h"

void lpp_run_fill_timeline(lpp_run_t *run, lpp_oops_t *oops)
{
    if (run->waited_us > 0) {
        double start = lpp_run_ms(run, run->hook_us);

        lpp_oops_add_event(oops, start,
                           start + (double)run->waited_us / 1000.0, "gate",
                           "waiting for one's turn");
    }
    lpp_phases_add_to(run->phases, oops);
    if (run->sql) {
        lpp_sql_add_to(run->sql, oops, lpp_run_asks_sql(run));
    }
    lpp_run_add_calls_to(run, oops);
    lpp_run_add_regions_to(run, oops);
}
