/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_retention: applies LPProfileKeep. Finds the hosts that share
 * directories (they form one group, with one rule) and has the jobs thread
 * apply retention after files were written; never on the thread of a request.
 */
#ifndef MOD_LPPROFILE_RETENTION_H
#define MOD_LPPROFILE_RETENTION_H

#include "server/mod_lpprofile_config.h"

/*
 * Called after a profile of the host with this configuration was written;
 * bytes: the size of its files with its OOPS. Retention runs, soon or later.
 * Signal-safe: no. Thread: any, of a child.
 */
void lpp_retention_child_wrote(const lpp_conf_t *conf, apr_off_t bytes);

/* Hooks: check_config (hosts that share a directory share one rule),
 * child_init.
 * Signal-safe: no. Thread: parent at start. */
void lpp_retention_child_register_hooks(apr_pool_t *pool);

#endif
