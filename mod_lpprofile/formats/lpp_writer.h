/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_writer: a named profile as the bytes of one format.
 *
 * A writer gets const data and a sink; it knows no path and no configuration.
 * ../shared/formats.md holds what the readers of each format insist on.
 */
#ifndef LPP_WRITER_H
#define LPP_WRITER_H

#include <apr_tables.h>

#include "base/lpp_buf.h"
#include "base/lpp_formats.h"
#include "names/lpp_view.h"

/* Errors: those of the sink; APR_ENOMEM from scratch. */
typedef apr_status_t lpp_writer_fn(const lpp_view_t *view,
                                   const lpp_sink_t *sink,
                                   apr_pool_t *scratch);

/* What is known of one format; strings are static. */
typedef struct lpp_writer_t {
    lpp_format_e format;
    const char *action;       /* in the URL */
    const char *prefix;       /* of the file name */
    const char *suffix;
    const char *content_type;
    const char *command;      /* that opens it */
    lpp_writer_fn *write;     /* NULL: not in this build */
} lpp_writer_t;

/* The entry of a format; never NULL for a valid one. Thread: any. */
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
 * What each format with a head says of the request, and the sampling
 * statistics; array of lpp_writer_note_t in pool. Signal-safe: no. Thread: any.
 */
apr_array_header_t *lpp_writer_notes(const lpp_view_t *view,
                                     apr_pool_t *pool);

/* Why a profile ended before its request (lpp_stop_e), as words. */
const char *lpp_writer_cut_short(int why);

/* The count readers insist on: exact calls, else samples, at least 1. */
apr_uint64_t lpp_writer_count(apr_uint64_t calls, apr_uint64_t samples);

#endif
