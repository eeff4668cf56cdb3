/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_maps: which objects (executable, libraries, modules, vdso) are loaded,
 * and where.
 *
 * Objects are never removed: an object keeps its number when it is unloaded, so
 * that a sample taken before dlclose can still be named. The table is filled by
 * dl_iterate_phdr, which takes the loader's lock, so never in a signal handler.
 *
 * Any thread of the server may dlclose a module at any time. So an object's
 * memory is read only in the callback of dl_iterate_phdr, where the loader's
 * lock keeps it mapped, and the data needed (build id, .eh_frame) is copied.
 */
#ifndef LPP_MAPS_H
#define LPP_MAPS_H

#include "base/lpp_base.h"

/*
 * One loaded object. Once it is in the table, only gone, fresh and unwind
 * change. Its pointers are valid as long as the table.
 */
typedef struct lpp_object_t {
    const char *path;        /* file; "[vdso]" for the vdso; never NULL */
    apr_uint64_t bias;       /* process address - the file's address */
    apr_uint64_t start, end; /* executable range, process addresses */
    const unsigned char *eh_frame_hdr; /* copy, or NULL */
    apr_size_t eh_frame_hdr_len;
    apr_uint64_t eh_frame_hdr_address; /* where it is in the process: base of
                                          its datarel pointers */
    const unsigned char *eh_frame;     /* copy, or NULL */
    apr_size_t eh_frame_len;           /* less the terminator */
    apr_uint64_t eh_frame_address;     /* base of its pcrel pointers */
    const unsigned char *build_id;     /* copy, or NULL */
    apr_size_t build_id_len;
    unsigned number;    /* 1 .. ; see lpp_pc_t */
    int gone;           /* it was unloaded */
    int fresh;          /* 1: added by the last refresh that found a change,
                           while others were unloaded: an address sampled here
                           before may belong to one of those; for the helper
                           only */
    const void *unwind; /* what lpp_unwind made of eh_frame, or NULL;
                                   for the helper only */
} lpp_object_t;

typedef struct lpp_maps_t lpp_maps_t;

/*
 * Create a table of the objects that are loaded now, in pool. The parent may
 * create it and its children use it after fork (the memory stays shared).
 * Destroying pool frees the table in the process that created it; in a forked
 * child it does nothing, so that a helper thread can use the table while the
 * process ends.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_maps_create(lpp_maps_t **maps,
                                            apr_pool_t *pool);

/*
 * Update the table if objects were loaded or unloaded since (by the loader's
 * own counters); *changed says whether. A file with the same build id at the
 * same address gets its old number again: it is the same code. An object
 * without a build id gets a new number whenever it may have been reloaded,
 * until half of LPP_OBJECTS_MAX is used.
 * Errors: APR_ENOSPC: there are more than LPP_OBJECTS_MAX objects, the others
 * are not in the table; APR_ENOMEM: some objects are not in the table, and the
 * next refresh tries again.
 * Signal-safe: no. Thread: one at a time (the helper); others may read
 * meanwhile.
 */
LPP_MUST_CHECK apr_status_t lpp_maps_refresh(lpp_maps_t *maps, int *changed);

/*
 * The loaded object that holds address in an executable segment, or NULL.
 * Binary search.
 * Signal-safe: no. Thread: that of refresh.
 */
const lpp_object_t *lpp_maps_find(const lpp_maps_t *maps,
                                  apr_uint64_t address);

/*
 * The object of that number, also an unloaded one; NULL for 0 and unknown ones.
 * Signal-safe: no. Thread: any.
 */
const lpp_object_t *lpp_maps_object(const lpp_maps_t *maps, unsigned number);

/* How many numbers are used: objects are 1 .. count.
 * Signal-safe: no. Thread: any. */
unsigned lpp_maps_count(const lpp_maps_t *maps);

/*
 * The number of an object of another process, found by its path and build id
 * (by its path and bias, if it has none). If the table does not have it, it is
 * added as one that is gone. Strings and build_id are copied. 0: no memory, or
 * no number left.
 * Signal-safe: no. Thread: that of refresh.
 */
unsigned lpp_maps_adopt(lpp_maps_t *maps, const char *path, apr_uint64_t bias,
                        const unsigned char *build_id,
                        apr_size_t build_id_len);

/*
 * Convert an address of this process to an lpp_pc_t, which stays valid after
 * dlclose.
 * Signal-safe: no. Thread: that of refresh.
 */
lpp_pc_t lpp_maps_pc(const lpp_maps_t *maps, apr_uint64_t address);

/*
 * 1 if this process created the table, and not the process that it was forked
 * from. Only then is data that belongs to it freed with its pool: in a child
 * the pool is destroyed when the process ends, perhaps in a signal handler.
 * Signal-safe: yes. Thread: any.
 */
int lpp_maps_made_here(const lpp_maps_t *maps);

/*
 * Set unwind of object number to block, one malloc'd block, which then belongs
 * to the table and is freed with it. May be called once for each object. For
 * lpp_unwind only.
 * Signal-safe: no. Thread: that of refresh.
 */
void lpp_maps_attach_unwind(lpp_maps_t *maps, unsigned number, void *block);

#endif
