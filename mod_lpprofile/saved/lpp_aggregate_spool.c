/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_aggregate_spool: records, each with a head that has length and checksum,
 * and the table, compressed by zlib. They are written and read on one machine
 * by one build, in the machine's own number format. The head's mark lets a
 * reader find the next record after an incomplete one.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "saved/lpp_aggregate_internal.h"

#define MARK "\x89LPPsum\n"
#define MARK_LEN 8
#define SCAN_BYTES 65536

typedef struct head_t {
    char mark[MARK_LEN];
    apr_uint32_t packed_len;
    apr_uint32_t raw_len;
    apr_uint32_t check;    /* of the packed bytes and both lengths */
} head_t;

/* The fixed parts of the unpacked bytes. Each function is followed by file and
 * name, both with a NUL. */
typedef struct raw_counts_t {
    apr_uint32_t functions, edges;
} raw_counts_t;

typedef struct raw_function_t {
    apr_uint32_t file_len, name_len, line, unused;
    apr_uint64_t calls, self_us, total_us;
} raw_function_t;

static apr_uint32_t checksum(const head_t *head, const char *packed)
{
    uLong check = crc32(0, (const Bytef *)&head->packed_len,
                        2 * sizeof(apr_uint32_t));

    return (apr_uint32_t)crc32(check, (const Bytef *)packed,
                               head->packed_len);
}

static void encode(lpp_buf_t *out, const lpp_pstats_t *pstats)
{
    raw_counts_t counts = { pstats->function_count, pstats->edge_count };
    apr_uint32_t i;

    lpp_buf_add(out, (const char *)&counts, sizeof(counts));
    for (i = 0; i < pstats->function_count; i++) {
        const lpp_pstats_function_t *from = &pstats->functions[i];
        raw_function_t to = { (apr_uint32_t)strlen(from->file),
                              (apr_uint32_t)strlen(from->name), from->line, 0,
                              from->calls, from->self_us, from->total_us };

        lpp_buf_add(out, (const char *)&to, sizeof(to));
        lpp_buf_add(out, from->file, to.file_len + 1);
        lpp_buf_add(out, from->name, to.name_len + 1);
    }
    lpp_buf_add(out, (const char *)pstats->edges,
                pstats->edge_count * sizeof(*pstats->edges));
}

static apr_status_t write_once(int fd, const char *data, apr_size_t len)
{
    struct stat now;
    ssize_t written;

    if (fstat(fd, &now) != 0) {
        return errno;
    }
    if (now.st_size > LPP_AGGREGATE_SPOOL_MAX_BYTES) {
        return APR_ENOSPC;
    }
    do {
        written = write(fd, data, len);
    } while (written < 0 && errno == EINTR);
    if (written < 0) {
        return errno;
    }
    return (apr_size_t)written == len ? APR_SUCCESS : APR_ENOSPC;
}

