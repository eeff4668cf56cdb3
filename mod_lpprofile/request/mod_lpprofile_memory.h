/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_memory: the memory log, one line a request.
 *
 * Opens the logs in the parent (files or piped programs), reads the sizes of
 * the process when a request begins and ends, appends one whole line. Takes no
 * lock, profiles nothing, writes no OOPS, changes no response. A log that
 * cannot be written is reported once a minute at most.
 */
#ifndef MOD_LPPROFILE_MEMORY_H
#define MOD_LPPROFILE_MEMORY_H

#include <httpd.h>

#include "base/lpp_memory.h"

/* Note on a request that is profiled: its OOPS id; also for
 * %{lpprofile-oops-id}n in a LogFormat. */
#define LPP_MEMORY_OOPS_NOTE "lpprofile-oops-id"

/* Likewise its page id, once it is known: log, files and OOPS have the same. */
#define LPP_MEMORY_PAGE_NOTE "lpprofile-page-id"

/*
 * Read the sizes of this process; one that cannot be read is 0. begin: NULL at
 * the beginning of a request, and at its end the sizes read then. The heap is
 * counted only where that is known to be short, and at the end only where it
 * was counted at the beginning: the time this takes does not grow with the
 * heap.
 * Signal-safe: no. Thread: any.
 */
void lpp_memory_read(lpp_memory_sizes_t *sizes,
                     const lpp_memory_sizes_t *begin);

/* Hook that opens the logs (always), and those per request (for
 * lpp_process_register_if_wanted). */
void lpp_memory_register_open(apr_pool_t *pool);
void lpp_memory_register_hooks(apr_pool_t *pool);

#endif
