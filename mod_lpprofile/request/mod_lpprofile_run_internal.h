/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of a run, for the files of the conductor only: _run (which run),
 * _run_life (begin and end), _run_pool (its memory), _run_user
 * (LPProfileRequireUser), _watch (while it is served), _answer (headers and
 * block), _finish (files and OOPS after the response), _run_files (their
 * names), _run_timeline (events), _saved (the saved form), _record (its part in
 * the server's sum), _run_calls (exact calls), _run_sql (statements),
 * _run_inline and _run_regions (regions); and for _deaths, which makes a run
 * for a process that died.
 */
#ifndef MOD_LPPROFILE_RUN_INTERNAL_H
#define MOD_LPPROFILE_RUN_INTERNAL_H

#include <util_filter.h>

#include "profile/lpp_regions.h"
#include "report/lpp_report.h"
#include "sampling/lpp_session.h"
#include "store/lpp_store.h"
#include "names/lpp_view.h"
#include "request/mod_lpprofile_memory.h"
#include "request/mod_lpprofile_oops_internal.h"
#include "request/mod_lpprofile_phases.h"
#include "request/mod_lpprofile_run.h"
#include "request/mod_lpprofile_sql.h"

#define LPP_RUN_STACK_MAX 128 /* frames kept of the first error's stack */

struct lpp_run_t {
    apr_pool_t *pool;         /* own root pool: outlives the request */
    request_rec *r;           /* first request of the chain; NULL once it is
                                 logged */
    const lpp_conf_t *conf;
    const lpp_oops_hidden_t *hidden; /* in pool: what no text may show */
    const lpp_plan_t *plan;   /* in pool, or NULL */
    apr_uint32_t formats;     /* files to write */
    int access;               /* passed LPProfileAccess */
    int user_ok;              /* LPProfileRequireUser: -1 not yet asked */
    int all_requests;         /* LPProfileAllRequests is on */
    int aggregate;            /* only for the server's sum: nothing of it is
                                 seen, no file and no OOPS is written */
    int recorded;             /* it is in the sum */
    int inline_only;          /* nothing but its inline regions is profiled,
                                 though its SQL may be shown */
    int inline_user;          /* LPProfileRequireUser held when it began so */
    lpp_regions_t *regions;   /* inline ones, or NULL: none */
    lpp_memory_sizes_t memory; /* of the process when the profile began */
    lpp_memory_sizes_t memory_after; /* and when it was over */

    lpp_session_t *session;   /* NULL: not profiled, or dropped */
    int profiled;             /* a session was begun and not dropped */
    lpp_start_e start;        /* how beginning it went */
    apr_interval_time_t waited_us;
    char id[LPP_OOPS_ID_LEN + 1]; /* "" where not profiled */
    apr_uint32_t pid, tid;
    lpp_holder_t holder;      /* what is known of it if this process dies */

    apr_time_t begin_us;      /* CLOCK_MONOTONIC of the request's start */
    apr_time_t request_time;  /* r->request_time: names the moment only */
    apr_time_t hook_us;       /* CLOCK_MONOTONIC when the run began */
    apr_interval_time_t duration_us; /* set when logged */
    lpp_phases_t *phases;
    lpp_sql_t *sql;           /* with a session; NULL: none recorded */
    lpp_calls_t *calls;       /* exact calls, or NULL: not counted */
    int counting;             /* entries are told to watch for it */

    ap_filter_t *upgrade_filter; /* of the connection, or NULL */

    const char *status;       /* first token of X-LPProfile */
    apr_array_header_t *tokens;  /* further ones (char *) */
    int headers_set;
    const char *page_id;      /* frozen when files are first named */
    const char *stem;

    lpp_oops_failure_t failure;
    lpp_pc_t failure_stack[LPP_RUN_STACK_MAX];
    unsigned failure_frames;

    lpp_view_about_t about;   /* filled before a view is made */
    const char *store_dir;    /* copies: the job needs no request */
    const char *oops_dir;
    lpp_oops_t *oops;         /* the final record, gathered when logged */
    const char *vhost;        /* whose it is: lpp_run_vhost; set with
                                 the gate's holder */
    int http_status;          /* of the response, set when logged */
};

/* Monotonic microseconds. */
apr_time_t lpp_run_now_us(void);

/* Milliseconds between the request's start and a monotonic moment. */
double lpp_run_ms(const lpp_run_t *run, apr_time_t moment_us);

/* Fix page id, stem and about from r, the last request of the chain known;
 * later calls change nothing. Thread: request. */
void lpp_run_name(lpp_run_t *run, request_rec *r);

/* A run of r, the first request of its chain, found by lpp_run_get from now; or
 * NULL. Not begun: start waits for the gate, and begins the session. */
lpp_run_t *lpp_run_create(request_rec *r, const lpp_plan_t *plan, int access);
void lpp_run_start(lpp_run_t *run, request_rec *r, int stacks);

/* How a start went, as X-LPProfile says it; static. */
const char *lpp_run_start_token(lpp_start_e start);

/* Where stacks begin whose profile begins while the request is served. */
extern const char *const lpp_run_inline_roots[];

/* Inline regions: profiling ends for good (before the session is stopped), all
 * are closed (the request is over); as timeline rows; in the page. NULL
 * regions are no regions. */
void lpp_run_freeze_regions(lpp_run_t *run);
void lpp_run_close_regions(lpp_run_t *run);
void lpp_run_add_regions_to(const lpp_run_t *run, lpp_oops_t *oops);
void lpp_run_report_regions(const lpp_run_t *run, lpp_report_t *report,
                            apr_pool_t *pool);

/* The process's memory, when the profile began and now. */
void lpp_run_report_memory(const lpp_run_t *run, lpp_report_t *report,
                           apr_pool_t *pool);

/* Put the run's own filters around the network's, for a run that profiles; take
 * away the one that its connection has, which would outlive the run. */
void lpp_run_watch(lpp_run_t *run, request_rec *r);
void lpp_run_unwatch(lpp_run_t *run);

/* Let go of a run and of its pool. Thread: any. */
void lpp_run_free(lpp_run_t *run);

/* A pool for a run, which goes by lpp_run_free. Errors: APR_ENOMEM.
 * Thread: request. */
LPP_MUST_CHECK apr_status_t lpp_run_make_pool(apr_pool_t **pool);

/* Cleanup of the first request's pool, for a run that nobody took over. */
apr_status_t lpp_run_abandon(void *run);

/* Count hooks' calls from now, where they have entries; no longer. Idempotent.
 * Thread: request. */
void lpp_run_start_calls(lpp_run_t *run);
void lpp_run_stop_calls(lpp_run_t *run);

/* The calls counted by now, in pool; NULL: none. Thread: request, or any once
 * it is over. */
const lpp_calls_table_t *lpp_run_calls_table(const lpp_run_t *run,
                                             apr_pool_t *pool);

/* What the profiler does from here to there is told apart from the call that it
 * runs in. leave takes what enter returned. Thread: request. */
unsigned lpp_run_enter_profiler(const lpp_run_t *run);
void lpp_run_leave_profiler(const lpp_run_t *run, unsigned handle);

/* The profile as of now, with these calls. Errors: those of
 * lpp_session_profile. Thread: as that. */
LPP_MUST_CHECK apr_status_t lpp_run_profile(const lpp_run_t *run,
                                            lpp_profile_t **profile,
                                            const lpp_calls_table_t *calls,
                                            apr_interval_time_t timeout_us,
                                            apr_pool_t *pool);

/* Single long calls as timeline rows; the longest as metrics of Server-Timing,
 * or NULL. Thread: request. */
void lpp_run_add_calls_to(const lpp_run_t *run, lpp_oops_t *oops);
const char *lpp_run_calls_timing(const lpp_run_t *run, apr_pool_t *pool);

/* Keep the calling thread's stack as the one of the first failure. */
void lpp_run_keep_stack(lpp_run_t *run);

/* Record the SQL statements of a run that profiles, on this thread; no longer
 * (idempotent). Thread: request. */
void lpp_run_start_sql(lpp_run_t *run);
void lpp_run_stop_sql(lpp_run_t *run);

/* 1 when the URL asked for sql or sqltrace. */
int lpp_run_asks_sql(const lpp_run_t *run);

/* What the statements until a monotonic moment tell, for a page, in pool; NULL
 * where the URL did not ask, or nothing was recorded. */
const lpp_sqlview_t *lpp_run_sql_view(const lpp_run_t *run,
                                      apr_time_t until_us, apr_pool_t *pool);

/* Timeline rows and traceback of a record; thread: any. */
void lpp_run_fill_timeline(lpp_run_t *run, lpp_oops_t *oops);
const char *lpp_run_traceback(lpp_run_t *run, apr_pool_t *pool);

/* Add a run of an aggregate to the sum, once it was stopped; idempotent. r: any
 * request of the chain. Thread: request. */
void lpp_run_record(lpp_run_t *run, request_rec *r);

/* Absolute path of a file of this run in a format; where its OOPS goes. */
const char *lpp_run_file_path(const lpp_run_t *run, lpp_format_e format,
                              apr_pool_t *pool);
const char *lpp_run_oops_path(const lpp_run_t *run, apr_pool_t *pool);

/* The UTC date an OOPS of this run lies under. */
const char *lpp_run_oops_date(const lpp_run_t *run, apr_pool_t *pool);

/* Write the saved form for the report pages. Errors: those of the store.
 * Thread: jobs. */
LPP_MUST_CHECK apr_status_t lpp_run_save(const lpp_run_t *run,
                                         const lpp_view_t *view,
                                         lpp_store_t *store);

/*
 * Write the files of run->formats and the saved form; the OOPS. *bytes grows by
 * their sizes. Read, besides oops: pool, conf, formats, store_dir, stem,
 * oops_dir, id, request_time, and what lpp_run_save reads. Errors: those of the
 * store; for files the last of them. Thread: jobs.
 */
LPP_MUST_CHECK apr_status_t lpp_run_write_files(lpp_run_t *run,
                                                const lpp_view_t *view,
                                                apr_off_t *bytes);
LPP_MUST_CHECK apr_status_t lpp_run_write_oops(lpp_run_t *run,
                                               apr_off_t *bytes);

/* The job: name the profile, write its files and its OOPS, let go of the
 * session and of the run's pool. Thread: jobs, or request where the queue is
 * full. */
void lpp_run_finish(void *run);

#endif
