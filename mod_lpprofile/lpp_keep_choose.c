/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_keep_choose: what of all that was found goes, and its going. Opens an
 * OOPS only where it matters what that tells. Removes by descriptor of the
 * directory; unlink follows no link, and who reads a file keeps it.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "lpp_keep_scan.h"
#include "lpp_store_dir.h"

/* An empty date directory goes when no request of that day still runs. */
#define EMPTY_AFTER_US apr_time_from_sec(48 * 3600)

/* 1 where the file may be opened once more, to learn its kind. */
static int may_read(lpp_keep_pass_t *pass)
{
    if (pass->reads >= LPP_KEEP_READS_MAX) {
        pass->cut = 1;
        return 0;
    }
    pass->reads++;
    return 1;
}

/* What an OOPS tells of; where it must not be read, it is left alone. */
static lpp_keep_kind_e kind_of(lpp_keep_pass_t *pass, lpp_keep_file_t *file)
{
    if (file->kind == LPP_KEEP_UNREAD) {
        file->kind = may_read(pass) ? lpp_keep_read_oops(file, pass->scratch)
                                    : LPP_KEEP_FOREIGN;
    }
    return file->kind;
}

/* Whether a unit is a profile: it has files of one, or an OOPS that tells of
 * nothing but a profile. */
static int is_profile(lpp_keep_pass_t *pass, lpp_keep_unit_t *unit)
{
    return unit->profile_files
           || kind_of(pass, unit->files) == LPP_KEEP_INFORMATIONAL;
}

/* Whether anything can be beyond the rule: counts every OOPS as a profile, so
 * that none needs to be opened where all is well. */
static int is_within(const lpp_keep_pass_t *pass)
{
    const apr_array_header_t *units = pass->scan.units;
    apr_int64_t bytes = 0;
    int i;

    for (i = 0; i < units->nelts; i++) {
        bytes += APR_ARRAY_IDX(units, i, lpp_keep_unit_t).bytes;
    }
    return !units->nelts
           || (units->nelts <= pass->rule->count && bytes <= pass->rule->bytes
               && pass->now
                          - APR_ARRAY_IDX(units, units->nelts - 1,
                                          lpp_keep_unit_t)
                                .oldest
                      <= pass->rule->age_us);
}

/* Mark what goes: from the newest on, what does not fit any more. */
void lpp_keep_choose(lpp_keep_pass_t *pass)
{
    const lpp_keep_rule_t *rule = pass->rule;
    lpp_keep_unit_t *unit = (lpp_keep_unit_t *)pass->scan.units->elts;
    lpp_keep_unit_t *end = unit + pass->scan.units->nelts;
    int within = is_within(pass), full = 0;

    for (; unit < end; unit++) {
        int aged = pass->now - unit->oldest > rule->age_us;

        if (!within && !is_profile(pass, unit)) {
            unit->doomed = aged;
            continue;
        }
        full = full || pass->result->profiles + 1 > rule->count
               || pass->result->bytes + unit->bytes > rule->bytes;
        if (!full && !aged) {
            pass->result->profiles++;
            pass->result->bytes += unit->bytes;
            pass->oldest = unit->oldest;
        }
        else if (pass->now - unit->newest < LPP_KEEP_YOUNG_US) {
            pass->pending = 1;
        }
        else {
            unit->doomed = 1;
        }
    }
}

static int remove_file(const lpp_keep_file_t *file)
{
    int fd, gone;

    if (lpp_store_open_part(file->store, file->part, 0, &fd) != APR_SUCCESS) {
        return 0;
    }
    gone = unlinkat(fd, file->name, 0) == 0;
    close(fd);
    return gone;
}

/* The OOPS of a failure outlives its profile, up to the age of both. */
static int may_go(lpp_keep_pass_t *pass, lpp_keep_file_t *file)
{
    if (!file->part) {
        return 1;
    }
    switch (kind_of(pass, file)) {
    case LPP_KEEP_INFORMATIONAL:
        return 1;
    case LPP_KEEP_FAILURE:
        return pass->now - file->mtime > pass->rule->age_us;
    default:
        return 0;
    }
}

/* Remove what is marked, the oldest first. */
void lpp_keep_remove(lpp_keep_pass_t *pass)
{
    lpp_keep_unit_t *first = (lpp_keep_unit_t *)pass->scan.units->elts;
    lpp_keep_unit_t *unit = first + pass->scan.units->nelts;

    while (unit-- > first) {
        unsigned i, gone = 0;

        if (!unit->doomed) {
            continue;
        }
        if (pass->result->removed_files + unit->count > LPP_KEEP_REMOVE_MAX) {
            pass->cut = 1;
            return;
        }
        for (i = 0; i < unit->count; i++) {
            if (may_go(pass, &unit->files[i])) {
                gone += (unsigned)remove_file(&unit->files[i]);
            }
        }
        pass->result->removed_files += gone;
        pass->result->removed_profiles += gone > 0;
    }
}

/* Remove date directories that are empty and of days gone by: rmdir itself
 * tells whether they are. */
void lpp_keep_remove_empty(const lpp_keep_pass_t *pass)
{
    apr_time_exp_t utc;
    char before[16];
    int i;

    apr_time_exp_gmt(&utc, pass->now - EMPTY_AFTER_US);
    apr_snprintf(before, sizeof(before), "%04d-%02d-%02d", utc.tm_year + 1900,
                 utc.tm_mon + 1, utc.tm_mday);
    for (i = 0; i < pass->scan.parts->nelts; i++) {
        const lpp_keep_part_t *part =
            &APR_ARRAY_IDX(pass->scan.parts, i, lpp_keep_part_t);

        if (strcmp(part->name, before) < 0) {
            unlinkat(part->store->fd, part->name, AT_REMOVEDIR);
        }
    }
}
