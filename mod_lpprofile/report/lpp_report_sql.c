/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, SQL trace: what the statements of a request have in common, the
 * slow ones, the pauses. The list of all statements is in
 * lpp_report_sql_list.c.
 *
 * A link to a statement is the label of its check box: that works in a shadow
 * tree (where fragments of a URL do not), without script and without style.
 */
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "report/lpp_report_internal.h"
#include "report/lpp_report_sql_internal.h"

#define LINKS_MAX 12     /* to the statements of a group */
#define GROUPS_MAX 10
#define CALLERS_MAX 4    /* frames shown of a trigger */
#define LOOP_MIN 5       /* so many equal statements get a notice at the top */

static void brief_of(lpp_page_t *page, const lpp_sqlview_t *view,
                     unsigned index)
{
    const lpp_sql_statement_t *statement = lpp_sqllog_at(view->log, index);

    lpp_report_sql_brief(page, statement->text, statement->bytes);
}

static void time_cell(lpp_page_t *page, apr_uint64_t us)
{
    lpp_page_rawf(page, "<td class=\"n\"><span class=\"took%s\">",
                  lpp_report_sql_mark(us));
    lpp_page_time(page, us);
    lpp_page_raw(page, "</span></td>");
}

static void table_head(lpp_page_t *page, const char *heading,
                       const char *columns)
{
    lpp_page_raw(page, "<details open=\"open\"><summary><h3>");
    lpp_page_raw(page, heading);
    lpp_page_raw(page, "</h3></summary>\n<div class=\"wide\">"
                       "<table class=\"sqltop\"><thead><tr>");
    lpp_page_raw(page, columns);
    lpp_page_raw(page, "</tr></thead><tbody>\n");
}

static void table_foot(lpp_page_t *page)
{
    lpp_page_raw(page, "</tbody></table></div></details>\n");
}

static void top_times(lpp_page_t *page, const lpp_sqlview_t *view)
{
    unsigned i;

    table_head(page, "Top 10 SQL times",
               "<th>Time</th><th>Query</th><th class=\"w\">Statement</th>");
    for (i = 0; i < view->top_count; i++) {
        lpp_page_raw(page, "<tr>");
        time_cell(page, lpp_sqllog_at(view->log, view->top[i])->took_us);
        lpp_page_raw(page, "<td class=\"n\">");
        lpp_report_sql_link(page, view, view->top[i]);
        lpp_page_raw(page, "</td><td>");
        brief_of(page, view, view->top[i]);
        lpp_page_raw(page, "</td></tr>\n");
    }
    table_foot(page);
}

static void top_gaps(lpp_page_t *page, const lpp_sqlview_t *view)
{
    unsigned i;

    table_head(page, "Top 10 times between SQL statements",
               "<th>Time</th><th>Where</th><th class=\"w\">Statement</th>");
    for (i = 0; i < view->gap_count; i++) {
        const lpp_sqlview_gap_t *gap = &view->gaps[i];

        lpp_page_raw(page, "<tr>");
        time_cell(page, gap->us);
        if (gap->before < view->count) {
            lpp_page_raw(page, "<td class=\"t\">Before query number ");
            lpp_report_sql_link(page, view, gap->before);
            lpp_page_raw(page, "</td><td>");
            brief_of(page, view, gap->before);
        }
        else {
            lpp_page_raw(page, "<td class=\"t\">After the last query</td>"
                               "<td>");
        }
        lpp_page_raw(page, "</td></tr>\n");
    }
    table_foot(page);
}

/* The numbers of a group's statements. */
static void links(lpp_page_t *page, const lpp_sqlview_t *view,
                  const lpp_sqlview_group_t *group, const unsigned *next)
{
    unsigned index = group->first, shown;

    for (shown = 0; index != LPP_SQLVIEW_NONE && shown < LINKS_MAX; shown++) {
        lpp_page_raw(page, shown ? " " : "");
        lpp_report_sql_link(page, view, index);
        index = next[index];
    }
    if (index != LPP_SQLVIEW_NONE) {
        lpp_page_raw(page, " &#8230;");
    }
}

static void count_cells(lpp_page_t *page, const lpp_sqlview_group_t *group)
{
    lpp_page_rawf(page, "<tr><td class=\"n\"><b>%u</b>&#160;times</td>"
                  "<td class=\"n\">", group->count);
    lpp_page_time(page, group->total_us);
    lpp_page_raw(page, "</td><td class=\"n\">");
    lpp_page_time(page, group->total_us / group->count);
    lpp_page_raw(page, "</td>");
}

static void more_groups(lpp_page_t *page, unsigned count)
{
    table_foot(page);
    if (count > GROUPS_MAX) {
        lpp_page_rawf(page, "<p class=\"small\">The heaviest %d of %u.</p>\n",
                      GROUPS_MAX, count);
    }
}

