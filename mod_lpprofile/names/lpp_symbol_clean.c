/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol_clean: makes valid text of a name, since a symbol table may have
 * any bytes.
 */
#include <string.h>

#include "base/lpp_utf8.h"
#include "names/lpp_symbol_internal.h"

#define NAME_MAX_BYTES 1024u /* C++ names have no limit of their own */

char *lpp_symbol_clean(const char *text, apr_size_t len, apr_pool_t *pool)
{
    const char *from = text, *end = from + len;
    char *copy, *to;

    if (len > NAME_MAX_BYTES) {
        end = from + NAME_MAX_BYTES;
    }
    copy = to = text ? apr_palloc(pool, (apr_size_t)(end - from) + 1) : NULL;
    if (!copy) {
        return NULL;
    }
    while (from < end) {
        apr_uint32_t c;
        unsigned step = lpp_utf8_read(from, &c);

        if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == LPP_UTF8_INVALID
            || step > (apr_size_t)(end - from)) {
            *to++ = '?';
            from++;
            continue;
        }
        memcpy(to, from, step);
        to += step;
        from += step;
    }
    *to = '\0';
    return copy;
}
