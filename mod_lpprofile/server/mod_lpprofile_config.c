/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_config: values in force: create, merge, getters, and the checks
 * that need the whole configuration. The setters are in
 * mod_lpprofile_directives.c, access in mod_lpprofile_access.c.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <mod_http2.h>
#include <unixd.h>

#include "base/lpp_ascii.h"
#include "base/lpp_log_tags.h"
#include "interp/lpp_interp.h"
#include "sampling/lpp_signal.h"
#include "store/lpp_store.h"
#include "server/mod_lpprofile_config_internal.h"

APLOG_USE_MODULE(lpprofile);

#define DEFAULT_DIR "lpprofile"
#define DEFAULT_OOPS_NAME "oops"
#define DEFAULT_RATE_HZ 1000
#define DEFAULT_LOCK_TIMEOUT_US apr_time_from_sec(30)
#define DEFAULT_MAX_TIME_US apr_time_from_sec(60)

void *lpp_config_create(apr_pool_t *pool, server_rec *server)
{
    lpp_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    conf->front.allowed = LPP_ALLOWED_UNSET;
    conf->front.all_requests = LPP_CONF_UNSET;
    conf->rate_hz = LPP_CONF_UNSET;
    conf->lock_timeout_us = LPP_CONF_UNSET;
    conf->max_time_us = LPP_CONF_UNSET;
    conf->max_waiting = LPP_CONF_UNSET;
    conf->signal_number = LPP_CONF_UNSET;
    conf->hooks = LPP_CONF_UNSET;
    conf->interpreters = LPP_CONF_UNSET;
    conf->kernel_events = LPP_CONF_UNSET;
    conf->oops_bson = LPP_CONF_UNSET;
    return conf;
}

#define MERGE_POINTER(member)                                                 \
    conf->member = vhost->member ? vhost->member : base->member
#define MERGE_NUMBER(member)                                                  \
    conf->member = vhost->member != LPP_CONF_UNSET ? vhost->member            \
                                                   : base->member

void *lpp_config_merge(apr_pool_t *pool, void *basev, void *vhostv)
{
    const lpp_conf_t *base = basev, *vhost = vhostv;
    lpp_conf_t *conf = apr_pcalloc(pool, sizeof(*conf));

    MERGE_NUMBER(front.allowed);
    /* Merged together with allowed: "On" of a virtual host must not be combined
     * with an expr= of the server. */
    conf->allowed_expr = vhost->front.allowed != LPP_ALLOWED_UNSET
                             ? vhost->allowed_expr : base->allowed_expr;
    MERGE_NUMBER(front.all_requests);
    MERGE_POINTER(access);
    MERGE_POINTER(require_user);
    MERGE_POINTER(page_id);
    MERGE_NUMBER(rate_hz);
    MERGE_NUMBER(lock_timeout_us);
    MERGE_NUMBER(max_time_us);
    MERGE_NUMBER(max_waiting);
    MERGE_NUMBER(signal_number);
    MERGE_NUMBER(hooks);
    MERGE_NUMBER(interpreters);
    MERGE_NUMBER(kernel_events);
    MERGE_POINTER(dir);
    /* A host with its own LPProfileDir has its OOPSes there unless it sets
     * LPOopsDir, whose default is below LPProfileDir. */
    conf->oops_dir = vhost->oops_dir || vhost->dir ? vhost->oops_dir
                                                   : base->oops_dir;
    MERGE_POINTER(retention);
    MERGE_NUMBER(oops_bson);
    MERGE_POINTER(oops_reporter);
    MERGE_POINTER(memory_log);
    /* What the server hides is hidden on every host as well. */
    conf->oops_hide = !base->oops_hide    ? vhost->oops_hide
                      : !vhost->oops_hide ? base->oops_hide
                                          : apr_array_append(pool,
                                                base->oops_hide,
                                                vhost->oops_hide);
    /* dir_path, oops_dir_path and memory_handle stay NULL: set at start. */
    return conf;
}

