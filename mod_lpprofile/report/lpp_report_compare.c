/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, two reports compared: totals, the differential flame graph, which
 * functions took more or less time; all else is in lpp_report_changes.c.
 */
#include <string.h>

#include "report/lpp_report_pages_internal.h"

#define ROWS 25
#define IN_WORDS 3

static void total_row(lpp_page_t *page, const char *name, apr_uint64_t before,
                      apr_uint64_t after, int is_time)
{
    lpp_page_rawf(page, "<tr><th>%s</th><td class=\"n\">", name);
    if (is_time) {
        lpp_page_time(page, before);
        lpp_page_raw(page, "</td><td class=\"n\">");
        lpp_page_time(page, after);
    }
    else {
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT "</td><td class=\"n\">%"
                      APR_UINT64_T_FMT, before, after);
    }
    lpp_page_rawf(page, "</td><td class=\"n %s\">",
                  lpp_page_direction(before, after));
    if (is_time) {
        lpp_page_change(page, (apr_int64_t)after - (apr_int64_t)before);
    }
    else {
        lpp_page_raw(page, after > before ? "+" : after < before ? "&#8722;"
                                                                 : "");
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT,
                      after > before ? after - before : before - after);
    }
    lpp_page_rawf(page, "</td><td class=\"n %s\">",
                  lpp_page_direction(before, after));
    lpp_page_relative(page, before, after);
    lpp_page_raw(page, "</td></tr>\n");
}

/* The functions whose time changed most in the direction in which the total
 * changed. */
static void words(lpp_page_t *page, const lpp_diff_t *diff)
{
    apr_uint64_t before = diff->views[LPP_DIFF_BEFORE]->total.wall_us;
    apr_uint64_t after = diff->views[LPP_DIFF_AFTER]->total.wall_us;
    int more = after > before;
    apr_uint32_t top[IN_WORDS + 1], count, i, named = 0;

    lpp_page_raw(page, "<p class=\"words\">");
    if (before == after) {
        lpp_page_raw(page, "Both took the same time.</p>\n");
        return;
    }
    lpp_page_raw(page, "After took ");
    lpp_page_time(page, more ? after - before : before - after);
    lpp_page_raw(page, more ? " more" : " less");
    if (before && after) {
        lpp_page_raw(page, " (");
        lpp_page_relative(page, before, after);
        lpp_page_raw(page, ")");
    }
    count = lpp_diff_top(diff, more ? 1 : -1, top, IN_WORDS + 1,
                         page->scratch);
    for (i = 0; i < count && named < IN_WORDS; i++) {
        const lpp_diff_function_t *function = &diff->functions[top[i]];

        if (!strcmp(function->symbol->name, LPP_VIEW_REST_NAME)) {
            continue;
        }
        lpp_page_raw(page, named++ ? ", " : ", most of it in ");
        lpp_page_code(page, function->symbol->name);
        lpp_page_raw(page, " (");
        lpp_page_change(page, lpp_diff_self_us(function));
        lpp_page_raw(page, ")");
    }
    lpp_page_raw(page, ".</p>\n");
}

static void side(lpp_page_t *page, const char *what, const lpp_saved_t *saved)
{
    const lpp_view_about_t *about = &saved->view->about;

    lpp_page_raw(page, "<span>");
    lpp_page_raw(page, what);
    lpp_page_raw(page, " <b>");
    lpp_page_report_link(page, about->id, about->page_id);
    lpp_page_raw(page, "</b> of ");
    lpp_page_moment(page, about->start);
    lpp_page_raw(page, ", ");
    lpp_page_code(page, about->id);
    lpp_page_raw(page, "</span>\n");
}

/* The shares that are known of both. */
static void share_rows(lpp_page_t *page, const lpp_report_compare_t *compare)
{
    const lpp_view_t *before = compare->before->view;
    const lpp_view_t *after = compare->after->view;
    int ready = before->statistics.ready == after->statistics.ready
        ? before->statistics.ready : LPP_READY_UNKNOWN;
    lpp_share_t from[LPP_SHARES_MAX], to[LPP_SHARES_MAX];
    unsigned i, count = lpp_cost_shares(from, ready, &before->total);

    (void)lpp_cost_shares(to, ready, &after->total);
    for (i = 0; i < count; i++) {
        total_row(page, from[i].name, from[i].time, to[i].time, 1);
    }
}

