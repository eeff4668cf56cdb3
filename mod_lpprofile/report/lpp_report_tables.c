/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, Profile quick view: the three tables of Launchpad's page, and the
 * sampling statistics.
 */
#include "report/lpp_report_internal.h"

#define ROWS 10
#define FEW_SAMPLES 10

static void cost_cell(lpp_page_t *page, const lpp_view_t *view,
                      const char *what, const lpp_cost_t *cost)
{
    double wall = lpp_page_percent(cost->wall_us, view->total.wall_us);

    if (!cost->wall_us) {
        lpp_page_rawf(page, "<td class=\"n zero %s\">0</td>"
                      "<td class=\"n share\"></td>", what);
        return;
    }
    lpp_page_rawf(page, "<td class=\"n %s\">", what);
    lpp_page_time(page, cost->wall_us);
    lpp_page_rawf(page, "</td><td class=\"n share\">%.1f&#160;%% ", wall);
    lpp_page_bar(page, view->statistics.ready, cost, &view->total);
    lpp_page_raw(page, "</td>");
}

/* of: what view is a part of, for the line of a page function that took most
 * time; or NULL. */
static void name_cell(lpp_page_t *page, const lpp_report_t *report,
                      const lpp_view_t *of, apr_uint32_t index)
{
    const lpp_symbol_t *symbol = &report->view->functions[index].symbol;
    unsigned line;

    lpp_page_raw(page, "<td class=\"f\">");
    if (report->full) {
        lpp_page_rawf(page, "<a href=\"?function=%u#function\">",
                      (unsigned)index);
    }
    lpp_page_code(page, symbol->name);
    if (report->full) {
        lpp_page_raw(page, "</a>");
    }
    lpp_page_source(page, symbol);
    line = of ? lpp_view_hottest_line(of, index, page->scratch) : 0;
    if (line) {
        lpp_page_rawf(page, " <small>&#183; most of it in line %u</small>",
                      line);
    }
    lpp_page_raw(page, "</td><td class=\"m\">");
    lpp_page_module(page, symbol);
    lpp_page_raw(page, "</td></tr>\n");
}

static void row(lpp_page_t *page, const lpp_report_t *report,
                const lpp_view_t *of, apr_uint32_t index)
{
    const lpp_view_t *view = report->view;
    const lpp_function_t *function = &view->functions[index];

    lpp_page_raw(page, "<tr>");
    cost_cell(page, view, "self", &function->self);
    cost_cell(page, view, "total", &function->total);
    lpp_page_raw(page, "<td class=\"n\">");
    if (function->calls) {
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT "&#160;call%s",
                      function->calls, function->calls == 1 ? "" : "s");
    }
    else {
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT "&#160;sample%s",
                      function->total.samples,
                      function->total.samples == 1 ? "" : "s");
    }
    lpp_page_raw(page, "</td>");
    name_cell(page, report, of, index);
}

static void table(lpp_page_t *page, const lpp_report_t *report,
                  const lpp_view_t *of, const char *heading,
                  const apr_uint32_t *top, apr_uint32_t count)
{
    apr_uint32_t i;

    if (!count) {
        return;
    }
    lpp_page_raw(page, "<details open=\"open\"><summary><h3>");
    lpp_page_raw(page, heading);
    lpp_page_raw(page, "</h3></summary>\n<div class=\"wide\">"
        "<table class=\"top\"><thead>"
        "<tr><th class=\"n\">Self</th><th></th><th class=\"n\">Total</th>"
        "<th></th><th class=\"n\">Count</th><th>Function</th>"
        "<th>Module</th></tr></thead><tbody>\n");
    for (i = 0; i < count; i++) {
        row(page, report, of, top[i]);
    }
    lpp_page_raw(page, "</tbody></table></div></details>\n");
}

static void top_table(lpp_page_t *page, const lpp_report_t *report,
                      const char *heading, lpp_view_order_e order)
{
    apr_uint32_t top[ROWS];
    apr_uint32_t count = lpp_view_top(report->view, order, top, ROWS,
                                      page->scratch);

    table(page, report, NULL, heading, top, count);
}

