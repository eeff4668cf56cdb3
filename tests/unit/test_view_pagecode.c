/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_view with page functions: names, lines, sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fake_symbols.h"
#include "names/lpp_view_graph.h"

enum { MORE, MAIN, RENDER, RENDER2, USORT, RUN, REQUEST, PRINT, PRINT2 };
#define INDEX "/srv/www/index.php"
static const lpp_page_function_t pages[] = {
    { LPP_LANGUAGE_NONE, 0, LPP_PAGE_MORE_NAME, "", 0 },
    { LPP_LANGUAGE_PHP, 0, "{main}", INDEX, 1 },
    { LPP_LANGUAGE_PHP, 0, "render", INDEX, 40 },
    { LPP_LANGUAGE_PHP, 0, "render", INDEX, 12 },
    { LPP_LANGUAGE_PHP, 1, "usort()", "", 0 },
    { LPP_LANGUAGE_PHP, 0, "ap_run_handler", INDEX, 70 },
    { LPP_LANGUAGE_LUA, 0, LPP_VIEW_ROOT_NAME, "", 0 },
    { LPP_LANGUAGE_PHP, 1, "print()", "", 0 },
    { LPP_LANGUAGE_LUA, 1, "print()", "", 0 }
};
static const char *const natives[] = { "execute_ex", "php_handler",
    "ap_run_handler", "render", "[profiler]" };
#define EXECUTE FAKE_PC(1, 0, 5)
#define HANDLER FAKE_PC(1, 1, 5)
#define PAGE LPP_PAGE_PC

static const lpp_view_about_t about = { "OOPS-1", "P:x", "/x", "h", "GET", 0,
    1, 2, 0 };

static apr_pool_t *pool;
static lpp_profile_t *profile;

static int setup(void **state)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    fake_names = natives;
    fake_pages = pages;
    return lpp_profile_create(&profile, 0, pool) != APR_SUCCESS;
}

