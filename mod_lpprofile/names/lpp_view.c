/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view: a profile with names.
 *
 * Makes the functions and the call tree by function; lpp_view_graph makes
 * inclusive times and edges. All times are rounded in round_selfs. Nothing here
 * recurses; a view does not change after lpp_view_create has returned.
 */
#include "names/lpp_view.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "names/lpp_view_graph.h"

#define ROOT 0u   /* function and branch */
#define REST 1u   /* function and branch */

/* A map of keys to indexes with open addressing, made for a known number of
 * keys. */
typedef struct map_t {
    apr_uint64_t *keys;
    apr_uint32_t *values; /* LPP_NODE_NONE: free */
    apr_uint32_t mask;
} map_t;

/* A view being made. Everything except the results is in the pool scratch. */
typedef struct builder_t {
    const lpp_profile_t *profile;
    lpp_symbols_t *symbols;
    int lines;                    /* source lines are wanted */
    apr_pool_t *scratch;
    lpp_function_t *functions;    /* room for one for each node, and two more */
    apr_uint32_t function_count;
    lpp_branch_t *branches;       /* the same */
    lpp_pc_t *pcs;                /* of each branch */
    apr_uint32_t branch_count;
    lpp_line_branch_t *lines_of;  /* line branches; room as for functions */
    lpp_weight_t *selfs;          /* of each line branch, exact */
    apr_uint32_t line_count;      /* line branches */
    apr_uint32_t *line_of;        /* of each node: its line branch */
    int has_pages;                /* 0: line branches are branches, and the two
                                     maps of lines are not used */
    apr_uint32_t spot_count;
    map_t by_pc;                  /* lpp_pc_t -> function */
    map_t by_start;               /* start of function -> function */
    map_t by_place;               /* parent branch, function -> branch */
    map_t by_spot;                /* see spot_of -> its number */
    map_t by_line;                /* parent line branch, spot -> line branch */
} builder_t;

static int make_map(map_t *map, apr_uint32_t most, apr_pool_t *pool)
{
    apr_uint32_t size = 16;

    while (size < most * 2) {
        size *= 2;
    }
    map->mask = size - 1;
    map->keys = apr_palloc(pool, size * sizeof(*map->keys));
    map->values = apr_palloc(pool, size * sizeof(*map->values));
    if (map->keys == NULL || map->values == NULL) {
        return 0;
    }
    memset(map->values, 0xff, size * sizeof(*map->values));
    return 1;
}

/* The value of key; LPP_NODE_NONE: key is new, the caller sets the value. */
static apr_uint32_t *look_up(map_t *map, apr_uint64_t key)
{
    apr_uint64_t hash = key * APR_UINT64_C(0x9e3779b97f4a7c15);
    apr_uint32_t at = (apr_uint32_t)(hash >> 32) & map->mask;

    while (map->values[at] != LPP_NODE_NONE && map->keys[at] != key) {
        at = (at + 1) & map->mask;
    }
    map->keys[at] = key;
    return &map->values[at];
}

static apr_uint32_t function_of(builder_t *builder, lpp_pc_t pc)
{
    apr_uint32_t *by_pc = look_up(&builder->by_pc, pc), *by_start;
    lpp_symbol_t symbol;

    if (*by_pc != LPP_NODE_NONE) {
        return *by_pc;
    }
    memset(&symbol, 0, sizeof(symbol));
    lpp_symbols_resolve(builder->symbols, pc, &symbol);
    by_start = look_up(&builder->by_start, symbol.start);
    if (*by_start == LPP_NODE_NONE) {
        if (builder->lines) {
            lpp_symbols_add_line(builder->symbols, &symbol);
        }
        *by_start = builder->function_count++;
        memset(&builder->functions[*by_start], 0, sizeof(lpp_function_t));
        builder->functions[*by_start].symbol = symbol;
    }
    *by_pc = *by_start;
    return *by_pc;
}

static apr_uint32_t add_branch(builder_t *builder, apr_uint32_t function,
                               apr_uint32_t parent, lpp_pc_t pc)
{
    apr_uint32_t at = builder->branch_count++;
    lpp_branch_t *branch = &builder->branches[at];

    memset(branch, 0, sizeof(*branch));
    branch->function = function;
    branch->parent = parent;
    branch->first_child = branch->next_sibling = LPP_NODE_NONE;
    branch->depth = parent == LPP_NODE_NONE ? 0
        : builder->branches[parent].depth + 1;
    builder->pcs[at] = pc;
    return at;
}

