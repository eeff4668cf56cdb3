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
 * Read a condition (not NULL), percent-encoded as in the URL, into pool. It is
 * split on "|" before each clause is decoded once, so that %7C is a "|" in a
 * text. Any text is accepted: a clause of an unknown form is stored as refused,
 * an empty one is skipped, and so are those past LPP_SQLFILTER_CLAUSES_MAX.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_sqlfilter_parse(const char *condition,
                                                lpp_sqlfilter_t **filter,
                                                apr_pool_t *pool);

/*
 * Whether a statement matches one of the known clauses. If the condition has
 * clauses, but none of a known form, this is 0, as in Launchpad: a mistyped
 * condition must not trace everything. A condition without clauses matches
 * every statement. Letters beyond ASCII are compared as they are. The
 * normalised statement is allocated from scratch, which the caller clears.
 * Signal-safe: no. Thread: any, the filter is not changed.
 */
int lpp_sqlfilter_matches(const lpp_sqlfilter_t *filter,
                          const char *statement, apr_pool_t *scratch);

/*
 * The i-th clause of a known form, as "includes TEXT", and the i-th refused
 * clause, as it was typed; NULL past the last.
 * Signal-safe: yes. Thread: any.
 */
const char *lpp_sqlfilter_clause(const lpp_sqlfilter_t *filter, int i);
const char *lpp_sqlfilter_refused(const lpp_sqlfilter_t *filter, int i);

#endif
