/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_view: a profile with names, which writers and the report page read.
 *
 * Made once from tree and symbols, and const after that. All times are whole
 * microseconds, rounded only here, so that every output of one profile has the
 * same totals: self times of branches are rounded down, and the remainder, with
 * the time outside all samples, is the self time of the function "[not
 * sampled]" below the root. If functions of one object have the same name,
 * their addresses are added to it, so that (object, name) is unique; for page
 * functions of one script, the lines that they begin at ("render:12").
 */
#ifndef LPP_VIEW_H
#define LPP_VIEW_H

#include "profile/lpp_profile.h"
#include "names/lpp_symbol.h"

#define LPP_VIEW_ROOT_NAME "[request]"
#define LPP_VIEW_REST_NAME "[not sampled]"

typedef struct lpp_cost_t {
    apr_uint64_t wall_us;
    apr_uint64_t cpu_us;   /* <= wall_us */
    apr_uint64_t ready_us; /* <= wall_us - cpu_us; see lpp_ready_e */
    apr_uint64_t samples;
} lpp_cost_t;

/* The third share of wall time: neither CPU nor ready.
 * Signal-safe: yes. Thread: any. */
static inline apr_uint64_t lpp_cost_blocked_us(const lpp_cost_t *cost)
{
    return cost->wall_us - cost->cpu_us - cost->ready_us;
}

/* Function 0 is the root, function 1 "[not sampled]"; so are branches 0, 1. */
typedef struct lpp_function_t {
    lpp_symbol_t symbol;
    lpp_cost_t self;
    lpp_cost_t total;    /* inclusive; each sample counts once, also in a
                            recursion */
    apr_uint64_t calls;  /* exact count; 0 if the calls were not counted, or if
                            it was also called from elsewhere */
} lpp_function_t;

/*
 * A call from caller to callee, with the time in the callee; each sample counts
 * once for an edge. A call that was counted but never sampled is an edge
 * without time, from the function "ap_run_<phase>" if that has samples, else
 * from the root.
 */
typedef struct lpp_edge_t {
    apr_uint32_t caller, callee; /* function indexes */
    lpp_cost_t total;
    apr_uint64_t calls;          /* exact count or 0 */
} lpp_edge_t;

/* The call tree by function; parents come before their children. */
typedef struct lpp_branch_t {
    apr_uint32_t function;
    apr_uint32_t parent;       /* LPP_NODE_NONE in branch 0, the root */
    apr_uint32_t first_child, next_sibling; /* or LPP_NODE_NONE; heaviest
                                               (wall) sibling first */
    apr_uint32_t depth;        /* 0 in the root */
    lpp_cost_t self, total;
} lpp_branch_t;

/*
 * The call tree by function and line: each branch once for each path of lines
 * that its page functions were at; parents come first. The first two are
 * branches 0 and 1. Without page functions it has one for each branch, in the
 * same order.
 */
typedef struct lpp_line_branch_t {
    apr_uint32_t branch;  /* the branch that this is a part of */
    apr_uint32_t parent;  /* a line branch; LPP_NODE_NONE in the first */
    apr_uint32_t line;    /* that a page function was at; 0: not known, or not a
                             page function */
    lpp_cost_t self;      /* its part of the branch's self */
} lpp_line_branch_t;

/* What the request waited for: a function whose start is LPP_PC_IS_WAIT. */
typedef struct lpp_view_wait_t {
    apr_uint32_t function;     /* index */
    apr_uint32_t caller;       /* index of the function that waited: of the
                                  script, else of a module, in the heaviest
                                  branch; 0: none */
    apr_uint64_t times;        /* 0: not known */
    apr_uint64_t longest_us;   /* 0: not known */
    const char *note;          /* see lpp_wait_t; never NULL */
} lpp_view_wait_t;

/* The head of every output. Strings are never NULL, and borrowed from the
 * caller of lpp_view_create. */
typedef struct lpp_view_about_t {
    const char *id;       /* OOPS id */
    const char *page_id;
    const char *url;      /* masked */
    const char *host;     /* server name */
    const char *method;
    apr_time_t start;     /* wall clock, of the request */
    apr_uint32_t pid;
    apr_uint32_t tid;
    int lines;            /* also find source lines, which is slow (see
                             lpp_symbols_add_line); 0 while a response waits */
} lpp_view_about_t;

