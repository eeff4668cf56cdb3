/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_namesakes: distinguishes functions with the same name. Two static
 * functions may have one, and readers that identify functions by name would add
 * them up. Their addresses are added to the names; to those of page functions,
 * the lines that they begin at.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "names/lpp_view_graph.h"

static int is_page(const lpp_function_t *function)
{
    return function->symbol.kind == LPP_NAME_INTERPRETER;
}

static int compare_names(const lpp_function_t *left,
                         const lpp_function_t *right)
{
    int order = strcmp(left->symbol.object, right->symbol.object);

    return order != 0 ? order
        : strcmp(left->symbol.name, right->symbol.name);
}

/* By name; page functions after others of the same name, by line. */
static int compare_places(const void *a, const void *b)
{
    const lpp_function_t *left = *(lpp_function_t *const *)a;
    const lpp_function_t *right = *(lpp_function_t *const *)b;
    int order = compare_names(left, right);

    if (order != 0 || is_page(left) != is_page(right)) {
        return order != 0 ? order : is_page(left) - is_page(right);
    }
    if (is_page(left) && left->symbol.line != right->symbol.line) {
        return left->symbol.line < right->symbol.line ? -1 : 1;
    }
    return LPP_PC_ADDRESS(left->symbol.start)
                   < LPP_PC_ADDRESS(right->symbol.start) ? -1
        : LPP_PC_ADDRESS(left->symbol.start)
              > LPP_PC_ADDRESS(right->symbol.start);
}

/* Add their address to the count names from first on. */
static int add_addresses(lpp_function_t **first, apr_uint32_t count,
                         apr_pool_t *pool)
{
    apr_uint64_t before = 0;
    apr_uint32_t i;

    for (i = 0; i < count; i++) {
        lpp_symbol_t *symbol = &first[i]->symbol;
        apr_uint64_t address = LPP_PC_ADDRESS(symbol->start);
        /* The same file may be loaded twice. */
        const char *more = i > 0 && address == before
            ? apr_psprintf(pool, " of object %u",
                           LPP_PC_OBJECT(symbol->start)) : "";

        symbol->name = apr_psprintf(pool, "%s (0x%" APR_UINT64_T_HEX_FMT
                                    "%s)", symbol->name, address, more);
        before = address;
        if (symbol->name == NULL) {
            return 0;
        }
    }
    return 1;
}

/* Add their line to the count names of page functions from first on. Functions
 * of two languages may have the same one. */
static int add_lines(lpp_function_t **first, apr_uint32_t count,
                     apr_pool_t *pool)
{
    unsigned before = 0, same = 0;
    apr_uint32_t i;

    for (i = 0; i < count; i++) {
        lpp_symbol_t *symbol = &first[i]->symbol;

        same = i > 0 && symbol->line == before ? same + 1 : 0;
        symbol->name = same == 0
            ? apr_psprintf(pool, "%s:%u", symbol->name, symbol->line)
            : apr_psprintf(pool, "%s:%u (%u)", symbol->name, symbol->line,
                           same + 1);
        before = symbol->line;
        if (symbol->name == NULL) {
            return 0;
        }
    }
    return 1;
}

/* Part the count functions of one name from first on. A page function of the
 * name of another one leaves that its name. */
static int part(lpp_function_t **first, apr_uint32_t count, apr_pool_t *pool)
{
    apr_uint32_t others = 0;

    if (count < 2) {
        return 1;
    }
    while (others < count && !is_page(first[others])) {
        others++;
    }
    return (others < 2 || add_addresses(first, others, pool))
        && add_lines(first + others, count - others, pool);
}

const char *lpp_view_page_name(const lpp_symbol_t *symbol, apr_pool_t *pool)
{
    const char *line, *found;
    apr_size_t len;

    if (symbol->kind != LPP_NAME_INTERPRETER) {
        return symbol->name;
    }
    line = apr_psprintf(pool, ":%u", symbol->line);
    if (line == NULL) {
        return NULL;
    }
    len = strlen(line);
    for (found = strstr(symbol->name, line); found != NULL;
         found = strstr(found + 1, line)) {
        if (found > symbol->name
            && (found[len] == '\0' || strncmp(found + len, " (", 2) == 0)) {
            return apr_psprintf(pool, "%.*s", (int)(found - symbol->name),
                                symbol->name);
        }
    }
    return symbol->name;
}

apr_status_t lpp_view_part_namesakes(lpp_function_t *functions,
                                     apr_uint32_t count, apr_pool_t *scratch,
                                     apr_pool_t *pool)
{
    lpp_function_t **sorted = apr_palloc(scratch, count * sizeof(*sorted));
    apr_uint32_t i, first = 0;

    if (sorted == NULL) {
        return APR_ENOMEM;
    }
    for (i = 0; i < count; i++) {
        sorted[i] = &functions[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_places);
    for (i = 1; i <= count; i++) {
        if (i < count
            && compare_names(sorted[first], sorted[i]) == 0) {
            continue;
        }
        if (!part(&sorted[first], i - first, pool)) {
            return APR_ENOMEM;
        }
        first = i;
    }
    return APR_SUCCESS;
}
