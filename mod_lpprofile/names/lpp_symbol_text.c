/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol_text: a stack as people know it from Python.
 */
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "names/lpp_symbol_internal.h"

const char *lpp_symbols_traceback(lpp_symbols_t *symbols,
                                  const lpp_pc_t *frames, unsigned count,
                                  apr_pool_t *pool)
{
    apr_array_header_t *lines;
    lpp_symbol_t symbol;
    unsigned i;

    if (count == 0) {
        return "";
    }
    lines = apr_array_make(pool, (int)count + 1, sizeof(const char *));
    APR_ARRAY_PUSH(lines, const char *) =
        "Traceback (most recent call last):\n";
    for (i = count; i-- > 0;) {
        lpp_symbols_resolve(symbols, frames[i], &symbol);
        lpp_symbols_add_line(symbols, &symbol);
        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(
            pool, "  File \"%s\", line %u, in %s\n",
            symbol.file ? symbol.file : symbol.object, symbol.line,
            symbol.name);
    }
    return apr_array_pstrcat(pool, lines, '\0');
}
