/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view_calls: exact calls of a view's functions and edges.
 *
 * Hooks are called by the function "ap_run_<phase>", so the calls of a function
 * that serves several phases are assigned to edges by the name of the caller. A
 * compiler may have inlined that function into its caller: if the callee then
 * has one edge and one phase, its calls belong to that edge. Calls without a
 * sample get an edge without time.
 */
#include "names/lpp_view_graph.h"

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>

#define RUN_PREFIX "ap_run_"

/* All calls of one function in one phase. */
typedef struct group_t {
    apr_uint32_t function;
    const char *phase;
    apr_uint64_t calls;
} group_t;

/* What is known of a function's sampled callers. */
typedef struct callers_t {
    apr_uint32_t edges;   /* edges from other callers than the root, where cut
                             stacks end */
    apr_uint32_t counted; /* of these, edges whose calls are known */
    apr_uint32_t last;    /* one of them */
    apr_uint32_t phases;
} callers_t;

typedef struct maker_t {
    lpp_view_t *view;
    lpp_edge_t *edges;      /* those of samples, then new ones */
    apr_uint32_t edge_count, sampled;
    callers_t *callers;     /* of each function */
    apr_hash_t *runners;    /* phase -> function + 1, as a pointer */
} maker_t;

static int compare_groups(const void *a, const void *b)
{
    const group_t *left = a, *right = b;

    if (left->function != right->function) {
        return left->function < right->function ? -1 : 1;
    }
    return strcmp(left->phase, right->phase);
}

/* Make one group for each function and phase, sorted; returns how many. */
static apr_uint32_t make_groups(const lpp_calls_table_t *table,
                                apr_uint32_t function_count, group_t *groups)
{
    apr_uint32_t i, count = 0, made = 0;

    for (i = 0; i < table->count; i++) {
        const lpp_call_t *call = &table->calls[i];

        if (call->function < function_count) {
            groups[count].function = call->function;
            groups[count].phase = call->phase;
            groups[count++].calls = call->calls;
        }
    }
    qsort(groups, count, sizeof(*groups), compare_groups);
    for (i = 0; i < count; i++) {
        if (made > 0 && compare_groups(&groups[made - 1], &groups[i]) == 0) {
            groups[made - 1].calls += groups[i].calls;
        }
        else {
            groups[made++] = groups[i];
        }
    }
    return made;
}

static int compare_edges(const void *a, const void *b)
{
    const lpp_edge_t *left = a, *right = b;

    if (left->caller != right->caller) {
        return left->caller < right->caller ? -1 : 1;
    }
    if (left->callee != right->callee) {
        return left->callee < right->callee ? -1 : 1;
    }
    return 0;
}

static lpp_edge_t *edge_of(const maker_t *maker, const group_t *group)
{
    const callers_t *callers = &maker->callers[group->function];
    apr_uintptr_t runner = (apr_uintptr_t)apr_hash_get(
        maker->runners, group->phase, APR_HASH_KEY_STRING);
    lpp_edge_t key, *found = NULL;

    if (runner != 0) {
        key.caller = (apr_uint32_t)(runner - 1);
        key.callee = group->function;
        found = bsearch(&key, maker->edges, maker->sampled, sizeof(key),
                        compare_edges);
    }
    if (found == NULL && callers->phases == 1 && callers->edges == 1) {
        found = &maker->edges[callers->last];
    }
    return found;
}

static void count_group(maker_t *maker, const group_t *group)
{
    lpp_edge_t *edge = edge_of(maker, group);
    apr_uintptr_t runner;

    if (edge != NULL) {
        maker->callers[group->function].counted += edge->calls == 0;
        edge->calls += group->calls;
        return;
    }
    runner = (apr_uintptr_t)apr_hash_get(maker->runners, group->phase,
                                         APR_HASH_KEY_STRING);
    edge = &maker->edges[maker->edge_count++];
    memset(edge, 0, sizeof(*edge));
    edge->caller = runner != 0 ? (apr_uint32_t)(runner - 1) : 0;
    edge->callee = group->function;
    edge->calls = group->calls;
}

/* Sort the edges. Merge edges with the same caller and callee, which exist if a
 * function has calls from the root in several phases. */
static void sort_edges(maker_t *maker)
{
    apr_uint32_t i, made = 0;

    qsort(maker->edges, maker->edge_count, sizeof(*maker->edges),
          compare_edges);
    for (i = 0; i < maker->edge_count; i++) {
        lpp_edge_t *edge = &maker->edges[i];

        if (made > 0
            && compare_edges(&maker->edges[made - 1], edge) == 0) {
            lpp_edge_t *into = &maker->edges[made - 1];

            into->calls += edge->calls;
            lpp_cost_add(&into->total, &edge->total);
        }
        else {
            maker->edges[made++] = *edge;
        }
    }
    maker->view->edges = maker->edges;
    maker->view->edge_count = made;
}

/* The phase whose hooks a function calls, NULL: it is no such function. The
 * page may have functions of such names, too. */
static const char *run_phase(const lpp_symbol_t *symbol)
{
    apr_size_t len = sizeof(RUN_PREFIX) - 1;

    return symbol->kind != LPP_NAME_INTERPRETER
        && strncmp(symbol->name, RUN_PREFIX, len) == 0
        ? symbol->name + len : NULL;
}

