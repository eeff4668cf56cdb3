/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention_scan: the files in the directories, for lpp_retention only.
 */
#ifndef LPP_RETENTION_SCAN_INTERNAL_H
#define LPP_RETENTION_SCAN_INTERNAL_H

#include <apr_tables.h>

#include "store/lpp_retention.h"
#include "store/lpp_store.h"

/* What an OOPS reports, once it was read. */
typedef enum {
    LPP_RETENTION_UNREAD,
    LPP_RETENTION_INFORMATIONAL,
    LPP_RETENTION_FAILURE,
    LPP_RETENTION_FOREIGN /* of another program, or cannot be read */
} lpp_retention_kind_e;

typedef struct lpp_retention_file_t {
    const char *id;
    const char *name;
    lpp_store_t *store;
    const char *part; /* date directory of an OOPS; NULL: a profile's file */
    const char *stem; /* of a profile's file, else "" */
    apr_off_t bytes;
    apr_time_t mtime; /* as the file system says: may be in the future */
    lpp_retention_kind_e kind; /* of an OOPS */
} lpp_retention_file_t;

/* All files of one id. */
typedef struct lpp_retention_unit_t {
    lpp_retention_file_t *files; /* count of them, in the scan's array */
    unsigned count;
    unsigned profile_files; /* those that are no OOPS */
    apr_off_t bytes;
    apr_off_t oops_bytes;      /* of these, those of OOPSes */
    apr_time_t oldest, newest; /* of its files, none in the future */
    const char *stem; /* of its profile, or "" */
    int selected;         /* all is removed but the OOPS of a failure */
    int failure_selected; /* that OOPS is removed, too */
} lpp_retention_unit_t;

/* A date directory of OOPSes. */
typedef struct lpp_retention_part_t {
    lpp_store_t *store;
    const char *name;
} lpp_retention_part_t;

typedef struct lpp_retention_scan_t {
    apr_array_header_t *files; /* lpp_retention_file_t; by id once grouped */
    apr_array_header_t *parts; /* lpp_retention_part_t */
    apr_array_header_t *units; /* lpp_retention_unit_t, newest first */
    int cut;                   /* there was more than LPP_RETENTION_FILES_MAX */
    apr_pool_t *pool;
} lpp_retention_scan_t;

/* One pass. */
typedef struct lpp_retention_pass_t {
    const lpp_retention_rule_t *rule;
    lpp_retention_scan_t scan;
    lpp_retention_result_t *result;
    apr_time_t now;      /* by the file system's clock */
    apr_time_t previous; /* last pass of any process; 0: none known */
    apr_time_t oldest;   /* of the profiles retained, or 0 */
    unsigned reads;      /* OOPSes opened to read their kind, */
    unsigned reads_max;  /* and the most to open */
    int pending;         /* something must be removed when it is old enough */
    int cut;             /* a ceiling was reached */
    int sweep;           /* look for stale temporary files, too */
    apr_pool_t *pool;
    apr_pool_t *scratch; /* for one OOPS */
} lpp_retention_pass_t;

/* Empty; all that is found lives in pool. Signal-safe: no. Thread: any. */
void lpp_retention_scan_init(lpp_retention_scan_t *scan, apr_pool_t *pool);

/* Add the files of a directory of profiles, of one of OOPSes.
 * Errors: the directory cannot be read. Signal-safe: no. Thread: any. */
LPP_MUST_CHECK apr_status_t
lpp_retention_scan_profiles(lpp_retention_scan_t *scan, lpp_store_t *store);
LPP_MUST_CHECK apr_status_t
lpp_retention_scan_oopses(lpp_retention_scan_t *scan, lpp_store_t *store);

/* Make the units of what was found, as of now. Signal-safe: no. Thread: any. */
void lpp_retention_scan_group(lpp_retention_scan_t *scan, apr_time_t now);

/* The kind of an OOPS that an earlier pass of this process opened. The list is
 * sorted by id and malloc'd. */
typedef struct lpp_retention_known_t {
    char id[LPP_OOPS_ID_LEN + 1];
    lpp_retention_kind_e kind;
    apr_off_t bytes;
    apr_time_t mtime;
} lpp_retention_known_t;

typedef struct lpp_retention_memory_t {
    lpp_retention_known_t *known; /* count of them, or NULL */
    int count;
} lpp_retention_memory_t;

/* recall sets the kind of each file of a grouped scan that an earlier pass
 * opened and that has not changed since. remember stores the kinds of this scan
 * instead of those known so far (none where memory is short); with NULL, it
 * frees all.
 * Signal-safe: no. Thread: one at a time. */
void lpp_retention_recall(const lpp_retention_memory_t *memory,
                          lpp_retention_scan_t *scan);
void lpp_retention_remember(lpp_retention_memory_t *memory,
                            const lpp_retention_scan_t *scan);

/*
 * Open an OOPS and return what it reports; scratch is cleared. One that cannot
 * be read, or does not name this module as its origin, is foreign.
 * Signal-safe: no. Thread: any.
 */
lpp_retention_kind_e lpp_retention_read_oops(const lpp_retention_file_t *file,
                                   apr_pool_t *scratch);

/* choose selects what exceeds the rule, from the newest unit on. remove removes
 * what is selected, the oldest first. remove_empty removes empty date
 * directories.
 * Signal-safe: no. Thread: any. */
void lpp_retention_choose(lpp_retention_pass_t *pass);
void lpp_retention_remove(lpp_retention_pass_t *pass);
void lpp_retention_remove_empty(const lpp_retention_pass_t *pass);

#endif
