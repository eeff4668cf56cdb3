/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_aggregate: see mod_lpprofile_aggregate.h. This file opens the
 * spool at the start, counts and records; mod_lpprofile_aggregate_stop.c makes
 * the sum.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ap_mpm.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>

#include "saved/lpp_aggregate.h"
#include "base/lpp_log_tags.h"
#include "server/mod_lpprofile_aggregate_internal.h"
#include "server/mod_lpprofile_config.h"

APLOG_USE_MODULE(lpprofile);

#define RETAINED_KEY "lpprofile-aggregate-" LPP_VERSION

/* Of this generation; its children inherit it. */
static lpp_aggregate_kept_t *kept;

int lpp_aggregate_on(void)
{
    static int on = -1;

    if (on < 0) {
        const char *path = getenv(LPP_AGGREGATE_ENV);

        on = path && *path;
    }
    return on;
}

void lpp_aggregate_count_begin(void)
{
    if (kept) {
        atomic_fetch_add(&kept->shared->begun, 1);
    }
}

void lpp_aggregate_count_skip(lpp_aggregate_skip_e why)
{
    if (kept) {
        atomic_fetch_add(&kept->shared->skipped[why], 1);
    }
}

void lpp_aggregate_record(const lpp_view_t *view, const request_rec *r,
                          apr_pool_t *scratch)
{
    lpp_pstats_t *pstats;
    apr_status_t rv;

    if (!kept) {
        return;
    }
    rv = lpp_pstats_create(&pstats, view, scratch);
    if (rv == APR_SUCCESS) {
        rv = lpp_aggregate_append(kept->spool, pstats, scratch);
    }
    if (rv != APR_SUCCESS) {
        lpp_aggregate_count_skip(LPP_AGGREGATE_UNWRITTEN);
        if (atomic_load(&kept->shared->skipped[LPP_AGGREGATE_UNWRITTEN])
            == 1) {
            ap_log_cserror(APLOG_MARK, APLOG_WARNING, rv, r->connection,
                           r->server, LPP_TAG_AGGREGATE_UNWRITTEN ": "
                           LPP_AGGREGATE_ENV ": a request could not be "
                           "added; further ones are only counted");
        }
        return;
    }
    atomic_fetch_add(&kept->shared->recorded, 1);
    if (view->statistics.cut_short) {
        atomic_fetch_add(&kept->shared->cut_short, 1);
    }
    ap_log_cserror(APLOG_MARK, APLOG_DEBUG, 0, r->connection, r->server,
                   LPP_TAG_AGGREGATE_RECORDED ": added to the sum: %s, "
                   "%" APR_UINT64_T_FMT " us", view->about.page_id,
                   view->total.wall_us);
}

/* Open a file without a name, so that none is left behind in any case. */
static int open_spool(int directory, apr_pool_t *pool)
{
    int fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_APPEND | O_CLOEXEC,
                    0600);
    const char *name;

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR
                   || errno == EINVAL)) {
        name = apr_psprintf(pool, ".lpprofile-spool.%" APR_PID_T_FMT,
                            getpid());
        fd = openat(directory, name, O_CREAT | O_EXCL | O_RDWR | O_APPEND
                    | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0) {
            unlinkat(directory, name, 0);
        }
    }
    return fd;
}

/* Split the path; relative ones begin at ServerRoot. */
static apr_status_t name_target(lpp_aggregate_kept_t *made,
                                const char **directory, apr_pool_t *pool)
{
    const char *slash;

    made->target = ap_server_root_relative(pool, getenv(LPP_AGGREGATE_ENV));
    if (!made->target) {
        return APR_EBADPATH;
    }
    slash = strrchr(made->target, '/');
    if (!slash || !slash[1]) {
        return APR_EBADPATH;
    }
    made->name = slash + 1;
    made->temporary = apr_psprintf(pool, ".%s.%" APR_PID_T_FMT ".tmp",
                                   made->name, getpid());
    *directory = slash == made->target
        ? "/" : apr_pstrmemdup(pool, made->target,
                               (apr_size_t)(slash - made->target));
    return APR_SUCCESS;
}

/* Under httpd -X the process is no longer root when it stops, and may not
 * replace a file of root in a sticky directory: so the file is removed at the
 * start. */
static void remove_old_target(const lpp_aggregate_kept_t *made)
{
    if (ap_exists_config_define("ONE_PROCESS") && geteuid() == 0) {
        unlinkat(made->directory, made->name, 0);
    }
}

static apr_status_t open_all(lpp_aggregate_kept_t *made, apr_pool_t *pool)
{
    const char *directory;
    struct stat target;
    apr_status_t rv = name_target(made, &directory, pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    made->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (made->directory < 0) {
        return errno;
    }
    made->spool = open_spool(made->directory, pool);
    if (made->spool < 0) {
        rv = errno;
        close(made->directory);
        return rv;
    }
    if (fstatat(made->directory, made->name, &target, AT_SYMLINK_NOFOLLOW)
            == 0 && S_ISDIR(target.st_mode)) {
        rv = EISDIR;
    }
    made->shared = mmap(NULL, sizeof(*made->shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rv != APR_SUCCESS || made->shared == MAP_FAILED) {
        rv = rv != APR_SUCCESS ? rv : errno;
        close(made->spool);
        close(made->directory);
        return rv;
    }
    remove_old_target(made);
    made->open = 1;
    return APR_SUCCESS;
}

/* The module is unloaded: remove its cleanup from the process pool. */
static apr_status_t forget(void *pool)
{
    apr_pool_cleanup_kill(pool, kept, lpp_aggregate_finish);
    kept = NULL;
    return APR_SUCCESS;
}

/*
 * The spool and its counts belong to the server; the cleanup that makes the sum
 * belongs to this load of the module, so a restart removes it and registers it
 * again. It is a pre-cleanup, because the process pool unloads the module
 * before its ordinary cleanups run.
 */
static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    apr_pool_t *pool = s->process->pool;
    lpp_aggregate_kept_t *found;
    apr_status_t rv = APR_SUCCESS;

    if (!lpp_aggregate_on()
        || ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    found = ap_retained_data_get(RETAINED_KEY);
    if (!found) {
        found = ap_retained_data_create(RETAINED_KEY, sizeof(*found));
    }
    if (!found->open) {
        rv = open_all(found, pool);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, LPP_TAG_AGGREGATE_OPEN
                     ": " LPP_AGGREGATE_ENV "=%s: cannot be written",
                     getenv(LPP_AGGREGATE_ENV));
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    found->parent = getpid();
    kept = found;
    apr_pool_pre_cleanup_register(pool, kept, lpp_aggregate_finish);
    apr_pool_cleanup_register(pconf, pool, forget, apr_pool_cleanup_null);
    return OK;
}

/* Under httpd -X the only process ends as a child does. */
static void child_init(apr_pool_t *pchild, server_rec *s)
{
    if (kept && kept->parent == getpid()) {
        apr_pool_pre_cleanup_register(pchild, kept, lpp_aggregate_finish);
    }
}

void lpp_aggregate_register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    /* LAST, so that its cleanup runs before those of other folders. */
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_LAST);
}