apr_status_t lpp_aggregate_append(int fd, const lpp_pstats_t *pstats,
                                  apr_pool_t *scratch)
{
    apr_pool_t *pool;
    lpp_buf_t raw;
    head_t *head;
    char *record;
    uLongf packed_len;
    apr_status_t status;

    status = apr_pool_create(&pool, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_buf_init(&raw, pool, LPP_AGGREGATE_RECORD_MAX_BYTES);
    encode(&raw, pstats);
    status = raw.status;
    if (status != APR_SUCCESS) {
        goto leave;
    }
    packed_len = compressBound(raw.len);
    record = apr_palloc(pool, sizeof(*head) + packed_len);
    if (record == NULL
        || compress2((Bytef *)record + sizeof(*head), &packed_len,
                     (const Bytef *)raw.data, raw.len, 1) != Z_OK) {
        status = APR_ENOMEM;
        goto leave;
    }
    head = (head_t *)record;
    memcpy(head->mark, MARK, MARK_LEN);
    head->packed_len = (apr_uint32_t)packed_len;
    head->raw_len = (apr_uint32_t)raw.len;
    head->check = checksum(head, record + sizeof(*head));
    status = write_once(fd, record, sizeof(*head) + packed_len);

leave:
    apr_pool_destroy(pool);
    return status;
}

/* Read exactly len bytes at an offset; APR_EOF if there are fewer. */
static apr_status_t read_at(int fd, void *data, apr_size_t len,
                            apr_int64_t offset)
{
    apr_size_t have = 0;

    while (have < len) {
        ssize_t got = pread(fd, (char *)data + have, len - have,
                            offset + (apr_int64_t)have);

        if (got == 0) {
            return APR_EOF;
        }
        if (got < 0 && errno != EINTR) {
            return errno;
        }
        have += got > 0 ? (apr_size_t)got : 0;
    }
    return APR_SUCCESS;
}

/* Read and add one record. APR_SUCCESS: *len is its whole length; APR_EINVAL:
 * it is incomplete or damaged; APR_EOF: there is none. */
static apr_status_t read_record(lpp_aggregate_t *aggregate, int fd,
                                apr_int64_t offset, apr_size_t *len,
                                apr_pool_t *pool)
{
    lpp_pstats_t pstats;
    head_t head;
    char *packed, *raw;
    uLongf raw_len;
    apr_status_t status;

    status = read_at(fd, &head, sizeof(head), offset);
    if (status != APR_SUCCESS) {
        return status;
    }
    if (memcmp(head.mark, MARK, MARK_LEN) != 0
        || head.raw_len > LPP_AGGREGATE_RECORD_MAX_BYTES
        || head.packed_len > compressBound(LPP_AGGREGATE_RECORD_MAX_BYTES)) {
        return APR_EINVAL;
    }
    packed = apr_palloc(pool, head.packed_len + 1);
    raw = apr_palloc(pool, head.raw_len + 1);
    if (packed == NULL || raw == NULL) {
        return APR_ENOMEM;
    }
    status = read_at(fd, packed, head.packed_len,
                     offset + (apr_int64_t)sizeof(head));
    if (status != APR_SUCCESS) {
        return status == APR_EOF ? APR_EINVAL : status;
    }
    raw_len = head.raw_len;
    if (checksum(&head, packed) != head.check
        || uncompress((Bytef *)raw, &raw_len, (const Bytef *)packed,
                      head.packed_len) != Z_OK
        || raw_len != head.raw_len) {
        return APR_EINVAL;
    }
    status = lpp_aggregate_decode(&pstats, raw, raw_len, pool);
    if (status == APR_SUCCESS) {
        status = lpp_aggregate_add(aggregate, &pstats);
        *len = sizeof(head) + head.packed_len;
    }
    return status;
}

/* Move *offset to the next mark, or to the end of the file if there is none. */
static apr_status_t find_mark(int fd, apr_int64_t *offset, char *buffer)
{
    for (;;) {
        ssize_t got = pread(fd, buffer, SCAN_BYTES, *offset);
        const char *found;

        if (got < 0 && errno != EINTR) {
            return errno;
        }
        if (got < 0) {
            continue;
        }
        if (got < MARK_LEN) {
            *offset += got;
            return APR_SUCCESS;
        }
        found = memmem(buffer, (size_t)got, MARK, MARK_LEN);
        if (found != NULL) {
            *offset += found - buffer;
            return APR_SUCCESS;
        }
        *offset += got - MARK_LEN + 1;
    }
}

apr_status_t lpp_aggregate_read(lpp_aggregate_t *aggregate, int fd)
{
    apr_pool_t *pool;
    char *buffer;
    apr_int64_t offset = 0;
    apr_status_t status;

    /* This pool has no parent: if the process was forked while another thread
     * destroyed a pool, the locks of the other pools may stay locked. */
    status = apr_pool_create_unmanaged_ex(&pool, NULL, NULL);
    if (status != APR_SUCCESS) {
        return status;
    }
    for (;;) {
        apr_size_t len = 0;

        apr_pool_clear(pool);
        status = read_record(aggregate, fd, offset, &len, pool);
        if (status == APR_SUCCESS) {
            offset += (apr_int64_t)len;
            continue;
        }
        if (status == APR_EINVAL || status == APR_EOF) {
            apr_int64_t from = offset;

            /* At APR_EOF there may be fewer bytes than a head: skip them,
             * too. */
            apr_pool_clear(pool);
            buffer = apr_palloc(pool, SCAN_BYTES);
            if (status == APR_EINVAL) {
                offset++;
            }
            status = buffer ? find_mark(fd, &offset, buffer) : APR_ENOMEM;
            lpp_aggregate_skip(aggregate, (apr_uint64_t)(offset - from));
            if (status == APR_SUCCESS && offset != from) {
                continue;
            }
        }
        break;
    }
    apr_pool_destroy(pool);
    return status;
}

/* Read a string of len bytes and a NUL at *at, and move *at past it. NULL: it
 * is not valid. */
static char *take_string(char **at, const char *end, apr_uint32_t len)
{
    char *string = *at;

    if ((apr_size_t)(end - *at) <= len || string[len] != '\0'
        || strlen(string) != len) {
        return NULL;
    }
    *at += (apr_size_t)len + 1;
    return string;
}

static apr_status_t decode_functions(lpp_pstats_function_t *functions,
                                     apr_uint32_t count, char **at,
                                     const char *end)
{
    apr_uint32_t i;

    for (i = 0; i < count; i++) {
        lpp_pstats_function_t *to = &functions[i];
        raw_function_t from;

        if ((apr_size_t)(end - *at) < sizeof(from)) {
            return APR_EINVAL;
        }
        memcpy(&from, *at, sizeof(from));
        *at += sizeof(from);
        to->file = take_string(at, end, from.file_len);
        to->name = to->file ? take_string(at, end, from.name_len) : NULL;
        if (to->name == NULL) {
            return APR_EINVAL;
        }
        to->line = from.line;
        to->calls = from.calls;
        to->self_us = from.self_us;
        to->total_us = from.total_us;
    }
    return APR_SUCCESS;
}

apr_status_t lpp_aggregate_decode(lpp_pstats_t *pstats, char *bytes,
                                  apr_size_t len, apr_pool_t *pool)
{
    char *at = bytes;
    const char *end = bytes + len;
    lpp_pstats_function_t *functions;
    lpp_pstats_edge_t *edges;
    raw_counts_t counts;
    apr_uint32_t i;

    if (len < sizeof(counts)) {
        return APR_EINVAL;
    }
    memcpy(&counts, at, sizeof(counts));
    at += sizeof(counts);
    if (counts.functions == 0 || counts.functions > len / sizeof(raw_function_t)
        || counts.edges > len / sizeof(*edges)) {
        return APR_EINVAL;
    }
    functions = apr_palloc(pool, counts.functions * sizeof(*functions));
    edges = apr_palloc(pool, (counts.edges + 1) * sizeof(*edges));
    if (functions == NULL || edges == NULL) {
        return APR_ENOMEM;
    }
    if (decode_functions(functions, counts.functions, &at, end) != APR_SUCCESS
        || (apr_size_t)(end - at) != counts.edges * sizeof(*edges)) {
        return APR_EINVAL;
    }
    memcpy(edges, at, counts.edges * sizeof(*edges));
    for (i = 0; i < counts.edges; i++) {
        if (edges[i].caller >= counts.functions
            || edges[i].callee >= counts.functions) {
            return APR_EINVAL;
        }
    }
    pstats->functions = functions;
    pstats->function_count = counts.functions;
    pstats->edges = edges;
    pstats->edge_count = counts.edges;
    return APR_SUCCESS;
}
