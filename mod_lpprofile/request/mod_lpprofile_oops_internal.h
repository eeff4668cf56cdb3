/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_oops: collects the OOPS record of one request.
 *
 * Request variables and CGI variables (masked), the first messages that this
 * request logged (by the error_log hook), status.
 */
#ifndef MOD_LPPROFILE_OOPS_INTERNAL_H
#define MOD_LPPROFILE_OOPS_INTERNAL_H

#include <httpd.h>

#include "oops/lpp_oops.h"
#include "request/mod_lpprofile_facts.h"

#define LPP_OOPS_STACK_MAX 128 /* of the first error's stack */

/* What a request logged so far. */
typedef struct lpp_oops_failure_t {
    const char *message; /* first at error or worse, masked, or NULL */
    int level;           /* APLOG_ level of the worst one; nothing where
                            message is NULL */
    int stack_taken;     /* the stack of the first one was kept: */
    unsigned frames;
    lpp_pc_t stack[LPP_OOPS_STACK_MAX];
} lpp_oops_failure_t;

/*
 * Whether a response with that status failed for a reason on the server: 500 or
 * more, except what the request line or headers alone cause: an unknown method
 * (501), version (505) or missing extension (510).
 * Signal-safe: yes. Thread: any.
 */
int lpp_oops_failed(int status);

/*
 * Fill record from r in its current state: all but id, timeline and tb_text. r
 * is the last request of a redirect chain, which took duration_us so far; facts
 * are those of the chain; failure may be NULL. final 0: the response is not
 * complete, and the value of an informational report says so. Everything is
 * copied into the record's pool; r, its tables and its environment do not
 * change, and no name is looked up (no DNS, no ident, no subrequest for
 * PATH_TRANSLATED).
 * Signal-safe: no. Thread: request.
 */
void lpp_oops_gather(lpp_oops_t *oops, request_rec *r,
                     const lpp_facts_t *facts, apr_interval_time_t duration_us,
                     const lpp_oops_failure_t *failure, int final);

/*
 * Record a message: the error_log hook of the run calls it with each message of
 * its request. Returns 1 for the first one at error or worse: then the caller
 * keeps the stack.
 * Signal-safe: no. Thread: request.
 */
int lpp_oops_see_message(lpp_oops_failure_t *failure, int level,
                         const char *message,
                         const lpp_oops_hidden_t *hidden, apr_pool_t *pool);

#endif
