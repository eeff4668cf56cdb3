/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_namesakes: distinguishes functions with the same name. Two static
 * functions may have one, and readers that identify functions by name would add
 * them up. Their addresses are added to the names.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "names/lpp_view_graph.h"

static int compare_names(const lpp_function_t *left,
                         const lpp_function_t *right)
{
    int order = strcmp(left->symbol.object, right->symbol.object);

    return order != 0 ? order
        : strcmp(left->symbol.name, right->symbol.name);
}

static int compare_places(const void *a, const void *b)
{
    const lpp_function_t *left = *(lpp_function_t *const *)a;
    const lpp_function_t *right = *(lpp_function_t *const *)b;
    apr_uint64_t from = LPP_PC_ADDRESS(left->symbol.start);
    apr_uint64_t to = LPP_PC_ADDRESS(right->symbol.start);
    int order = compare_names(left, right);

    return order != 0 ? order : from < to ? -1 : from > to;
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
        if (i - first > 1
            && !add_addresses(&sorted[first], i - first, pool)) {
            return APR_ENOMEM;
        }
        first = i;
    }
    return APR_SUCCESS;
}
