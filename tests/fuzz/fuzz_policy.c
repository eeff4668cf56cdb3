/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_policy: any page's head, in any pieces: what is found does not depend
 * on how it is cut, and what names no content forbids nothing. The first byte
 * seeds the cut, and whether it is XHTML.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "parse/lpp_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int names_content(const char *text, size_t len)
{
    size_t at;

    for (at = 0; at + 7 <= len; at++) {
        size_t i = 0;

        while (i < 7 && (text[at + i] | 0x20) == "content"[i]) {
            i++;
        }
        if (i == 7) {
            return 1;
        }
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *pool;
    lpp_policy_head_t whole, cut;
    const char *text = (const char *)data + 1;
    size_t at = 0;
    unsigned seed;

    if (size < 1) {
        return 0;
    }
    if (!pool) {
        apr_initialize();
        if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
            abort();
        }
    }
    seed = data[0];
    size--;
    lpp_policy_head_init(&whole, seed & 1, pool);
    lpp_policy_head_feed(&whole, text, size);
    lpp_policy_head_init(&cut, seed & 1, pool);
    while (at < size) {
        size_t piece = 1 + (seed >> 16) % 9;

        seed = seed * 1103515245u + 12345u;
        piece = piece < size - at ? piece : size - at;
        lpp_policy_head_feed(&cut, text + at, piece);
        at += piece;
    }
    if (whole.forbidden != cut.forbidden || whole.done != cut.done
        || (whole.forbidden && size < LPP_POLICY_META_MAX_BYTES
            && !names_content(text, size))) {
        abort();
    }
    apr_pool_clear(pool);
    return 0;
}
