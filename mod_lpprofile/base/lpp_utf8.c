/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_utf8: see lpp_utf8.h. */
#include "base/lpp_utf8.h"

static int is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The length in bytes of a character that begins with byte; 1 if byte begins no
 * longer character. */
static unsigned length_of(unsigned char byte)
{
    return byte < 0xc2 || byte > 0xf4 ? 1
           : byte < 0xe0              ? 2
           : byte < 0xf0              ? 3
                                      : 4;
}

unsigned lpp_utf8_read(const char *text, apr_uint32_t *character)
{
    static const apr_uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned len = length_of(bytes[0]), i;
    apr_uint32_t value = bytes[0];

    *character = LPP_UTF8_INVALID;
    if (len == 1) {
        *character = value < 0x80 ? value : LPP_UTF8_INVALID;
        return 1;
    }
    value &= 0x7fu >> len;
    /* The NUL is no continuation byte, so this never reads past it. */
    for (i = 1; i < len; i++) {
        if (!is_continuation(bytes[i])) {
            return i;
        }
        value = value << 6 | (bytes[i] & 0x3fu);
    }
    if (value >= least[len] && value <= 0x10ffff
        && (value < 0xd800 || value > 0xdfff)) {
        *character = value;
    }
    return len;
}

apr_size_t lpp_utf8_cut(const char *text, apr_size_t len)
{
    const unsigned char *bytes = (const unsigned char *)text;
    apr_size_t back;

    for (back = 1; back <= 3 && back <= len; back++) {
        if (!is_continuation(bytes[len - back])) {
            return length_of(bytes[len - back]) > back ? len - back : len;
        }
    }
    return len;
}

unsigned lpp_utf8_encode(apr_uint32_t character, unsigned char *to)
{
    if (character < 0x80) {
        to[0] = (unsigned char)character;
        return 1;
    }
    if (character < 0x800) {
        to[0] = (unsigned char)(0xc0 | character >> 6);
        to[1] = (unsigned char)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character >= 0xd800 && character <= 0xdfff) {
        to[0] = '?';
        return 1;
    }
    if (character < 0x10000) {
        to[0] = (unsigned char)(0xe0 | character >> 12);
        to[1] = (unsigned char)(0x80 | (character >> 6 & 0x3f));
        to[2] = (unsigned char)(0x80 | (character & 0x3f));
        return 3;
    }
    if (character > 0x10ffff) {
        to[0] = '?';
        return 1;
    }
    to[0] = (unsigned char)(0xf0 | character >> 18);
    to[1] = (unsigned char)(0x80 | (character >> 12 & 0x3f));
    to[2] = (unsigned char)(0x80 | (character >> 6 & 0x3f));
    to[3] = (unsigned char)(0x80 | (character & 0x3f));
    return 4;
}
