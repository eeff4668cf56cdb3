/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_text: what this room's files share about text: names that are
 * hidden, and UTF-8, since nothing promises that a header, a path or a log
 * message is valid.
 */
#ifndef LPP_OOPS_TEXT_H
#define LPP_OOPS_TEXT_H

#include <apr_tables.h>

#include "lpp_base.h"

/*
 * lpp_oops_is_sensitive of len bytes; and whether the name is hidden because it
 * is one of the list or of more_hidden, not for a word in it.
 * Signal-safe: yes. Thread: any.
 */
int lpp_oops_hides_name(const char *name, apr_size_t len,
                        const apr_array_header_t *more_hidden);
int lpp_oops_hides_whole_name(const char *name, apr_size_t len,
                              const apr_array_header_t *more_hidden);

/*
 * Bytes of the UTF-8 character that text (NUL-terminated, not empty) begins
 * with, and the character; 0 where it begins with no valid one (overlong,
 * surrogate, past U+10FFFF, cut).
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_oops_read_utf8(const char *text, apr_uint32_t *character);

#endif
