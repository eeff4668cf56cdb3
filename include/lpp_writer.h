/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_writer: a named profile as the bytes of one format.
 *
 * A writer gets const data and a sink; it knows no path and no configuration.
 * ../shared/formats.md holds what the readers of each format insist on.
 */
#ifndef LPP_WRITER_H
#define LPP_WRITER_H

#include "lpp_buf.h"
#include "lpp_formats.h"
#include "lpp_view.h"

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

/* Callgrind format 1, see valgrind's cl-format; events Wall CPU Samples. */
lpp_writer_fn lpp_write_callgrind;

#endif