static int teardown(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static void add(const lpp_pc_t *stack, unsigned count, apr_uint64_t wall_ns)
{
    lpp_weight_t weight = { wall_ns, wall_ns / 2, 0, 1 };

    profile->total.wall_ns += wall_ns;
    profile->total.cpu_ns += wall_ns / 2;
    lpp_profile_add(profile, stack, count, &weight);
}

/* The view; its line branches must be a tree, and parts of the branches. */
static const lpp_view_t *make_view(void)
{
    const lpp_view_t *view;
    lpp_cost_t *left;
    apr_uint32_t i;

    assert_int_equal(lpp_view_create(&view, profile, NULL, NULL, &about,
                                     pool), APR_SUCCESS);
    left = apr_pcalloc(pool, view->branch_count * sizeof(*left));
    assert_true(view->line_branch_count >= view->branch_count);
    for (i = 0; i < view->line_branch_count; i++) {
        const lpp_line_branch_t *line = &view->line_branches[i];
        const lpp_branch_t *branch = &view->branches[line->branch];

        lpp_cost_add(&left[line->branch], &line->self);
        assert_true(line->self.cpu_us <= line->self.wall_us);
        assert_true(i >= 2 || line->branch == i);
        if (i == 0) {
            assert_true(line->parent == LPP_NODE_NONE);
            continue;
        }
        assert_true(line->parent < i);
        assert_int_equal(view->line_branches[line->parent].branch,
                         branch->parent);
        assert_true(line->line == 0
                    || view->functions[branch->function].symbol.kind
                           == LPP_NAME_INTERPRETER);
    }
    for (i = 0; i < view->branch_count; i++) {
        assert_memory_equal(&left[i], &view->branches[i].self,
                            sizeof(left[i]));
    }
    return view;
}

static apr_uint32_t index_of(const lpp_view_t *view, const char *name)
{
    apr_uint32_t i;

    for (i = 0; i < view->function_count; i++) {
        if (strcmp(view->functions[i].symbol.name, name) == 0) {
            return i;
        }
    }
    fail_msg("no function %s", name);
    return 0;
}

/* The wall time of one line of costs; 0: the line has none. */
static apr_uint64_t at_line(const lpp_line_cost_t *costs, apr_uint32_t count,
                            apr_uint32_t index, apr_uint32_t line)
{
    apr_uint32_t i;

    for (i = 0; i < count; i++) {
        if (costs[i].index == index && costs[i].line == line) {
            return costs[i].cost.wall_us;
        }
    }
    return 0;
}

/* The parts of each function and edge make up all of it. */
static lpp_line_costs_t line_costs(const lpp_view_t *view)
{
    lpp_line_costs_t costs;
    lpp_cost_t *selfs, *calls;
    apr_uint32_t i;

    assert_int_equal(lpp_view_line_costs(&costs, view, pool), APR_SUCCESS);
    selfs = apr_pcalloc(pool, view->function_count * sizeof(*selfs));
    calls = apr_pcalloc(pool, (view->edge_count + 1) * sizeof(*calls));
    for (i = 0; i < costs.self_count; i++) {
        assert_true(costs.selfs[i].index < view->function_count);
        lpp_cost_add(&selfs[costs.selfs[i].index], &costs.selfs[i].cost);
    }
    for (i = 0; i < costs.call_count; i++) {
        assert_true(costs.calls[i].index < view->edge_count);
        lpp_cost_add(&calls[costs.calls[i].index], &costs.calls[i].cost);
    }
    for (i = 0; i < view->function_count; i++) {
        if (view->functions[i].symbol.kind == LPP_NAME_INTERPRETER) {
            assert_memory_equal(&selfs[i], &view->functions[i].self,
                                sizeof(selfs[i]));
        }
    }
    for (i = 0; i < view->edge_count; i++) {
        if (view->functions[view->edges[i].caller].symbol.kind
            == LPP_NAME_INTERPRETER) {
            assert_memory_equal(&calls[i], &view->edges[i].total,
                                sizeof(calls[i]));
        }
    }
    return costs;
}

static void lines_of_one_function_are_one_branch(void **state)
{
    const lpp_pc_t here[] = { PAGE(RENDER, 41), PAGE(MAIN, 3), EXECUTE };
    const lpp_pc_t there[] = { PAGE(RENDER, 42), PAGE(MAIN, 3), EXECUTE };
    const lpp_pc_t later[] = { PAGE(RENDER, 41), PAGE(MAIN, 5), EXECUTE };
    const lpp_view_t *view;
    lpp_line_costs_t costs;
    apr_uint32_t render, edge;

    add(here, 3, 3000000);
    add(there, 3, 1000000);
    add(later, 3, 500000);
    view = make_view();
    assert_int_equal(view->branch_count, 5);
    assert_int_equal(view->line_branch_count, 8);
    render = index_of(view, "render");
    assert_int_equal(view->functions[render].self.wall_us, 4500);
    assert_string_equal(view->functions[render].symbol.file, INDEX);
    assert_int_equal(view->functions[render].symbol.line, 40);
    costs = line_costs(view);
    assert_int_equal(costs.self_count, 2);
    assert_int_equal(at_line(costs.selfs, costs.self_count, render, 41), 3500);
    assert_int_equal(at_line(costs.selfs, costs.self_count, render, 42), 1000);
    edge = lpp_view_edge(view, index_of(view, "{main}"), render);
    assert_int_equal(at_line(costs.calls, costs.call_count, edge, 3), 4000);
    assert_int_equal(at_line(costs.calls, costs.call_count, edge, 5), 500);
    assert_int_equal(lpp_view_edge(view, render, 0), view->edge_count);
}

/* A sample counts once for an edge, at its outermost call. */
static void recursion_counts_once_a_line(void **state)
{
    const lpp_pc_t stack[] = { PAGE(RENDER, 44), PAGE(RENDER, 43),
        PAGE(RENDER, 42), PAGE(MAIN, 3) };
    const lpp_pc_t other[] = { PAGE(RENDER, 44), PAGE(RENDER, 43),
        PAGE(MAIN, 3) };
    const lpp_view_t *view;
    lpp_line_costs_t costs;
    apr_uint32_t render, edge;

    add(stack, 4, 2000000);
    add(other, 3, 1000000);
    view = make_view();
    costs = line_costs(view);
    render = index_of(view, "render");
    edge = lpp_view_edge(view, render, render);
    assert_int_equal(view->edges[edge].total.wall_us, 3000);
    assert_int_equal(at_line(costs.calls, costs.call_count, edge, 42), 2000);
    assert_int_equal(at_line(costs.calls, costs.call_count, edge, 43), 1000);
}

/* A function of the module stands for its wrapper (lpp_view.c); a page
 * function at an unknown line that calls itself does not. */
static void recursion_at_no_line_is_recursion(void **state)
{
    const lpp_pc_t stack[] = { PAGE(USORT, 0), PAGE(USORT, 0), EXECUTE };

    add(stack, 3, 1000000);
    assert_int_equal(make_view()->branch_count, 5);
}

static void without_page_functions_there_are_no_parts(void **state)
{
    const lpp_pc_t here[] = { EXECUTE, HANDLER };
    const lpp_pc_t there[] = { FAKE_PC(1, 0, 9), HANDLER };
    const lpp_view_t *view;
    lpp_line_costs_t costs;
    apr_uint32_t i;

    add(here, 2, 1000000);
    add(there, 2, 1000000);
    view = make_view();
    assert_int_equal(view->line_branch_count, view->branch_count);
    for (i = 0; i < view->branch_count; i++) {
        assert_int_equal(view->line_branches[i].branch, i);
    }
    costs = line_costs(view);
    assert_int_equal(costs.self_count + costs.call_count, 0);
}

static void namesakes_have_their_lines(void **state)
{
    const lpp_pc_t one[] = { PAGE(RENDER, 41), PAGE(RENDER2, 13) };
    const lpp_pc_t two[] = { PAGE(PRINT, 0), PAGE(PRINT2, 0) };
    const lpp_pc_t native[] = { FAKE_PC(1, 3, 4) };
    const lpp_view_t *view;
    const lpp_symbol_t *symbol;

    add(one, 2, 1000000);
    add(two, 2, 1000000);
    add(native, 1, 1000000);
    view = make_view();
    index_of(view, "render"); /* in mod_a.so */
    symbol = &view->functions[index_of(view, "render:12")].symbol;
    assert_int_equal(symbol->line, 12);
    assert_string_equal(lpp_view_page_name(symbol, pool), "render");
    symbol = &view->functions[index_of(view, "render:40")].symbol;
    assert_int_equal(symbol->line, 40);
    assert_string_equal(lpp_view_page_name(symbol, pool), "render");
    symbol = &view->functions[index_of(view, "print():0")].symbol;
    assert_string_equal(lpp_view_page_name(symbol, pool), "print()");
    symbol = &view->functions[index_of(view, "print():0 (2)")].symbol;
    assert_string_equal(lpp_view_page_name(symbol, pool), "print()");
    symbol = &view->functions[index_of(view, LPP_VIEW_ROOT_NAME)].symbol;
    assert_string_equal(lpp_view_page_name(symbol, pool),
                        LPP_VIEW_ROOT_NAME);
}

/* The names of the page do not take the place of this module's. */
static void a_page_names_its_functions_as_it_likes(void **state)
{
    const lpp_pc_t stack[] = { HANDLER, PAGE(RUN, 71), PAGE(REQUEST, 0) };
    const lpp_pc_t other[] = { HANDLER, EXECUTE };
    lpp_calls_table_t table;
    lpp_call_t call;
    const lpp_view_t *view;
    apr_uint32_t handler;

    memset(&table, 0, sizeof(table));
    memset(&call, 0, sizeof(call));
    call.phase = "handler";
    call.module = "mod_a.c";
    call.address = (const void *)(apr_uintptr_t)FAKE_PC(1, 1, 0);
    call.calls = 3;
    table.calls = &call;
    table.count = 1;
    profile->calls = &table;
    add(stack, 3, 1000000);
    add(other, 2, 1000000);
    view = make_view();
    assert_string_equal(view->functions[0].symbol.name, LPP_VIEW_ROOT_NAME);
    index_of(view, LPP_VIEW_ROOT_NAME ":0");
    assert_null(lpp_view_profiler(view));
    handler = index_of(view, "php_handler");
    assert_int_equal(view->edges[lpp_view_edge(
        view, index_of(view, "ap_run_handler"), handler)].calls, 0);
    assert_int_equal(view->edges[lpp_view_edge(view, 0, handler)].calls, 3);
}

static void page_functions_are_named(void **state)
{
    const lpp_pc_t stack[] = { PAGE(USORT, 0), PAGE(RENDER, 41),
        PAGE(MORE, 0), FAKE_PC(0, 0, 0) };
    const lpp_view_t *view;

    add(stack, 4, 1000000);
    view = make_view();
    assert_int_equal(view->named_percent, 50);
    assert_int_equal(view->object_count, 0);
    assert_null(lpp_view_object(view, PAGE(RENDER, 41)));
}

/* Any tree: sums hold, of the whole and of each part. */
static void any_stacks_keep_the_sums(void **state)
{
    unsigned seed = 13, i, j;

    for (i = 0; i < 3000; i++) {
        unsigned depth = 1 + (unsigned)rand_r(&seed) % 30;
        lpp_pc_t stack[30];

        for (j = 0; j < depth; j++) {
            unsigned any = (unsigned)rand_r(&seed);

            stack[j] = any % 3 == 0 ? FAKE_PC(1, any / 3 % 4, 1 + any % 7)
                : PAGE(any / 3 % LPP_COUNT(pages), any / 100 % 4);
        }
        add(stack, depth, (unsigned)rand_r(&seed) % 3000000);
    }
    line_costs(make_view());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_of_one_function_are_one_branch),
        TEST(recursion_counts_once_a_line),
        TEST(recursion_at_no_line_is_recursion),
        TEST(without_page_functions_there_are_no_parts),
        TEST(namesakes_have_their_lines),
        TEST(a_page_names_its_functions_as_it_likes),
        TEST(page_functions_are_named),
        TEST(any_stacks_keep_the_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
