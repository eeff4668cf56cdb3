/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention: removes old profiles, so that a directory stays within a
 * count, a size and an age.
 *
 * A profile is all files with one OOPS id: those in the profile directories of
 * a lpp_retention_t and its OOPS. They are removed together, and its time is
 * that of its oldest file. But the OOPS of a real failure may be retained
 * longer than its profile: the newest failures are retained, within a number
 * and LPP_RETENTION_FAILURES_BYTES, until they are too old. An OOPS that cannot
 * be read as one of this module's (its branch must say so) is never removed.
 *
 * A time in the future, left by a clock that was set back, counts as if it were
 * as far in the past (as now, if it is two minutes or less): such a file does
 * not count as the newest and is removed in the end.
 *
 * Never removed: files whose names lpp_store would not make, anything that is
 * not a regular file, targets of links, temporary files that may still be
 * written to, and a profile of which any file is younger than
 * LPP_RETENTION_YOUNG_US (it may not be complete). A process that has opened a
 * file can still read it.
 *
 * Several processes and hosts may share a directory. A lock file in it
 * (.lpp-keep) lets one of them make a pass at a time; the file's time is that
 * of the last pass, by the file system's clock. The lock file is used only if
 * it is a regular file of the process's own user with one link.
 *
 * A pass looks at LPP_RETENTION_FILES_MAX files and removes
 * LPP_RETENTION_REMOVE_MAX at most; the next pass continues. While passes
 * remove nothing, the time between them grows. Files need not be opened for
 * their ages. An OOPS is opened if its kind decides what is removed, and before
 * it is removed, once in each process. A pass may take long: call it on a
 * thread that no request waits for.
 */
#ifndef LPP_RETENTION_H
#define LPP_RETENTION_H

#include "base/lpp_base.h"

#define LPP_RETENTION_YOUNG_US apr_time_from_sec(2)
#define LPP_RETENTION_FILES_MAX 50000
#define LPP_RETENTION_REMOVE_MAX 5000
#define LPP_RETENTION_READS_MAX                                               \
    5000 /* OOPSes opened to select what is removed */
#define LPP_RETENTION_FAILURES_BYTES                                          \
    (APR_INT64_C(16) << 20) /* of all of them */

/* From the first profile that was written to the pass. */
#define LPP_RETENTION_SOON_US apr_time_from_sec(3)
/* The same, while the directory is far below its limits. */
#define LPP_RETENTION_LATER_US apr_time_from_sec(60)
/* The longest wait while passes remove nothing. */
#define LPP_RETENTION_STALLED_US apr_time_from_sec(600)

typedef struct lpp_retention_rule_t {
    apr_int64_t count; /* profiles */
    apr_int64_t bytes; /* of all their files */
    apr_interval_time_t age_us;
    apr_int64_t failures; /* OOPSes that report one */
} lpp_retention_rule_t;

/* count=1000 size=64M age=7d failures=200 */
extern const lpp_retention_rule_t lpp_retention_rule_default;

/*
 * Read one word of a rule, such as "count=10", "size=64M", "age=7d" or
 * "failures=50", into rule. *parts has a bit for each part already given.
 * Returns NULL, or what is wrong with the word, as the end of a sentence; rule
 * is then unchanged.
 * Signal-safe: yes. Thread: any.
 */
LPP_MUST_CHECK const char *lpp_retention_rule_read(lpp_retention_rule_t *rule,
                                              unsigned *parts,
                                              const char *word);

/* A rule as text, of words that lpp_retention_rule_read reads; in pool.
 * Signal-safe: no. Thread: any. */
const char *lpp_retention_rule_say(const lpp_retention_rule_t *rule,
                                   apr_pool_t *pool);

/* Whether two rules are equal. Signal-safe: yes. Thread: any. */
int lpp_retention_rule_same(const lpp_retention_rule_t *a,
                            const lpp_retention_rule_t *b);

/* The directories with one rule, in one process. */
typedef struct lpp_retention_t lpp_retention_t;

/*
 * Create an object without directories, in pool; rule is copied.
 * Errors: APR_ENOMEM, that of the lock.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_retention_create(lpp_retention_t **retention,
                                            const lpp_retention_rule_t *rule,
                                            apr_pool_t *pool);

/* Add a directory of profiles or of OOPSes; path is copied; the same path twice
 * counts once. Call these before the functions below.
 * Signal-safe: no. Thread: child-init. */
void lpp_retention_add_profiles(lpp_retention_t *retention, const char *path);
void lpp_retention_add_oopses(lpp_retention_t *retention, const char *path);

/*
 * Call when a profile was written; bytes is its size, with its OOPS. Returns
 * the time until a pass is due, in microseconds: short, or longer if the limits
 * are far.
 * Signal-safe: no. Thread: any.
 */
apr_interval_time_t lpp_retention_wrote(lpp_retention_t *retention,
                                        apr_off_t bytes);

typedef struct lpp_retention_result_t {
    int ran;           /* 0: not due, or made by another process */
    unsigned profiles; /* that are left */
    apr_off_t bytes;   /* of those */
    unsigned removed_profiles;
    unsigned removed_files;       /* with the OOPSes of failures */
    apr_interval_time_t again_us; /* when the next pass is due; 0: when
                                     something was written */
} lpp_retention_result_t;

/*
 * Make a pass, if one is due: remove what exceeds the rule.
 * Errors: that of the first directory that could not be opened or locked (then
 * result has only again_us), APR_ENOMEM.
 * Signal-safe: no. Thread: any, one at a time for each lpp_retention_t.
 */
LPP_MUST_CHECK apr_status_t lpp_retention_pass(lpp_retention_t *retention,
                                          lpp_retention_result_t *result,
                                          apr_pool_t *scratch);

#endif
