/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_utf8: writes UTF-8, and reads text of it that may be invalid: a path, a
 * header, an SQL statement or a symbol's name can hold any bytes.
 */
#ifndef LPP_UTF8_H
#define LPP_UTF8_H

#include "base/lpp_base.h"

#define LPP_UTF8_INVALID APR_UINT32_MAX /* no character has this number */

/*
 * Read the character that text (NUL-terminated, not NULL, not empty) begins
 * with. *character is LPP_UTF8_INVALID if it is not valid (overlong, a
 * surrogate, past U+10FFFF, incomplete). Returns its length in bytes; for an
 * invalid one, the number of bytes that a reader replaces together, at least 1.
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_utf8_read(const char *text, apr_uint32_t *character);

/*
 * Write a character to to, at most 4 bytes, without a NUL; '?' for one that
 * UTF-8 does not have. Returns the number of bytes.
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_utf8_encode(apr_uint32_t character, unsigned char *to);

/*
 * Where to cut text at len bytes at most: len, less the bytes of an incomplete
 * character at the end. At most three bytes less than len.
 * Signal-safe: yes. Thread: any.
 */
apr_size_t lpp_utf8_cut(const char *text, apr_size_t len);

#endif
