/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_aggregate: the sum of many requests' profiles: records in a spool file,
 * one a request, and the table that they add up to.
 *
 * Any process appends to the spool with one write; a process that is killed in
 * the middle of it leaves a torn record, which readers pass over. Nothing in
 * the spool is trusted: everything is checked, everything has a ceiling. Knows
 * no path, no server, no process.
 */
#ifndef LPP_AGGREGATE_H
#define LPP_AGGREGATE_H

#include "formats/lpp_pstats.h"

#define LPP_AGGREGATE_SPOOL_MAX_BYTES APR_INT64_C(0x100000000)
#define LPP_AGGREGATE_RECORD_MAX_BYTES (64u * 1024 * 1024) /* unpacked */
#define LPP_AGGREGATE_FUNCTIONS_MAX 262144 /* the last one is for all others */
#define LPP_AGGREGATE_EDGES_MAX 1048576

/* Name of the function that those past the ceiling are counted under. */
#define LPP_AGGREGATE_REST_NAME "[further functions]"

/*
 * Append one record to fd, which was opened with O_APPEND. All or nothing: what
 * was written of a record that has no room is torn, and no reader counts it.
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
    apr_uint64_t folded;      /* function rows that had no room of their own */
    apr_uint64_t edges_lost;  /* calls that had no room */
} lpp_aggregate_counts_t;

/*
 * An empty sum, in pool.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_aggregate_create(lpp_aggregate_t **aggregate,
                                                 apr_pool_t *pool);

/*
 * Add every whole record of the spool, from its beginning. fd is read by
 * offset; its position does not matter.
 * Errors: that of read; APR_ENOMEM. Torn records are no error.
 * Signal-safe: no. Thread: one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_aggregate_read(lpp_aggregate_t *aggregate,
                                               int fd);

/* Add one table. Rows are matched by (file, line, name). Indexes of edges must
 * be those of functions. APR_ENOMEM: nothing was added; what has no memory of
 * its own is folded. Thread: one at a time. */
LPP_MUST_CHECK apr_status_t lpp_aggregate_add(lpp_aggregate_t *aggregate,
                                              const lpp_pstats_t *pstats);

/* The sum as it is now; lives as long as the aggregate, until the next add.
 * The root is called once a request; a sum of nothing has it, with no time. */
const lpp_pstats_t *lpp_aggregate_table(lpp_aggregate_t *aggregate);
const lpp_aggregate_counts_t *lpp_aggregate_counts(
    const lpp_aggregate_t *aggregate);

#endif