static apr_uint32_t add_line_branch(builder_t *builder, apr_uint32_t branch,
                                    apr_uint32_t parent, apr_uint32_t line)
{
    apr_uint32_t at = builder->line_count++;
    lpp_line_branch_t *made = &builder->lines_of[at];

    memset(made, 0, sizeof(*made));
    memset(&builder->selfs[at], 0, sizeof(builder->selfs[at]));
    made->branch = branch;
    made->parent = parent;
    made->line = line;
    return at;
}

static void add_made_up_function(builder_t *builder, const char *name)
{
    lpp_function_t *function = &builder->functions[builder->function_count++];

    memset(function, 0, sizeof(*function));
    function->symbol.name = name;
    function->symbol.object = "";
    function->symbol.kind = LPP_NAME_REGISTERED;
}

static int has_pages(const lpp_profile_t *profile)
{
    apr_uint32_t i = 0;

    while (i < profile->count && !LPP_PC_IS_PAGE(profile->nodes[i].pc)) {
        i++;
    }
    return i < profile->count;
}

static int prepare(builder_t *builder)
{
    apr_uint32_t most = builder->profile->count + 2
        + (builder->profile->calls ? builder->profile->calls->count : 0);
    apr_pool_t *scratch = builder->scratch;

    builder->has_pages = has_pages(builder->profile);
    builder->functions = apr_palloc(scratch,
                                    most * sizeof(*builder->functions));
    builder->branches = apr_palloc(scratch,
                                   most * sizeof(*builder->branches));
    builder->pcs = apr_palloc(scratch, most * sizeof(*builder->pcs));
    builder->lines_of = apr_palloc(scratch,
                                   most * sizeof(*builder->lines_of));
    builder->selfs = apr_palloc(scratch, most * sizeof(*builder->selfs));
    builder->line_of = apr_palloc(scratch, most * sizeof(*builder->line_of));
    return builder->functions != NULL && builder->branches != NULL
        && builder->pcs != NULL && builder->lines_of != NULL
        && builder->selfs != NULL && builder->line_of != NULL
        && make_map(&builder->by_pc, most, scratch)
        && make_map(&builder->by_start, most, scratch)
        && make_map(&builder->by_place, most, scratch)
        && make_map(&builder->by_spot, builder->has_pages ? most : 0, scratch)
        && make_map(&builder->by_line, builder->has_pages ? most : 0, scratch);
}

static apr_uint32_t branch_at(builder_t *builder, apr_uint32_t parent,
                              apr_uint32_t function, lpp_pc_t pc)
{
    apr_uint32_t *place = look_up(&builder->by_place,
                                  ((apr_uint64_t)parent << 32) | function);

    if (*place == LPP_NODE_NONE) {
        *place = add_branch(builder, function, parent, pc);
    }
    return *place;
}

/* The number of what the tree by line has a branch for: a line of a page
 * function; another function as a whole. */
static apr_uint32_t spot_of(builder_t *builder, apr_uint32_t function,
                            lpp_pc_t pc)
{
    apr_uint32_t *spot = look_up(&builder->by_spot,
                                 LPP_PC_IS_PAGE(pc) ? pc : function);

    if (*spot == LPP_NODE_NONE) {
        *spot = builder->spot_count++;
    }
    return *spot;
}

static apr_uint32_t line_branch_at(builder_t *builder, apr_uint32_t parent,
                                   apr_uint32_t function, lpp_pc_t pc)
{
    apr_uint32_t *place, before = builder->branch_count;

    if (!builder->has_pages) {
        apr_uint32_t branch = branch_at(builder, parent, function, pc);

        return branch < before ? branch
            : add_line_branch(builder, branch, parent, 0);
    }
    place = look_up(&builder->by_line, ((apr_uint64_t)parent << 32)
                                           | spot_of(builder, function, pc));
    if (*place == LPP_NODE_NONE) {
        apr_uint32_t branch = branch_at(
            builder, builder->lines_of[parent].branch, function, pc);

        *place = add_line_branch(builder, branch, parent,
                                 LPP_PC_IS_PAGE(pc) ? LPP_PAGE_LINE(pc) : 0);
    }
    return *place;
}

/* Whether branch is a frame that the sampler added in place of a hook wrapper
 * (stands_for in lpp_sampler.h) and function's own frame comes next. Its
 * address is the first of the function, to which no call returns. */
