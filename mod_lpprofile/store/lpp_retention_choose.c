/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention_choose: selects which of the files found are removed, and
 * removes them. Opens an OOPS only where it matters whether it reports a
 * failure, never to learn its age. Removes relative to the descriptor of the
 * directory; unlink follows no link.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "base/lpp_clock.h"
#include "store/lpp_retention_scan_internal.h"
#include "store/lpp_store_dir_internal.h"

/* An empty date directory is removed when no request of that day can run. */
#define EMPTY_AFTER_US apr_time_from_sec(48 * 3600)

/* 1 if one more OOPS may be opened in this pass. */
static int may_read(lpp_retention_pass_t *pass)
{
    if (pass->reads >= pass->reads_max) {
        pass->cut = 1;
        return 0;
    }
    pass->reads++;
    return 1;
}

/* What an OOPS reports; UNREAD where no more may be opened in this pass. */
static lpp_retention_kind_e kind_of(lpp_retention_pass_t *pass,
                                    lpp_retention_file_t *file)
{
    if (file->kind == LPP_RETENTION_UNREAD && may_read(pass)) {
        file->kind = lpp_retention_read_oops(file, pass->scratch);
    }
    return file->kind;
}

/* What the OOPSes of a unit report: a failure, if any of them does. */
static lpp_retention_kind_e kind_of_unit(lpp_retention_pass_t *pass,
                                    lpp_retention_unit_t *unit)
{
    lpp_retention_kind_e worst = LPP_RETENTION_UNREAD;
    unsigned i;

    for (i = 0; i < unit->count; i++) {
        lpp_retention_kind_e kind = unit->files[i].part
                                   ? kind_of(pass, &unit->files[i])
                                   : LPP_RETENTION_UNREAD;

        if (kind == LPP_RETENTION_FAILURE) {
            return kind;
        }
        worst = kind == LPP_RETENTION_INFORMATIONAL
                        || worst == LPP_RETENTION_UNREAD
                    ? kind
                    : worst;
    }
    return worst;
}

/* Whether everything is surely within the rule. Every OOPS counts both as a
 * profile and as a failure, so that none needs to be opened in this case. */
static int is_within(const lpp_retention_pass_t *pass)
{
    const apr_array_header_t *units = pass->scan.units;
    apr_int64_t bytes = 0, oopses = 0, oops_bytes = 0;
    int i;

    for (i = 0; i < units->nelts; i++) {
        const lpp_retention_unit_t *unit =
            &APR_ARRAY_IDX(units, i, lpp_retention_unit_t);

        bytes += unit->bytes;
        oopses += unit->count > unit->profile_files;
        oops_bytes += unit->oops_bytes;
    }
    return units->nelts <= pass->rule->count && bytes <= pass->rule->bytes
           && oopses <= pass->rule->failures
           && oops_bytes <= LPP_RETENTION_FAILURES_BYTES;
}

/* What is retained so far, and whether a limit was exceeded before. */
typedef struct totals_t {
    apr_int64_t failures, failure_bytes;
    int full, failures_full;
} totals_t;

/* Select a unit, or make a later pass do so if it is still young. */
static void select_unit(lpp_retention_pass_t *pass, lpp_retention_unit_t *unit,
                        int with_failure)
{
    if (pass->now - unit->newest < LPP_RETENTION_YOUNG_US) {
        pass->pending = 1;
        return;
    }
    unit->selected = 1;
    unit->failure_selected = with_failure;
}

static void keep_profile(lpp_retention_pass_t *pass,
                         const lpp_retention_unit_t *unit)
{
    pass->result->profiles++;
    pass->result->bytes += unit->bytes;
    pass->oldest = unit->oldest;
}