static int prepare(maker_t *maker, const lpp_function_t *functions,
                   apr_uint32_t function_count, apr_pool_t *scratch,
                   apr_pool_t *pool)
{
    const lpp_view_t *view = maker->view;
    apr_uint32_t i;

    maker->sampled = maker->edge_count = view->edge_count;
    maker->edges = apr_palloc(pool, (view->edge_count + view->calls->count
                                     + 1) * sizeof(*maker->edges));
    maker->callers = apr_pcalloc(scratch, function_count
                                 * sizeof(*maker->callers));
    maker->runners = apr_hash_make(scratch);
    if (maker->edges == NULL || maker->callers == NULL
        || maker->runners == NULL) {
        return 0;
    }
    memcpy(maker->edges, view->edges,
           view->edge_count * sizeof(*maker->edges));
    for (i = 0; i < view->edge_count; i++) {
        callers_t *callers = &maker->callers[maker->edges[i].callee];

        if (maker->edges[i].caller != 0) {
            callers->edges++;
            callers->last = i;
        }
    }
    for (i = 2; i < function_count; i++) {
        const char *phase = run_phase(&functions[i].symbol);

        if (phase != NULL && functions[i].total.samples != 0) {
            apr_hash_set(maker->runners, phase, APR_HASH_KEY_STRING,
                         (void *)((apr_uintptr_t)i + 1));
        }
    }
    return 1;
}

apr_status_t lpp_view_count_calls(lpp_view_t *view, lpp_function_t *functions,
                                  apr_uint32_t function_count,
                                  apr_pool_t *scratch, apr_pool_t *pool)
{
    maker_t maker = { view, NULL, 0, 0, NULL, NULL };
    group_t *groups;
    apr_uint32_t count, i;

    if (view->calls == NULL || view->calls->count == 0) {
        return APR_SUCCESS;
    }
    groups = apr_palloc(scratch, view->calls->count * sizeof(*groups));
    if (groups == NULL
        || !prepare(&maker, functions, function_count, scratch, pool)) {
        return APR_ENOMEM;
    }
    count = make_groups(view->calls, function_count, groups);
    for (i = 0; i < count; i++) {
        maker.callers[groups[i].function].phases++;
        functions[groups[i].function].calls = 0;
    }
    for (i = 0; i < count; i++) {
        count_group(&maker, &groups[i]);
        functions[groups[i].function].calls += groups[i].calls;
    }
    for (i = 0; i < count; i++) {
        const callers_t *callers = &maker.callers[groups[i].function];

        if (callers->edges != callers->counted) {
            /* also called by callers whose calls are not counted */
            functions[groups[i].function].calls = 0;
        }
    }
    sort_edges(&maker);
    return APR_SUCCESS;
}

/* The first call of each function in each phase. */
typedef struct firsts_t {
    apr_uint32_t *first; /* of a function, in its first phase */
    apr_uint32_t *next;  /* of a call: that of the function's next phase */
} firsts_t;

static void add_first(const firsts_t *firsts, const lpp_call_t *calls,
                      apr_uint32_t call)
{
    apr_uint32_t *link = &firsts->first[calls[call].function];

    while (*link != LPP_CALLS_NONE) {
        if (strcmp(calls[*link].phase, calls[call].phase) == 0) {
            return;
        }
        link = &firsts->next[*link];
    }
    *link = call;
    firsts->next[call] = LPP_CALLS_NONE;
}

static int find_firsts(firsts_t *firsts, const lpp_view_t *view,
                       apr_pool_t *pool)
{
    apr_uint32_t i;

    firsts->first = apr_palloc(pool, view->function_count
                               * sizeof(*firsts->first));
    firsts->next = apr_palloc(pool, (view->calls->count + 1)
                              * sizeof(*firsts->next));
    if (firsts->first == NULL || firsts->next == NULL) {
        return 0;
    }
    memset(firsts->first, 0xff, view->function_count
           * sizeof(*firsts->first));
    for (i = 0; i < view->calls->count; i++) {
        if (view->calls->calls[i].function < view->function_count) {
            add_first(firsts, view->calls->calls, i);
        }
    }
    return 1;
}

/* The call of function in the phase of its caller, else its first call. */
static apr_uint32_t call_of(const lpp_view_t *view, const firsts_t *firsts,
                            apr_uint32_t function, apr_uint32_t caller)
{
    const char *phase = run_phase(&view->functions[caller].symbol);
    apr_uint32_t i = firsts->first[function];

    if (i == LPP_CALLS_NONE || phase == NULL) {
        return i;
    }
    for (; i != LPP_CALLS_NONE; i = firsts->next[i]) {
        if (strcmp(view->calls->calls[i].phase, phase) == 0) {
            return i;
        }
    }
    return firsts->first[function];
}

apr_status_t lpp_view_branch_calls(const lpp_view_t *view,
                                   apr_uint32_t **outermost,
                                   apr_uint32_t **innermost,
                                   apr_pool_t *pool)
{
    apr_uint32_t *outer, *inner, i;
    firsts_t firsts;

    *outermost = *innermost = NULL;
    if (view->calls == NULL) {
        return APR_SUCCESS;
    }
    outer = apr_palloc(pool, view->branch_count * sizeof(*outer));
    inner = apr_palloc(pool, view->branch_count * sizeof(*inner));
    if (outer == NULL || inner == NULL || !find_firsts(&firsts, view, pool)) {
        return APR_ENOMEM;
    }
    outer[0] = inner[0] = LPP_CALLS_NONE;
    for (i = 1; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];
        apr_uint32_t call = LPP_CALLS_NONE;

        if (firsts.first[branch->function] != LPP_CALLS_NONE) {
            call = call_of(view, &firsts, branch->function,
                           view->branches[branch->parent].function);
        }
        inner[i] = call != LPP_CALLS_NONE ? call : inner[branch->parent];
        outer[i] = outer[branch->parent] != LPP_CALLS_NONE
            ? outer[branch->parent] : call;
    }
    *outermost = outer;
    *innermost = inner;
    return APR_SUCCESS;
}
