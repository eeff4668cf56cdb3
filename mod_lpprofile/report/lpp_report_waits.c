/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, what the request waited for: a sentence for the headline, and a
 * table.
 */
#include "report/lpp_report_internal.h"

#define ROWS 30
#define MIN_PERCENT 5 /* of the duration, to be in the headline */

static void note(lpp_page_t *page, const lpp_view_wait_t *wait)
{
    if (*wait->note) {
        lpp_page_raw(page, " (");
        lpp_page_text(page, wait->note);
        lpp_page_raw(page, ")");
    }
}

int lpp_report_waits_in_words(lpp_page_t *page, const lpp_view_t *view)
{
    const lpp_view_wait_t *most = view->wait_count ? view->waits : NULL;
    apr_uint64_t us = most ? lpp_view_waited_us(view, most) : 0;
    double percent = lpp_page_percent(us, view->total.wall_us);

    if (percent < MIN_PERCENT) {
        return 0;
    }
    lpp_page_rawf(page, "<b>%.0f&#160;%%</b> waiting for ", percent);
    lpp_page_code(page, lpp_view_waited_for(view, most, page->scratch));
    note(page, most);
    lpp_page_raw(page, ": ");
    lpp_page_time(page, us);
    return 1;
}

static void row(lpp_page_t *page, const lpp_view_t *view,
                const lpp_view_wait_t *wait)
{
    apr_uint64_t us = lpp_view_waited_us(view, wait);
    const lpp_symbol_t *caller = &view->functions[wait->caller].symbol;

    lpp_page_raw(page, "<tr><td class=\"f\">");
    lpp_page_code(page, lpp_view_waited_for(view, wait, page->scratch));
    note(page, wait);
    lpp_page_raw(page, "</td><td class=\"n many\">");
    if (wait->times) {
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT, wait->times);
    }
    lpp_page_raw(page, "</td><td class=\"n self\">");
    lpp_page_time(page, us);
    lpp_page_rawf(page, "</td><td class=\"n share\">%.1f&#160;%%</td>"
                  "<td class=\"n longest\">",
                  lpp_page_percent(us, view->total.wall_us));
    if (wait->times) {
        lpp_page_time(page, wait->longest_us);
    }
    lpp_page_raw(page, "</td><td class=\"f\">");
    if (wait->caller) {
        lpp_page_code(page, caller->name);
        lpp_page_raw(page, " ");
        lpp_page_place(page, caller);
    }
    lpp_page_raw(page, "</td></tr>\n");
}

void lpp_report_waits(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;
    apr_uint32_t i;

    if (!view || !view->wait_count) {
        return;
    }
    lpp_page_raw(page, "<section class=\"waits\"><details open=\"open\">"
        "<summary><h2>What it waited for</h2></summary>\n"
        "<div class=\"wide\"><table class=\"top waits\"><thead><tr>"
        "<th>Waited for</th><th class=\"n\">Times</th>"
        "<th class=\"n\">Total</th><th class=\"n share\">Share</th>"
        "<th class=\"n\">Longest</th><th>Function that waited</th></tr>"
        "</thead><tbody>\n");
    for (i = 0; i < view->wait_count && i < ROWS; i++) {
        row(page, view, &view->waits[i]);
    }
    lpp_page_raw(page, "</tbody></table></div>\n");
    if (i < view->wait_count) {
        lpp_page_rawf(page, "<p class=\"small\">%u others waited for "
                      "less.</p>\n", view->wait_count - i);
    }
    lpp_page_raw(page, "</details></section>\n");
}
