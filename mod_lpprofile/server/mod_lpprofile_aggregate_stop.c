/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_aggregate_stop: makes a pstats file from the spool when the
 * server stops.
 *
 * A process that has dropped its privileges reads what the children wrote; the
 * parent only opens the result, waits, renames it, and logs. Under httpd -X
 * with prefork all this runs in a signal handler, since such a server ends in
 * one: the process is then forked without the locks of fork(), and the wait for
 * it is limited.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ap_mpm.h>
#include <apr_signal.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <mpm_common.h>

#include "saved/lpp_aggregate.h"
#include "base/lpp_log_tags.h"
#include "server/mod_lpprofile_aggregate_internal.h"
#include "server/mod_lpprofile_config.h"

APLOG_USE_MODULE(lpprofile);

#define SUM_MAX_S 300    /* then the process that sums up is killed */
#define SIGNAL_MAX_S 20  /* the same, in a signal handler */
#define NAP_MS 10        /* between two checks for its end */

static apr_status_t write_to_fd(void *baton, const char *data, apr_size_t len)
{
    int fd = *(int *)baton;

    while (len > 0) {
        ssize_t written = write(fd, data, len);

        if (written < 0 && errno != EINTR) {
            return errno;
        }
        if (written > 0) {
            data += written;
            len -= (apr_size_t)written;
        }
    }
    return APR_SUCCESS;
}

