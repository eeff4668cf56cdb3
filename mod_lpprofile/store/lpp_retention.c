/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention: when a retention pass is due, and which process makes it.
 *
 * The process that makes a pass locks a file in each directory of profiles; the
 * kernel unlocks it when the process ends. The file's time is that of the last
 * pass: a process whose last profile was complete by then does not make one.
 * All calls are relative to descriptors of directories, and unlink follows no
 * link.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "base/lpp_clock.h"
#include "store/lpp_retention.h"
#include "store/lpp_retention_scan_internal.h"
#include "store/lpp_store.h"
#include "store/lpp_store_dir_internal.h"

#define LOCK_NAME ".lpp-keep"
/* The least time between two passes, of any processes. */
#define INTERVAL_US apr_time_from_sec(2)
#define SWEEP_EVERY_US apr_time_from_sec(600)
/* A pass is due soon if this process has written 1/WRITERS of what was free: so
 * many processes may write as much without information about each other. With
 * more processes, the pass may be up to a minute late. */
#define WRITERS 16

struct lpp_retention_t {
    lpp_retention_rule_t rule;
    apr_array_header_t *profile_dirs; /* const char *, absolute */
    apr_array_header_t *oops_dirs;
    apr_pool_t *pool;

    pthread_mutex_t lock;   /* guards the following */
    apr_time_t due_us;      /* monotonic; 0: not before something is written */
    apr_time_t written; /* wall clock of the last lpp_retention_wrote, or of a
                               pass of this process that left something */
    apr_int64_t more_count; /* written since the last pass */
    apr_int64_t more_bytes;
    int known;              /* this process has made a pass: */
    apr_int64_t room_count; /* what was free within the rule then */
    apr_int64_t room_bytes;
    apr_time_t oldest; /* and the oldest profile then, or 0 */
    apr_time_t stalled_us; /* monotonic: no pass is due before, since the last
                              ones removed nothing; 0: no such wait */

    /* used only by the thread that makes passes */
    apr_time_t swept_us;
    apr_interval_time_t stall_us; /* the wait after the last pass, if that
                                     removed nothing; else 0 */
    lpp_retention_memory_t memory;
};

static apr_status_t destroy_lock(void *baton)
{
    lpp_retention_t *retention = baton;

    pthread_mutex_destroy(&retention->lock);
    lpp_retention_remember(&retention->memory, NULL);
    return APR_SUCCESS;
}

apr_status_t lpp_retention_create(lpp_retention_t **retention,
                                  const lpp_retention_rule_t *rule,
                                  apr_pool_t *pool)
{
    lpp_retention_t *made = apr_pcalloc(pool, sizeof(*made));
    int rc;

    *retention = NULL;
    if (!made) {
        return APR_ENOMEM;
    }
    rc = pthread_mutex_init(&made->lock, NULL);
    if (rc != 0) {
        return rc;
    }
    apr_pool_cleanup_register(pool, made, destroy_lock, apr_pool_cleanup_null);
    made->rule = *rule;
    made->profile_dirs = apr_array_make(pool, 1, sizeof(const char *));
    made->oops_dirs = apr_array_make(pool, 1, sizeof(const char *));
    made->pool = pool;
    *retention = made;
    return APR_SUCCESS;
}

/* Where memory is short the directory is not added: nothing is removed
 * there. */
static void add_dir(apr_array_header_t *dirs, const char *path)
{
    const char *copy;
    int i;

    for (i = 0; i < dirs->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(dirs, i, const char *), path) == 0) {
            return;
        }
    }
    copy = apr_pstrdup(dirs->pool, path);
    if (copy) {
        APR_ARRAY_PUSH(dirs, const char *) = copy;
    }
}

void lpp_retention_add_profiles(lpp_retention_t *retention, const char *path)
{
    add_dir(retention->profile_dirs, path);
}

void lpp_retention_add_oopses(lpp_retention_t *retention, const char *path)
{
    add_dir(retention->oops_dirs, path);
}

