/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_retention: see mod_lpprofile_retention.h.
 *
 * Hosts whose LPProfileDir or LPOopsDir is the same directory, by name or in
 * the file system, form a group; each child has one lpp_retention_t for each
 * group. Groups are found at configtest, to compare their rules, and again in
 * each child, when the directories exist.
 */
#include <sys/stat.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>

#include "base/lpp_clock.h"
#include "store/lpp_retention.h"
#include "base/lpp_log_tags.h"
#include "server/mod_lpprofile_retention.h"
#include "server/mod_lpprofile_process.h"

APLOG_USE_MODULE(lpprofile);

typedef struct group_t group_t;
struct group_t {
    group_t *into;      /* the group that this one was merged into, or NULL */
    server_rec *server; /* its first host */
    lpp_retention_t *retention; /* in a child, or NULL */
};

typedef struct host_t {
    server_rec *server;
    const lpp_conf_t *conf;
    group_t *group;
} host_t;

/* Of this child: set in child_init, then never changed. */
static struct {
    const apr_array_header_t *hosts; /* host_t, or NULL */
    const apr_array_header_t *retentions; /* lpp_retention_t *, one for each
                                             group */
    server_rec *server;
} child;

/* The key of a directory: the same for two names of one directory. */
static const char *key_of(const char *path, apr_pool_t *pool)
{
    struct stat st;
    char *clean = NULL;

    if (stat(path, &st) == 0) {
        return apr_psprintf(pool, "%" APR_UINT64_T_FMT ":%" APR_UINT64_T_FMT,
                            (apr_uint64_t)st.st_dev, (apr_uint64_t)st.st_ino);
    }
    /* The directory does not exist yet: its name, without "//" and "..". */
    return apr_filepath_merge(&clean, NULL, path, APR_FILEPATH_NOTRELATIVE,
                              pool) == APR_SUCCESS
               ? clean
               : path;
}

static group_t *root_of(group_t *group)
{
    while (group->into) {
        group = group->into;
    }
    return group;
}

/* Add host to the group of that directory; merge the two groups if the host is
 * in another one already. */
static void join(apr_hash_t *groups, host_t *host, const char *path,
                 apr_pool_t *pool)
{
    const char *key = key_of(path, pool);
    group_t *known = apr_hash_get(groups, key, APR_HASH_KEY_STRING);

    if (known) {
        known = root_of(known);
        if (host->group && root_of(host->group) != known) {
            root_of(host->group)->into = known;
        }
        host->group = known;
        return;
    }
    if (!host->group) {
        host->group = apr_pcalloc(pool, sizeof(*host->group));
        host->group->server = host->server;
    }
    apr_hash_set(groups, key, APR_HASH_KEY_STRING, root_of(host->group));
}

/* All hosts that profile, with their groups. */
static apr_array_header_t *group_hosts(server_rec *main_server,
                                       apr_pool_t *pool)
{
    apr_array_header_t *hosts = apr_array_make(pool, 4, sizeof(host_t));
    apr_hash_t *groups = apr_hash_make(pool);
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        const lpp_conf_t *conf = lpp_config_get(s);
        host_t *host;

        if (!lpp_config_enabled(conf)) {
            continue;
        }
        host = apr_array_push(hosts);
        host->server = s;
        host->conf = conf;
        host->group = NULL;
        join(groups, host, lpp_config_dir(conf), pool);
        join(groups, host, lpp_config_oops_dir(conf), pool);
    }
    return hosts;
}

static const char *name_of(const server_rec *server, apr_pool_t *pool)
{
    if (!server->is_virtual) {
        return "the main server";
    }
    return apr_psprintf(pool, "<VirtualHost> %s (%s:%u)",
                        server->server_hostname ? server->server_hostname
                                                : "without a name",
                        server->defn_name ? server->defn_name : "?",
                        server->defn_line_number);
}

/* Runs at configtest, after virtual hosts were merged. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                        server_rec *s)
{
    const apr_array_header_t *hosts;
    int i;

    if (lpp_config_resolve(pconf, s) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    hosts = group_hosts(s, ptemp);
    for (i = 0; i < hosts->nelts; i++) {
        const host_t *host = &APR_ARRAY_IDX(hosts, i, host_t);
        server_rec *first = root_of(host->group)->server;
        const lpp_retention_rule_t *theirs =
            lpp_config_retention(lpp_config_get(first));
        const lpp_retention_rule_t *ours = lpp_config_retention(host->conf);

        if (!lpp_retention_rule_same(theirs, ours)) {
            ap_log_error(APLOG_MARK, APLOG_CRIT, 0, host->server,
                         LPP_TAG_RETENTION_DIFFERS
                         ": " LPP_DIR_KEEP " %s of %s: "
                         "must be that of %s, %s, since they share a directory"
                         " for profiles or OOPS reports",
                         lpp_retention_rule_say(ours, ptemp),
                         name_of(host->server, ptemp), name_of(first, ptemp),
                         lpp_retention_rule_say(theirs, ptemp));
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

/* Create the lpp_retention_t of a group with the first of its hosts, and add
 * the directories of this one. */
