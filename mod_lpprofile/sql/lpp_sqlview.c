/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqlview: see lpp_sqlview.h.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "sql/lpp_sqlview.h"

#define DATABASE_PREFIX "apr_dbd_"

/* Statements sorted into groups; first and last of each by index. */
typedef struct sorter_t {
    apr_hash_t *known; /* key to (group + 1) */
    lpp_sqlview_group_t *groups;
    unsigned *last;    /* of each group */
    unsigned count;
    unsigned *next;
    apr_pool_t *pool;
} sorter_t;

static int sorter_init(sorter_t *sorter, unsigned count, apr_pool_t *pool)
{
    unsigned i;

    memset(sorter, 0, sizeof(*sorter));
    sorter->pool = pool;
    sorter->known = apr_hash_make(pool);
    sorter->groups = apr_pcalloc(pool, (count + 1) * sizeof(*sorter->groups));
    sorter->last = apr_palloc(pool, (count + 1) * sizeof(*sorter->last));
    sorter->next = apr_palloc(pool, (count + 1) * sizeof(*sorter->next));
    if (!sorter->known || !sorter->groups || !sorter->last || !sorter->next) {
        return 0;
    }
    for (i = 0; i <= count; i++) {
        sorter->next[i] = LPP_SQLVIEW_NONE;
    }
    return 1;
}

/* Add a statement to the group of key, which is created if there is none. key
 * is borrowed. */
static lpp_sqlview_group_t *sorter_add(sorter_t *sorter, const void *key,
                                       apr_ssize_t len, unsigned index,
                                       apr_uint64_t took_us)
{
    unsigned found = (unsigned)(apr_uintptr_t)apr_hash_get(sorter->known, key,
                                                           len);
    lpp_sqlview_group_t *group;

    if (!found) {
        found = ++sorter->count;
        apr_hash_set(sorter->known, key, len, (void *)(apr_uintptr_t)found);
        sorter->groups[found - 1].first = index;
    }
    else {
        sorter->next[sorter->last[found - 1]] = index;
    }
    group = &sorter->groups[found - 1];
    sorter->last[found - 1] = index;
    group->count++;
    group->total_us += took_us;
    return group;
}

static int heavier(const void *a, const void *b)
{
    const lpp_sqlview_group_t *left = a, *right = b;

    if (left->total_us != right->total_us) {
        return left->total_us < right->total_us ? 1 : -1;
    }
    if (left->count != right->count) {
        return left->count < right->count ? 1 : -1;
    }
    return left->first > right->first ? 1 : -1;
}

/* Keep only groups of two statements or more, heaviest first. Returns their
 * number. */
static unsigned sorter_finish(sorter_t *sorter)
{
    unsigned i, kept = 0;

    for (i = 0; i < sorter->count; i++) {
        if (sorter->groups[i].count > 1) {
            sorter->groups[kept++] = sorter->groups[i];
        }
    }
    qsort(sorter->groups, kept, sizeof(*sorter->groups), heavier);
    return kept;
}

static int group_texts(lpp_sqlview_t *view, apr_pool_t *pool)
{
    sorter_t sorter;
    unsigned i;

    if (!sorter_init(&sorter, view->count, pool)) {
        return 0;
    }
    for (i = 0; i < view->count; i++) {
        const lpp_sql_statement_t *statement = lpp_sqllog_at(view->log, i);
        const char *text = lpp_sqltext_mask(statement->text,
                                            statement->flavour, pool);
        const char *key = apr_pstrcat(pool, statement->database, "\n", text,
                                      NULL);

        if (!key) {
            return 0;
        }
        if (!statement->text[0]) {
            continue; /* past the ceiling for texts: nothing to compare */
        }
        sorter_add(&sorter, key, APR_HASH_KEY_STRING, i,
                   statement->took_us)->text = text;
    }
    view->group_count = sorter_finish(&sorter);
    view->groups = sorter.groups;
    view->next_same = sorter.next;
    return 1;
}

static int group_stacks(lpp_sqlview_t *view, apr_pool_t *pool)
{
    sorter_t sorter;
    unsigned i;

    if (!sorter_init(&sorter, view->count, pool)) {
        return 0;
    }
    for (i = 0; i < view->count; i++) {
        const lpp_sql_statement_t *statement = lpp_sqllog_at(view->log, i);

        if (statement->stack) {
            sorter_add(&sorter, &statement->stack, sizeof(statement->stack),
                       i, statement->took_us)->stack = statement->stack;
        }
    }
    view->trigger_count = sorter_finish(&sorter);
    view->triggers = sorter.groups;
    view->next_trigger = sorter.next;
    return 1;
}

/* Add a statement to the list of the slowest, if it is one of these. */
static void add_top(lpp_sqlview_t *view, unsigned index)
{
    apr_uint64_t took = lpp_sqllog_at(view->log, index)->took_us;
    unsigned at = view->top_count;

    while (at > 0
           && lpp_sqllog_at(view->log, view->top[at - 1])->took_us < took) {
        if (at < LPP_SQLVIEW_TOP) {
            view->top[at] = view->top[at - 1];
        }
        at--;
    }
    if (at < LPP_SQLVIEW_TOP) {
        view->top[at] = index;
        view->top_count += view->top_count < LPP_SQLVIEW_TOP;
    }
}

