/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the two files of the SQL section: _sql (tables) and _sql_list
 * (statements).
 *
 * All functions:
 * Signal-safe: no. Thread: any.
 */
#ifndef LPP_REPORT_SQL_INTERNAL_H
#define LPP_REPORT_SQL_INTERNAL_H

#include "report/lpp_report_internal.h"
#include "sql/lpp_sqlview.h"

#define LPP_REPORT_SQL_ROWS 1000 /* statements in a page */

/* " slow", " very" or "" (static): yellow, red, neither. */
const char *lpp_report_sql_mark(apr_uint64_t us);

/* Write the number of a statement (from 1), as a link to it if the page shows
 * it. */
void lpp_report_sql_link(lpp_page_t *page, const lpp_sqlview_t *view,
                         unsigned index);

/* Write a statement in one line; bytes: the length of all of it. */
void lpp_report_sql_brief(lpp_page_t *page, const char *text,
                          apr_size_t bytes);

/* Write the object of a frame; of a page function its script and line. */
void lpp_report_sql_object(lpp_page_t *page, const lpp_sqlview_frame_t *frame);

void lpp_report_sql_list(lpp_page_t *page, const lpp_report_t *report);

#endif
