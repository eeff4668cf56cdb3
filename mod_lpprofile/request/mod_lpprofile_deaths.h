/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths: OOPS and profile of a request whose process crashed,
 * was killed or ended under it.
 *
 * The parent learns of every death. It may be root, so it writes nothing: it
 * forks a process that drops its privileges first, takes what the dead one left
 * in the gate's shared memory, unwinds, names and writes, and ends. Owns no
 * state. A report that cannot be written is logged and dropped.
 */
#ifndef MOD_LPPROFILE_DEATHS_H
#define MOD_LPPROFILE_DEATHS_H

#include <httpd.h>

/* Hook: child_status, in the parent. */
void lpp_deaths_register_hooks(apr_pool_t *pool);

#endif
