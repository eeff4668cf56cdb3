/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol_internal: text that is safe to show: lpp_symbol_clean.c, and what
 * lpp_pagecode.c adds to it.
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

/*
 * The same for what comes from outside of the program, without what a writer or
 * a terminal would take for something else: ';' separates frames of collapsed
 * stacks; "(1)" at the start of a name is a number to callgrind's readers;
 * some characters change the direction of text.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_pagecode_clean(const char *text, apr_pool_t *pool);

#endif
