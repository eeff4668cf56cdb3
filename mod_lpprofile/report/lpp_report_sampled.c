/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, what samples add to the exact calls: the functions seen within
 * each.
 */
#include "report/lpp_report_calls_internal.h"

#include <stdlib.h>
#include <string.h>

#define SAMPLED_MAX 3 /* functions named below a row */

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

/*
 * For each branch, the function that its samples are shown as: the innermost
 * function of a script, if one ran since the call that the branch is within;
 * else its own. NULL: no memory.
 */
static apr_uint32_t *find_shown(const lpp_view_t *view,
                                const apr_uint32_t *innermost,
                                apr_pool_t *pool)
{
    apr_uint32_t *shown = apr_palloc(pool, view->branch_count
                                     * sizeof(*shown));
    apr_uint32_t i;

    for (i = 0; shown && i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];
        apr_uint32_t call = innermost[i];
        int begins = i == 0 || call != innermost[branch->parent]
            || (call != LPP_CALLS_NONE && view->calls->calls[call].function
                                              == branch->function);

        shown[i] = branch->function;
        if (!begins
            && !lpp_view_is_script(&view->functions[branch->function].symbol)
            && lpp_view_is_script(
                &view->functions[shown[branch->parent]].symbol)) {
            shown[i] = shown[branch->parent];
        }
    }
    return shown;
}

int lpp_sampled_find(lpp_sampled_t *sampled, const lpp_view_t *view,
                     apr_pool_t *pool)
{
    apr_uint32_t *outermost, *innermost, *shown, i, count = 0, made = 0;

    sampled->below = apr_palloc(pool, view->branch_count
                             * sizeof(*sampled->below));
    if (!sampled->below
        || lpp_view_branch_calls(view, &outermost, &innermost, pool)
           != APR_SUCCESS) {
        return 0;
    }
    shown = find_shown(view, innermost, pool);
    if (!shown) {
        return 0;
    }
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];

        if (innermost[i] != LPP_CALLS_NONE && branch->self.samples) {
            sampled->below[count].call = innermost[i];
            sampled->below[count].function = shown[i];
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
    const lpp_symbol_t *symbol;
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
    lpp_page_rawf(page, "<tr class=\"sampled\"><td colspan=\""
                  LPP_CALLS_COLUMNS_MAX "\" class=\"small\">"
                  "&#8776; sampled: %" APR_UINT64_T_FMT
                  " sample%s, ", samples, samples == 1 ? "" : "s");
    lpp_page_time(page, wall_us);
    for (i = low, n = 0; n < SAMPLED_MAX && i < sampled->count
         && sampled->below[i].call == call; i++, n++) {
        lpp_page_raw(page, n ? ", " : "; in ");
        symbol = &view->functions[sampled->below[i].function].symbol;
        lpp_page_code(page, symbol->name);
        if (lpp_view_is_script(symbol)) {
            lpp_page_source(page, symbol);
        }
        lpp_page_rawf(page, " %.0f&#160;%%",
                      lpp_page_percent(sampled->below[i].wall_us, wall_us));
    }
    lpp_page_raw(page, "</td></tr>\n");
}
