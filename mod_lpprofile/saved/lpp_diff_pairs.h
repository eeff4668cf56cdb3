/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_diff_pairs: what two saved profiles have beside their call trees, laid
 * side by side: exact calls by module and phase, SQL statements that are the
 * same but for their values, inline regions. What only one of them has is
 * listed, with nothing in the other. Const once made; borrows both profiles.
 */
#ifndef LPP_DIFF_PAIRS_H
#define LPP_DIFF_PAIRS_H

#include <apr_tables.h>

#include "saved/lpp_diff.h"
#include "saved/lpp_saved.h"

/* One thing in both. */
typedef struct lpp_diff_pair_t {
    const char *name;      /* phase; statement, literals as "?"; region */
    const char *place;     /* module; database; "" */
    const char *function;  /* of a hook, where its name is known, or "" */
    apr_uint64_t count[2]; /* calls or statements; LPP_DIFF_BEFORE, _AFTER */
    apr_uint64_t ns[2];    /* self time; time in the database; total time */
} lpp_diff_pair_t;

/*
 * Arrays of lpp_diff_pair_t in pool, the largest change of time first, then
 * that of the count; empty where neither has any, NULL where memory is short.
 * Of statements past a log's ceiling nothing is known.
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
