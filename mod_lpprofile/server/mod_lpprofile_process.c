/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_process: see mod_lpprofile_process.h.
 *
 * Owns the mutex and the gate (process pool, one for all generations), the
 * object table (pconf) and what a child uses (pchild). Creates no thread in the
 * parent: the threads of a child start at its first profile, so none is running
 * when httpd forks. If anything cannot be set up, that is logged once, and the
 * server serves all requests and profiles none. Only a Mutex mechanism that can
 * never work makes configtest fail.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <apr_hooks.h>
#include <apr_strings.h>
#include <ap_mpm.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <mpm_common.h>
#include <scoreboard.h>
#include <util_mutex.h>

#include "base/lpp_clock.h"
#include "base/lpp_log.h"
#include "base/lpp_log_tags.h"
#include "names/lpp_services.h"
#include "sampling/lpp_signal_trial.h"
#include "server/mod_lpprofile_config.h"
#include "server/mod_lpprofile_kernel.h"
#include "server/mod_lpprofile_wrappers.h"
#include "server/mod_lpprofile_names.h"
#include "server/mod_lpprofile_process.h"

APLOG_USE_MODULE(lpprofile);

#define MUTEX_TYPE "lpprofile"

/* With the version: another build of the module, loaded by a graceful restart,
 * has other structs and must not use the data of this one. */
#define RETAINED_KEY "lpprofile-gate-" LPP_VERSION
#define TRIAL_KEY "lpprofile-trial-" LPP_VERSION

/* Kept over restarts, in the process pool. Contains no pointers to code or data
 * of this module, since a restart loads the module again. */
typedef struct retained_t {
    lpp_gate_t *gate;
    apr_lockmech_e mechanism;
    const char *mutex_dir; /* of the lock file; NULL: there is none */
} retained_t;

/* This generation, set up in the parent, inherited by its children. */
static struct {
    lpp_gate_t *gate; /* NULL: nothing is profiled */
    lpp_maps_t *maps;
    lpp_unwinder_t *unwinder; /* NULL: children make their own, or none */
    lpp_symbols_t *symbols;
    const lpp_signal_trial_t *trial; /* of the C library */
    pid_t parent;
    server_rec *server;
} generation;

static lpp_process_t process;

const lpp_process_t *lpp_process_get(void)
{
    return &process;
}

const lpp_process_t *lpp_process_inherited(lpp_unwinder_t **unwinder)
{
    static lpp_process_t inherited;

    inherited.gate = generation.gate;
    inherited.maps = generation.maps;
    inherited.symbols = generation.symbols;
    *unwinder = generation.unwinder;
    return &inherited;
}

int lpp_process_wanted(const server_rec *main_server)
{
    const char *aggregate = getenv(LPP_AGGREGATE_ENV);
    const server_rec *s;

    if (aggregate && *aggregate) {
        return 1;
    }
    for (s = main_server; s; s = s->next) {
        if (lpp_config_enabled(lpp_config_get(s))) {
            return 1;
        }
    }
    return 0;
}

int lpp_process_serves(void)
{
    return !ap_find_linked_module("mpm_itk.c");
}

/* The log function for lpp_log. */
static void log_to_httpd(void *baton, lpp_log_level_e level,
                         apr_status_t status, const char *message)
{
    static const int levels[] = {
        [LPP_LOG_ERROR] = APLOG_ERR,      [LPP_LOG_WARNING] = APLOG_WARNING,
        [LPP_LOG_NOTICE] = APLOG_NOTICE,  [LPP_LOG_INFO] = APLOG_INFO,
        [LPP_LOG_DEBUG] = APLOG_DEBUG
    };

    ap_log_error(APLOG_MARK, levels[level], status, baton, "%s", message);
}

static const char *directory_of(const char *file, apr_pool_t *pool)
{
    const char *slash = file ? strrchr(file, '/') : NULL;

    return slash ? apr_pstrmemdup(pool, file, (apr_size_t)(slash - file))
                 : NULL;
}

/*
 * The configuration of Mutex can only be read by creating a mutex. instance
 * gives its lock file another name than that of the mutex in use.
 */
static apr_status_t probe_mutex(retained_t *found, server_rec *s,
                                apr_pool_t *pool)
{
    apr_global_mutex_t *mutex = NULL;
    const char *file = NULL;
    apr_status_t status = ap_global_mutex_create(&mutex, &file, MUTEX_TYPE,
                                                 "probe", s, pool, 0);

    if (status != APR_SUCCESS || !mutex) {
        return status != APR_SUCCESS ? status : APR_ENOLOCK;
    }
    found->mechanism = apr_global_mutex_mech(mutex);
    found->mutex_dir = directory_of(file, pool);
    apr_global_mutex_destroy(mutex);
    return APR_SUCCESS;
}

