/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a run, for the files of the run only: _run (which run a
 * request has, its memory, its user), _run_life (begin and end), _run_records
 * (exact calls, statements, events), _run_inline (regions), _watch (while it is
 * served), _answer (headers and block), _finish (writes the profile).
 *
 * Functions without a line of their own:
 * Signal-safe: no. Thread: request.
 */
#ifndef MOD_LPPROFILE_RUN_INTERNAL_H
#define MOD_LPPROFILE_RUN_INTERNAL_H

#include <util_filter.h>

#include "profile/lpp_regions.h"
#include "report/lpp_report.h"
#include "sampling/lpp_session.h"
#include "request/mod_lpprofile_facts.h"
#include "request/mod_lpprofile_memory.h"
#include "request/mod_lpprofile_oops_internal.h"
#include "request/mod_lpprofile_output_internal.h"
#include "request/mod_lpprofile_phases.h"
#include "request/mod_lpprofile_run.h"
#include "request/mod_lpprofile_sql.h"

/* What was asked for. */
typedef struct lpp_run_asked_t {
    const lpp_plan_t *plan;   /* of the URL, in the run's pool; or NULL */
    int all_requests;         /* LPProfileAllRequests is on */
    int aggregate;            /* only for the server's sum: nothing of it is
                                 shown, no file and no OOPS is written */
    int inline_only;          /* only its inline regions are profiled, but its
                                 SQL may be shown */
} lpp_run_asked_t;

/* Whether the client may see the profile. */
typedef struct lpp_run_viewer_t {
    int access;               /* passed LPProfileAccess */
    int user_ok;              /* LPProfileRequireUser holds; -1: not yet
                                 evaluated */
    int inline_user;          /* it held when an inline region began the run */
} lpp_run_viewer_t;

/* The profile. */
typedef struct lpp_run_profiling_t {
    lpp_session_t *session;   /* NULL: not profiled, or dropped */
    int profiled;             /* a session was begun, and not dropped */
    lpp_start_e start;        /* result of the start */
    apr_time_t hook_us;       /* CLOCK_MONOTONIC when the run began */
    apr_interval_time_t waited_us; /* for the gate */
    int recorded;             /* it has been added to the server's sum */
} lpp_run_profiling_t;

/* What is recorded exactly, in addition to samples. */
typedef struct lpp_run_records_t {
    lpp_phases_t *phases;
    lpp_calls_t *calls;       /* of hooks; NULL: not counted */
    int counting;             /* the hook wrappers count them now */
    lpp_sql_t *sql;           /* with a session; NULL: none recorded */
    lpp_regions_t *regions;   /* inline ones, or NULL: none */
} lpp_run_records_t;

/* What the response shows besides the block. */
typedef struct lpp_run_answer_t {
    const char *status;       /* first token of X-LPProfile */
    apr_array_header_t *tokens; /* further ones (char *) */
    int headers_set;
} lpp_run_answer_t;

struct lpp_run_t {
    apr_pool_t *pool;         /* a root pool: outlives the request */
    request_rec *r;           /* first request of the chain; NULL once it is
                                 logged */
    lpp_facts_t facts;
    lpp_run_asked_t asked;
    lpp_run_viewer_t viewer;
    lpp_run_profiling_t profiling;
    lpp_run_records_t records;
    lpp_run_answer_t answer;
    lpp_memory_sizes_t memory[2]; /* of the process when the profile began and
                                     when it was over */
    lpp_oops_failure_t failure; /* what the request logged */
    apr_interval_time_t duration_us; /* set when logged */
    ap_filter_t *upgrade_filter; /* of the connection, or NULL */
    lpp_oops_t *oops;         /* the final record, gathered when logged */
    lpp_output_t output;      /* its files */
};

/* Set the page id and the names of the files from r, the last known request of
 * the chain; later calls change nothing. */
void lpp_run_name(lpp_run_t *run, request_rec *r);

/* Create the run of r, the first request of its chain: from now on lpp_run_get
 * finds it. NULL: no memory. start waits for the gate, and begins the
 * session. */
lpp_run_t *lpp_run_create(request_rec *r, const lpp_plan_t *plan, int access);
void lpp_run_start(lpp_run_t *run, request_rec *r, int stacks);

