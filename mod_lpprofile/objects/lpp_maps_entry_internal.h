/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_maps_entry: one loaded object: the data in its program headers, and the
 * copies of its tables. Internal to lpp_maps.
 */
#ifndef LPP_MAPS_ENTRY_INTERNAL_H
#define LPP_MAPS_ENTRY_INTERNAL_H

#include <link.h>

#include "objects/lpp_maps.h"

#define LPP_LAYOUT_RANGES 4 /* executable segments of one object */

typedef struct lpp_range_t {
    apr_uint64_t start, end;
} lpp_range_t;

/* Process addresses and lengths; 0 where there is none. */
typedef struct lpp_layout_t {
    const char *path; /* for the caller to set */
    apr_uint64_t bias;
    lpp_range_t ranges[LPP_LAYOUT_RANGES];
    unsigned range_count;
    apr_uint64_t hdr, hdr_len;     /* .eh_frame_hdr */
    apr_uint64_t frame, frame_len; /* .eh_frame */
    apr_uint64_t id, id_len;       /* build id */
} lpp_layout_t;

/*
 * Read info into layout. Call it only inside a dl_iterate_phdr callback, where
 * the loader's lock keeps the object mapped.
 * Signal-safe: no. Thread: any.
 */
void lpp_layout_read(lpp_layout_t *layout, const struct dl_phdr_info *info);

/* An object with its internal members. Each entry is one malloc'd block that
 * includes its copies; an entry may point to the copies of another entry
 * instead. */
typedef struct lpp_entry_t {
    lpp_object_t object; /* first: the public part */
    lpp_range_t ranges[LPP_LAYOUT_RANGES];
    unsigned range_count;
    int owns_unwind; /* object.unwind is freed with this entry */
    int loaded;      /* scratch of refresh */
} lpp_entry_t;

/*
 * Copy what layout describes into one block of malloc, which the caller frees.
 * NULL: no memory. Only where lpp_layout_read may be called.
 * Signal-safe: no. Thread: that of refresh.
 */
lpp_entry_t *lpp_entry_make(const lpp_layout_t *layout);

/*
 * 1 where layout is that of the file that entry was made from, at the same
 * address. Only where lpp_layout_read may be called.
 * Signal-safe: no. Thread: that of refresh.
 */
int lpp_entry_same(const lpp_entry_t *entry, const lpp_layout_t *layout);

/* Path of the program itself, cut. Signal-safe: no. Thread: any. */
void lpp_entry_main_path(char *path, apr_size_t size);

#endif
