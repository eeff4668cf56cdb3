/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the OOPS: its timeline as a waterfall, and the whole record ("Raw
 * OOPS Information"). Secrets are already masked in the record.
 */
#include <apr_strings.h>
#include <string.h>
#include <stdlib.h>

#include "base/lpp_clock.h"
#include "report/lpp_report_internal.h"

#define EVENTS_MAX 200  /* rows of the raw timeline */
#define PHASES_MAX 60   /* rows of the waterfall */
#define BARS_MAX 2000   /* statements drawn in the waterfall */
#define MIN_BAR_PERCENT 0.15
#define SQL_PREFIX "SQL-"

static const lpp_oops_event_t *event_at(const lpp_oops_t *oops, int i)
{
    return &APR_ARRAY_IDX(oops->timeline, i, lpp_oops_event_t);
}

/* The class of an event, and its colour for a page without style. */
static const struct {
    const char *category, *name, *fill;
} kinds[] = {
    {"phase", "phase", "#4f8a8b"}, {"hook", "hook", "#8fbcbb"},
    {"gate", "gate", "#7aa7d9"},   {NULL, "other", "#c17fc9"},
};

static unsigned kind_of(const char *category)
{
    unsigned i;

    for (i = 0; kinds[i].category; i++) {
        if (!strcmp(category, kinds[i].category)) {
            break;
        }
    }
    return i;
}

/* Headings, and a scale above the bars. */
static void waterfall_head(lpp_page_t *page, double whole_ms)
{
    apr_uint64_t whole_us = (apr_uint64_t)(whole_ms * 1000);

    lpp_page_raw(page, "<thead><tr><th>Part of the request</th>"
        "<th class=\"n\">Time</th><th class=\"fall\"><svg class=\"scale\" "
        "xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" height=\"14\" "
        "font-size=\"11\" font-family=\"sans-serif\" fill=\"currentColor\">"
        "<text y=\"11\">0</text><text class=\"mid\" x=\"50%\" "
        "y=\"11\" "
        "text-anchor=\"middle\">");
    lpp_page_time(page, whole_us / 2);
    lpp_page_raw(page, "</text><text x=\"100%\" y=\"11\" "
                       "text-anchor=\"end\">");
    lpp_page_time(page, whole_us);
    lpp_page_raw(page, "</text></svg></th></tr></thead>");
}

/* The cost of an event whose CPU time is known; returns what is known of its
 * ready time. */
static int cost_of(const lpp_oops_event_t *event, lpp_cost_t *cost)
{
    cost->wall_us = (apr_uint64_t)((event->end_ms - event->start_ms) * 1000);
    cost->cpu_us = (apr_uint64_t)(event->cpu_ms * 1000);
    if (cost->cpu_us > cost->wall_us) {
        cost->cpu_us = cost->wall_us;
    }
    cost->ready_us = event->ready_ms < 0 ? 0
        : (apr_uint64_t)(event->ready_ms * 1000);
    return event->ready_ms < 0 ? LPP_READY_UNKNOWN : LPP_READY_EXACT;
}

/* Make a bar lighter from the right, as the boxes of the flame graph. */
static void bar_tones(lpp_page_t *page, const lpp_oops_event_t *event,
                      double left, double width)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    lpp_cost_t cost;
    unsigned i;

    if (event->cpu_ms < 0) {
        return;
    }
    i = lpp_cost_shares(shares, cost_of(event, &cost), &cost);
    left += width;
    while (--i > 0) {
        double part = width * lpp_page_percent(shares[i].time, cost.wall_us)
            / 100;

        left -= part;
        if (part >= MIN_BAR_PERCENT) {
            lpp_page_rawf(page, "<rect class=\"%s\" x=\"%.2f%%\" "
                          "width=\"%.2f%%\" height=\"12\" fill=\"#fff\" "
                          "fill-opacity=\"%s\" />",
                          *shares[i].key == 'w' ? "w" : "r", left, part,
                          *shares[i].key == 'w' ? ".66" : ".34");
        }
    }
}

/* Draw a bar; the shortest events stay visible, even at the very end. */
static void bar(lpp_page_t *page, const lpp_oops_event_t *event,
                double whole_ms, const char *name, const char *fill)
{
    double width = 100.0 * (event->end_ms - event->start_ms) / whole_ms;
    double left = 100.0 * event->start_ms / whole_ms;

    width = width > MIN_BAR_PERCENT ? width : MIN_BAR_PERCENT;
    left = left < 100.0 - width ? left : 100.0 - width;
    left = left > 0 ? left : 0;
    lpp_page_rawf(page, "<rect class=\"%s\" x=\"%.2f%%\" width=\"%.2f%%\" "
                  "height=\"12\" fill=\"%s\" />", name, left, width,
                  fill);
    bar_tones(page, event, left, width);
}

/* The shares of an event, as the tooltip of its time. */
static void shares_title(lpp_page_t *page, const lpp_oops_event_t *event)
{
    lpp_cost_t cost;
    int ready;

    if (event->cpu_ms >= 0) {
        ready = cost_of(event, &cost);
        lpp_page_raw(page, " title=\"");
        lpp_page_shares_words(page, ready, &cost);
        lpp_page_raw(page, "\"");
    }
}

