/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_status: the profiler's section in mod_status, and ?auto.
 *
 * Reads the shared memory of the gate and lists the profile directory of the
 * host that was asked; changes nothing. Whoever may see server-status sees
 * figures; ids, URLs, page ids and the text of the last error only who passes
 * LPProfileAccess too. Keeps each warning or worse that this module logs as the
 * last error.
 */
#ifndef MOD_LPPROFILE_STATUS_H
#define MOD_LPPROFILE_STATUS_H

#include <httpd.h>

/* The section: always, since "not allowed" is worth knowing. */
void lpp_status_register_section(apr_pool_t *pool);

/* The last error; for lpp_process_register_if_wanted. */
void lpp_status_register_hooks(apr_pool_t *pool);

#endif
