/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_keep: LPProfileKeep at work. Knows which hosts share
 * directories (they are one, with one rule) and has the jobs thread pass over
 * them after something was written; never a request's thread.
 */
#ifndef MOD_LPPROFILE_KEEP_H
#define MOD_LPPROFILE_KEEP_H

#include "server/mod_lpprofile_config.h"

/*
 * A profile of the host with this configuration was written, of so many bytes
 * with its OOPS: a pass is due soon, or later.
 * Signal-safe: no. Thread: any, of a child.
 */
void lpp_keeper_wrote(const lpp_conf_t *conf, apr_off_t bytes);

/* Hooks: check_config (hosts that share a directory share one rule),
 * child_init. */
void lpp_keeper_register_hooks(apr_pool_t *pool);

#endif
