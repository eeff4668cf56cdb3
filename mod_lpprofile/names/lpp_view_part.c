/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_part: page code alone, or C code alone, of a view.
 *
 * One pass makes the branches of the part, since parents come before their
 * children: a branch that is not in the part is the same one as its parent.
 */
#include "names/lpp_view_part.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "names/lpp_view_graph.h"

#define REST 1u /* function and branch */

int lpp_view_is_page(const lpp_symbol_t *symbol)
{
    return symbol->kind == LPP_NAME_INTERPRETER;
}

int lpp_view_is_script(const lpp_symbol_t *symbol)
{
    return lpp_view_is_page(symbol) && *symbol->object != '\0';
}

static const lpp_symbol_t *symbol_of(const lpp_view_t *view,
                                     apr_uint32_t branch)
{
    return &view->functions[view->branches[branch].function].symbol;
}

static int is_in(lpp_view_part_e part, const lpp_symbol_t *symbol)
{
    switch (part) {
    case LPP_VIEW_PAGE_CODE:
        return lpp_view_is_page(symbol);
    case LPP_VIEW_SCRIPT_CODE:
        return lpp_view_is_script(symbol);
    case LPP_VIEW_C_CODE:
        return !lpp_view_is_page(symbol);
    default:
        return 1;
    }
}

int lpp_view_has_page_code(const lpp_view_t *view)
{
    apr_uint32_t i;

    for (i = 0; i < view->function_count; i++) {
        if (lpp_view_is_page(&view->functions[i].symbol)
            && view->functions[i].total.samples != 0) {
            return 1;
        }
    }
    return 0;
}

/* A part being made. */
typedef struct maker_t {
    const lpp_view_t *view;
    lpp_branch_t *branches; /* of the part */
    lpp_pc_t *pcs;
    apr_uint32_t count;
    apr_uint32_t *made_of;  /* of each branch of the view: that of the part */
    apr_hash_t *by_place;   /* place_t -> branch of the part + 1 */
} maker_t;

typedef struct place_t {
    apr_uint32_t parent, function;
} place_t;

static apr_uint32_t add_branch(maker_t *maker, apr_uint32_t i,
                               apr_uint32_t parent)
{
    apr_uint32_t at = maker->count++;
    lpp_branch_t *made = &maker->branches[at];

    memset(made, 0, sizeof(*made));
    made->function = maker->view->branches[i].function;
    made->parent = parent;
    made->first_child = made->next_sibling = LPP_NODE_NONE;
    made->depth = parent == LPP_NODE_NONE ? 0
        : maker->branches[parent].depth + 1;
    maker->pcs[at] = maker->view->branch_pcs != NULL
        ? maker->view->branch_pcs[i] : 0;
    return at;
}

/* The branch of the part for branch i of the view, whose caller in the part is
 * parent. LPP_NODE_NONE: no memory. */
static apr_uint32_t branch_at(maker_t *maker, apr_uint32_t i,
                              apr_uint32_t parent, apr_pool_t *scratch)
{
    place_t place, *key;
    apr_uintptr_t found;

    memset(&place, 0, sizeof(place));
    place.parent = parent;
    place.function = maker->view->branches[i].function;
    found = (apr_uintptr_t)apr_hash_get(maker->by_place, &place,
                                        sizeof(place));
    if (found == 0) {
        key = apr_pmemdup(scratch, &place, sizeof(place));
        if (key == NULL) {
            return LPP_NODE_NONE;
        }
        found = (apr_uintptr_t)add_branch(maker, i, parent) + 1;
        apr_hash_set(maker->by_place, key, sizeof(*key), (void *)found);
    }
    return (apr_uint32_t)(found - 1);
}

static int make_branches(maker_t *maker, lpp_view_part_e which,
                         apr_pool_t *scratch)
{
    const lpp_view_t *view = maker->view;
    apr_uint32_t i;

    for (i = 0; i < view->branch_count; i++) {
        apr_uint32_t at;

        if (i <= REST) {
            at = add_branch(maker, i, i == 0 ? LPP_NODE_NONE : 0);
        }
        else {
            at = maker->made_of[view->branches[i].parent];
            if (is_in(which, symbol_of(view, i))) {
                at = branch_at(maker, i, at, scratch);
            }
        }
        if (at == LPP_NODE_NONE) {
            return 0;
        }
        maker->made_of[i] = at;
        lpp_cost_add(&maker->branches[at].self, &view->branches[i].self);
    }
    return 1;
}

