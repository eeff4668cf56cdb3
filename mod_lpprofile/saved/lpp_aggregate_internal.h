/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of lpp_aggregate share: _spool (records, their bytes) and
 * lpp_aggregate (the sum).
 */
#ifndef LPP_AGGREGATE_INTERNAL_H
#define LPP_AGGREGATE_INTERNAL_H

#include "saved/lpp_aggregate.h"

/*
 * Decode the unpacked bytes of a record. Strings point into bytes; the table's
 * rows are in pool.
 * Errors: APR_EINVAL: not a record of this format; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_aggregate_decode(lpp_pstats_t *pstats,
                                                 char *bytes, apr_size_t len,
                                                 apr_pool_t *pool);

/* Count bytes that belong to no record.
 * Signal-safe: yes. Thread: one at a time. */
void lpp_aggregate_skip(lpp_aggregate_t *aggregate, apr_uint64_t bytes);

#endif
