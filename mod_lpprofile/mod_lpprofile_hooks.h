/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_hooks: what is done in each phase of a request that somebody
 * watches, and in which order.
 *
 * Not by hooks of our own: each costs every request of the server a dozen
 * instructions. The entries that stand for other modules' hooks while somebody
 * watches have doors (mod_lpprofile_wrappers).
 */
#ifndef MOD_LPPROFILE_HOOKS_H
#define MOD_LPPROFILE_HOOKS_H

#include <httpd.h>

/* For lpp_process_register_if_wanted: sets the doors up, before entries are
 * chosen (post_config). */
void lpp_hooks_register(apr_pool_t *pool);

#endif
