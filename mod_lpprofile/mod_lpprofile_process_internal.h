/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_process_internal: between the parts of the process room. For
 * no other room.
 */
#ifndef MOD_LPPROFILE_PROCESS_INTERNAL_H
#define MOD_LPPROFILE_PROCESS_INTERNAL_H

#include <httpd.h>

/* A new configuration is read: nobody registers late any more.
 * Signal-safe: no. Thread: parent at start. */
void lpp_process_hooks_forget(void);

/* Let those that registered late register their hooks, and sort all hooks.
 * Signal-safe: no. Thread: parent at start, check_config. */
void lpp_process_hooks_register(apr_pool_t *pconf);

/* Take the sleeping hooks out of httpd's arrays until lpp_process_wake; the
 * arrays meanwhile in use live in pool.
 * Signal-safe: no. Thread: child-init. */
void lpp_process_hooks_sleep(apr_pool_t *pool);

#endif
