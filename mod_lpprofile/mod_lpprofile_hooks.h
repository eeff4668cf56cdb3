/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_hooks: this module's own work in each phase of a profiled
 * request, in its order. Done in phase callbacks of the hook wrappers
 * (mod_lpprofile_wrappers), not in hooks, which would run for every request of
 * the server; README.md beside this file has the measured difference.
 */
#ifndef MOD_LPPROFILE_HOOKS_H
#define MOD_LPPROFILE_HOOKS_H

#include <httpd.h>

/* For lpp_process_register_if_wanted: set the phase callbacks, before hooks get
 * their wrappers (post_config).
 * Signal-safe: no. Thread: parent at start. */
void lpp_hooks_register(apr_pool_t *pool);

#endif