/* Retain or select a unit that is not too old, by the kinds of its files. */
static void choose_unit(lpp_retention_pass_t *pass, lpp_retention_unit_t *unit,
                        totals_t *totals)
{
    const lpp_retention_rule_t *rule = pass->rule;
    lpp_retention_kind_e kind = kind_of_unit(pass, unit);
    int failure = kind == LPP_RETENTION_FAILURE;
    int profile = unit->profile_files || kind == LPP_RETENTION_INFORMATIONAL;

    if (!failure && !profile) {
        return; /* not of this module, or unread */
    }
    if (profile) {
        totals->full = totals->full || pass->result->profiles + 1 > rule->count
                       || pass->result->bytes + unit->bytes > rule->bytes;
        profile = !totals->full;
    }
    totals->failures_full =
        totals->failures_full
        || (failure
            && (totals->failures + 1 > rule->failures
                || totals->failure_bytes + unit->oops_bytes
                       > LPP_RETENTION_FAILURES_BYTES));
    if (profile) {
        keep_profile(pass, unit);
    }
    else if (unit->profile_files || !failure || totals->failures_full) {
        select_unit(pass, unit, totals->failures_full);
    }
    if (failure && (profile || !totals->failures_full)) {
        totals->failures++;
        totals->failure_bytes += unit->oops_bytes;
    }
}

/* Select the units that exceed a limit, from the newest on. A unit that is too
 * old is selected without its kind, which is read when it is removed. */
void lpp_retention_choose(lpp_retention_pass_t *pass)
{
    lpp_retention_unit_t *unit = (lpp_retention_unit_t *)pass->scan.units->elts;
    lpp_retention_unit_t *end = unit + pass->scan.units->nelts;
    int within = is_within(pass);
    totals_t totals = {0};

    for (; unit < end; unit++) {
        if (pass->now - unit->oldest > pass->rule->age_us) {
            select_unit(pass, unit, 1);
        }
        else if (within) {
            keep_profile(pass, unit);
        }
        else {
            choose_unit(pass, unit, &totals);
        }
    }
}

static int remove_file(const lpp_retention_file_t *file)
{
    int fd, gone;

    if (lpp_store_open_part(file->store, file->part, 0, &fd) != APR_SUCCESS) {
        return 0;
    }
    gone = unlinkat(fd, file->name, 0) == 0;
    close(fd);
    return gone;
}

/* Whether a file of a selected unit may be removed: the OOPS of a failure may
 * be retained longer than its profile. */
static int may_go(lpp_retention_pass_t *pass, const lpp_retention_unit_t *unit,
                  lpp_retention_file_t *file)
{
    if (!file->part) {
        return 1;
    }
    switch (kind_of(pass, file)) {
    case LPP_RETENTION_INFORMATIONAL:
        return 1;
    case LPP_RETENTION_FAILURE:
        return unit->failure_selected;
    default:
        return 0;
    }
}

/* Remove what is selected, the oldest first. */
void lpp_retention_remove(lpp_retention_pass_t *pass)
{
    lpp_retention_unit_t *first =
        (lpp_retention_unit_t *)pass->scan.units->elts;
    lpp_retention_unit_t *unit = first + pass->scan.units->nelts;

    while (unit-- > first) {
        unsigned i, gone = 0;

        if (!unit->selected) {
            continue;
        }
        if (pass->result->removed_files + unit->count
            > LPP_RETENTION_REMOVE_MAX) {
            pass->cut = 1;
            return;
        }
        for (i = 0; i < unit->count; i++) {
            if (may_go(pass, unit, &unit->files[i])) {
                gone += (unsigned)remove_file(&unit->files[i]);
            }
        }
        pass->result->removed_files += gone;
        pass->result->removed_profiles += gone > 0;
    }
}

static void write_date(char date[16], apr_time_t time)
{
    apr_time_exp_t utc;

    lpp_time_parts(&utc, time, 0);
    apr_snprintf(date, 16, "%04d-%02d-%02d", utc.tm_year + 1900,
                 utc.tm_mon + 1, utc.tm_mday);
}

/* Remove date directories of past days, or of days far ahead, that are empty:
 * rmdir fails for the others. */
void lpp_retention_remove_empty(const lpp_retention_pass_t *pass)
{
    char before[16], after[16];
    int i;

    write_date(before, pass->now - EMPTY_AFTER_US);
    write_date(after, pass->now + EMPTY_AFTER_US);
    for (i = 0; i < pass->scan.parts->nelts; i++) {
        const lpp_retention_part_t *part =
            &APR_ARRAY_IDX(pass->scan.parts, i, lpp_retention_part_t);

        if (strcmp(part->name, before) < 0 || strcmp(part->name, after) > 0) {
            unlinkat(part->store->fd, part->name, AT_REMOVEDIR);
        }
    }
}
