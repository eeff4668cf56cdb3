/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view, what the request waited for: the functions that are waits, with
 * their times, and who waited.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "names/lpp_symbol_internal.h"
#include "names/lpp_view_graph.h"
#include "names/lpp_view_part.h"

/* Whether a function is of a module, or of what runs scripts: not of the C
 * library, APR or the server itself. */
static int is_of_module(const lpp_symbol_t *symbol)
{
    const char *slash = strrchr(symbol->object, '/');
    const char *object = slash != NULL ? slash + 1 : symbol->object;

    return strncmp(object, "mod_", 4) == 0 || strncmp(object, "libphp", 6) == 0;
}

/* The function that waited in that branch: the innermost one of a script, else
 * of a module, else the one that made the system call; 0: none. */
static apr_uint32_t caller_of(const lpp_view_t *view, apr_uint32_t branch)
{
    apr_uint32_t module = 0, direct = 0;

    for (branch = view->branches[branch].parent;
         branch != 0 && branch != LPP_NODE_NONE;
         branch = view->branches[branch].parent) {
        apr_uint32_t at = view->branches[branch].function;
        const lpp_symbol_t *symbol = &view->functions[at].symbol;

        if (lpp_view_is_script(symbol)) {
            return at;
        }
        direct = direct != 0 ? direct : at;
        module = module == 0 && is_of_module(symbol) ? at : module;
    }
    return module != 0 ? module : direct;
}

static apr_uint64_t blocked_us(const lpp_function_t *function)
{
    const lpp_cost_t *self = &function->self;

    return self->wall_us - self->cpu_us - self->ready_us;
}

static int compare(const void *a, const void *b)
{
    const lpp_function_t *const *left = a, *const *right = b;
    apr_uint64_t left_us = blocked_us(*left), right_us = blocked_us(*right);

    if (left_us != right_us) {
        return left_us > right_us ? -1 : 1;
    }
    return *left < *right ? -1 : *left > *right;
}

/* The heaviest branch of each function. */
static void find_branches(const lpp_view_t *view, apr_uint32_t *heaviest)
{
    apr_uint32_t i;

    for (i = 2; i < view->branch_count; i++) {
        apr_uint32_t *most = &heaviest[view->branches[i].function];

        if (*most == 0 || view->branches[i].self.wall_us
                              > view->branches[*most].self.wall_us) {
            *most = i;
        }
    }
}

static void fill(const lpp_view_t *view, lpp_view_wait_t *wait,
                 const lpp_wait_t *rows, apr_uint32_t count,
                 apr_uint32_t branch, apr_pool_t *pool)
{
    lpp_pc_t pc = view->functions[wait->function].symbol.start;
    apr_uint32_t i;

    wait->caller = caller_of(view, branch);
    wait->note = "";
    for (i = 0; i < count && rows[i].pc != pc; i++) {
    }
    if (i < count) {
        wait->times = rows[i].times;
        wait->longest_us = rows[i].longest_ns / 1000;
        wait->note = lpp_pagecode_clean(rows[i].note, pool);
    }
}

apr_status_t lpp_view_add_waits(lpp_view_t *view, const lpp_wait_t *rows,
                                apr_uint32_t count, apr_pool_t *pool)
{
    const lpp_function_t **found;
    apr_uint32_t *heaviest, i, made = 0;
    lpp_view_wait_t *waits;

    for (i = 0; i < view->function_count; i++) {
        made += LPP_PC_IS_WAIT(view->functions[i].symbol.start);
    }
    if (made == 0) {
        return APR_SUCCESS;
    }
    waits = apr_pcalloc(pool, made * sizeof(*waits));
    found = apr_palloc(pool, made * sizeof(*found));
    heaviest = apr_pcalloc(pool, view->function_count * sizeof(*heaviest));
    if (waits == NULL || found == NULL || heaviest == NULL) {
        return APR_ENOMEM;
    }
    find_branches(view, heaviest);
    for (i = 0, made = 0; i < view->function_count; i++) {
        if (LPP_PC_IS_WAIT(view->functions[i].symbol.start)
            && heaviest[i] != 0) {
            found[made++] = &view->functions[i];
        }
    }
    qsort(found, made, sizeof(*found), compare);
    for (i = 0; i < made; i++) {
        waits[i].function = (apr_uint32_t)(found[i] - view->functions);
        fill(view, &waits[i], rows, count, heaviest[waits[i].function], pool);
        if (waits[i].note == NULL) {
            return APR_ENOMEM;
        }
    }
    view->waits = waits;
    view->wait_count = made;
    return APR_SUCCESS;
}

apr_uint64_t lpp_view_waited_us(const lpp_view_t *view,
                                const lpp_view_wait_t *wait)
{
    return blocked_us(&view->functions[wait->function]);
}

const char *lpp_view_waited_for(const lpp_view_t *view,
                                const lpp_view_wait_t *wait, apr_pool_t *pool)
{
    const char *name = view->functions[wait->function].symbol.name;
    apr_size_t len = strlen(name), begin = strlen(LPP_WAIT_BEGIN);

    /* A file may have any name here. */
    if (len < begin + 1 || strncmp(name, LPP_WAIT_BEGIN, begin) != 0) {
        return name;
    }
    return apr_pstrndup(pool, name + begin, len - begin - 1);
}