/* Write one row: what, how long, and when in the request. */
static void waterfall_row(lpp_page_t *page, const lpp_oops_event_t *event,
                          double whole_ms)
{
    double length = event->end_ms - event->start_ms;
    unsigned kind = kind_of(event->category);

    lpp_page_raw(page, "<tr><td class=\"f\">");
    lpp_page_text(page, event->category);
    lpp_page_raw(page, " <code>");
    lpp_page_text(page, event->detail);
    lpp_page_raw(page, "</code></td><td class=\"n\"");
    shares_title(page, event);
    lpp_page_raw(page, ">");
    lpp_page_time(page, length > 0 ? (apr_uint64_t)(length * 1000) : 0);
    lpp_page_raw(page, "</td><td class=\"fall\"><svg "
                 "xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" "
                 "height=\"12\" aria-hidden=\"true\">");
    bar(page, event, whole_ms, kinds[kind].name, kinds[kind].fill);
    lpp_page_raw(page, "</svg></td></tr>\n");
}

static int is_sql(const lpp_oops_event_t *event)
{
    return !strncmp(event->category, SQL_PREFIX, sizeof(SQL_PREFIX) - 1);
}

/* Write all statements of one database in one row, at the place of the first:
 * there may be thousands. */
static void sql_row(lpp_page_t *page, const lpp_oops_t *oops, int first,
                    double whole_ms)
{
    const char *category = event_at(oops, first)->category;
    double sum_ms = 0;
    unsigned count = 0;
    int i;

    for (i = first; i < oops->timeline->nelts; i++) {
        if (!strcmp(event_at(oops, i)->category, category)) {
            sum_ms += event_at(oops, i)->end_ms - event_at(oops, i)->start_ms;
            count++;
        }
    }
    lpp_page_raw(page, "<tr><td class=\"f\">");
    lpp_page_text(page, category);
    lpp_page_rawf(page, " <code>%u statement%s</code></td><td class=\"n\">",
                  count, count == 1 ? "" : "s");
    lpp_page_time(page, sum_ms > 0 ? (apr_uint64_t)(sum_ms * 1000) : 0);
    lpp_page_raw(page, "</td><td class=\"fall\"><svg "
                 "xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" "
                 "height=\"12\" aria-hidden=\"true\">");
    for (i = first; i < oops->timeline->nelts && i < first + BARS_MAX; i++) {
        if (!strcmp(event_at(oops, i)->category, category)) {
            bar(page, event_at(oops, i), whole_ms, "query", "#8250df");
        }
    }
    lpp_page_raw(page, "</svg></td></tr>\n");
}

/* Whether an earlier row shows this event as well. */
static int is_drawn(const lpp_oops_t *oops, int at)
{
    int i;

    for (i = 0; i < at && i < BARS_MAX; i++) {
        if (!strcmp(event_at(oops, i)->category,
                    event_at(oops, at)->category)) {
            return 1;
        }
    }
    return at >= BARS_MAX;
}

static void tones_in_words(lpp_page_t *page, const lpp_oops_t *oops)
{
    int i, cpu = 0, ready = 0;

    for (i = 0; i < oops->timeline->nelts; i++) {
        cpu |= event_at(oops, i)->cpu_ms >= 0;
        ready |= event_at(oops, i)->ready_ms >= 0;
    }
    lpp_page_raw(page, ready ? "<p class=\"small\">The full colour of a bar is "
        "CPU time, the lighter part ready, the lightest blocked; all of it is "
        "full where that is not known.</p>\n"
        : cpu ? "<p class=\"small\">The lighter part of a bar is "
        "waiting.</p>\n" : "");
}

void lpp_report_timeline(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_oops_t *oops = report->oops;
    double whole_ms = 0;
    int i, rows = 0, left = 0;

    if (!oops || !oops->timeline || !oops->timeline->nelts) {
        return;
    }
    for (i = 0; i < oops->timeline->nelts; i++) {
        if (event_at(oops, i)->end_ms > whole_ms) {
            whole_ms = event_at(oops, i)->end_ms;
        }
    }
    if (whole_ms <= 0) {
        return;
    }
    lpp_page_raw(page, "<section class=\"timeline\"><h2>Timeline</h2>\n");
    tones_in_words(page, oops);
    lpp_page_raw(page, "<div class=\"wide\"><table class=\"waterfall\">");
    waterfall_head(page, whole_ms);
    lpp_page_raw(page, "<tbody>\n");
    for (i = 0; i < oops->timeline->nelts; i++) {
        int sql = is_sql(event_at(oops, i));

        if (sql && is_drawn(oops, i)) {
            continue;
        }
        if (rows >= PHASES_MAX) {
            left++;
            continue;
        }
        rows++;
        if (sql) {
            sql_row(page, oops, i, whole_ms);
        }
        else {
            waterfall_row(page, event_at(oops, i), whole_ms);
        }
    }
    lpp_page_raw(page, "</tbody></table></div>\n");
    if (left) {
        lpp_page_rawf(page, "<p class=\"small\">The first %d of %d entries."
                      "</p>\n", PHASES_MAX, PHASES_MAX + left);
    }
    lpp_page_raw(page, "</section>\n");
}

