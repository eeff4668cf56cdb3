/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_escape: any bytes, escaped, are ASCII without markup, and every "&"
 * begins a decimal character reference that XML allows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report/lpp_report.h"

#define OUT_BYTES (10 * 65536)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct out_t {
    char *data;
    size_t len;
} out_t;

static apr_status_t take(void *baton, const char *data, apr_size_t len)
{
    out_t *out = baton;

    if (len > OUT_BYTES - 1 - out->len) {
        return APR_ENOSPC;
    }
    memcpy(out->data + out->len, data, len);
    out->len += len;
    return APR_SUCCESS;
}

static void check_reference(const char **at)
{
    char *end;
    long c = strtol(*at + 2, &end, 10);

    if ((*at)[1] != '#' || end == *at + 2 || *end != ';' || c < 0x20
        || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000)
        || c > 0x10ffff || (c & 0xfffe) == 0xfffe) {
        abort();
    }
    *at = end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    out_t out = {malloc(OUT_BYTES), 0};
    lpp_sink_t sink = {take, &out};
    char *text = malloc(size + 1);
    const char *at;

    if (out.data && text && size <= 65536) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (lpp_report_escape(&sink, text) != APR_SUCCESS) {
            abort();
        }
        out.data[out.len] = '\0';
        if (strlen(out.data) != out.len) {
            abort();
        }
        for (at = out.data; *at; at++) {
            if (*at == '&') {
                check_reference(&at);
            }
            else if (strchr("<>\"'", *at) || (unsigned char)*at > 0x7e
                     || ((unsigned char)*at < 0x20 && *at != '\n'
                         && *at != '\t')) {
                abort();
            }
        }
    }
    free(text);
    free(out.data);
    return 0;
}
