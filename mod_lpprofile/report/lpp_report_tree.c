/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the call tree as elements that open, and the callers and callees
 * of a function. It follows parent links without recursion, since a profile may
 * be very deep.
 */
#include "report/lpp_report_pages_internal.h"

#define NODES_MAX 2000
#define MIN_PERCENT 0.3  /* of the request, to be shown */
#define OPEN_PERCENT 8.0 /* to be open at first */
#define NEIGHBOURS_MAX 25
#define LISTED_MAX 300   /* functions to choose from */

/* The name of a function, as a link that chooses it. */
static void function_link(lpp_page_t *page, const lpp_view_t *view,
                          apr_uint32_t index)
{
    lpp_page_rawf(page, "<a href=\"?function=%u#function\">",
                  (unsigned)index);
    lpp_page_code(page, view->functions[index].symbol.name);
    lpp_page_raw(page, "</a>");
}

static void label(lpp_page_t *page, const lpp_view_t *view,
                  const lpp_branch_t *branch)
{
    lpp_page_rawf(page, "<span class=\"pc\">%.1f&#160;%%</span> ",
                  lpp_page_percent(branch->total.wall_us,
                                   view->total.wall_us));
    function_link(page, view, branch->function);
    lpp_page_place(page, &view->functions[branch->function].symbol);
    lpp_page_raw(page, " <span class=\"figure\">");
    lpp_page_time(page, branch->total.wall_us);
    if (branch->self.wall_us) {
        lpp_page_raw(page, ", self ");
        lpp_page_time(page, branch->self.wall_us);
    }
    lpp_page_raw(page, "</span>");
}

static int is_shown(const lpp_view_t *view, apr_uint32_t at)
{
    return at != LPP_NODE_NONE
        && lpp_page_percent(view->branches[at].total.wall_us,
                            view->total.wall_us) >= MIN_PERCENT;
}

/* Siblings are sorted by weight: the first that is too small ends them. */
static apr_uint32_t first_shown(const lpp_view_t *view, apr_uint32_t at)
{
    apr_uint32_t child = view->branches[at].first_child;

    return is_shown(view, child) ? child : LPP_NODE_NONE;
}

static void open_branch(lpp_page_t *page, const lpp_view_t *view,
                        apr_uint32_t at)
{
    const lpp_branch_t *branch = &view->branches[at];
    /* An only child is shown below its parent without an indent, because the
     * stacks of a server are deep. */
    int alone = at != 0
        && view->branches[branch->parent].first_child == at
        && !is_shown(view, branch->next_sibling);

    lpp_page_raw(page, alone ? "<li class=\"alone\">" : "<li>");
    if (first_shown(view, at) == LPP_NODE_NONE) {
        lpp_page_raw(page, "<div class=\"leaf\">");
        label(page, view, branch);
        lpp_page_raw(page, "</div></li>\n");
        return;
    }
    lpp_page_raw(page, lpp_page_percent(branch->total.wall_us,
                                        view->total.wall_us) >= OPEN_PERCENT
                 ? "<details open=\"open\"><summary>"
                 : "<details><summary>");
    label(page, view, branch);
    lpp_page_raw(page, "</summary><ul>\n");
}

static void tree(lpp_page_t *page, const lpp_view_t *view)
{
    apr_uint32_t at = 0, next, shown = 0;

    for (;;) {
        open_branch(page, view, at);
        next = ++shown < NODES_MAX ? first_shown(view, at) : LPP_NODE_NONE;
        if (next == LPP_NODE_NONE && first_shown(view, at) != LPP_NODE_NONE) {
            lpp_page_raw(page, "</ul></details></li>\n");
        }
        while (next == LPP_NODE_NONE && at != 0) {
            next = view->branches[at].next_sibling;
            if (!is_shown(view, next) || shown >= NODES_MAX) {
                next = LPP_NODE_NONE;
                at = view->branches[at].parent;
                lpp_page_raw(page, "</ul></details></li>\n");
            }
        }
        if (next == LPP_NODE_NONE) {
            return;
        }
        at = next;
    }
}

void lpp_report_tree(lpp_page_t *page, const lpp_view_t *view)
{
    if (!view->total.wall_us) {
        return;
    }
    lpp_page_raw(page, "<section class=\"calls\" id=\"tree\">"
        "<h2>Call tree</h2>\n");
    lpp_page_rawf(page, "<p class=\"small\">Total times; a name leads to its "
        "callers and callees. Left out: what has under %.1f&#160;%% of the "
        "request, and what is past %d lines.</p>\n<ul class=\"tree\">\n",
        MIN_PERCENT, NODES_MAX);
    tree(page, view);
    lpp_page_raw(page, "</ul></section>\n");
}

/* Find the edges of one function, heaviest first; callers: those that lead to
 * it. */
