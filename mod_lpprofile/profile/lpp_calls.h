/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_calls: counts the calls of hooks and measures their time: how often each
 * function ran in each phase of each request of a chain, its wall, CPU and
 * ready time with and without the counted calls below it, and its result.
 *
 * Wall time and counts are exact. If a hook directly follows another one, its
 * call begins when the other one ended: the clock is read once for both.
 * Reading the CPU clock needs a system call, so it is read only at the end of
 * an interval of LPP_CALLS_CPU_STEP_NS or more in which no call began or
 * ended, and when LPP_CALLS_CPU_FIX_NS have passed since the last reading. In
 * between, the thread is assumed to be running. So a wait of a step or longer
 * is found where it happened; the error due to shorter waits is never larger
 * than LPP_CALLS_CPU_FIX_NS and does not add up. Ready time is read with the
 * CPU clock, where that shows that the thread did not run for a step or
 * longer.
 *
 * Does not depend on httpd: a hook is a phase, a module and an address.
 */
#ifndef LPP_CALLS_H
#define LPP_CALLS_H

#include "base/lpp_base.h"

#define LPP_CALLS_PLACES_MAX 8192  /* (function, phase, request) counted */
#define LPP_CALLS_SCOPES_MAX 500   /* requests of a chain with their own
                                      counts */
#define LPP_CALLS_MADE_MAX 30      /* of these, made by one function */
#define LPP_CALLS_DEPTH_MAX 64     /* nested counted calls */
#define LPP_CALLS_SPANS_MAX 300    /* single calls stored with their times */
#define LPP_CALLS_SPAN_MIN_NS 1000000   /* of such a call */
#define LPP_CALLS_CPU_STEP_NS 20000
#define LPP_CALLS_CPU_FIX_NS 500000

#define LPP_CALLS_NONE 0xffffffffu

/* One function that can be counted. All of it outlives the recorder. */
typedef struct lpp_hook_t {
    const char *phase;     /* "fixups" */
    const char *module;    /* "mod_rewrite.c" */
    const void *function;  /* process address */
    int follows;           /* 1: if the hook before it in this table did not end
                              the phase, the server calls this one next and does
                              nothing in between */
} lpp_hook_t;

/* Which request of the chain. */
typedef enum {
    LPP_SCOPE_REQUEST,    /* the first one */
    LPP_SCOPE_REDIRECT,
    LPP_SCOPE_SUBREQUEST,
    LPP_SCOPE_OTHERS      /* those past one of the two ceilings above */
} lpp_scope_kind_e;

typedef struct lpp_scope_t {
    lpp_scope_kind_e kind;
    const char *path;     /* masked by the caller; "" in the first */
    apr_uint32_t requests;/* requests with this path, parent and caller */
    apr_uint32_t parent;  /* scope that made it, LPP_CALLS_NONE in the first */
    apr_uint32_t caller;  /* counted call that made it (index into calls of the
                             table), or LPP_CALLS_NONE: made outside of any */
} lpp_scope_t;

/* The figures of one function in one phase of one scope. */
typedef struct lpp_call_t {
    apr_uint32_t scope;
    const char *phase, *module;
    const void *address;     /* of the function in this process, or NULL */
    apr_uint32_t function;   /* index in a view's functions, or
                                LPP_CALLS_NONE */
    apr_uint64_t calls;
    apr_uint64_t wall_ns, cpu_ns, ready_ns; /* with all below it */
    apr_uint64_t self_wall_ns, self_cpu_ns, self_ready_ns; /* less the counted
                                               calls below */
    apr_uint32_t decided;    /* calls whose result ended the phase */
    int result;              /* the last such result, else the last result: 0
                                OK, -1 DECLINED, -2 DONE, -3 SUSPENDED, >= 100
                                an HTTP status */
    int has_result;          /* 0: the hook returns nothing, or has not
                                returned */
    int running;             /* one of the calls has not ended */
} lpp_call_t;

