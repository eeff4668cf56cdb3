/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_text: what this room's files share about text: names and values that
 * are hidden.
 */
#ifndef LPP_OOPS_TEXT_INTERNAL_H
#define LPP_OOPS_TEXT_INTERNAL_H

#include "oops/lpp_oops.h"

/*
 * lpp_oops_is_sensitive of len bytes; and whether the name is one of Cookie,
 * Authorization and the like or of LPOopsHide, not hidden for a word in it.
 * Signal-safe: yes. Thread: any.
 */
int lpp_oops_hides_name(const char *name, apr_size_t len,
                        const lpp_oops_hidden_t *hidden);
int lpp_oops_hides_header(const char *name, apr_size_t len,
                          const lpp_oops_hidden_t *hidden);

/* Whether value is one of hidden's. Signal-safe: yes. Thread: any. */
int lpp_oops_hides_value(const char *value, apr_size_t len,
                         const lpp_oops_hidden_t *hidden);

/*
 * Where a value stands in text from on, as a word of its own; len: nowhere.
 * Signal-safe: yes. Thread: any.
 */
apr_size_t lpp_oops_find_value(const char *text, apr_size_t len,
                               apr_size_t from,
                               const lpp_oops_value_t *value);

#endif
