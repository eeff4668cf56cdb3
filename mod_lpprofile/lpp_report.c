/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report: the block and its frame. The sections are in the files beside
 * this one; here is their order, what surrounds them, and the headline.
 */
#include <string.h>

#include "lpp_report_internal.h"
#include "lpp_writer.h"

#define HEAVIEST 3
#define NOT_SAMPLED 1 /* the function of that name in every view */

/* Everything of the block stands in this element: no page has a rule for it,
 * and inside a shadow tree the page's other rules do not count. */
#define HOST "lpp-profile"

static void figure(lpp_page_t *page, const char *name, apr_uint64_t us,
                   const char *key)
{
    lpp_page_rawf(page, "<span class=\"figure\"><span class=\"key %s\">%s"
                  "</span> <b>", key, name);
    lpp_page_time(page, us);
    lpp_page_raw(page, "</b></span>\n");
}

/* The line that is there when all is folded. */
static void summary_line(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;

    lpp_page_raw(page, "<summary class=\"head\">"
                       "<h1>Profiling Information</h1>\n");
    if (view) {
        figure(page, "Total", view->total.wall_us, "total");
        figure(page, "CPU", view->total.cpu_us, "cpu");
        figure(page, "Waiting", view->total.wall_us - view->total.cpu_us,
               "wait");
        lpp_page_rawf(page, "<span class=\"figure\"><span class=\"key\">"
                      "Samples</span> <b>%" APR_UINT64_T_FMT "</b></span>\n",
                      view->total.samples);
    }
    else if (report->oops_id) {
        lpp_page_raw(page, "<span class=\"figure\">");
        lpp_page_code(page, report->oops_id);
        lpp_page_raw(page, "</span>\n");
    }
    lpp_page_raw(page, "</summary>\n");
}

static void heaviest_in_words(lpp_page_t *page, const lpp_view_t *view)
{
    apr_uint32_t top[HEAVIEST + 1], count, i, named = 0;

    if (!view->total.samples) {
        lpp_page_raw(page, " That was too short for a sample: the totals are "
                           "exact, but no function was seen.");
        return;
    }
    count = lpp_view_top(view, LPP_VIEW_BY_SELF, top, HEAVIEST + 1,
                         page->scratch);
    for (i = 0; i < count && named < HEAVIEST; i++) {
        const lpp_function_t *function = &view->functions[top[i]];
        const char *object = lpp_view_object_name(&function->symbol);
        double percent = lpp_page_percent(function->self.wall_us,
                                          view->total.wall_us);

        if (percent < 0.5) {
            break;
        }
        if (top[i] == NOT_SAMPLED) {
            continue;
        }
        lpp_page_raw(page, named++ ? ", " : " Most of it in ");
        lpp_page_code(page, function->symbol.name);
        if (*object) {
            lpp_page_raw(page, " of ");
            lpp_page_text(page, object);
        }
        lpp_page_rawf(page, " (%.0f&#160;%%)", percent);
    }
    if (named) {
        lpp_page_raw(page, ".");
    }
}

void lpp_report_headline(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;

    if (view) {
        double cpu = lpp_page_percent(view->total.cpu_us,
                                      view->total.wall_us);

        lpp_page_raw(page, "<p class=\"words\">");
        lpp_page_raw(page, report->provisional
                     ? "Until this point the request took "
                     : "The request took ");
        lpp_page_time(page, view->total.wall_us);
        lpp_page_rawf(page, ": %.0f&#160;%% computing, %.0f&#160;%% waiting.",
                      cpu, 100.0 - cpu);
        heaviest_in_words(page, view);
        lpp_page_raw(page, "</p>\n");
        if (view->honesty.cut_short) {
            lpp_page_raw(page, "<p class=\"notice\">Cut short: the profile "
                "ended before the request did (");
            lpp_page_text(page, lpp_writer_cut_short(
                              view->honesty.cut_short));
            lpp_page_raw(page, ").</p>\n");
        }
    }
    if (report->waited_us >= 1000) {
        lpp_page_raw(page, "<p class=\"small\">Before that it waited ");
        lpp_page_time(page, (apr_uint64_t)report->waited_us);
        lpp_page_raw(page, " for its turn to be profiled; not part of these "
                           "figures.</p>\n");
    }
}

static void notices(lpp_page_t *page, const char *const *list)
{
    for (; list && *list; list++) {
        lpp_page_raw(page, "<p class=\"notice\">");
        lpp_page_text(page, *list);
        lpp_page_raw(page, "</p>\n");
    }
}

/* A snapshot says so; what is on disk is final. */
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
    lpp_page_raw(page, lpp_report_style);
    if (report->sql) {
        lpp_page_raw(page, lpp_report_sql_style);
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
    lpp_report_memory(page, report);
    lpp_report_sql(page, report);
    lpp_report_calls(page, report);
    lpp_report_filters(page, report);
    lpp_report_tables(page, report);
    lpp_report_flame(page, report);
    lpp_report_timeline(page, report);
    lpp_report_oops(page, report);
    provisional_note(page, report);
}

apr_status_t lpp_report_block(const lpp_report_t *report,
                              const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};
    /* Open when somebody asked to see something, folded when it is there
     * only because all requests are logged. */
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
