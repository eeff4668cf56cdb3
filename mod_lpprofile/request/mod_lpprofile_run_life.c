/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_life: begin and end of a run: creates it, waits for the
 * gate, starts the session; when the request is over, collects the facts about
 * it and submits the job that writes the profile.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include "base/lpp_clock.h"
#include "base/lpp_log_tags.h"
#include "gate/lpp_ends.h"
#include "server/mod_lpprofile_aggregate.h"
#include "server/mod_lpprofile_names.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

APLOG_USE_MODULE(lpprofile);

/* Reading and serving a request have a common caller,
 * ap_process_http_connection. A module that creates requests without reading
 * them, such as mod_http2, does so in a function of its own that returns. */
static const char *const root_functions[] = {
    "ap_read_request", "^ap_post_read_request", NULL
};

/* At an inline region the request has already been read: the stacks begin with
 * the function that serves it. */
const char *const lpp_run_inline_roots[] = {
    "ap_process_async_request", "ap_process_request", NULL
};

/* A slow client must not hold the gate: the longest time that a request may be
 * blocked on its client (contract section 2). */
#define MAX_CLIENT_WAIT_US apr_time_from_sec(5)

/* Called while waiting for the gate: 0 if the client has closed the
 * connection. */
static int client_is_there(void *baton)
{
    request_rec *r = baton;
    conn_rec *c = r->connection;
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_os_sock_t fd;
    char byte;

    if (c->aborted) {
        return 0;
    }
    if (c->master || !socket || apr_os_sock_get(&fd, socket) != APR_SUCCESS) {
        return 1; /* a stream of HTTP/2 shares its socket */
    }
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0;
}

/* The formats of this build that were asked for; the page names those that are
 * missing. */
static apr_uint32_t formats_to_write(lpp_run_t *run)
{
    apr_uint32_t wanted = run->asked.plan ? run->asked.plan->formats : 0;
    apr_uint32_t formats = 0;
    int i;

    if (run->asked.all_requests) {
        wanted |= LPP_FORMAT_BIT(LPP_FORMAT_CALLGRIND);
    }
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        if ((wanted & LPP_FORMAT_BIT(i)) && lpp_writer_get(i)->write) {
            formats |= LPP_FORMAT_BIT(i);
        }
    }
    return formats;
}

/* The result of a start for X-LPProfile. */
const char *lpp_run_start_token(lpp_start_e start)
{
    switch (start) {
    case LPP_START_RUNNING: return "profiled";
    case LPP_START_NO_SIGNAL: return "no-signal";
    case LPP_START_BUSY: return "busy";
    case LPP_START_TIMED_OUT: return "lock-timeout";
    case LPP_START_GONE: return "client-gone";
    case LPP_START_CHILD: return "child-of-profiled";
    case LPP_START_STOPPING: return "stopping";
    case LPP_START_FORKED: return "unsupported-mpm";
    case LPP_START_FAILED: break;
    }
    return "failed";
}

/* For the sum every request is profiled: no limit of the directives applies,
 * and the client may have gone. Exceptions: a request that the owner of the
 * gate waits for, and the time after a slow client has held the gate too
 * long. */
static void unbound(lpp_session_options_t *options)
{
    options->max_waiting = APR_UINT32_MAX;
    options->lock_timeout_us = -1;
    options->max_time_us = 0;
    options->wanted = NULL;
}

static void count_for_sum(lpp_start_e start)
{
    lpp_aggregate_count_begin();
    switch (start) {
    case LPP_START_RUNNING:
    case LPP_START_NO_SIGNAL:
        break;
    case LPP_START_CHILD:
        lpp_aggregate_count_skip(LPP_AGGREGATE_CHILD);
        break;
    case LPP_START_STOPPING:
        lpp_aggregate_count_skip(LPP_AGGREGATE_STOPPING);
        break;
    default:
        lpp_aggregate_count_skip(LPP_AGGREGATE_FAILED);
    }
}

/* The log level: warning the first time in this child, then info. */
static int once(atomic_int *said)
{
    return atomic_exchange(said, 1) ? APLOG_INFO : APLOG_WARNING;
}

/* Logged for the connection and host, not for the request: httpd would append
 * the unmasked Referer to a message of the request. */