/* A filter: it is not counted, only found in samples. */
typedef struct lpp_filter_t {
    const char *name;        /* "mod_deflate.so:DEFLATE filter" */
    apr_uint32_t function;   /* in the view's functions */
} lpp_filter_t;

/* What was counted; const once made. */
typedef struct lpp_calls_table_t {
    const lpp_call_t *calls;
    apr_uint32_t count;
    const lpp_scope_t *scopes; /* the first request's is number 0 */
    apr_uint32_t scope_count;
    apr_uint64_t dropped;      /* calls past one of the ceilings */
    apr_uint32_t left_out;     /* hooks that are not counted, since no hook
                                  wrapper was left */
    const lpp_filter_t *filters;
    apr_uint32_t filter_count;
} lpp_calls_table_t;

/* A single call that is long enough for a row in a timeline. */
typedef struct lpp_call_span_t {
    apr_uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
    apr_uint64_t cpu_ns;
    apr_int64_t ready_ns;          /* -1: not known */
    const char *phase, *module;
    lpp_scope_kind_e kind;
    const char *path;              /* of its scope */
} lpp_call_span_t;

typedef struct lpp_calls_t lpp_calls_t; /* a recorder: one request's thread */

/*
 * Create an empty recorder with scope 0, in pool. hooks are borrowed; left_out
 * is copied to the table.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_calls_create(lpp_calls_t **calls,
                                             const lpp_hook_t *hooks,
                                             apr_uint32_t left_out,
                                             apr_pool_t *pool);

/*
 * From now on count ready time, which function(baton) returns: that of the
 * calling thread, in nanoseconds, or -1: not known. Without this it is 0.
 * Signal-safe: no. Thread: request.
 */
void lpp_calls_count_ready(lpp_calls_t *calls,
                           apr_int64_t (*function)(const void *baton),
                           const void *baton);

/*
 * Call when the call that runs now (or none: then parent is used) makes a
 * further request. Returns the scope of that request, which it shares with
 * those of the same path, kind and caller. If one caller has made
 * LPP_CALLS_MADE_MAX scopes, its further paths share one scope of kind
 * LPP_SCOPE_OTHERS. path (not NULL) is copied. The time needed does not grow
 * with the number of scopes.
 * Signal-safe: no. Thread: request.
 */
apr_uint32_t lpp_calls_begin_scope(lpp_calls_t *calls, apr_uint32_t parent,
                                   lpp_scope_kind_e kind, const char *path);

/*
 * Call these before and after a call of hooks[hook] in a scope. enter returns
 * the handle for leave (0: the call is not counted); enter_here uses the scope
 * of the call that runs. Calls may be nested; leave also ends inner calls that
 * did not return (longjmp). result NULL: the hook returns nothing; decided: the
 * result ended the phase.
 * Signal-safe: no. Thread: request.
 */
unsigned lpp_calls_enter(lpp_calls_t *calls, apr_uint32_t scope,
                         apr_uint32_t hook);
unsigned lpp_calls_enter_here(lpp_calls_t *calls, apr_uint32_t hook);
void lpp_calls_leave(lpp_calls_t *calls, unsigned handle, const int *result,
                     int decided);

/*
 * The current figures, in pool; calls that run are included with their time so
 * far. NULL: no memory. function and filters are set by the view.
 * Signal-safe: no. Thread: request; any once enter is not called any more.
 */
const lpp_calls_table_t *lpp_calls_table(lpp_calls_t *calls,
                                         apr_pool_t *pool);

/*
 * Single calls of LPP_CALLS_SPAN_MIN_NS or more that have ended, in the order
 * of their ends, *count of them; valid as long as the recorder.
 * Signal-safe: no. Thread: as lpp_calls_table.
 */
const lpp_call_span_t *lpp_calls_spans(const lpp_calls_t *calls,
                                       apr_uint32_t *count);

#endif