/* The kernel must release the mutex of a killed owner. posixsem records no
 * owner; an unknown mechanism is not accepted. */
static int is_fit(apr_lockmech_e mechanism)
{
    return mechanism == APR_LOCK_PROC_PTHREAD
           || mechanism == APR_LOCK_SYSVSEM || mechanism == APR_LOCK_FCNTL
           || mechanism == APR_LOCK_FLOCK;
}

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    apr_status_t status = ap_mutex_register(pconf, MUTEX_TYPE, NULL,
                                            APR_LOCK_DEFAULT, 0);

    memset(&generation, 0, sizeof(generation));
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, status, NULL,
                     LPP_TAG_PROCESS_MUTEX_TYPE
                     ": Cannot register the Mutex type " MUTEX_TYPE);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/*
 * Hooks that are registered only if profiling is allowed somewhere. That is
 * known after the configuration was read, and httpd still accepts hooks then:
 * otherwise no hook that runs for each request is registered.
 */
#define REGISTRARS_MAX 16

static lpp_process_register_fn *registrars[REGISTRARS_MAX];
static int registrar_count;

void lpp_process_register_if_wanted(lpp_process_register_fn *function)
{
    if (registrar_count < REGISTRARS_MAX) {
        registrars[registrar_count++] = function;
    }
}

/* httpd has already sorted its hooks: sort them again. */
static void register_wanted_hooks(apr_pool_t *pconf)
{
    const char *registering = apr_hook_debug_current;
    int i;

    apr_hook_debug_current = lpprofile_module.name;
    for (i = 0; i < registrar_count; i++) {
        registrars[i](pconf);
    }
    apr_hook_debug_current = registering;
    if (registrar_count > 0) {
        apr_hook_sort_all();
    }
}

/*
 * Runs at configtest too, after virtual hosts were merged. Hooks that run for
 * each request are registered here, when it is known that they are needed.
 */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog,
                        apr_pool_t *ptemp, server_rec *s)
{
    retained_t found;

    if (!lpp_process_wanted(s)) {
        return OK;
    }
    if (probe_mutex(&found, s, ptemp) == APR_SUCCESS
        && !is_fit(found.mechanism)) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s,
                     LPP_TAG_PROCESS_MUTEX_UNFIT
                     ": The Mutex directive's mechanism for " MUTEX_TYPE
                     " stays locked when the process that has locked it is "
                     "killed; use pthread, sysvsem, fcntl or flock, as in "
                     "\"Mutex pthread " MUTEX_TYPE "\"");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    register_wanted_hooks(pconf);
    return OK;
}

/* The first generation that profiles makes mutex and gate for all later ones:
 * if each generation had its own, children of two generations would profile at
 * the same time after a graceful restart. */
static apr_status_t make_gate(retained_t *kept, server_rec *s)
{
    apr_pool_t *pool = s->process->pool;
    apr_global_mutex_t *mutex = NULL;
    const char *file = NULL;
    apr_status_t status = ap_global_mutex_create(&mutex, &file, MUTEX_TYPE,
                                                 NULL, s, pool, 0);

    if (status == APR_SUCCESS) {
        status = lpp_gate_create(&kept->gate, mutex, pool);
    }
    if (status == APR_SUCCESS) {
        kept->mechanism = apr_global_mutex_mech(mutex);
        kept->mutex_dir = directory_of(file, pool);
    }
    return status;
}

static int same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static apr_status_t find_gate(lpp_gate_t **gate, server_rec *s,
                              apr_pool_t *ptemp)
{
    retained_t *kept = ap_retained_data_get(RETAINED_KEY);
    retained_t now;
    apr_status_t status;

    if (!kept) {
        kept = ap_retained_data_create(RETAINED_KEY, sizeof(*kept));
    }
    if (!kept->gate) {
        status = make_gate(kept, s);
        if (status != APR_SUCCESS) {
            kept->gate = NULL;
            return status;
        }
    }
    else if (probe_mutex(&now, s, ptemp) == APR_SUCCESS
             && (now.mechanism != kept->mechanism
                 || !same_text(now.mutex_dir, kept->mutex_dir))) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LPP_TAG_PROCESS_MUTEX_KEPT
                     ": The Mutex directive for " MUTEX_TYPE " has changed; "
                     "the old one stays in use until the server is stopped "
                     "and started");
    }
    *gate = kept->gate;
    return APR_SUCCESS;
}

