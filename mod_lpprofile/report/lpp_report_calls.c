/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_report, "By module and phase": what each module did in each phase of the
 * request, of its redirects and subrequests, by exact calls; and below that,
 * what the samples show there. A request appears below the one that made it.
 * The walk uses its own stack, as deep as the requests are nested.
 */
#include "report/lpp_report_calls_internal.h"

#include <stdlib.h>
#include <string.h>

#define NONE LPP_CALLS_NONE
#define BLOCK_ROWS 12        /* of one request, in the block */
#define BLOCK_ALL_ROWS 60   /* of all of them */
#define FULL_ROWS 1000
#define FULL_ALL_ROWS 5000
#define COLUMNS LPP_CALLS_COLUMNS_MAX

/* Functions without a row of their own. */
typedef struct others_t {
    apr_uint32_t functions;
    apr_uint64_t calls, ns;
} others_t;

typedef struct tree_t {
    const lpp_report_t *report;
    const lpp_view_t *view;
    const lpp_calls_table_t *table;
    apr_uint32_t *sorted;       /* calls: by scope, then heaviest first */
    apr_uint32_t *first;        /* of each scope, and one more: index in
                                   sorted */
    apr_uint32_t *child;        /* of each scope: the first that it made */
    apr_uint32_t *next;         /* of each scope: the next one made by the same
                                   scope */
    lpp_sampled_t sampled;
    apr_uint32_t rows, rows_max, scope_rows;
    apr_uint64_t min_ns;        /* shorter: no row, unless it ended its phase */
    others_t rest;              /* of requests without rows */
} tree_t;

static void time_cell(lpp_page_t *page, const char *what, apr_uint64_t ns)
{
    lpp_page_rawf(page, ns ? "<td class=\"n %s\">" : "<td class=\"n zero %s\">",
                  what);
    if (ns) {
        lpp_page_ns(page, ns);
    }
    else {
        lpp_page_raw(page, "0");
    }
    lpp_page_raw(page, "</td>");
}

/* Sort keys: qsort passes no baton. */
typedef struct ranked_t {
    apr_uint32_t scope, call;
    apr_uint64_t ns;
} ranked_t;

static int compare_ranked(const void *a, const void *b)
{
    const ranked_t *left = a, *right = b;

    if (left->scope != right->scope) {
        return left->scope < right->scope ? -1 : 1;
    }
    if (left->ns != right->ns) {
        return left->ns > right->ns ? -1 : 1;
    }
    return left->call < right->call ? -1 : left->call > right->call;
}

static int sort_calls(tree_t *tree, apr_pool_t *pool)
{
    const lpp_calls_table_t *table = tree->table;
    ranked_t *ranked = apr_palloc(pool, (table->count + 1)
                                  * sizeof(*ranked));
    apr_uint32_t i, scope = 0;

    tree->sorted = apr_palloc(pool, (table->count + 1)
                              * sizeof(*tree->sorted));
    tree->first = apr_palloc(pool, (table->scope_count + 1)
                             * sizeof(*tree->first));
    if (!ranked || !tree->sorted || !tree->first) {
        return 0;
    }
    for (i = 0; i < table->count; i++) {
        ranked[i].scope = table->calls[i].scope;
        ranked[i].call = i;
        ranked[i].ns = table->calls[i].self_wall_ns;
    }
    qsort(ranked, table->count, sizeof(*ranked), compare_ranked);
    for (i = 0; i < table->count; i++) {
        while (scope <= ranked[i].scope) {
            tree->first[scope++] = i;
        }
        tree->sorted[i] = ranked[i].call;
    }
    while (scope <= table->scope_count) {
        tree->first[scope++] = table->count;
    }
    return 1;
}

/* Link each request to the requests that it made, in their order. */
static int link_scopes(tree_t *tree, apr_pool_t *pool)
{
    const lpp_calls_table_t *table = tree->table;
    apr_uint32_t i;

    tree->child = apr_palloc(pool, table->scope_count
                             * sizeof(*tree->child));
    tree->next = apr_palloc(pool, table->scope_count * sizeof(*tree->next));
    if (!tree->child || !tree->next) {
        return 0;
    }
    memset(tree->child, 0xff, table->scope_count * sizeof(*tree->child));
    for (i = table->scope_count; i-- > 1;) {
        apr_uint32_t *head = &tree->child[table->scopes[i].parent];

        tree->next[i] = *head;
        *head = i;
    }
    return 1;
}

