/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_process_hooks: hooks that join only where somebody profiles.
 *
 * Two steps. Where profiling is allowed nowhere, nothing is registered. Where
 * it is, hooks that matter to profiled requests alone sleep in each child: not
 * in httpd's hook arrays until the child's first profile, so that the requests
 * before it do not pay for calling them.
 *
 * Waking is a race with other threads that walk the same array: httpd's loop
 * reads the address of the entries once, at its start, and then their number
 * before each entry. So the array without the sleepers is followed by as many
 * entries that do nothing as it lacks: whatever pair of address and number a
 * loop sees, it calls every hook of the other modules, once. That asks for
 * stores and loads that keep their order; elsewhere nothing ever sleeps. For
 * the same reason nobody falls asleep again.
 */
#include <pthread.h>
#include <string.h>

#include <httpd.h>
#include <apr_hooks.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>

#include "mod_lpprofile_config.h"
#include "mod_lpprofile_process.h"
#include "mod_lpprofile_process_internal.h"

#define REGISTRARS_MAX 16

#if defined(__x86_64__) || defined(__i386__)
#define STORES_KEEP_ORDER 1
#else
#define STORES_KEEP_ORDER 0
#endif

typedef struct registrar_t {
    lpp_process_register_fn *function;
    int sleeps;
} registrar_t;

/* The entries of all hook arrays have this shape, only pFunc's type differs. */
typedef ap_LINK_handler_t entry_t;
typedef void any_fn(void);

/* One of httpd's arrays that has sleepers. */
typedef struct sleeping_t {
    apr_array_header_t *array;
    char *all;  /* its entries, all of them */
    int count;  /* how many that is */
} sleeping_t;

static registrar_t registrars[REGISTRARS_MAX];
static int registrar_count;

/* Whose address marks an entry as one that sleeps; httpd shows the text. */
static char sleeper_name[] = "mod_lpprofile.c";

static int no_request(request_rec *r)
{
    return DECLINED;
}

static void no_void(request_rec *r)
{
}

static int no_quick(request_rec *r, int lookup_uri)
{
    return DECLINED;
}

static void no_move(conn_rec *c, request_rec *r)
{
}

static void no_log(const ap_errorlog_info *info, const char *text)
{
}

/* The hooks that may sleep, and what does nothing in their place. Not those
 * that run before a profile can have begun. */
static const struct {
    apr_array_header_t *(*entries)(void);
    any_fn *nothing;
} may_sleep[] = {
    { ap_hook_get_pre_translate_name, (any_fn *)no_request },
    { ap_hook_get_translate_name, (any_fn *)no_request },
    { ap_hook_get_map_to_storage, (any_fn *)no_request },
    { ap_hook_get_header_parser, (any_fn *)no_request },
    { ap_hook_get_access_checker, (any_fn *)no_request },
    { ap_hook_get_access_checker_ex, (any_fn *)no_request },
    { ap_hook_get_check_user_id, (any_fn *)no_request },
    { ap_hook_get_auth_checker, (any_fn *)no_request },
    { ap_hook_get_type_checker, (any_fn *)no_request },
    { ap_hook_get_fixups, (any_fn *)no_request },
    { ap_hook_get_insert_filter, (any_fn *)no_void },
    { ap_hook_get_insert_error_filter, (any_fn *)no_void },
    { ap_hook_get_quick_handler, (any_fn *)no_quick },
    { ap_hook_get_handler, (any_fn *)no_request },
    { ap_hook_get_log_transaction, (any_fn *)no_request },
    { ap_hook_get_suspend_connection, (any_fn *)no_move },
    { ap_hook_get_resume_connection, (any_fn *)no_move },
    { ap_hook_get_error_log, (any_fn *)no_log },
};

/* Written in child_init, before any thread is made; then under the lock. */
static sleeping_t sleeping[LPP_COUNT(may_sleep)];
static int sleeping_count;
static int asleep;
static pthread_mutex_t waking = PTHREAD_MUTEX_INITIALIZER;

static void add_registrar(lpp_process_register_fn *function, int sleeps)
{
    if (registrar_count < REGISTRARS_MAX) {
        registrars[registrar_count].function = function;
        registrars[registrar_count].sleeps = sleeps;
        registrar_count++;
    }
}

void lpp_process_register_if_wanted(lpp_process_register_fn *function)
{
    add_registrar(function, 0);
}

void lpp_process_register_sleeping(lpp_process_register_fn *function)
{
    add_registrar(function, 1);
}

void lpp_process_hooks_forget(void)
{
    registrar_count = 0;
}

/* httpd has sorted its hooks already, so they are sorted anew. */
void lpp_process_hooks_register(apr_pool_t *pconf)
{
    const char *registering = apr_hook_debug_current;
    int i;

    for (i = 0; i < registrar_count; i++) {
        apr_hook_debug_current = registrars[i].sleeps
                                     ? sleeper_name
                                     : lpprofile_module.name;
        registrars[i].function(pconf);
    }
    apr_hook_debug_current = registering;
    if (registrar_count > 0) {
        apr_hook_sort_all();
    }
}

static void put_to_sleep(apr_array_header_t *array, any_fn *nothing,
                         apr_pool_t *pool)
{
    entry_t *all = (entry_t *)array->elts;
    entry_t *awake;
    int kept = 0;
    int i;

    awake = apr_palloc(pool, sizeof(*awake) * (apr_size_t)array->nelts);
    for (i = 0; i < array->nelts; i++) {
        if (all[i].szName != sleeper_name) {
            awake[kept++] = all[i];
        }
    }
    if (kept == array->nelts) {
        return;
    }
    for (i = kept; i < array->nelts; i++) {
        memset(&awake[i], 0, sizeof(awake[i]));
        memcpy(&awake[i].pFunc, &nothing, sizeof(awake[i].pFunc));
        awake[i].szName = sleeper_name;
    }
    sleeping[sleeping_count].array = array;
    sleeping[sleeping_count].all = array->elts;
    sleeping[sleeping_count].count = array->nelts;
    sleeping_count++;
    array->elts = (char *)awake;
    array->nelts = kept;
}

void lpp_process_hooks_sleep(apr_pool_t *pool)
{
    size_t i;

    sleeping_count = 0;
    for (i = 0; STORES_KEEP_ORDER && i < LPP_COUNT(may_sleep); i++) {
        apr_array_header_t *array = may_sleep[i].entries();

        if (array && array->elt_size == sizeof(entry_t)) {
            put_to_sleep(array, may_sleep[i].nothing, pool);
        }
    }
    __atomic_store_n(&asleep, sleeping_count > 0, __ATOMIC_RELEASE);
}

void lpp_process_wake(void)
{
    int i;

    if (!__atomic_load_n(&asleep, __ATOMIC_ACQUIRE)) {
        return;
    }
    pthread_mutex_lock(&waking);
    for (i = 0; i < sleeping_count; i++) {
        /* The number first: see the head of this file. */
        __atomic_store_n(&sleeping[i].array->nelts, sleeping[i].count,
                         __ATOMIC_RELEASE);
        __atomic_store_n(&sleeping[i].array->elts, sleeping[i].all,
                         __ATOMIC_RELEASE);
    }
    sleeping_count = 0;
    __atomic_store_n(&asleep, 0, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&waking);
}
