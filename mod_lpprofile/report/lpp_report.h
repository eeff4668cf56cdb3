/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report: profile, names and OOPS as HTML.
 *
 * All output is ASCII, with character references for other characters, so that
 * it fits into a page of any ASCII-compatible charset, and well-formed as
 * XHTML. One function escapes all text. It uses no request, path or
 * configuration other than what lpp_report_t contains.
 */
#ifndef LPP_REPORT_H
#define LPP_REPORT_H

#include "base/lpp_buf.h"
#include "base/lpp_memory.h"
#include "oops/lpp_oops.h"
#include "sql/lpp_sqlview.h"
#include "parse/lpp_trigger.h"
#include "profile/lpp_regions.h"
#include "names/lpp_view.h"
#include "formats/lpp_writer.h"

/* A file that was or will be written. */
typedef struct lpp_report_file_t {
    lpp_format_e format;
    const char *path;   /* whole path, as it is shown */
} lpp_report_file_t;

typedef struct lpp_report_t {
    apr_uint32_t actions;       /* what the URL asked for */
    apr_uint32_t formats;
    const char *example_url;    /* path of the page without segment, decoded
                                   and masked; NULL: "/" */
    const char *oops_id;        /* or NULL where nothing was profiled */
    const char *oops_path;      /* where the OOPS goes, or NULL */
    const lpp_oops_t *oops;     /* or NULL: nothing was profiled */
    const lpp_view_t *view;     /* or NULL */
    const lpp_sqlview_t *sql;   /* or NULL: it was not asked for */
    const lpp_report_file_t *files;
    int file_count;
    int all_requests;           /* LPProfileAllRequests is on */
    int provisional;            /* a snapshot in the page, not the final
                                   profile */
    const lpp_memory_sizes_t *memory; /* two: at the start and now; or NULL */
    apr_uint32_t inline_count;  /* individual profiles of an inline request */
    int inline_ignored;         /* regions were ignored within a full profile */
    const lpp_region_sum_t *regions; /* inline ones */
    apr_uint32_t region_count;
    const char *const *notices; /* sentences, NULL-terminated, or NULL */
    apr_interval_time_t waited_us; /* for the gate; not in the profile */
    int styled;                 /* 0: the CSP forbids inline style, so none is
                                   written */
    int xhtml;                  /* well-formed XML, no shadow DOM */
    int full;                   /* sections of the module's own page: functions
                                   are links, the flame graph has more detail */
} lpp_report_t;

/*
 * The block that goes before </body>.
 * Errors: those of the sink; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_report_block(const lpp_report_t *report,
                                             const lpp_sink_t *sink,
                                             apr_pool_t *scratch);

/* One row of "settings in force". */
typedef struct lpp_report_setting_t {
    const char *directive;
    const char *value;
} lpp_report_setting_t;

/* The content of the page /++profile++. */
typedef struct lpp_report_home_t {
    const char *host;
    const char *nonce;   /* of the page's own CSP, for its <style>; NULL:
                            none */
    const lpp_report_setting_t *settings;
    int setting_count;
    const apr_array_header_t *latest; /* lpp_report_latest_t, or NULL */
} lpp_report_home_t;

typedef struct lpp_report_latest_t {
    apr_time_t start;
    const char *page_id;
    const char *oops_id;
    apr_uint64_t wall_us;
    apr_off_t bytes;      /* of all files of this profile */
} lpp_report_latest_t;

/*
 * Write the whole page /++profile++. Errors: those of the sink.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_report_home(const lpp_report_home_t *home,
                                            const lpp_sink_t *sink,
                                            apr_pool_t *scratch);

/*
 * Write text for HTML text and quoted attributes: & < > " ' are escaped, other
 * characters than ASCII become character references, invalid UTF-8 and control
 * characters (but tab and newline) become U+FFFD. NULL writes nothing.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_report_escape(const lpp_sink_t *sink,
                                              const char *text);

#endif
