/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_aggregate: the sum of many requests' profiles: records in a spool file,
 * one for each request, and the table that is their sum.
 *
 * Any process appends to the spool with one write. A process that is killed
 * while it writes leaves an incomplete record, which readers skip. The content
 * of the spool is not trusted: everything is checked and has a ceiling. Does
 * not depend on a path, a server or a process.
 */
#ifndef LPP_AGGREGATE_H
#define LPP_AGGREGATE_H

#include "formats/lpp_pstats.h"

#define LPP_AGGREGATE_SPOOL_MAX_BYTES APR_INT64_C(0x100000000)
#define LPP_AGGREGATE_RECORD_MAX_BYTES (64u * 1024 * 1024) /* unpacked */
#define LPP_AGGREGATE_FUNCTIONS_MAX 262144 /* the last one is for all others */
#define LPP_AGGREGATE_EDGES_MAX 1048576

/* Name of the row for the functions past the ceiling. */
#define LPP_AGGREGATE_REST_NAME "[further functions]"

/*
 * Append one record to fd, which must have been opened with O_APPEND. If not
 * all of it is written, readers skip the incomplete record.
 * Errors: APR_ENOSPC past a ceiling or on a full disk, APR_ENOMEM, that of
 * write.
 * Signal-safe: no. Thread: any, of any process.
 */
LPP_MUST_CHECK apr_status_t lpp_aggregate_append(int fd,
                                                 const lpp_pstats_t *pstats,
                                                 apr_pool_t *scratch);

typedef struct lpp_aggregate_t lpp_aggregate_t;

typedef struct lpp_aggregate_counts_t {
    apr_uint64_t records;     /* summed up */
    apr_uint64_t torn_bytes;  /* passed over */
    apr_uint64_t wall_us;     /* of all records */
    apr_uint64_t folded;      /* function rows added to the row for others */
    apr_uint64_t edges_lost;  /* edges without room */
} lpp_aggregate_counts_t;

/*
 * An empty sum, in pool.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_aggregate_create(lpp_aggregate_t **aggregate,
                                                 apr_pool_t *pool);

/*
 * Add every complete record of the spool, from its beginning. fd is read by
 * offset; its position does not matter. Incomplete records are no error.
 * Errors: that of read; APR_ENOMEM.
 * Signal-safe: no. Thread: one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_aggregate_read(lpp_aggregate_t *aggregate,
                                               int fd);

/*
 * Add one table. Rows are matched by (file, line, name). The indexes of edges
 * must be valid. If there is no memory for a row, it is added to the row for
 * others.
 * Errors: APR_ENOMEM: nothing was added.
 * Signal-safe: no. Thread: one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_aggregate_add(lpp_aggregate_t *aggregate,
                                              const lpp_pstats_t *pstats);

/* The present sum and its counts; valid as long as the aggregate, until the
 * next add. The calls of the root are the number of requests; an empty sum has
 * a root, too, without time.
 * Signal-safe: no. Thread: one at a time. */
const lpp_pstats_t *lpp_aggregate_table(lpp_aggregate_t *aggregate);
const lpp_aggregate_counts_t *lpp_aggregate_counts(
    const lpp_aggregate_t *aggregate);

#endif