/* Whether a limit may have been reached since the last pass. */
static int is_near(const lpp_retention_t *retention, apr_time_t now)
{
    return !retention->known
           || retention->more_count >= retention->room_count / WRITERS
           || retention->more_bytes >= retention->room_bytes / WRITERS
           || (retention->oldest
               && retention->oldest + retention->rule.age_us <= now);
}

apr_interval_time_t lpp_retention_wrote(lpp_retention_t *retention,
                                        apr_off_t bytes)
{
    apr_time_t now = apr_time_now(), clock = lpp_monotonic_us(), due;
    apr_interval_time_t delay;

    pthread_mutex_lock(&retention->lock);
    retention->more_count++;
    retention->more_bytes += bytes;
    retention->written = now;
    due = clock
          + (is_near(retention, now) ? LPP_RETENTION_SOON_US
                                : LPP_RETENTION_LATER_US);
    due = due > retention->stalled_us ? due : retention->stalled_us;
    if (retention->due_us == 0 || due < retention->due_us) {
        retention->due_us = due;
    }
    delay = retention->due_us > clock ? retention->due_us - clock : 0;
    pthread_mutex_unlock(&retention->lock);
    return delay;
}

/* 1 when a pass is due; else result->again_us says when one will be. */
static int begin_pass(lpp_retention_t *retention,
                      lpp_retention_result_t *result, apr_time_t *written)
{
    apr_time_t clock = lpp_monotonic_us();
    int due;

    pthread_mutex_lock(&retention->lock);
    due = retention->due_us != 0 && retention->due_us <= clock;
    if (!due && retention->due_us != 0) {
        result->again_us = retention->due_us - clock;
    }
    *written = retention->written;
    pthread_mutex_unlock(&retention->lock);
    return due;
}

/* Set when the next pass is due. A profile written during this pass makes one
 * due soon, unless result->again_us is set. */
static void end_pass(lpp_retention_t *retention, lpp_retention_result_t *result,
                     apr_time_t written, const lpp_retention_pass_t *pass)
{
    apr_time_t clock = lpp_monotonic_us(), due;

    pthread_mutex_lock(&retention->lock);
    if (retention->written > written && !result->again_us) {
        result->again_us = LPP_RETENTION_SOON_US;
    }
    due = result->again_us ? clock + result->again_us : 0;
    retention->due_us = due;
    if (pass) {
        /* Otherwise the time stamp of this pass would look like a later
         * pass. */
        if ((pass->pending || pass->cut || pass->scan.cut)
            && pass->now > retention->written) {
            retention->written = pass->now;
        }
        retention->known = 1;
        retention->more_count = retention->more_bytes = 0;
        retention->room_count =
            retention->rule.count - (apr_int64_t)result->profiles;
        retention->room_bytes =
            retention->rule.bytes - (apr_int64_t)result->bytes;
        retention->oldest = pass->oldest;
        retention->stalled_us =
            retention->stall_us ? clock + retention->stall_us : 0;
    }
    pthread_mutex_unlock(&retention->lock);
}

static apr_status_t close_fd(void *baton)
{
    close(*(int *)baton);
    return APR_SUCCESS;
}

static apr_time_t time_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
               ? apr_time_from_sec(st.st_mtim.tv_sec)
                     + st.st_mtim.tv_nsec / 1000
               : 0;
}

/* Whether the lock file is one that this module made, and not another user's
 * file, or a hard link to a file in use elsewhere. */
static int is_own_lock(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && S_ISREG(st->st_mode) && st->st_nlink == 1
           && st->st_uid == geteuid();
}

/* Lock one directory until pass->pool is destroyed; *fd is the lock file.
 * APR_EAGAIN: another process has locked it; APR_EINVAL: the file is not one of
 * this module. */
