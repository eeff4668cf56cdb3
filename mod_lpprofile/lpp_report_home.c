/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the page /++profile++ on its own: help, the settings in force,
 * the latest profiles.
 */
#include "lpp_report_internal.h"

static void settings(lpp_page_t *page, const lpp_report_home_t *home)
{
    int i;

    lpp_page_raw(page, "<section><h2>Settings in force</h2>\n<div "
        "class=\"wide\"><table class=\"fields\"><tbody>\n");
    for (i = 0; i < home->setting_count; i++) {
        lpp_page_raw(page, "<tr><th>");
        lpp_page_text(page, home->settings[i].directive);
        lpp_page_raw(page, "</th><td>");
        lpp_page_text(page, home->settings[i].value);
        lpp_page_raw(page, "</td></tr>\n");
    }
    lpp_page_raw(page, "</tbody></table></div></section>\n");
}

static void latest(lpp_page_t *page, const lpp_report_home_t *home)
{
    int i, count = home->latest ? home->latest->nelts : 0;

    lpp_page_raw(page, "<section><h2>Latest profiles</h2>\n");
    if (!count) {
        lpp_page_raw(page, "<p>None yet.</p></section>\n");
        return;
    }
    lpp_page_raw(page, "<div class=\"wide\"><table class=\"latest\"><thead>"
        "<tr><th>Time</th>"
        "<th>Page id</th><th>OOPS id</th><th>Size</th><th>File</th></tr>"
        "</thead><tbody>\n");
    for (i = 0; i < count; i++) {
        const lpp_report_latest_t *one =
            &APR_ARRAY_IDX(home->latest, i, lpp_report_latest_t);

        lpp_page_raw(page, "<tr><td class=\"t\">");
        lpp_page_text(page, one->time);
        lpp_page_raw(page, "</td><td>");
        lpp_page_text(page, one->page_id);
        lpp_page_raw(page, "</td><td>");
        lpp_page_code(page, one->oops_id);
        lpp_page_rawf(page, "</td><td class=\"n\">%.1f&#160;kB</td><td "
                      "class=\"f\">", (double)one->bytes / 1000.0);
        lpp_page_code(page, one->file);
        lpp_page_raw(page, "</td></tr>\n");
    }
    lpp_page_raw(page, "</tbody></table></div></section>\n");
}

static void open_page(lpp_page_t *page, const lpp_report_home_t *home)
{
    lpp_page_raw(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
        "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\">\n"
        "<title>Profiling Information");
    if (home->host) {
        lpp_page_raw(page, ": ");
        lpp_page_text(page, home->host);
    }
    lpp_page_raw(page, "</title>\n");
    if (home->nonce) {
        lpp_page_raw(page, "<style nonce=\"");
        lpp_page_text(page, home->nonce);
        lpp_page_raw(page, "\">\n");
        lpp_page_raw(page, lpp_report_style);
        lpp_page_raw(page, "</style>\n");
    }
    lpp_page_raw(page, "</head>\n<body class=\"lpp home\">\n");
}

apr_status_t lpp_report_home(const lpp_report_home_t *home,
                             const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};

    open_page(&page, home);
    lpp_page_raw(&page, "<header class=\"head\">"
                        "<h1>Profiling Information</h1> ");
    lpp_page_code(&page, home->host);
    lpp_page_raw(&page, "</header>\n<main class=\"inside\">\n");
    if (home->notice) {
        lpp_page_raw(&page, "<p class=\"notice\">");
        lpp_page_text(&page, home->notice);
        lpp_page_raw(&page, "</p>\n");
    }
    lpp_page_raw(&page, "<section class=\"help\"><h2>Help</h2>\n");
    lpp_report_help_text(&page, "/", 0);
    lpp_page_raw(&page, "</section>\n");
    settings(&page, home);
    latest(&page, home);
    lpp_page_raw(&page, "</main>\n</body>\n</html>\n");
    return page.status;
}
