/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_calls: counts the hooks that httpd calls while a request is
 * profiled. The hook wrappers call it; it finds the request of the chain to
 * which a call belongs, and passes both to the run's recorder.
 */
#ifndef MOD_LPPROFILE_CALLS_H
#define MOD_LPPROFILE_CALLS_H

#include <apr_pools.h>

/* post_config: chooses the hook wrappers, if profiling is allowed; only those
 * with phase callbacks if LPProfileHooks is Off.
 * Signal-safe: no. Thread: parent at start. */
void lpp_calls_register_hooks(apr_pool_t *pool);

#endif
