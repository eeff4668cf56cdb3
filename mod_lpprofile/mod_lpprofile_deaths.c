/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths: see include/mod_lpprofile_deaths.h.
 *
 * The writer is forked twice, so that nobody but init has to learn of its end:
 * the MPM would wonder whose child that was. It inherits the parent's objects
 * at their addresses, which are those of every child of this generation; of a
 * child of an older one no stack is named, since another module may lie there
 * now.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_strings.h>
#include <ap_listen.h>
#include <ap_mpm.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <mpm_common.h>

#include "lpp_log_tags.h"
#include "lpp_store.h"
#include "mod_lpprofile_config.h"
#include "mod_lpprofile_deaths.h"
#include "mod_lpprofile_deaths_internal.h"
#include "mod_lpprofile_names.h"
#include "mod_lpprofile_process.h"

APLOG_USE_MODULE(lpprofile);

#define WRITER_MAX_S 20 /* then it is stuck, and ends */

static int is_named(const server_rec *s, const char *host)
{
    return s->server_hostname && !strcmp(s->server_hostname, host);
}

/* The host that the dead process served; after a restart with another
 * configuration the number may be another's. */
static server_rec *host_of(const lpp_holder_t *holder, server_rec *main_server)
{
    server_rec *s, *named = NULL, *enabled = NULL;
    apr_uint32_t number = 0;

    for (s = main_server; s; s = s->next, number++) {
        if (!lpp_config_enabled(lpp_config_get(s))) {
            continue;
        }
        enabled = enabled ? enabled : s;
        if (is_named(s, holder->host)) {
            named = named ? named : s;
            if (number == holder->server) {
                return s;
            }
        }
    }
    return named ? named : enabled ? enabled : main_server;
}

static apr_status_t write_oops(const lpp_oops_t *oops, const lpp_conf_t *conf,
                               apr_pool_t *pool)
{
    lpp_store_file_t *file;
    lpp_store_t *store;
    apr_time_exp_t utc;
    apr_status_t rv;

    apr_time_exp_gmt(&utc, oops->time);
    rv = lpp_store_open(&store, lpp_config_oops_dir(conf), pool);
    if (rv == APR_SUCCESS) {
        rv = lpp_store_begin(store, apr_psprintf(
            pool, "%04d-%02d-%02d", utc.tm_year + 1900, utc.tm_mon + 1,
            utc.tm_mday), oops->id, &file, pool);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_config_oops_bson(conf)
        ? lpp_oops_write_bson(oops, lpp_store_sink(file), pool)
        : lpp_oops_write_rfc822(oops, lpp_store_sink(file), pool);
    if (rv != APR_SUCCESS) {
        lpp_store_abort(file);
        return rv;
    }
    rv = lpp_store_finish(file, NULL);
    /* Somebody wrote it, and died before he could say so. */
    return APR_STATUS_IS_EEXIST(rv) ? APR_SUCCESS : rv;
}

static void report(const lpp_death_t *death, const lpp_autopsy_t *autopsy,
                   server_rec *main_server, apr_pool_t *pool)
{
    server_rec *host = host_of(&death->holder, main_server);
    const lpp_conf_t *conf = lpp_config_get(host);
    lpp_oops_t *oops = NULL;
    int generation = 0;
    apr_status_t rv;

    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    if (death->holder.generation != (apr_uint32_t)generation) {
        autopsy = NULL;
    }
    rv = lpp_deaths_describe(&oops, death, autopsy, pool);
    if (rv == APR_SUCCESS) {
        oops->reporter = lpp_config_oops_reporter(conf, host);
        rv = write_oops(oops, conf, pool);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, host,
                     LPP_TAG_DEATHS_NO_OOPS ": %s: the OOPS report of process "
                     "%u could not be written to the " LPP_DIR_OOPS_DIR
                     " \"%s\"", death->holder.id, death->holder.pid,
                     lpp_config_oops_dir(conf));
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, host, LPP_TAG_DEATHS_REPORTED
                 ": process %u ended (%s) while it was profiling a request; "
                 "see %s", death->holder.pid, oops->type, death->holder.id);
}

/* Nothing of the parent's shall happen to this process, and it holds no port
 * that a restart might want. */
static void become_a_writer(void)
{
    static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGWINCH,
                                   SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE,
                                   SIGALRM };
    sigset_t none;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(signals); i++) {
        signal(signals[i], SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    alarm(WRITER_MAX_S);
    ap_close_listeners();
}

static void write_reports(server_rec *s)
{
    lpp_autopsy_t autopsy;
    const lpp_process_t *inherited = lpp_process_inherited(&autopsy.unwinder);
    lpp_death_t death;
    apr_pool_t *pool;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS
        || ap_run_drop_privileges(pool, s) != OK) {
        return;
    }
    autopsy.maps = inherited->maps;
    autopsy.symbols = NULL;
    while (lpp_gate_take_death(inherited->gate, &death)) {
        /* Made late: a death without a crash has nothing to be named. */
        if (!autopsy.symbols
            && lpp_symbols_create(&autopsy.symbols, inherited->maps)
               == APR_SUCCESS) {
            lpp_names_register_hooks_of_server(autopsy.symbols);
        }
        report(&death, &autopsy, s, pool);
        lpp_gate_bury(inherited->gate, &death);
    }
}

static void fork_writer(server_rec *s)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (fork() == 0) {
            become_a_writer();
            write_reports(s);
        }
        _exit(0);
    }
    if (pid < 0) {
        /* It stays in its area: the next death asks again. */
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     LPP_TAG_DEATHS_NO_WRITER ": no process could be had that "
                     "writes the OOPS report of a dead one; it waits");
        return;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* After the process room's, which notes the death. */
static void child_status(server_rec *s, pid_t pid, ap_generation_t number,
                         int slot, mpm_child_status state)
{
    lpp_unwinder_t *unwinder;
    const lpp_process_t *inherited = lpp_process_inherited(&unwinder);

    if (state == MPM_CHILD_EXITED && inherited->gate
        && lpp_gate_deaths(inherited->gate) > 0) {
        fork_writer(s);
    }
}

void lpp_deaths_register_hooks(apr_pool_t *pool)
{
    ap_hook_child_status(child_status, NULL, NULL, APR_HOOK_LAST);
}
