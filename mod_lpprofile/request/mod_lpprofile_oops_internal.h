/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_oops: gathers one request's OOPS record.
 *
 * Request variables and CGI variables (masked), the first messages this
 * request logged (by the error_log hook), status.
 */
#ifndef MOD_LPPROFILE_OOPS_INTERNAL_H
#define MOD_LPPROFILE_OOPS_INTERNAL_H

#include <httpd.h>

#include "oops/lpp_oops.h"
#include "request/mod_lpprofile_facts.h"

#define LPP_OOPS_STACK_MAX 128 /* frames kept of the first error's stack */

/* What a request logged so far. */
typedef struct lpp_oops_failure_t {
    const char *message; /* first at error or worse, masked, or NULL */
    int level;           /* APLOG_ level of the worst one; nothing where
                            message is NULL */
    int stack_taken;     /* the run has kept the stack of the first one: */
    unsigned frames;
    lpp_pc_t stack[LPP_OOPS_STACK_MAX];
} lpp_oops_failure_t;

/*
 * Whether a response with that status failed for a reason of the server's:
 * 500 or more, but for what the request line or headers alone bring about: an
 * unknown method (501), version (505) or missing extension (510).
 * Signal-safe: yes. Thread: any.
 */
int lpp_oops_failed(int status);

/*
 * Fill record from r as it stands now: all but id, timeline and tb_text. r is
 * the last request of a redirect chain, which took duration_us so far; facts
 * are those of the chain; failure may be NULL. final 0: the response is under
 * way, and the value of an informational report says so. Everything is copied
 * into the record's pool; r, its tables and its environment stay as they are,
 * and no name is looked up (neither DNS nor ident nor a subrequest for
 * PATH_TRANSLATED).
 * Thread: request.
 */
void lpp_oops_gather(lpp_oops_t *oops, request_rec *r,
                     const lpp_facts_t *facts, apr_interval_time_t duration_us,
                     const lpp_oops_failure_t *failure, int final);

/*
 * See a message: called by the error_log hook of the run with each message of
 * its request. Returns 1 for the first one at error or worse: then the caller
 * keeps the stack.
 * Thread: request.
 */
int lpp_oops_see_message(lpp_oops_failure_t *failure, int level,
                         const char *message,
                         const lpp_oops_hidden_t *hidden, apr_pool_t *pool);

#endif
