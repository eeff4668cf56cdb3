/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved: a profile as it is kept for the report pages.
 *
 * One compact file beside the others of a profile, from which every format can
 * be made again byte for byte and every page be shown. It begins with a head
 * that is read alone for a list, guarded by a checksum; the rest is
 * compressed. Little-endian, variable-length numbers, a version in the magic.
 *
 * The reader takes the file for what an enemy wrote: every number, length and
 * index is checked before use, and what does not fit is refused as a whole.
 */
#ifndef LPP_SAVED_H
#define LPP_SAVED_H

#include <apr_file_io.h>

#include "base/lpp_buf.h"
#include "base/lpp_memory.h"
#include "profile/lpp_regions.h"
#include "oops/lpp_oops.h"
#include "sql/lpp_sqlview.h"
#include "store/lpp_store.h"
#include "names/lpp_view.h"

#define LPP_SAVED_VERSION 3
#define LPP_SAVED_HEAD_MAX_BYTES 16384       /* of the head, magic and all */
#define LPP_SAVED_BODY_MAX_BYTES (64u << 20) /* of the rest, uncompressed */

/* What a list shows. No string is NULL. */
typedef struct lpp_saved_head_t {
    const char *vhost;   /* whose it is: lpp_facts_vhost; not for people */
    const char *id;      /* OOPS id */
    const char *page_id;
    const char *url;     /* masked */
    const char *host;
    const char *method;
    const char *outcome; /* what ran: "profiled", "no-signal" */
    apr_time_t start;    /* wall clock; any value */
    apr_uint32_t pid, tid;
    apr_uint32_t status; /* of the response */
    apr_interval_time_t waited_us; /* for the gate, before the profile */
    apr_uint32_t cut_short;        /* lpp_stop_e, 0: no */
    lpp_cost_t total;
} lpp_saved_head_t;

/* All of it. */
typedef struct lpp_saved_t {
    lpp_saved_head_t head;
    const lpp_view_t *view;
    const lpp_oops_t *oops; /* or NULL where it could not be had */
    const char *oops_path;  /* where the OOPS was written, or "" */
    const lpp_sqlview_t *sql;  /* or NULL where the URL did not ask */
    const char *sql_condition; /* as the URL had it, encoded, or NULL */
    const lpp_memory_sizes_t *memory; /* two: before and after; or NULL */
    apr_uint32_t inline_count;  /* individual profiles of inline regions */
    int inline_ignored;         /* they were within a full profile */
    const lpp_region_sum_t *regions;
    apr_uint32_t region_count;
} lpp_saved_t;

/*
 * Write saved. Of head only vhost, outcome, status and waited_us are read; the
 * rest is the view's. Errors: those of the sink; APR_ENOMEM; APR_ENOSPC past
 * LPP_SAVED_BODY_MAX_BYTES or LPP_SAVED_HEAD_MAX_BYTES.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_saved_write(const lpp_saved_t *saved,
                                            const lpp_sink_t *sink,
                                            apr_pool_t *scratch);

/*
 * Read what lpp_saved_write made, all in pool; *head alone from the first bytes
 * (LPP_SAVED_HEAD_MAX_BYTES are enough) of it. APR_EINVAL: it is not such a
 * file, of another version, cut short or changed. APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_saved_read_head(lpp_saved_head_t *head,
                                                const char *data,
                                                apr_size_t len,
                                                apr_pool_t *pool);
LPP_MUST_CHECK apr_status_t lpp_saved_read(lpp_saved_t **saved,
                                           const char *data, apr_size_t len,
                                           apr_pool_t *pool);

/* One profile in a store. */
typedef struct lpp_saved_entry_t {
    lpp_saved_head_t head;
    const char *name;      /* of the saved file */
    const char *stem;
    apr_off_t bytes;       /* of all its files */
    apr_uint32_t formats;  /* LPP_FORMAT_BIT of those that lie there */
} lpp_saved_entry_t;

/*
 * The profiles of one virtual host in a store, newest first: array of
 * lpp_saved_entry_t in pool. Looks at the newest LPP_SAVED_LIST_MAX saved files
 * at most (*more: there are others), and stops after max of this host (0: all).
 * What cannot be read, and what says another id than its name, is passed over.
 * Errors: those of lpp_store_list.
 * Signal-safe: no. Thread: any.
 */
#define LPP_SAVED_LIST_MAX 20000
LPP_MUST_CHECK apr_status_t lpp_saved_list(lpp_store_t *store,
                                           const char *vhost, int max,
                                           apr_array_header_t **entries,
                                           int *more, apr_pool_t *pool);

/*
 * The profile with that id, if it is one of that virtual host. APR_ENOENT: no
 * such id, removed meanwhile, or another host's; APR_EINVAL: the file is
 * damaged; others: those of reading it.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_saved_find(lpp_store_t *store,
                                           const char *vhost, const char *id,
                                           lpp_saved_entry_t *entry,
                                           lpp_saved_t **saved,
                                           apr_pool_t *pool);

#endif