static void log_start(const lpp_run_t *run, request_rec *r, apr_status_t rv)
{
    static atomic_int failed, no_signal;
    int level; /* the logging macros evaluate the level twice */

    switch (run->profiling.start) {
    case LPP_START_TIMED_OUT:
        ap_log_cserror(APLOG_MARK, APLOG_WARNING, 0, r->connection, r->server,
                       LPP_TAG_RUN_TIMED_OUT ": served unprofiled, another "
                       "profile lasted longer than " LPP_DIR_LOCK_TIMEOUT
                       " (waited %" APR_TIME_T_FMT " ms)",
                       apr_time_as_msec(run->profiling.waited_us));
        break;
    case LPP_START_FAILED:
        level = once(&failed);
        ap_log_cserror(APLOG_MARK, level, rv, r->connection, r->server,
                       LPP_TAG_RUN_FAILED ": served unprofiled, the "
                       "profiler did not start");
        break;
    case LPP_START_NO_SIGNAL:
        level = once(&no_signal);
        ap_log_cserror(APLOG_MARK, level, 0, r->connection, r->server,
                       LPP_TAG_RUN_NO_SIGNAL ": no signal available for "
                       "sampling (all in use, denied by the system, calls "
                       "cannot be restarted, or no alternate stack for its "
                       "handler): profiles have exact totals, but hardly any "
                       "stacks");
        /* fall through */
    case LPP_START_RUNNING:
        ap_log_cserror(APLOG_MARK, APLOG_INFO, 0, r->connection, r->server,
                       LPP_TAG_RUN_PROFILED ": profiling this request as %s",
                       run->facts.about.id);
        break;
    default:
        ap_log_cserror(APLOG_MARK, APLOG_INFO, 0, r->connection, r->server,
                       LPP_TAG_RUN_SKIPPED ": served unprofiled: %s (waited "
                       "%" APR_TIME_T_FMT " ms)",
                       lpp_run_start_token(run->profiling.start),
                       apr_time_as_msec(run->profiling.waited_us));
    }
}

static void fill_owner(const lpp_run_t *run, lpp_owner_t *owner)
{
    int generation = 0;

    memset(owner, 0, sizeof(*owner));
    lpp_facts_to_owner(&run->facts, owner);
    owner->formats = run->output.formats;
    owner->aggregate = (apr_uint32_t)run->asked.aggregate;
    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    owner->generation = (apr_uint32_t)generation;
}

/*
 * As lpp_session_start. An HTTP/2 stream that waits for the gate blocks one of
 * the few workers of mod_http2 in this child, which serve all connections: so
 * only some of these may wait. This limit does not apply to the sum over all
 * requests.
 */
static apr_status_t start_session(lpp_run_t *run, const request_rec *r,
                                  const lpp_session_options_t *options)
{
    static atomic_uint waiting_streams;
    lpp_sampler_t *sampler = lpp_process_get()->sampler;
    int counted = r->connection->master && !run->asked.aggregate;
    apr_status_t rv = APR_SUCCESS;

    if (counted && atomic_fetch_add(&waiting_streams, 1)
                       >= lpp_config_max_waiting_streams()) {
        lpp_gate_count_skip(lpp_process_get()->gate, LPP_GATE_BUSY);
        run->profiling.start = LPP_START_BUSY;
    }
    else {
        run->profiling.start = lpp_session_start(
            sampler, options,
            run->asked.inline_only ? lpp_run_inline_roots : root_functions,
            &run->profiling.session, &run->profiling.waited_us, &rv,
            run->pool);
    }
    if (counted) {
        atomic_fetch_sub(&waiting_streams, 1);
    }
    return rv;
}

/* The ends of the client's connection. They are read from its socket: headers
 * and mod_remoteip do not change them. */
static void fill_connection(const request_rec *r, lpp_ends_t *ends)
{
    conn_rec *c = r->connection->master ? r->connection->master
                                        : r->connection;
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_os_sock_t fd;

    if (socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS) {
        (void)lpp_ends_of(fd, LPP_ENDS_ACCEPTED, ends);
    }
}

/* All options but the owner record. */
static void fill_options(const lpp_run_t *run, request_rec *r, int stacks,
                         lpp_session_options_t *options)
{
    const lpp_conf_t *conf = run->facts.conf;

    options->rate_hz = lpp_config_rate_hz(conf);
    options->stacks = stacks;
    options->languages = lpp_config_interpreters(conf);
    options->max_waiting = lpp_config_max_waiting(conf);
    options->lock_timeout_us = lpp_config_lock_timeout_us(conf);
    options->max_time_us = lpp_config_max_time_us(conf);
    options->max_client_wait_us = MAX_CLIENT_WAIT_US;
    options->wanted = client_is_there;
    options->wanted_baton = r;
    fill_connection(r, &options->connection);
    if (run->asked.aggregate) {
        unbound(options);
    }
}

