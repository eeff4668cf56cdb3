/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_write_pstats: makes the table of a view, and writes it as a pstats file.
 * lpp_pstats.h describes what readers require.
 */
#include "formats/lpp_writer.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "formats/lpp_pstats.h"

/* A table being made, in pool. */
typedef struct maker_t {
    const lpp_view_t *view;
    apr_pool_t *pool;
    lpp_pstats_function_t *functions;
    lpp_pstats_edge_t *edges;
    apr_uint32_t *number;       /* of each function of the view: its index in
                                   functions, where it is there */
    apr_uint64_t *edge_self_us; /* of each edge of the view: self time of the
                                   callee */
} maker_t;

static const char *file_of(const lpp_symbol_t *symbol)
{
    if (symbol->file != NULL && symbol->file[0] != '\0') {
        return symbol->file;
    }
    /* with "~" and line 0 pstats shows only the name */
    return symbol->object[0] != '\0' ? symbol->object : "~";
}

static int is_zero(const lpp_cost_t *cost)
{
    return cost->wall_us == 0 && cost->samples == 0;
}

/* Add the functions with time, and the root. Two objects may have the same
 * function of the same source line: each has a row. 0: no memory. */
static apr_uint32_t add_functions(maker_t *maker)
{
    const lpp_view_t *view = maker->view;
    apr_hash_t *seen = apr_hash_make(maker->pool);
    apr_uint32_t count = 0, i;

    for (i = 0; i < view->function_count; i++) {
        const lpp_function_t *from = &view->functions[i];
        lpp_pstats_function_t *to = &maker->functions[count];
        const char *key;

        if (i > 0 && is_zero(&from->total) && from->calls == 0) {
            continue;
        }
        to->file = file_of(&from->symbol);
        to->line = from->symbol.line;
        /* the line is in the key: the name does without it */
        to->name = lpp_view_page_name(&from->symbol, maker->pool);
        if (to->name == NULL) {
            return 0;
        }
        key = apr_psprintf(maker->pool, "%s\n%u\n%s", to->file, to->line,
                           to->name);
        if (key == NULL) {
            return 0;
        }
        if (apr_hash_get(seen, key, APR_HASH_KEY_STRING) != NULL) {
            to->name = apr_psprintf(maker->pool, "%s [%s, %u]", to->name,
                                    lpp_view_object_name(&from->symbol), i);
            if (to->name == NULL) {
                return 0;
            }
        }
        apr_hash_set(seen, key, APR_HASH_KEY_STRING, to);
        to->calls = lpp_writer_count(from->calls, from->total.samples);
        to->self_us = from->self.wall_us;
        to->total_us = from->total.wall_us;
        maker->number[i] = count++;
    }
    return count;
}

/* Add the edges. Caller and callee of an edge with time have time, too, so both
 * have rows; so have those of a counted call. */
static apr_uint32_t add_edges(maker_t *maker)
{
    const lpp_view_t *view = maker->view;
    apr_uint32_t count = 0, i;

    for (i = 1; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];
        apr_uint32_t caller = view->branches[branch->parent].function;

        maker->edge_self_us[lpp_view_edge(view, caller, branch->function)]
            += branch->self.wall_us;
    }
    for (i = 0; i < view->edge_count; i++) {
        const lpp_edge_t *from = &view->edges[i];
        lpp_pstats_edge_t *to = &maker->edges[count];

        if (is_zero(&from->total) && from->calls == 0) {
            continue;
        }
        to->caller = maker->number[from->caller];
        to->callee = maker->number[from->callee];
        to->calls = lpp_writer_count(from->calls, from->total.samples);
        to->self_us = maker->edge_self_us[i];
        to->total_us = from->total.wall_us;
        count++;
    }
    return count;
}

apr_status_t lpp_pstats_create(lpp_pstats_t **pstats, const lpp_view_t *view,
                               apr_pool_t *pool)
{
    lpp_pstats_t *made = apr_palloc(pool, sizeof(*made));
    maker_t maker;

    *pstats = NULL;
    maker.view = view;
    maker.pool = pool;
    maker.functions = apr_palloc(pool, (view->function_count + 1)
                                 * sizeof(*maker.functions));
    maker.number = apr_pcalloc(pool, (view->function_count + 1)
                               * sizeof(*maker.number));
    maker.edges = apr_palloc(pool, (view->edge_count + 1)
                             * sizeof(*maker.edges));
    maker.edge_self_us = apr_pcalloc(pool, (view->edge_count + 1)
                                     * sizeof(*maker.edge_self_us));
    if (made == NULL || maker.functions == NULL || maker.number == NULL
        || maker.edges == NULL || maker.edge_self_us == NULL) {
        return APR_ENOMEM;
    }
    made->functions = maker.functions;
    made->function_count = add_functions(&maker);
    if (made->function_count == 0) {
        return APR_ENOMEM;
    }
    made->edges = maker.edges;
    made->edge_count = add_edges(&maker);
    *pstats = made;
    return APR_SUCCESS;
}

apr_status_t lpp_write_pstats(const lpp_view_t *view, const lpp_sink_t *sink,
                              apr_pool_t *scratch)
{
    lpp_pstats_t *pstats;
    apr_pool_t *pool;
    apr_status_t status;

    status = apr_pool_create(&pool, scratch);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = lpp_pstats_create(&pstats, view, pool);
    if (status == APR_SUCCESS) {
        status = lpp_pstats_write(pstats, sink, scratch);
    }
    apr_pool_destroy(pool);
    return status;
}