typedef struct lpp_view_t {
    const lpp_function_t *functions;
    apr_uint32_t function_count;
    const lpp_edge_t *edges;       /* sorted by caller, callee */
    apr_uint32_t edge_count;
    const lpp_branch_t *branches;
    apr_uint32_t branch_count;
    const lpp_line_branch_t *line_branches;
    apr_uint32_t line_branch_count;
    const lpp_view_wait_t *waits;  /* heaviest first */
    apr_uint32_t wait_count;
    lpp_cost_t total;              /* of the whole request */
    lpp_sampling_statistics_t statistics;
    apr_uint32_t named_percent;    /* frames (weighted by samples) of kind
                                      SYMBOL or REGISTERED, and page functions
                                      but "[more functions]", 0 to 100 */
    apr_uint64_t own_stack_samples; /* below LPP_PC_OWN_STACK */
    apr_uint64_t run_time_samples;  /* of stacks whose outer end is
                                       LPP_PC_RUN_TIME_CODE */
    double true_hz;                /* samples a second of sampled wall time,
                                      blocked time left out, and the samples
                                      of blocks that kernel events told of */
    lpp_view_about_t about;
    const lpp_pc_t *branch_pcs;    /* one pc for each branch, for pprof */
    const lpp_object_t *objects;   /* the objects of the pcs, by number; only
                                      path, place and build id; borrowed. Page
                                      functions have none */
    apr_uint32_t object_count;
    const lpp_calls_table_t *calls; /* exact calls, with the functions of the
                                       view, and the filters that samples saw;
                                       NULL: nothing was counted */
} lpp_view_t;

/*
 * Make a view of a profile in pool. Borrowed are the strings of about, and
 * names and paths, which live as long as symbols and maps. maps may be NULL:
 * the view then has no objects. Functions in profile->calls without samples are
 * in the view, without time.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_create(const lpp_view_t **view,
                                            const lpp_profile_t *profile,
                                            lpp_symbols_t *symbols,
                                            const lpp_maps_t *maps,
                                            const lpp_view_about_t *about,
                                            apr_pool_t *pool);

typedef enum {
    LPP_VIEW_BY_SELF,  /* "Top Inline Time" */
    LPP_VIEW_BY_TOTAL, /* "Top Total Time" */
    LPP_VIEW_BY_CALLS  /* "Top Call Count": exact calls, then samples */
} lpp_view_order_e;

/*
 * Write the indexes of the functions that come first in that order to
 * functions, at most max; the root, and functions with nothing to compare, are
 * left out. Returns their number; 0 if memory is short.
 * Signal-safe: no. Thread: any.
 */
apr_uint32_t lpp_view_top(const lpp_view_t *view, lpp_view_order_e order,
                          apr_uint32_t *functions, apr_uint32_t max,
                          apr_pool_t *scratch);

/* How long the request waited for it, and what it waited for, without the
 * brackets: "tcp 10.0.0.5:5432", in pool; NULL: no memory.
 * Signal-safe: no. Thread: any. */
apr_uint64_t lpp_view_waited_us(const lpp_view_t *view,
                                const lpp_view_wait_t *wait);
const char *lpp_view_waited_for(const lpp_view_t *view,
                                const lpp_view_wait_t *wait, apr_pool_t *pool);

/* The function LPP_PROFILER_NAME, which has the profiler's own work on the
 * request's thread; NULL if no sample has it.
 * Signal-safe: no. Thread: any. */
const lpp_function_t *lpp_view_profiler(const lpp_view_t *view);

/* The object of pc, or NULL: in no known object, or a page function.
 * Signal-safe: no. Thread: any. */
const lpp_object_t *lpp_view_object(const lpp_view_t *view, lpp_pc_t pc);

/* The name of a page function without the line that tells it from its
 * namesakes; of other functions, the name. In pool, or the symbol's own; NULL:
 * no memory.
 * Signal-safe: no. Thread: any. */
const char *lpp_view_page_name(const lpp_symbol_t *symbol, apr_pool_t *pool);

/* The index of the edge from caller to callee (indexes of functions);
 * edge_count: there is none.
 * Signal-safe: yes. Thread: any. */
apr_uint32_t lpp_view_edge(const lpp_view_t *view, apr_uint32_t caller,
                           apr_uint32_t callee);

/* A part of the cost of a page function, or of a call from one: that of one
 * line of it. */
typedef struct lpp_line_cost_t {
    apr_uint32_t index; /* of the function, or of the edge */
    apr_uint32_t line;  /* 0: not known */
    lpp_cost_t cost;
} lpp_line_cost_t;

typedef struct lpp_line_costs_t {
    const lpp_line_cost_t *selfs; /* parts of the self costs of page functions;
                                     by function, line */
    apr_uint32_t self_count;
    const lpp_line_cost_t *calls; /* parts of the totals of edges whose caller
                                     is a page function; by edge, line of the
                                     caller */
    apr_uint32_t call_count;
} lpp_line_costs_t;

/*
 * The costs of page functions by line, in pool. The parts of a function or edge
 * make up all of its cost; parts without cost are left out.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_view_line_costs(lpp_line_costs_t *costs,
                                                const lpp_view_t *view,
                                                apr_pool_t *pool);

/* The base name of a symbol's object, to show; "" if it is unknown.
 * Signal-safe: yes. Thread: any. */
const char *lpp_view_object_name(const lpp_symbol_t *symbol);

#endif
