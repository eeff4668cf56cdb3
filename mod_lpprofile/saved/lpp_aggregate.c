/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_aggregate: the sum. Rows are found by (file, line, name), edges by their
 * two rows. Counts in a file may have any value, so additions saturate.
 */
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "base/lpp_utf8.h"
#include "saved/lpp_aggregate_internal.h"

#define ROOT_FILE "~"

struct lpp_aggregate_t {
    apr_pool_t *pool;
    apr_array_header_t *functions;  /* lpp_pstats_function_t */
    apr_array_header_t *edges;      /* lpp_pstats_edge_t */
    apr_hash_t *by_key;             /* key_of -> index + 1, as a pointer */
    apr_hash_t *by_rows;            /* caller, callee -> index + 1 */
    lpp_aggregate_counts_t counts;
    lpp_pstats_t table;
};

apr_status_t lpp_aggregate_create(lpp_aggregate_t **aggregate,
                                  apr_pool_t *pool)
{
    lpp_aggregate_t *made = apr_pcalloc(pool, sizeof(*made));

    *aggregate = made;
    if (made == NULL) {
        return APR_ENOMEM;
    }
    made->pool = pool;
    made->functions = apr_array_make(pool, 1024,
                                     sizeof(lpp_pstats_function_t));
    made->edges = apr_array_make(pool, 2048, sizeof(lpp_pstats_edge_t));
    made->by_key = apr_hash_make(pool);
    made->by_rows = apr_hash_make(pool);
    return made->functions && made->edges && made->by_key && made->by_rows
        ? APR_SUCCESS : APR_ENOMEM;
}

static void add_to(apr_uint64_t *sum, apr_uint64_t value)
{
    *sum = *sum + value < *sum ? ~APR_UINT64_C(0) : *sum + value;
}

/* A copy that Python can decode, with "?" for each byte that is not UTF-8; only
 * "?" if memory is short. */
static const char *copy_text(const char *text, apr_pool_t *pool)
{
    char *copy = apr_pstrdup(pool, text), *at;

    for (at = copy; at != NULL && *at != '\0';) {
        apr_uint32_t character;
        unsigned len = lpp_utf8_read(at, &character);

        if (character == LPP_UTF8_INVALID) {
            *at++ = '?';
        }
        else {
            at += len;
        }
    }
    return copy != NULL ? copy : "?";
}

static apr_uint32_t new_row(lpp_aggregate_t *aggregate, const char *key,
                            apr_size_t key_len, const char *file,
                            const char *name, apr_uint32_t line)
{
    lpp_pstats_function_t *row = apr_array_push(aggregate->functions);

    memset(row, 0, sizeof(*row));
    row->file = copy_text(file, aggregate->pool);
    row->name = copy_text(name, aggregate->pool);
    row->line = line;
    apr_hash_set(aggregate->by_key,
                 apr_pmemdup(aggregate->pool, key, key_len),
                 (apr_ssize_t)key_len,
                 (void *)(apr_uintptr_t)aggregate->functions->nelts);
    return (apr_uint32_t)aggregate->functions->nelts - 1;
}

/* The row of a function; created if there is none. Past the ceiling, or without
 * memory, functions share one row. */
static apr_uint32_t row_of(lpp_aggregate_t *aggregate,
                           const lpp_pstats_function_t *function,
                           apr_pool_t *scratch)
{
    const char *file = function->file, *name = function->name;
    apr_uint32_t line = function->line;
    apr_size_t key_len;
    const char *key;
    void *found;

    key = apr_psprintf(scratch, "%u\n%s\n%s", line, file, name);
    key_len = key ? strlen(key) : 0;
    found = key ? apr_hash_get(aggregate->by_key, key, (apr_ssize_t)key_len)
                : NULL;
    if (key == NULL
        || (found == NULL && aggregate->functions->nelts
                                 >= LPP_AGGREGATE_FUNCTIONS_MAX - 1)) {
        aggregate->counts.folded++;
        file = ROOT_FILE;
        name = LPP_AGGREGATE_REST_NAME;
        line = 0;
        key = LPP_AGGREGATE_REST_NAME;
        key_len = sizeof(LPP_AGGREGATE_REST_NAME) - 1;
        found = apr_hash_get(aggregate->by_key, key, (apr_ssize_t)key_len);
    }
    return found ? (apr_uint32_t)(apr_uintptr_t)found - 1
                 : new_row(aggregate, key, key_len, file, name, line);
}