static void groups(lpp_page_t *page, const lpp_sqlview_t *view)
{
    unsigned i;

    if (!view->group_count) {
        return;
    }
    table_head(page, "Same statement, other values",
               "<th class=\"t\">How often</th><th>Total</th><th>Each</th>"
               "<th class=\"w\">Statement</th><th>Queries</th>");
    for (i = 0; i < view->group_count && i < GROUPS_MAX; i++) {
        const lpp_sqlview_group_t *group = &view->groups[i];

        count_cells(page, group);
        lpp_page_raw(page, "<td>");
        lpp_report_sql_brief(page, group->text, 0);
        lpp_page_raw(page, "</td><td class=\"links\">");
        links(page, view, group, view->next_same);
        lpp_page_raw(page, "</td></tr>\n");
    }
    more_groups(page, view->group_count);
}

/* Where the senders of a statement begin, which lie below this index: the
 * innermost page function with a line, if there is one; else the frame that
 * called the database. */
static unsigned first_sender(const lpp_sqlview_stack_t *named)
{
    unsigned at = named->database;

    while (at > 0 && named->frames[at - 1].line == 0) {
        at--;
    }
    return at > 0 ? at : named->database;
}

static void trigger_frames(lpp_page_t *page, const lpp_sqlview_t *view,
                           unsigned stack)
{
    const lpp_sqlview_stack_t *named = &view->stacks[stack - 1];
    unsigned end = first_sender(named), shown;

    for (shown = 0; shown < CALLERS_MAX && end > 0; shown++) {
        const lpp_sqlview_frame_t *frame = &named->frames[--end];

        lpp_page_raw(page, shown ? "<br/><small>called by " : "");
        lpp_page_code(page, frame->name);
        if (*frame->object && (!shown || frame->line != 0)) {
            lpp_page_raw(page, frame->line != 0 ? " in " : " of ");
            lpp_report_sql_object(page, frame);
        }
        lpp_page_raw(page, shown ? "</small>" : "");
    }
}

/* Whether tracebacks were wanted for some statements only. */
static int is_filtered(const lpp_sqlview_t *view)
{
    const lpp_sqlfilter_t *filter = lpp_sqllog_filter(view->log);

    return filter && (lpp_sqlfilter_clause(filter, 0)
                      || lpp_sqlfilter_refused(filter, 0));
}

static void triggers(lpp_page_t *page, const lpp_sqlview_t *view)
{
    unsigned i;

    if (!lpp_sqllog_traced(view->log)) {
        return;
    }
    if (!view->trigger_count) {
        lpp_page_raw(page, "<h3>Repeated SQL triggers</h3>\n<p "
            "class=\"small\">None: no two tracebacks that were taken are the "
            "same.</p>\n");
        return;
    }
    table_head(page, "Repeated SQL triggers",
               "<th class=\"t\">How often</th><th>Total</th><th>Each</th>"
               "<th class=\"w\">Sent by</th><th>Queries</th>");
    for (i = 0; i < view->trigger_count && i < GROUPS_MAX; i++) {
        const lpp_sqlview_group_t *group = &view->triggers[i];

        count_cells(page, group);
        lpp_page_raw(page, "<td>");
        trigger_frames(page, view, group->stack);
        lpp_page_raw(page, "</td><td class=\"links\">");
        links(page, view, group, view->next_trigger);
        lpp_page_raw(page, "</td></tr>\n");
    }
    more_groups(page, view->trigger_count);
    lpp_page_raw(page, "<p class=\"small\">Statements sent from the same place"
        " in the code: the same calling stack, call by call. ");
    lpp_page_raw(page, is_filtered(view)
                 ? "Only those that the conditions chose are counted.</p>\n"
                 : "Typically, that is a loop.</p>\n");
}

static void figures(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_sqlview_t *view = report->sql;
    unsigned all = view->count + lpp_sqllog_dropped(view->log);
    apr_uint64_t whole = view->until_us - view->from_us;

    if (!all) {
        lpp_page_raw(page, "<p class=\"words\">No SQL statement was sent ");
        lpp_page_raw(page, report->provisional ? "until this point.</p>\n"
                                               : "by this request.</p>\n");
        lpp_page_raw(page, "<p class=\"small\">Seen is what goes through "
            "<code>mod_dbd</code>, and what modules report by "
            "<code>lpprofile.h</code>.</p>\n");
        return;
    }
    lpp_page_rawf(page, "<p class=\"words\"><b>%u</b> SQL statement%s took "
                  "<b>", all, all == 1 ? "" : "s");
    lpp_page_time(page, view->total_us);
    lpp_page_rawf(page, "</b>, %.0f&#160;%% of the ",
                  lpp_page_percent(view->total_us, whole));
    lpp_page_time(page, whole);
    lpp_page_raw(page, report->provisional
                 ? " until this point, fetching of rows included."
                 : " of the request, fetching of rows included.");
    if (view->failed) {
        lpp_page_rawf(page, " <span class=\"took very\">%u failed.</span>",
                      view->failed);
    }
    lpp_page_raw(page, "</p>\n");
    if (lpp_sqllog_dropped(view->log)) {
        lpp_page_rawf(page, "<p class=\"notice\">Of %u statements past the "
                      "first %d only the time is known.</p>\n",
                      lpp_sqllog_dropped(view->log), LPP_SQL_STATEMENTS_MAX);
    }
}