static apr_uint32_t find_edges(const lpp_view_t *view, apr_uint32_t function,
                               int callers, const lpp_edge_t **found)
{
    apr_uint32_t i, at, count = 0;

    for (i = 0; i < view->edge_count; i++) {
        const lpp_edge_t *edge = &view->edges[i];

        if ((callers ? edge->callee : edge->caller) != function
            || (edge->total.wall_us == 0 && edge->total.samples == 0)) {
            continue;
        }
        at = count < NEIGHBOURS_MAX ? count++ : NEIGHBOURS_MAX;
        while (at > 0 && found[at - 1]->total.wall_us < edge->total.wall_us) {
            if (at < NEIGHBOURS_MAX) {
                found[at] = found[at - 1];
            }
            at--;
        }
        if (at < NEIGHBOURS_MAX) {
            found[at] = edge;
        }
    }
    return count;
}

static void neighbour_table(lpp_page_t *page, const lpp_view_t *view,
                            apr_uint32_t function, int callers)
{
    const lpp_edge_t *found[NEIGHBOURS_MAX];
    apr_uint32_t count = find_edges(view, function, callers, found), i;

    lpp_page_raw(page, callers ? "<div><h3>Called by</h3>\n"
                               : "<div><h3>Calls</h3>\n");
    if (!count) {
        lpp_page_raw(page, "<p class=\"small\">Nobody seen.</p></div>\n");
        return;
    }
    lpp_page_raw(page, "<table class=\"next\"><tbody>\n");
    for (i = 0; i < count; i++) {
        apr_uint32_t other = callers ? found[i]->caller : found[i]->callee;

        lpp_page_raw(page, "<tr><td class=\"n\">");
        lpp_page_time(page, found[i]->total.wall_us);
        lpp_page_rawf(page, "</td><td class=\"n share\">%.1f&#160;%%</td>"
                      "<td class=\"f\">",
                      lpp_page_percent(found[i]->total.wall_us,
                          view->functions[function].total.wall_us));
        function_link(page, view, other);
        lpp_page_place(page, &view->functions[other].symbol);
        lpp_page_raw(page, "</td></tr>\n");
    }
    lpp_page_raw(page, "</tbody></table></div>\n");
}

static void choose(lpp_page_t *page, const lpp_view_t *view)
{
    apr_uint32_t *top = apr_palloc(page->scratch, LISTED_MAX * sizeof(*top));
    apr_uint32_t count, i;

    if (!top) {
        page->status = APR_ENOMEM;
        return;
    }
    count = lpp_view_top(view, LPP_VIEW_BY_TOTAL, top, LISTED_MAX,
                         page->scratch);
    lpp_page_rawf(page, "<details><summary><h3>Choose another function "
                  "(%u)</h3></summary>\n<ul class=\"choose\">\n",
                  (unsigned)count);
    for (i = 0; i < count; i++) {
        lpp_page_raw(page, "<li>");
        function_link(page, view, top[i]);
        lpp_page_place(page, &view->functions[top[i]].symbol);
        lpp_page_raw(page, "</li>\n");
    }
    lpp_page_raw(page, "</ul></details>\n");
}

void lpp_report_neighbours(lpp_page_t *page, const lpp_view_t *view,
                           apr_uint32_t index)
{
    const lpp_function_t *function;
    apr_uint32_t top[2], count;

    if (index == 0 || index >= view->function_count) {
        count = lpp_view_top(view, LPP_VIEW_BY_SELF, top, 2, page->scratch);
        /* 1 is the time without a sample */
        index = !count ? 0 : top[0] != 1 || count < 2 ? top[0] : top[1];
    }
    if (index == 0) {
        return;
    }
    function = &view->functions[index];
    lpp_page_raw(page, "<section class=\"around\" id=\"function\">"
        "<h2>Callers and callees</h2>\n<p class=\"words\">");
    lpp_page_code(page, function->symbol.name);
    lpp_page_place(page, &function->symbol);
    lpp_page_raw(page, ": total ");
    lpp_page_time(page, function->total.wall_us);
    lpp_page_rawf(page, " (%.1f&#160;%% of the request), self ",
                  lpp_page_percent(function->total.wall_us,
                                   view->total.wall_us));
    lpp_page_time(page, function->self.wall_us);
    lpp_page_raw(page, "; ");
    lpp_page_shares_words(page, view->statistics.ready, &function->total);
    lpp_page_rawf(page, "; %" APR_UINT64_T_FMT " samples.</p>\n"
        "<p class=\"small\">Percentages here are of this function's total."
        "</p>\n<div class=\"two\">\n", function->total.samples);
    neighbour_table(page, view, index, 1);
    neighbour_table(page, view, index, 0);
    lpp_page_raw(page, "</div>\n");
    choose(page, view);
    lpp_page_raw(page, "</section>\n");
}
