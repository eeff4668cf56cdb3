/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_diff: merges two views. First the functions of both, by object and name;
 * then the branches, by parent and function. Nothing recurses.
 *
 * The line that a page function begins at changes when its script is edited
 * above it: page functions of one script and name are paired in their order.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "names/lpp_view_graph.h"
#include "saved/lpp_diff.h"

typedef struct place_t {
    apr_uint32_t parent, function;
} place_t;

typedef struct builder_t {
    lpp_diff_function_t *functions;
    apr_uint32_t function_count;
    lpp_diff_branch_t *branches;
    apr_uint32_t branch_count;
    apr_hash_t *by_name;   /* key of make_keys -> index + 1 */
    apr_hash_t *by_place;  /* place_t -> index + 1 */
    apr_pool_t *scratch;
} builder_t;

/* A hash has a number plus one, as a pointer. */
static apr_uint32_t number_of(const void *known)
{
    return (apr_uint32_t)(apr_uintptr_t)known - 1;
}

static void *next_number(apr_uint32_t *count)
{
    return (void *)(apr_uintptr_t)++*count;
}

/* A page function of one view, while those of one name are counted. */
typedef struct namesake_t {
    const lpp_symbol_t *symbol;
    const char *name;      /* without its line */
    apr_uint32_t function; /* its index */
} namesake_t;

static int compare_names(const namesake_t *left, const namesake_t *right)
{
    int order = strcmp(left->symbol->object, right->symbol->object);

    return order ? order : strcmp(left->name, right->name);
}

static int compare_namesakes(const void *a, const void *b)
{
    const namesake_t *left = a, *right = b;
    int order = compare_names(left, right);

    if (order) {
        return order;
    }
    if (left->symbol->line != right->symbol->line) {
        return left->symbol->line < right->symbol->line ? -1 : 1;
    }
    return left->function < right->function ? -1 : 1;
}

/* The keys of a view's functions: object, newline, name; of page functions: a
 * number among those of their script and name as well. NULL: no memory. */
static const char **make_keys(const builder_t *builder,
                              const lpp_view_t *view)
{
    apr_pool_t *pool = builder->scratch;
    const char **keys = apr_palloc(pool,
                                   view->function_count * sizeof(*keys));
    namesake_t *pages = apr_palloc(pool,
                                   view->function_count * sizeof(*pages));
    apr_uint32_t i, count = 0, number = 0;

    for (i = 0; keys && pages && i < view->function_count; i++) {
        const lpp_symbol_t *symbol = &view->functions[i].symbol;

        if (symbol->kind == LPP_NAME_INTERPRETER) {
            pages[count].symbol = symbol;
            pages[count].name = lpp_view_page_name(symbol, pool);
            pages[count].function = i;
            if (!pages[count++].name) {
                return NULL;
            }
        }
        else {
            keys[i] = apr_pstrcat(pool, symbol->object, "\n", symbol->name,
                                  NULL);
        }
    }
    if (!keys || !pages) {
        return NULL;
    }
    qsort(pages, count, sizeof(*pages), compare_namesakes);
    for (i = 0; i < count; i++) {
        number = i > 0 && compare_names(&pages[i - 1], &pages[i]) == 0
            ? number + 1 : 1;
        keys[pages[i].function] = apr_psprintf(
            pool, "%s\n%s\n%u", pages[i].symbol->object, pages[i].name,
            number);
        if (!keys[pages[i].function]) {
            return NULL;
        }
    }
    return keys;
}

/* The merged function for a function of one view; created if there is none. */
static apr_uint32_t function_index(builder_t *builder, const char *key,
                                   const lpp_symbol_t *symbol)
{
    void *known = apr_hash_get(builder->by_name, key, APR_HASH_KEY_STRING);

    if (!known) {
        known = next_number(&builder->function_count);
        builder->functions[number_of(known)].symbol = symbol;
        apr_hash_set(builder->by_name, key, APR_HASH_KEY_STRING, known);
    }
    return number_of(known);
}

static apr_uint32_t branch_index(builder_t *builder, apr_uint32_t parent,
                                 apr_uint32_t function)
{
    place_t place = {parent, function}, *key;
    void *known = apr_hash_get(builder->by_place, &place, sizeof(place));
    lpp_diff_branch_t *branch;

    if (known) {
        return number_of(known);
    }
    key = apr_pmemdup(builder->scratch, &place, sizeof(place));
    known = next_number(&builder->branch_count);
    branch = &builder->branches[number_of(known)];
    branch->function = function;
    branch->parent = parent;
    branch->first_child = branch->next_sibling = LPP_NODE_NONE;
    branch->depth = parent == LPP_NODE_NONE ? 0
        : builder->branches[parent].depth + 1;
    apr_hash_set(builder->by_place, key, sizeof(*key), known);
    return number_of(known);
}