/* A notice on the statement that was sent most often, as loops do. */
static void loop(lpp_page_t *page, const lpp_sqlview_t *view)
{
    const lpp_sqlview_group_t *most = NULL;
    unsigned i;

    for (i = 0; i < view->group_count; i++) {
        if (!most || view->groups[i].count > most->count) {
            most = &view->groups[i];
        }
    }
    if (!most || most->count < LOOP_MIN) {
        return;
    }
    lpp_page_rawf(page, "<p class=\"notice\"><b>%u times, total ",
                  most->count);
    lpp_page_time(page, most->total_us);
    lpp_page_raw(page, ":</b> the same statement but for its values. A loop "
        "that one statement could replace?<br/>");
    lpp_report_sql_brief(page, most->text, 0);
    lpp_page_raw(page, "</p>\n");
}

static void conditions(lpp_page_t *page, const lpp_sqlfilter_t *filter)
{
    const char *clause;
    int i;

    if (!filter) {
        return;
    }
    if (lpp_sqlfilter_clause(filter, 0)) {
        lpp_page_raw(page, "<p>Tracebacks were taken only for statements that "
                           "match one of these conditions:</p>\n<ul>\n");
        for (i = 0; (clause = lpp_sqlfilter_clause(filter, i)); i++) {
            lpp_page_raw(page, "<li>");
            lpp_page_code(page, clause);
            lpp_page_raw(page, "</li>\n");
        }
        lpp_page_raw(page, "</ul>\n");
    }
    for (i = 0; (clause = lpp_sqlfilter_refused(filter, i)); i++) {
        lpp_page_raw(page, "<p class=\"notice\">A condition was not "
                           "understood and is ignored: ");
        lpp_page_code(page, clause);
        lpp_page_raw(page, ". Conditions are <code>startswith TEXT</code>, "
            "<code>endswith TEXT</code> and <code>includes TEXT</code>, "
            "with <code>|</code> between them.");
        if (!lpp_sqlfilter_clause(filter, 0)) {
            lpp_page_raw(page, " With none understood, no traceback was "
                               "taken.");
        }
        lpp_page_raw(page, "</p>\n");
    }
}

static void filter_example(lpp_page_t *page, const lpp_report_t *report)
{
    lpp_report_example(page, report->example_url, "sqltrace:includes TEXT");
    lpp_page_raw(page, " (<code>startswith</code>, <code>endswith</code>, "
                       "<code>includes</code>, joined by "
                       "<code>|</code>).</p>\n");
}

static void guidance(lpp_page_t *page, const lpp_report_t *report)
{
    if (lpp_sqllog_traced(report->sql->log)) {
        lpp_page_raw(page, "<p class=\"small\"><strong>Taking tracebacks "
            "takes time</strong>: the times between the statements are longer "
            "than without");
        lpp_page_raw(page, is_filtered(report->sql)
            ? ", and not evenly so, where only some have one" : "");
        lpp_page_raw(page, ". For true times ask for ");
        lpp_report_example(page, report->example_url, "sql");
        lpp_page_raw(page, ".</p>\n");
        conditions(page, lpp_sqllog_filter(report->sql->log));
        if (report->sql->count && !is_filtered(report->sql)) {
            lpp_page_raw(page, "<p>To take them for some statements only, ask "
                               "for ");
            filter_example(page, report);
        }
    }
    else if (report->sql->count) {
        lpp_page_raw(page, "<p>To see where statements come from, ask for ");
        lpp_report_example(page, report->example_url, "sqltrace");
        lpp_page_raw(page, ", or, for some of them only, ");
        filter_example(page, report);
    }
}

void lpp_report_sql(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_sqlview_t *view = report->sql;

    if (!view) {
        return;
    }
    lpp_page_raw(page, "<section class=\"sql\"><h2>SQL trace</h2>\n");
    figures(page, report);
    loop(page, view);
    guidance(page, report);
    if (view->count) {
        top_times(page, view);
        top_gaps(page, view);
        groups(page, view);
        triggers(page, view);
        lpp_report_sql_list(page, report);
    }
    lpp_page_raw(page, "</section>\n");
}
