/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_memory: the memory log, one line for each request.
 *
 * Opens the logs in the parent (files or piped programs), reads the sizes of
 * the process when a request begins and ends, appends one whole line. Takes no
 * lock, profiles nothing, writes no OOPS, changes no response. A log that
 * cannot be written is reported at most once a minute.
 */
#ifndef MOD_LPPROFILE_MEMORY_H
#define MOD_LPPROFILE_MEMORY_H

#include <httpd.h>

#include "base/lpp_memory.h"

/* Note on a profiled request: its OOPS id; also for %{lpprofile-oops-id}n in a
 * LogFormat. */
#define LPP_MEMORY_OOPS_NOTE "lpprofile-oops-id"

/* Likewise its page id, once that is known: log, files and OOPS have the
 * same. */
#define LPP_MEMORY_PAGE_NOTE "lpprofile-page-id"

/*
 * Read the sizes of this process; one that cannot be read is 0. begin: NULL at
 * the beginning of a request; at its end, the sizes read at the beginning. The
 * heap is counted only if that is known to be short, and at the end only if it
 * was counted at the beginning: so the time for this does not grow with the
 * heap.
 * Signal-safe: no. Thread: any.
 */
void lpp_memory_read(lpp_memory_sizes_t *sizes,
                     const lpp_memory_sizes_t *begin);

/* open: the hook that opens the logs (always registered); the hooks for each
 * request (for lpp_process_register_if_wanted).
 * Signal-safe: no. Thread: parent at start. */
void lpp_memory_register_open(apr_pool_t *pool);
void lpp_memory_register_hooks(apr_pool_t *pool);

#endif
