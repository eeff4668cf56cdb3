/* SPDX-License-Identifier: Apache-2.0 */
/* mod_lpprofile_kernel: see mod_lpprofile_kernel.h. */
#include "server/mod_lpprofile_kernel.h"

#include <ap_mpm.h>
#include <http_core.h>
#include <http_config.h>
#include <http_log.h>
#include <mpm_common.h>

#include "base/lpp_log_tags.h"
#include "server/mod_lpprofile_config.h"

APLOG_USE_MODULE(lpprofile);

#define CHILDREN_MAX 64 /* under prefork, without force */

static lpp_kernel_t *opened; /* of this child; NULL: none */

static int is_on(const server_rec *main_server)
{
    lpp_kernel_mode_e mode = lpp_config_kernel_events(main_server);

    return mode == LPP_KERNEL_ON || mode == LPP_KERNEL_FORCE;
}

/* A child for each connection would have descriptors and rings of its own. */
static int has_many_children(const server_rec *s)
{
    int threaded = 0, children = 0;

    return lpp_config_kernel_events(s) == LPP_KERNEL_ON
           && ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded) == APR_SUCCESS
           && threaded == AP_MPMQ_NOT_SUPPORTED
           && ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children) == APR_SUCCESS
           && children > CHILDREN_MAX;
}

/* The parent has the privileges that its children begin with: what it cannot
 * open, they cannot. */
static void warn_if_denied(server_rec *s, apr_pool_t *ptemp)
{
    apr_pool_t *pool;
    lpp_kernel_t *kernel;
    apr_status_t status;

    apr_pool_create(&pool, ptemp);
    status = lpp_kernel_create(&kernel, pool);
    if (status == APR_SUCCESS) {
        status = lpp_kernel_open(kernel);
    }
    if (status != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, status, s,
                     LPP_TAG_PROCESS_NO_KERNEL ": " LPP_DIR_KERNEL_EVENTS
                     " on: the events cannot be opened; a thread that waits "
                     "gets a signal to be sampled");
    }
    apr_pool_destroy(pool);
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    if (has_many_children(s)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     LPP_TAG_PROCESS_MANY_CHILDREN ": " LPP_DIR_KERNEL_EVENTS
                     " on: this MPM may have more than %d processes, each with "
                     "a descriptor for each processor; lower "
                     "MaxRequestWorkers, or set \"on force\"", CHILDREN_MAX);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (is_on(s)
        && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        warn_if_denied(s, ptemp);
    }
    return OK;
}

/* Never fails: httpd would end the child. */
static int drop_privileges(apr_pool_t *pchild, server_rec *s)
{
    opened = NULL;
    if (is_on(s) && lpp_kernel_create(&opened, pchild) == APR_SUCCESS) {
        apr_status_t status = lpp_kernel_open(opened);

        (void)status; /* the parent has logged it; each profile tries again */
    }
    return OK;
}

lpp_kernel_t *lpp_kernel_events_of_child(const server_rec *main_server,
                                         apr_pool_t *pchild)
{
    lpp_kernel_mode_e mode = lpp_config_kernel_events(main_server);

    if (!opened && mode != LPP_KERNEL_OFF
        && lpp_kernel_create(&opened, pchild) != APR_SUCCESS) {
        opened = NULL;
    }
    return opened;
}

void lpp_kernel_events_register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* Before mod_unixd changes the user. */
    ap_hook_drop_privileges(drop_privileges, NULL, NULL, APR_HOOK_FIRST);
}