static apr_status_t lock_dir(lpp_retention_pass_t *pass, lpp_store_t *store,
                             int *fd)
{
    apr_time_t previous;
    struct stat st;

    *fd = openat(store->fd, LOCK_NAME,
                 O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return errno;
    }
    apr_pool_cleanup_register(pass->pool, fd, close_fd, apr_pool_cleanup_null);
    if (!is_own_lock(*fd, &st)) {
        return APR_EINVAL;
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? APR_EAGAIN : errno;
    }
    /* An empty file is new: its time is that of its creation, not of a pass. */
    previous = st.st_size > 0 ? time_of(*fd) : 0;
    if (previous < pass->previous) {
        pass->previous = previous;
    }
    return APR_SUCCESS;
}

/* Set the lock file's time to now. Reading it back gives the present time by
 * the file system's clock. */
static void stamp(lpp_retention_pass_t *pass, int fd)
{
    if (pwrite(fd, "\n", 1, 0) == 1 && futimens(fd, NULL) == 0
        && time_of(fd) > 0) {
        pass->now = time_of(fd);
    }
}

/* Whether another process made a pass after all that this process wrote was
 * complete. A time in the future comes from a wrong clock and does not
 * count. */
static int is_done_by_other(const lpp_retention_pass_t *pass,
                            apr_time_t written)
{
    return pass->previous > written + LPP_RETENTION_YOUNG_US
           && pass->previous <= apr_time_now();
}

static int is_too_early(const lpp_retention_pass_t *pass)
{
    apr_time_t now = apr_time_now();

    return pass->previous <= now && now - pass->previous < INTERVAL_US;
}

static void sweep_parts(const lpp_retention_pass_t *pass)
{
    int i;

    for (i = 0; i < pass->scan.parts->nelts; i++) {
        const lpp_retention_part_t *part =
            &APR_ARRAY_IDX(pass->scan.parts, i, lpp_retention_part_t);

        lpp_store_sweep(part->store, part->name);
    }
}

