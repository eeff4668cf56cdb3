/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store_read: lists the files of a store, opens one, and removes temporary
 * files of writers that died. Ignores names that this module would not make;
 * follows no link.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_portable.h>

#include "store/lpp_store.h"
#include "store/lpp_store_dir_internal.h"

/* Whether name is that of a temporary file of this module. */
static int is_temp(const char *name)
{
    apr_size_t len = strlen(name), prefix = strlen(LPP_STORE_TEMP_PREFIX);
    apr_size_t suffix = strlen(LPP_STORE_TEMP_SUFFIX);

    return len > prefix + suffix
           && strncmp(name, LPP_STORE_TEMP_PREFIX, prefix) == 0
           && strcmp(name + len - suffix, LPP_STORE_TEMP_SUFFIX) == 0
           && strspn(name + prefix, "0123456789abcdef-")
                  == len - prefix - suffix;
}

apr_status_t lpp_store_read_dir(lpp_store_t *store, const char *subdirectory,
                                DIR **dir)
{
    int fd;
    apr_status_t rv = lpp_store_open_part(store, subdirectory, 0, &fd);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    *dir = fdopendir(fd);
    if (!*dir) {
        rv = errno;
        close(fd);
    }
    return rv;
}

/* The clock of a file system advances every few milliseconds; where it shows
 * the same time, the time in the stem decides. */
static int compare_newest_first(const void *left, const void *right)
{
    const lpp_store_entry_t *a = left, *b = right;

    if (a->mtime != b->mtime) {
        return a->mtime < b->mtime ? 1 : -1;
    }
    return strcmp(b->stem, a->stem);
}

int lpp_store_stat(DIR *dir, const char *name, apr_off_t *bytes,
                   apr_time_t *mtime)
{
    struct stat st;

    if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0
        || !S_ISREG(st.st_mode)) {
        return 0;
    }
    *bytes = st.st_size;
    *mtime = apr_time_from_sec(st.st_mtim.tv_sec) + st.st_mtim.tv_nsec / 1000;
    return 1;
}

static apr_status_t close_apr_file(void *baton)
{
    return apr_file_close(baton);
}

apr_status_t lpp_store_list(lpp_store_t *store, const char *id, int max,
                            apr_array_header_t **entries, apr_pool_t *pool)
{
    apr_array_header_t *found;
    struct dirent *item;
    DIR *dir;
    apr_status_t rv;

    *entries = NULL;
    rv = lpp_store_read_dir(store, NULL, &dir);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    found = apr_array_make(pool, 16, sizeof(lpp_store_entry_t));
    while ((item = readdir(dir)) != NULL) {
        lpp_store_entry_t entry;

        /* The fast test first, since parsing allocates memory of the pool. */
        if ((!id || strstr(item->d_name, id))
            && lpp_store_parse_name(item->d_name, &entry, pool)
            && (!id || strcmp(entry.id, id) == 0)
            && lpp_store_stat(dir, entry.name, &entry.bytes, &entry.mtime)) {
            APR_ARRAY_PUSH(found, lpp_store_entry_t) = entry;
        }
    }
    closedir(dir);
    qsort(found->elts, (size_t)found->nelts, sizeof(lpp_store_entry_t),
          compare_newest_first);
    if (max > 0 && found->nelts > max) {
        found->nelts = max;
    }
    *entries = found;
    return APR_SUCCESS;
}

apr_status_t lpp_store_open_file(lpp_store_t *store, const char *subdirectory,
                                 const char *name, apr_file_t **file,
                                 apr_pool_t *pool)
{
    apr_os_file_t fd = -1;
    struct stat st;
    int dir_fd;
    apr_status_t rv;

    *file = NULL;
    if (!lpp_store_is_name(name)) {
        return APR_EINVAL;
    }
    rv = lpp_store_open_part(store, subdirectory, 0, &dir_fd);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* O_NONBLOCK: opening a fifo put in place of the file must not block. */
    fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    rv = fd < 0 ? errno : APR_SUCCESS;
    close(dir_fd);
    if (rv == APR_SUCCESS && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        rv = APR_ENOENT;
    }
    if (rv == APR_SUCCESS) {
        rv = apr_os_file_put(file, &fd, APR_FOPEN_READ, pool);
    }
    if (rv != APR_SUCCESS) {
        if (fd >= 0) {
            close(fd);
        }
        return rv;
    }
    apr_pool_cleanup_register(pool, *file, close_apr_file,
                              apr_pool_cleanup_null);
    return APR_SUCCESS;
}

int lpp_store_sweep(lpp_store_t *store, const char *subdirectory)
{
    apr_time_t now = apr_time_now();
    struct dirent *item;
    int removed = 0;
    DIR *dir;

    if (lpp_store_read_dir(store, subdirectory, &dir) != APR_SUCCESS) {
        return 0;
    }
    while ((item = readdir(dir)) != NULL) {
        apr_off_t bytes;
        apr_time_t mtime;

        /* A time far in the future comes from a clock that was set back
         * since. */
        if (is_temp(item->d_name)
            && lpp_store_stat(dir, item->d_name, &bytes, &mtime)
            && llabs(now - mtime) > apr_time_from_sec(LPP_STORE_STALE_S)
            && unlinkat(dirfd(dir), item->d_name, 0) == 0) {
            removed++;
        }
    }
    closedir(dir);
    return removed;
}
