/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_calls: what Apache calls while a request is profiled: watches
 * the entries in httpd's hook arrays and tells the run's recorder which request
 * of its chain a call belongs to.
 */
#ifndef MOD_LPPROFILE_CALLS_H
#define MOD_LPPROFILE_CALLS_H

#include <apr_pools.h>

/* post_config: chooses the entries, where somebody may profile; at doors alone
 * where LPProfileHooks is Off. */
void lpp_calls_register_hooks(apr_pool_t *pool);

#endif
