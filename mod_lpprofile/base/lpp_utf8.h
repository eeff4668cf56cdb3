/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_utf8: characters of UTF-8, in text that need not be valid: nothing
 * promises that a path, a header, a statement or a symbol's name is.
 */
#ifndef LPP_UTF8_H
#define LPP_UTF8_H

#include "base/lpp_base.h"

#define LPP_UTF8_INVALID APR_UINT32_MAX /* no character has this number */

/*
 * The character that text (NUL-terminated, not NULL, not empty) begins with.
 * Where that is no valid one (overlong, a surrogate, past U+10FFFF, cut),
 * *character is LPP_UTF8_INVALID. Returns the bytes that it takes, or, of an
 * invalid one, those that a reader which replaces it passes over; at least 1.
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_utf8_read(const char *text, apr_uint32_t *character);

/*
 * The length of the first len bytes of text without the character that is not
 * complete in them, if the last one is not: where a text that is too long is
 * cut. At most three bytes less than len.
 * Signal-safe: yes. Thread: any.
 */
apr_size_t lpp_utf8_cut(const char *text, apr_size_t len);

#endif
