/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_marshal: values in Python's marshal format, version 2. Numbers are
 * little-endian on every machine.
 */
#include "formats/lpp_marshal_internal.h"

#include <string.h>

#define DIGIT_BITS 15 /* of Python's long integers */

/* count is at most eight. */
static void add_bytes(lpp_buf_t *buf, apr_uint64_t value, unsigned count)
{
    char bytes[8];
    unsigned i;

    for (i = 0; i < count; i++) {
        bytes[i] = (char)(value & 0xff);
        value >>= 8;
    }
    lpp_buf_add(buf, bytes, count);
}

void lpp_marshal_begin_dict(lpp_buf_t *buf)
{
    lpp_buf_add_byte(buf, '{');
}

void lpp_marshal_end_dict(lpp_buf_t *buf)
{
    lpp_buf_add_byte(buf, '0');
}

void lpp_marshal_tuple(lpp_buf_t *buf, unsigned count)
{
    lpp_buf_add_byte(buf, '(');
    add_bytes(buf, count, 4);
}

void lpp_marshal_integer(lpp_buf_t *buf, apr_uint64_t value)
{
    apr_uint64_t rest;
    unsigned digits = 0;

    if (value <= 0x7fffffff) {
        lpp_buf_add_byte(buf, 'i');
        add_bytes(buf, value, 4);
        return;
    }
    for (rest = value; rest != 0; rest >>= DIGIT_BITS) {
        digits++;
    }
    lpp_buf_add_byte(buf, 'l');
    add_bytes(buf, digits, 4);
    for (; digits > 0; digits--) {
        add_bytes(buf, value & ((1u << DIGIT_BITS) - 1), 2);
        value >>= DIGIT_BITS;
    }
}

void lpp_marshal_double(lpp_buf_t *buf, double value)
{
    apr_uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    lpp_buf_add_byte(buf, 'g');
    add_bytes(buf, bits, 8);
}

void lpp_marshal_string(lpp_buf_t *buf, const char *string)
{
    apr_size_t len = strlen(string);

    lpp_buf_add_byte(buf, 'u');
    add_bytes(buf, len, 4);
    lpp_buf_add(buf, string, len);
}
