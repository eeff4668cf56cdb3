/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_finish: files and OOPS of a run whose request is over. Runs on
 * the jobs thread (or, where its queue is full, on the request's; for a dead
 * process, in the one that reports it) and knows no request any more: only the
 * run's pool and copies.
 */
#include <stdatomic.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>

#include "base/lpp_clock.h"
#include "base/lpp_log_tags.h"
#include "store/lpp_store.h"
#include "server/mod_lpprofile_keep.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

APLOG_USE_MODULE(lpprofile);

/* The helper has at most a ring of samples left to unwind. */
#define FINAL_WAIT_US apr_time_from_sec(5)
#define COMPLAIN_EVERY_US apr_time_from_sec(60)

const char *lpp_run_traceback(lpp_run_t *run, apr_pool_t *pool)
{
    lpp_symbols_t *symbols = lpp_process_get()->symbols;

    return !symbols ? ""
        : lpp_symbols_traceback(symbols, run->failure_stack,
                                run->failure_frames, pool);
}

/* As lpp_store_finish, and add its size. */
static apr_status_t finish_file(lpp_store_file_t *file, apr_off_t *bytes)
{
    apr_off_t size = 0;
    apr_status_t rv = lpp_store_finish(file, &size);

    *bytes += size;
    return rv;
}

static apr_status_t write_file(lpp_run_t *run, lpp_store_t *store,
                               lpp_format_e format, const lpp_view_t *view,
                               apr_off_t *bytes)
{
    lpp_store_file_t *file;
    apr_status_t rv;

    rv = lpp_store_begin(store, NULL,
                         lpp_store_name(run->stem, format, run->pool), &file,
                         run->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_writer_get(format)->write(view, lpp_store_sink(file), run->pool);
    if (rv != APR_SUCCESS) {
        lpp_store_abort(file);
        return rv;
    }
    return finish_file(file, bytes);
}

apr_status_t lpp_run_write_files(lpp_run_t *run, const lpp_view_t *view,
                                 apr_off_t *bytes)
{
    lpp_store_t *store;
    apr_status_t rv, worst;
    int i;

    worst = lpp_store_open(&store, run->store_dir, run->pool);
    if (worst != APR_SUCCESS) {
        return worst;
    }
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        if (run->formats & LPP_FORMAT_BIT(i)) {
            rv = write_file(run, store, i, view, bytes);
            worst = rv != APR_SUCCESS ? rv : worst;
        }
    }
    /* Last, so that who finds it finds the others. */
    rv = lpp_run_save(run, view, store);
    return rv != APR_SUCCESS ? rv : worst;
}

static apr_status_t write_files(lpp_run_t *run, apr_off_t *bytes)
{
    const lpp_process_t *process = lpp_process_get();
    lpp_profile_t *profile;
    const lpp_view_t *view;
    apr_status_t rv;

    rv = lpp_run_profile(run, &profile, lpp_run_calls_table(run, run->pool),
                         FINAL_WAIT_US, run->pool);
    if (rv == APR_SUCCESS) {
        run->about.lines = 1; /* nobody waits for source lines here */
        rv = lpp_view_create(&view, profile, process->symbols,
                             process->maps, &run->about, run->pool);
    }
    return rv == APR_SUCCESS ? lpp_run_write_files(run, view, bytes) : rv;
}

apr_status_t lpp_run_write_oops(lpp_run_t *run, apr_off_t *bytes)
{
    lpp_store_t *store;
    lpp_store_file_t *file;
    apr_status_t rv;

    if (!run->oops) {
        return APR_ENOMEM;
    }
    rv = lpp_store_open(&store, run->oops_dir, run->pool);
    if (rv == APR_SUCCESS) {
        rv = lpp_store_begin(store, lpp_run_oops_date(run, run->pool),
                             run->id, &file, run->pool);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_config_oops_bson(run->conf)
             ? lpp_oops_write_bson(run->oops, lpp_store_sink(file), run->pool)
             : lpp_oops_write_rfc822(run->oops, lpp_store_sink(file),
                                     run->pool);
    if (rv != APR_SUCCESS) {
        lpp_store_abort(file);
        return rv;
    }
    return finish_file(file, bytes);
}

/* A full disk fails every profile: one line a minute tells it well enough. */
typedef struct complaint_t {
    _Atomic apr_time_t last_us; /* monotonic; 0: never */
    atomic_uint left_out;       /* since then */
} complaint_t;

static complaint_t no_file, no_oops;

static int may_complain(complaint_t *complaint)
{
    apr_time_t now = lpp_run_now_us();
    apr_time_t last = atomic_load(&complaint->last_us);

    if ((!last || now - last >= COMPLAIN_EVERY_US)
        && atomic_compare_exchange_strong(&complaint->last_us, &last, now)) {
        return 1;
    }
    atomic_fetch_add(&complaint->left_out, 1);
    return 0;
}

/* Said when the session is over, so that the rate is the last one. */
static void tell_of_cost(const lpp_run_t *run)
{
    apr_uint32_t hz = lpp_session_lowered_hz(run->session);

    if (hz != 0) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, ap_server_conf,
                      LPP_TAG_RUN_STOOD_DOWN ": %s: profiling took more than "
                      "10 %% of the request's CPU time: rate lowered to %u Hz"
                      "%s", run->id, hz,
                      lpp_session_cut_short(run->session) == LPP_STOP_SELF
                      ? ", then ended" : "");
    }
}

void lpp_run_finish(void *baton)
{
    lpp_run_t *run = baton;
    apr_off_t bytes = 0;
    apr_status_t rv;

    if (run->aggregate) {
        goto leave;
    }
    tell_of_cost(run);
    if (run->oops) {
        run->oops->tb_text = lpp_run_traceback(run, run->pool);
    }
    rv = write_files(run, &bytes);
    if (rv != APR_SUCCESS && may_complain(&no_file)) {
        ap_log_perror(APLOG_MARK, APLOG_WARNING, rv, run->pool,
                      LPP_TAG_RUN_NO_FILE ": %s: the profile could not be "
                      "written to the " LPP_DIR_DIR " \"%s\" (%u more since "
                      "the last such line)", run->id, run->store_dir,
                      atomic_exchange(&no_file.left_out, 0));
    }
    rv = lpp_run_write_oops(run, &bytes);
    if (rv != APR_SUCCESS && may_complain(&no_oops)) {
        ap_log_perror(APLOG_MARK, APLOG_WARNING, rv, run->pool,
                      LPP_TAG_RUN_NO_OOPS ": %s: the OOPS report could not be "
                      "written to the " LPP_DIR_OOPS_DIR " \"%s\" (%u more "
                      "since the last such line)", run->id, run->oops_dir,
                      atomic_exchange(&no_oops.left_out, 0));
    }
    if (bytes > 0) {
        lpp_keeper_wrote(run->conf, bytes);
    }

leave:
    lpp_session_close(run->session);
    lpp_run_free(run);
}
