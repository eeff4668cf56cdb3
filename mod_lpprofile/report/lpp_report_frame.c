/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the frame of the module's own pages and their common parts, and
 * the two pages without a profile: for a report that does not exist, and for a
 * request that came by a link from another site.
 */
#include <string.h>

#include <apr_strings.h>

#include "report/lpp_report_pages_internal.h"

void lpp_page_open(lpp_page_t *page, const lpp_report_frame_t *frame,
                   const char *title)
{
    lpp_page_raw(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\">\n<title>");
    lpp_page_text(page, title);
    if (frame->host) {
        lpp_page_raw(page, ": ");
        lpp_page_text(page, frame->host);
    }
    lpp_page_raw(page, "</title>\n");
    if (frame->nonce) {
        lpp_page_raw(page, "<style nonce=\"");
        lpp_page_text(page, frame->nonce);
        lpp_page_raw(page, "\">\n");
        lpp_page_raw(page, lpp_asset_block_css);
        lpp_page_raw(page, lpp_asset_sql_css);
        lpp_page_raw(page, lpp_asset_pages_css);
        lpp_page_raw(page, "</style>\n");
    }
    lpp_page_raw(page, "</head>\n<body class=\"lpp home\">\n"
        "<header class=\"head\"><h1>");
    lpp_page_text(page, title);
    lpp_page_raw(page, "</h1> ");
    if (frame->host) {
        lpp_page_code(page, frame->host);
    }
    lpp_page_raw(page, "<nav><a href=\"/" LPP_TRIGGER_MARK "reports\">"
        "Reports</a> <a href=\"/" LPP_TRIGGER_MARK "\">Help and settings"
        "</a></nav></header>\n<main class=\"inside\">\n");
}

void lpp_page_close(lpp_page_t *page, const lpp_report_frame_t *frame,
                    int script)
{
    lpp_page_raw(page, "</main>\n");
    if (script && frame->nonce) {
        lpp_page_raw(page, "<script nonce=\"");
        lpp_page_text(page, frame->nonce);
        lpp_page_raw(page, "\">\n");
        lpp_page_raw(page, lpp_asset_flame_model_js);
        lpp_page_raw(page, lpp_asset_flame_js);
        lpp_page_raw(page, "</script>\n");
    }
    lpp_page_raw(page, "</body>\n</html>\n");
}

void lpp_page_report_href(lpp_page_t *page, const char *id)
{
    lpp_page_raw(page, "/" LPP_TRIGGER_MARK "report:");
    lpp_page_text(page, id);
}

void lpp_page_report_link(lpp_page_t *page, const char *id, const char *text)
{
    lpp_page_raw(page, "<a href=\"");
    lpp_page_report_href(page, id);
    lpp_page_raw(page, "\">");
    lpp_page_text(page, text);
    lpp_page_raw(page, "</a>");
}

void lpp_page_moment(lpp_page_t *page, apr_time_t time)
{
    const char *stamp = lpp_store_time(time, page->scratch);
    char *text = stamp ? apr_pstrdup(page->scratch, stamp) : NULL;

    if (!text) {
        page->status = APR_ENOMEM;
        return;
    }
    if (strlen(text) > 10) {
        text[10] = ' ';
    }
    lpp_page_text(page, text);
}

void lpp_page_bytes(lpp_page_t *page, apr_off_t bytes)
{
    if (bytes >= 999950) {
        lpp_page_rawf(page, "%.1f&#160;MB", (double)bytes / 1e6);
    }
    else {
        lpp_page_rawf(page, "%.1f&#160;kB", (double)bytes / 1e3);
    }
}

void lpp_page_change(lpp_page_t *page, apr_int64_t us)
{
    if (us) {
        lpp_page_raw(page, us > 0 ? "+" : "&#8722;");
    }
    lpp_page_time(page, (apr_uint64_t)(us < 0 ? -us : us));
}

apr_status_t lpp_report_missing(const lpp_report_frame_t *frame,
                                const char *id, int damaged,
                                const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};

    lpp_page_open(&page, frame, damaged ? "Report cannot be read"
                                        : "No such report");
    lpp_page_raw(&page, "<p class=\"words\">");
    if (damaged) {
        lpp_page_raw(&page, "The saved profile ");
        lpp_page_code(&page, id);
        lpp_page_raw(&page, " is damaged, or was written by another version "
                            "of this module.");
    }
    else if (id) {
        lpp_page_raw(&page, "This host has no report ");
        lpp_page_code(&page, id);
        lpp_page_raw(&page, ". It may have been removed since "
            "(<code>LPProfileKeep</code>), or not be written yet: that "
            "happens just after the response.");
    }
    else {
        lpp_page_raw(&page, "A report is asked for by its id: <code>/"
            LPP_TRIGGER_MARK "report:OOPS-</code> and 32 hexadecimal "
            "digits.");
    }
    lpp_page_raw(&page, "</p>\n<p><a href=\"/" LPP_TRIGGER_MARK "reports\">"
        "All reports of this host</a></p>\n");
    lpp_page_close(&page, frame, 0);
    return page.status;
}

apr_status_t lpp_report_open_again(const lpp_report_frame_t *frame,
                                   const char *path, const lpp_sink_t *sink,
                                   apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};

    lpp_page_open(&page, frame, "Open this page again");
    lpp_page_raw(&page, "<p class=\"words\">A link on another web site led "
        "here. Pages with profiles are not shown to other web sites.</p>\n"
        "<p><a href=\"");
    lpp_page_text(&page, path);
    lpp_page_raw(&page, "\">Open ");
    lpp_page_text(&page, path);
    lpp_page_raw(&page, "</a></p>\n");
    lpp_page_close(&page, frame, 0);
    return page.status;
}

void lpp_page_relative(lpp_page_t *page, apr_uint64_t before,
                       apr_uint64_t after)
{
    double percent;

    if (!before) {
        lpp_page_raw(page, after ? "new" : "&#8211;");
        return;
    }
    if (!after) {
        lpp_page_raw(page, "gone");
        return;
    }
    percent = 100.0 * ((double)after - (double)before) / (double)before;
    if (percent > -0.05 && percent < 0.05) {
        lpp_page_raw(page, "0&#160;%");
        return;
    }
    lpp_page_raw(page, percent > 0 ? "+" : "&#8722;");
    lpp_page_rawf(page, "%.*f&#160;%%", percent > 999 ? 0 : 1,
                  percent > 0 ? percent : -percent);
}

const char *lpp_page_direction(apr_uint64_t before, apr_uint64_t after)
{
    return after > before ? "grew" : after < before ? "shrank" : "";
}
