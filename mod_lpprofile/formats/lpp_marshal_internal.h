/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_marshal: values in Python's marshal format, version 2.
 *
 * Only values that every Python from 3.8 on reads: no references, no interning.
 * The caller must keep containers complete: a dictionary is begun, gets pairs
 * of a key and a value, and is ended; a tuple is followed by as many values as
 * its count. Errors stay in the buffer (lpp_buf.status).
 */
#ifndef LPP_MARSHAL_INTERNAL_H
#define LPP_MARSHAL_INTERNAL_H

#include "base/lpp_buf.h"

/*
 * Add a value to buf (not NULL). string is valid UTF-8 and not NULL.
 * Errors: those of lpp_buf, in buf->status.
 * Signal-safe: no. Thread: any, one at a time a buffer.
 */
void lpp_marshal_begin_dict(lpp_buf_t *buf);
void lpp_marshal_end_dict(lpp_buf_t *buf);
void lpp_marshal_tuple(lpp_buf_t *buf, unsigned count);
void lpp_marshal_integer(lpp_buf_t *buf, apr_uint64_t value);
void lpp_marshal_double(lpp_buf_t *buf, double value);
void lpp_marshal_string(lpp_buf_t *buf, const char *string);

#endif
