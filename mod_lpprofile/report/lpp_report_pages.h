/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report_pages: the module's own pages about saved profiles: the list, one
 * report, two compared, "there is no such report", and "open this again".
 *
 * Like lpp_report: ASCII, one escape function, no access to the request. Every
 * page works without script; the page of one report has a script that only
 * rearranges its content.
 */
#ifndef LPP_REPORT_PAGES_H
#define LPP_REPORT_PAGES_H

#include "report/lpp_report.h"
#include "saved/lpp_saved.h"

/* What encloses each page. */
typedef struct lpp_report_frame_t {
    const char *host;  /* server name, or NULL */
    const char *nonce; /* of the page's CSP, for style and script; NULL: the
                          page has neither */
} lpp_report_frame_t;

#define LPP_REPORT_ROWS_A_PAGE 50

/* The columns a list can be sorted by. */
typedef enum {
    LPP_SORT_TIME,
    LPP_SORT_PAGE,
    LPP_SORT_STATUS,
    LPP_SORT_WALL,
    LPP_SORT_CPU,
    LPP_SORT_READY,
    LPP_SORT_WAITING, /* blocked */
    LPP_SORT_SAMPLES,
    LPP_SORT_SIZE,
    LPP_SORT_COUNT
} lpp_sort_e;

typedef struct lpp_report_list_t {
    lpp_report_frame_t frame;
    apr_array_header_t *entries; /* lpp_saved_entry_t; will be sorted */
    lpp_sort_e sort;
    int reverse;  /* the reverse of the column's own order */
    int number;   /* of the page, from 1; beyond the end: the last one */
    int more;     /* there are more profiles than were read */
} lpp_report_list_t;

typedef struct lpp_report_full_t {
    lpp_report_frame_t frame;
    const lpp_saved_t *saved;
    const lpp_saved_entry_t *entry; /* its files */
    const char *dir;                /* their directory, as it is shown */
    apr_uint32_t function;          /* show the callers and callees of that one;
                                       0: of the heaviest */
    const apr_array_header_t *others; /* lpp_saved_entry_t to compare with */
} lpp_report_full_t;

typedef struct lpp_report_compare_t {
    lpp_report_frame_t frame;
    const lpp_saved_t *after;  /* the report */
    const lpp_saved_t *before; /* what it is compared with */
} lpp_report_compare_t;

/*
 * Read "wall" or "-wall", the value of ?sort=, into sort and reverse; any other
 * value sorts the newest first.
 * Signal-safe: yes. Thread: any.
 */
void lpp_report_read_sort(const char *text, lpp_sort_e *sort, int *reverse);

/*
 * Write a whole page. missing: the page for an id (may be NULL) of which this
 * host has no report; damaged: the report cannot be read. open_again: only a
 * link to path, an encoded path of this host that begins with one "/", query
 * allowed. Errors: those of the sink; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_report_list(lpp_report_list_t *list,
                                            const lpp_sink_t *sink,
                                            apr_pool_t *scratch);
LPP_MUST_CHECK apr_status_t lpp_report_full(const lpp_report_full_t *full,
                                            const lpp_sink_t *sink,
                                            apr_pool_t *scratch);
LPP_MUST_CHECK apr_status_t lpp_report_compare(
    const lpp_report_compare_t *compare, const lpp_sink_t *sink,
    apr_pool_t *scratch);
LPP_MUST_CHECK apr_status_t lpp_report_missing(
    const lpp_report_frame_t *frame, const char *id, int damaged,
    const lpp_sink_t *sink, apr_pool_t *scratch);
LPP_MUST_CHECK apr_status_t lpp_report_open_again(
    const lpp_report_frame_t *frame, const char *path,
    const lpp_sink_t *sink, apr_pool_t *scratch);

#endif