static int add_view(builder_t *builder, const lpp_view_t *view, int side)
{
    const char **keys = make_keys(builder, view);
    apr_uint32_t *functions, *branches, i;

    functions = apr_palloc(builder->scratch, view->function_count
                           * sizeof(*functions));
    branches = apr_palloc(builder->scratch, view->branch_count
                          * sizeof(*branches));
    if (!keys || !functions || !branches) {
        return 0;
    }
    for (i = 0; i < view->function_count; i++) {
        lpp_diff_function_t *function;

        functions[i] = function_index(builder, keys[i],
                                      &view->functions[i].symbol);
        function = &builder->functions[functions[i]];
        lpp_cost_add(&function->self[side], &view->functions[i].self);
        lpp_cost_add(&function->total[side], &view->functions[i].total);
        function->seen[side] |= view->functions[i].total.wall_us > 0
            || view->functions[i].total.samples > 0;
    }
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];

        branches[i] = branch_index(builder, i == 0 ? LPP_NODE_NONE
                                   : branches[branch->parent],
                                   functions[branch->function]);
        lpp_cost_add(&builder->branches[branches[i]].self[side], &branch->self);
    }
    return 1;
}

/* Add the totals of children to parents; sort children by their width. */
static int link_branches(builder_t *builder)
{
    lpp_diff_branch_t *branches = builder->branches;
    apr_uint32_t count = builder->branch_count, i;
    lpp_sibling_t *siblings = apr_palloc(builder->scratch,
                                         count * sizeof(*siblings));
    int side;

    if (!siblings) {
        return 0;
    }
    for (i = count; i-- > 0;) {
        lpp_diff_branch_t *branch = &branches[i];
        lpp_diff_branch_t *parent = i ? &branches[branch->parent] : NULL;
        apr_uint64_t before = branch->self[0].wall_us;
        apr_uint64_t after = branch->self[1].wall_us;

        branch->width_us += before > after ? before : after;
        for (side = 0; side < 2; side++) {
            lpp_cost_add(&branch->total[side], &branch->self[side]);
            if (parent) {
                lpp_cost_add(&parent->total[side], &branch->total[side]);
            }
        }
        if (parent) {
            parent->width_us += branch->width_us;
        }
        siblings[i].parent = branch->parent;
        siblings[i].branch = i;
        siblings[i].width_us = branch->width_us;
    }
    lpp_siblings_sort(siblings + 1, count - 1);
    for (i = count - 1; i > 0; i--) {
        lpp_diff_branch_t *parent = &branches[siblings[i].parent];

        branches[siblings[i].branch].next_sibling = parent->first_child;
        parent->first_child = siblings[i].branch;
    }
    return 1;
}

apr_status_t lpp_diff_create(const lpp_diff_t **diff,
                             const lpp_view_t *before,
                             const lpp_view_t *after, apr_pool_t *pool)
{
    lpp_diff_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_uint32_t functions = before->function_count + after->function_count;
    apr_uint32_t branches = before->branch_count + after->branch_count;
    builder_t builder;
    apr_status_t status;

    *diff = NULL;
    memset(&builder, 0, sizeof(builder));
    status = apr_pool_create(&builder.scratch, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    builder.functions = apr_pcalloc(pool, functions
                                    * sizeof(*builder.functions));
    builder.branches = apr_pcalloc(pool, branches
                                   * sizeof(*builder.branches));
    builder.by_name = apr_hash_make(builder.scratch);
    builder.by_place = apr_hash_make(builder.scratch);
    status = APR_ENOMEM;
    if (made && builder.functions && builder.branches
        && add_view(&builder, before, LPP_DIFF_BEFORE)
        && add_view(&builder, after, LPP_DIFF_AFTER)
        && link_branches(&builder)) {
        made->views[LPP_DIFF_BEFORE] = before;
        made->views[LPP_DIFF_AFTER] = after;
        made->functions = builder.functions;
        made->function_count = builder.function_count;
        made->branches = builder.branches;
        made->branch_count = builder.branch_count;
        *diff = made;
        status = APR_SUCCESS;
    }
    apr_pool_destroy(builder.scratch);
    return status;
}

typedef struct ranked_t {
    apr_int64_t change;
    apr_uint32_t function;
} ranked_t;

static int compare_ranked(const void *a, const void *b)
{
    const ranked_t *left = a, *right = b;

    if (left->change != right->change) {
        return left->change > right->change ? -1 : 1;
    }
    return left->function < right->function ? -1
        : left->function > right->function;
}

apr_uint32_t lpp_diff_top(const lpp_diff_t *diff, int sign,
                          apr_uint32_t *functions, apr_uint32_t max,
                          apr_pool_t *scratch)
{
    ranked_t *ranked = apr_palloc(scratch, diff->function_count
                                  * sizeof(*ranked));
    apr_uint32_t i, count = 0;

    if (!ranked) {
        return 0;
    }
    for (i = 1; i < diff->function_count; i++) {
        apr_int64_t change = sign * lpp_diff_self_us(&diff->functions[i]);

        if (change > 0) {
            ranked[count].change = change;
            ranked[count++].function = i;
        }
    }
    qsort(ranked, count, sizeof(*ranked), compare_ranked);
    for (i = 0; i < count && i < max; i++) {
        functions[i] = ranked[i].function;
    }
    return i;
}
