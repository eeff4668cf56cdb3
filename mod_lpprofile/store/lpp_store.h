/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store: files in a directory that other users may try to manipulate.
 *
 * All calls are relative to a descriptor of the directory. A file is written
 * under a temporary name (.lpp-<pid>-<random>.tmp; O_EXCL, O_NOFOLLOW, 0600),
 * which all readers ignore, and renamed when complete; it is removed if
 * anything fails. Only this module makes the names, so that no part of a URL
 * becomes a path.
 */
#ifndef LPP_STORE_H
#define LPP_STORE_H

#include <apr_file_io.h>
#include <apr_tables.h>
#include <apr_user.h>

#include "base/lpp_buf.h"
#include "base/lpp_formats.h"

typedef struct lpp_store_t lpp_store_t;
typedef struct lpp_store_file_t lpp_store_file_t;

/*
 * Create or check a directory at start, before privileges are dropped. Missing
 * ancestors are created with 0711 as root (User must pass through them), else
 * 0700; the last component with 0700, and owned by uid and gid if the process
 * is root. The owner of an existing directory is never changed.
 *
 * Refuses (APR_EACCES) a directory that uid could not write to (tried in a
 * forked process that became uid), one whose last component is a symbolic link,
 * and, as root, one with an ancestor that uid may write to. A sticky ancestor
 * is allowed. So is one below a directory that was prepared before with the
 * same pool (LPOopsDir in LPProfileDir): what is missing there is created with
 * uid's rights, not with root's.
 *
 * Refuses, too, if a user other than root and uid could put files there or
 * another directory in its place: a directory of another owner, with write
 * permission for others or for the group (with shared, the group is only a
 * *warning, since programs that read OOPSes may be in it); an ancestor that
 * others may write to and that has no sticky bit, or one of another owner. If
 * the group may be trustworthy, *warning gets a sentence, else NULL: for
 * ancestors that a group may write to, and for a directory of root and uid's
 * own group; if the process is not root, also for ancestors of other owners.
 * Each directory gives its warning once for each pool.
 *
 * path must be absolute (APR_EINVAL). On every failure *why gets a sentence
 * without the path. Sentences are static or in pool.
 * Signal-safe: no. Thread: parent at start.
 */
LPP_MUST_CHECK apr_status_t lpp_store_prepare(const char *path, apr_uid_t uid,
                                              apr_gid_t gid, int shared,
                                              const char **why,
                                              const char **warning,
                                              apr_pool_t *pool);

/*
 * Open a prepared directory, in pool, which closes the descriptor. A missing
 * last component is created (0700) unless the process is root.
 * Errors: those of open; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_open(lpp_store_t **store,
                                           const char *path, apr_pool_t *pool);

/*
 * The stem of the names of one profile's files, in pool:
 * <time>-<pageid>-<oopsid>-<thread>. Bytes of page_id outside [A-Za-z0-9._:+@-]
 * become "_", and at most LPP_PAGEID_MAX_BYTES of it are used. NULL: no memory.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_store_stem(apr_time_t start, const char *page_id,
                           const char *id, apr_uint32_t pid, apr_uint32_t tid,
                           apr_pool_t *pool);

/*
 * Parts of a stem, also used in the memory log; in pool: a time as local time
 * with milliseconds, and a page id as one word (NULL or "": "Unknown").
 * Signal-safe: no. Thread: any.
 */
const char *lpp_store_time(apr_time_t time, apr_pool_t *pool);
const char *lpp_store_word(const char *page_id, apr_pool_t *pool);

/* The file name for a stem and a format (LPP_FORMAT_SAVED, too), in pool. NULL:
 * no memory.
 * Signal-safe: no. Thread: any. */
const char *lpp_store_name(const char *stem, lpp_format_e format,
                           apr_pool_t *pool);

