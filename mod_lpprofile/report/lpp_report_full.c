/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, one report as a page of its own: all sections of the block with
 * final figures, and sections that are only in the page.
 */
#include <string.h>

#include <apr_strings.h>

#include "report/lpp_report_pages_internal.h"

#define OTHERS_MAX 10

static void figures(lpp_page_t *page, const lpp_saved_head_t *head)
{
    lpp_page_raw(page, "<div class=\"big\">\n");
    lpp_page_figures(page, head->ready, &head->total);
    lpp_page_raw(page, "</div>\n");
}

static void fact(lpp_page_t *page, const char *name, const char *value)
{
    lpp_page_raw(page, "<span>");
    lpp_page_raw(page, name);
    lpp_page_raw(page, " <b>");
    lpp_page_text(page, value);
    lpp_page_raw(page, "</b></span>\n");
}

static void facts(lpp_page_t *page, const lpp_saved_t *saved)
{
    const lpp_saved_head_t *head = &saved->head;
    const lpp_view_about_t *about = &saved->view->about;

    lpp_page_raw(page, "<div class=\"about\">\n<span>Begun <b>");
    lpp_page_moment(page, about->start);
    lpp_page_raw(page, "</b></span>\n");
    fact(page, "Request", apr_pstrcat(page->scratch, about->method, " ",
                                      about->url, NULL));
    fact(page, "Status", apr_itoa(page->scratch, (int)head->status));
    fact(page, "Page id", about->page_id);
    fact(page, "OOPS", about->id);
    fact(page, "Thread", apr_psprintf(page->scratch, "%u.%u", about->pid,
                                      about->tid));
    if (strcmp(head->outcome, "profiled") != 0) {
        fact(page, "Ran as", head->outcome);
    }
    lpp_page_raw(page, "</div>\n");
}

static void downloads(lpp_page_t *page, const char *id)
{
    int i;

    lpp_page_raw(page, "<div class=\"actions\"><span>Download</span>\n");
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const lpp_writer_t *writer = lpp_writer_get(i);

        lpp_page_raw(page, "<a download href=\"");
        lpp_page_report_href(page, id);
        lpp_page_rawf(page, "&#38;%s\" title=\"for %s\">%s</a>\n",
                      writer->action, writer->command, writer->action);
    }
    lpp_page_raw(page, "</div>\n");
}

/* Other profiles to compare this one with, those of the same page first. */
static void others(lpp_page_t *page, const lpp_report_full_t *full)
{
    const lpp_saved_head_t *mine = &full->saved->head;
    int i, shown = 0;

    for (i = 0; full->others && i < full->others->nelts
         && shown < OTHERS_MAX; i++) {
        const lpp_saved_head_t *head =
            &APR_ARRAY_IDX(full->others, i, lpp_saved_entry_t).head;

        if (!strcmp(head->id, mine->id)
            || strcmp(head->page_id, mine->page_id) != 0) {
            continue;
        }
        if (!shown++) {
            lpp_page_raw(page, "<div class=\"actions\"><span>Compare with "
                "the same page of</span>\n");
        }
        lpp_page_raw(page, "<a href=\"");
        lpp_page_report_href(page, mine->id);
        lpp_page_raw(page, "&#38;against:");
        lpp_page_text(page, head->id);
        lpp_page_raw(page, "\">");
        lpp_page_moment(page, head->start);
        lpp_page_raw(page, " (");
        lpp_page_time(page, head->total.wall_us);
        lpp_page_raw(page, ")</a>\n");
    }
    if (shown) {
        lpp_page_raw(page, "</div>\n");
    }
}

static void files(lpp_page_t *page, const lpp_report_full_t *full)
{
    int i;

    lpp_page_raw(page, "<section class=\"log\"><h2>Log information</h2>\n");
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const char *path;

        if (!(full->entry->formats & LPP_FORMAT_BIT(i))) {
            continue;
        }
        path = apr_pstrcat(page->scratch, full->dir, "/",
                           lpp_store_name(full->entry->stem, i,
                                          page->scratch), NULL);
        lpp_page_raw(page, "<p>The profile was logged to the server's disk. "
                           "Open it with</p>\n<pre>");
        lpp_page_text(page, lpp_writer_get(i)->command);
        lpp_page_raw(page, " ");
        lpp_page_shell_word(page, path);
        lpp_page_raw(page, "</pre>\n");
    }
    if (!full->entry->formats) {
        lpp_page_raw(page, "<p>The request did not ask for a log file; a "
            "download makes one of the saved profile.</p>\n");
    }
    if (full->saved->oops_path[0]) {
        lpp_page_raw(page, "<p>Its OOPS report is at ");
        lpp_page_code(page, full->saved->oops_path);
        lpp_page_raw(page, ".</p>\n");
    }
    lpp_page_raw(page, "</section>\n");
}

/* The path of a URL, decoded, for the examples. */
static const char *path_of(const char *url, apr_pool_t *pool)
{
    return lpp_trigger_decode(url, strcspn(url, "?#"), pool);
}

/* Add memory and inline regions, as in the block. */
static void add_extras(lpp_report_t *report, const lpp_saved_t *saved)
{
    report->memory = saved->memory;
    report->regions = saved->regions;
    report->region_count = saved->region_count;
    report->inline_count = saved->inline_count;
    report->inline_ignored = saved->inline_ignored;
}

apr_status_t lpp_report_full(const lpp_report_full_t *full,
                             const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};
    const lpp_saved_t *saved = full->saved;
    lpp_report_t report;

    memset(&report, 0, sizeof(report));
    report.oops_id = saved->view->about.id;
    report.oops = saved->oops;
    report.view = saved->view;
    report.sql = saved->sql;
    report.example_url = path_of(saved->view->about.url, scratch);
    report.waited_us = saved->head.waited_us;
    report.full = 1;
    add_extras(&report, saved);
    lpp_page_open(&page, &full->frame,
                  apr_pstrcat(scratch, "Profile of ",
                              saved->view->about.page_id, NULL));
    figures(&page, &saved->head);
    facts(&page, saved);
    lpp_report_headline(&page, &report);
    downloads(&page, report.oops_id);
    others(&page, full);
    lpp_report_inline(&page, &report);
    lpp_report_flame(&page, &report);
    lpp_report_waits(&page, &report);
    lpp_report_timeline(&page, &report);
    lpp_report_sql(&page, &report);
    lpp_report_tables(&page, &report);
    lpp_report_nameless(&page, saved->view);
    lpp_report_neighbours(&page, saved->view, full->function);
    lpp_report_tree(&page, saved->view);
    lpp_report_calls(&page, &report);
    lpp_report_filters(&page, &report);
    lpp_report_memory(&page, &report);
    files(&page, full);
    lpp_report_oops(&page, &report);
    lpp_page_close(&page, &full->frame, 1);
    return page.status;
}
