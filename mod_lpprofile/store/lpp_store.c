/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store: opens a directory, and writes files in it.
 *
 * Owns the descriptor of the directory, and of a file that is being written.
 * All calls are relative to descriptors, so that renaming or replacing a
 * directory above has no effect. Never overwrites a file, never follows a link,
 * never logs.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_strings.h>

#include "store/lpp_store.h"
#include "store/lpp_store_dir_internal.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

#define BUFFER_BYTES 32768
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct lpp_store_file_t {
    int dir_fd;          /* own; -1 once finished or aborted */
    int fd;              /* of the temporary file, or -1 */
    const char *temp;    /* its name, or NULL where there is none to remove */
    const char *name;    /* final name */
    char *buffer;        /* BUFFER_BYTES */
    apr_size_t used;     /* of buffer */
    apr_off_t bytes;     /* written so far, buffered ones included */
    apr_status_t status; /* first error, sticky */
    lpp_sink_t sink;
    apr_pool_t *pool;
};

static apr_status_t close_store(void *baton)
{
    lpp_store_t *store = baton;

    close(store->fd);
    store->fd = -1;
    return APR_SUCCESS;
}

/* Open directory name in directory at; if make is set, create it first if it is
 * missing. Returns -1 and sets errno on failure. */
static int open_dir_at(int at, const char *name, int make)
{
    int fd = openat(at, name, DIR_FLAGS);

    if (fd < 0 && errno == ENOENT && make) {
        /* EEXIST: another child was faster. */
        if (mkdirat(at, name, 0700) == 0 || errno == EEXIST) {
            fd = openat(at, name, DIR_FLAGS);
        }
    }
    return fd;
}

apr_status_t lpp_store_open_part(lpp_store_t *store, const char *subdirectory,
                                 int make, int *fd)
{
    if (subdirectory && !lpp_store_is_name(subdirectory)) {
        return APR_EINVAL;
    }
    *fd = open_dir_at(store->fd, subdirectory ? subdirectory : ".",
                      make && subdirectory);
    return *fd < 0 ? errno : APR_SUCCESS;
}

/* Whether less than 5 % of the file system is free for unprivileged users. 0
 * for file systems that do not count blocks. */
static int is_nearly_full(int dir_fd)
{
    struct statvfs fs;

    return fstatvfs(dir_fd, &fs) == 0 && fs.f_blocks > 0
           && (apr_uint64_t)fs.f_bavail * 20 < (apr_uint64_t)fs.f_blocks;
}

static void close_file(lpp_store_file_t *file)
{
    if (file->fd >= 0) {
        close(file->fd);
        file->fd = -1;
    }
    if (file->dir_fd >= 0) {
        if (file->temp) {
            unlinkat(file->dir_fd, file->temp, 0);
            file->temp = NULL;
        }
        close(file->dir_fd);
        file->dir_fd = -1;
    }
}

static apr_status_t abort_file(void *baton)
{
    close_file(baton);
    return APR_SUCCESS;
}

static apr_status_t write_out(lpp_store_file_t *file, const char *data,
                              apr_size_t len)
{
    while (len > 0 && file->status == APR_SUCCESS) {
        ssize_t done = write(file->fd, data, len);

        if (done >= 0) {
            data += done;
            len -= (apr_size_t)done;
        }
        else if (errno != EINTR) {
            file->status = errno;
        }
    }
    return file->status;
}

static apr_status_t flush(lpp_store_file_t *file)
{
    apr_size_t used = file->used;

    file->used = 0;
    return write_out(file, file->buffer, used);
}

static apr_status_t write_to_file(void *baton, const char *data,
                                  apr_size_t len)
{
    lpp_store_file_t *file = baton;

    if (file->status == APR_SUCCESS && file->fd < 0) {
        file->status = APR_EBADF;
    }
    if (file->status == APR_SUCCESS
        && len > LPP_FILE_MAX_BYTES - (apr_size_t)file->bytes) {
        file->status = APR_ENOSPC;
    }
    if (file->status != APR_SUCCESS) {
        return file->status;
    }
    file->bytes += (apr_off_t)len;
    if (len > BUFFER_BYTES - file->used && flush(file) != APR_SUCCESS) {
        return file->status;
    }
    if (len >= BUFFER_BYTES) {
        return write_out(file, data, len);
    }
    memcpy(file->buffer + file->used, data, len);
    file->used += len;
    return APR_SUCCESS;
}

