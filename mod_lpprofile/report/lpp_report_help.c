/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the guidance (Help and Log information): what to add to the URL
 * next, where files are, and which command opens them. Names only actions that
 * this build has.
 */
#include <string.h>

#include <apr_strings.h>

#include "report/lpp_report_internal.h"

/* A link to the page with a trigger segment: "/++profile++show/a/b". */
void lpp_report_example(lpp_page_t *page, const char *path,
                        const char *actions)
{
    const char *rest = path && path[0] == '/' ? path : "/", *at;
    apr_size_t len;

    if (!strcmp(rest, "/")) {
        rest = "";
    }
    lpp_page_raw(page, "<a href=\"/" LPP_TRIGGER_MARK);
    for (at = actions; *at; at += len + (at[len] == '&')) {
        len = strcspn(at, "&");
        lpp_page_path(page, apr_pstrmemdup(page->scratch, at, len));
        lpp_page_raw(page, at[len] ? "&amp;" : "");
    }
    lpp_page_path(page, rest);
    lpp_page_raw(page, "\"><code>/" LPP_TRIGGER_MARK);
    lpp_page_text(page, actions);
    lpp_page_text(page, rest);
    lpp_page_raw(page, "</code></a>");
}

static void action_row(lpp_page_t *page, const char *action,
                       const char *effect)
{
    lpp_page_raw(page, "<tr><td><code>" LPP_TRIGGER_MARK);
    lpp_page_text(page, action);
    lpp_page_raw(page, "</code></td><td>");
    lpp_page_raw(page, effect);
    lpp_page_raw(page, "</td></tr>\n");
}

static void format_rows(lpp_page_t *page)
{
    int i;

    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const lpp_writer_t *writer = lpp_writer_get(i);

        if (!writer->write) {
            continue;
        }
        lpp_page_raw(page, "<tr><td><code>" LPP_TRIGGER_MARK);
        lpp_page_text(page, writer->action);
        lpp_page_raw(page, "</code></td><td>A file on the server, for ");
        lpp_page_code(page, writer->command);
        lpp_page_raw(page, ".</td></tr>\n");
    }
}

/* What to ask for next. */
static void help_lead(lpp_page_t *page, const char *path, int all_requests)
{
    if (all_requests) {
        lpp_page_raw(page, "<p>Every request of this host is logged because "
            "of <code>LPProfileAllRequests On</code>, so there is always "
            "something under Log information. To see the result in the "
            "browser as well, ask for ");
        lpp_report_example(page, path, "show");
        lpp_page_raw(page, ".</p>\n");
    }
    else {
        lpp_page_raw(page, "<p>Nothing was profiled yet. Say in the URL what "
            "you want to know, for instance ");
        lpp_report_example(page, path, "show");
        lpp_page_raw(page, " or ");
        lpp_report_example(page, path, "show&callgrind");
        lpp_page_raw(page, ".</p>\n");
    }
}

void lpp_report_help_text(lpp_page_t *page)
{
    lpp_page_raw(page, "<div class=\"wide\"><table class=\"plain\">"
        "<thead><tr><th>Path segment</th><th>What it does</th></tr></thead>"
        "<tbody>\n");
    action_row(page, "show", "The profile in the page: where the time went, "
        "and the OOPS report.");
    format_rows(page);
    action_row(page, "sql", "Every SQL statement of the request with its "
        "times, in the page.");
    action_row(page, "sqltrace", "The same with a traceback for each; it "
        "takes longer.");
    action_row(page, "sqltrace:includes TEXT|startswith TEXT", "Tracebacks "
        "only for statements that match (also <code>endswith TEXT</code>); "
        "case and white space do not matter.");
    action_row(page, "show&callgrind", "Several at a time, with "
        "<code>&amp;</code> between them.");
    action_row(page, "help", "This text; nothing is profiled.");
    lpp_page_raw(page, "<tr><td><code>/" LPP_TRIGGER_MARK "reports</code>"
        "</td><td>On its own: the profiles of this host, to open, download "
        "and compare.</td></tr>\n<tr><td><code>/" LPP_TRIGGER_MARK
        "report:OOPS-ID</code></td><td>On its own: one of them; with "
        "<code>&amp;callgrind</code> or another format its file, with "
        "<code>&amp;against:OOPS-ID</code> two compared.</td></tr>\n");
    lpp_page_raw(page, "</tbody></table></div>\n"
        "<p>The segment may stand anywhere in the path and is taken out "
        "before the server looks at it: <code>/" LPP_TRIGGER_MARK
        "show/a/b</code>, <code>/a/" LPP_TRIGGER_MARK "show/b</code> and "
        "<code>/a/b/" LPP_TRIGGER_MARK "show</code> all serve "
        "<code>/a/b</code>. A page that redirects may lose it.</p>\n"
        "<p>Code can profile parts of itself: in pages of mod_lua <code>"
        "lpprofile.region(r, \"name\", function() ... end)</code>, in C "
        "<code>LPPROFILE_REGION(&amp;lpp, r, \"name\");</code> of <code>"
        "lpprofile.h</code>. All such parts of a request are one profile, "
        "which no URL need ask for.</p>\n");
}

