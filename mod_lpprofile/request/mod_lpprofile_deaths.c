/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_deaths: see mod_lpprofile_deaths.h.
 *
 * The writer is forked twice, so that init reaps it: otherwise the MPM would
 * log an unknown child. It inherits the objects of the parent at their
 * addresses, which are those of each child of this generation. The stack of a
 * child of an older generation is not named, since other modules may be loaded
 * at these addresses now.
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
#include <http_main.h>
#include <mpm_common.h>

#include "base/lpp_log_tags.h"
#include "store/lpp_store.h"
#include "server/mod_lpprofile_config.h"
#include "request/mod_lpprofile_deaths.h"
#include "request/mod_lpprofile_deaths_internal.h"
#include "request/mod_lpprofile_output_internal.h"
#include "server/mod_lpprofile_names.h"
#include "server/mod_lpprofile_process.h"

APLOG_USE_MODULE(lpprofile);

#define WRITER_MAX_S 20 /* then it is killed: it hangs */
#define DEATHS_MAX 16   /* of one writer */

static int is_named(const server_rec *s, const char *host)
{
    return s->server_hostname && !strcmp(s->server_hostname, host);
}

/*
 * The host that the dead process served. After a restart with another
 * configuration it may not exist any more: then the directories are those of
 * the host of that name, or of any host. The report pages of no host show such
 * a profile.
 */
static server_rec *host_of(const lpp_owner_t *owner, server_rec *main_server,
                           apr_pool_t *pool)
{
    server_rec *s, *named = NULL, *enabled = NULL;

    for (s = main_server; s; s = s->next) {
        if (!lpp_config_enabled(lpp_config_get(s))) {
            continue;
        }
        enabled = enabled ? enabled : s;
        if (is_named(s, owner->host)) {
            named = named ? named : s;
            if (!strcmp(lpp_facts_vhost(s, pool), owner->vhost)) {
                return s;
            }
        }
    }
    return named ? named : enabled ? enabled : main_server;
}

/* Write the files of the samples that the dead process left. The OOPS, if there
 * is one, is in the saved form. */
static void write_samples(const lpp_output_t *output,
                          const lpp_profile_t *profile,
                          const lpp_deaths_tools_t *tools)
{
    const lpp_facts_t *facts = output->facts;
    lpp_view_about_t about = facts->about;
    apr_off_t bytes = 0;
    const lpp_view_t *view;
    apr_status_t rv;

    about.lines = 1;
    rv = lpp_view_create(&view, profile, tools->symbols, tools->maps,
                         &about, output->pool);
    if (rv == APR_SUCCESS) {
        rv = lpp_output_write_files(output, view, &bytes);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, ap_server_conf,
                     LPP_TAG_DEATHS_NO_FILE ": %s: the samples of process %u, "
                     "which ended, could not be written to the " LPP_DIR_DIR
                     " \"%s\"", about.id, about.pid,
                     lpp_config_dir(facts->conf));
    }
}

static void report(const lpp_death_t *death, const lpp_deaths_tools_t *tools,
                   server_rec *main_server, apr_pool_t *pool)
{
    const lpp_owner_t *owner = &death->owner;
    server_rec *host = host_of(owner, main_server, pool);
    lpp_profile_t *profile = NULL;
    lpp_oops_t *oops = NULL;
    lpp_facts_t facts;
    lpp_output_t output;
    apr_off_t bytes = 0;
    int generation = 0;
    apr_status_t rv;

    lpp_facts_of_owner(&facts, owner, lpp_config_get(host));
    lpp_output_begin(&output, &facts, pool);
    lpp_output_name(&output);
    output.formats = owner->formats;
    output.saved.head.outcome = "process-died";
    ap_mpm_query(AP_MPMQ_GENERATION, &generation);
    if (!owner->aggregate && tools->symbols) {
        rv = lpp_deaths_samples(&profile, death, tools, pool);
        profile = rv == APR_SUCCESS ? profile : NULL;
    }
    rv = lpp_deaths_describe(&oops, death, &facts, tools,
                             owner->generation == (apr_uint32_t)generation,
                             profile, pool);
    if (rv == APR_SUCCESS) {
        oops->reporter = lpp_config_oops_reporter(facts.conf, host);
        output.saved.oops = oops;
    }
    if (profile) {
        write_samples(&output, profile, tools);
    }
    if (rv == APR_SUCCESS) {
        rv = lpp_output_write_oops(&output, &bytes);
    }
    /* EEXIST: a process had written the OOPS, and died before it recorded
     * that. */
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EEXIST(rv)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, host,
                     LPP_TAG_DEATHS_NO_OOPS ": %s: the OOPS report of process "
                     "%u could not be written to the " LPP_DIR_OOPS_DIR
                     " \"%s\"", owner->id, owner->pid,
                     lpp_config_oops_dir(facts.conf));
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, host, LPP_TAG_DEATHS_REPORTED
                 ": process %u ended (%s) while it was profiling a request; "
                 "see %s", owner->pid, oops->type, owner->id);
}

/* Reset what was inherited from the parent: signal handlers and mask, and the
 * listening sockets, which would prevent a restart from binding them. */
static void reset_process(void)
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
    lpp_deaths_tools_t tools;
    const lpp_process_t *inherited = lpp_process_inherited(&tools.unwinder);
    lpp_death_t death;
    apr_pool_t *pool;
    int left, not_valid = 0;

    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS
        || ap_run_drop_privileges(pool, s) != OK) {
        return;
    }
    tools.maps = inherited->maps;
    tools.symbols = inherited->symbols;
    if (tools.symbols) {
        lpp_names_register_hooks_of_server(tools.symbols);
    }
    /* Limited: a child with corrupted memory may add deaths without end. */
    for (left = DEATHS_MAX; left > 0
         && lpp_gate_take_death(inherited->gate, &death); left--) {
        if (lpp_store_is_id(death.owner.id)) {
            report(&death, &tools, s, pool);
        }
        else {
            not_valid++;
        }
        lpp_gate_forget_death(inherited->gate, &death);
    }
    if (not_valid) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, LPP_TAG_DEATHS_NOT_VALID
                     ": the post-mortem data of %d processes is not valid; no "
                     "report is written for them",
                     not_valid);
    }
}

static void fork_writer(server_rec *s)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (fork() == 0) {
            reset_process();
            write_reports(s);
        }
        _exit(0);
    }
    if (pid < 0) {
        /* The record stays in shared memory: after the next death a fork is
         * tried again. */
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, s,
                     LPP_TAG_DEATHS_NO_WRITER ": no process could be forked to "
                     "write a post-mortem OOPS report; it is written later");
        return;
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* Runs after the hook of mod_lpprofile_process, which records the death. */
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