/* Create the temporary file. Its random part is the hex of a new id, so if the
 * name exists already, somebody is attacking or the random source is broken:
 * there is no second try. */
static apr_status_t create_temp(lpp_store_file_t *file)
{
    char id[LPP_OOPS_ID_LEN + 1];
    const char *temp;
    apr_status_t rv = lpp_store_new_id(id);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    temp = apr_psprintf(file->pool,
                        LPP_STORE_TEMP_PREFIX "%ld-%s" LPP_STORE_TEMP_SUFFIX,
                        (long)getpid(), id + 5);
    if (!temp) {
        return APR_ENOMEM;
    }
    file->fd =
        openat(file->dir_fd, temp,
               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        return errno;
    }
    file->temp = temp;
    /* The umask may have removed bits that readers in this module need. */
    return fchmod(file->fd, 0600) == 0 ? APR_SUCCESS : errno;
}

/* Rename the file to its final name, unless that exists. */
static apr_status_t publish(lpp_store_file_t *file)
{
    if (syscall(SYS_renameat2, file->dir_fd, file->temp, file->dir_fd,
                file->name, RENAME_NOREPLACE)
        == 0) {
        file->temp = NULL;
        return APR_SUCCESS;
    }
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) {
        return errno;
    }
    /* The file system does not have that flag (NFS): a hard link fails, too, if
     * the name exists. Closing the file then removes the temporary name. */
    return linkat(file->dir_fd, file->temp, file->dir_fd, file->name, 0) == 0
               ? APR_SUCCESS
               : errno;
}

apr_status_t lpp_store_open(lpp_store_t **store, const char *path,
                            apr_pool_t *pool)
{
    lpp_store_t *made;
    int fd;

    *store = NULL;
    /* Root must not create a directory in one that others may write to. */
    fd = open_dir_at(AT_FDCWD, path, geteuid() != 0);
    if (fd < 0) {
        return errno;
    }
    made = apr_pcalloc(pool, sizeof(*made));
    if (!made) {
        close(fd);
        return APR_ENOMEM;
    }
    made->fd = fd;
    apr_pool_cleanup_register(pool, made, close_store, apr_pool_cleanup_null);
    *store = made;
    return APR_SUCCESS;
}

apr_status_t lpp_store_begin(lpp_store_t *store, const char *subdirectory,
                             const char *name, lpp_store_file_t **file,
                             apr_pool_t *pool)
{
    lpp_store_file_t *made;
    apr_status_t rv;

    *file = NULL;
    if (!lpp_store_is_name(name)) {
        return APR_EINVAL;
    }
    made = apr_pcalloc(pool, sizeof(*made));
    if (!made || !(made->buffer = apr_palloc(pool, BUFFER_BYTES))
        || !(made->name = apr_pstrdup(pool, name))) {
        return APR_ENOMEM;
    }
    made->fd = made->dir_fd = -1;
    made->pool = pool;
    made->sink.write = write_to_file;
    made->sink.baton = made;
    rv = lpp_store_open_part(store, subdirectory, 1, &made->dir_fd);
    if (rv == APR_SUCCESS && is_nearly_full(made->dir_fd)) {
        rv = APR_ENOSPC;
    }
    if (rv == APR_SUCCESS) {
        rv = create_temp(made);
    }
    if (rv != APR_SUCCESS) {
        close_file(made);
        return rv;
    }
    apr_pool_cleanup_register(pool, made, abort_file, apr_pool_cleanup_null);
    *file = made;
    return APR_SUCCESS;
}

const lpp_sink_t *lpp_store_sink(lpp_store_file_t *file)
{
    return &file->sink;
}

apr_status_t lpp_store_finish(lpp_store_file_t *file, apr_off_t *bytes)
{
    int fd = file->fd;

    if (file->status == APR_SUCCESS && fd < 0) {
        file->status = APR_EBADF;
    }
    if (file->status == APR_SUCCESS && flush(file) == APR_SUCCESS) {
        /* a network file system may report a full disk only here */
        file->fd = -1;
        if (close(fd) != 0) {
            file->status = errno;
        }
    }
    if (file->status == APR_SUCCESS) {
        file->status = publish(file);
    }
    if (file->status == APR_SUCCESS && bytes) {
        *bytes = file->bytes;
    }
    apr_pool_cleanup_run(file->pool, file, abort_file);
    return file->status;
}

void lpp_store_abort(lpp_store_file_t *file)
{
    apr_pool_cleanup_run(file->pool, file, abort_file);
}