const char *lpp_config_memory_log(const lpp_conf_t *conf)
{
    return conf->memory_log;
}

const lpp_memory_log_t *lpp_config_memory_handle(const lpp_conf_t *conf)
{
    return conf->memory_handle;
}

void lpp_config_set_memory_handle(server_rec *server,
                                  const lpp_memory_log_t *log)
{
    lpp_conf_t *conf = ap_get_module_config(server->module_config,
                                            &lpprofile_module);

    conf->memory_handle = log;
}

const char *lpp_config_dir(const lpp_conf_t *conf)
{
    return conf->dir_path;
}

const char *lpp_config_oops_dir(const lpp_conf_t *conf)
{
    return conf->oops_dir_path;
}

int lpp_config_oops_bson(const lpp_conf_t *conf)
{
    return conf->oops_bson > 0;
}

const lpp_retention_rule_t *lpp_config_retention(const lpp_conf_t *conf)
{
    return conf->retention ? conf->retention : &lpp_retention_rule_default;
}

const char *lpp_config_oops_reporter(const lpp_conf_t *conf,
                                     const server_rec *server)
{
    if (conf->oops_reporter) {
        return conf->oops_reporter;
    }
    return server->server_hostname ? server->server_hostname : "localhost";
}

const apr_array_header_t *lpp_config_oops_hide(const lpp_conf_t *conf)
{
    return conf->oops_hide;
}

apr_uint32_t lpp_config_rate_hz(const lpp_conf_t *conf)
{
    return conf->rate_hz == LPP_CONF_UNSET ? DEFAULT_RATE_HZ
                                           : (apr_uint32_t)conf->rate_hz;
}

apr_interval_time_t lpp_config_lock_timeout_us(const lpp_conf_t *conf)
{
    return conf->lock_timeout_us == LPP_CONF_UNSET ? DEFAULT_LOCK_TIMEOUT_US
                                                   : conf->lock_timeout_us;
}

apr_interval_time_t lpp_config_max_time_us(const lpp_conf_t *conf)
{
    return conf->max_time_us == LPP_CONF_UNSET ? DEFAULT_MAX_TIME_US
                                               : conf->max_time_us;
}

apr_uint32_t lpp_config_max_waiting(const lpp_conf_t *conf)
{
    int children = 0, threads = 0;

    if (conf->max_waiting != LPP_CONF_UNSET) {
        return (apr_uint32_t)conf->max_waiting;
    }
    /* The product is MaxRequestWorkers, in every MPM for Unix. */
    if (ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children) != APR_SUCCESS
        || children < 1) {
        children = 1;
    }
    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) != APR_SUCCESS
        || threads < 1) {
        threads = 1;
    }
    return children * threads > 1 ? (apr_uint32_t)(children * threads / 2)
                                  : 1;
}

unsigned lpp_config_max_waiting_streams(void)
{
    APR_OPTIONAL_FN_TYPE(http2_get_num_workers) *ask =
        APR_RETRIEVE_OPTIONAL_FN(http2_get_num_workers);
    int least, most = 0;

    /* As mod_http2 computes it from H2MinWorkers, H2MaxWorkers and the MPM. */
    if (ask) {
        ask(ap_server_conf, &least, &most);
    }
    else if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &most) != APR_SUCCESS) {
        most = 0;
    }
    return most > 4 ? (unsigned)most / 4 : 1;
}

int lpp_config_signal(const server_rec *main_server)
{
    const lpp_conf_t *conf = lpp_config_get(main_server);

    return conf->signal_number == LPP_CONF_UNSET ? LPP_SIGNAL_AUTO
                                                 : conf->signal_number;
}

int lpp_config_hooks(const server_rec *main_server)
{
    return lpp_config_get(main_server)->hooks != 0;
}

