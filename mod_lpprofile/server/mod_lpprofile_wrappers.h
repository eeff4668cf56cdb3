/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_wrappers: hook wrappers. While a request of this child is
 * profiled, small functions replace other modules' hooks in httpd's hook
 * arrays. Each calls the hook that it wraps, counts and times that call, and
 * runs this module's phase callbacks. While no request is profiled the arrays
 * are as httpd made them, so that other requests have no cost.
 *
 * Which wrapper belongs to which hook is decided once in each generation, in
 * the parent, after the hooks were sorted. Only function pointers of the arrays
 * change, each in one store, between two functions that both stay valid;
 * length, names and order of the arrays, which others read, never change. A
 * thread that runs the hooks meanwhile calls the one or the other: for a
 * request that is not profiled they do the same. The frames of wrappers are
 * hidden from samples.
 */
#ifndef MOD_LPPROFILE_WRAPPERS_H
#define MOD_LPPROFILE_WRAPPERS_H

#include <stdatomic.h>

#include <httpd.h>
#include <apr_tables.h>
#include <util_filter.h>

#include "profile/lpp_calls.h"

/* How many wrappers there are, by the type of their hooks. */
#define LPP_WRAPPERS_INT 512   /* int (request_rec *) */
#define LPP_WRAPPERS_VOID 64   /* void (request_rec *) */
#define LPP_WRAPPERS_QUICK 16  /* int (request_rec *, int) */
#define LPP_WRAPPERS_MAX \
    (LPP_WRAPPERS_INT + LPP_WRAPPERS_VOID + LPP_WRAPPERS_QUICK)

#define LPP_WRAPPERS_PROFILER LPP_WRAPPERS_MAX

/* A call that is counted: its recorder (NULL: not counted), and what
 * lpp_calls_enter returned. */
typedef struct lpp_counted_t {
    lpp_calls_t *calls;
    unsigned handle;
} lpp_counted_t;

/* Called before a hook; counts the call if its request is profiled. hook is an
 * index into lpp_wrappers_hooks. The wrapper calls lpp_calls_leave. */
typedef lpp_counted_t lpp_wrappers_enter_fn(request_rec *r, apr_uint32_t hook);

/*
 * Phase callbacks: this module's own work at the begin and end of a phase,
 * while a request is profiled. The wrappers of the first and the last hook of
 * the phase run them, since hooks of this module would run for every request of
 * the server. begin: an answer other than DECLINED is the phase's answer, and
 * its hooks do not run. end: runs if the last hook ran and answered OK or
 * DECLINED. With a module: before and after the hook of that module. Only for
 * phases of the int kind that have a hook. Static.
 */
typedef struct lpp_phase_callbacks_t {
    const char *phase;             /* as in lpp_hook_t */
    int (*begin)(request_rec *r);  /* or NULL */
    void (*end)(request_rec *r);   /* or NULL */
    const char *module;            /* "mod_x.c", or NULL */
} lpp_phase_callbacks_t;

/* Set the callbacks for the next lpp_wrappers_prepare; made (borrowed, static)
 * has count elements.
 * Signal-safe: no. Thread: parent at start. */
void lpp_wrappers_set_callbacks(const lpp_phase_callbacks_t *made,
                               unsigned count);

/*
 * Choose wrappers for all hooks of requests; hooks of the module named own get
 * one only if a callback needs it. Call it once in each generation; the result
 * is valid as long as the hooks, which pconf owns. count_enter NULL: no calls
 * are counted, only hooks with callbacks get wrappers. Hooks for which no
 * wrapper is left stay as they are.
 * Signal-safe: no. Thread: parent at start, with no children.
 */
void lpp_wrappers_prepare(lpp_wrappers_enter_fn *count_enter, const char *own,
                         apr_pool_t *pconf);

/* The counted hooks, by number; those from lpp_wrappers_count on are empty,
 * except LPP_WRAPPERS_PROFILER: the profiler's own work within a call. Static.
 * Signal-safe: yes. Thread: any. */
const lpp_hook_t *lpp_wrappers_hooks(void);

/* How many hooks are counted; how many are not, because no wrapper was left.
 * Signal-safe: yes. Thread: any. */
apr_uint32_t lpp_wrappers_count(void);
apr_uint32_t lpp_wrappers_left_out(void);

typedef void lpp_wrappers_fn(void);

/* An element of any of httpd's hook arrays, whatever the type of function. */
typedef struct lpp_hook_link_t {
    lpp_wrappers_fn *function;
    const char *module;              /* source file of the module */
    const char *const *predecessors;
    const char *const *successors;
    int order;
} lpp_hook_link_t;

/* A hook's function: the original if function is a wrapper, else function.
 * Signal-safe: yes. Thread: any. */
lpp_wrappers_fn *lpp_wrappers_original(lpp_wrappers_fn *function);

/*
 * The original of the wrapper whose code contains address; NULL: address is in
 * code that all wrappers share.
 * Signal-safe: yes. Thread: any.
 */
const void *lpp_wrappers_wrapped(const void *address);

/* The bounds of the code of wrappers, whose frames no profile shows.
 * Signal-safe: yes. Thread: any. */
void lpp_wrappers_code(const void **start, const void **end);

/* The bounds of the code of all functions marked LPP_PASSES_ON.
 * Signal-safe: yes. Thread: any. */
void lpp_passes_code(const void **start, const void **end);

/*
 * ap_pass_brigade, ap_get_brigade and apr_bucket_read for our own filters:
 * samples below them count as work of other modules.
 * Signal-safe: no. Thread: any.
 */
apr_status_t lpp_pass_brigade(ap_filter_t *next, apr_bucket_brigade *bb);
apr_status_t lpp_get_brigade(ap_filter_t *next, apr_bucket_brigade *bb,
                             ap_input_mode_t mode, apr_read_type_e block,
                             apr_off_t bytes);
apr_status_t lpp_read_bucket(apr_bucket *b, const char **data,
                             apr_size_t *len, apr_read_type_e block);

/* A request begins to be profiled: from now on its thread, and the threads that
 * continue the request, run the wrappers.
 * Signal-safe: no. Thread: any. */
void lpp_wrappers_watch(void);

/* Its profile ends. The last such call removes the wrappers; if it runs in a
 * signal handler that interrupted the function above, they stay installed.
 * Signal-safe: yes. Thread: any. */
void lpp_wrappers_unwatch(void);

/* How many requests of this child are profiled; only lpp_wrappers_any reads it.
 * Hidden, so that its address needs no look-up. */
extern __attribute__((visibility("hidden"))) atomic_int lpp_wrappers_watched;

/* 1 while a request of this child is profiled.
 * Signal-safe: yes. Thread: any. */
static inline int lpp_wrappers_any(void)
{
    return __builtin_expect(
        atomic_load_explicit(&lpp_wrappers_watched, memory_order_relaxed) != 0,
        0);
}

#endif
