/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the module's own pages, for the files of lpp_report only.
 *
 * All functions:
 * Signal-safe: no. Thread: any.
 */
#ifndef LPP_REPORT_PAGES_INTERNAL_H
#define LPP_REPORT_PAGES_INTERNAL_H

#include "saved/lpp_diff.h"
#include "report/lpp_report_internal.h"
#include "report/lpp_report_pages.h"

/* Write from the doctype to the open <main>; title and heading are escaped. The
 * header has links to the other pages. */
void lpp_page_open(lpp_page_t *page, const lpp_report_frame_t *frame,
                   const char *title);

/* Write the end of the page. script: with the script of the flame graph. */
void lpp_page_close(lpp_page_t *page, const lpp_report_frame_t *frame,
                    int script);

/* Write the address of a report, and a link to it around text. */
void lpp_page_report_href(lpp_page_t *page, const char *id);
void lpp_page_report_link(lpp_page_t *page, const char *id, const char *text);

/* Write a local time: "2026-11-22 16:05:01.123". */
void lpp_page_moment(lpp_page_t *page, apr_time_t time);

/* Write a number of bytes for people. */
void lpp_page_bytes(lpp_page_t *page, apr_off_t bytes);

/* Write a difference of times with its sign (a true minus), or "0". */
void lpp_page_change(lpp_page_t *page, apr_int64_t us);

/* The call tree as elements that open; and callers and callees of one
 * function. */
void lpp_report_tree(lpp_page_t *page, const lpp_view_t *view);
void lpp_report_neighbours(lpp_page_t *page, const lpp_view_t *view,
                           apr_uint32_t function);

/* The objects that contain functions without names, and the packages with these
 * names; writes nothing if all functions have names. */
void lpp_report_nameless(lpp_page_t *page, const lpp_view_t *view);

/* Write a change in percent, "new" or "gone"; the class of its cell: "grew",
 * "shrank" or "". */
void lpp_page_relative(lpp_page_t *page, apr_uint64_t before,
                       apr_uint64_t after);
const char *lpp_page_direction(apr_uint64_t before, apr_uint64_t after);

/* Of two reports: exact calls, SQL, regions and memory. */
void lpp_report_changes(lpp_page_t *page,
                        const lpp_report_compare_t *compare);

/* The differential flame graph. */
void lpp_report_diff_flame(lpp_page_t *page, const lpp_diff_t *diff);

#endif
