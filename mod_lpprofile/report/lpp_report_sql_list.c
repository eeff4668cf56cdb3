/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, SQL trace: every statement in one line, which unfolds to the
 * whole text and its traceback. Its style is in assets/sql.css.
 *
 * With style, a check box unfolds a line, and another one unfolds all; without
 * style, each line is a <details> element.
 */
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "base/lpp_utf8.h"
#include "report/lpp_report_internal.h"
#include "report/lpp_report_sql_internal.h"

#define TEXT_MAX_BYTES 4096            /* of one statement in the page */
#define BRIEF_MAX_BYTES 180
#define TEXTS_MAX_BYTES (1024u * 1024) /* of all statements; the rest only in
                                          single lines */

void lpp_report_sql_object(lpp_page_t *page, const lpp_sqlview_frame_t *frame)
{
    lpp_page_text(page, frame->object);
    if (frame->line != 0) {
        lpp_page_rawf(page, ":%u", frame->line);
    }
}

static void frames(lpp_page_t *page, const lpp_sqlview_stack_t *stack,
                   unsigned from, unsigned to)
{
    for (; from < to; from++) {
        lpp_page_raw(page, "  ");
        lpp_page_text(page, stack->frames[from].name);
        if (*stack->frames[from].object) {
            lpp_page_raw(page, "  (");
            lpp_report_sql_object(page, &stack->frames[from]);
            lpp_page_raw(page, ")");
        }
        lpp_page_raw(page, "\n");
    }
}

/* apr_dbd's own frame is often missing: it jumps to the driver. The arguments
 * of the call are known nevertheless. */
static void database_part(lpp_page_t *page,
                          const lpp_sql_statement_t *statement,
                          const lpp_sqlview_stack_t *stack)
{
    lpp_page_raw(page, "<p class=\"part\">Database</p><pre class=\"db\">");
    if (stack->database < stack->count) {
        frames(page, stack, stack->database, stack->count);
    }
    else if (strncmp(statement->call, "lpprofile_", 10)) {
        lpp_page_raw(page, "  apr_dbd_");
        lpp_page_text(page, statement->call);
        lpp_page_raw(page, "\n");
    }
    lpp_page_raw(page, "  ");
    lpp_page_text(page, statement->database);
    lpp_page_raw(page, "</pre>\n");
}

static void traceback(lpp_page_t *page, const lpp_sqlview_t *view,
                      const lpp_sql_statement_t *statement)
{
    const lpp_sqlview_stack_t *stack;

    if (!statement->stack) {
        if (lpp_sqllog_traced(view->log)) {
            lpp_page_raw(page, "<p class=\"small\">No traceback was taken."
                               "</p>\n");
        }
        return;
    }
    stack = &view->stacks[statement->stack - 1];
    lpp_page_raw(page, "<p class=\"part\">Caller (most recent call last)</p>"
                       "<pre class=\"caller\">");
    frames(page, stack, 0, stack->database);
    lpp_page_raw(page, "</pre>\n");
    database_part(page, statement, stack);
}

static void facts(lpp_page_t *page, const lpp_sql_statement_t *statement,
                  apr_size_t shown)
{
    lpp_page_raw(page, "<p class=\"small\">");
    lpp_page_text(page, statement->database);
    lpp_page_raw(page, ", sent as <code>");
    lpp_page_text(page, statement->call);
    lpp_page_raw(page, "</code>");
    if (statement->label) {
        lpp_page_raw(page, ", prepared as ");
        lpp_page_code(page, statement->label);
    }
    if (statement->rows >= 0) {
        lpp_page_rawf(page, ", %ld row%s", statement->rows,
                      statement->rows == 1 ? "" : "s");
    }
    lpp_page_rawf(page, ", from %.1f to %.1f&#160;ms",
                  (double)statement->start_us / 1000.0,
                  (double)(statement->start_us + statement->took_us)
                      / 1000.0);
    if (shown < statement->bytes) {
        lpp_page_rawf(page, ", shown are %" APR_SIZE_T_FMT " of %"
                      APR_SIZE_T_FMT " bytes", shown, statement->bytes);
    }
    lpp_page_raw(page, statement->running ? ", still running.</p>\n"
                                          : ".</p>\n");
}

/* Write as much of a text as the page has room for; returns the number of
 * bytes. */
static apr_size_t text_of(lpp_page_t *page, const char *text,
                          apr_size_t *budget, apr_pool_t *scratch)
{
    apr_size_t len = strlen(text);

    if (len > TEXT_MAX_BYTES) {
        len = lpp_utf8_cut(text, TEXT_MAX_BYTES);
    }
    if (len > *budget) {
        len = 0;
    }
    *budget -= len;
    lpp_page_raw(page, "<pre>");
    lpp_page_text(page, text[len] ? apr_pstrmemdup(scratch, text, len)
                                  : text);
    lpp_page_raw(page, text[len] ? "\n[...]</pre>\n" : "</pre>\n");
    return len;
}