static apr_status_t add_to_retention(const host_t *host,
                                     apr_array_header_t *retentions,
                                     apr_pool_t *pchild)
{
    group_t *group = root_of(host->group);
    apr_status_t rv;

    if (!group->retention) {
        rv = lpp_retention_create(&group->retention,
                                  lpp_config_retention(host->conf), pchild);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        APR_ARRAY_PUSH(retentions, lpp_retention_t *) = group->retention;
    }
    lpp_retention_add_profiles(group->retention, lpp_config_dir(host->conf));
    lpp_retention_add_oopses(group->retention, lpp_config_oops_dir(host->conf));
    return APR_SUCCESS;
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    apr_array_header_t *hosts = group_hosts(s, pchild);
    apr_array_header_t *retentions =
        apr_array_make(pchild, 1, sizeof(lpp_retention_t *));
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < hosts->nelts && rv == APR_SUCCESS; i++) {
        rv = add_to_retention(&APR_ARRAY_IDX(hosts, i, host_t), retentions,
                              pchild);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, LPP_TAG_RETENTION_NO_CHILD
                     ": this process removes no old profiles");
        return;
    }
    child.hosts = hosts;
    child.retentions = retentions;
    child.server = s;
}

static void report(const lpp_retention_result_t *result, apr_status_t rv,
                   apr_interval_time_t took_us)
{
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, child.server,
                     LPP_TAG_RETENTION_FAILED
                     ": a directory of " LPP_DIR_DIR " or " LPP_DIR_OOPS_DIR
                     " could not be searched for old profiles; it must be "
                     "readable, and .lpp-keep in it must be a regular file of "
                     "the server's User with one link");
    }
    else if (result->removed_files) {
        ap_log_error(
            APLOG_MARK, APLOG_DEBUG, 0, child.server,
            LPP_TAG_RETENTION_REMOVED
            ": " LPP_DIR_KEEP ": %u profiles "
            "(%u files) removed, %u are left; this took %" APR_TIME_T_FMT
            " ms",
            result->removed_profiles, result->removed_files, result->profiles,
            apr_time_as_msec(took_us));
    }
}

/* Apply retention to each group that is due. Thread: jobs. */
static void run_passes(void *baton)
{
    apr_interval_time_t again_us = 0;
    lpp_retention_result_t result;
    apr_pool_t *pool;
    int i;

    /* Not from pchild: the process may end meanwhile. */
    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        return; /* it is tried again after the next profile */
    }
    for (i = 0; i < child.retentions->nelts; i++) {
        apr_time_t begin = lpp_monotonic_us();
        apr_status_t rv = lpp_retention_pass(
            APR_ARRAY_IDX(child.retentions, i, lpp_retention_t *), &result,
            pool);

        report(&result, rv, lpp_monotonic_us() - begin);
        if (result.again_us && (!again_us || result.again_us < again_us)) {
            again_us = result.again_us;
        }
    }
    apr_pool_destroy(pool);
    if (again_us
        && lpp_jobs_defer(lpp_process_get()->jobs, run_passes, NULL, again_us)
               != APR_SUCCESS) {
        return; /* the child ends; other children do it */
    }
}

void lpp_retention_child_wrote(const lpp_conf_t *conf, apr_off_t bytes)
{
    lpp_jobs_t *jobs = lpp_process_get()->jobs;
    int i;

    for (i = 0; jobs && child.hosts && i < child.hosts->nelts; i++) {
        const host_t *host = &APR_ARRAY_IDX(child.hosts, i, host_t);

        if (host->conf == conf) {
            lpp_retention_t *retention = root_of(host->group)->retention;

            if (lpp_jobs_defer(jobs, run_passes, NULL,
                               lpp_retention_wrote(retention, bytes))
                != APR_SUCCESS) {
                return; /* as above */
            }
            return;
        }
    }
}

void lpp_retention_child_register_hooks(apr_pool_t *pool)
{
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}
