/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_status: the section of the profiler in mod_status, and ?auto.
 *
 * Reads the shared memory of the gate and lists the profile directory of the
 * requested host; changes nothing. Any client with access to server-status gets
 * the figures; ids, URLs, page ids and the text of the last error are shown
 * only to clients that pass LPProfileAccess too. Records each message of this
 * module at level warning or worse as the last error.
 */
#ifndef MOD_LPPROFILE_STATUS_H
#define MOD_LPPROFILE_STATUS_H

#include <httpd.h>

/* Register the section, always: it also shows that profiling is not allowed.
 * Signal-safe: no. Thread: parent at start. */
void lpp_status_register_section(apr_pool_t *pool);

/* Register the hook that records the last error; for
 * lpp_process_register_if_wanted.
 * Signal-safe: no. Thread: parent at start. */
void lpp_status_register_hooks(apr_pool_t *pool);

#endif
