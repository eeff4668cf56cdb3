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

/* See the end of this child coming, for lpp_process_ending, and outlive it.
 * Signal-safe: no. Thread: child-init. */
void lpp_process_watch_end(apr_pool_t *pchild);

#endif
