/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, how the process's memory changed while the request was profiled,
 * and the inline regions of the request.
 */
#include "report/lpp_report_internal.h"

static void megabytes(lpp_page_t *page, apr_uint64_t bytes)
{
    lpp_page_rawf(page, "<td class=\"n\">%.1f&#160;MB</td>",
                  (double)bytes / 1048576.0);
}

static void row(lpp_page_t *page, const char *name, apr_uint64_t before,
                apr_uint64_t after)
{
    double change = (double)after - (double)before;

    lpp_page_rawf(page, "<tr><td>%s</td>", name);
    megabytes(page, before);
    megabytes(page, after);
    lpp_page_rawf(page, "<td class=\"n\">%+.0f&#160;kB</td></tr>\n",
                  change / 1024.0);
}

void lpp_report_memory(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_memory_sizes_t *memory = report->memory;

    if (!memory) {
        return;
    }
    lpp_page_raw(page, "<section class=\"memory\"><h2>Memory</h2>\n"
        "<p class=\"small\">Of the whole process: other requests that ran in "
        "it meanwhile are in these figures, and so is the profiler. "
        "<code>LPMemoryProfileLog</code> keeps them for every request.</p>\n"
        "<div class=\"wide\"><table class=\"plain\"><thead><tr><th></th>"
        "<th class=\"n\">Start</th><th class=\"n\">");
    lpp_page_raw(page, report->provisional ? "Now" : "End");
    lpp_page_raw(page, "</th><th class=\"n\">Change</th></tr></thead>"
                       "<tbody>\n");
    row(page, "Address space", memory[0].vss_bytes, memory[1].vss_bytes);
    row(page, "Resident", memory[0].rss_bytes, memory[1].rss_bytes);
    if (memory[0].heap_bytes && memory[1].heap_bytes) {
        row(page, "Heap in use", memory[0].heap_bytes, memory[1].heap_bytes);
    }
    else {
        lpp_page_raw(page, "<tr><td>Heap in use</td><td colspan=\"3\">not "
                     "counted: in a large process that takes long</td></tr>\n");
    }
    lpp_page_raw(page, "</tbody></table></div></section>\n");
}

static void region_table(lpp_page_t *page, const lpp_report_t *report)
{
    apr_uint32_t i;

    if (!report->region_count) {
        return;
    }
    lpp_page_raw(page, "<div class=\"wide\"><table class=\"plain\"><thead>"
        "<tr><th>Region</th><th class=\"n\">Times</th><th class=\"n\">Total"
        "</th></tr></thead>"
        "<tbody>\n");
    for (i = 0; i < report->region_count; i++) {
        lpp_page_raw(page, "<tr><td>");
        lpp_page_text(page, report->regions[i].name);
        lpp_page_rawf(page, "</td><td class=\"n\">%u</td><td class=\"n\">",
                      report->regions[i].count);
        lpp_page_time(page, report->regions[i].wall_us);
        lpp_page_raw(page, "</td></tr>\n");
    }
    lpp_page_raw(page, "</tbody></table></div>\n");
}

void lpp_report_inline(lpp_page_t *page, const lpp_report_t *report)
{
    if (!report->inline_count && !report->region_count) {
        return;
    }
    lpp_page_raw(page, "<section class=\"inline\">");
    if (report->inline_ignored) {
        lpp_page_raw(page, "<h2>Inline request ignored</h2>\n<p>Code of this "
            "request asked for profiles of parts of it. The URL, or "
            "<code>LPProfileAllRequests On</code>, asked for a profile of all "
            "of it, and that is what this is. Without both, the parts are "
            "profiled, and nothing else.</p>\n");
    }
    else if (report->inline_count) {
        lpp_page_rawf(page, "<h2>Inline request</h2>\n<p>This request made %u "
            "individual profile%s. Nothing else of it is in the figures "
            "below; for all of it ask for <code>" LPP_TRIGGER_MARK
            "show</code>.</p>\n", report->inline_count,
            report->inline_count == 1 ? "" : "s");
    }
    else {
        lpp_page_raw(page, "<h2>Regions</h2>\n");
    }
    region_table(page, report);
    lpp_page_raw(page, "</section>\n");
}
