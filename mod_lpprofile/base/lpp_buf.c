/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_buf: see lpp_buf.h. Uses malloc: in a pool, each smaller copy of a
 * growing buffer would stay allocated.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_buf.h"

#define FIRST_BYTES 4096

static apr_status_t free_data(void *baton)
{
    lpp_buf_t *buf = baton;

    free(buf->data);
    buf->data = NULL;
    buf->len = buf->allocated = 0;
    return APR_SUCCESS;
}

/* Make room for more bytes and the NUL. */
static apr_status_t reserve(lpp_buf_t *buf, apr_size_t more)
{
    apr_size_t wanted, size;
    char *data;

    if (buf->status != APR_SUCCESS) {
        return buf->status;
    }
    if (more > buf->max_bytes - buf->len) {
        return buf->status = APR_ENOSPC;
    }
    wanted = buf->len + more + 1;
    if (wanted <= buf->allocated) {
        return APR_SUCCESS;
    }
    size = buf->allocated ? buf->allocated : FIRST_BYTES;
    while (size < wanted) {
        size *= 2;
    }
    data = realloc(buf->data, size);
    if (!data) {
        return buf->status = APR_ENOMEM;
    }
    buf->data = data;
    buf->allocated = size;
    return APR_SUCCESS;
}

void lpp_buf_init(lpp_buf_t *buf, apr_pool_t *pool, apr_size_t max_bytes)
{
    memset(buf, 0, sizeof(*buf));
    buf->pool = pool;
    buf->max_bytes = max_bytes;
    apr_pool_cleanup_register(pool, buf, free_data, apr_pool_cleanup_null);
}

lpp_buf_t *lpp_buf_create(apr_pool_t *pool, apr_size_t max_bytes)
{
    lpp_buf_t *buf = apr_palloc(pool, sizeof(*buf));

    if (buf) {
        lpp_buf_init(buf, pool, max_bytes);
    }
    return buf;
}

apr_status_t lpp_buf_add(lpp_buf_t *buf, const char *data, apr_size_t len)
{
    if (reserve(buf, len) == APR_SUCCESS) {
        if (len) {
            memcpy(buf->data + buf->len, data, len);
        }
        buf->len += len;
        buf->data[buf->len] = '\0';
    }
    return buf->status;
}

apr_status_t lpp_buf_add_string(lpp_buf_t *buf, const char *string)
{
    return lpp_buf_add(buf, string, strlen(string));
}

apr_status_t lpp_buf_add_byte(lpp_buf_t *buf, char byte)
{
    /* Fast path: callers add many single bytes, and few of them make it
     * grow. */
    if (buf->status == APR_SUCCESS && buf->len + 1 < buf->allocated
        && buf->len < buf->max_bytes) {
        buf->data[buf->len++] = byte;
        buf->data[buf->len] = '\0';
        return APR_SUCCESS;
    }
    return lpp_buf_add(buf, &byte, 1);
}

static apr_status_t add_va(lpp_buf_t *buf, const char *format, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = apr_vsnprintf(NULL, 0, format, args);
    if (reserve(buf, (apr_size_t)len) == APR_SUCCESS) {
        apr_vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (apr_size_t)len;
    }
    va_end(again);
    return buf->status;
}

apr_status_t lpp_buf_addf(lpp_buf_t *buf, const char *format, ...)
{
    va_list args;
    apr_status_t rv;

    va_start(args, format);
    rv = add_va(buf, format, args);
    va_end(args);
    return rv;
}

void lpp_buf_reset(lpp_buf_t *buf)
{
    buf->len = 0;
    buf->status = APR_SUCCESS;
    if (buf->data) {
        buf->data[0] = '\0';
    }
}

static apr_status_t write_to_buf(void *baton, const char *data, apr_size_t len)
{
    return lpp_buf_add(baton, data, len);
}

lpp_sink_t lpp_buf_sink(lpp_buf_t *buf)
{
    lpp_sink_t sink = {write_to_buf, buf};

    return sink;
}

apr_status_t lpp_sink_write(const lpp_sink_t *sink, const char *data,
                            apr_size_t len)
{
    if (!data) {
        return APR_EINVAL;
    }
    return len ? sink->write(sink->baton, data, len) : APR_SUCCESS;
}

/* The text, malloc'd, with its length in *len. NULL: no memory. */
static char *format_large(int *len, const char *format, va_list args)
{
    va_list again;
    char *large;

    va_copy(again, args);
    *len = apr_vsnprintf(NULL, 0, format, args);
    large = malloc((size_t)*len + 1);
    if (large) {
        apr_vsnprintf(large, (size_t)*len + 1, format, again);
    }
    va_end(again);
    return large;
}

apr_status_t lpp_sink_printf(const lpp_sink_t *sink, const char *format, ...)
{
    char small[512];
    char *large;
    va_list args, again;
    apr_status_t rv;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = apr_vsnprintf(small, sizeof(small), format, args);
    if ((size_t)len < sizeof(small) - 1) {
        rv = lpp_sink_write(sink, small, (apr_size_t)len);
    }
    else if (!(large = format_large(&len, format, again))) {
        rv = APR_ENOMEM;
    }
    else {
        rv = lpp_sink_write(sink, large, (apr_size_t)len);
        free(large);
    }
    va_end(again);
    va_end(args);
    return rv;
}
