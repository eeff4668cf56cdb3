/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_memory: the memory log, one line a request.
 *
 * Opens the logs in the parent (files or piped programs), reads the process's
 * sizes when a request begins and ends, appends one whole line. Takes no lock,
 * profiles nothing, writes no OOPS, changes no response. A log that cannot be
 * written is complained of once a minute at most.
 */
#ifndef MOD_LPPROFILE_MEMORY_H
#define MOD_LPPROFILE_MEMORY_H

#include <httpd.h>

#include "base/lpp_base.h"

/* Note on a request that is profiled: its OOPS id; also for
 * %{lpprofile-oops-id}n in a LogFormat. */
#define LPP_MEMORY_OOPS_NOTE "lpprofile-oops-id"

/* Likewise its page id, once it is named: all that is said of a profile says
 * the same. */
#define LPP_MEMORY_PAGE_NOTE "lpprofile-page-id"

/* Sizes of this process at one moment. */
typedef struct lpp_memory_sizes_t {
    apr_uint64_t vss_bytes;  /* address space */
    apr_uint64_t rss_bytes;  /* resident */
    apr_uint64_t private_bytes; /* of that, what is not of a file or shared */
    apr_uint64_t heap_bytes; /* malloc'd and in use, all arenas; 0: not
                                counted */
    apr_uint64_t heap_took_us; /* to count that */
} lpp_memory_sizes_t;

/*
 * Read the sizes; what cannot be read is 0. begin: what was read where this is
 * the end, NULL where it is a beginning. The heap is counted only where that is
 * known to be short, and at the end only where it was at the beginning: what
 * this takes does not grow with the heap.
 * Signal-safe: no. Thread: any.
 */
void lpp_memory_read(lpp_memory_sizes_t *sizes,
                     const lpp_memory_sizes_t *begin);

/* Hook that opens the logs (always), and those per request (for
 * lpp_process_register_if_wanted). */
void lpp_memory_register_open(apr_pool_t *pool);
void lpp_memory_register_hooks(apr_pool_t *pool);

#endif