static int is_stand_in(const builder_t *builder, apr_uint32_t branch,
                       apr_uint32_t function)
{
    return builder->branches[branch].function == function
        && builder->pcs[branch]
               == builder->functions[function].symbol.start
        && builder->pcs[branch] != 0 && !LPP_PC_IS_PAGE(builder->pcs[branch]);
}

/* Nodes of one function below one branch become one branch; those of one line
 * of it below one line branch become one line branch. */
static void make_branches(builder_t *builder)
{
    const lpp_profile_t *profile = builder->profile;
    apr_uint32_t i;

    add_made_up_function(builder, LPP_VIEW_ROOT_NAME);
    add_made_up_function(builder, LPP_VIEW_REST_NAME);
    add_branch(builder, ROOT, LPP_NODE_NONE, 0);
    add_branch(builder, REST, ROOT, 0);
    add_line_branch(builder, ROOT, LPP_NODE_NONE, 0);
    add_line_branch(builder, REST, ROOT, 0);
    for (i = 0; i < profile->count; i++) {
        const lpp_node_t *node = &profile->nodes[i];
        apr_uint32_t at = ROOT;

        if (i > 0) {
            apr_uint32_t parent = builder->line_of[node->parent];
            apr_uint32_t function = function_of(builder, node->pc);

            at = is_stand_in(builder, builder->lines_of[parent].branch,
                             function) ? parent
                : line_branch_at(builder, parent, function, node->pc);
        }
        builder->line_of[i] = at;
        builder->selfs[at].wall_ns += node->self.wall_ns;
        builder->selfs[at].cpu_ns += node->self.cpu_ns;
        builder->selfs[at].ready_ns += node->self.ready_ns;
        builder->selfs[at].samples += node->self.samples;
    }
}

static int is_filter(const lpp_symbol_t *symbol)
{
    static const char ending[] = " filter"; /* as the skin names them */
    apr_size_t len = symbol->registered != NULL
        ? strlen(symbol->registered) : 0;

    return len >= sizeof(ending)
        && strcmp(symbol->registered + len - (sizeof(ending) - 1), ending)
               == 0;
}

/* List the filters found in samples, since their calls are not counted. */
static int list_filters(const builder_t *builder, lpp_calls_table_t *table,
                        apr_pool_t *pool)
{
    lpp_filter_t *filters = apr_palloc(pool, (builder->function_count + 1)
                                       * sizeof(*filters));
    apr_uint32_t i;

    for (i = REST + 1; filters != NULL && i < builder->function_count; i++) {
        const lpp_symbol_t *symbol = &builder->functions[i].symbol;

        if (is_filter(symbol)) {
            filters[table->filter_count].name = symbol->registered;
            filters[table->filter_count++].function = i;
        }
    }
    table->filters = filters;
    return filters != NULL;
}

/* Add the exact calls, each with its function. A function without samples gets
 * no source line. */
static int add_calls(builder_t *builder, lpp_view_t *view,
                     const lpp_maps_t *maps, apr_pool_t *pool)
{
    const lpp_calls_table_t *from = builder->profile->calls;
    lpp_calls_table_t *table;
    lpp_call_t *rows;
    apr_uint32_t i;

    if (from == NULL) {
        return 1;
    }
    table = apr_pmemdup(pool, from, sizeof(*from));
    rows = apr_palloc(pool, (from->count + 1) * sizeof(*rows));
    if (table == NULL || rows == NULL
        || !list_filters(builder, table, pool)) {
        return 0;
    }
    builder->lines = 0;
    for (i = 0; i < from->count; i++) {
        lpp_pc_t pc = lpp_view_place(maps, from->calls[i].address);

        rows[i] = from->calls[i];
        rows[i].function = pc == 0 ? LPP_CALLS_NONE
            : function_of(builder, pc);
    }
    table->calls = rows;
    view->calls = table;
    return 1;
}

/* Round down to microseconds; CPU and ready time are limited, since the clocks
 * are read one after the other. */
static void round_self(lpp_cost_t *self, const lpp_weight_t *exact)
{
    self->wall_us = exact->wall_ns / 1000;
    self->cpu_us = exact->cpu_ns / 1000;
    if (self->cpu_us > self->wall_us) {
        self->cpu_us = self->wall_us;
    }
    self->ready_us = exact->ready_ns / 1000;
    if (self->ready_us > self->wall_us - self->cpu_us) {
        self->ready_us = self->wall_us - self->cpu_us;
    }
    self->samples = exact->samples;
}

