/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_traceback: a stack as the text of a traceback (lpp_symbols_traceback,
 * lpp_symbols_page_traceback).
 *
 * The page functions come first, one part for each language, in the form and
 * order that its own tracebacks have, so that the page's author can read it;
 * then the whole stack.
 */
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "names/lpp_symbol.h"

/* A traceback in progress. */
typedef struct writer_t {
    lpp_symbols_t *symbols;
    const lpp_pc_t *frames; /* leaf first */
    unsigned count;
    apr_pool_t *pool;
    apr_array_header_t *lines; /* const char * */
} writer_t;

static void add(writer_t *writer, const char *line)
{
    APR_ARRAY_PUSH(writer->lines, const char *) = line;
}

/* The number of the next frame of that language from frame i outwards, and its
 * symbol; count: there is none. */
static unsigned next_frame(const writer_t *writer, unsigned i,
                           lpp_language_e language, lpp_symbol_t *symbol)
{
    for (; i < writer->count; i++) {
        if (LPP_PC_IS_PAGE(writer->frames[i])) {
            lpp_symbols_resolve(writer->symbols, writer->frames[i], symbol);
            if (symbol->language == language) {
                return i;
            }
        }
    }
    return i;
}

static unsigned line_of(const writer_t *writer, unsigned i,
                        const lpp_symbol_t *symbol)
{
    unsigned line = LPP_PC_IS_PAGE(writer->frames[i])
        ? LPP_PAGE_LINE(writer->frames[i]) : 0;

    return line != 0 ? line : symbol->line;
}

/* The outermost frame first, each with the line that it was at. */
static void add_python(writer_t *writer)
{
    lpp_symbol_t symbol;
    unsigned i = writer->count;

    add(writer, "Traceback of the Python code (most recent call last):\n");
    while (i-- > 0) {
        if (next_frame(writer, i, LPP_LANGUAGE_PYTHON, &symbol) == i) {
            add(writer, apr_psprintf(writer->pool,
                                     "  File \"%s\", line %u, in %s\n",
                                     symbol.file, line_of(writer, i, &symbol),
                                     symbol.name));
        }
    }
}

/* The innermost frame first, each with the line that it was at. */
static void add_lua(writer_t *writer)
{
    lpp_symbol_t symbol;
    unsigned i = 0;

    add(writer, "Traceback of the Lua code:\n");
    while ((i = next_frame(writer, i, LPP_LANGUAGE_LUA, &symbol))
           < writer->count) {
        add(writer, apr_psprintf(writer->pool, "\t%s:%u: in function '%s'\n",
                                 symbol.file, line_of(writer, i, &symbol),
                                 symbol.name));
        i++;
    }
}

/* "()", but not after "{main}" and names that have it. */
static const char *call_mark(const char *name)
{
    apr_size_t len = strlen(name);

    return name[0] == '{' || (len > 0 && name[len - 1] == ')') ? "" : "()";
}

/* PHP and Perl: the innermost frame first, each with the line that it was
 * called at; the line where the innermost one was stands before them. */
static void add_calls(writer_t *writer, lpp_language_e language)
{
    int php = language == LPP_LANGUAGE_PHP;
    lpp_symbol_t callee, caller;
    unsigned i = next_frame(writer, 0, language, &callee), number = 0;

    add(writer, apr_psprintf(writer->pool, *callee.file
                             ? "Traceback of the %s code, at %s line %u:\n"
                             : "Traceback of the %s code:\n",
                             lpp_language_name(language), callee.file,
                             line_of(writer, i, &callee)));
    while (i < writer->count) {
        const char *mark = call_mark(callee.name), *at = "";

        i = next_frame(writer, i + 1, language, &caller);
        if (i < writer->count && *caller.file) {
            at = apr_psprintf(writer->pool, php ? "%s(%u): "
                              : " called at %s line %u", caller.file,
                              line_of(writer, i, &caller));
        }
        else if (i < writer->count && php) {
            at = "[internal function]: ";
        }
        add(writer, php
            ? apr_psprintf(writer->pool, "#%u %s%s%s\n", number++, at,
                           callee.name, mark)
            : apr_psprintf(writer->pool, "\t%s%s%s\n", callee.name, mark,
                           at));
        callee = caller;
    }
}

/* The parts of page code, that of the outermost language first. */
static void add_page_code(writer_t *writer)
{
    apr_uint32_t done = 0;
    lpp_symbol_t symbol;
    unsigned i = writer->count;

    while (i-- > 0) {
        if (!LPP_PC_IS_PAGE(writer->frames[i])) {
            continue;
        }
        lpp_symbols_resolve(writer->symbols, writer->frames[i], &symbol);
        if (done & (1u << symbol.language)) {
            continue;
        }
        done |= 1u << symbol.language;
        if (symbol.language == LPP_LANGUAGE_PYTHON) {
            add_python(writer);
        }
        else if (symbol.language == LPP_LANGUAGE_LUA) {
            add_lua(writer);
        }
        else if (symbol.language != LPP_LANGUAGE_NONE) {
            add_calls(writer, symbol.language);
        }
    }
    if (done != 0) {
        add(writer, "\n");
    }
}

const char *lpp_symbols_traceback(lpp_symbols_t *symbols,
                                  const lpp_pc_t *frames, unsigned count,
                                  apr_pool_t *pool)
{
    writer_t writer = { symbols, frames, count, pool, NULL };
    lpp_symbol_t symbol;
    unsigned i;

    if (count == 0) {
        return "";
    }
    writer.lines = apr_array_make(pool, (int)count + 1, sizeof(const char *));
    add_page_code(&writer);
    add(&writer, "Traceback (most recent call last):\n");
    for (i = count; i-- > 0;) {
        lpp_symbols_resolve(symbols, frames[i], &symbol);
        lpp_symbols_add_line(symbols, &symbol);
        add(&writer, apr_psprintf(pool, "  File \"%s\", line %u, in %s\n",
                                  symbol.file ? symbol.file : symbol.object,
                                  line_of(&writer, i, &symbol), symbol.name));
    }
    return apr_array_pstrcat(pool, writer.lines, '\0');
}

const char *lpp_symbols_page_traceback(lpp_symbols_t *symbols,
                                       const lpp_pc_t *frames, unsigned count,
                                       apr_pool_t *pool)
{
    writer_t writer = { symbols, frames, count, pool, NULL };

    writer.lines = apr_array_make(pool, (int)count + 1, sizeof(const char *));
    add_page_code(&writer);
    return apr_array_pstrcat(pool, writer.lines, '\0');
}