/* The result of a start for X-LPProfile; static. */
const char *lpp_run_start_token(lpp_start_e start);

/* Outermost functions of the stacks of a profile that begins while the request
 * is served. */
extern const char *const lpp_run_inline_roots[];

/* Inline regions: freeze ends their profiling, before the session is stopped;
 * close leaves all of them, when the request is over. Both do nothing for a run
 * without regions. */
void lpp_run_freeze_regions(lpp_run_t *run);
void lpp_run_close_regions(lpp_run_t *run);

/* The sums of the regions by name so far, *count of them, in pool. */
const lpp_region_sum_t *lpp_run_region_sums(const lpp_run_t *run,
                                            apr_uint32_t *count,
                                            apr_pool_t *pool);

/* How many regions asked for a profile of their own: those that are profiled
 * (the run is inline_only), or those that lie within a profile of the whole
 * request. */
apr_uint32_t lpp_run_inline_profiles(const lpp_run_t *run);

/* Add the filters of a profiling run, next to the network filters; remove the
 * one of its connection, which would outlive the run. */
void lpp_run_watch(lpp_run_t *run, request_rec *r);
void lpp_run_unwatch(lpp_run_t *run);

/* Destroy a run and its pool. Signal-safe: no. Thread: any. */
void lpp_run_free(lpp_run_t *run);

/* Make the pool of a run, for lpp_run_free to destroy. Errors: APR_ENOMEM.
 * Thread: request. */
LPP_MUST_CHECK apr_status_t lpp_run_make_pool(apr_pool_t **pool);

/* Begin to count the calls of wrapped hooks; stop that. Idempotent. */
void lpp_run_start_calls(lpp_run_t *run);
void lpp_run_stop_calls(lpp_run_t *run);

/* The calls counted so far, in pool; NULL: none.
 * Signal-safe: no. Thread: request, or any once it is over. */
const lpp_calls_table_t *lpp_run_calls_table(const lpp_run_t *run,
                                             apr_pool_t *pool);

/* Mark the profiler's own work, from enter to leave, so that it is not part of
 * the call in which it runs. leave takes the value of enter. */
unsigned lpp_run_enter_profiler(const lpp_run_t *run);
void lpp_run_leave_profiler(const lpp_run_t *run, unsigned handle);

/* The longest calls as metrics of Server-Timing, or NULL. */
const char *lpp_run_calls_timing(const lpp_run_t *run, apr_pool_t *pool);

/*
 * The profile so far with these calls, named, in pool; lines: with source
 * lines, which is slow. Waits up to timeout_us for samples to be unwound.
 * Errors: those of lpp_session_profile and lpp_view_create.
 * Signal-safe: no. Thread: as lpp_session_profile.
 */
LPP_MUST_CHECK apr_status_t lpp_run_view(const lpp_run_t *run,
                                         const lpp_view_t **view,
                                         const lpp_calls_table_t *calls,
                                         int lines,
                                         apr_interval_time_t timeout_us,
                                         apr_pool_t *pool);

/* Store the calling thread's stack as the stack of the first failure. */
void lpp_run_keep_stack(lpp_run_t *run);

/* Record the SQL statements of a profiling run, on this thread; stop that
 * (idempotent). */
void lpp_run_start_sql(lpp_run_t *run);
void lpp_run_stop_sql(lpp_run_t *run);

/* 1 if the URL asked for sql or sqltrace. */
int lpp_run_asks_sql(const lpp_run_t *run);

/* The statements up to a monotonic time, for a page, in pool; NULL: the URL did
 * not ask for them, or none were recorded. */
const lpp_sqlview_t *lpp_run_sql_view(const lpp_run_t *run,
                                      apr_time_t until_us, apr_pool_t *pool);

/* Add all that was recorded exactly to the timeline of a record. */
void lpp_run_fill_timeline(const lpp_run_t *run, lpp_oops_t *oops);

/* Add a run to the server's sum, once it was stopped; idempotent. r: any
 * request of the chain. */
void lpp_run_record(lpp_run_t *run, request_rec *r);

/* The job: name the profile, write its files and its OOPS, close the session,
 * destroy the run.
 * Signal-safe: no. Thread: jobs, or request if the queue is full. */
void lpp_run_finish(void *run);

#endif
