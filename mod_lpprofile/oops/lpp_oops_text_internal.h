/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_text_internal: tests for sensitive names and values.
 */
#ifndef LPP_OOPS_TEXT_INTERNAL_H
#define LPP_OOPS_TEXT_INTERNAL_H

#include "oops/lpp_oops.h"

/*
 * hides_name: lpp_oops_is_sensitive of a name of len bytes. hides_header:
 * whether the whole name is that of a sensitive header (Cookie, Authorization),
 * or one of LPOopsHide. hidden may be NULL.
 * Signal-safe: yes. Thread: any.
 */
int lpp_oops_hides_name(const char *name, apr_size_t len,
                        const lpp_oops_hidden_t *hidden);
int lpp_oops_hides_header(const char *name, apr_size_t len,
                          const lpp_oops_hidden_t *hidden);

/* Whether value is one of hidden's values. Signal-safe: yes. Thread: any. */
int lpp_oops_hides_value(const char *value, apr_size_t len,
                         const lpp_oops_hidden_t *hidden);

/*
 * The position of value as a whole word in text, from byte from on; len: it is
 * not there.
 * Signal-safe: yes. Thread: any.
 */
apr_size_t lpp_oops_find_value(const char *text, apr_size_t len,
                               apr_size_t from,
                               const lpp_oops_value_t *value);

#endif