/* Wait for the gate; fills in profiling. */
void lpp_run_start(lpp_run_t *run, request_rec *r, int stacks)
{
    lpp_run_profiling_t *profiling = &run->profiling;
    lpp_session_options_t options;
    apr_status_t rv = APR_ENOTIMPL;
    char id[LPP_OOPS_ID_LEN + 1];

    memset(&options, 0, sizeof(options));
    profiling->start = lpp_process_serves() ? LPP_START_FAILED
                                            : LPP_START_FORKED;
    apr_table_unset(r->headers_in, LPP_RUN_PARENT_HEADER);
    if (lpp_process_get()->sampler
        && (rv = lpp_store_new_id(id)) == APR_SUCCESS) {
        run->facts.about.id = apr_pstrdup(run->pool, id);
        lpp_facts_add_url(&run->facts, r, run->pool);
        fill_owner(run, &options.owner);
        fill_options(run, r, stacks, &options);
        lpp_memory_read(&run->memory[0], NULL); /* not in the profile */
        rv = start_session(run, r, &options);
    }
    profiling->profiled = profiling->start == LPP_START_RUNNING
        || profiling->start == LPP_START_NO_SIGNAL;
    if (!profiling->profiled) {
        profiling->session = NULL;
        run->facts.about.id = "";
    }
    else if (!run->asked.aggregate) {
        apr_table_setn(r->notes, LPP_MEMORY_OOPS_NOTE,
                       apr_pstrdup(r->pool, run->facts.about.id));
    }
    run->answer.status = lpp_run_start_token(profiling->start);
    if (run->asked.aggregate) {
        count_for_sum(profiling->start);
    }
    if (!run->asked.aggregate || !profiling->profiled) {
        log_start(run, r, rv);
    }
}

/* Cleanup of the pool of the first request: ends a run that lpp_run_take_over
 * has not taken, because no log_transaction ran. Writes nothing. */
static apr_status_t abandon(void *baton)
{
    lpp_run_t *run = baton;
    lpp_owner_t owner;

    if (run->r) {
        lpp_run_unwatch(run);
        if (run->profiling.session && lpp_process_ending()) {
            fill_owner(run, &owner);
            lpp_gate_post_death(lpp_process_get()->gate, &owner);
        }
        lpp_run_stop_calls(run);
        lpp_run_stop_sql(run);
        if (run->profiling.session) {
            lpp_session_stop(run->profiling.session, LPP_STOP_NOT);
            lpp_session_close(run->profiling.session);
        }
        lpp_wrappers_unwatch();
        /* Else this may be a handler on top of what uses the run, and the
         * helper may still use the session. */
        if (!lpp_process_ending()) {
            lpp_run_free(run);
        }
    }
    return APR_SUCCESS;
}

static lpp_plan_t *copy_plan(const lpp_plan_t *plan, apr_pool_t *pool)
{
    lpp_plan_t *copy = apr_pmemdup(pool, plan, sizeof(*plan));

    copy->plain_path = apr_pstrdup(pool, plan->plain_path);
    copy->segment = apr_pstrdup(pool, plan->segment);
    copy->sql_condition = apr_pstrdup(pool, plan->sql_condition);
    copy->report_id = apr_pstrdup(pool, plan->report_id);
    copy->against_id = apr_pstrdup(pool, plan->against_id);
    return copy;
}

static lpp_run_t *create_run(request_rec *r, const lpp_plan_t *plan,
                             int access)
{
    lpp_run_t *run;
    apr_pool_t *pool;

    if (lpp_run_make_pool(&pool) != APR_SUCCESS) {
        return NULL;
    }
    run = apr_pcalloc(pool, sizeof(*run));
    run->pool = pool;
    run->r = r;
    lpp_facts_begin(&run->facts, r, pool);
    lpp_output_begin(&run->output, &run->facts, pool);
    run->asked.plan = plan ? copy_plan(plan, pool) : NULL;
    run->viewer.access = access;
    run->viewer.user_ok = lpp_config_requires_user(run->facts.conf) ? -1 : 1;
    run->asked.all_requests = lpp_config_all_requests(run->facts.conf);
    if (lpp_aggregate_on()) {
        run->asked.aggregate = 1;
        run->asked.plan = NULL;
        run->asked.all_requests = run->viewer.access = 0;
        run->viewer.user_ok = 1;
        run->answer.headers_set = 1;
    }
    run->answer.status = "help";
    run->answer.tokens = apr_array_make(pool, 4, sizeof(const char *));
    run->profiling.hook_us = lpp_monotonic_us();
    run->failure.level = APLOG_TRACE1; /* less severe than any level that
                                          counts */
    return run;
}

