/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_text: what the encoders of an OOPS share about text: nothing
 * promises that a header, a path or a log message is valid UTF-8.
 */
#ifndef LPP_OOPS_TEXT_H
#define LPP_OOPS_TEXT_H

#include "lpp_base.h"

/*
 * Bytes of the UTF-8 character that text (NUL-terminated, not empty) begins
 * with, and the character; 0 where it begins with no valid one (overlong,
 * surrogate, past U+10FFFF, cut).
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_oops_read_utf8(const char *text, apr_uint32_t *character);

#endif
