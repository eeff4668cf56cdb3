/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of lpp_symbol share: _text (names as text) and lpp_symbol.
 */
#ifndef LPP_SYMBOL_INTERNAL_H
#define LPP_SYMBOL_INTERNAL_H

#include "names/lpp_symbol.h"

/* A copy of len bytes of text as names are promised to be: valid UTF-8, no
 * controls, bounded. NULL where text is, and where memory is short. */
char *lpp_symbol_clean(const char *text, apr_size_t len, apr_pool_t *pool);

#endif