void lpp_report_help(lpp_page_t *page, const lpp_report_t *report)
{
    if (!(report->actions & LPP_ACTION_HELP)) {
        return;
    }
    lpp_page_raw(page, "<section class=\"help\"><h2>Help</h2>\n");
    help_lead(page, report->example_url, report->all_requests);
    lpp_report_help_text(page);
    lpp_page_raw(page, "<p>The settings in force and the latest profiles are "
        "at <a href=\"/" LPP_TRIGGER_MARK "\"><code>/" LPP_TRIGGER_MARK
        "</code></a>.</p>\n");
    lpp_page_raw(page, "</section>\n");
}

/* The actions of this request and one more, in the form that the URL has. */
static const char *actions_with(lpp_page_t *page,
                                const lpp_report_t *report, int show,
                                apr_uint32_t formats)
{
    const char *actions = show ? "show" : "";
    int i;

    if (report->actions & (LPP_ACTION_SQL | LPP_ACTION_SQLTRACE)) {
        actions = apr_pstrcat(page->scratch, actions, *actions ? "&" : "",
                              report->actions & LPP_ACTION_SQLTRACE
                                  ? "sqltrace" : "sql", NULL);
    }

    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const lpp_writer_t *writer = lpp_writer_get(i);

        if ((formats & LPP_FORMAT_BIT(i)) && writer->write) {
            actions = apr_pstrcat(page->scratch, actions, *actions ? "&" : "",
                                  writer->action, NULL);
        }
    }
    return actions;
}

/* The actions that the URL could ask for in addition. */
static void next_steps(lpp_page_t *page, const lpp_report_t *report)
{
    int show = !!(report->actions & LPP_ACTION_SHOW);
    int i;

    lpp_page_raw(page, "<ul class=\"next\">\n");
    if (!show) {
        lpp_page_raw(page, "<li>To see the profile in the page, ask for ");
        lpp_report_example(page, report->example_url,
                actions_with(page, report, 1, report->formats));
        lpp_page_raw(page, "</li>\n");
    }
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const lpp_writer_t *writer = lpp_writer_get(i);

        if (!writer->write || (report->formats & LPP_FORMAT_BIT(i))) {
            continue;
        }
        lpp_page_raw(page, "<li>To log it to a file for ");
        lpp_page_code(page, writer->command);
        lpp_page_raw(page, ", ask for ");
        lpp_report_example(page, report->example_url,
                actions_with(page, report, show,
                             report->formats | LPP_FORMAT_BIT(i)));
        lpp_page_raw(page, "</li>\n");
    }
    if (!report->sql) {
        lpp_page_raw(page, "<li>To see its SQL statements, ask for ");
        lpp_report_example(page, report->example_url,
                           show ? "show&sql" : "sql");
        lpp_page_raw(page, "</li>\n");
    }
    if (!(report->actions & LPP_ACTION_HELP)) {
        lpp_page_raw(page, "<li>All that can be asked for: ");
        lpp_report_example(page, report->example_url, "help");
        lpp_page_raw(page, "</li>\n");
    }
    lpp_page_raw(page, "</ul>\n");
}

static void one_file(lpp_page_t *page, const lpp_report_t *report,
                     const lpp_report_file_t *file)
{
    const lpp_writer_t *writer = lpp_writer_get(file->format);

    lpp_page_raw(page, report->provisional
                 ? "<p>The profile will be logged to "
                 : "<p>The profile was logged to ");
    lpp_page_code(page, file->path);
    lpp_page_raw(page, report->provisional
                 ? " when this response is complete. Open it with</p>\n<pre>"
                 : ". Open it with</p>\n<pre>");
    lpp_page_text(page, writer->command);
    lpp_page_raw(page, " ");
    lpp_page_shell_word(page, file->path);
    lpp_page_raw(page, "</pre>\n");
}

void lpp_report_log(lpp_page_t *page, const lpp_report_t *report)
{
    int i;

    lpp_page_raw(page, "<section class=\"log\"><h2>Log information</h2>\n");
    if (report->all_requests && report->file_count) {
        lpp_page_raw(page, "<p><strong>Every request of this host is logged "
            "because of <code>LPProfileAllRequests On</code>.</strong></p>\n");
    }
    for (i = 0; i < report->file_count; i++) {
        one_file(page, report, &report->files[i]);
    }
    if (!report->file_count) {
        lpp_page_raw(page, "<p>The profile was not logged to a file.</p>\n");
    }
    if (report->oops_path) {
        lpp_page_raw(page, "<p>Its OOPS report, ");
        lpp_page_code(page, report->oops_id);
        lpp_page_raw(page, report->provisional ? ", will be at "
                                               : ", is at ");
        lpp_page_code(page, report->oops_path);
        lpp_page_raw(page, ".</p>\n<p>Everything of it with final figures, "
            "downloads in every format and comparisons: <a href=\"/"
            LPP_TRIGGER_MARK "report:");
        lpp_page_text(page, report->oops_id);
        lpp_page_raw(page, "\">the report</a>; of all profiles: <a href=\"/"
            LPP_TRIGGER_MARK "reports\">reports</a>.</p>\n");
    }
    next_steps(page, report);
    lpp_page_raw(page, "</section>\n");
}
