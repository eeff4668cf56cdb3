/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_wrappers: small functions that stand in httpd's hook arrays in
 * the place of the modules' own, and know them, while a request of this child
 * is watched. While nobody watches the arrays are as httpd made them, so that a
 * request pays nothing for what others may ask for.
 *
 * Which entry stands where is decided once a generation, in the parent, after
 * the hooks were sorted. Only function pointers ever change, each in one store,
 * to one of two functions that both stay; length, names and order, which others
 * read, stay. A thread that runs through an array meanwhile calls the one or
 * the other, and for a request that is not watched they do the same. What an
 * entry does besides is the watcher's; its frames are hidden from samples.
 */
#ifndef MOD_LPPROFILE_WRAPPERS_H
#define MOD_LPPROFILE_WRAPPERS_H

#include <stdatomic.h>

#include <httpd.h>
#include <apr_tables.h>
#include <util_filter.h>

#include "profile/lpp_calls.h"

/* Entries there are, by the type of their hooks. */
#define LPP_ENTRIES_INT 512   /* int (request_rec *) */
#define LPP_ENTRIES_VOID 64   /* void (request_rec *) */
#define LPP_ENTRIES_QUICK 16  /* int (request_rec *, int) */
#define LPP_ENTRIES_MAX \
    (LPP_ENTRIES_INT + LPP_ENTRIES_VOID + LPP_ENTRIES_QUICK)

#define LPP_ENTRIES_PROFILER LPP_ENTRIES_MAX

/*
 * Who watches. enter is called before the original and may return NULL: then
 * the call is left alone. leave gets what enter returned, and the answer (NULL
 * of a hook without one). hook is an index into lpp_entries_hooks.
 */
typedef struct lpp_watcher_t {
    void *(*enter)(request_rec *r, apr_uint32_t hook, unsigned *handle);
    void (*leave)(void *seen, unsigned handle, apr_uint32_t hook,
                  const int *result);
} lpp_watcher_t;

/*
 * What is to be done, while somebody watches, where a phase begins or has
 * ended: in the entry of its first or last hook, in place of a hook of its own,
 * which every request would pay for. begin: other than DECLINED it answers in
 * place of the phase's hooks. end: where the last hook ran and answered OK or
 * DECLINED. With a module it stands around the hook of that one. Only for
 * phases of the int kind that have a hook. Static.
 */
typedef struct lpp_door_t {
    const char *phase;             /* as in lpp_hook_t */
    int (*begin)(request_rec *r);  /* or NULL */
    void (*end)(request_rec *r);   /* or NULL */
    const char *module;            /* "mod_x.c", or NULL */
} lpp_door_t;

/* The doors of the next lpp_entries_prepare. Thread: parent at start. */
void lpp_entries_set_doors(const lpp_door_t *doors, unsigned count);

/*
 * Decide which entries stand for all hooks of requests but those of the module
 * named own (these only at a door); once a generation, while the hooks live,
 * which is as long as pconf. watcher NULL: at doors alone. Where entries run
 * out the rest of the hooks stays as it is.
 * Signal-safe: no. Thread: parent at start, with no children.
 */
void lpp_entries_prepare(const lpp_watcher_t *watcher, const char *own,
                         apr_pool_t *pconf);

/* What entries stand for, by number; those past lpp_entries_count are empty,
 * but for LPP_ENTRIES_PROFILER: what the profiler does within a call. Static.
 * Thread: any. */
const lpp_hook_t *lpp_entries_hooks(void);

/* Hooks that the watcher sees; those for which no entry was left.
 * Thread: any. */
apr_uint32_t lpp_entries_count(void);
apr_uint32_t lpp_entries_left_out(void);

/* 1 when an answer ends the phase of a hook. Thread: any. */
int lpp_entries_decides(apr_uint32_t hook, int result);

/* A hook's function: the original where function is an entry, else function.
 * Signal-safe: yes. Thread: any. */
typedef void lpp_entries_fn(void);
lpp_entries_fn *lpp_entries_original(lpp_entries_fn *function);

/*
 * The original whose entry holds address, a place in the code of entries; NULL
 * where that is shared by all.
 * Signal-safe: yes. Thread: any.
 */
const void *lpp_entries_stands_for(const void *address);

/* The code of entries, whose frames no profile is to show. */
void lpp_entries_code(const void **start, const void **end);

/* The code of all functions marked LPP_PASSES_ON. */
void lpp_passes_code(const void **start, const void **end);

/*
 * ap_pass_brigade, ap_get_brigade and apr_bucket_read for our own filters. What
 * runs below them is the work of others, be it done or waited for.
 * Signal-safe: no. Thread: any.
 */
apr_status_t lpp_pass_brigade(ap_filter_t *next, apr_bucket_brigade *bb);
apr_status_t lpp_get_brigade(ap_filter_t *next, apr_bucket_brigade *bb,
                             ap_input_mode_t mode, apr_read_type_e block,
                             apr_off_t bytes);
apr_status_t lpp_read_bucket(apr_bucket *b, const char **data,
                             apr_size_t *len, apr_read_type_e block);

/* Somebody has a request to watch: from now on its thread, and those that it
 * hands the request on to, meet entries. Signal-safe: no. Thread: any. */
void lpp_entries_watch(void);

/* No longer. The last one takes the entries out; where it runs in a signal
 * handler on top of the function above, they stay.
 * Signal-safe: yes. Thread: any. */
void lpp_entries_unwatch(void);

/* Requests that are watched in this child; looked at by lpp_entries_any only.
 * Hidden, so that it costs no look-up of its address. */
extern __attribute__((visibility("hidden"))) atomic_int lpp_entries_watched;

/* 1 while anybody watches. Signal-safe: yes. Thread: any. */
static inline int lpp_entries_any(void)
{
    return __builtin_expect(
        atomic_load_explicit(&lpp_entries_watched, memory_order_relaxed) != 0,
        0);
}

#endif
