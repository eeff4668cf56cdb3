/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lpp_symbols_resolve for tests of the rooms above: names come from two
 * tables, so that any name can be had. Include it in one file of a program;
 * the linker then leaves the real room out.
 *
 * FAKE_PC(object, function, offset): function is an index of fake_names,
 * object one of fake_objects (1 ..). LPP_PAGE_PC(number, line): number is an
 * index of fake_pages.
 */
#ifndef FAKE_SYMBOLS_H
#define FAKE_SYMBOLS_H

#include "names/lpp_symbol.h"

#define FAKE_PC(object, function, offset)                                     \
    LPP_PC_MAKE((object), (apr_uint64_t)(function) * 256 + 4096 + (offset))

static const char *const *fake_names;   /* set by the test */
static const char *fake_objects[] = { "", "/usr/lib/mod_a.so",
    "/usr/lib/mod_b.so", "/usr/lib/other/mod_a.so" };
static const lpp_page_function_t *fake_pages; /* set by the test */
static const char *fake_file;           /* of all functions, or NULL */
static unsigned fake_line;
static lpp_name_kind_e fake_kind = LPP_NAME_SYMBOL;

void lpp_symbols_resolve(lpp_symbols_t *symbols, lpp_pc_t pc,
                         lpp_symbol_t *symbol)
{
    apr_uint64_t at = (LPP_PC_ADDRESS(pc) - 4096) / 256;

    if (LPP_PC_IS_PAGE(pc)) {
        const lpp_page_function_t *page = &fake_pages[LPP_PAGE_NUMBER(pc)];

        symbol->start = LPP_PAGE_START(pc);
        symbol->name = page->name;
        symbol->object = symbol->file = page->file;
        symbol->line = page->line;
        symbol->kind = LPP_NAME_INTERPRETER;
        return;
    }
    symbol->start = LPP_PC_MAKE(LPP_PC_OBJECT(pc), at * 256 + 4096);
    symbol->name = fake_names[at];
    symbol->object = fake_objects[LPP_PC_OBJECT(pc)];
    symbol->file = NULL;
    symbol->line = 0;
    symbol->kind = LPP_PC_OBJECT(pc) == 0 ? LPP_NAME_UNKNOWN : fake_kind;
}

void lpp_symbols_add_line(lpp_symbols_t *symbols, lpp_symbol_t *symbol)
{
    if (!LPP_PC_IS_PAGE(symbol->start)) {
        symbol->file = fake_file;
        symbol->line = fake_line;
    }
}

#endif
