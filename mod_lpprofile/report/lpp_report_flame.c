/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, the flame graph: the call tree as an SVG without script. Every
 * frame is a nested <svg>, placed in percent: it clips its name, and the text
 * stays readable at any width of the page.
 */
#include <string.h>

#include "report/lpp_report_internal.h"

#define LEVELS_MAX 128      /* shown below each other */
#define COLOURS 12
#define TINTS 3             /* of page functions */

/* How much of a profile is drawn: less in the block than in the module's own
 * page, where one can zoom. */
typedef struct limits_t {
    apr_uint32_t frames;    /* drawn at all */
    double min_percent;     /* of the request, to be drawn */
} limits_t;

static const limits_t block_limits = {2500, 0.1}, page_limits = {6000, 0.02};

/* Light enough for black letters; a style sheet may change them. */
static const char *const fills[COLOURS] = {
    "#c9b08e", "#7fb4e6", "#f2a65a", "#8fcb7c", "#c79ae0", "#e8c15a",
    "#62c4a3", "#ef9a8f", "#a9a2e8", "#c3cf62", "#63bfd1", "#e69ac4",
};

/* Page functions have one colour in tints, one for each script in turn, and a
 * dark edge, which C functions have not. */
static const char *const tints[TINTS] = {"#ffe75c", "#fff3ad", "#f2d21f"};
#define EDGE "stroke=\"#6b5600\" stroke-width=\"2\""

typedef struct drawing_t {
    lpp_page_t *page;
    const lpp_view_t *view;
    const limits_t *limits;
    double *left;          /* percent of each branch, < 0: not drawn */
    apr_uint32_t drawn, hidden;
    apr_uint32_t levels;
    unsigned object_count;
    const char *objects[4 * COLOURS]; /* objects that have a colour, in order */
    unsigned script_count;
    const lpp_symbol_t *scripts[4 * COLOURS]; /* a function of each script */
} drawing_t;

/* The switch: what can be drawn, the first one at first. */
static const struct {
    lpp_view_part_e part;
    const char *key, *name, *note;
} parts[] = {
    {LPP_VIEW_PAGE_CODE, "page", "page code only", "C code counts for the "
     "page function that called it."},
    {LPP_VIEW_ALL_CODE, "all", "all", ""},
    {LPP_VIEW_C_CODE, "c", "C only", "The page functions' own time "
     "counts for the C code that runs them."},
};

void lpp_flame_open(lpp_page_t *page, apr_uint32_t levels, const char *what)
{
    lpp_page_rawf(page, "<svg class=\"flame\" "
                  "xmlns=\"http://www.w3.org/2000/svg\" width=\"100%%\" "
                  "height=\"%u\" role=\"img\" aria-label=\"Flame "
                  "graph, %s\">\n", (unsigned)levels * LPP_FLAME_ROW_HEIGHT,
                  what);
}

void lpp_flame_box(lpp_page_t *page, double left, double width,
                   apr_uint32_t level)
{
    lpp_page_rawf(page, "<svg x=\"%.3f%%\" y=\"%u\" width=\"%.3f%%\" "
                  "height=\"%d\">", left,
                  (unsigned)level * LPP_FLAME_ROW_HEIGHT, width,
                  LPP_FLAME_ROW_HEIGHT - 1);
}

void lpp_flame_box_end(lpp_page_t *page, double width, const char *sign,
                       const char *name)
{
    if (width >= LPP_FLAME_NAMED_PERCENT) {
        lpp_page_raw(page, "<text x=\"4\" y=\"13\" font-size=\"12\" "
                           "font-family=\"sans-serif\" fill=\"#111\">");
        lpp_page_raw(page, sign ? sign : "");
        lpp_page_text(page, name);
        lpp_page_raw(page, "</text>");
    }
    lpp_page_raw(page, "</svg>\n");
}

void lpp_flame_close(lpp_page_t *page)
{
    lpp_page_raw(page, "</svg>\n");
}