static void totals(lpp_page_t *page, const lpp_report_compare_t *compare,
                   const lpp_diff_t *diff)
{
    const lpp_cost_t *before = &compare->before->view->total;
    const lpp_cost_t *after = &compare->after->view->total;

    lpp_page_raw(page, "<div class=\"about\">\n");
    side(page, "Before:", compare->before);
    side(page, "After:", compare->after);
    lpp_page_raw(page, "</div>\n");
    words(page, diff);
    lpp_page_raw(page, "<div class=\"actions\"><a href=\"");
    lpp_page_report_href(page, compare->before->view->about.id);
    lpp_page_raw(page, "&#38;against:");
    lpp_page_text(page, compare->after->view->about.id);
    lpp_page_raw(page, "\">The other way round</a></div>\n"
        "<div class=\"wide\"><table class=\"delta\"><thead><tr><th></th>"
        "<th class=\"n\">Before</th><th class=\"n\">After</th>"
        "<th class=\"n\">Change</th><th class=\"n\">Relative</th></tr>"
        "</thead><tbody>\n");
    total_row(page, "Total", before->wall_us, after->wall_us, 1);
    share_rows(page, compare);
    total_row(page, "Samples", before->samples, after->samples, 0);
    lpp_page_raw(page, "</tbody></table></div>\n");
}

/* The word for a function that only one of the reports has. */
static const char *presence(const lpp_diff_function_t *function)
{
    return !function->seen[LPP_DIFF_BEFORE] ? " <small>only after</small>"
        : !function->seen[LPP_DIFF_AFTER] ? " <small>only before</small>"
        : "";
}

static void change_row(lpp_page_t *page, const lpp_diff_function_t *function)
{
    apr_uint64_t before = function->self[LPP_DIFF_BEFORE].wall_us;
    apr_uint64_t after = function->self[LPP_DIFF_AFTER].wall_us;

    lpp_page_rawf(page, "<tr><td class=\"n %s\"><b>",
                  lpp_page_direction(before, after));
    lpp_page_change(page, lpp_diff_self_us(function));
    lpp_page_raw(page, "</b></td><td class=\"n\">");
    lpp_page_relative(page, before, after);
    lpp_page_raw(page, "</td><td class=\"n was\">");
    lpp_page_time(page, before);
    lpp_page_raw(page, "</td><td class=\"n is\">");
    lpp_page_time(page, after);
    lpp_page_raw(page, "</td><td class=\"n all\">");
    lpp_page_change(page,
        (apr_int64_t)function->total[LPP_DIFF_AFTER].wall_us
        - (apr_int64_t)function->total[LPP_DIFF_BEFORE].wall_us);
    lpp_page_raw(page, "</td><td class=\"f\">");
    lpp_page_code(page, function->symbol->name);
    lpp_page_source(page, function->symbol);
    lpp_page_raw(page, presence(function));
    lpp_page_raw(page, "</td><td class=\"m\">");
    lpp_page_module(page, function->symbol);
    lpp_page_raw(page, "</td></tr>\n");
}

static void changes(lpp_page_t *page, const lpp_diff_t *diff,
                    const char *heading, int sign)
{
    apr_uint32_t top[ROWS], count, i;

    count = lpp_diff_top(diff, sign, top, ROWS, page->scratch);
    lpp_page_raw(page, "<details open=\"open\"><summary><h3>");
    lpp_page_raw(page, heading);
    lpp_page_raw(page, "</h3></summary>\n");
    if (!count) {
        lpp_page_raw(page, "<p class=\"small\">Nothing.</p></details>\n");
        return;
    }
    lpp_page_raw(page, "<div class=\"wide\"><table class=\"changes\"><thead>"
        "<tr><th class=\"n\">Self</th><th class=\"n\">Relative</th>"
        "<th class=\"n\">Before</th><th class=\"n\">After</th>"
        "<th class=\"n\">Total</th><th>Function</th><th>Module</th></tr>"
        "</thead><tbody>\n");
    for (i = 0; i < count; i++) {
        change_row(page, &diff->functions[top[i]]);
    }
    lpp_page_raw(page, "</tbody></table></div></details>\n");
}

apr_status_t lpp_report_compare(const lpp_report_compare_t *compare,
                                const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};
    const lpp_diff_t *diff;
    apr_status_t status;

    status = lpp_diff_create(&diff, compare->before->view,
                             compare->after->view, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_page_open(&page, &compare->frame, "Two profiles compared");
    totals(&page, compare, diff);
    lpp_report_diff_flame(&page, diff);
    lpp_page_raw(&page, "<section class=\"quick\"><h2>What changed</h2>\n"
        "<p class=\"small\">By time in the function alone; Total is the "
        "change with all it called. A change of a few samples is chance: "
        "profile the page again before you believe it.</p>\n");
    changes(&page, diff, "Grew", 1);
    changes(&page, diff, "Shrank", -1);
    lpp_page_raw(&page, "</section>\n");
    lpp_report_changes(&page, compare);
    lpp_page_close(&page, &compare->frame, 1);
    return page.status;
}