/* Make the sum, in its own process without privileges. */
static apr_status_t sum_up(const lpp_aggregate_kept_t *kept, int fd,
                           apr_pool_t *pool)
{
    lpp_sink_t sink = { write_to_fd, &fd };
    const lpp_aggregate_counts_t *counts;
    lpp_aggregate_t *aggregate;
    apr_status_t rv = lpp_aggregate_create(&aggregate, pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_aggregate_read(aggregate, kept->spool);
    if (rv == APR_SUCCESS) {
        rv = lpp_pstats_write(lpp_aggregate_table(aggregate), &sink, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = fsync(fd) == 0 ? APR_SUCCESS : errno;
    }
    counts = lpp_aggregate_counts(aggregate);
    kept->shared->summed = counts->records;
    kept->shared->torn_bytes = counts->torn_bytes;
    kept->shared->wall_us = counts->wall_us;
    kept->shared->folded = counts->folded + counts->edges_lost;
    return rv;
}

static void run_process(const lpp_aggregate_kept_t *kept, int fd,
                        unsigned max_s)
{
    apr_pool_t *pool;
    sigset_t none;

    /* This process needs no handlers of httpd. */
    apr_signal(SIGALRM, SIG_DFL);
    apr_signal(SIGTERM, SIG_IGN);
    apr_signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    alarm(max_s);
    if (apr_pool_create_unmanaged_ex(&pool, NULL, NULL) != APR_SUCCESS) {
        _exit(1);
    }
    if (geteuid() == 0 && ap_run_drop_privileges(pool, ap_server_conf) != 0) {
        _exit(2);
    }
    _exit(sum_up(kept, fd, pool) == APR_SUCCESS ? 0 : 3);
}

static void say_result(const lpp_aggregate_kept_t *kept)
{
    lpp_aggregate_shared_t *shared = kept->shared;
    apr_uint64_t begun = atomic_load(&shared->begun);
    apr_uint64_t known = atomic_load(&shared->recorded);
    unsigned i;

    for (i = 0; i <= LPP_AGGREGATE_UNWRITTEN; i++) {
        known += atomic_load(&shared->skipped[i]);
    }
    ap_log_error(
        APLOG_MARK, APLOG_NOTICE, 0, ap_server_conf, LPP_TAG_AGGREGATE_DONE
        ": %s: %" APR_UINT64_T_FMT " requests, %" APR_UINT64_T_FMT " us; left "
        "out: %" APR_UINT64_T_FMT " that a profiled request waited for, %"
        APR_UINT64_T_FMT " at a process's end, %" APR_UINT64_T_FMT
        " not profiled, %" APR_UINT64_T_FMT " not written, %" APR_UINT64_T_FMT
        " not finished; cut short: %" APR_UINT64_T_FMT "; rows left out: %"
        APR_UINT64_T_FMT "; damaged bytes: %" APR_UINT64_T_FMT,
        kept->target, shared->summed, shared->wall_us,
        atomic_load(&shared->skipped[LPP_AGGREGATE_CHILD]),
        atomic_load(&shared->skipped[LPP_AGGREGATE_STOPPING]),
        atomic_load(&shared->skipped[LPP_AGGREGATE_FAILED]),
        atomic_load(&shared->skipped[LPP_AGGREGATE_UNWRITTEN]),
        begun > known ? begun - known : 0, atomic_load(&shared->cut_short),
        shared->folded, shared->torn_bytes);
}

/*
 * Wait for the process; returns 0 if it has done its work. It runs as the user
 * of the children: a child with corrupted memory may stop it, and then its
 * alarm has no effect. So it is killed here if it takes too long.
 */
static int wait_for(pid_t pid, unsigned max_s)
{
    static const struct timespec nap = { 0, NAP_MS * 1000000 };
    unsigned naps = (max_s + 1) * (1000 / NAP_MS);
    int status;
    pid_t ended;

    while ((ended = waitpid(pid, &status, naps > 0 ? WNOHANG : 0)) != pid) {
        if (ended < 0 && errno != EINTR) {
            return -1;
        }
        if (ended == 0) {
            nanosleep(&nap, NULL);
            if (--naps == 0) {
                kill(pid, SIGKILL);
            }
        }
    }
    return status;
}

/* Whether this is the signal handler of httpd -X under prefork. */
static int in_signal_handler(void)
{
    int threaded = 0;

    return ap_exists_config_define("ONE_PROCESS")
        && ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded) == APR_SUCCESS
        && threaded == AP_MPMQ_NOT_SUPPORTED;
}

/* Open the result, without a name until it is complete if the file system
 * supports that: a server that is killed meanwhile leaves no file behind. */
static int open_result(const lpp_aggregate_kept_t *kept, int *nameless)
{
    int fd = -1;

    if (access("/proc/self/fd", X_OK) == 0) {
        fd = openat(kept->directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC,
                    0600);
    }
    *nameless = fd >= 0;
    /* Left by an earlier server with this process id, which is 1 in a
     * container. */
    unlinkat(kept->directory, kept->temporary, 0);
    return fd >= 0 ? fd
        : openat(kept->directory, kept->temporary, O_WRONLY | O_CREAT | O_EXCL
                 | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Rename the result to the target, replacing that. 0: success. */
static int put_in_place(const lpp_aggregate_kept_t *kept, int fd,
                        int nameless)
{
    char path[32];

    apr_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (nameless && linkat(AT_FDCWD, path, kept->directory, kept->temporary,
                           AT_SYMLINK_FOLLOW) != 0) {
        return -1;
    }
    return renameat(kept->directory, kept->temporary, kept->directory,
                    kept->name);
}

apr_status_t lpp_aggregate_finish(void *baton)
{
    lpp_aggregate_kept_t *kept = baton;
    int fd, nameless, how = -1, in_handler = in_signal_handler();
    unsigned max_s = in_handler ? SIGNAL_MAX_S : SUM_MAX_S;
    pid_t pid;

    if (kept->finished || kept->parent != getpid()) {
        return APR_SUCCESS;
    }
    kept->finished = 1;
    fd = open_result(kept, &nameless);
    if (fd >= 0) {
        pid = in_handler ? _Fork() : fork();
        if (pid == 0) {
            run_process(kept, fd, max_s);
        }
        how = pid > 0 ? wait_for(pid, max_s) : -1;
    }
    if (how == 0 && put_in_place(kept, fd, nameless) == 0) {
        close(fd);
        say_result(kept);
        return APR_SUCCESS;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, how > 0 ? 0 : errno, ap_server_conf,
                 LPP_TAG_AGGREGATE_FAILED ": %s: could not be written (%d)",
                 kept->target, how);
    if (fd >= 0) {
        close(fd);
        unlinkat(kept->directory, kept->temporary, 0);
    }
    return APR_SUCCESS;
}