static void field(lpp_page_t *page, const char *name, const char *value)
{
    if (value && *value) {
        lpp_page_raw(page, "<tr><th>");
        lpp_page_text(page, name);
        lpp_page_raw(page, "</th><td>");
        lpp_page_text(page, value);
        lpp_page_raw(page, "</td></tr>\n");
    }
}

static void fields(lpp_page_t *page, const lpp_oops_t *oops)
{
    char time[APR_RFC822_DATE_LEN] = "-";
    apr_time_exp_t utc;
    apr_time_t moment;

    /* as a date that the header's form can hold */
    lpp_time_parts(&utc, oops->time, 0);
    if (apr_time_exp_gmt_get(&moment, &utc) == APR_SUCCESS) {
        apr_rfc822_date(time, moment);
    }
    lpp_page_raw(page, "<div class=\"wide\"><table class=\"fields\">"
                       "<tbody>\n");
    field(page, "id", oops->id);
    field(page, "type", oops->type);
    field(page, "value", oops->value);
    field(page, "time", time);
    field(page, "topic", oops->topic);
    field(page, "url", oops->url);
    field(page, "username", oops->username);
    field(page, "reporter", oops->reporter);
    field(page, "branch_nick", oops->branch_nick);
    field(page, "revno", oops->revno);
    field(page, "duration", apr_psprintf(page->scratch, "%.3f s",
                                         oops->duration_s));
    field(page, "informational", oops->informational ? "True" : "False");
    lpp_page_raw(page, "</tbody></table></div>\n");
}

static int by_name(const void *a, const void *b)
{
    const apr_table_entry_t *const *left = a, *const *right = b;

    return strcmp((*left)->key, (*right)->key);
}

static void variables(lpp_page_t *page, const lpp_oops_t *oops)
{
    const apr_array_header_t *list;
    const apr_table_entry_t *entries, **sorted;
    int i;

    if (!oops->req_vars || apr_is_empty_table(oops->req_vars)) {
        return;
    }
    list = apr_table_elts(oops->req_vars);
    entries = (const apr_table_entry_t *)list->elts;
    sorted = apr_palloc(page->scratch,
                        (apr_size_t)list->nelts * sizeof(*sorted));
    if (!sorted) {
        page->status = APR_ENOMEM;
        return;
    }
    for (i = 0; i < list->nelts; i++) {
        sorted[i] = &entries[i];
    }
    qsort(sorted, (size_t)list->nelts, sizeof(*sorted), by_name);
    lpp_page_rawf(page, "<details><summary><h3>Request variables (%d)</h3>"
                  "</summary>\n<div class=\"wide\"><table class=\"fields\">"
                  "<tbody>\n", list->nelts);
    for (i = 0; i < list->nelts; i++) {
        field(page, sorted[i]->key, sorted[i]->val);
    }
    lpp_page_raw(page, "</tbody></table></div></details>\n");
}

static void events(lpp_page_t *page, const lpp_oops_t *oops)
{
    int i, count = oops->timeline ? oops->timeline->nelts : 0;

    if (!count) {
        return;
    }
    lpp_page_rawf(page, "<details><summary><h3>Timeline (%d)</h3></summary>\n"
                  "<pre>", count);
    for (i = 0; i < count && i < EVENTS_MAX; i++) {
        const lpp_oops_event_t *event = event_at(oops, i);

        lpp_page_rawf(page, "%05d-%05d@", (int)event->start_ms,
                      (int)event->end_ms);
        lpp_page_text(page, event->category);
        lpp_page_raw(page, " ");
        lpp_page_text(page, event->detail);
        lpp_page_raw(page, "\n");
    }
    lpp_page_raw(page, "</pre>");
    if (count > EVENTS_MAX || oops->timeline_dropped) {
        lpp_page_rawf(page, "<p class=\"small\">%u more are not shown.</p>",
                      (unsigned)(count > EVENTS_MAX ? count - EVENTS_MAX : 0)
                      + (unsigned)oops->timeline_dropped);
    }
    lpp_page_raw(page, "</details>\n");
}

void lpp_report_oops(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_oops_t *oops = report->oops;

    if (!oops) {
        return;
    }
    lpp_page_raw(page, "<section class=\"oops\"><details open=\"open\">"
                       "<summary><h2>Raw OOPS Information</h2></summary>\n");
    if (report->provisional) {
        lpp_page_raw(page, "<p class=\"small\">Provisional: the request was "
            "not over when this was written. The report on disk is "
            "final.</p>\n");
    }
    fields(page, oops);
    variables(page, oops);
    events(page, oops);
    if (oops->tb_text && *oops->tb_text) {
        lpp_page_raw(page, "<h3>Traceback</h3>\n<pre>");
        lpp_page_text(page, oops->tb_text);
        lpp_page_raw(page, "</pre>\n");
    }
    lpp_page_raw(page, "</details></section>\n");
}
