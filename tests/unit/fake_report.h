/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small profile made by hand, with figures that are easy to check, for tests
 * that need something to show. Total 1.6 s, of it 1.1 s CPU.
 */
#ifndef FAKE_REPORT_H
#define FAKE_REPORT_H

#include <apr_strings.h>

#include "report/lpp_report.h"

#define FAKE_ID "OOPS-0123456789abcdef0123456789abcdef"

typedef struct fake_branch_t {
    apr_uint32_t function, parent;
    apr_uint64_t wall_ms, cpu_ms; /* self */
} fake_branch_t;

static const char *const fake_names[][2] = {
    {"[request]", ""},
    {"[not sampled]", ""},
    {"ap_process_request_internal", "/usr/sbin/apache2"},
    {"mod_rewrite.so:translate_name",
     "/usr/lib/apache2/modules/mod_rewrite.so"},
    {"pcre2_match_8", "/usr/lib/x86_64-linux-gnu/libpcre2-8.so.0.11.2"},
    {"ap_invoke_handler", "/usr/sbin/apache2"},
    {"mod_lua.so:lua-script handler", "/usr/lib/apache2/modules/mod_lua.so"},
    {"luaV_execute", "/usr/lib/x86_64-linux-gnu/liblua5.3.so.0.0.0"},
    {"std::map<int, char>::operator[](int const&) \xe2\x80\x94 & \"q\"",
     "/opt/<app>/libweird.so"},
    {"poll", "/usr/lib/x86_64-linux-gnu/libc.so.6"},
    {"mod_deflate.so:DEFLATE filter",
     "/usr/lib/apache2/modules/mod_deflate.so"},
    {"deflate_slow", "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13"},
};

/* Heaviest siblings first, parents before children. */
static const fake_branch_t fake_branches[] = {
    {0, LPP_NODE_NONE, 0, 0}, /* 0 */
    {5, 0, 10, 10},           /* 1 ap_invoke_handler */
    {2, 0, 5, 5},             /* 2 ap_process_request_internal */
    {1, 0, 12, 3},            /* 3 [not sampled] */
    {6, 1, 8, 8},             /* 4 lua handler */
    {3, 2, 20, 20},           /* 5 rewrite */
    {7, 4, 600, 580},         /* 6 luaV_execute */
    {10, 4, 15, 15},          /* 7 deflate filter */
    {4, 5, 200, 200},         /* 8 pcre */
    {9, 6, 470, 2},           /* 9 poll, waiting */
    {8, 6, 60, 57},           /* 10 C++ */
    {11, 7, 199, 199},        /* 11 deflate_slow */
    {7, 10, 1, 1},            /* 12 luaV_execute again */
};

#define FAKE_FUNCTIONS LPP_COUNT(fake_names)
#define FAKE_BRANCHES LPP_COUNT(fake_branches)

static void fake_cost(lpp_cost_t *cost, const fake_branch_t *from)
{
    cost->wall_us += from->wall_ms * 1000;
    cost->cpu_us += from->cpu_ms * 1000;
    cost->samples += from->wall_ms;
}

static void fake_tree(lpp_branch_t *branches, lpp_function_t *functions)
{
    apr_uint32_t i, at;

    for (i = 0; i < FAKE_BRANCHES; i++) {
        lpp_branch_t *branch = &branches[i];

        branch->function = fake_branches[i].function;
        branch->parent = fake_branches[i].parent;
        branch->first_child = branch->next_sibling = LPP_NODE_NONE;
        fake_cost(&branch->self, &fake_branches[i]);
        fake_cost(&functions[branch->function].self, &fake_branches[i]);
        for (at = i; at != LPP_NODE_NONE; at = fake_branches[at].parent) {
            fake_cost(&branches[at].total, &fake_branches[i]);
            /* The one recursion of this tree: branch 12 inside 6. */
            if (!(i == 12 && at == 12)) {
                fake_cost(&functions[fake_branches[at].function].total,
                          &fake_branches[i]);
            }
        }
        if (i) {
            lpp_branch_t *parent = &branches[branch->parent];
            apr_uint32_t *link = &parent->first_child;

            branch->depth = parent->depth + 1;
            while (*link != LPP_NODE_NONE) {
                link = &branches[*link].next_sibling;
            }
            *link = i;
        }
    }
}

static const lpp_view_t *fake_view(apr_pool_t *pool)
{
    lpp_view_t *view = apr_pcalloc(pool, sizeof(*view));
    lpp_function_t *functions = apr_pcalloc(pool, FAKE_FUNCTIONS
                                            * sizeof(*functions));
    lpp_branch_t *branches = apr_pcalloc(pool, FAKE_BRANCHES
                                         * sizeof(*branches));
    apr_size_t i;

    for (i = 0; i < FAKE_FUNCTIONS; i++) {
        functions[i].symbol.name = fake_names[i][0];
        functions[i].symbol.object = fake_names[i][1];
    }
    functions[3].calls = 1;
    functions[7].symbol.file = "lvm.c";
    functions[7].symbol.line = 800;
    fake_tree(branches, functions);
    view->functions = functions;
    view->function_count = FAKE_FUNCTIONS;
    view->branches = branches;
    view->branch_count = FAKE_BRANCHES;
    view->total = branches[0].total;
    view->named_percent = 93;
    view->true_hz = 998.2;
    view->statistics.samples = view->total.samples;
    view->statistics.asked_hz = 1000;
    view->statistics.own_ns = 12345678;
    view->statistics.unwinder = "libunwind";
    return view;
}

/* Events straight into the array: no masking is asked of this record. */
static lpp_oops_t *fake_oops(apr_pool_t *pool)
{
    static const lpp_oops_event_t events[] = {
        {0, 0.4, "phase", "post_read_request", -1, -1},
        {0.4, 226, "phase", "translate_name", 25, 170},
        {226, 227, "phase", "fixups", 1, -1},
        {227, 1600, "phase", "handler", 1200, 0.5},
        {900, 1600, "phase", "output", -1, -1},
    };
    lpp_oops_t *oops = apr_pcalloc(pool, sizeof(*oops));
    apr_size_t i;

    oops->id = FAKE_ID;
    oops->type = "ProfilingOops";
    oops->value = "";
    oops->time = apr_time_from_sec(1700000000);
    oops->reporter = "www.example.com";
    oops->topic = "RootObject:index.html";
    oops->branch_nick = LPP_NAME;
    oops->revno = LPP_VERSION;
    oops->tb_text = "Traceback (most recent call last):\n  luaV_execute\n";
    oops->url = "http://www.example.com/a?q=<script>&token=<hidden>";
    oops->duration_s = 1.6;
    oops->informational = 1;
    oops->pool = pool;
    oops->req_vars = apr_table_make(pool, 4);
    apr_table_set(oops->req_vars, "HTTP_USER_AGENT",
                  "</title></template><script>alert(1)</script>");
    apr_table_set(oops->req_vars, "HTTP_COOKIE", LPP_OOPS_HIDDEN);
    oops->timeline = apr_array_make(pool, 5, sizeof(lpp_oops_event_t));
    for (i = 0; i < LPP_COUNT(events); i++) {
        APR_ARRAY_PUSH(oops->timeline, lpp_oops_event_t) = events[i];
    }
    return oops;
}

#endif