static void add_edge(lpp_aggregate_t *aggregate,
                     const lpp_pstats_edge_t *from, apr_uint32_t caller,
                     apr_uint32_t callee)
{
    apr_uint32_t rows[2] = { caller, callee };
    lpp_pstats_edge_t *edge;
    void *found = apr_hash_get(aggregate->by_rows, rows, sizeof(rows));

    if (found == NULL) {
        if (aggregate->edges->nelts >= LPP_AGGREGATE_EDGES_MAX) {
            aggregate->counts.edges_lost++;
            return;
        }
        edge = apr_array_push(aggregate->edges);
        memset(edge, 0, sizeof(*edge));
        edge->caller = caller;
        edge->callee = callee;
        apr_hash_set(aggregate->by_rows,
                     apr_pmemdup(aggregate->pool, rows, sizeof(rows)),
                     sizeof(rows),
                     (void *)(apr_uintptr_t)aggregate->edges->nelts);
    }
    else {
        edge = &APR_ARRAY_IDX(aggregate->edges,
                              (int)(apr_uintptr_t)found - 1,
                              lpp_pstats_edge_t);
    }
    add_to(&edge->calls, from->calls);
    add_to(&edge->self_us, from->self_us);
    add_to(&edge->total_us, from->total_us);
}

apr_status_t lpp_aggregate_add(lpp_aggregate_t *aggregate,
                               const lpp_pstats_t *pstats)
{
    apr_pool_t *scratch;
    apr_uint32_t *rows, i;
    apr_status_t status = apr_pool_create(&scratch, aggregate->pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    rows = apr_palloc(scratch, pstats->function_count * sizeof(*rows));
    if (rows == NULL) {
        apr_pool_destroy(scratch);
        return APR_ENOMEM;
    }
    for (i = 0; i < pstats->function_count; i++) {
        const lpp_pstats_function_t *from = &pstats->functions[i];
        lpp_pstats_function_t *to;

        rows[i] = row_of(aggregate, from, scratch);
        to = &APR_ARRAY_IDX(aggregate->functions, rows[i],
                            lpp_pstats_function_t);
        add_to(&to->calls, from->calls);
        add_to(&to->self_us, from->self_us);
        add_to(&to->total_us, from->total_us);
        add_to(&aggregate->counts.wall_us, from->self_us);
    }
    for (i = 0; i < pstats->edge_count; i++) {
        const lpp_pstats_edge_t *edge = &pstats->edges[i];

        add_edge(aggregate, edge, rows[edge->caller], rows[edge->callee]);
    }
    aggregate->counts.records++;
    apr_pool_destroy(scratch);
    return APR_SUCCESS;
}

void lpp_aggregate_skip(lpp_aggregate_t *aggregate, apr_uint64_t bytes)
{
    aggregate->counts.torn_bytes += bytes;
}

/* Readers require counts of at least 1. */
static void mend_counts(lpp_aggregate_t *aggregate)
{
    int i;

    for (i = 0; i < aggregate->functions->nelts; i++) {
        lpp_pstats_function_t *row = &APR_ARRAY_IDX(aggregate->functions, i,
                                                    lpp_pstats_function_t);

        row->calls += row->calls == 0;
    }
    for (i = 0; i < aggregate->edges->nelts; i++) {
        lpp_pstats_edge_t *edge = &APR_ARRAY_IDX(aggregate->edges, i,
                                                 lpp_pstats_edge_t);

        edge->calls += edge->calls == 0;
    }
}

/* Set the calls of the root, once for each request. It exists without requests,
 * too. */
static void count_requests(lpp_aggregate_t *aggregate)
{
    static const lpp_pstats_function_t root = { ROOT_FILE, LPP_VIEW_ROOT_NAME,
                                                0, 0, 0, 0 };
    apr_uint32_t row = row_of(aggregate, &root, aggregate->pool);

    APR_ARRAY_IDX(aggregate->functions, row, lpp_pstats_function_t).calls
        = aggregate->counts.records;
}

const lpp_pstats_t *lpp_aggregate_table(lpp_aggregate_t *aggregate)
{
    count_requests(aggregate);
    mend_counts(aggregate);
    aggregate->table.functions
        = (const lpp_pstats_function_t *)aggregate->functions->elts;
    aggregate->table.function_count
        = (apr_uint32_t)aggregate->functions->nelts;
    aggregate->table.edges
        = (const lpp_pstats_edge_t *)aggregate->edges->elts;
    aggregate->table.edge_count = (apr_uint32_t)aggregate->edges->nelts;
    return &aggregate->table;
}

const lpp_aggregate_counts_t *lpp_aggregate_counts(
    const lpp_aggregate_t *aggregate)
{
    return &aggregate->counts;
}
