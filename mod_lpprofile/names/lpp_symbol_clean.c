/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol_clean: names as they are promised to be, whatever bytes a symbol
 * table holds.
 */
#include <string.h>

#include "names/lpp_symbol_internal.h"

#define NAME_MAX_BYTES 1024u    /* C++ names know no end */

/* How many bytes of valid UTF-8 stand at text; 0: none. */
static unsigned utf8_len(const unsigned char *text)
{
    unsigned len, i;
    unsigned least;

    if (text[0] < 0x80) {
        return text[0] >= 0x20 && text[0] != 0x7f;
    }
    if (text[0] >= 0xc2 && text[0] <= 0xdf) {
        len = 2;
    }
    else if ((text[0] & 0xf0) == 0xe0) {
        len = 3;
    }
    else if (text[0] >= 0xf0 && text[0] <= 0xf4) {
        len = 4;
    }
    else {
        return 0;
    }
    least = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90 : 0x80;
    if (text[1] < least || (text[0] == 0xed && text[1] > 0x9f)
        || (text[0] == 0xf4 && text[1] > 0x8f)
        || (text[0] == 0xc2 && text[1] < 0xa0)) { /* C1 controls */
        return 0;
    }
    for (i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

char *lpp_symbol_clean(const char *text, apr_size_t len, apr_pool_t *pool)
{
    const unsigned char *from = (const unsigned char *)text;
    const unsigned char *end = from + len;
    char *copy, *to;

    if (len > NAME_MAX_BYTES) {
        end = from + NAME_MAX_BYTES;
    }
    copy = to = text ? apr_palloc(pool, (apr_size_t)(end - from) + 1) : NULL;
    if (!copy) {
        return NULL;
    }
    while (from < end) {
        unsigned step = utf8_len(from);

        if (step == 0 || step > (apr_size_t)(end - from)) {
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
