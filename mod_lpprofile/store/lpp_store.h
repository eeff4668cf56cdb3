/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_store: files in a directory that other users may try to manipulate.
 *
 * Everything is done relative to a descriptor of the directory. A file is
 * written under a temporary name (.lpp-<pid>-<random>.tmp; O_EXCL, O_NOFOLLOW,
 * 0600), which every reader ignores, and renamed when complete; it is removed
 * when anything fails. Names are made here only, so that nothing of a URL
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
 * Make a directory at start, before privileges are dropped. Missing ancestors
 * are made with 0711 as root (User must pass through them), else 0700; the last
 * component with 0700, given to uid and gid where the process is root. What
 * exists is never given away. Refuses (APR_EACCES) one that uid could not write
 * to (tried in a forked process that became uid), one whose last component is a
 * symbolic link, and, as root, one with an ancestor that uid may write to. A
 * sticky ancestor is allowed; so is one below a directory that was prepared
 * with the same pool before (LPOopsDir in LPProfileDir): what is missing there
 * is made with uid's rights, not with root's.
 * Refuses, too, whatever lets somebody else than root and uid put files there
 * or another directory in its place: another owner, write permission for
 * others, for the group (shared: only *warning, since programs that read OOPSes
 * may be in it), of an ancestor without sticky bit for others, of one of
 * another owner. *warning gets a sentence, else NULL, where a group may be
 * trusted: group-writable ancestors, and what belongs to root and uid's own
 * group; without root, for ancestors of others.
 * Once a directory and pool.
 * path must be absolute (APR_EINVAL). *why gets a sentence without path on
 * every failure.
 * Signal-safe: no. Thread: parent at start.
 */
LPP_MUST_CHECK apr_status_t lpp_store_prepare(const char *path, apr_uid_t uid,
                                              apr_gid_t gid, int shared,
                                              const char **why,
                                              const char **warning,
                                              apr_pool_t *pool);

/*
 * Open a prepared directory; the descriptor closes with pool. A missing last
 * component is made (0700) unless the process is root.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_open(lpp_store_t **store,
                                           const char *path, apr_pool_t *pool);

/*
 * The stem of one profile's files: <time>-<pageid>-<oopsid>-<thread>, contract
 * section 5. Bytes outside [A-Za-z0-9._:+@-] of page_id become "_", at most
 * LPP_PAGEID_MAX_BYTES of it are kept. NULL: no memory.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_store_stem(apr_time_t start, const char *page_id,
                           const char *id, apr_uint32_t pid, apr_uint32_t tid,
                           apr_pool_t *pool);

/*
 * Its parts, which stand in the memory log too: a time as local time with
 * milliseconds, and a page id as one word (NULL or "": "Unknown").
 * Signal-safe: no. Thread: any.
 */
const char *lpp_store_time(apr_time_t time, apr_pool_t *pool);
const char *lpp_store_word(const char *page_id, apr_pool_t *pool);

/* File name of a stem in a format, LPP_FORMAT_SAVED too. NULL: no memory.
 * Signal-safe: no. Thread: any. */
const char *lpp_store_name(const char *stem, lpp_format_e format,
                           apr_pool_t *pool);

/*
 * Begin a file that will be called name (a single component of the allowed
 * bytes, else APR_EINVAL); subdirectory NULL, or one component that is made
 * (0700) when missing: the date of an OOPS. APR_ENOSPC where the file system
 * has under 5 % free. Bytes go to the sink, which stays with the file; past
 * LPP_FILE_MAX_BYTES it fails with APR_ENOSPC.
 * Signal-safe: no. Thread: any, one at a time a file.
 */
LPP_MUST_CHECK apr_status_t lpp_store_begin(lpp_store_t *store,
                                            const char *subdirectory,
                                            const char *name,
                                            lpp_store_file_t **file,
                                            apr_pool_t *pool);
const lpp_sink_t *lpp_store_sink(lpp_store_file_t *file);

/*
 * Finish it: flush, close, rename; the final name appears whole or never. An
 * existing file of that name is never overwritten (APR_EEXIST). abort removes
 * the temporary file; a cleanup of the pool does so too when neither was
 * called. *bytes, when not NULL, gets the size.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_finish(lpp_store_file_t *file,
                                             apr_off_t *bytes);
void lpp_store_abort(lpp_store_file_t *file);

/*
 * A new OOPS id: "OOPS-" and 32 lower-case hex digits of the kernel's random
 * source; unique over hosts.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_new_id(char id[LPP_OOPS_ID_LEN + 1]);

/* 1 when text (may be NULL) is such an id: OOPS- in any case, hex in lower
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
 * Read a file name into entry (id in pool; bytes and mtime are set to 0): 1
 * when this module could have made it, else (and where memory is short) 0 and
 * entry is unchanged.
 * Signal-safe: no. Thread: any.
 */
int lpp_store_parse_name(const char *name, lpp_store_entry_t *entry,
                         apr_pool_t *pool);

/* Whether name is one component that this room would create: allowed bytes, no
 * leading dot. Signal-safe: yes. */
int lpp_store_is_name(const char *name);

/*
 * List the profile files, newest first, at most max (0: all); names that this
 * module would not have made, and anything but regular files, are passed over.
 * With id not NULL: only those of that profile.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_store_list(lpp_store_t *store, const char *id,
                                           int max,
                                           apr_array_header_t **entries,
                                           apr_pool_t *pool);

/*
 * Open a file for reading: regular, not through a symbolic link. Names as for
 * lpp_store_begin, else APR_EINVAL. APR_ENOENT where it is not there. Closes
 * with pool; read it or send it from that pool, do not set it aside.
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
