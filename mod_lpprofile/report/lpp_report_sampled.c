/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, what samples add to the exact calls: the functions seen within
 * each, and the filters, which are not counted.
 */
#include "report/lpp_report_calls_internal.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLED_MAX 3 /* functions named below a row */
#define FILTERS_MAX 30

void lpp_page_ns(lpp_page_t *page, apr_uint64_t ns)
{
    if (ns < 1000) {
        lpp_page_rawf(page, "%u&#160;ns", (unsigned)ns);
    }
    else if (ns < 100000) {
        lpp_page_rawf(page, "%.1f&#160;&#181;s", (double)ns / 1000.0);
    }
    else {
        lpp_page_time(page, ns / 1000);
    }
}

static int compare_places(const void *a, const void *b)
{
    const lpp_below_t *left = a, *right = b;

    if (left->call != right->call) {
        return left->call < right->call ? -1 : 1;
    }
    return left->function < right->function ? -1
        : left->function > right->function;
}

static int compare_weights(const void *a, const void *b)
{
    const lpp_below_t *left = a, *right = b;

    if (left->call != right->call) {
        return left->call < right->call ? -1 : 1;
    }
    if (left->wall_us != right->wall_us) {
        return left->wall_us > right->wall_us ? -1 : 1;
    }
    return compare_places(a, b);
}

int lpp_sampled_find(lpp_sampled_t *sampled, const lpp_view_t *view,
                     apr_pool_t *pool)
{
    apr_uint32_t *outermost, *innermost, i, count = 0, made = 0;

    sampled->below = apr_palloc(pool, view->branch_count
                             * sizeof(*sampled->below));
    if (!sampled->below
        || lpp_view_branch_calls(view, &outermost, &innermost, pool)
           != APR_SUCCESS) {
        return 0;
    }
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];

        if (innermost[i] != LPP_CALLS_NONE && branch->self.samples) {
            sampled->below[count].call = innermost[i];
            sampled->below[count].function = branch->function;
            sampled->below[count].samples = branch->self.samples;
            sampled->below[count++].wall_us = branch->self.wall_us;
        }
    }
    qsort(sampled->below, count, sizeof(*sampled->below), compare_places);
    for (i = 0; i < count; i++) {
        lpp_below_t *into = made ? &sampled->below[made - 1] : NULL;

        if (into && compare_places(into, &sampled->below[i]) == 0) {
            into->samples += sampled->below[i].samples;
            into->wall_us += sampled->below[i].wall_us;
        }
        else {
            sampled->below[made++] = sampled->below[i];
        }
    }
    qsort(sampled->below, made, sizeof(*sampled->below), compare_weights);
    sampled->count = made;
    return 1;
}

void lpp_sampled_row(lpp_page_t *page, const lpp_view_t *view,
                     const lpp_sampled_t *sampled, apr_uint32_t call)
{
    apr_uint64_t samples = 0, wall_us = 0;
    apr_uint32_t i, low = 0, high = sampled->count, n;

    while (low < high) {
        apr_uint32_t middle = low + (high - low) / 2;

        if (sampled->below[middle].call < call) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    for (i = low; i < sampled->count && sampled->below[i].call == call; i++) {
        samples += sampled->below[i].samples;
        wall_us += sampled->below[i].wall_us;
    }
    if (!samples) {
        return;
    }
    lpp_page_rawf(page, "<tr class=\"sampled\"><td colspan=\"" LPP_CALLS_COLUMNS
                  "\" class=\"small\">&#8776; sampled: %" APR_UINT64_T_FMT
                  " sample%s, ", samples, samples == 1 ? "" : "s");
    lpp_page_time(page, wall_us);
    for (i = low, n = 0; n < SAMPLED_MAX && i < sampled->count
         && sampled->below[i].call == call; i++, n++) {
        lpp_page_raw(page, n ? ", " : "; in ");
        lpp_page_code(page, view->functions[sampled->below[i].function]
                                .symbol.name);
        lpp_page_rawf(page, " %.0f&#160;%%",
                      lpp_page_percent(sampled->below[i].wall_us, wall_us));
    }
    lpp_page_raw(page, "</td></tr>\n");
}

/* What each filter spent itself: without the filters it passed its output to,
 * and without requests that it made. */
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
    for (i = 0; i < table->count; i++) { /* a call of a hook is no filter's */
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
        cost->wall_us += branch->self.wall_us;
        cost->cpu_us += branch->self.cpu_us;
        cost->samples += branch->self.samples;
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
    lpp_page_rawf(page, "</td><td class=\"n share\">%.1f&#160;%%</td>"
                  "<td class=\"n oncpu\">", lpp_page_percent(cost->wall_us,
                                                       view->total.wall_us));
    lpp_page_time(page, cost->cpu_us);
    lpp_page_raw(page, "</td><td class=\"n waited\">");
    lpp_page_time(page, cost->wall_us - cost->cpu_us);
    lpp_page_raw(page, "</td></tr>\n");
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
        "<th class=\"n share\">Share</th><th class=\"n\">CPU</th>"
        "<th class=\"n\">Waiting</th></tr></thead><tbody>\n");
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
        costs[best].samples = 0; /* it has its row */
    }
    lpp_page_raw(page, "</tbody></table></div></details></section>\n");
}
