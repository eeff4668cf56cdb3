/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_sql_hooks: the sources of statements: the connections of
 * mod_dbd, and other modules, through the optional functions of lpprofile.h;
 * and which statements are secret.
 *
 * Connections are decorated in children only: those that the parent opens
 * survive restarts, which load this module again.
 */
#include <string.h>

#include <apr_dbd.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <mod_dbd.h>

#include "lpprofile.h"
#include "base/lpp_log_tags.h"
#include "request/mod_lpprofile_sql_internal.h"

APLOG_USE_MODULE(lpprofile);

#define DRIVER_MAX_BYTES 32 /* of the name of a driver */

/* Directives of mod_session_dbd that name its statements. */
static const char *const session_directives[] = {
    "SessionDBDSelectLabel", "SessionDBDInsertLabel", "SessionDBDUpdateLabel",
    "SessionDBDDeleteLabel"
};

static int in_child;

static const ap_directive_t *next_directive(const ap_directive_t *at)
{
    if (at->first_child) {
        return at->first_child;
    }
    while (at && !at->next) {
        at = at->parent;
    }
    return at ? at->next : NULL;
}

/* Log each driver that is not supported, once, in the parent: children do not
 * decorate it. */
static void check_driver(const char *args, server_rec *s, apr_pool_t *ptemp)
{
    const apr_dbd_driver_t *driver;
    const char *name = ap_getword_conf(ptemp, &args), *why;

    if (apr_dbd_get_driver(ptemp, name, &driver) != APR_SUCCESS) {
        return; /* mod_dbd has logged that */
    }
    why = lpp_dbd_check(driver, name);
    if (why) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, LPP_TAG_SQL_DRIVER
                     ": SQL statements of the driver %s are not recorded: %s",
                     name, why);
    }
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    apr_array_header_t *labels = apr_array_make(pconf, 4, sizeof(char *));
    const ap_directive_t *at;
    apr_size_t i;

    lpp_sql_set_secret_labels(labels);
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    for (at = ap_conftree; at; at = next_directive(at)) {
        const char *args = at->args;

        if (!ap_cstr_casecmp(at->directive, "DBDriver")) {
            check_driver(args, s, ptemp);
        }
        for (i = 0; i < LPP_COUNT(session_directives); i++) {
            if (!ap_cstr_casecmp(at->directive, session_directives[i])) {
                APR_ARRAY_PUSH(labels, const char *)
                    = ap_getword_conf(pconf, &args);
            }
        }
    }
    return OK;
}

/* Before the hook of mod_dbd, which opens connections. */
static void child_init(apr_pool_t *pchild, server_rec *s)
{
    in_child = 1;
    lpp_dbd_set_current(lpp_sql_watch_of_thread);
}

/* Before the hook of mod_dbd, which sends the statements of DBDInitSQL. */
static apr_status_t post_connect(apr_pool_t *pool, dbd_cfg_t *cfg,
                                 ap_dbd_t *connection)
{
    apr_hash_index_t *at;
    const char *why;
    apr_status_t rv;

    if (!in_child) {
        return APR_SUCCESS;
    }
    rv = lpp_dbd_decorate(&connection->driver, connection->handle, cfg->name,
                          lpp_sqltext_database(cfg->name, cfg->params, pool),
                          &why, pool);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, rv, cfg->server,
                     LPP_TAG_SQL_CONNECTION ": SQL statements of a connection "
                     "to %s are not recorded: %s", cfg->name,
                     why ? why : "out of memory");
        return APR_SUCCESS;
    }
    /* Statements that were prepared before this hook was called. */
    for (at = apr_hash_first(pool, cfg->queries); at;
         at = apr_hash_next(at)) {
        const char *label = apr_hash_this_key(at);
        const apr_dbd_prepared_t *statement = apr_hash_get(
            connection->prepared, label, APR_HASH_KEY_STRING);

        if (statement) {
            lpp_dbd_remember(connection->handle, statement, label,
                             apr_hash_this_val(at), pool);
        }
    }
    return APR_SUCCESS;
}

void lpp_sql_register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_REALLY_FIRST);
    APR_OPTIONAL_HOOK(dbd, post_connect, post_connect, NULL, NULL,
                      APR_HOOK_FIRST);
}

/* See lpprofile.h; statements are numbered from 1. */
static int lpprofile_statement_begin(const char *database, const char *text)
{
    lpp_dbd_watch_t *watch = lpp_sql_watch_of_thread();
    lpp_dbd_call_t call = {"lpprofile_statement", text, NULL, NULL, database};
    char driver[DRIVER_MAX_BYTES];

    if (!watch || !text) {
        return 0;
    }
    if (!database || !*database) {
        call.database = "unknown";
    }
    else {
        call.database = lpp_sql_keep_name(database);
    }
    apr_cpystrn(driver, call.database, sizeof(driver));
    driver[strcspn(driver, ":")] = '\0';
    call.driver = driver;
    return watch->begin(watch, &call) + 1;
}

static void lpprofile_statement_end(int statement, long rows,
                                    const char *error)
{
    lpp_dbd_watch_t *watch = lpp_sql_watch_of_thread();

    if (watch && statement > 0) {
        watch->end(watch, statement - 1, rows, error);
    }
}

void lpp_sql_register_functions(void)
{
    APR_REGISTER_OPTIONAL_FN(lpprofile_statement_begin);
    APR_REGISTER_OPTIONAL_FN(lpprofile_statement_end);
}