lpp_kernel_mode_e lpp_config_kernel_events(const server_rec *main_server)
{
    const lpp_conf_t *conf = lpp_config_get(main_server);

    return conf->kernel_events == LPP_CONF_UNSET
        ? LPP_KERNEL_AUTO : (lpp_kernel_mode_e)conf->kernel_events;
}

apr_uint32_t lpp_config_interpreters(const lpp_conf_t *conf)
{
    return conf->interpreters == LPP_CONF_UNSET
        ? LPP_LANGUAGES_ALL : (apr_uint32_t)conf->interpreters;
}

static const char *say_time(apr_interval_time_t us, apr_pool_t *pool)
{
    if (us % APR_USEC_PER_SEC) {
        return apr_psprintf(pool, "%" APR_TIME_T_FMT "ms",
                            apr_time_as_msec(us));
    }
    return apr_psprintf(pool, "%" APR_TIME_T_FMT "s", apr_time_sec(us));
}

static const char *say_expr(const lpp_conf_expr_t *expr, const char *none)
{
    return expr ? expr->text : none;
}

static void add_setting(apr_array_header_t *settings, const char *directive,
                        const char *value)
{
    lpp_config_setting_t *setting = apr_array_push(settings);

    setting->directive = directive;
    setting->value = value;
}

/* The name of a signal as LPProfileSignal accepts it. */
static const char *signal_name(int number, apr_pool_t *pool)
{
    const char *name;

    if (number == LPP_SIGNAL_AUTO) {
        return "auto";
    }
    if (number >= SIGRTMIN) {
        return apr_psprintf(pool, "SIGRTMIN+%d", number - SIGRTMIN);
    }
    name = sigabbrev_np(number);
    return name ? apr_pstrcat(pool, "SIG", name, NULL)
                : apr_itoa(pool, number);
}

/* Languages as LPProfileInterpreters accepts them. */
static const char *say_interpreters(apr_uint32_t languages, apr_pool_t *pool)
{
    apr_array_header_t *names = apr_array_make(pool, LPP_LANGUAGES,
                                               sizeof(const char *));
    int i;

    for (i = 1; i < LPP_LANGUAGES; i++) {
        if (languages & LPP_LANGUAGE_BIT(i)) {
            char *name = apr_pstrdup(pool, lpp_language_name(i));

            name[0] = (char)lpp_to_lower(name[0]);
            APR_ARRAY_PUSH(names, const char *) = name;
        }
    }
    return languages == LPP_LANGUAGES_ALL ? "On"
        : languages == 0 ? "Off" : apr_array_pstrcat(pool, names, ' ');
}

static const char *const kernel_modes[] = {
    [LPP_KERNEL_OFF] = "off",
    [LPP_KERNEL_AUTO] = "auto",
    [LPP_KERNEL_ON] = "on",
    [LPP_KERNEL_FORCE] = "on force"
};

