/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_diff_pairs: compares two saved profiles except for their call trees:
 * exact calls by module and phase, SQL statements that differ only in literals,
 * inline regions. An entry that only one profile has is listed with 0 in the
 * other. Const once made; borrows both profiles.
 */
#ifndef LPP_DIFF_PAIRS_H
#define LPP_DIFF_PAIRS_H

#include <apr_tables.h>

#include "saved/lpp_diff.h"
#include "saved/lpp_saved.h"

/* One entry, with its figures in both profiles. */
typedef struct lpp_diff_pair_t {
    const char *name;      /* phase; statement, literals as "?"; region */
    const char *place;     /* module; database; "" */
    const char *function;  /* of a hook, where its name is known, or "" */
    apr_uint64_t count[2]; /* calls or statements; LPP_DIFF_BEFORE, _AFTER */
    apr_uint64_t ns[2];    /* self time; time in the database; total time */
} lpp_diff_pair_t;

/*
 * Arrays of lpp_diff_pair_t in pool, sorted by the change of time, then of the
 * count, largest first. Empty if neither profile has an entry; NULL if memory
 * is short. Statements past a log's ceiling are not included.
 * Signal-safe: no. Thread: any.
 */
const apr_array_header_t *lpp_diff_calls(const lpp_saved_t *before,
                                         const lpp_saved_t *after,
                                         apr_pool_t *pool);
const apr_array_header_t *lpp_diff_sql(const lpp_saved_t *before,
                                       const lpp_saved_t *after,
                                       apr_pool_t *pool);
const apr_array_header_t *lpp_diff_regions(const lpp_saved_t *before,
                                           const lpp_saved_t *after,
                                           apr_pool_t *pool);

#endif