static lpp_function_t *copy_functions(const lpp_view_t *view,
                                      apr_pool_t *pool)
{
    lpp_function_t *functions = apr_pcalloc(pool, view->function_count
                                            * sizeof(*functions));
    apr_uint32_t i;

    for (i = 0; functions != NULL && i < view->function_count; i++) {
        functions[i].symbol = view->functions[i].symbol;
    }
    return functions;
}

static apr_status_t make(lpp_view_t *part, const lpp_view_t *view,
                         lpp_view_part_e which, apr_pool_t *pool,
                         apr_pool_t *scratch)
{
    lpp_function_t *functions = copy_functions(view, pool);
    maker_t maker;

    maker.view = view;
    maker.count = 0;
    maker.branches = apr_palloc(pool, view->branch_count
                                * sizeof(*maker.branches));
    maker.pcs = apr_palloc(pool, view->branch_count * sizeof(*maker.pcs));
    maker.made_of = apr_palloc(scratch, view->branch_count
                               * sizeof(*maker.made_of));
    maker.by_place = apr_hash_make(scratch);
    if (functions == NULL || maker.branches == NULL || maker.pcs == NULL
        || maker.made_of == NULL || maker.by_place == NULL
        || !make_branches(&maker, which, scratch)) {
        return APR_ENOMEM;
    }
    *part = *view;
    part->functions = functions;
    part->branches = maker.branches;
    part->branch_count = maker.count;
    part->branch_pcs = maker.pcs;
    part->line_branches = NULL;
    part->line_branch_count = 0;
    part->calls = NULL;
    return lpp_view_graph_add(part, maker.branches, maker.count, functions,
                              view->function_count, scratch, pool);
}

apr_status_t lpp_view_part(const lpp_view_t **part, const lpp_view_t *view,
                           lpp_view_part_e which, apr_pool_t *pool)
{
    lpp_view_t *made;
    apr_pool_t *scratch;
    apr_status_t status;

    *part = view;
    if (which == LPP_VIEW_ALL_CODE) {
        return APR_SUCCESS;
    }
    made = apr_palloc(pool, sizeof(*made));
    status = made == NULL ? APR_ENOMEM : apr_pool_create(&scratch, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = make(made, view, which, pool, scratch);
    apr_pool_destroy(scratch);
    if (status == APR_SUCCESS) {
        *part = made;
    }
    return status;
}

unsigned lpp_view_hottest_line(const lpp_view_t *view, apr_uint32_t function,
                               apr_pool_t *scratch)
{
    const lpp_line_branch_t *lines = view->line_branches;
    apr_uint32_t count = view->line_branch_count, i;
    /* of each line branch: that of the innermost script's function, or 0 */
    apr_uint32_t *from = apr_pcalloc(scratch, (count + 1) * sizeof(*from));
    apr_hash_t *by_line = apr_hash_make(scratch);
    apr_uint64_t most = 0;
    unsigned hottest = 0;

    if (from == NULL || by_line == NULL) {
        return 0;
    }
    for (i = REST + 1; i < count; i++) {
        const lpp_line_branch_t *at;
        apr_uint64_t *wall_us;

        from[i] = lpp_view_is_script(symbol_of(view, lines[i].branch)) ? i
            : from[lines[i].parent];
        at = &lines[from[i]];
        if (from[i] == 0 || at->line == 0
            || view->branches[at->branch].function != function) {
            continue;
        }
        wall_us = apr_hash_get(by_line, &at->line, sizeof(at->line));
        if (wall_us == NULL) {
            wall_us = apr_pcalloc(scratch, sizeof(*wall_us));
            if (wall_us == NULL) {
                return 0;
            }
            apr_hash_set(by_line, &at->line, sizeof(at->line), wall_us);
        }
        *wall_us += lines[i].self.wall_us;
        if (*wall_us > most || (*wall_us == most && at->line < hottest)) {
            most = *wall_us;
            hottest = at->line;
        }
    }
    return hottest;
}
