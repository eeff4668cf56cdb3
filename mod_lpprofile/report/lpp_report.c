/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report: the block and what encloses it. The sections are in the other
 * files of this folder; this file has their order.
 */
#include <string.h>

#include "report/lpp_report_internal.h"

/* The element that contains the block: style sheets of pages have no rule for
 * its name, and their other rules do not apply inside a shadow tree. */
#define HOST "lpp-profile"

static void first_words(lpp_page_t *page, const lpp_view_t *view)
{
    int named, busy = lpp_report_is_busy(view);

    if (lpp_view_has_page_code(view) || view->wait_count || busy) {
        lpp_page_raw(page, "<span class=\"first\">");
        named = lpp_report_first_words(page, view)
            || lpp_report_waits_in_words(page, view);
        if (busy) {
            lpp_page_raw(page, named ? "; " : "");
            lpp_report_busy_words(page, view);
        }
        lpp_page_raw(page, "</span>\n");
    }
}

/* The line that is shown when the block is closed. */
static void summary_line(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;

    lpp_page_raw(page, "<summary class=\"head\">"
                       "<h1>Profiling Information</h1>\n");
    if (view) {
        lpp_page_figures(page, view->statistics.ready, &view->total);
        first_words(page, view);
    }
    else if (report->oops) {
        lpp_page_figure(page, "Total", "total",
                        (apr_uint64_t)(report->oops->duration_s * 1e6));
    }
    if (report->sql) {
        lpp_page_rawf(page, "<span class=\"figure\"><span class=\"key query\">"
                      "SQL</span> <b>%u</b> in <b>", report->sql->count);
        lpp_page_time(page, report->sql->total_us);
        lpp_page_raw(page, "</b></span>\n");
    }
    if (!view && report->oops_id) {
        lpp_page_raw(page, "<span class=\"figure\">");
        lpp_page_code(page, report->oops_id);
        lpp_page_raw(page, "</span>\n");
    }
    lpp_page_raw(page, "</summary>\n");
}

static void notices(lpp_page_t *page, const char *const *list)
{
    for (; list && *list; list++) {
        lpp_page_raw(page, "<p class=\"notice\">");
        lpp_page_text(page, *list);
        lpp_page_raw(page, "</p>\n");
    }
}

/* The block in a page is a snapshot; the files on disk are final. */
static void provisional_note(lpp_page_t *page, const lpp_report_t *report)
{
    if (report->provisional && report->oops_id) {
        lpp_page_raw(page, "<p class=\"small\">This is a snapshot, until "
            "this point of the response; files and OOPS report are written "
            "when it is complete, and are final.</p>\n");
    }
}

static void style(lpp_page_t *page, const lpp_report_t *report)
{
    lpp_page_raw(page, "<style>\n");
    lpp_page_raw(page, lpp_asset_block_css);
    if (report->sql) {
        lpp_page_raw(page, lpp_asset_sql_css);
    }
    lpp_page_raw(page, "</style>\n");
}

static void sections(lpp_page_t *page, const lpp_report_t *report)
{
    lpp_report_headline(page, report);
    notices(page, report->notices);
    lpp_report_help(page, report);
    lpp_report_inline(page, report);
    lpp_report_log(page, report);
    lpp_report_sql(page, report);
    lpp_report_flame(page, report);
    lpp_report_waits(page, report);
    lpp_report_timeline(page, report);
    lpp_report_calls(page, report);
    lpp_report_filters(page, report);
    lpp_report_tables(page, report);
    lpp_report_memory(page, report);
    lpp_report_oops(page, report);
    provisional_note(page, report);
}

apr_status_t lpp_report_block(const lpp_report_t *report,
                              const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};
    /* Open where the URL asked for something to be shown, closed where the
     * block is there only because all requests are logged. */
    int open = !!(report->actions & (LPP_ACTION_SHOW | LPP_ACTION_HELP
                                     | LPP_ACTION_SQL | LPP_ACTION_SQLTRACE));

    if (report->xhtml) {
        lpp_page_raw(&page, "<div xmlns=\"http://www.w3.org/1999/xhtml\">\n");
    }
    else {
        lpp_page_raw(&page, "<" HOST "><template shadowrootmode=\"open\">\n");
    }
    if (report->styled) {
        style(&page, report);
    }
    lpp_page_raw(&page, open ? "<details class=\"lpp\" open=\"open\">"
                             : "<details class=\"lpp\">");
    summary_line(&page, report);
    lpp_page_raw(&page, "<div class=\"inside\">\n");
    sections(&page, report);
    lpp_page_raw(&page, "</div></details>\n");
    if (report->xhtml) {
        lpp_page_raw(&page, "</div>\n");
    }
    else {
        lpp_page_raw(&page, "</template>Profiling Information is in this "
            "page, but this browser cannot show it: it has no declarative "
            "shadow DOM.</" HOST ">\n");
    }
    return page.status;
}