/* Which system calls can be restarted here: tried at the first start, and kept
 * over restarts, as the C library stays the same. */
static const lpp_signal_trial_t *find_trial(server_rec *s)
{
    lpp_signal_trial_t *kept = ap_retained_data_get(TRIAL_KEY);
    apr_status_t status;

    if (kept && kept->conclusive) {
        return kept;
    }
    if (!kept) {
        kept = ap_retained_data_create(TRIAL_KEY, sizeof(*kept));
    }
    status = lpp_signal_trial_run(kept);
    if (status != APR_SUCCESS) {
        /* The status tells whether the time was too short. */
        ap_log_error(APLOG_MARK, APLOG_NOTICE,
                     *kept->failed && !APR_STATUS_IS_TIMEUP(status) ? 0
                                                                    : status,
                     s, LPP_TAG_SIGNAL_NO_RESTART ": A trial did not show that "
                     "interrupted system calls can be restarted here%s%s; no "
                     "thread is interrupted, and profiles have hardly any "
                     "stacks", *kept->failed ? ": " : "", kept->failed);
    }
    return kept;
}

/* The names of a generation are destroyed with it. Not in a process that ends:
 * its threads may still use them. */
static apr_status_t drop_symbols(void *symbols)
{
    if (getpid() == generation.parent
        && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_EXITING) {
        lpp_symbols_destroy(symbols);
    }
    return APR_SUCCESS;
}

/* Objects, their unwind tables and their symbols, read once for all children,
 * which share this memory until it is written to. */
static apr_status_t make_tables(lpp_maps_t **maps, lpp_unwinder_t **unwinder,
                                lpp_symbols_t **symbols, apr_pool_t *pconf)
{
    apr_status_t status = lpp_maps_create(maps, pconf);
    int changed;

    *unwinder = NULL;
    if (status == APR_SUCCESS
        && lpp_unwinder_create(unwinder, LPP_UNWIND_AUTO, *maps, pconf)
               == APR_SUCCESS
        /* lpp_unwinder_create may have loaded libunwind */
        && (lpp_maps_refresh(*maps, &changed) != APR_SUCCESS
            || lpp_unwinder_refresh(*unwinder) != APR_SUCCESS)) {
        *unwinder = NULL;
    }
    if (status == APR_SUCCESS) {
        status = lpp_symbols_create(symbols, *maps);
    }
    if (status == APR_SUCCESS) {
        generation.parent = getpid();
        apr_pool_cleanup_register(pconf, *symbols, drop_symbols,
                                  apr_pool_cleanup_null);
        lpp_symbols_read(*symbols);
    }
    return status;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    lpp_unwinder_t *unwinder = NULL;
    lpp_symbols_t *symbols = NULL;
    lpp_gate_t *gate = NULL;
    lpp_maps_t *maps = NULL;
    apr_status_t status;

    lpp_log_set(log_to_httpd, s);
    /* It logs its errors. */
    if (lpp_config_check(pconf, ptemp, s) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
        || !lpp_process_wanted(s)) {
        return OK;
    }
    if (!lpp_process_serves()) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     LPP_TAG_PROCESS_UNSERVED_MPM
                     ": mpm_itk forks a process for each connection, in which "
                     "nothing can be profiled; to profile, run the server "
                     "without mpm_itk");
        return OK;
    }
    status = find_gate(&gate, s, ptemp);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, status, s,
                     LPP_TAG_PROCESS_NO_GATE
                     ": Cannot make the " MUTEX_TYPE " mutex or its shared "
                     "memory; nothing is profiled");
        return OK;
    }
    status = make_tables(&maps, &unwinder, &symbols, pconf);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, status, s,
                     LPP_TAG_PROCESS_NO_MAPS
                     ": Cannot list the loaded objects; nothing is profiled");
        return OK;
    }
    lpp_services_read(pconf);
    generation.maps = maps;
    generation.unwinder = unwinder;
    generation.symbols = symbols;
    generation.trial = find_trial(s);
    generation.server = s;
    generation.gate = gate;
    return OK;
}

/*
 * Set when a child ends, which threads of this module may notice too late.
 * Under prefork a child ends in a signal handler, at any point; it waits one
 * second for the helper thread, and up to five for the jobs thread. Then exit()
 * unloads all modules: a thread that still ran code of this one would end the
 * process with SIGSEGV. So the module stays loaded.
 */
static atomic_int ending;

int lpp_process_ending(void)
{
    return atomic_load(&ending);
}

