/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the list of reports: sorted by links, split into pages, with a
 * choice of two to compare; all without script.
 */
#include <stdlib.h>
#include <string.h>

#include "report/lpp_report_pages_internal.h"

/* A column: its name in the address, its heading, and whether it contains
 * numbers (numbers begin with the largest, names with the first). */
static const struct {
    const char *name;
    const char *heading;
    int number;
} columns[LPP_SORT_COUNT] = {
    {"time", "Time", 1},     {"page", "Page", 0},
    {"status", "Status", 1}, {"wall", "Wall", 1},
    {"cpu", "CPU", 1},       {"ready", "Ready", 1},
    {"waiting", "Blocked", 1},
    {"samples", "Samples", 1}, {"size", "Size", 1},
};

void lpp_report_read_sort(const char *text, lpp_sort_e *sort, int *reverse)
{
    int i;

    *sort = LPP_SORT_TIME;
    *reverse = 0;
    for (i = 0; text && i < LPP_SORT_COUNT; i++) {
        if (!strcmp(text + (text[0] == '-'), columns[i].name)) {
            *sort = (lpp_sort_e)i;
            *reverse = text[0] == '-';
        }
    }
}

static apr_uint64_t key_of(const lpp_saved_entry_t *entry, lpp_sort_e sort)
{
    const lpp_saved_head_t *head = &entry->head;

    switch (sort) {
    case LPP_SORT_STATUS: return head->status;
    case LPP_SORT_WALL: return head->total.wall_us;
    case LPP_SORT_CPU: return head->total.cpu_us;
    case LPP_SORT_READY: return head->total.ready_us;
    case LPP_SORT_WAITING: return lpp_cost_blocked_us(&head->total);
    case LPP_SORT_SAMPLES: return head->total.samples;
    case LPP_SORT_SIZE: return (apr_uint64_t)entry->bytes;
    default: /* times before 1970 are below all others */
        return (apr_uint64_t)head->start ^ (APR_UINT64_C(1) << 63);
    }
}

/* The sort key: an entry and its previous place, which preserves the order of
 * equal entries. */
typedef struct ranked_t {
    const lpp_saved_entry_t *entry;
    lpp_sort_e sort;
    int sign;
    int place;
} ranked_t;

static int compare(const void *a, const void *b)
{
    const ranked_t *left = a, *right = b;
    apr_uint64_t x, y;
    int order;

    if (left->sort == LPP_SORT_PAGE) {
        order = strcmp(left->entry->head.page_id, right->entry->head.page_id);
    }
    else {
        x = key_of(left->entry, left->sort);
        y = key_of(right->entry, right->sort);
        order = x < y ? 1 : x > y ? -1 : 0;
    }
    return order ? order * left->sign : left->place - right->place;
}

/* Sort by small records; returns 0 if memory is short. */
static int sort_entries(lpp_report_list_t *list, apr_pool_t *pool)
{
    int i, count = list->entries->nelts;
    ranked_t *ranked = apr_palloc(pool, ((apr_size_t)count + 1)
                                  * sizeof(*ranked));
    apr_array_header_t *sorted = apr_array_make(pool, count + 1,
                                                sizeof(lpp_saved_entry_t));

    if (!ranked || !sorted) {
        return 0;
    }
    for (i = 0; i < count; i++) {
        ranked[i].entry = &APR_ARRAY_IDX(list->entries, i, lpp_saved_entry_t);
        ranked[i].sort = list->sort;
        ranked[i].sign = list->reverse ? -1 : 1;
        ranked[i].place = i;
    }
    qsort(ranked, (size_t)count, sizeof(*ranked), compare);
    for (i = 0; i < count; i++) {
        APR_ARRAY_PUSH(sorted, lpp_saved_entry_t) = *ranked[i].entry;
    }
    list->entries = sorted;
    return 1;
}

