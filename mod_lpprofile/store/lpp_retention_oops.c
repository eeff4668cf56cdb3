/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention_oops: opens an OOPS to see whether it reports a failure. Two
 * fields are read: informational, and the branch, which is this module's name
 * where this module wrote it; other programs may store their OOPSes in the same
 * directory under similar names.
 */
#include <stdlib.h>
#include <string.h>

#include <bson/bson.h>

#include "store/lpp_retention_scan_internal.h"

/* In rfc822 the two headers come after value and URL, which have limits of
 * their own; a bson document is read as a whole. */
#define RFC822_MAX_BYTES (256 * 1024)
#define BSON_MAX_BYTES (64 * 1024 * 1024)
#define BSON_MIN_BYTES 5

/* The value of a header, or NULL; *len gets its length. */
static const char *find_header(const char *text, const char *name,
                               apr_size_t *len)
{
    apr_size_t name_len = strlen(name);

    while (*text && *text != '\n') {
        apr_size_t line = strcspn(text, "\n");

        if (line > name_len + 2 && strncmp(text, name, name_len) == 0
            && strncmp(text + name_len, ": ", 2) == 0) {
            *len = line - name_len - 2;
            return text + name_len + 2;
        }
        text += line + (text[line] == '\n');
    }
    return NULL;
}

static int header_is(const char *text, const char *name, const char *value)
{
    apr_size_t len = 0;
    const char *found = find_header(text, name, &len);

    return found && len == strlen(value) && memcmp(found, value, len) == 0;
}

static lpp_retention_kind_e kind_of_rfc822(const char *text)
{
    if (strncmp(text, "Oops-Id: ", 9) != 0
        || !header_is(text, "Branch", LPP_NAME)) {
        return LPP_RETENTION_FOREIGN;
    }
    if (header_is(text, "Informational", "True")) {
        return LPP_RETENTION_INFORMATIONAL;
    }
    return header_is(text, "Informational", "False") ? LPP_RETENTION_FAILURE
                                                     : LPP_RETENTION_FOREIGN;
}

static lpp_retention_kind_e kind_of_bson(const char *data, apr_size_t len)
{
    bson_iter_t branch, informational;
    bson_t document;

    if (!bson_init_static(&document, (const uint8_t *)data, len)
        || !bson_iter_init_find(&branch, &document, "branch_nick")
        || !BSON_ITER_HOLDS_UTF8(&branch)
        || strcmp(bson_iter_utf8(&branch, NULL), LPP_NAME) != 0
        || !bson_iter_init_find(&informational, &document, "informational")
        || !BSON_ITER_HOLDS_BOOL(&informational)) {
        return LPP_RETENTION_FOREIGN;
    }
    return bson_iter_bool(&informational) ? LPP_RETENTION_INFORMATIONAL
                                          : LPP_RETENTION_FAILURE;
}

/* A bson document begins with its own length. */
static int is_bson(const unsigned char *head, apr_off_t bytes)
{
    return bytes >= BSON_MIN_BYTES
           && (apr_off_t)(head[0] | head[1] << 8 | head[2] << 16
                          | (apr_uint32_t)head[3] << 24)
                  == bytes;
}

static lpp_retention_kind_e read_kind(apr_file_t *from, apr_off_t bytes)
{
    unsigned char head[4] = {0};
    apr_off_t start = 0;
    apr_size_t len = 0, wanted;
    lpp_retention_kind_e kind = LPP_RETENTION_FOREIGN;
    char *data;
    int bson;

    if (apr_file_read_full(from, head, sizeof(head), NULL) != APR_SUCCESS
        || apr_file_seek(from, APR_SET, &start) != APR_SUCCESS) {
        return LPP_RETENTION_FOREIGN;
    }
    bson = is_bson(head, bytes);
    if (bson && bytes > BSON_MAX_BYTES) {
        return LPP_RETENTION_FOREIGN;
    }
    wanted = bson || bytes < RFC822_MAX_BYTES ? (apr_size_t)bytes
                                              : RFC822_MAX_BYTES;
    data = malloc(wanted + 1);
    if (!data) {
        return LPP_RETENTION_FOREIGN;
    }
    apr_file_read_full(from, data, wanted, &len);
    data[len] = '\0';
    if (!bson) {
        kind = kind_of_rfc822(data);
    }
    else if (len == wanted) {
        kind = kind_of_bson(data, len);
    }
    free(data);
    return kind;
}

lpp_retention_kind_e lpp_retention_read_oops(const lpp_retention_file_t *file,
                                   apr_pool_t *scratch)
{
    lpp_retention_kind_e kind = LPP_RETENTION_FOREIGN;
    apr_file_t *from;

    if (lpp_store_open_file(file->store, file->part, file->name, &from,
                            scratch)
        == APR_SUCCESS) {
        kind = read_kind(from, file->bytes);
    }
    apr_pool_clear(scratch);
    return kind;
}