/* The branch REST gets the difference between the exact total and the sum of
 * the samples. If the samples have more, the total becomes their sum, so that
 * all sums in all outputs are right. */
static void set_rest(lpp_cost_t *rest, lpp_cost_t *total,
                     const lpp_cost_t *sum)
{
    if (total->wall_us > sum->wall_us) {
        rest->wall_us = total->wall_us - sum->wall_us;
    }
    if (total->cpu_us > sum->cpu_us) {
        rest->cpu_us = total->cpu_us - sum->cpu_us;
    }
    if (rest->cpu_us > rest->wall_us) {
        rest->cpu_us = rest->wall_us;
    }
    total->wall_us = sum->wall_us + rest->wall_us;
    total->cpu_us = sum->cpu_us + rest->cpu_us;
    total->samples = sum->samples;
}

/* Divide the ready time that no sample has among all branches, by the time that
 * they have without CPU and ready time: REST first, which has none yet. */
static void set_rest_of_ready(builder_t *builder, lpp_cost_t *total,
                              const lpp_cost_t *sum)
{
    lpp_cost_t *rest = &builder->lines_of[REST].self;
    apr_uint64_t left = total->ready_us > sum->ready_us
        ? total->ready_us - sum->ready_us : 0;
    apr_uint64_t rooms, more;
    apr_uint32_t i;

    rest->ready_us = lpp_cost_blocked_us(rest);
    if (rest->ready_us > left) {
        rest->ready_us = left;
    }
    left -= rest->ready_us;
    rooms = total->wall_us - total->cpu_us - sum->ready_us - rest->ready_us;
    if (left > rooms) {
        left = rooms;
    }
    total->ready_us = sum->ready_us + rest->ready_us + left;
    for (i = 0; i < builder->line_count && left > 0; i++) {
        lpp_cost_t *self = &builder->lines_of[i].self;
        apr_uint64_t room = lpp_cost_blocked_us(self);

        more = room < rooms ? (apr_uint64_t)((double)left * (double)room
                                             / (double)rooms) : left;
        rooms -= room;
        /* what is left must fit into the branches to come */
        more = left > rooms && more < left - rooms ? left - rooms : more;
        more = more < room ? more : room;
        more = more < left ? more : left;
        self->ready_us += more;
        left -= more;
    }
}

/* Round nanoseconds to microseconds, in each line branch. */
static void round_selfs(builder_t *builder, lpp_cost_t *total)
{
    lpp_cost_t sum = { 0, 0, 0, 0 };
    apr_uint32_t i;

    for (i = 0; i < builder->line_count; i++) {
        round_self(&builder->lines_of[i].self, &builder->selfs[i]);
        lpp_cost_add(&sum, &builder->lines_of[i].self);
    }
    total->wall_us = builder->profile->total.wall_ns / 1000;
    total->cpu_us = builder->profile->total.cpu_ns / 1000;
    total->ready_us = builder->profile->total.ready_ns / 1000;
    set_rest(&builder->lines_of[REST].self, total, &sum);
    set_rest_of_ready(builder, total, &sum);
    for (i = 0; i < builder->line_count; i++) {
        lpp_cost_add(&builder->branches[builder->lines_of[i].branch].self,
                     &builder->lines_of[i].self);
    }
}

static int is_named(const lpp_symbol_t *symbol)
{
    return symbol->kind == LPP_NAME_SYMBOL
        || symbol->kind == LPP_NAME_REGISTERED
        || (symbol->kind == LPP_NAME_INTERPRETER
            && LPP_PAGE_NUMBER(symbol->start) != LPP_PAGE_MORE);
}

