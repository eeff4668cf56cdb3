/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_memory: sizes of a process at one moment. Read by mod_lpprofile_memory,
 * saved with a profile, shown by the report.
 */
#ifndef LPP_MEMORY_H
#define LPP_MEMORY_H

#include <apr.h>

typedef struct lpp_memory_sizes_t {
    apr_uint64_t vss_bytes;  /* address space */
    apr_uint64_t rss_bytes;  /* resident */
    apr_uint64_t heap_bytes; /* malloc'd and in use, all arenas; 0: not
                                counted */
    /* Only measured in the process itself; 0 in a saved profile: */
    apr_uint64_t private_bytes; /* of rss_bytes, what is neither of a file nor
                                   shared */
    apr_uint64_t heap_took_us;  /* time that counting the heap took */
} lpp_memory_sizes_t;

#endif
