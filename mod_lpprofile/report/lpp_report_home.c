/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the page /++profile++ on its own: the latest profiles, help, the
 * settings in force.
 */
#include "report/lpp_report_pages_internal.h"

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
        "<tr><th>Time</th><th>Page id</th><th class=\"n\">Total</th>"
        "<th class=\"n\">Size</th><th>OOPS id</th></tr></thead><tbody>\n");
    for (i = 0; i < count; i++) {
        const lpp_report_latest_t *one =
            &APR_ARRAY_IDX(home->latest, i, lpp_report_latest_t);

        lpp_page_raw(page, "<tr><td class=\"t\">");
        lpp_page_moment(page, one->start);
        lpp_page_raw(page, "</td><td class=\"f\">");
        lpp_page_report_link(page, one->oops_id, one->page_id);
        lpp_page_raw(page, "</td><td class=\"n\">");
        lpp_page_time(page, one->wall_us);
        lpp_page_raw(page, "</td><td class=\"n\">");
        lpp_page_bytes(page, one->bytes);
        lpp_page_raw(page, "</td><td>");
        lpp_page_code(page, one->oops_id);
        lpp_page_raw(page, "</td></tr>\n");
    }
    lpp_page_raw(page, "</tbody></table></div>\n<p><a href=\"/"
        LPP_TRIGGER_MARK "reports\">All reports</a>, to sort, open and "
        "compare</p></section>\n");
}

apr_status_t lpp_report_home(const lpp_report_home_t *home,
                             const lpp_sink_t *sink, apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};
    lpp_report_frame_t frame = {home->host, home->nonce};

    lpp_page_open(&page, &frame, "Profiling Information");
    lpp_page_raw(&page, "<p class=\"words\">Put <code>/" LPP_TRIGGER_MARK
        "show</code> into the address of any page of this host, such as ");
    lpp_report_example(&page, "/", "show");
    lpp_page_raw(&page, ", and the page comes back with its profile in it."
                        "</p>\n");
    latest(&page, home);
    lpp_page_raw(&page, "<section class=\"help\"><h2>Help</h2>\n");
    lpp_report_help_text(&page);
    lpp_page_raw(&page, "</section>\n");
    settings(&page, home);
    lpp_page_close(&page, &frame, 0);
    return page.status;
}
