/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_calls: counts the hooks that httpd calls while a request is
 * profiled. Called by the hook wrappers; tells the run's recorder to which
 * request of the chain a call belongs.
 */
#ifndef MOD_LPPROFILE_CALLS_H
#define MOD_LPPROFILE_CALLS_H

#include <apr_pools.h>

/* post_config: chooses the hook wrappers, where profiling is allowed; only
 * those with phase callbacks where LPProfileHooks is Off. */
void lpp_calls_register_hooks(apr_pool_t *pool);

#endif
