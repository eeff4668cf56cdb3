/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the filters: from samples, since their calls are not counted.
 */
#include <string.h>

#include "names/lpp_view_graph.h"
#include "report/lpp_report_internal.h"

#define FILTERS_MAX 30

/* The time that each filter used itself: without the filters it passed its
 * output to, and without requests that it made. */
static lpp_cost_t *filter_costs(const lpp_view_t *view, apr_pool_t *pool)
{
    const lpp_calls_table_t *table = view->calls;
    lpp_cost_t *costs = apr_pcalloc(pool, (table->filter_count + 1)
                                    * sizeof(*costs));
    apr_uint32_t *owners = apr_palloc(pool, view->branch_count
                                      * sizeof(*owners));
    apr_uint32_t *filter_of = apr_palloc(pool, view->function_count
                                         * sizeof(*filter_of));
    apr_uint32_t i;

    if (!costs || !owners || !filter_of) {
        return NULL;
    }
    memset(filter_of, 0xff, view->function_count * sizeof(*filter_of));
    for (i = 0; i < table->filter_count; i++) {
        filter_of[table->filters[i].function] = i;
    }
    for (i = 0; i < table->count; i++) { /* skip the calls of hooks */
        if (table->calls[i].function < view->function_count) {
            filter_of[table->calls[i].function] = table->filter_count;
        }
    }
    owners[0] = table->filter_count;
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];
        apr_uint32_t filter = filter_of[branch->function];
        lpp_cost_t *cost;

        if (i > 0) {
            owners[i] = filter != LPP_CALLS_NONE ? filter
                                                 : owners[branch->parent];
        }
        cost = &costs[owners[i]];
        lpp_cost_add(cost, &branch->self);
    }
    return costs;
}

static void filter_row(lpp_page_t *page, const lpp_view_t *view,
                       const lpp_filter_t *filter, const lpp_cost_t *cost)
{
    lpp_page_raw(page, "<tr><td class=\"f\">");
    lpp_page_text(page, filter->name);
    lpp_page_rawf(page, "</td><td class=\"n many\">%" APR_UINT64_T_FMT
                  "</td><td class=\"n self\">&#8776; ", cost->samples);
    lpp_page_time(page, cost->wall_us);
    lpp_page_rawf(page, "</td><td class=\"n share\">%.1f&#160;%%</td>",
                  lpp_page_percent(cost->wall_us, view->total.wall_us));
    lpp_page_shares_cells(page, view->statistics.ready, cost->wall_us * 1000,
                          cost->cpu_us * 1000, cost->ready_us * 1000);
    lpp_page_raw(page, "</tr>\n");
}

void lpp_report_filters(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;
    const lpp_calls_table_t *table = view ? view->calls : NULL;
    lpp_cost_t *costs;
    apr_uint32_t i, shown, best;

    if (!table || !table->filter_count
        || !(costs = filter_costs(view, page->scratch))) {
        return;
    }
    lpp_page_raw(page, "<section class=\"calls\"><details open=\"open\">"
        "<summary><h2>Filters</h2></summary>\n<p class=\"small\">From "
        "samples: filters are not counted, since other modules compare their "
        "functions. Without the filters behind each; part of the calls above, "
        "mostly of the handler's.</p>\n<div class=\"wide\"><table "
        "class=\"top filters\"><thead><tr><th>Filter</th>"
        "<th class=\"n\">Samples</th><th class=\"n\">Self</th>"
        "<th class=\"n share\">Share</th>");
    lpp_page_shares_heads(page, view->statistics.ready);
    lpp_page_raw(page, "</tr></thead><tbody>\n");
    for (shown = 0; shown < FILTERS_MAX; shown++) {
        for (i = 0, best = table->filter_count; i < table->filter_count;
             i++) {
            if (costs[i].samples
                && (best == table->filter_count
                    || costs[i].wall_us > costs[best].wall_us)) {
                best = i;
            }
        }
        if (best == table->filter_count) {
            break;
        }
        filter_row(page, view, &table->filters[best], &costs[best]);
        costs[best].samples = 0; /* a row was written */
    }
    lpp_page_raw(page, "</tbody></table></div></details></section>\n");
}