static void head(lpp_page_t *page, const lpp_sqlview_t *view, unsigned index)
{
    const lpp_sql_statement_t *statement = lpp_sqllog_at(view->log, index);

    lpp_page_rawf(page, "<li class=\"q%s\"><input type=\"checkbox\" "
                  "class=\"one\" id=\"lpp-sql-%u\" />"
                  "<label class=\"qhead\" for=\"lpp-sql-%u\">"
                  "<span class=\"no\">%u</span> <span class=\"at\">",
                  statement->error ? " failed" : "", index + 1, index + 1,
                  index + 1);
    lpp_page_rawf(page, "%.1f&#160;ms</span> <span class=\"took%s\">",
                  (double)statement->start_us / 1000.0,
                  lpp_report_sql_mark(statement->took_us));
    lpp_page_time(page, statement->took_us);
    lpp_page_rawf(page, "</span> <svg xmlns=\"http://www.w3.org/2000/svg\" "
                  "width=\"120\" height=\"9\" aria-hidden=\"true\">"
                  "<rect class=\"query\" x=\"%.2f%%\" width=\"%.2f%%\" "
                  "height=\"9\" fill=\"#8250df\" /></svg> ",
                  lpp_page_percent(statement->start_us, view->until_us),
                  lpp_page_percent(statement->took_us, view->until_us) + 0.8);
    lpp_report_sql_brief(page, statement->text, statement->bytes);
    lpp_page_raw(page, "</label>\n");
}

static void row(lpp_page_t *page, const lpp_report_t *report, unsigned index,
                apr_size_t *budget, apr_pool_t *scratch)
{
    const lpp_sql_statement_t *statement = lpp_sqllog_at(report->sql->log,
                                                         index);
    apr_size_t shown;

    head(page, report->sql, index);
    lpp_page_raw(page, report->styled ? "<div class=\"more\">"
                 : "<details><summary>In full</summary>");
    shown = text_of(page, statement->text, budget, scratch);
    facts(page, statement, shown);
    if (statement->error) {
        lpp_page_raw(page, "<p class=\"error\"><span class=\"took very\">"
                           "Failed:</span> ");
        lpp_page_text(page, statement->error);
        lpp_page_raw(page, "</p>\n");
    }
    traceback(page, report->sql, statement);
    lpp_page_raw(page, report->styled ? "</div></li>\n"
                                      : "</details></li>\n");
}

/* Whether any statement has a traceback: a condition or a lost sample may have
 * left all without one. */
static int has_traceback(const lpp_sqlview_t *view)
{
    unsigned i;

    for (i = 0; i < view->count && i < LPP_REPORT_SQL_ROWS; i++) {
        if (lpp_sqllog_at(view->log, i)->stack) {
            return 1;
        }
    }
    return 0;
}

void lpp_report_sql_list(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_sqlview_t *view = report->sql;
    apr_size_t budget = TEXTS_MAX_BYTES;
    int traced = has_traceback(view);
    apr_pool_t *scratch;
    unsigned i;

    if (apr_pool_create(&scratch, page->scratch) != APR_SUCCESS) {
        page->status = APR_ENOMEM;
        return;
    }
    lpp_page_raw(page, "<details open=\"open\"><summary>"
        "<h3>All statements</h3></summary>\n<p class=\"small\">Number, "
        "start, time, and where in the request it was. Choose a line to see "
        "all of it.</p>\n");
    lpp_page_raw(page, traced ? "<div class=\"sqlbox\">\n"
                              : "<div class=\"sqlbox plainsql\">\n");
    if (report->styled) {
        lpp_page_rawf(page, "<input type=\"checkbox\" class=\"sqlall\" "
            "id=\"lpp-sql-all\" aria-label=\"Show all %s\" />"
            "<label class=\"showall\" for=\"lpp-sql-all\"></label>\n",
            traced ? "tracebacks" : "in full");
    }
    lpp_page_raw(page, "<ol class=\"sqllist\">\n");
    for (i = 0; i < view->count && i < LPP_REPORT_SQL_ROWS; i++) {
        row(page, report, i, &budget, scratch);
        apr_pool_clear(scratch);
    }
    lpp_page_raw(page, "</ol></div>\n");
    if (i < view->count) {
        lpp_page_rawf(page, "<p class=\"small\">%u more are in the timeline "
                      "of the OOPS report.</p>\n", view->count - i);
    }
    lpp_page_raw(page, "</details>\n");
    apr_pool_destroy(scratch);
}

const char *lpp_report_sql_mark(apr_uint64_t us)
{
    return us > LPP_SQLVIEW_VERY_SLOW_US ? " very"
           : us > LPP_SQLVIEW_SLOW_US    ? " slow" : "";
}

void lpp_report_sql_link(lpp_page_t *page, const lpp_sqlview_t *view,
                         unsigned index)
{
    if (index < view->count && index < LPP_REPORT_SQL_ROWS) {
        lpp_page_rawf(page, "<label class=\"go\" for=\"lpp-sql-%u\">%u"
                      "</label>", index + 1, index + 1);
    }
    else {
        lpp_page_rawf(page, "%u", index + 1);
    }
}

void lpp_report_sql_brief(lpp_page_t *page, const char *text,
                          apr_size_t bytes)
{
    char brief[BRIEF_MAX_BYTES + 1];
    apr_size_t len = 0;

    for (; *text && len < BRIEF_MAX_BYTES; text++) {
        if (!lpp_is_space(*text)) {
            brief[len++] = *text;
        }
        else if (len && brief[len - 1] != ' ') {
            brief[len++] = ' ';
        }
    }
    if (*text || bytes > BRIEF_MAX_BYTES * 100) {
        len = lpp_utf8_cut(brief, len);
    }
    brief[len] = '\0';
    lpp_page_raw(page, "<code>");
    lpp_page_text(page, brief);
    lpp_page_raw(page, *text ? "&#8230;</code>" : "</code>");
}