/* If a module calls exit(), this runs before httpd's own cleanup. */
static void set_ending(void)
{
    atomic_store(&ending, 1);
}

static apr_status_t see_end(void *data)
{
    set_ending();
    return APR_SUCCESS;
}

/* dlopen finds the module among the loaded ones and opens no file. If that
 * fails, the module is unloaded as usual. */
static void stay_loaded(void)
{
    Dl_info self;

    if (dladdr(&lpprofile_module, &self) && self.dli_fname) {
        void *kept = dlopen(self.dli_fname,
                            RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);

        (void)kept; /* never closed */
    }
}

static void watch_end(apr_pool_t *pchild)
{
    stay_loaded();
    atexit(set_ending);
    apr_pool_pre_cleanup_register(pchild, NULL, see_end);
}

static apr_status_t make_child(lpp_process_t *made, const char **what,
                               apr_pool_t *pchild)
{
    lpp_sampler_options_t options;
    apr_status_t status;

    made->gate = generation.gate;
    made->maps = generation.maps;
    made->symbols = generation.symbols;
    made->pool = pchild;
    *what = "reopen the " MUTEX_TYPE " mutex";
    status = lpp_gate_child_init(made->gate, pchild);
    if (status != APR_SUCCESS) {
        return status;
    }
    /* If it failed, the parent has logged that. */
    lpp_signal_trial_adopt(generation.trial);
    memset(&options, 0, sizeof(options));
    options.gate = made->gate;
    options.maps = made->maps;
    options.unwinder = generation.unwinder;
    options.pages = lpp_symbols_pagecode(made->symbols);
    options.kernel = lpp_kernel_events_of_child(generation.server, pchild);
    options.unwind_kind = LPP_UNWIND_AUTO;
    options.signal_number = lpp_config_signal(generation.server);
    lpp_wrappers_code(&options.hidden_start, &options.hidden_end);
    lpp_passes_code(&options.passes_start, &options.passes_end);
    options.stands_for = lpp_wrappers_wrapped;
    *what = "set up the sampler";
    status = lpp_sampler_create(&made->sampler, &options, pchild);
    if (status != APR_SUCCESS) {
        return status;
    }
    lpp_names_register_hooks_of_server(made->symbols);
    /* Last, so that it ends before the sampler, which a job may need. */
    *what = "set up the jobs queue";
    return lpp_jobs_create(&made->jobs, pchild);
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    lpp_process_t made;
    const char *what = NULL;
    apr_status_t status;

    memset(&process, 0, sizeof(process));
    if (!generation.gate) {
        return;
    }
    memset(&made, 0, sizeof(made));
    status = make_child(&made, &what, pchild);
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, status, s,
                     LPP_TAG_PROCESS_NO_CHILD
                     ": Cannot %s; this process profiles nothing", what);
        return;
    }
    process = made;
    /* From now on steps of the wall clock are noticed. */
    lpp_moment_us(apr_time_now());
    watch_end(pchild);
}

/* Whether a graceful restart ends this child, which is of the old generation.
 * The parent increments the number before it signals the children. */
static int is_replaced(void)
{
    int number;

    return ap_mpm_query(AP_MPMQ_GENERATION, &number) != APR_SUCCESS
           || ap_scoreboard_image == NULL
           || ap_scoreboard_image->global->running_generation != number;
}

/* Runs before the MPM waits for its threads, so that requests waiting for the
 * gate continue. Under prefork it runs in a signal handler: it sets one flag. A
 * child that has served its MaxConnectionsPerChild, or is an idle one too many,
 * still profiles its last requests. */
static void child_stopping(apr_pool_t *pchild, int graceful)
{
    if (process.sampler && (!graceful || is_replaced())) {
        lpp_sampler_stop(process.sampler);
    }
}

/* Runs in the parent, which is notified of every death. */
static void child_status(server_rec *s, pid_t pid, ap_generation_t number,
                         int slot, mpm_child_status state)
{
    if (state == MPM_CHILD_EXITED && generation.gate) {
        lpp_gate_forget(generation.gate, (apr_uint32_t)pid);
        lpp_gate_note_death(generation.gate, (apr_uint32_t)pid);
    }
}

void lpp_process_register_hooks(apr_pool_t *pool)
{
    registrar_count = 0; /* the configuration is read again */
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_LAST);
    /* Late: other modules may load objects in this hook. */
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    /* Early: other modules' hooks may wait for requests to end. */
    ap_hook_child_stopping(child_stopping, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_child_status(child_status, NULL, NULL, APR_HOOK_MIDDLE);
}