/* Functions of one object have the same colour; objects get colours in turn, so
 * that all objects of a small page differ. */
static unsigned colour(drawing_t *drawing, const lpp_symbol_t *symbol)
{
    const char *name = lpp_view_object_name(symbol);
    unsigned i;

    for (i = 0; i < drawing->object_count; i++) {
        if (!strcmp(drawing->objects[i], name)) {
            return i % COLOURS;
        }
    }
    if (i < LPP_COUNT(drawing->objects)) {
        drawing->objects[drawing->object_count++] = name;
    }
    return i % COLOURS;
}

/* The tint of a script: as of an object. */
static unsigned tint(drawing_t *drawing, const lpp_symbol_t *symbol)
{
    unsigned i;

    for (i = 0; i < drawing->script_count; i++) {
        if (drawing->scripts[i]->language == symbol->language
            && !strcmp(drawing->scripts[i]->object, symbol->object)) {
            return i % TINTS;
        }
    }
    if (i < LPP_COUNT(drawing->scripts)) {
        drawing->scripts[drawing->script_count++] = symbol;
    }
    return i % TINTS;
}

/* Place the children of branch from the left, heaviest first. A box that is too
 * small or too deep, or beyond the maximum count, is left out with all boxes
 * below it. */
static void place_children(drawing_t *drawing, apr_uint32_t branch)
{
    const lpp_view_t *view = drawing->view;
    const lpp_branch_t *branches = view->branches;
    double left = drawing->left[branch];
    apr_uint32_t child = branches[branch].first_child;

    for (; child != LPP_NODE_NONE; child = branches[child].next_sibling) {
        double width = lpp_page_percent(branches[child].total.wall_us,
                                        view->total.wall_us);

        if (left < 0 || width < drawing->limits->min_percent
            || branches[child].depth >= LEVELS_MAX
            || drawing->drawn >= drawing->limits->frames) {
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

static void title(drawing_t *drawing, const lpp_branch_t *branch)
{
    lpp_page_t *page = drawing->page;
    const lpp_symbol_t *symbol =
        &drawing->view->functions[branch->function].symbol;

    lpp_page_begin_title(page, symbol);
    lpp_page_time(page, branch->total.wall_us);
    lpp_page_rawf(page, ", %.1f %%; ",
                  lpp_page_percent(branch->total.wall_us,
                                   drawing->view->total.wall_us));
    lpp_page_shares_words(page, drawing->view->statistics.ready,
                          &branch->total);
    lpp_page_raw(page, "; self ");
    lpp_page_time(page, branch->self.wall_us);
    lpp_page_rawf(page, "; %" APR_UINT64_T_FMT " samples</title>",
                  branch->total.samples);
}

/* Make a box lighter from the right: where it was blocked, and less so where it
 * was ready. */
static void tones(drawing_t *drawing, const lpp_cost_t *cost)
{
    lpp_share_t shares[LPP_SHARES_MAX];
    unsigned i = lpp_cost_shares(shares, drawing->view->statistics.ready,
                                 cost);
    double right = 100;

    while (--i > 0) {
        double width = lpp_page_percent(shares[i].time, cost->wall_us);
        int blocked = *shares[i].key == 'w';

        right -= width;
        if (width >= 0.5) {
            lpp_page_rawf(drawing->page, "<rect class=\"%s\" x=\"%.1f%%\" "
                          "width=\"%.1f%%\" height=\"100%%\" fill=\"#fff\" "
                          "fill-opacity=\"%s\" />", blocked ? "w" : "r",
                          right, width, blocked ? ".66" : ".34");
        }
    }
}

static void frame(drawing_t *drawing, apr_uint32_t index)
{
    lpp_page_t *page = drawing->page;
    const lpp_branch_t *branch = &drawing->view->branches[index];
    const lpp_function_t *function =
        &drawing->view->functions[branch->function];
    double width = lpp_page_percent(branch->total.wall_us,
                                    drawing->view->total.wall_us);
    unsigned fill;

    lpp_flame_box(page, drawing->left[index], width, branch->depth);
    title(drawing, branch);
    if (lpp_view_is_page(&function->symbol)) {
        lpp_page_rawf(page, "<rect class=\"page\" width=\"100%%\" "
                      "height=\"100%%\" fill=\"%s\" " EDGE " />",
                      tints[tint(drawing, &function->symbol)]);
    }
    else {
        fill = colour(drawing, &function->symbol);
        lpp_page_rawf(page, "<rect class=\"c%u\" width=\"100%%\" "
                      "height=\"100%%\" fill=\"%s\" />", fill,
                      fills[fill]);
    }
    tones(drawing, &branch->total);
    lpp_flame_box_end(page, width, NULL, function->symbol.name);
}

static void draw(drawing_t *drawing, const char *what)
{
    lpp_page_t *page = drawing->page;
    apr_uint32_t i;

    lpp_flame_open(page, drawing->levels, what);
    for (i = 0; i < drawing->view->branch_count; i++) {
        if (drawing->left[i] >= 0) {
            frame(drawing, i);
        }
    }
    lpp_flame_close(page);
}

static void swatch(lpp_page_t *page, const char *fill, const char *edge)
{
    lpp_page_rawf(page, "<span class=\"key\"><svg "
                  "xmlns=\"http://www.w3.org/2000/svg\" width=\"10\" "
                  "height=\"10\" aria-hidden=\"true\"><rect width=\"10\" "
                  "height=\"10\" rx=\"2\" fill=\"%s\" %s/></svg> ", fill,
                  edge);
}

/* The legend: the colour of each script and module, in the order of first
 * use. */
static void legend(drawing_t *drawing)
{
    lpp_page_t *page = drawing->page;
    unsigned i;

    lpp_page_raw(page, "<p class=\"small keys\">");
    for (i = 0; i < drawing->script_count && i < COLOURS; i++) {
        swatch(page, tints[i % TINTS], EDGE " ");
        lpp_page_module(page, drawing->scripts[i]);
        lpp_page_raw(page, "</span> ");
    }
    for (i = 0; i < drawing->object_count && i < COLOURS; i++) {
        if (*drawing->objects[i]) {
            swatch(page, fills[i], "");
            lpp_page_text(page, drawing->objects[i]);
            lpp_page_raw(page, "</span> ");
        }
    }
    lpp_page_raw(page, "</p>\n");
}

/* Draw one part, with its legend and what was left out. */
static void draw_part(lpp_page_t *page, const lpp_report_t *report,
                      const lpp_view_t *view, const char *what)
{
    drawing_t drawing;
    apr_uint32_t i;

    memset(&drawing, 0, sizeof(drawing));
    drawing.page = page;
    drawing.view = view;
    drawing.drawn = drawing.levels = 1;
    drawing.left = apr_palloc(page->scratch, view->branch_count
                              * sizeof(*drawing.left));
    if (!drawing.left) {
        page->status = APR_ENOMEM;
        return;
    }
    drawing.limits = report->full ? &page_limits : &block_limits;
    drawing.left[0] = 0;
    /* Parents come before their children, so one pass places all. */
    for (i = 0; i < view->branch_count; i++) {
        place_children(&drawing, i);
    }
    draw(&drawing, what);
    legend(&drawing);
    if (drawing.hidden) {
        lpp_page_rawf(page, "<p class=\"small\">Left out (%u): branches "
                      "under %.2f&#160;%% of the request, and what is past "
                      "%d levels or %d boxes.</p>\n",
                      (unsigned)drawing.hidden, drawing.limits->min_percent,
                      LEVELS_MAX, (int)drawing.limits->frames);
    }
}

/* The switch, as radio buttons: a style sheet shows the part that is chosen,
 * without any script. */
static void draw_switch(lpp_page_t *page)
{
    unsigned i;

    lpp_page_raw(page, "<legend class=\"small\">Show</legend>\n");
    for (i = 0; i < LPP_COUNT(parts); i++) {
        lpp_page_rawf(page, "<input type=\"radio\" name=\"lpp-part\" "
                      "id=\"lpp-part-%s\" class=\"pick-%s\" value=\"%s\" "
                      "autocomplete=\"off\" %s/><label for=\"lpp-part-%s\">"
                      "%s</label>\n", parts[i].key, parts[i].key,
                      parts[i].key, i == 0 ? "checked=\"checked\" " : "",
                      parts[i].key, parts[i].name);
    }
}

void lpp_flame_parts(lpp_page_t *page, int styled,
                     lpp_flame_part_fn *draw_one, const void *baton)
{
    unsigned i;

    lpp_page_raw(page, "<fieldset class=\"parts\">\n");
    if (styled) {
        draw_switch(page);
    }
    for (i = 0; i < LPP_COUNT(parts); i++) {
        lpp_page_rawf(page, styled ? "<div class=\"part of-%s\">\n"
                      : i == 0 ? "<details open=\"open\"><summary>%s"
                                 "</summary>\n"
                      : "<details><summary>%s</summary>\n",
                      styled ? parts[i].key : parts[i].name);
        if (*parts[i].note) {
            lpp_page_rawf(page, "<p class=\"small\">%s</p>\n",
                          parts[i].note);
        }
        draw_one(page, parts[i].part, parts[i].name, baton);
        lpp_page_raw(page, styled ? "</div>\n" : "</details>\n");
    }
    lpp_page_raw(page, "</fieldset>\n");
}

/* baton: the report. */
static void draw_report_part(lpp_page_t *page, lpp_view_part_e part,
                             const char *name, const void *baton)
{
    const lpp_report_t *report = baton;
    const lpp_view_t *view = lpp_page_part(page, report->view, part);

    if (view) {
        draw_part(page, report, view, name);
    }
}

void lpp_report_flame(lpp_page_t *page, const lpp_report_t *report)
{
    const lpp_view_t *view = report->view;
    int has_page_code;

    if (!view || view->branch_count < 2 || !view->total.wall_us
        || !view->total.samples) {
        return; /* without a sample all of it is "[not sampled]" */
    }
    has_page_code = lpp_view_has_page_code(view);
    lpp_page_raw(page, "<section class=\"graph\"><h2>Flame graph</h2>\n"
        "<p class=\"small\">Width is wall time, callers stand above what "
        "they called, one colour is one module. ");
    lpp_page_raw(page, view->statistics.ready == LPP_READY_EXACT
        ? "The full colour of a box is CPU time, the lighter part ready (it "
          "wanted a processor and did not get one), the lightest blocked. "
        : view->statistics.ready == LPP_READY_SEEN
        ? "The full colour of a box is CPU time or waiting for a processor, "
          "the lighter part blocked. "
        : "The lighter part of a box is waiting. ");
    lpp_page_raw(page, has_page_code ? "Yellow boxes with a dark edge are page "
        "functions: functions of the page&#39;s own scripts. " : "");
    lpp_page_raw(page, "Hold the pointer over a box for its figures.</p>\n");
    if (report->full) {
        lpp_page_flame_controls(page);
    }
    if (has_page_code) {
        lpp_flame_parts(page, report->styled || report->full,
                        draw_report_part, report);
    }
    else {
        draw_part(page, report, view, "all");
    }
    lpp_page_raw(page, "</section>\n");
}

void lpp_page_flame_controls(lpp_page_t *page)
{
    lpp_page_raw(page, "<form class=\"controls\" hidden=\"hidden\">"
        "<label>Search <input type=\"search\" autocomplete=\"off\" "
        "spellcheck=\"false\" placeholder=\"function or module\"></label> "
        "<output></output> <button type=\"button\">Reset</button></form>\n"
        "<p class=\"readout\" hidden=\"hidden\" aria-live=\"polite\">Click a "
        "box to zoom in, click it again to go up. With the keyboard: arrows, "
        "Enter, Escape.</p>\n");
}