/* Lock and read the directories of profiles. */
static apr_status_t enter_profiles(lpp_retention_t *retention,
                                   lpp_retention_pass_t *pass,
                                   apr_time_t written)
{
    const apr_array_header_t *dirs = retention->profile_dirs;
    lpp_store_t **stores =
        apr_palloc(pass->pool, sizeof(*stores) * (apr_size_t)dirs->nelts);
    int *locks =
        apr_palloc(pass->pool, sizeof(*locks) * (apr_size_t)dirs->nelts);
    apr_status_t rv = stores && locks ? APR_SUCCESS : APR_ENOMEM;
    int i;

    for (i = 0; i < dirs->nelts && rv == APR_SUCCESS; i++) {
        rv = lpp_store_open(&stores[i], APR_ARRAY_IDX(dirs, i, const char *),
                            pass->pool);
        if (rv == APR_SUCCESS) {
            rv = lock_dir(pass, stores[i], &locks[i]);
        }
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (is_done_by_other(pass, written)) {
        return APR_EBUSY;
    }
    if (is_too_early(pass)) {
        return APR_EAGAIN;
    }
    for (i = 0; i < dirs->nelts && rv == APR_SUCCESS; i++) {
        stamp(pass, locks[i]);
        if (pass->sweep) {
            lpp_store_sweep(stores[i], NULL);
        }
        rv = lpp_retention_scan_profiles(&pass->scan, stores[i]);
    }
    return rv;
}

/* An OOPS directory that does not exist yet is empty. */
static apr_status_t enter_oopses(const lpp_retention_t *retention,
                                 lpp_retention_pass_t *pass)
{
    const apr_array_header_t *dirs = retention->oops_dirs;
    apr_status_t rv = APR_SUCCESS;
    lpp_store_t *store;
    int i;

    for (i = 0; i < dirs->nelts && rv == APR_SUCCESS; i++) {
        rv = lpp_store_open(&store, APR_ARRAY_IDX(dirs, i, const char *),
                            pass->pool);
        if (rv == APR_SUCCESS) {
            rv = lpp_retention_scan_oopses(&pass->scan, store);
        }
        else if (APR_STATUS_IS_ENOENT(rv)) {
            rv = APR_SUCCESS;
        }
    }
    return rv;
}

/* The time until the next pass; 0: when something was written. After a pass
 * that left work undone, removed nothing and read nothing new, the wait
 * doubles. */
static apr_interval_time_t next_pass(lpp_retention_t *retention,
                                     const lpp_retention_pass_t *pass)
{
    int cut = pass->cut || pass->scan.cut;

    if (cut && !pass->result->removed_files && !pass->reads) {
        retention->stall_us = retention->stall_us ? 2 * retention->stall_us
                                        : 2 * INTERVAL_US;
        if (retention->stall_us > LPP_RETENTION_STALLED_US) {
            retention->stall_us = LPP_RETENTION_STALLED_US;
        }
        return retention->stall_us;
    }
    retention->stall_us = 0;
    return cut ? INTERVAL_US : pass->pending ? LPP_RETENTION_SOON_US : 0;
}

static apr_status_t run_pass(lpp_retention_t *retention,
                             lpp_retention_pass_t *pass, apr_time_t written)
{
    lpp_retention_result_t *result = pass->result;
    apr_time_t clock = lpp_monotonic_us();
    apr_status_t rv;

    pass->now = apr_time_now();
    pass->sweep =
        !retention->swept_us || clock - retention->swept_us > SWEEP_EVERY_US;
    lpp_retention_scan_init(&pass->scan, pass->pool);
    rv = enter_profiles(retention, pass, written);
    if (rv == APR_SUCCESS) {
        rv = enter_oopses(retention, pass);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (pass->sweep) {
        retention->swept_us = clock;
        sweep_parts(pass);
    }
    lpp_retention_scan_group(&pass->scan, pass->now);
    lpp_retention_recall(&retention->memory, &pass->scan);
    pass->reads_max = LPP_RETENTION_READS_MAX;
    lpp_retention_choose(pass);
    pass->reads_max += LPP_RETENTION_REMOVE_MAX;
    lpp_retention_remove(pass);
    lpp_retention_remove_empty(pass);
    lpp_retention_remember(&retention->memory, &pass->scan);
    result->ran = 1;
    result->again_us = next_pass(retention, pass);
    return APR_SUCCESS;
}

apr_status_t lpp_retention_pass(lpp_retention_t *retention,
                                lpp_retention_result_t *result,
                                apr_pool_t *scratch)
{
    apr_time_t written;
    apr_status_t rv;
    lpp_retention_pass_t pass;

    memset(result, 0, sizeof(*result));
    if (!begin_pass(retention, result, &written)) {
        return APR_SUCCESS;
    }
    memset(&pass, 0, sizeof(pass));
    pass.rule = &retention->rule;
    pass.previous = APR_INT64_MAX;
    pass.result = result;
    rv = apr_pool_create(&pass.pool, scratch);
    if (rv == APR_SUCCESS) {
        rv = apr_pool_create(&pass.scratch, pass.pool);
        if (rv == APR_SUCCESS) {
            rv = run_pass(retention, &pass, written);
        }
        apr_pool_destroy(pass.pool); /* unlocks the directories */
    }
    if (rv == APR_SUCCESS) {
        end_pass(retention, result, written, &pass);
        return APR_SUCCESS;
    }
    memset(result, 0, sizeof(*result));
    if (APR_STATUS_IS_EBUSY(rv)) {
        end_pass(retention, result, written,
                 NULL); /* another process made it */
        return APR_SUCCESS;
    }
    result->again_us =
        APR_STATUS_IS_EAGAIN(rv) ? INTERVAL_US : LPP_RETENTION_LATER_US;
    end_pass(retention, result, written, NULL);
    return APR_STATUS_IS_EAGAIN(rv) ? APR_SUCCESS : rv;
}
