/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile: Launchpad's request profiling for Apache httpd 2.4.
 *
 * Registers only: the module record, and the hooks of every folder, in the
 * order in which data passes through them (README.md).
 */
#include <httpd.h>
#include <http_config.h>

#include "server/mod_lpprofile_aggregate.h"
#include "request/mod_lpprofile_calls.h"
#include "server/mod_lpprofile_config.h"
#include "request/mod_lpprofile_deaths.h"
#include "web/mod_lpprofile_filter.h"
#include "mod_lpprofile_hooks.h"
#include "web/mod_lpprofile_inline.h"
#include "server/mod_lpprofile_kernel.h"
#include "server/mod_lpprofile_retention.h"
#include "request/mod_lpprofile_memory.h"
#include "request/mod_lpprofile_phases.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run.h"
#include "request/mod_lpprofile_sql.h"
#include "web/mod_lpprofile_status.h"
#include "web/mod_lpprofile_url.h"

static void register_hooks(apr_pool_t *pool)
{
    lpp_process_register_hooks(pool);
    lpp_sql_register_functions();
    if (!lpp_aggregate_on()) {
        lpp_deaths_register_hooks(pool); /* a sum has no OOPS reports */
    }
    lpp_status_register_section(pool);
    lpp_memory_register_open(pool);
    lpp_aggregate_register_hooks(pool);
    lpp_inline_register_functions();
    lpp_calls_register_hooks(pool);
    /* Hooks that run for each request are registered only if profiling is
     * allowed somewhere: otherwise a request has no cost. */
    lpp_retention_child_register_hooks(pool);
    lpp_process_register_if_wanted(lpp_kernel_events_register_hooks);
    lpp_process_register_if_wanted(lpp_url_register_hooks);
    lpp_process_register_if_wanted(lpp_run_register_hooks);
    lpp_process_register_if_wanted(lpp_phases_register_filters);
    lpp_process_register_if_wanted(lpp_status_register_hooks);
    lpp_process_register_if_wanted(lpp_sql_register_hooks);
    lpp_process_register_if_wanted(lpp_memory_register_hooks);
    lpp_process_register_if_wanted(lpp_filter_register_hooks);
    lpp_process_register_if_wanted(lpp_hooks_register);
    lpp_process_register_if_wanted(lpp_lua_register_hooks);
}

AP_DECLARE_MODULE(lpprofile) = {
    STANDARD20_MODULE_STUFF,
    NULL, /* no per-directory configuration: the segment is removed before a
             directory is known */
    NULL,
    lpp_config_create,
    lpp_config_merge,
    lpp_config_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
