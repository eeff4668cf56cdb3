/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_maps: which objects (executable, libraries, modules, vdso) are loaded
 * where.
 *
 * A table that only grows: an object keeps its number when it is unloaded, so
 * that a sample taken before dlclose still finds its name. Gathered with
 * dl_iterate_phdr, which takes the loader's lock: never in a signal handler.
 */
#ifndef LPP_MAPS_H
#define LPP_MAPS_H

#include "lpp_base.h"

/* One loaded object. Never changes once it is in the table, but for gone. */
typedef struct lpp_object_t {
    const char *path;           /* file; "[vdso]" for the vdso; never NULL */
    apr_uint64_t bias;          /* process address - the file's address */
    apr_uint64_t start, end;    /* executable range, process addresses */
    const unsigned char *eh_frame_hdr; /* in memory while loaded, or NULL */
    apr_size_t eh_frame_hdr_len;
    const unsigned char *build_id;     /* copy, or NULL */
    apr_size_t build_id_len;
    unsigned number;            /* 1 .. ; see lpp_pc_t */
    int gone;                   /* unloaded since */
} lpp_object_t;

typedef struct lpp_maps_t lpp_maps_t;

/*
 * Make a table of what is loaded now; lives in pool. May be made in the parent
 * and used by children after fork.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_maps_create(lpp_maps_t **maps,
                                            apr_pool_t *pool);

/*
 * Bring it up to date if objects came or went since (the loader's own counters
 * tell): *changed says whether. An object that was reloaded, even at the same
 * address, gets a new number. APR_ENOSPC: more than LPP_OBJECTS_MAX; the rest
 * has no names.
 * Signal-safe: no. Thread: one at a time (the helper); readers go on.
 */
LPP_MUST_CHECK apr_status_t lpp_maps_refresh(lpp_maps_t *maps, int *changed);

/*
 * The loaded object that holds address, or NULL. Binary search.
 * Signal-safe: no. Thread: that of refresh.
 */
const lpp_object_t *lpp_maps_find(const lpp_maps_t *maps,
                                  apr_uint64_t address);

/*
 * The object of that number, gone or not; NULL for 0 and unknown ones.
 * Signal-safe: no. Thread: any.
 */
const lpp_object_t *lpp_maps_object(const lpp_maps_t *maps, unsigned number);

/* How many numbers were given out: objects are 1 .. count. Thread: any. */
unsigned lpp_maps_count(const lpp_maps_t *maps);

/*
 * A process address as a place that outlives dlclose.
 * Signal-safe: no. Thread: that of refresh.
 */
lpp_pc_t lpp_maps_pc(const lpp_maps_t *maps, apr_uint64_t address);

#endif