/* The functions of scripts alone, the time of C code in them. */
static void page_table(lpp_page_t *page, const lpp_report_t *report)
{
    lpp_report_t part = *report;
    apr_uint32_t top[ROWS + 2], count, i, kept = 0;

    if (!lpp_view_has_page_code(report->view)) {
        return;
    }
    part.view = lpp_page_part(page, report->view, LPP_VIEW_SCRIPT_CODE);
    if (!part.view) {
        return;
    }
    count = lpp_view_top(part.view, LPP_VIEW_BY_SELF, top, ROWS + 2,
                         page->scratch);
    for (i = 0; i < count; i++) {
        if (lpp_view_is_script(&part.view->functions[top[i]].symbol)) {
            top[kept++] = top[i];
        }
    }
    table(page, &part, report->view,
          "Page functions, with the C code that they called", top,
          kept < ROWS ? kept : ROWS);
}

/*
 * The error of a share of one half of the time, in tenths of a percentage
 * point: two standard errors of that number of samples, 100 / sqrt(samples)
 * points. Smaller and larger shares have a smaller error.
 */
static unsigned error_tenths(apr_uint64_t samples)
{
    unsigned tenths = 1000;

    while (tenths > 1
           && (apr_uint64_t)(tenths - 1) * (tenths - 1) * samples >= 1000000) {
        tenths--;
    }
    return tenths;
}

/* The samples of page functions on a stack of their own. */
static apr_uint64_t own_stack_page_samples(const lpp_view_t *view)
{
    apr_uint64_t samples = 0;
    apr_uint32_t i, at;

    for (i = 1; i < view->branch_count; i++) {
        int outermost = 1, own = 0;

        if (!lpp_view_is_page(
                &view->functions[view->branches[i].function].symbol)) {
            continue;
        }
        for (at = view->branches[i].parent; at != 0;
             at = view->branches[at].parent) {
            const lpp_symbol_t *symbol =
                &view->functions[view->branches[at].function].symbol;

            outermost &= !lpp_view_is_page(symbol);
            own |= symbol->start == LPP_PC_OWN_STACK;
        }
        samples += outermost && own ? view->branches[i].total.samples : 0;
    }
    return samples;
}

/* Explain the two frames that are no functions, if they occur. */
static void explain_frames(lpp_page_t *page, const lpp_view_t *view)
{
    apr_uint64_t own_page;

    if (view->own_stack_samples != 0) {
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT " sample%s below <code>"
                      LPP_OWN_STACK_NAME "</code>: the code ran on a stack of "
                      "its own, as fibers, coroutines and goroutines do, and "
                      "such a stack does not show who started it. ",
                      view->own_stack_samples,
                      view->own_stack_samples == 1 ? " is" : "s are");
        own_page = own_stack_page_samples(view);
        if (own_page != 0) {
            lpp_page_rawf(page, "In %" APR_UINT64_T_FMT " of them the page "
                          "functions are known. ", own_page);
        }
    }
    if (view->run_time_samples != 0) {
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT " sample%s below <code>"
                      LPP_RUN_TIME_CODE_NAME "</code>, right under the "
                      "request: a JIT compiler made that code, and it tells "
                      "neither its name nor its caller. ",
                      view->run_time_samples,
                      view->run_time_samples == 1 ? " is" : "s are");
    }
}

/* A sentence that begins with a number of things; nothing for 0. */
static void count_of(lpp_page_t *page, apr_uint64_t count, const char *one,
                     const char *many)
{
    if (count != 0) {
        lpp_page_rawf(page, "%" APR_UINT64_T_FMT " %s ", count,
                      count == 1 ? one : many);
    }
}

/* What is said of page functions. */
static void page_functions(lpp_page_t *page, const lpp_page_statistics_t *pages)
{
    count_of(page, pages->samples, "sample has page functions.",
             "samples have page functions.");
    count_of(page, pages->cut, "chain of page functions is cut: it was too "
             "long, or could not be read to its end.",
             "chains of page functions are cut: they were too long, or could "
             "not be read to their end.");
    count_of(page, pages->late, "sample came too late to read its page "
             "functions.", "samples came too late to read their page "
             "functions.");
    count_of(page, pages->refused, "sample has no page functions since the "
             "page itself takes or blocks SIGSEGV or SIGBUS.",
             "samples have no page functions since the page itself takes or "
             "blocks SIGSEGV or SIGBUS.");
    count_of(page, pages->ambiguous, "sample has no page functions of one "
             "language since several of its interpreters had some.",
             "samples have no page functions of one language since several of "
             "its interpreters had some.");
    count_of(page, pages->nameless, "frame is <code>" LPP_PAGE_MORE_NAME
             "</code>: there were too many functions to name.",
             "frames are <code>" LPP_PAGE_MORE_NAME "</code>: there were too "
             "many functions to name.");
    count_of(page, pages->faults, "read of an interpreter's memory failed "
             "and was caught.", "reads of an interpreter's memory failed and "
             "were caught.");
    if (pages->unread[0]) {
        lpp_page_text(page, pages->unread);
        lpp_page_raw(page, " ");
    }
}

