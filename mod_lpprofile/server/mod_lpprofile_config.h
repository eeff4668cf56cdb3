/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_config: the directives of a server or virtual host.
 *
 * Owns their structs, setters, merge and defaults. Other folders read no
 * members: the getters return the value in force. Strings and arrays belong to
 * the configuration's pool.
 */
#ifndef MOD_LPPROFILE_CONFIG_H
#define MOD_LPPROFILE_CONFIG_H

#include <ap_expr.h>
#include <httpd.h>
#include <http_config.h>

#include "base/lpp_base.h"
#include "sampling/lpp_kernel.h"
#include "store/lpp_retention.h"

/* Directive names, as symbols, so that no message misspells one. */
#define LPP_DIR_ALLOWED "LPProfilingAllowed"
#define LPP_DIR_DIR "LPProfileDir"
#define LPP_DIR_ALL_REQUESTS "LPProfileAllRequests"
#define LPP_DIR_ACCESS "LPProfileAccess"
#define LPP_DIR_REQUIRE_USER "LPProfileRequireUser"
#define LPP_DIR_RATE "LPProfileRate"
#define LPP_DIR_LOCK_TIMEOUT "LPProfileLockTimeout"
#define LPP_DIR_MAX_WAITING "LPProfileMaxWaiting"
#define LPP_DIR_MAX_TIME "LPProfileMaxTime"
#define LPP_DIR_KEEP "LPProfileKeep"
#define LPP_DIR_PAGE_ID "LPProfilePageId"
#define LPP_DIR_SIGNAL "LPProfileSignal"
#define LPP_DIR_HOOKS "LPProfileHooks"
#define LPP_DIR_INTERPRETERS "LPProfileInterpreters"
#define LPP_DIR_KERNEL_EVENTS "LPProfileKernelEvents"
#define LPP_DIR_OOPS_DIR "LPOopsDir"
#define LPP_DIR_OOPS_FORMAT "LPOopsFormat"
#define LPP_DIR_OOPS_REPORTER "LPOopsReporter"
#define LPP_DIR_OOPS_HIDE "LPOopsHide"
#define LPP_DIR_MEMORY_LOG "LPMemoryProfileLog"

#define LPP_AGGREGATE_ENV "PROFILE_PAGETESTS_REQUESTS"

typedef struct lpp_conf_t lpp_conf_t;

extern module AP_MODULE_DECLARE_DATA lpprofile_module;

/* For the module record. Signal-safe: no. Thread: parent at start. */
extern const command_rec lpp_config_commands[];
void *lpp_config_create(apr_pool_t *pool, server_rec *server);
void *lpp_config_merge(apr_pool_t *pool, void *base, void *vhost);

/*
 * The members that the check of each request reads: the first member of
 * lpp_conf_t, whose other members are private. Inline, because it runs for
 * every request.
 */
typedef enum {
    LPP_LOOK_NOWHERE, /* profiling is not allowed here */
    LPP_LOOK_AT_PATH, /* look for a segment */
    LPP_LOOK_AT_ALL   /* LPProfileAllRequests is on */
} lpp_look_e;

typedef struct lpp_conf_front_t {
    lpp_look_e look;  /* derived from the other two at start */
    int allowed;      /* above 0: On, or an expr= */
    int all_requests; /* above 0: On */
} lpp_conf_front_t;

/*
 * The configuration of a server, never NULL.
 * Signal-safe: no. Thread: any.
 */
static inline const lpp_conf_t *lpp_config_get(const server_rec *server)
{
    return ap_get_module_config(server->module_config, &lpprofile_module);
}

/* Which requests need a closer check; call after lpp_config_resolve.
 * Signal-safe: yes. Thread: any. */
static inline lpp_look_e lpp_config_look(const lpp_conf_t *conf)
{
    return ((const lpp_conf_front_t *)conf)->look;
}

/* 1 if profiling is allowed here at all: On, or an expr=.
 * Signal-safe: yes. Thread: any. */
static inline int lpp_config_enabled(const lpp_conf_t *conf)
{
    return ((const lpp_conf_front_t *)conf)->allowed > 0;
}

/* 1 if LPProfileAllRequests is on here. Signal-safe: yes. Thread: any. */
static inline int lpp_config_all_requests(const lpp_conf_t *conf)
{
    return ((const lpp_conf_front_t *)conf)->all_requests > 0;
}

/* 1 if profiling is allowed for this request (evaluates expr=; an error in it
 * counts as no).
 * Signal-safe: no. Thread: request. */
int lpp_config_allowed(const lpp_conf_t *conf, request_rec *r);