/* Shares and rates, which every report shows. */
void lpp_view_add_figures(lpp_view_t *view)
{
    apr_uint64_t frames = 0, named = 0, samples, sampled_us;
    apr_uint32_t i;

    for (i = REST + 1; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];
        const lpp_symbol_t *symbol = &view->functions[branch->function].symbol;

        if (symbol->start == LPP_PC_OWN_STACK) {
            view->own_stack_samples += branch->total.samples;
            continue; /* not a function */
        }
        if (LPP_PC_IS_WAIT(symbol->start)) {
            continue;
        }
        if (symbol->start == LPP_PC_RUN_TIME_CODE && branch->parent == ROOT) {
            view->run_time_samples += branch->total.samples;
        }
        frames += branch->total.samples;
        if (is_named(symbol)) {
            named += branch->total.samples;
        }
    }
    view->named_percent = frames == 0 ? 0
        : (apr_uint32_t)(100.0 * (double)named / (double)frames);
    sampled_us = view->total.wall_us - view->branches[REST].self.wall_us;
    sampled_us -= view->statistics.blocked_ns / 1000 < sampled_us
        ? view->statistics.blocked_ns / 1000 : 0;
    samples = view->total.samples;
    if (view->statistics.kernel_events
        && view->statistics.signals < samples) {
        samples = view->statistics.signals; /* the others are of blocks */
    }
    view->true_hz = sampled_us == 0 ? 0.0
        : 1e6 * (double)samples / (double)sampled_us;
}

/* Copy the results from scratch to pool. */
static int keep(const builder_t *builder, lpp_view_t *view, apr_pool_t *pool)
{
    view->function_count = builder->function_count;
    view->functions = apr_pmemdup(pool, builder->functions,
        builder->function_count * sizeof(*builder->functions));
    view->branch_count = builder->branch_count;
    view->branches = apr_pmemdup(pool, builder->branches,
        builder->branch_count * sizeof(*builder->branches));
    view->branch_pcs = apr_pmemdup(pool, builder->pcs,
        builder->branch_count * sizeof(*builder->pcs));
    view->line_branch_count = builder->line_count;
    view->line_branches = apr_pmemdup(pool, builder->lines_of,
        builder->line_count * sizeof(*builder->lines_of));
    return view->functions != NULL && view->branches != NULL
        && view->branch_pcs != NULL && view->line_branches != NULL;
}

apr_status_t lpp_view_create(const lpp_view_t **view,
                             const lpp_profile_t *profile,
                             lpp_symbols_t *symbols, const lpp_maps_t *maps,
                             const lpp_view_about_t *about, apr_pool_t *pool)
{
    lpp_view_t *made = apr_pcalloc(pool, sizeof(*made));
    builder_t builder;
    apr_status_t status;

    *view = NULL;
    memset(&builder, 0, sizeof(builder));
    builder.profile = profile;
    builder.symbols = symbols;
    builder.lines = about->lines;
    status = apr_pool_create(&builder.scratch, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = APR_ENOMEM;
    if (made == NULL || !prepare(&builder)) {
        goto leave;
    }
    make_branches(&builder);
    round_selfs(&builder, &made->total);
    if (!add_calls(&builder, made, maps, pool)
        || lpp_view_part_namesakes(builder.functions,
                                   builder.function_count, builder.scratch,
                                   pool)
           != APR_SUCCESS) {
        goto leave;
    }
    status = lpp_view_graph_add(made, builder.branches, builder.branch_count,
                                builder.functions, builder.function_count,
                                builder.scratch, pool);
    if (status == APR_SUCCESS) {
        status = lpp_view_count_calls(made, builder.functions,
                                      builder.function_count,
                                      builder.scratch, pool);
    }
    if (status != APR_SUCCESS) {
        goto leave;
    }
    made->about = *about;
    made->statistics = profile->statistics;
    made->statistics.samples = made->total.samples;
    status = keep(&builder, made, pool)
        ? lpp_view_add_objects(made, maps, pool) : APR_ENOMEM;
    if (status == APR_SUCCESS) {
        status = lpp_view_add_waits(made, profile->waits.rows,
                                    profile->waits.count, pool);
    }
    if (status != APR_SUCCESS) {
        goto leave;
    }
    lpp_view_add_figures(made);
    *view = made;

leave:
    apr_pool_destroy(builder.scratch);
    return status;
}

/* Found by its name, since a saved view has no other mark for it. */
const lpp_function_t *lpp_view_profiler(const lpp_view_t *view)
{
    apr_uint32_t i;

    for (i = REST + 1; i < view->function_count; i++) {
        const lpp_symbol_t *symbol = &view->functions[i].symbol;

        if (*symbol->object == '\0' && symbol->kind != LPP_NAME_INTERPRETER
            && strcmp(symbol->name, LPP_PROFILER_NAME) == 0) {
            return &view->functions[i];
        }
    }
    return NULL;
}

const char *lpp_view_object_name(const lpp_symbol_t *symbol)
{
    const char *slash = strrchr(symbol->object, '/');

    return slash != NULL && slash[1] != '\0' ? slash + 1 : symbol->object;
}