static void add_gap(lpp_sqlview_t *view, apr_uint64_t us, unsigned before)
{
    unsigned at = view->gap_count;

    if (!us) {
        return;
    }
    while (at > 0 && view->gaps[at - 1].us < us) {
        if (at < LPP_SQLVIEW_TOP) {
            view->gaps[at] = view->gaps[at - 1];
        }
        at--;
    }
    if (at < LPP_SQLVIEW_TOP) {
        view->gaps[at].us = us;
        view->gaps[at].before = before;
        view->gap_count += view->gap_count < LPP_SQLVIEW_TOP;
    }
}

static void make_lists(lpp_sqlview_t *view)
{
    apr_uint64_t end = view->from_us;
    unsigned i;

    for (i = 0; i < view->count; i++) {
        const lpp_sql_statement_t *statement = lpp_sqllog_at(view->log, i);
        apr_uint64_t this_end = statement->start_us + statement->took_us;

        add_top(view, i);
        if (statement->start_us > end) {
            add_gap(view, statement->start_us - end, i);
        }
        if (this_end > end) {
            end = this_end;
        }
        view->failed += statement->error != NULL;
    }
    if (view->count && view->until_us > end) {
        add_gap(view, view->until_us - end, view->count);
    }
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static int name_stack(lpp_sqlview_stack_t *named, const lpp_sql_stack_t *stack,
                      lpp_symbols_t *symbols, apr_pool_t *pool)
{
    lpp_sqlview_frame_t *frames = apr_palloc(pool, stack->count
                                                       * sizeof(*frames));
    unsigned i;
    int in_database = 1;

    if (!frames) {
        return 0;
    }
    named->frames = frames;
    named->count = named->database = stack->count;
    for (i = 0; i < stack->count; i++) {
        unsigned at = stack->count - 1 - i;
        lpp_symbol_t symbol;

        lpp_symbols_resolve(symbols, stack->frames[i], &symbol);
        frames[at].name = symbol.name;
        frames[at].object = base_name(symbol.object);
        frames[at].line = LPP_PC_IS_PAGE(stack->frames[i])
            ? LPP_PAGE_LINE(stack->frames[i]) : 0;
        in_database = in_database
            && !strncmp(symbol.name, DATABASE_PREFIX,
                        sizeof(DATABASE_PREFIX) - 1);
        if (in_database) {
            named->database = at;
        }
    }
    return 1;
}

static int name_stacks(lpp_sqlview_t *view, lpp_symbols_t *symbols,
                       apr_pool_t *pool)
{
    unsigned i, count = lpp_sqllog_stack_count(view->log);
    lpp_sqlview_stack_t *stacks;

    stacks = apr_pcalloc(pool, (count + 1) * sizeof(*stacks));
    if (!stacks) {
        return 0;
    }
    view->stacks = stacks;
    for (i = 0; i < count && symbols; i++) {
        if (!name_stack(&stacks[i], lpp_sqllog_stack(view->log, i + 1),
                        symbols, pool)) {
            return 0;
        }
    }
    return 1;
}

static lpp_sqlview_t *create(const lpp_sqllog_t *log, apr_uint64_t from_us,
                             apr_uint64_t until_us, apr_pool_t *pool)
{
    lpp_sqlview_t *made = apr_pcalloc(pool, sizeof(*made));

    if (!made) {
        return NULL;
    }
    made->log = log;
    made->count = lpp_sqllog_count(log);
    made->total_us = lpp_sqllog_total_us(log);
    made->from_us = from_us;
    made->until_us = until_us > from_us ? until_us : from_us;
    make_lists(made);
    return group_texts(made, pool) && group_stacks(made, pool) ? made : NULL;
}

apr_status_t lpp_sqlview_create(const lpp_sqlview_t **view,
                                const lpp_sqllog_t *log,
                                lpp_symbols_t *symbols, apr_uint64_t from_us,
                                apr_uint64_t until_us, apr_pool_t *pool)
{
    lpp_sqlview_t *made = create(log, from_us, until_us, pool);

    *view = made && name_stacks(made, symbols, pool) ? made : NULL;
    return *view ? APR_SUCCESS : APR_ENOMEM;
}

apr_status_t lpp_sqlview_restore(const lpp_sqlview_t **view,
                                 const lpp_sqllog_t *log,
                                 const lpp_sqlview_stack_t *stacks,
                                 apr_uint64_t from_us, apr_uint64_t until_us,
                                 apr_pool_t *pool)
{
    lpp_sqlview_t *made = create(log, from_us, until_us, pool);

    *view = made;
    if (!made) {
        return APR_ENOMEM;
    }
    made->stacks = stacks;
    return APR_SUCCESS;
}