typedef enum {
    LPP_ACCESS_REFUSED,
    LPP_ACCESS_BY_LINK, /* refused because of a link on another site: the person
                           who followed it has access, and can ask again */
    LPP_ACCESS_GRANTED
} lpp_access_e;

/*
 * Whether this request may use the segment and see profiles: LPProfileAccess
 * grants access (an error in it counts as no; its default is in section 2 of
 * the contract), and the request was not made by another web site
 * (mod_lpprofile_origin_internal.h). *why (why is not NULL): NULL if granted,
 * else a constant text that ends a sentence.
 * Signal-safe: no. Thread: request.
 */
lpp_access_e lpp_config_judge(const lpp_conf_t *conf, request_rec *r,
                              const char **why);

/* 1 if lpp_config_judge returns LPP_ACCESS_GRANTED.
 * Signal-safe: no. Thread: request. */
int lpp_config_access(const lpp_conf_t *conf, request_rec *r);

/* 1 if LPProfileRequireUser is set here. Signal-safe: yes. Thread: any. */
int lpp_config_requires_user(const lpp_conf_t *conf);

/* 1 if LPProfileRequireUser holds, or is not set; an error in it counts as no.
 * Signal-safe: no. Thread: request. */
int lpp_config_user(const lpp_conf_t *conf, request_rec *r);

/* Evaluate LPProfilePageId; NULL if it is not set, or the result is empty.
 * Signal-safe: no. Thread: request. */
const char *lpp_config_page_id(const lpp_conf_t *conf, request_rec *r);

/*
 * Values in force. Directories are absolute after post_config, NULL before it;
 * memory_log and oops_hide are NULL if not set.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_config_memory_log(const lpp_conf_t *conf); /* its name */
const char *lpp_config_dir(const lpp_conf_t *conf);
const char *lpp_config_oops_dir(const lpp_conf_t *conf);
int lpp_config_oops_bson(const lpp_conf_t *conf); /* else rfc822 */
const lpp_retention_rule_t *lpp_config_retention(const lpp_conf_t *conf);
const char *lpp_config_oops_reporter(const lpp_conf_t *conf,
                                     const server_rec *server);
const apr_array_header_t *lpp_config_oops_hide(const lpp_conf_t *conf);
apr_uint32_t lpp_config_rate_hz(const lpp_conf_t *conf);
apr_interval_time_t lpp_config_lock_timeout_us(const lpp_conf_t *conf);
apr_interval_time_t lpp_config_max_time_us(const lpp_conf_t *conf);
apr_uint32_t lpp_config_max_waiting(const lpp_conf_t *conf);
/* How many requests on HTTP/2 streams may wait for the gate in this child: a
 * quarter of mod_http2's workers in it, at least 1.
 * Signal-safe: no. Thread: request. */
unsigned lpp_config_max_waiting_streams(void);
int lpp_config_signal(const server_rec *main_server);
int lpp_config_hooks(const server_rec *main_server); /* 1: count calls */
lpp_kernel_mode_e lpp_config_kernel_events(const server_rec *main_server);
/* Whose page functions are read: LPP_LANGUAGE_BIT of each. The same for all
 * hosts. */
apr_uint32_t lpp_config_interpreters(const lpp_conf_t *conf);

typedef struct lpp_config_setting_t {
    const char *directive;
    const char *value;
} lpp_config_setting_t;

/* The open memory log of a host, or NULL; stored here for mod_lpprofile_memory,
 * so that one load shows that there is none.
 * Signal-safe: yes. Thread: any; set: parent at start. */
typedef struct lpp_memory_log_t lpp_memory_log_t;
const lpp_memory_log_t *lpp_config_memory_handle(const lpp_conf_t *conf);
void lpp_config_set_memory_handle(server_rec *server,
                                  const lpp_memory_log_t *log);

/* Every directive with its value in force, as written in a configuration: array
 * of lpp_config_setting_t.
 * Signal-safe: no. Thread: request. */
apr_array_header_t *lpp_config_settings(const lpp_conf_t *conf,
                                        const server_rec *server,
                                        apr_pool_t *pool);

/*
 * Make the directories of every host absolute, in pconf, and derive its look;
 * logs errors. Call after check_config; a second call is allowed.
 * Signal-safe: no. Thread: parent at start.
 */
LPP_MUST_CHECK apr_status_t lpp_config_resolve(apr_pool_t *pconf,
                                               server_rec *main_server);

/* Check the directories at start (post_config, in both passes; the second one
 * creates them), and log warnings that need the whole configuration.
 * Signal-safe: no. Thread: parent at start. */
LPP_MUST_CHECK apr_status_t lpp_config_check(apr_pool_t *pconf,
                                             apr_pool_t *ptemp,
                                             server_rec *main_server);

#endif
