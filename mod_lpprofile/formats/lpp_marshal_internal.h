/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_marshal: values in Python's marshal format, version 2.
 *
 * Only what every Python from 3.8 on reads: no references, no interning. The
 * caller keeps containers whole: a dictionary is begun, gets a key and a value
 * each, and is ended; a tuple is followed by as many values as it said.
 * Errors stay in the buffer, as lpp_buf keeps them.
 */
#ifndef LPP_MARSHAL_INTERNAL_H
#define LPP_MARSHAL_INTERNAL_H

#include "base/lpp_buf.h"

/*
 * Signal-safe: no. Thread: any, one at a time a buffer.
 * string: valid UTF-8.
 */
void lpp_marshal_begin_dict(lpp_buf_t *buf);
void lpp_marshal_end_dict(lpp_buf_t *buf);
void lpp_marshal_tuple(lpp_buf_t *buf, unsigned count);
void lpp_marshal_integer(lpp_buf_t *buf, apr_uint64_t value);
void lpp_marshal_double(lpp_buf_t *buf, double value);
void lpp_marshal_string(lpp_buf_t *buf, const char *string);

#endif
