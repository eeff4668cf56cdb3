/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, two reports compared, the parts outside of their call trees:
 * exact calls, SQL statements, inline regions, memory.
 */
#include "saved/lpp_diff_pairs.h"
#include "report/lpp_report_calls_internal.h"
#include "report/lpp_report_pages_internal.h"

#define ROWS 25
#define LEAST_PER_MILLE 1 /* of the longer request; smaller changes have no
                             row */

static void ns_change(lpp_page_t *page, const apr_uint64_t *ns)
{
    int more = ns[LPP_DIFF_AFTER] > ns[LPP_DIFF_BEFORE];
    apr_uint64_t by = more ? ns[LPP_DIFF_AFTER] - ns[LPP_DIFF_BEFORE]
                           : ns[LPP_DIFF_BEFORE] - ns[LPP_DIFF_AFTER];

    lpp_page_raw(page, !by ? "" : more ? "+" : "&#8722;");
    lpp_page_ns(page, by);
}

/* "3 calls", or "3 calls, were 1". */
static void count_cell(lpp_page_t *page, const apr_uint64_t *count,
                       const char *unit)
{
    apr_uint64_t before = count[LPP_DIFF_BEFORE];
    apr_uint64_t after = count[LPP_DIFF_AFTER];

    lpp_page_rawf(page, "<td class=\"n %s\">%" APR_UINT64_T_FMT
                  "&#160;%s%s", lpp_page_direction(before, after), after,
                  unit, after == 1 ? "" : "s");
    if (before != after) {
        lpp_page_rawf(page, ", %s&#160;%" APR_UINT64_T_FMT,
                      before == 1 ? "was" : "were", before);
    }
    lpp_page_raw(page, "</td>");
}

static void pair_row(lpp_page_t *page, const lpp_diff_pair_t *pair,
                     const char *unit)
{
    apr_uint64_t before = pair->ns[LPP_DIFF_BEFORE];
    apr_uint64_t after = pair->ns[LPP_DIFF_AFTER];

    lpp_page_rawf(page, "<tr><td class=\"n %s\"><b>",
                  lpp_page_direction(before, after));
    ns_change(page, pair->ns);
    lpp_page_raw(page, "</b></td><td class=\"n\">");
    lpp_page_relative(page, before, after);
    lpp_page_raw(page, "</td><td class=\"n was\">");
    lpp_page_ns(page, before);
    lpp_page_raw(page, "</td><td class=\"n is\">");
    lpp_page_ns(page, after);
    lpp_page_raw(page, "</td>");
    count_cell(page, pair->count, unit);
    lpp_page_raw(page, "<td class=\"f\">");
    lpp_page_code(page, pair->name);
    if (*pair->function) {
        lpp_page_raw(page, " <small>");
        lpp_page_text(page, pair->function);
        lpp_page_raw(page, "</small>");
    }
    lpp_page_raw(page, !pair->count[LPP_DIFF_BEFORE]
                 ? " <small>only after</small>"
                 : !pair->count[LPP_DIFF_AFTER]
                 ? " <small>only before</small>" : "");
    lpp_page_raw(page, "</td><td class=\"m\">");
    lpp_page_text(page, pair->place);
    lpp_page_raw(page, "</td></tr>\n");
}

/* Whether a change is large enough for a row. */
static int is_worth_telling(const lpp_diff_pair_t *pair,
                            apr_uint64_t least_ns)
{
    apr_uint64_t before = pair->ns[LPP_DIFF_BEFORE];
    apr_uint64_t after = pair->ns[LPP_DIFF_AFTER];

    return pair->count[LPP_DIFF_BEFORE] != pair->count[LPP_DIFF_AFTER]
        || (before > after ? before - after : after - before) >= least_ns;
}

/* 1 if there are any. NULL: memory was short, and the page fails. */
static int has_pairs(lpp_page_t *page, const apr_array_header_t *pairs)
{
    if (!pairs && page->status == APR_SUCCESS) {
        page->status = APR_ENOMEM;
    }
    return pairs && pairs->nelts > 0;
}

/* Write a table of pairs. columns: markup of the headings after the first. */
static void pairs_table(lpp_page_t *page, const apr_array_header_t *pairs,
                        const char *unit, const char *columns,
                        apr_uint64_t least_ns)
{
    int i, shown = 0, left = 0;

    for (i = 0; i < pairs->nelts; i++) {
        const lpp_diff_pair_t *pair = &APR_ARRAY_IDX(pairs, i,
                                                     lpp_diff_pair_t);

        if (shown >= ROWS || !is_worth_telling(pair, least_ns)) {
            left++;
            continue;
        }
        if (!shown++) {
            lpp_page_raw(page, "<div class=\"wide\"><table "
                "class=\"changes\"><thead><tr><th class=\"n\">Change</th>"
                "<th class=\"n\">Relative</th><th class=\"n\">Before</th>"
                "<th class=\"n\">After</th><th class=\"n\">Count</th>");
            lpp_page_raw(page, columns);
            lpp_page_raw(page, "</tr></thead><tbody>\n");
        }
        pair_row(page, pair, unit);
    }
    lpp_page_raw(page, shown ? "</tbody></table></div>\n" : "");
    if (left) {
        lpp_page_rawf(page, "<p class=\"small\">%s%d that changed by less "
                      "than %d&#8240; of the request%s.</p>\n",
                      shown ? "Left out: " : "Nothing; left out: ", left,
                      LEAST_PER_MILLE, shown >= ROWS ? ", or less than these"
                                                     : "");
    }
}

