/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol_internal: what lpp_symbol.c uses of lpp_symbol_clean.c.
 */
#ifndef LPP_SYMBOL_INTERNAL_H
#define LPP_SYMBOL_INTERNAL_H

#include "names/lpp_symbol.h"

/*
 * Copy len bytes of text into pool as a name for lpp_symbol_t: valid UTF-8
 * without control characters, "?" in place of each bad byte, cut at 1 kB. text
 * is NUL-terminated at or after len, or NULL. Returns NULL for NULL, and if
 * memory is short.
 * Signal-safe: no. Thread: any.
 */
char *lpp_symbol_clean(const char *text, apr_size_t len, apr_pool_t *pool);

#endif