/* The value that a call returned, and whether that ended its phase. */
static void answer(lpp_page_t *page, const lpp_call_t *call)
{
    const char *what = "";

    if (call->running) {
        lpp_page_raw(page, "<b>runs</b>");
        return;
    }
    if (!call->has_result) {
        return;
    }
    if (call->result >= 400) {
        lpp_page_rawf(page, "<b>%d refused</b>", call->result);
    }
    else if (call->result >= 100) {
        lpp_page_rawf(page, "<b>%d</b>", call->result);
    }
    else {
        what = call->result == 0 ? "OK" : call->result == -1 ? "declined"
            : call->result == -2 ? "DONE" : "suspended";
        lpp_page_raw(page, call->decided ? "<b>" : "");
        lpp_page_raw(page, what);
        lpp_page_raw(page, strcmp(call->phase, "handler") == 0
                     && call->decided ? ", handled" : "");
        lpp_page_raw(page, call->decided ? "</b>" : "");
    }
    if (call->decided > 1) {
        lpp_page_rawf(page, " (%u&#215;)", call->decided);
    }
}

/* What is known of the ready time of exact calls. */
static int calls_ready(const lpp_view_t *view)
{
    return view->statistics.ready == LPP_READY_EXACT ? LPP_READY_EXACT
                                                     : LPP_READY_UNKNOWN;
}

static void call_row(lpp_page_t *page, const tree_t *tree,
                     apr_uint32_t index)
{
    const lpp_call_t *call = &tree->table->calls[index];
    const lpp_view_t *view = tree->view;

    lpp_page_raw(page, "<tr><td class=\"f\">");
    lpp_page_text(page, call->phase);
    lpp_page_raw(page, "</td><td class=\"m\">");
    lpp_page_text(page, call->module);
    lpp_page_rawf(page, "</td><td class=\"n count\">%" APR_UINT64_T_FMT "</td>",
                  call->calls);
    time_cell(page, "total", call->wall_ns);
    time_cell(page, "self", call->self_wall_ns);
    lpp_page_rawf(page, "<td class=\"n share\">%.1f&#160;%%</td>",
                  lpp_page_percent(call->self_wall_ns,
                                   view->total.wall_us * 1000));
    lpp_page_shares_cells(page, calls_ready(view), call->self_wall_ns,
                          call->self_cpu_ns, call->self_ready_ns);
    lpp_page_raw(page, "<td class=\"f\">");
    answer(page, call);
    if (call->function < view->function_count
        && view->functions[call->function].symbol.kind == LPP_NAME_SYMBOL) {
        lpp_page_raw(page, " <small>");
        lpp_page_code(page, view->functions[call->function].symbol.name);
        lpp_page_raw(page, "</small>");
    }
    lpp_page_raw(page, "</td></tr>\n");
    lpp_sampled_row(page, tree->view, &tree->sampled, index);
}

static void scope_row(lpp_page_t *page, const tree_t *tree,
                      apr_uint32_t number, apr_uint32_t depth)
{
    static const char *const kinds[] = {
        "Request", "Internal redirect to ", "Subrequest ",
        "Further redirects and subrequests"
    };
    const lpp_scope_t *scope = &tree->table->scopes[number];
    apr_uint32_t i;

    lpp_page_raw(page, "<tr class=\"scope\"><th colspan=\"" COLUMNS "\">");
    for (i = 1; i < depth && i < 16; i++) {
        lpp_page_raw(page, "&#8627; ");
    }
    lpp_page_raw(page, kinds[scope->kind]);
    if (*scope->path) {
        lpp_page_code(page, scope->path);
    }
    if (scope->requests > 1) {
        lpp_page_rawf(page, " (%u&#215;)", scope->requests);
    }
    if (scope->caller != NONE) {
        lpp_page_raw(page, ", made in ");
        lpp_page_text(page, tree->table->calls[scope->caller].phase);
        lpp_page_raw(page, " of ");
        lpp_page_text(page, tree->table->calls[scope->caller].module);
    }
    lpp_page_raw(page, "</th></tr>\n");
}

static void others_row(lpp_page_t *page, const others_t *others)
{
    if (others->functions) {
        lpp_page_rawf(page, "<tr><td class=\"small\" colspan=\"2\">%u "
                      "further functions</td><td class=\"n\">%" APR_UINT64_T_FMT
                      "</td><td></td>", others->functions, others->calls);
        time_cell(page, "self", others->ns);
        lpp_page_raw(page, "<td colspan=\"5\"></td></tr>\n");
    }
}

/* The calls of one request: a row for each that took long or ended its
 * phase. */