/* Write the address of the list in an order, at a page. */
static void list_href(lpp_page_t *page, lpp_sort_e sort, int reverse,
                      int number)
{
    lpp_page_rawf(page, "/" LPP_TRIGGER_MARK "reports?sort=%s%s",
                  reverse ? "-" : "", columns[sort].name);
    if (number > 1) {
        lpp_page_rawf(page, "&#38;page=%d", number);
    }
}

/* Write a heading: a link that sorts by its column, or reverses the order. */
static void heading(lpp_page_t *page, const lpp_report_list_t *list,
                    lpp_sort_e sort)
{
    int here = list->sort == sort;
    int up = here && list->reverse == columns[sort].number;

    lpp_page_raw(page, columns[sort].number && sort != LPP_SORT_TIME
                 ? "<th class=\"n\"" : "<th");
    if (here) {
        lpp_page_raw(page, up ? " aria-sort=\"ascending\""
                              : " aria-sort=\"descending\"");
    }
    lpp_page_raw(page, "><a href=\"");
    list_href(page, sort, here && !list->reverse, 1);
    lpp_page_raw(page, "\">");
    lpp_page_raw(page, columns[sort].heading);
    if (here) {
        lpp_page_raw(page, up ? "&#160;&#9650;" : "&#160;&#9660;");
    }
    lpp_page_raw(page, "</a></th>");
}

static void choice(lpp_page_t *page, const char *name, const char *title,
                   const char *id, int checked)
{
    lpp_page_raw(page, "<td class=\"pick\"><input type=\"radio\" name=\"");
    lpp_page_raw(page, name);
    lpp_page_raw(page, "\" value=\"");
    lpp_page_text(page, id);
    lpp_page_raw(page, "\" aria-label=\"");
    lpp_page_raw(page, title);
    lpp_page_raw(page, checked ? "\" checked=\"checked\"></td>" : "\"></td>");
}

static void time_cell(lpp_page_t *page, apr_uint64_t us, const char *name)
{
    lpp_page_raw(page, "<td class=\"n ");
    lpp_page_raw(page, name);
    lpp_page_raw(page, "\">");
    lpp_page_time(page, us);
    lpp_page_raw(page, "</td>");
}

/* Where ready time is not known, blocked is less than what is left of it. */
static void share_cells(lpp_page_t *page, const lpp_saved_head_t *head)
{
    if (head->ready == LPP_READY_EXACT) {
        time_cell(page, head->total.ready_us, "ready");
        time_cell(page, lpp_cost_blocked_us(&head->total), "waiting");
        return;
    }
    lpp_page_raw(page, "<td class=\"n ready\" title=\"not known\">?</td>"
                       "<td class=\"n waiting\">&#8804;&#160;");
    lpp_page_time(page, head->total.wall_us - head->total.cpu_us);
    lpp_page_raw(page, "</td>");
}

static void download_links(lpp_page_t *page, const lpp_saved_entry_t *entry)
{
    int i;

    lpp_page_raw(page, "<td class=\"get\">");
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        const lpp_writer_t *writer = lpp_writer_get(i);

        lpp_page_raw(page, "<a download href=\"");
        lpp_page_report_href(page, entry->head.id);
        lpp_page_rawf(page, "&#38;%s\">%s</a> ", writer->action,
                      writer->action);
    }
    lpp_page_raw(page, "</td>");
}

static void row(lpp_page_t *page, const lpp_saved_entry_t *entry, int index)
{
    const lpp_saved_head_t *head = &entry->head;

    lpp_page_raw(page, "<tr>");
    choice(page, "report", "Compare this one", head->id, index == 0);
    choice(page, "against", "against this one", head->id, index == 1);
    lpp_page_raw(page, "<td class=\"t\">");
    lpp_page_moment(page, head->start);
    lpp_page_raw(page, "</td><td class=\"f\">");
    lpp_page_report_link(page, head->id, head->page_id);
    lpp_page_raw(page, "<br><small>");
    lpp_page_text(page, head->method);
    lpp_page_raw(page, " ");
    lpp_page_text(page, head->url);
    lpp_page_raw(page, "</small></td>");
    lpp_page_rawf(page, "<td class=\"n status%s\">%u</td>",
                  head->status >= 500 ? " bad" : "", (unsigned)head->status);
    time_cell(page, head->total.wall_us, "wall");
    time_cell(page, head->total.cpu_us, "cpu");
    share_cells(page, head);
    lpp_page_rawf(page, "<td class=\"n samples\">%" APR_UINT64_T_FMT
                  "</td><td class=\"n size\">", head->total.samples);
    lpp_page_bytes(page, entry->bytes);
    lpp_page_raw(page, "</td>");
    download_links(page, entry);
    lpp_page_raw(page, "</tr>\n");
}

