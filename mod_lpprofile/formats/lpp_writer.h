/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_writer: writes a view as the bytes of one format.
 *
 * A writer gets const data and a sink; it knows no path and no configuration.
 */
#ifndef LPP_WRITER_H
#define LPP_WRITER_H

#include <apr_tables.h>

#include "base/lpp_buf.h"
#include "base/lpp_formats.h"
#include "names/lpp_view.h"

/* Write view to sink. Errors: those of the sink; APR_ENOMEM. */
typedef apr_status_t lpp_writer_fn(const lpp_view_t *view,
                                   const lpp_sink_t *sink,
                                   apr_pool_t *scratch);

/* One format; strings are static. */
typedef struct lpp_writer_t {
    lpp_format_e format;
    const char *action;       /* in the URL */
    const char *prefix;       /* of the file name */
    const char *suffix;
    const char *content_type;
    const char *command;      /* that opens it */
    lpp_writer_fn *write;     /* NULL: not in this build */
} lpp_writer_t;

/* The entry of a format; never NULL for a valid one.
 * Signal-safe: yes. Thread: any. */
const lpp_writer_t *lpp_writer_get(lpp_format_e format);

/*
 * Callgrind format 1 (events Wall CPU Samples), Python's marshalled pstats
 * (wall seconds), gzipped profile.proto, folded stacks (wall microseconds).
 * All of one view have the same totals.
 * Signal-safe: no. Thread: any.
 */
lpp_writer_fn lpp_write_callgrind;
lpp_writer_fn lpp_write_pstats;
lpp_writer_fn lpp_write_pprof;
lpp_writer_fn lpp_write_collapsed;

/* A comment in the head of a file: one line, no blanks at its ends. */
typedef struct lpp_writer_note_t {
    const char *name;  /* static */
    const char *value; /* never empty */
} lpp_writer_note_t;

/*
 * The comments on the request, and the sampling statistics, for the head of a
 * file: array of lpp_writer_note_t in pool; strings are in pool or those of
 * view.
 * Signal-safe: no. Thread: any.
 */
apr_array_header_t *lpp_writer_notes(const lpp_view_t *view,
                                     apr_pool_t *pool);

/* Why a profile ended before its request (lpp_stop_e), as static text.
 * Signal-safe: yes. Thread: any. */
const char *lpp_writer_cut_short(int why);

/* The count for readers that require at least 1: exact calls; if these are 0,
 * samples; else 1.
 * Signal-safe: yes. Thread: any. */
apr_uint64_t lpp_writer_count(apr_uint64_t calls, apr_uint64_t samples);

#endif
