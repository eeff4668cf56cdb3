/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_buf: a bounded growing buffer, and the sink that all writers write to.
 *
 * A buffer keeps its first error, so that a writer may add many pieces and
 * check the status once. It never grows past its ceiling: an addition that
 * would make it grow past fails with APR_ENOSPC and leaves the content
 * unchanged.
 */
#ifndef LPP_BUF_H
#define LPP_BUF_H

#include <stdarg.h>

#include "base/lpp_base.h"

/* The output of a writer, which knows no path, descriptor or configuration. */
typedef struct lpp_sink_t {
    /* Writes all of data or fails; called from one thread at a time. */
    apr_status_t (*write)(void *baton, const char *data, apr_size_t len);
    void *baton; /* borrowed from the creator of the sink */
} lpp_sink_t;

typedef struct lpp_buf_t {
    char *data;           /* NUL-terminated once anything was added, or NULL */
    apr_size_t len;       /* without the NUL */
    apr_size_t allocated; /* of data */
    apr_size_t max_bytes; /* ceiling for len */
    apr_status_t status;  /* first error, sticky */
    apr_pool_t *pool;     /* owns data by a cleanup */
} lpp_buf_t;

/*
 * Make buf empty. Its memory comes from malloc and is freed when pool is
 * cleared, which also writes to *buf: buf must outlive pool. A buf on the stack
 * needs a pool that is destroyed before the function returns; everywhere else
 * use lpp_buf_create.
 * Signal-safe: no. Thread: any, one at a time.
 */
void lpp_buf_init(lpp_buf_t *buf, apr_pool_t *pool, apr_size_t max_bytes);

/*
 * Create an empty buffer in pool. Returns NULL if memory is short.
 * Signal-safe: no. Thread: any, one at a time.
 */
LPP_MUST_CHECK lpp_buf_t *lpp_buf_create(apr_pool_t *pool,
                                         apr_size_t max_bytes);

/*
 * Add bytes, a string (never NULL), one byte, printf output. Each returns
 * buf->status: APR_SUCCESS, APR_ENOSPC past the ceiling, APR_ENOMEM. A caller
 * may ignore the result and check buf->status once. Formats are APR's: no %g,
 * %e, %a, %ll, %z, %j, %t, nor a plain %p; halves are rounded up; numbers are
 * the same in every locale.
 * Signal-safe: no. Thread: any, one at a time.
 */
apr_status_t lpp_buf_add(lpp_buf_t *buf, const char *data, apr_size_t len);
apr_status_t lpp_buf_add_string(lpp_buf_t *buf, const char *string);
apr_status_t lpp_buf_add_byte(lpp_buf_t *buf, char byte);
apr_status_t lpp_buf_addf(lpp_buf_t *buf, const char *format, ...)
    LPP_FORMAT(2, 3);

/* Make it empty, clear its error; its memory stays for reuse.
 * Signal-safe: no. Thread: any, one at a time. */
void lpp_buf_reset(lpp_buf_t *buf);

/* A sink that adds to buf, valid as long as buf.
 * Signal-safe: yes. Thread: any. */
lpp_sink_t lpp_buf_sink(lpp_buf_t *buf);

/*
 * Write len bytes of data, or printf output (formats as above), to a sink.
 * Errors: those of the sink, APR_ENOMEM; APR_EINVAL where data is NULL.
 * Signal-safe: no. Thread: any, one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_sink_write(const lpp_sink_t *sink,
                                           const char *data, apr_size_t len);
LPP_MUST_CHECK apr_status_t lpp_sink_printf(const lpp_sink_t *sink,
                                            const char *format, ...)
    LPP_FORMAT(2, 3);

#endif