static void scope_rows(lpp_page_t *page, tree_t *tree, apr_uint32_t scope,
                       apr_uint32_t depth)
{
    others_t own = { 0, 0, 0 };
    others_t *others = tree->rows < tree->rows_max ? &own : &tree->rest;
    apr_uint32_t i, shown = 0;

    if (others == &own && tree->table->scope_count > 1) {
        scope_row(page, tree, scope, depth);
    }
    for (i = tree->first[scope]; i < tree->first[scope + 1]; i++) {
        const lpp_call_t *call = &tree->table->calls[tree->sorted[i]];

        if (tree->rows < tree->rows_max
            && ((shown < tree->scope_rows
                 && call->self_wall_ns >= tree->min_ns)
                || call->decided || call->running)) {
            shown++;
            tree->rows++;
            call_row(page, tree, tree->sorted[i]);
        }
        else {
            others->functions++;
            others->calls += call->calls;
            others->ns += call->self_wall_ns;
        }
    }
    others_row(page, &own);
}

/* Write the rows of a request, then of those that it made. */
static void walk(lpp_page_t *page, tree_t *tree)
{
    apr_uint32_t depth = 1;
    apr_uint32_t *stack = apr_palloc(page->scratch, tree->table->scope_count
                                     * sizeof(*stack));

    if (!stack) {
        return;
    }
    stack[0] = 0;
    scope_rows(page, tree, 0, depth);
    while (depth > 0) {
        apr_uint32_t *child = &tree->child[stack[depth - 1]];

        if (*child == NONE) {
            depth--;
            continue;
        }
        stack[depth++] = *child;
        *child = tree->next[*child];
        scope_rows(page, tree, stack[depth - 1], depth);
    }
}

/* The time in httpd's own code between the hooks. Logging comes after the
 * profile. */
static void outside_row(lpp_page_t *page, const tree_t *tree)
{
    apr_uint64_t inside = 0, total = tree->view->total.wall_us * 1000;
    apr_uint32_t i;

    for (i = 0; i < tree->table->count; i++) {
        if (strcmp(tree->table->calls[i].phase, "log_transaction") != 0) {
            inside += tree->table->calls[i].self_wall_ns;
        }
    }
    if (total > inside) {
        lpp_page_raw(page, "<tr><td class=\"f\" colspan=\"4\">outside of "
                           "hooks</td>");
        time_cell(page, "self", total - inside);
        lpp_page_rawf(page, "<td class=\"n share\">%.1f&#160;%%</td><td "
                      "colspan=\"4\"></td></tr>\n",
                      lpp_page_percent(total - inside, total));
    }
}

static void notes(lpp_page_t *page, const lpp_calls_table_t *table)
{
    lpp_page_raw(page, "<p class=\"small\">Exact: every call of a module's "
        "hook is counted and timed. Total: with the calls within it; self, "
        "share, CPU and the rest: without them. Waits of less than "
        "20&#160;&#181;s may count as CPU time. An answer in bold "
        "ended its phase. Lines with &#8776; are from samples.</p>\n");
    if (table->left_out || table->dropped) {
        lpp_page_rawf(page, "<p class=\"notice\">Not counted: %u hooks that "
                      "no entry was left for, %" APR_UINT64_T_FMT " calls "
                      "past a ceiling.</p>\n", table->left_out,
                      table->dropped);
    }
}

void lpp_report_calls(lpp_page_t *page, const lpp_report_t *report)
{
    tree_t tree;

    memset(&tree, 0, sizeof(tree));
    tree.view = report->view;
    tree.table = report->view ? report->view->calls : NULL;
    if (!tree.table || !tree.table->count) {
        return;
    }
    tree.scope_rows = report->full ? FULL_ROWS : BLOCK_ROWS;
    tree.rows_max = report->full ? FULL_ALL_ROWS : BLOCK_ALL_ROWS;
    /* In the block: a thousandth of the request, in ns. */
    tree.min_ns = report->full ? 0 : tree.view->total.wall_us;
    if (!sort_calls(&tree, page->scratch)
        || !link_scopes(&tree, page->scratch)
        || !lpp_sampled_find(&tree.sampled, tree.view, page->scratch)) {
        page->status = page->status ? page->status : APR_ENOMEM;
        return;
    }
    lpp_page_raw(page, "<section class=\"calls\"><details open=\"open\">"
        "<summary><h2>By module and phase</h2></summary>\n");
    notes(page, tree.table);
    lpp_page_raw(page, "<div class=\"wide\"><table class=\"top calls\">"
        "<thead><tr><th>Phase</th><th>Module</th><th class=\"n\">Calls</th>"
        "<th class=\"n\">Total</th><th class=\"n\">Self</th>"
        "<th class=\"n share\">Share</th>");
    lpp_page_shares_heads(page, calls_ready(tree.view));
    lpp_page_raw(page, "<th>Answer</th></tr></thead><tbody>\n");
    walk(page, &tree);
    others_row(page, &tree.rest);
    outside_row(page, &tree);
    lpp_page_raw(page, "</tbody></table></div></details></section>\n");
}
