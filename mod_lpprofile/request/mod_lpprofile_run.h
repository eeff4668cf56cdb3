/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run: the conductor of one request that is profiled or asks for
 * it. The only room that knows the order: gate, samples, profile, names, files
 * and OOPS, headers.
 *
 * A run belongs to the first request of a chain (no prev, no main) and serves
 * its redirects and subrequests. What must outlive the request lives in the
 * run's own pool, which goes when the jobs thread has written everything.
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

/* Request header by which a request that the profiled one sends to the same
 * server is known as its child; holds the OOPS id. */
#define LPP_RUN_PARENT_HEADER "X-LPProfile-Parent"

/* 0 when this child has no run: what a hook of ours looks at first. Each run is
 * one that entries watch for (mod_lpprofile_wrappers). */
static inline int lpp_run_any(void)
{
    return lpp_entries_any();
}

/*
 * Begin a run for r, which has no prev and no main: waits for the gate and arms
 * where the plan (or LPProfileAllRequests) asks for a profile, but not for
 * help and pages. plan NULL: no segment in the URL. access: the client passed
 * LPProfileAccess. Never fails for the request's sake: what could not be done
 * stands in the status.
 * Signal-safe: no. Thread: request.
 */
void lpp_run_begin(request_rec *r, const lpp_plan_t *plan, int access);

/*
 * The run that an inline region of r is for, or NULL where nothing is to be
 * profiled. Where there is none yet and profiling is allowed, one is begun:
 * it waits for the gate as any other, and profiles regions only; *fresh is then
 * 1. r: any request of the chain.
 * Signal-safe: no. Thread: request.
 */
lpp_run_t *lpp_run_begin_inline(request_rec *r, int *fresh);

/*
 * Enter and leave a region; profiled 0: for the timeline alone. leave: 0 where
 * none is open.
 * Signal-safe: no. Thread: request.
 */
void lpp_run_enter_region(lpp_run_t *run, const char *name, int profiled);
int lpp_run_leave_region(lpp_run_t *run);

/* The run that r (or the request it stems from) belongs to, or NULL.
 * Thread: request. */
lpp_run_t *lpp_run_get(const request_rec *r);

/* The phases of the run that r belongs to; NULL where it has none, or profiles
 * regions alone. Thread: request. */
lpp_phases_t *lpp_run_phases(const request_rec *r);

const lpp_plan_t *lpp_run_plan(const lpp_run_t *run); /* or NULL */

/* 1 when the client may see any of it: access, and LPProfileRequireUser. */
int lpp_run_visible(const lpp_run_t *run);

/* Where LPProfileRequireUser was never asked (no fixup ran), drop the profile.
 * Before the first look at visible when a response is made. */
void lpp_run_settle_user(lpp_run_t *run);

/* What no text of this run may show: never changes. Signal-safe: yes. Thread:
 * any. */
const lpp_oops_hidden_t *lpp_run_hidden(const lpp_run_t *run);

/* 1 when the run profiles (or did), and its OOPS id; "" where it does not. */
int lpp_run_profiled(const lpp_run_t *run);
const char *lpp_run_id(const lpp_run_t *run);

/* 1 when it is only summed up, and its response is as if there were no
 * profiler. */
int lpp_run_unseen(const lpp_run_t *run);

/* The recorder of exact calls; NULL where nothing is counted (any more).
 * Thread: request. */
lpp_calls_t *lpp_run_calls(const lpp_run_t *run);

/* 1 when an HTML response of this run is to get a block: the segment asked for
 * something to see, or all requests are logged and the client may see it. */
int lpp_run_wants_block(const lpp_run_t *run, const request_rec *r);

/* Add a remark to X-LPProfile, a token of the contract such as "no-html" (why
 * nothing was injected). Before the headers are sent. Thread: request. */
void lpp_run_note(lpp_run_t *run, const char *token);

/*
 * Put our headers into err_headers_out (X-Lazr-OopsId, X-LPProfile,
 * X-LPProfile-File, Server-Timing). Called when the response's headers are
 * about to be made; idempotent.
 * Thread: request.
 */
void lpp_run_set_headers(lpp_run_t *run, request_rec *r);

/*
 * Write the block for the page as of now. Errors leave the response as it is.
 * Thread: request, on the profiled thread.
 */
LPP_MUST_CHECK apr_status_t lpp_run_write_block(lpp_run_t *run,
                                                request_rec *r, int styled,
                                                int xhtml,
                                                const lpp_sink_t *sink);

/*
 * For mod_lpprofile_hooks, in this order; nothing happens unless r has a run.
 * check_user: the fixups are through, nobody changes the user or the
 * environment any more. tell_page: then the page is known, for the case that
 * this process dies. gather: first of the loggers, while the request line is
 * still the plain one that the application saw. take_over: after the last, so
 * that the loggers still find the run's note and its phases.
 * Thread: request.
 */
void lpp_run_check_user(request_rec *r);
void lpp_run_tell_page(request_rec *r);
void lpp_run_gather(request_rec *r);
void lpp_run_take_over(request_rec *r);

/* The run's own hooks: suspend and resume, error_log; its filters. */
void lpp_run_register_hooks(apr_pool_t *pool);

#endif
