/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_text_internal: sensitive names and values, for the files that mask.
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
 * The place of value in text, from byte from on, as a whole word; len: none.
 * Signal-safe: yes. Thread: any.
 */
apr_size_t lpp_oops_find_value(const char *text, apr_size_t len,
                               apr_size_t from,
                               const lpp_oops_value_t *value);

#endif
