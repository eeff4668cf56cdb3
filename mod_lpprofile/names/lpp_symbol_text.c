/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_symbol_text: the text of names: made valid, whatever bytes a symbol table
 * holds, and a stack of them as Python prints one.
 */
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/lpp_utf8.h"
#include "names/lpp_symbol_internal.h"

#define NAME_MAX_BYTES 1024u /* C++ names have no limit of their own */

char *lpp_symbol_clean(const char *text, apr_size_t len, apr_pool_t *pool)
{
    const char *from = text, *end = from + len;
    char *copy, *to;

    if (len > NAME_MAX_BYTES) {
        end = from + NAME_MAX_BYTES;
    }
    copy = to = text ? apr_palloc(pool, (apr_size_t)(end - from) + 1) : NULL;
    if (!copy) {
        return NULL;
    }
    while (from < end) {
        apr_uint32_t c;
        unsigned step = lpp_utf8_read(from, &c);

        if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == LPP_UTF8_INVALID
            || step > (apr_size_t)(end - from)) {
            *to++ = '?';
            from++;
            continue;
        }
        memcpy(to, from, step);
        to += step;
        from += step;
    }
    *to = '\0';
    return copy;
}

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