static apr_uint64_t least_ns(const lpp_report_compare_t *compare)
{
    apr_uint64_t before = compare->before->view->total.wall_us;
    apr_uint64_t after = compare->after->view->total.wall_us;

    return (before > after ? before : after) * LEAST_PER_MILLE;
}

static void calls(lpp_page_t *page, const lpp_report_compare_t *compare)
{
    const apr_array_header_t *pairs = lpp_diff_calls(
        compare->before, compare->after, page->scratch);

    if (!has_pairs(page, pairs)) {
        return;
    }
    lpp_page_raw(page, "<section class=\"quick bycalls\"><h2>By module and "
        "phase</h2>\n<p class=\"small\">Exact calls and the time in them "
        "alone, redirects and subrequests included.</p>\n");
    pairs_table(page, pairs, "call", "<th>Phase</th><th>Module</th>",
                least_ns(compare));
    lpp_page_raw(page, "</section>\n");
}

static void sql(lpp_page_t *page, const lpp_report_compare_t *compare)
{
    const lpp_sqlview_t *before = compare->before->sql;
    const lpp_sqlview_t *after = compare->after->sql;
    const apr_array_header_t *pairs;

    if (!before && !after) {
        return;
    }
    lpp_page_raw(page, "<section class=\"quick bysql\"><h2>SQL</h2>\n");
    if (!before || !after) {
        lpp_page_raw(page, "<p class=\"small\">Only one of the two recorded "
            "its SQL statements: ask for <code>sql</code> in both.</p>"
            "</section>\n");
        return;
    }
    lpp_page_rawf(page, "<p>%u statement%s in ", before->count,
                  before->count == 1 ? "" : "s");
    lpp_page_time(page, before->total_us);
    lpp_page_rawf(page, " before, %u in ", after->count);
    lpp_page_time(page, after->total_us);
    lpp_page_raw(page, " after. Those that differ in values alone are "
                       "one.</p>\n");
    pairs = lpp_diff_sql(compare->before, compare->after, page->scratch);
    if (has_pairs(page, pairs)) {
        pairs_table(page, pairs, "time", "<th>Statement</th>"
                    "<th>Database</th>", 1);
    }
    lpp_page_raw(page, "</section>\n");
}

static void regions(lpp_page_t *page, const lpp_report_compare_t *compare)
{
    const apr_array_header_t *pairs = lpp_diff_regions(
        compare->before, compare->after, page->scratch);

    if (has_pairs(page, pairs)) {
        lpp_page_raw(page, "<section class=\"quick byregion\"><h2>Regions"
                           "</h2>\n");
        pairs_table(page, pairs, "time", "<th>Region</th><th></th>", 1);
        lpp_page_raw(page, "</section>\n");
    }
}

static void growth_cell(lpp_page_t *page, double bytes, const char *direction)
{
    lpp_page_rawf(page, "<td class=\"n %s\">%s%.0f&#160;kB</td>", direction,
                  bytes > 0 ? "+" : bytes < 0 ? "&#8722;" : "",
                  (bytes < 0 ? -bytes : bytes) / 1024.0);
}

/* How much the memory of its process grew in each request. */
static void growth_row(lpp_page_t *page, const char *name, double before,
                       double after)
{
    lpp_page_rawf(page, "<tr><th>%s</th>", name);
    growth_cell(page, before, "");
    growth_cell(page, after, "");
    growth_cell(page, after - before, after > before ? "grew"
                                      : after < before ? "shrank" : "");
    lpp_page_raw(page, "</tr>\n");
}

#define GROWTH(saved, member) ((double)(saved)->memory[1].member \
                               - (double)(saved)->memory[0].member)

static void memory(lpp_page_t *page, const lpp_report_compare_t *compare)
{
    const lpp_saved_t *before = compare->before, *after = compare->after;

    if (!before->memory || !after->memory) {
        return;
    }
    lpp_page_raw(page, "<section class=\"memory\"><h2>Memory</h2>\n"
        "<p class=\"small\">By how much the process grew from the start of "
        "each request to its end, the profiler and other requests "
        "included.</p>\n<div class=\"wide\"><table class=\"delta\"><thead>"
        "<tr><th></th><th class=\"n\">Before</th><th class=\"n\">After</th>"
        "<th class=\"n\">Change</th></tr></thead><tbody>\n");
    growth_row(page, "Address space", GROWTH(before, vss_bytes),
               GROWTH(after, vss_bytes));
    growth_row(page, "Resident", GROWTH(before, rss_bytes),
               GROWTH(after, rss_bytes));
    growth_row(page, "Heap in use", GROWTH(before, heap_bytes),
               GROWTH(after, heap_bytes));
    lpp_page_raw(page, "</tbody></table></div></section>\n");
}

void lpp_report_changes(lpp_page_t *page, const lpp_report_compare_t *compare)
{
    calls(page, compare);
    sql(page, compare);
    regions(page, compare);
    memory(page, compare);
}
