/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a report page, for the files of lpp_report only:
 * lpp_report_text.c has the functions that write text and markup, each other
 * file has a section or two.
 *
 * All functions:
 * Signal-safe: no. Thread: any.
 */
#ifndef LPP_REPORT_INTERNAL_H
#define LPP_REPORT_INTERNAL_H

#include "names/lpp_view_part.h"
#include "report/lpp_report.h"

/* A page in progress; keeps the first error, like lpp_buf. */
typedef struct lpp_page_t {
    const lpp_sink_t *sink;
    apr_pool_t *scratch;
    apr_status_t status;
} lpp_page_t;

/* Write markup: string literals of this module only, never text of a
 * request. */
void lpp_page_raw(lpp_page_t *page, const char *markup);

/* Write markup with figures (%d, %u, ...); a string argument must be a
 * literal. */
void lpp_page_rawf(lpp_page_t *page, const char *format, ...)
    LPP_FORMAT(2, 3);

/* Write any text, escaped; the same between <code> tags. NULL writes
 * nothing. */
void lpp_page_text(lpp_page_t *page, const char *text);
void lpp_page_code(lpp_page_t *page, const char *text);

/*
 * What stands beside a function's name. source: the path of its source file,
 * the start cut off if it is long, and its line, if it is not 0, between
 * <small> tags; nothing if the file is not known. module: the base name of its
 * object; of a page function, that of its file, and the language. place:
 * between <small> tags, the module; of a page function, path, line and
 * language.
 */
void lpp_page_source(lpp_page_t *page, const lpp_symbol_t *symbol);
void lpp_page_module(lpp_page_t *page, const lpp_symbol_t *symbol);
void lpp_page_place(lpp_page_t *page, const lpp_symbol_t *symbol);

/* Write "<title>", a function's name and place, and a newline: the start of the
 * tooltip of a box in a flame graph. */
void lpp_page_begin_title(lpp_page_t *page, const lpp_symbol_t *symbol);

/* Write a decoded path, percent-encoded for a URL. NULL: an allocation has
 * failed, and so does the page. */
void lpp_page_path(lpp_page_t *page, const char *path);

/* Write a file name as a word of a shell command line, escaped for HTML. */
void lpp_page_shell_word(lpp_page_t *page, const char *word);

/* Write a time for people: "1.234 s", "12.3 ms", "815 us" (with a real mu);
 * _ns: down to nanoseconds. */
void lpp_page_time(lpp_page_t *page, apr_uint64_t us);
void lpp_page_ns(lpp_page_t *page, apr_uint64_t ns);

/* Share of a whole in percent; 0 if the whole is 0. */
double lpp_page_percent(apr_uint64_t part, apr_uint64_t whole);

/* A share of wall time. Both texts are literals. */
#define LPP_SHARES_MAX 3
typedef struct lpp_share_t {
    const char *name; /* as a heading: "Ready" */
    const char *word; /* in a sentence: "ready" */
    const char *key;  /* its class: cpu, ready or wait */
    apr_uint64_t time;
} lpp_share_t;

/*
 * The shares of a cost, in order, in microseconds; returns how many. ready
 * (lpp_ready_e): what is known of ready time: EXACT: CPU, ready, blocked; SEEN:
 * "CPU, or waiting for one" and blocked; UNKNOWN: CPU and waiting. Their sum is
 * the wall time.
 */
unsigned lpp_cost_shares(lpp_share_t shares[LPP_SHARES_MAX], int ready,
                         const lpp_cost_t *cost);

/*
 * Write one figure with its name (a literal); the total, its shares and the
 * samples as figures; the shares as percents: "20 % CPU, 80 % ready, 0 %
 * blocked"; as times: "CPU 2 ms; ready 8 ms; blocked 0"; as cells of a table,
 * with the headings of these; as a bar, of a whole; what the colours of bars
 * are.
 */
void lpp_page_figure(lpp_page_t *page, const char *name, const char *key,
                     apr_uint64_t us);