apr_array_header_t *lpp_config_settings(const lpp_conf_t *conf,
                                        const server_rec *server,
                                        apr_pool_t *pool)
{
    apr_array_header_t *all =
        apr_array_make(pool, 14, sizeof(lpp_config_setting_t));

    add_setting(all, LPP_DIR_ALLOWED,
                conf->front.allowed == LPP_ALLOWED_EXPR
                    ? apr_pstrcat(pool, "expr=", conf->allowed_expr->text,
                                  NULL)
                : lpp_config_enabled(conf) ? "On" : "Off");
    add_setting(all, LPP_DIR_DIR, conf->dir_path ? conf->dir_path : "");
    add_setting(all, LPP_DIR_ALL_REQUESTS,
                lpp_config_all_requests(conf) ? "On" : "Off");
    add_setting(all, LPP_DIR_MEMORY_LOG,
                conf->memory_log ? conf->memory_log : "none");
    add_setting(all, LPP_DIR_ACCESS,
                say_expr(conf->access, "loopback, not through a proxy; "
                         "Host is this virtual host's or localhost; no "
                         "other web site"));
    add_setting(all, LPP_DIR_REQUIRE_USER,
                say_expr(conf->require_user, "none"));
    add_setting(all, LPP_DIR_RATE,
                apr_psprintf(pool, "%u", lpp_config_rate_hz(conf)));
    add_setting(all, LPP_DIR_LOCK_TIMEOUT,
                say_time(lpp_config_lock_timeout_us(conf), pool));
    add_setting(all, LPP_DIR_MAX_WAITING,
                apr_psprintf(pool, "%u", lpp_config_max_waiting(conf)));
    add_setting(all, LPP_DIR_MAX_TIME,
                say_time(lpp_config_max_time_us(conf), pool));
    add_setting(all, LPP_DIR_KEEP,
                lpp_retention_rule_say(lpp_config_retention(conf), pool));
    add_setting(all, LPP_DIR_PAGE_ID,
                say_expr(conf->page_id, "derived from the URL"));
    /* The merge gives every host the value of the main server. */
    add_setting(all, LPP_DIR_SIGNAL,
                signal_name(conf->signal_number == LPP_CONF_UNSET
                               ? LPP_SIGNAL_AUTO : conf->signal_number,
                           pool));
    add_setting(all, LPP_DIR_HOOKS, conf->hooks ? "On" : "Off");
    add_setting(all, LPP_DIR_INTERPRETERS,
                say_interpreters(lpp_config_interpreters(conf), pool));
    add_setting(all, LPP_DIR_KERNEL_EVENTS,
                kernel_modes[conf->kernel_events == LPP_CONF_UNSET
                                 ? LPP_KERNEL_AUTO : conf->kernel_events]);
    add_setting(all, LPP_DIR_OOPS_DIR,
                conf->oops_dir_path ? conf->oops_dir_path : "");
    add_setting(all, LPP_DIR_OOPS_FORMAT,
                lpp_config_oops_bson(conf) ? "bson" : "rfc822");
    add_setting(all, LPP_DIR_OOPS_REPORTER,
                lpp_config_oops_reporter(conf, server));
    add_setting(all, LPP_DIR_OOPS_HIDE,
                conf->oops_hide && conf->oops_hide->nelts
                    ? apr_array_pstrcat(pool, conf->oops_hide, ' ') : "none");
    return all;
}

/* DefaultRuntimeDir is set by now. */
static apr_status_t make_absolute(const char **path, const char *directive,
                                  const char *typed,
                                  const server_rec *server, apr_pool_t *pool)
{
    *path = ap_runtime_dir_relative(pool, typed);
    if (!*path) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, APR_EBADPATH, server,
                     LPP_TAG_CONFIG_PATH ": %s %s: not a usable path",
                     directive, typed);
        return APR_EBADPATH;
    }
    return APR_SUCCESS;
}

/* Make both paths of a host absolute. */
static apr_status_t resolve_paths(lpp_conf_t *conf, const server_rec *server,
                                  apr_pool_t *pool)
{
    apr_status_t rv = make_absolute(&conf->dir_path, LPP_DIR_DIR,
                                    conf->dir ? conf->dir : DEFAULT_DIR,
                                    server, pool);

    if (rv == APR_SUCCESS && conf->oops_dir) {
        return make_absolute(&conf->oops_dir_path, LPP_DIR_OOPS_DIR,
                             conf->oops_dir, server, pool);
    }
    if (rv == APR_SUCCESS) {
        conf->oops_dir_path = apr_pstrcat(pool, conf->dir_path,
                                          "/" DEFAULT_OOPS_NAME, NULL);
    }
    return rv;
}

/* Make one directory for the children; returns the reason of a failure, or
 * NULL. */