static void page_links(lpp_page_t *page, const lpp_report_list_t *list,
                       int number, int pages)
{
    if (pages < 2) {
        return;
    }
    lpp_page_raw(page, "<p class=\"pages\">");
    if (number > 1) {
        lpp_page_raw(page, "<a rel=\"prev\" href=\"");
        list_href(page, list->sort, list->reverse, number - 1);
        lpp_page_raw(page, "\">&#8592; Before</a> ");
    }
    lpp_page_rawf(page, "Page %d of %d ", number, pages);
    if (number < pages) {
        lpp_page_raw(page, "<a rel=\"next\" href=\"");
        list_href(page, list->sort, list->reverse, number + 1);
        lpp_page_raw(page, "\">Next &#8594;</a>");
    }
    lpp_page_raw(page, "</p>\n");
}

static void table(lpp_page_t *page, const lpp_report_list_t *list, int from,
                  int to)
{
    int i;

    lpp_page_raw(page, "<form method=\"get\" action=\"/" LPP_TRIGGER_MARK
        "reports\">\n<div class=\"wide\"><table class=\"reports\"><thead><tr>"
        "<th class=\"pick\">This</th><th class=\"pick\">against</th>");
    for (i = 0; i < LPP_SORT_COUNT; i++) {
        heading(page, list, (lpp_sort_e)i);
    }
    lpp_page_raw(page, "<th>Download</th></tr></thead>\n<tbody>\n");
    for (i = from; i < to; i++) {
        row(page, &APR_ARRAY_IDX(list->entries, i, lpp_saved_entry_t),
            i - from);
    }
    lpp_page_raw(page, "</tbody></table></div>\n");
    if (list->entries->nelts > 1) {
        lpp_page_raw(page, "<p><button>Compare the two marked</button></p>\n");
    }
    lpp_page_raw(page, "</form>\n");
}

apr_status_t lpp_report_list(lpp_report_list_t *list, const lpp_sink_t *sink,
                             apr_pool_t *scratch)
{
    lpp_page_t page = {sink, scratch, APR_SUCCESS};
    int count = list->entries->nelts;
    int pages = (count + LPP_REPORT_ROWS_A_PAGE - 1) / LPP_REPORT_ROWS_A_PAGE;
    int number = list->number < 1 ? 1 : list->number;
    int from, to;

    if (!sort_entries(list, scratch)) {
        return APR_ENOMEM;
    }
    number = number > pages ? pages : number;
    from = number ? (number - 1) * LPP_REPORT_ROWS_A_PAGE : 0;
    to = from + LPP_REPORT_ROWS_A_PAGE;
    lpp_page_open(&page, &list->frame, "Profiling reports");
    if (!count) {
        lpp_page_raw(&page, "<p class=\"words\">No profile of this host yet. "
            "Put <code>/" LPP_TRIGGER_MARK "show</code> into the address of "
            "one of its pages.</p>\n");
    }
    else {
        lpp_page_rawf(&page, "<p class=\"words\">%d profile%s of this host."
                      "</p>\n", count, count == 1 ? "" : "s");
        table(&page, list, from, to < count ? to : count);
        page_links(&page, list, number, pages);
    }
    if (list->more) {
        lpp_page_rawf(&page, "<p class=\"notice\">Only the newest %d "
                      "profiles of the directory were looked at.</p>\n",
                      LPP_SAVED_LIST_MAX);
    }
    lpp_page_close(&page, &list->frame, 0);
    return page.status;
}
