/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_process_hooks: hooks that join only where somebody profiles.
 *
 * Whether anybody does is known once the configuration was read, and httpd
 * still takes hooks then: where profiling is allowed nowhere, nothing that
 * runs for a request is registered.
 */
#include <httpd.h>
#include <apr_hooks.h>
#include <http_config.h>

#include "server/mod_lpprofile_config.h"
#include "server/mod_lpprofile_process.h"
#include "server/mod_lpprofile_process_internal.h"

#define REGISTRARS_MAX 16

static lpp_process_register_fn *registrars[REGISTRARS_MAX];
static int registrar_count;

void lpp_process_register_if_wanted(lpp_process_register_fn *function)
{
    if (registrar_count < REGISTRARS_MAX) {
        registrars[registrar_count++] = function;
    }
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

    apr_hook_debug_current = lpprofile_module.name;
    for (i = 0; i < registrar_count; i++) {
        registrars[i](pconf);
    }
    apr_hook_debug_current = registering;
    if (registrar_count > 0) {
        apr_hook_sort_all();
    }
}
