/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_kernel: kernel events of a child (sampling/lpp_kernel.h), as
 * LPProfileKernelEvents says: opened in the child before it drops its
 * privileges, or left to the start of each profile.
 */
#ifndef MOD_LPPROFILE_KERNEL_H
#define MOD_LPPROFILE_KERNEL_H

#include <httpd.h>

#include "sampling/lpp_kernel.h"

/*
 * The kernel events of this child, for its sampler; NULL: it uses none. Lives
 * as long as pchild.
 * Signal-safe: no. Thread: child-init.
 */
lpp_kernel_t *lpp_kernel_events_of_child(const server_rec *main_server,
                                         apr_pool_t *pchild);

/* Hooks: post_config (whether they can be opened), drop_privileges (opens
 * them).
 * Signal-safe: no. Thread: parent at start. */
void lpp_kernel_events_register_hooks(apr_pool_t *pool);

#endif
