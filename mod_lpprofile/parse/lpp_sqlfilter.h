/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqlfilter: the condition language of ++profile++sqltrace:COND.
 *
 * Clauses joined by "|", each "startswith TEXT", "endswith TEXT" or "includes
 * TEXT"; texts and statements are compared in upper case with white space
 * collapsed. Launchpad's SQLDSLTest is the reference. Pure text; fuzzed.
 */
#ifndef LPP_SQLFILTER_H
#define LPP_SQLFILTER_H

#include "base/lpp_base.h"

#define LPP_SQLFILTER_CLAUSES_MAX 256 /* of each kind */

typedef struct lpp_sqlfilter_t lpp_sqlfilter_t;

/*
 * Read a condition (not NULL) into pool, percent-encoded as it came in the URL:
 * split on "|" first, then each clause is decoded once, so that %7C is a "|"
 * in a text. Never fails on any text: clauses of another kind are kept aside,
 * empty ones skipped, those past LPP_SQLFILTER_CLAUSES_MAX too.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_sqlfilter_parse(const char *condition,
                                                lpp_sqlfilter_t **filter,
                                                apr_pool_t *pool);

/*
 * Whether a statement matches any clause that was understood. With none
 * understood it is 0, as in Launchpad: a mistyped condition must not trace
 * everything; but a condition without any clause at all is none, and matches.
 * Letters beyond ASCII are compared as they are. scratch holds the normalised
 * statement until it is cleared.
 * Signal-safe: no. Thread: any, the filter is not changed.
 */
int lpp_sqlfilter_matches(const lpp_sqlfilter_t *filter,
                          const char *statement, apr_pool_t *scratch);

/*
 * The i-th clause understood, as "includes TEXT", and the i-th that was not, as
 * it was typed; NULL past the last.
 * Signal-safe: yes. Thread: any.
 */
const char *lpp_sqlfilter_clause(const lpp_sqlfilter_t *filter, int i);
const char *lpp_sqlfilter_refused(const lpp_sqlfilter_t *filter, int i);

#endif