lpp_run_t *lpp_run_create(request_rec *r, const lpp_plan_t *plan, int access)
{
    lpp_run_t *run = create_run(r, plan, access);

    if (!run) {
        return NULL;
    }
    ap_set_module_config(r->request_config, &lpprofile_module, run);
    lpp_wrappers_watch();
    apr_pool_cleanup_register(r->pool, run, abandon, apr_pool_cleanup_null);
    return run;
}

/* Wake up the helper thread early, while the run is prepared. */
static void wake_helper(const lpp_plan_t *plan)
{
    lpp_sampler_t *sampler = lpp_process_get()->sampler;

    if (sampler && (!plan || plan->formats
                    || (plan->actions & (LPP_ACTION_SHOW | LPP_ACTION_SQL
                                         | LPP_ACTION_SQLTRACE)))) {
        lpp_sampler_expect(sampler);
    }
}

void lpp_run_begin(request_rec *r, const lpp_plan_t *plan, int access)
{
    apr_uint32_t actions = plan ? plan->actions : 0;
    lpp_run_t *run;
    int stacks;

    wake_helper(plan);
    run = lpp_run_create(r, plan, access);
    if (!run) {
        return;
    }
    if (plan && plan->page) {
        /* The module's own pages are not profiled. */
        run->asked.all_requests = 0;
        return;
    }
    run->output.formats = formats_to_write(run);
    stacks = run->asked.aggregate || run->output.formats
             || (actions & LPP_ACTION_SHOW);
    if (!stacks && !(actions & (LPP_ACTION_SQL | LPP_ACTION_SQLTRACE))) {
        return;
    }
    run->records.phases = lpp_phases_create(run->pool, run->facts.begin_us,
                                            run->facts.hidden);
    lpp_phases_attach(r, run->records.phases);
    lpp_run_start(run, r, stacks);
    if (run->profiling.session) {
        lpp_phases_count_ready(run->records.phases, lpp_session_ready_ns,
                               run->profiling.session);
    }
    lpp_phases_gate_passed(run->records.phases);
    if (run->profiling.session) {
        lpp_run_start_calls(run);
        lpp_run_start_sql(run);
        lpp_run_watch(run, r);
    }
}

/*
 * The request is over: collect the facts about it. r is the first request; the
 * last of its redirects has sent the response.
 */
void lpp_run_gather(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);
    request_rec *last = r;

    if (!run || run->r != r) {
        return;
    }
    while (last->next) {
        last = last->next;
    }
    lpp_run_settle_user(run);
    if (!run->profiling.session) {
        return;
    }
    lpp_run_close_regions(run);
    lpp_session_stop(run->profiling.session, LPP_STOP_NOT);
    run->duration_us = lpp_monotonic_us() - run->facts.begin_us;
    run->facts.http_status = last->status;
    lpp_memory_read(&run->memory[1], &run->memory[0]);
    lpp_run_name(run, last);
    lpp_names_register_filters_of(lpp_process_get()->symbols, last);
    if (run->asked.aggregate) {
        lpp_run_record(run, last);
        return;
    }
    if (lpp_oops_create(&run->oops, run->facts.about.id, run->pool)
        == APR_SUCCESS) {
        lpp_oops_gather(run->oops, last, &run->facts, run->duration_us,
                        &run->failure, 1);
    }
}

/* The request is logged: pass the run to the jobs thread. */
void lpp_run_take_over(request_rec *r)
{
    lpp_run_t *run = lpp_run_get(r);
    const lpp_process_t *process = lpp_process_get();

    if (!run || run->r != r || !run->profiling.session) {
        return; /* abandon() ends the run when the pool of r is destroyed */
    }
    if (run->oops) {
        lpp_run_fill_timeline(run, run->oops);
    }
    lpp_run_stop_sql(run);
    lpp_run_stop_calls(run);
    lpp_phases_attach(r, NULL);
    lpp_run_unwatch(run);
    run->r = NULL; /* from here on the job owns the run */
    apr_pool_cleanup_kill(r->pool, run, abandon);
    ap_set_module_config(r->request_config, &lpprofile_module, NULL);
    lpp_wrappers_unwatch();
    if (!process->jobs
        || lpp_jobs_submit(process->jobs, lpp_run_finish, run)
           != APR_SUCCESS) {
        lpp_run_finish(run);
    }
}
