/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_diff_pairs: merges two lists by the names of their entries.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "saved/lpp_diff_pairs.h"

typedef struct pairs_t {
    apr_array_header_t *list; /* lpp_diff_pair_t */
    apr_hash_t *by_name;      /* name, place, function -> index into list */
    apr_pool_t *pool;
    int failed;               /* memory was short */
} pairs_t;

static int pairs_init(pairs_t *pairs, apr_pool_t *pool)
{
    pairs->list = apr_array_make(pool, 32, sizeof(lpp_diff_pair_t));
    pairs->by_name = apr_hash_make(pool);
    pairs->pool = pool;
    pairs->failed = !pairs->list || !pairs->by_name;
    return !pairs->failed;
}

static void add(pairs_t *pairs, int side, const char *name, const char *place,
                const char *function, apr_uint64_t count, apr_uint64_t ns)
{
    const char *key = apr_pstrcat(pairs->pool, name, "\n", place, "\n",
                                  function, NULL);
    lpp_diff_pair_t *pair;
    int *index;

    index = key ? apr_hash_get(pairs->by_name, key, APR_HASH_KEY_STRING)
                : NULL;
    if (!index) {
        index = key ? apr_palloc(pairs->pool, sizeof(*index)) : NULL;
        pair = index ? apr_array_push(pairs->list) : NULL;
        if (!pair) {
            pairs->failed = 1;
            return;
        }
        *index = pairs->list->nelts - 1;
        pair->name = name;
        pair->place = place;
        pair->function = function;
        pair->count[0] = pair->count[1] = pair->ns[0] = pair->ns[1] = 0;
        apr_hash_set(pairs->by_name, key, APR_HASH_KEY_STRING, index);
    }
    pair = &APR_ARRAY_IDX(pairs->list, *index, lpp_diff_pair_t);
    pair->count[side] += count;
    pair->ns[side] += ns;
}

static apr_uint64_t distance(const apr_uint64_t *two)
{
    return two[0] > two[1] ? two[0] - two[1] : two[1] - two[0];
}

static int compare_pairs(const void *a, const void *b)
{
    const lpp_diff_pair_t *left = a, *right = b;
    apr_uint64_t x = distance(left->ns), y = distance(right->ns);
    int order;

    if (x == y) {
        x = distance(left->count);
        y = distance(right->count);
    }
    if (x != y) {
        return x > y ? -1 : 1;
    }
    order = strcmp(left->name, right->name);
    order = order ? order : strcmp(left->place, right->place);
    return order ? order : strcmp(left->function, right->function);
}

static const apr_array_header_t *finish(pairs_t *pairs)
{
    if (pairs->failed) {
        return NULL;
    }
    qsort(pairs->list->elts, (size_t)pairs->list->nelts,
          sizeof(lpp_diff_pair_t), compare_pairs);
    return pairs->list;
}

/*
 * Add the exact calls of one side; those of redirects and subrequests are added
 * to those of the request. Only a name from a symbol table identifies a
 * function: a name of the form "object+offset" or "module:phase (address)"
 * differs between builds and starts.
 */
static void add_calls(pairs_t *pairs, int side, const lpp_view_t *view)
{
    const lpp_calls_table_t *table = view->calls;
    apr_uint32_t i;

    for (i = 0; table && i < table->count; i++) {
        const lpp_call_t *call = &table->calls[i];
        const lpp_symbol_t *symbol = call->function < view->function_count
            ? &view->functions[call->function].symbol : NULL;

        add(pairs, side, call->phase, call->module,
            symbol && symbol->kind == LPP_NAME_SYMBOL ? symbol->name : "",
            call->calls, call->self_wall_ns);
    }
}

const apr_array_header_t *lpp_diff_calls(const lpp_saved_t *before,
                                         const lpp_saved_t *after,
                                         apr_pool_t *pool)
{
    pairs_t pairs;

    if (!pairs_init(&pairs, pool)) {
        return NULL;
    }
    add_calls(&pairs, LPP_DIFF_BEFORE, before->view);
    add_calls(&pairs, LPP_DIFF_AFTER, after->view);
    return finish(&pairs);
}

static void add_sql(pairs_t *pairs, int side, const lpp_sqlview_t *sql)
{
    unsigned i;

    for (i = 0; sql && i < sql->count; i++) {
        const lpp_sql_statement_t *statement = lpp_sqllog_at(sql->log, i);
        const char *text = lpp_sqltext_mask(statement->text,
                                            statement->flavour, pairs->pool);

        if (statement->text[0]) {
            add(pairs, side, text, statement->database, "", 1,
                statement->took_us * 1000);
        }
    }
}

const apr_array_header_t *lpp_diff_sql(const lpp_saved_t *before,
                                       const lpp_saved_t *after,
                                       apr_pool_t *pool)
{
    pairs_t pairs;

    if (!pairs_init(&pairs, pool)) {
        return NULL;
    }
    add_sql(&pairs, LPP_DIFF_BEFORE, before->sql);
    add_sql(&pairs, LPP_DIFF_AFTER, after->sql);
    return finish(&pairs);
}

static void add_regions(pairs_t *pairs, int side, const lpp_saved_t *saved)
{
    apr_uint32_t i;

    for (i = 0; i < saved->region_count; i++) {
        add(pairs, side, saved->regions[i].name, "", "",
            saved->regions[i].count, saved->regions[i].wall_us * 1000);
    }
}

const apr_array_header_t *lpp_diff_regions(const lpp_saved_t *before,
                                           const lpp_saved_t *after,
                                           apr_pool_t *pool)
{
    pairs_t pairs;

    if (!pairs_init(&pairs, pool)) {
        return NULL;
    }
    add_regions(&pairs, LPP_DIFF_BEFORE, before);
    add_regions(&pairs, LPP_DIFF_AFTER, after);
    return finish(&pairs);
}