void lpp_page_figures(lpp_page_t *page, int ready, const lpp_cost_t *total);
void lpp_page_shares_percent(lpp_page_t *page, int ready,
                             const lpp_cost_t *cost);
void lpp_page_shares_words(lpp_page_t *page, int ready,
                           const lpp_cost_t *cost);
void lpp_page_shares_heads(lpp_page_t *page, int ready);
void lpp_page_shares_cells(lpp_page_t *page, int ready, apr_uint64_t wall_ns,
                           apr_uint64_t cpu_ns, apr_uint64_t ready_ns);
void lpp_page_bar(lpp_page_t *page, int ready, const lpp_cost_t *cost,
                  const lpp_cost_t *whole);
void lpp_page_shares_key(lpp_page_t *page, int ready);

/*
 * The files of assets/, built in by the Makefile. Style sheets are safe inside
 * <style> in HTML and XHTML, scripts inside <script> in HTML.
 */
extern const char lpp_asset_block_css[];      /* of every page */
extern const char lpp_asset_sql_css[];        /* of the SQL section */
extern const char lpp_asset_pages_css[];      /* of the module's own pages */
extern const char lpp_asset_flame_model_js[]; /* before flame.js */
extern const char lpp_asset_flame_js[];

/* That part of a view, which may have no page code; NULL: the page has
 * failed. */
const lpp_view_t *lpp_page_part(lpp_page_t *page, const lpp_view_t *view,
                                lpp_view_part_e part);

/* Write the page function that most time was in, its share and its hottest
 * line: "62 % in Renderer::page (index.php:41)". 0: nothing was written, since
 * there is no page code, or little time in it. */
int lpp_report_first_words(lpp_page_t *page, const lpp_view_t *view);

/* Write what it waited for most, its share and time: "81 % waiting for tcp
 * 10.0.0.5:5432 (postgresql): 1.02 s". 0: nothing was written. */
int lpp_report_waits_in_words(lpp_page_t *page, const lpp_view_t *view);
/* Whether the thread wanted a processor for much of the time and did not get
 * one; write how much: "80 % waiting for a processor". */
int lpp_report_is_busy(const lpp_view_t *view);
void lpp_report_busy_words(lpp_page_t *page, const lpp_view_t *view);

/* The sections; each writes nothing if it does not apply. */
void lpp_report_headline(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_help(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_inline(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_memory(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_log(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_sql(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_waits(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_calls(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_filters(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_tables(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_flame(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_timeline(lpp_page_t *page, const lpp_report_t *report);
void lpp_report_oops(lpp_page_t *page, const lpp_report_t *report);

/* Write a link to the page at path with a trigger segment for actions. */
void lpp_report_example(lpp_page_t *page, const char *path,
                        const char *actions);

/*
 * The pieces of a flame graph: open begins a drawing of so many levels, what is
 * in its label; box begins one box, with left and width in percent, whose
 * content must begin with a title; then its name, if it is wide enough to be
 * read, and its end.
 */
#define LPP_FLAME_ROW_HEIGHT 18
#define LPP_FLAME_NAMED_PERCENT 0.7
void lpp_flame_open(lpp_page_t *page, apr_uint32_t levels, const char *what);
void lpp_flame_box(lpp_page_t *page, double left, double width,
                   apr_uint32_t level);
void lpp_flame_box_end(lpp_page_t *page, double width, const char *sign,
                       const char *name);
void lpp_flame_close(lpp_page_t *page);

/*
 * Draw a flame graph of each part, page code first, with a switch; without a
 * style sheet (styled is 0) each can be opened and closed. draw_one is called
 * for each part, with its name and with baton.
 */
typedef void lpp_flame_part_fn(lpp_page_t *page, lpp_view_part_e part,
                               const char *name, const void *baton);
void lpp_flame_parts(lpp_page_t *page, int styled,
                     lpp_flame_part_fn *draw_one, const void *baton);

/* Write the controls of a flame graph; hidden until the script shows them. */
void lpp_page_flame_controls(lpp_page_t *page);

/* Write what can be asked for, and how. */
void lpp_report_help_text(lpp_page_t *page);

#endif
