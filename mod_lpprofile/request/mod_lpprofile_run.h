/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run: controls one request that is profiled or asks for it. Only
 * this part knows the order: gate, samples, profile, names, files and OOPS,
 * headers.
 *
 * A run belongs to the first request of a chain (no prev, no main) and serves
 * its redirects and subrequests. Data that must outlive the request is in the
 * pool of the run, which is destroyed when the jobs thread has written
 * everything.
 */
#ifndef MOD_LPPROFILE_RUN_H
#define MOD_LPPROFILE_RUN_H

#include <httpd.h>

#include "base/lpp_buf.h"
#include "profile/lpp_calls.h"
#include "parse/lpp_trigger.h"
#include "server/mod_lpprofile_config.h"
#include "server/mod_lpprofile_wrappers.h"
#include "request/mod_lpprofile_phases.h"

typedef struct lpp_run_t lpp_run_t;

/* Request header that tells a backend the OOPS id of the profiled request. One
 * that a client sent is removed. */
#define LPP_RUN_PARENT_HEADER "X-LPProfile-Parent"

/* 0 if no request of this child has a run: the first check of each hook. Each
 * run is watched by the hook wrappers (mod_lpprofile_wrappers).
 * Signal-safe: yes. Thread: any. */
static inline int lpp_run_any(void)
{
    return lpp_wrappers_any();
}

/*
 * Begin a run for r, which has no prev and no main. Waits for the gate and
 * starts sampling if the plan (or LPProfileAllRequests) asks for a profile, but
 * not for help and pages. plan NULL: no segment in the URL. access: the client
 * passed LPProfileAccess. A failure is shown in the status; the request is
 * served.
 * Signal-safe: no. Thread: request.
 */
void lpp_run_begin(request_rec *r, const lpp_plan_t *plan, int access);

/*
 * The run for an inline region of r; NULL: nothing is to be profiled. If there
 * is none yet and profiling is allowed, one is begun: it waits for the gate
 * like any other, and profiles regions only; *fresh is 1 then. r: any request
 * of the chain.
 * Signal-safe: no. Thread: request.
 */
lpp_run_t *lpp_run_begin_inline(request_rec *r, int *fresh);

/*
 * Enter and leave a region; profiled 0: only for the timeline. leave returns 0
 * if none is open.
 * Signal-safe: no. Thread: request.
 */
void lpp_run_enter_region(lpp_run_t *run, const char *name, int profiled);
int lpp_run_leave_region(lpp_run_t *run);

/* The run of r (or of the request it comes from), or NULL.
 * Signal-safe: no. Thread: request. */
lpp_run_t *lpp_run_get(const request_rec *r);

/* The phases of r's run; NULL: it has no run, or the run profiles only regions.
 * Signal-safe: no. Thread: request. */
lpp_phases_t *lpp_run_phases(const request_rec *r);

const lpp_plan_t *lpp_run_plan(const lpp_run_t *run); /* of the URL, or NULL */

/* 1 if the client may see the profile: LPProfileAccess and LPProfileRequireUser
 * hold.
 * Signal-safe: no. Thread: request. */
int lpp_run_visible(const lpp_run_t *run);

/* Drop the profile if LPProfileRequireUser was never evaluated (no fixup ran).
 * Call it before lpp_run_visible when a response is made.
 * Signal-safe: no. Thread: request. */
void lpp_run_settle_user(lpp_run_t *run);

/* What must be hidden in all text of this run: constant.
 * Signal-safe: yes. Thread: any. */
const lpp_oops_hidden_t *lpp_run_hidden(const lpp_run_t *run);

/* 1 if the run profiles (or did); and its OOPS id, "" if it does not.
 * Signal-safe: no. Thread: request. */
int lpp_run_profiled(const lpp_run_t *run);
const char *lpp_run_id(const lpp_run_t *run);

/* 1 if the run is only for the sum over all requests, and the response must not
 * show the profiler.
 * Signal-safe: no. Thread: request. */
int lpp_run_unseen(const lpp_run_t *run);

/* The recorder of exact calls of r's run; NULL: no calls are counted.
 * Signal-safe: no. Thread: request. */
lpp_calls_t *lpp_run_calls(const request_rec *r);

/* 1 if an HTML response of this run gets a block: the segment asked for
 * something to show, or all requests are profiled and the client may see it.
 * Signal-safe: no. Thread: request. */
int lpp_run_wants_block(const lpp_run_t *run, const request_rec *r);

/* Add a remark to X-LPProfile, a token of the contract such as "no-html" (why
 * there is no block); copied. Before the headers are sent.
 * Signal-safe: no. Thread: request. */
void lpp_run_note(lpp_run_t *run, const char *token);

/*
 * Set the headers of the module in err_headers_out (X-Lazr-OopsId, X-LPProfile,
 * X-LPProfile-File, Server-Timing). Called before httpd makes the response's
 * headers; idempotent.
 * Signal-safe: no. Thread: request.
 */
void lpp_run_set_headers(lpp_run_t *run, request_rec *r);

/*
 * Write the block for the page as of now. On an error the response stays as it
 * is.
 * Signal-safe: no. Thread: request, on the profiled thread.
 */
LPP_MUST_CHECK apr_status_t lpp_run_write_block(lpp_run_t *run,
                                                request_rec *r, int styled,
                                                int xhtml,
                                                const lpp_sink_t *sink);

/*
 * For mod_lpprofile_hooks, in this order; each does nothing if r has no run.
 * check_user: after the fixups, when user and environment are final. tell_page:
 * the page id is known now; it is written to the gate's record, in case this
 * process dies. gather: before all loggers, while the request line is the plain
 * one that the application saw. take_over: after all loggers, which may read
 * the run's note and its phases.
 * Signal-safe: no. Thread: request.
 */
void lpp_run_check_user(request_rec *r);
void lpp_run_tell_page(request_rec *r);
void lpp_run_gather(request_rec *r);
void lpp_run_take_over(request_rec *r);

/* Register the hooks of the run (suspend and resume, error_log) and its
 * filters.
 * Signal-safe: no. Thread: parent at start. */
void lpp_run_register_hooks(apr_pool_t *pool);

#endif
