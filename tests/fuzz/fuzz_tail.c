/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tail: any bytes in any pieces against a search that sees the whole
 * stream. The first byte seeds how the rest is cut. Inputs are small, so that
 * the ceiling never counts here (test_tail has it).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lpp_tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the last tag begins, or len: written to be read, not to be fast. */
static size_t last_tag(const char *text, size_t len)
{
    size_t at, end, found = len;

    for (at = 0; at + 7 <= len; at++) {
        if (strncasecmp(text + at, "</body", 6)) {
            continue;
        }
        for (end = at + 6; end < len && text[end]
             && strchr(" \t\r\n\f", text[end]); end++) {
        }
        if (end < len && text[end] == '>') {
            found = at;
        }
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text;
    lpp_tail_t tail;
    size_t at = 0, passed = 0, expected;
    unsigned seed;

    if (size < 1 || size > LPP_TAIL_MAX_BYTES / 2) {
        return 0;
    }
    seed = data[0];
    text = (const char *)data + 1;
    size--;
    lpp_tail_init(&tail);
    while (at < size) {
        size_t piece = 1 + (seed >> 16) % 9;

        seed = seed * 1103515245u + 12345u;
        piece = piece < size - at ? piece : size - at;
        passed += lpp_tail_feed(&tail, text + at, piece);
        at += piece;
        if (passed + tail.held != at) {
            abort(); /* bytes lost or made up */
        }
    }
    expected = last_tag(text, size);
    if (lpp_tail_end(&tail) != (expected < size)
        || (expected < size && passed != expected)) {
        abort();
    }
    return 0;
}