/* How the time of blocks is known. */
static void kernel_events(lpp_page_t *page, const lpp_sampling_statistics_t *h)
{
    if (!h->kernel_events) {
        lpp_page_raw(page, ". Blocked threads were sampled without kernel "
                     "events.</p>\n");
        return;
    }
    lpp_page_rawf(page, ". Kernel events told of %" APR_UINT64_T_FMT
                  " block%s, in which the thread got no signal",
                  h->kernel_blocks, h->kernel_blocks == 1 ? "" : "s");
    if (h->kernel_lost) {
        lpp_page_rawf(page, ", but %" APR_UINT64_T_FMT " of their records "
                      "were lost", h->kernel_lost);
    }
    lpp_page_raw(page, ".</p>\n");
}

/* The sampling statistics. */
static void statistics(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;
    const lpp_sampling_statistics_t *h = &view->statistics;
    const lpp_function_t *profiler = lpp_view_profiler(view);

    lpp_page_rawf(page, "<p class=\"small\">%" APR_UINT64_T_FMT " sample%s at "
                  "%.0f&#160;Hz of sampled time (asked for: %u&#160;Hz); "
                  "%" APR_UINT64_T_FMT " lost, %" APR_UINT64_T_FMT " stacks "
                  "cut, %" APR_UINT64_T_FMT " broken, %" APR_UINT64_T_FMT
                  " without room. ", h->samples,
                  h->samples == 1 ? "" : "s", view->true_hz, h->asked_hz,
                  h->lost, h->cut, h->broken, h->overflowed);
    if (!h->samples) {
        lpp_page_raw(page, "There are no frames to be named. ");
    }
    else {
        lpp_page_rawf(page, "A share is right within &#177;%u.%u points%s. "
                      "%u&#160;%% of the frames are named. ",
                      error_tenths(h->samples) / 10,
                      error_tenths(h->samples) % 10,
                      h->samples < FEW_SAMPLES ? ", so with so few samples no "
                          "share means much" : "", view->named_percent);
    }
    explain_frames(page, view);
    page_functions(page, &h->pages);
    if (profiler) {
        lpp_page_raw(page, "The profiler itself worked ");
        lpp_page_time(page, profiler->self.wall_us);
        lpp_page_raw(page, " on the request's thread, <code>"
                     LPP_PROFILER_NAME "</code> above. ");
    }
    lpp_page_rawf(page, "The profiler itself sent %" APR_UINT64_T_FMT
                  " signal%s", h->signals, h->signals == 1 ? "" : "s");
    if (!report->provisional) { /* known only at the end */
        lpp_page_raw(page, " and used ");
        lpp_page_time(page, h->own_ns / 1000);
        lpp_page_raw(page, " of CPU time");
    }
    lpp_page_raw(page, "; unwinder: ");
    lpp_page_text(page, h->unwinder ? h->unwinder : "none");
    if (h->lowered_hz != 0) {
        lpp_page_rawf(page, "; it lowered its rate to %u&#160;Hz since it took "
                      "more than 10&#160;%% of the request's CPU time",
                      h->lowered_hz);
    }
    kernel_events(page, h);
}

void lpp_report_tables(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;

    if (!view) {
        return;
    }
    lpp_page_raw(page, "<section class=\"quick\">"
        "<h2>Profile quick view</h2>\n<p class=\"small\">Self: in the "
        "function alone. Total: with all it called. In the bars: ");
    lpp_page_shares_key(page, view->statistics.ready);
    lpp_page_raw(page, ". Count: exact calls where the module counts them, "
        "else samples.</p>\n");
    if (view->function_count > 1) {
        page_table(page, report);
        top_table(page, report, "Top Inline Time", LPP_VIEW_BY_SELF);
        top_table(page, report, "Top Total Time", LPP_VIEW_BY_TOTAL);
        top_table(page, report, "Top Call Count", LPP_VIEW_BY_CALLS);
    }
    statistics(page, report);
    lpp_page_raw(page, "</section>\n");
}
