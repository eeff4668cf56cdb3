/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the differential flame graph: both call trees in one. The width
 * of a box is the larger one of the two reports, so that functions of either
 * are visible; colour, and a sign before the name, show the direction of the
 * change.
 */
#include "report/lpp_report_pages_internal.h"

#define LEVELS_MAX 128
#define FRAMES_MAX 6000
#define MIN_PERCENT 0.02
#define SHADES 5
/* Changes up to this share of the larger total are not shown: a sample or two.
 * */
#define SAME_PERCENT 0.5

static const char *const grown[SHADES] = {
    "#f6d5d2", "#f4bcb7", "#f2a29b", "#f0857d", "#ec6a60",
};
static const char *const shrunk[SHADES] = {
    "#d3e2f1", "#b8d3ec", "#9cc4e9", "#7fb4e6", "#5ea3e0",
};

typedef struct drawing_t {
    lpp_page_t *page;
    const lpp_diff_t *diff;
    double *left; /* percent of each branch, < 0: not drawn */
    apr_uint32_t drawn, hidden, levels;
} drawing_t;

static double width_of(const drawing_t *drawing, apr_uint32_t at)
{
    return lpp_page_percent(drawing->diff->branches[at].width_us,
                            drawing->diff->branches[0].width_us);
}

static void place_children(drawing_t *drawing, apr_uint32_t branch)
{
    const lpp_diff_branch_t *branches = drawing->diff->branches;
    double left = drawing->left[branch];
    apr_uint32_t child = branches[branch].first_child;

    for (; child != LPP_NODE_NONE; child = branches[child].next_sibling) {
        double width = width_of(drawing, child);

        if (left < 0 || width < MIN_PERCENT
            || branches[child].depth >= LEVELS_MAX
            || drawing->drawn >= FRAMES_MAX) {
            drawing->left[child] = -1;
            drawing->hidden++;
            continue;
        }
        drawing->left[child] = left;
        drawing->drawn++;
        left += width;
        if (branches[child].depth >= drawing->levels) {
            drawing->levels = branches[child].depth + 1;
        }
    }
}

static apr_int64_t change_us(const lpp_diff_branch_t *branch)
{
    return (apr_int64_t)branch->total[LPP_DIFF_AFTER].wall_us
        - (apr_int64_t)branch->total[LPP_DIFF_BEFORE].wall_us;
}

static void title(drawing_t *drawing, const lpp_diff_branch_t *branch)
{
    lpp_page_t *page = drawing->page;
    const lpp_symbol_t *symbol =
        drawing->diff->functions[branch->function].symbol;

    lpp_page_begin_title(page, symbol);
    lpp_page_change(page, change_us(branch));
    lpp_page_raw(page, ": before ");
    lpp_page_time(page, branch->total[LPP_DIFF_BEFORE].wall_us);
    lpp_page_raw(page, ", after ");
    lpp_page_time(page, branch->total[LPP_DIFF_AFTER].wall_us);
    lpp_page_rawf(page, "; samples %" APR_UINT64_T_FMT " and %"
                  APR_UINT64_T_FMT "</title>",
                  branch->total[LPP_DIFF_BEFORE].samples,
                  branch->total[LPP_DIFF_AFTER].samples);
}

/* The shade of a box for its change; -1: the change is too small to show. */
static int shade_of(const drawing_t *drawing, const lpp_diff_branch_t *branch)
{
    apr_int64_t change = change_us(branch);
    apr_uint64_t size = (apr_uint64_t)(change < 0 ? -change : change);
    double share;

    if (lpp_page_percent(size, drawing->diff->branches[0].width_us)
        < SAME_PERCENT) {
        return -1;
    }
    share = lpp_page_percent(size, branch->width_us) / 100.0;
    return share >= 1.0 ? SHADES - 1 : (int)(share * SHADES);
}

static void frame(drawing_t *drawing, apr_uint32_t index)
{
    lpp_page_t *page = drawing->page;
    const lpp_diff_branch_t *branch = &drawing->diff->branches[index];
    int more = change_us(branch) > 0, shade = shade_of(drawing, branch);

    lpp_flame_box(page, drawing->left[index], width_of(drawing, index),
                  branch->depth);
    title(drawing, branch);
    lpp_page_rawf(page, "<rect width=\"100%%\" height=\"100%%\" "
                  "class=\"%s\" fill=\"%s\" />",
                  shade < 0 ? "same" : more ? "grown" : "shrunk",
                  shade < 0 ? "#c8c8c4" : more ? grown[shade]
                                               : shrunk[shade]);
    lpp_flame_box_end(page, width_of(drawing, index),
                      shade < 0 ? NULL : more ? "&#9650; " : "&#9660; ",
                      drawing->diff->functions[branch->function].symbol->name);
}

/* Draw the tree of one part, and say what was left out. */
static void draw(lpp_page_t *page, const lpp_diff_t *diff, const char *what)
{
    drawing_t drawing = {page, diff, NULL, 1, 0, 1};
    apr_uint32_t i;

    drawing.left = apr_palloc(page->scratch, diff->branch_count
                              * sizeof(*drawing.left));
    if (!drawing.left) {
        page->status = APR_ENOMEM;
        return;
    }
    drawing.left[0] = 0;
    for (i = 0; i < diff->branch_count; i++) {
        place_children(&drawing, i);
    }
    lpp_flame_open(page, drawing.levels, what);
    for (i = 0; i < diff->branch_count; i++) {
        if (drawing.left[i] >= 0) {
            frame(&drawing, i);
        }
    }
    lpp_flame_close(page);
    if (drawing.hidden) {
        lpp_page_rawf(page, "<p class=\"small\">Left out (%u): branches "
                      "under %.2f&#160;%% of the width, and what is past %d "
                      "levels or %d boxes.</p>\n", (unsigned)drawing.hidden,
                      MIN_PERCENT, LEVELS_MAX, FRAMES_MAX);
    }
}

/* baton: the comparison of all code. */
static void draw_part(lpp_page_t *page, lpp_view_part_e part,
                      const char *name, const void *baton)
{
    const lpp_diff_t *all = baton, *diff = NULL;
    const lpp_view_t *before, *after;

    if (part == LPP_VIEW_ALL_CODE) {
        draw(page, all, name);
        return;
    }
    before = lpp_page_part(page, all->views[LPP_DIFF_BEFORE], part);
    after = lpp_page_part(page, all->views[LPP_DIFF_AFTER], part);
    if (!before || !after) {
        return;
    }
    page->status = lpp_diff_create(&diff, before, after, page->scratch);
    if (page->status == APR_SUCCESS) {
        draw(page, diff, name);
    }
}

void lpp_report_diff_flame(lpp_page_t *page, const lpp_diff_t *diff)
{
    if (!diff->branches[0].width_us) {
        return;
    }
    lpp_page_raw(page, "<section class=\"graph\"><h2>Differential flame "
        "graph</h2>\n<p class=\"small\">Both call trees as one: a box is as "
        "wide as the larger of both. <span class=\"key grew\">&#9650; grew or "
        "is new</span>, <span class=\"key shrank\">&#9660; shrank or is gone"
        "</span>, <span class=\"key same\">the same</span>; the fuller the "
        "colour, the larger the part of the box that changed.</p>\n");
    lpp_page_flame_controls(page);
    if (lpp_view_has_page_code(diff->views[LPP_DIFF_BEFORE])
        || lpp_view_has_page_code(diff->views[LPP_DIFF_AFTER])) {
        lpp_flame_parts(page, 1, draw_part, diff);
    }
    else {
        draw(page, diff, "both reports");
    }
    lpp_page_raw(page, "</section>\n");
}