/*
 * Begin a file with the final name name (a single component of the allowed
 * bytes, else APR_EINVAL). subdirectory is NULL, or one component that is
 * created (0700) if it is missing: the date of an OOPS. Write the content to
 * the sink, which lives as long as the file; past LPP_FILE_MAX_BYTES it fails
 * with APR_ENOSPC.
 * Errors: APR_EINVAL; APR_ENOSPC: less than 5 % of the file system is free;
 * those of open; APR_ENOMEM.
 * Signal-safe: no. Thread: any, one at a time a file.
 */
LPP_MUST_CHECK apr_status_t lpp_store_begin(lpp_store_t *store,
                                            const char *subdirectory,
                                            const char *name,
                                            lpp_store_file_t **file,
                                            apr_pool_t *pool);
const lpp_sink_t *lpp_store_sink(lpp_store_file_t *file);

/*
 * finish flushes, closes and renames the file; the final name appears only with
 * the whole content. An existing file of that name is never overwritten
 * (APR_EEXIST). *bytes, if bytes is not NULL, gets the size. abort removes the
 * temporary file; a cleanup of the pool does so too if neither was called.
 * Errors of finish: the first one of the sink, of close, or of the rename.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_finish(lpp_store_file_t *file,
                                             apr_off_t *bytes);
void lpp_store_abort(lpp_store_file_t *file);

/*
 * Make a new OOPS id: "OOPS-" and 32 lower-case hex digits of the kernel's
 * random source; unique over hosts.
 * Errors: those of the random source.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_new_id(char id[LPP_OOPS_ID_LEN + 1]);

/* 1 if text (may be NULL) is an OOPS id: OOPS- in any case, hex digits in lower
 * case.
 * Signal-safe: yes. Thread: any. */
int lpp_store_is_id(const char *text);

/* One file that this module wrote, found in a store. */
typedef struct lpp_store_entry_t {
    const char *name;
    const char *stem; /* within name: begins with the request's time */
    const char *id;   /* its OOPS id */
    lpp_format_e format;
    apr_off_t bytes;
    apr_time_t mtime;
} lpp_store_entry_t;

/*
 * Read a file name into entry; id is in pool, bytes and mtime are set to 0.
 * Returns 1 if this module could have made the name; 0 if not, or if memory is
 * short: entry is then unchanged.
 * Signal-safe: no. Thread: any.
 */
int lpp_store_parse_name(const char *name, lpp_store_entry_t *entry,
                         apr_pool_t *pool);

/* 1 if name (not NULL) is one component that this module would create: allowed
 * bytes, no leading dot.
 * Signal-safe: yes. Thread: any. */
int lpp_store_is_name(const char *name);

/*
 * List the profile files, newest first, at most max (0: all): array of
 * lpp_store_entry_t in pool. Names that this module would not have made, and
 * anything that is not a regular file, are skipped. With id not NULL: only the
 * files of that profile.
 * Errors: those of opening the directory.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_list(lpp_store_t *store, const char *id,
                                           int max,
                                           apr_array_header_t **entries,
                                           apr_pool_t *pool);

/*
 * Open a regular file for reading; no symbolic link is followed. pool closes
 * it; read it or send it from that pool, do not set it aside.
 * Errors: APR_EINVAL: a name that lpp_store_begin would not allow; APR_ENOENT:
 * there is no such file; those of open; APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_open_file(lpp_store_t *store,
                                                const char *subdirectory,
                                                const char *name,
                                                apr_file_t **file,
                                                apr_pool_t *pool);

/*
 * Remove temporary files of writers that were killed: those whose names have
 * this module's pattern and that were not written to for LPP_STORE_STALE_S, or
 * whose time lies that far in the future. Decided by age and not by process id,
 * since hosts may share the directory. Called by retention, and by a child when
 * it opens its store; no request waits for it. Returns how many were removed.
 * Signal-safe: no. Thread: any.
 */
#define LPP_STORE_STALE_S 3600
int lpp_store_sweep(lpp_store_t *store, const char *subdirectory);

#endif
