/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths: OOPS and profile of a request whose process crashed,
 * was killed or ended before the response.
 *
 * The parent is notified of every death. It may run as root, so it writes
 * nothing: it forks a process that drops its privileges, takes over the
 * post-mortem data from the shared memory of the gate, unwinds, names, writes,
 * and exits. Owns no state. A report that cannot be written is logged and
 * dropped.
 */
#ifndef MOD_LPPROFILE_DEATHS_H
#define MOD_LPPROFILE_DEATHS_H

#include <httpd.h>

/* Hook: child_status, in the parent.
 * Signal-safe: no. Thread: parent at start. */
void lpp_deaths_register_hooks(apr_pool_t *pool);

#endif