static apr_status_t prepare(const char *directive, const char *path,
                            const server_rec *server, apr_pool_t *pool)
{
    /* Not started as root: the children have the same user. */
    int root = geteuid() == 0;
    apr_uid_t uid = root ? ap_unixd_config.user_id : geteuid();
    apr_gid_t gid = root ? ap_unixd_config.group_id : getegid();
    const char *why = NULL, *warning = NULL;
    struct stat st;
    apr_status_t rv;

    rv = lpp_store_prepare(path, uid, gid,
                           !strcmp(directive, LPP_DIR_OOPS_DIR), &why,
                           &warning, pool);
    if (warning) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     LPP_TAG_CONFIG_DIR_OPEN ": %s %s: %s", directive, path,
                     warning);
    }
    else if (rv == APR_SUCCESS && !strcmp(directive, LPP_DIR_DIR)
             && stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH))) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server,
                     LPP_TAG_CONFIG_DIR_READABLE ": %s %s: other users can "
                     "list its files, whose names contain page ids and times; "
                     "to prevent this: chmod go-rwx",
                     directive, path);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, server,
                     LPP_TAG_CONFIG_DIR ": %s %s: %s", directive, path,
                     why ? why : "cannot be used");
    }
    return rv;
}

/* 1 if path is root or is below it in the file system. */
static int is_below(const char *path, const char *root, apr_pool_t *pool)
{
    char *real_path = NULL, *real_root = NULL;
    apr_size_t len;
    int below = 0;

    real_path = realpath(path, NULL);
    real_root = realpath(root, NULL);
    if (real_path && real_root) {
        len = strlen(real_root);
        while (len && real_root[len - 1] == '/') {
            len--;
        }
        below = !strncmp(real_path, real_root, len)
                && (!real_path[len] || real_path[len] == '/');
    }
    free(real_path);
    free(real_root);
    return below;
}

/* Warn of a directory that a host of this server would serve. */
static void warn_if_served(const char *directive, const char *path,
                           server_rec *main_server, apr_pool_t *pool)
{
    const core_server_config *core;
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        core = ap_get_core_module_config(s->module_config);
        if (core->ap_document_root
            && is_below(path, core->ap_document_root, pool)) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         LPP_TAG_CONFIG_SERVED ": %s %s is below DocumentRoot "
                         "%s: everybody could read its profiles and OOPS "
                         "reports; move it elsewhere",
                         directive, path, core->ap_document_root);
            return;
        }
    }
}

apr_status_t lpp_config_resolve(apr_pool_t *pconf, server_rec *main_server)
{
    apr_status_t rv = APR_SUCCESS;
    lpp_conf_t *conf;
    server_rec *s;

    for (s = main_server; s && rv == APR_SUCCESS; s = s->next) {
        conf = ap_get_module_config(s->module_config, &lpprofile_module);
        conf->front.look = !lpp_config_enabled(conf)       ? LPP_LOOK_NOWHERE
                           : lpp_config_all_requests(conf) ? LPP_LOOK_AT_ALL
                                                           : LPP_LOOK_AT_PATH;
        rv = resolve_paths(conf, s, pconf);
    }
    return rv;
}

apr_status_t lpp_config_check(apr_pool_t *pconf, apr_pool_t *ptemp,
                              server_rec *main_server)
{
    /* httpd reads its configuration twice at start; only the second reading is
     * used to serve. */
    int last = ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG;
    lpp_conf_t *conf;
    apr_status_t rv = lpp_config_resolve(pconf, main_server);
    server_rec *s;

    for (s = main_server; s && rv == APR_SUCCESS; s = s->next) {
        conf = ap_get_module_config(s->module_config, &lpprofile_module);
        if (!last || !lpp_config_enabled(conf)) {
            continue;
        }
        rv = prepare(LPP_DIR_DIR, conf->dir_path, s, ptemp);
        if (rv == APR_SUCCESS) {
            rv = prepare(LPP_DIR_OOPS_DIR, conf->oops_dir_path, s, ptemp);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
        warn_if_served(LPP_DIR_DIR, conf->dir_path, main_server, ptemp);
        warn_if_served(LPP_DIR_OOPS_DIR, conf->oops_dir_path, main_server,
                       ptemp);
    }
    return rv;
}
