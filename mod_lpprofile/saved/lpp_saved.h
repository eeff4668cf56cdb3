/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved: saves a profile for the report pages.
 *
 * One compact file beside the others of a profile, from which every format can
 * be made again byte for byte and every page be shown. It begins with a head,
 * with a checksum, which alone is read for a list. The rest is compressed, in
 * sections; readers skip sections with unknown tags.
 *
 * The content of a file is not trusted: every number, length and index is
 * checked before use, and a file with a wrong one is refused as a whole. Files
 * of another version are refused.
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

/* The head, with what a list shows. No string is NULL. */
typedef struct lpp_saved_head_t {
    const char *vhost;   /* key of its virtual host (lpp_facts_vhost); not
                            shown */
    const char *id;      /* OOPS id */
    const char *page_id;
    const char *url;     /* masked */
    const char *host;
    const char *method;
    const char *outcome; /* "profiled", "no-signal" */
    apr_time_t start;    /* wall clock; any value */
    apr_uint32_t pid, tid;
    apr_uint32_t status; /* of the response */
    apr_interval_time_t waited_us; /* for the gate, before profiling */
    apr_uint32_t cut_short;        /* lpp_stop_e, 0: no */
    lpp_cost_t total;
    int ready;                     /* lpp_ready_e */
} lpp_saved_head_t;

/* A whole saved profile. */
typedef struct lpp_saved_t {
    lpp_saved_head_t head;
    const lpp_view_t *view;
    const lpp_oops_t *oops; /* or NULL where it could not be made */
    const char *oops_path;  /* where the OOPS was written, or "" */
    const lpp_sqlview_t *sql;  /* NULL: the URL did not ask for it */
    const char *sql_condition; /* as the URL had it, encoded, or NULL */
    const lpp_memory_sizes_t *memory; /* two: before and after; or NULL */
    apr_uint32_t inline_count;  /* individual profiles of inline regions */
    int inline_ignored;         /* 1: they were inside a full profile */
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
 * Read a file that lpp_saved_write made, into pool; read_head reads only the
 * head, from the first bytes of the file (LPP_SAVED_HEAD_MAX_BYTES are enough).
 * Errors: APR_EINVAL: not such a file, of another version, cut off or changed;
 * APR_ENOMEM.
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
    apr_uint32_t formats;  /* LPP_FORMAT_BIT of those that exist */
} lpp_saved_entry_t;

/*
 * List the profiles of one virtual host in a store, newest first: array of
 * lpp_saved_entry_t in pool. Looks at the newest LPP_SAVED_LIST_MAX saved files
 * at most (*more is 1 if there are others), and stops after max profiles of
 * this host (0: all). Files that cannot be read, of another version, or with an
 * id that differs from their name are skipped.
 * Errors: those of lpp_store_list.
 * Signal-safe: no. Thread: any.
 */
#define LPP_SAVED_LIST_MAX 20000
LPP_MUST_CHECK apr_status_t lpp_saved_list(lpp_store_t *store,
                                           const char *vhost, int max,
                                           apr_array_header_t **entries,
                                           int *more, apr_pool_t *pool);

/*
 * Find the profile with that id, if it belongs to that virtual host.
 * Errors: APR_ENOENT: no such id, removed meanwhile, or of another host;
 * APR_EINVAL: the file is damaged, or of another version; those of reading it.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_saved_find(lpp_store_t *store,
                                           const char *vhost, const char *id,
                                           lpp_saved_entry_t *entry,
                                           lpp_saved_t **saved,
                                           apr_pool_t *pool);

#endif
