/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention_scan: reads the directories and groups the files of one id.
 * Changes nothing on disk. Files that it ignores, retention never removes.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "store/lpp_retention_scan_internal.h"
#include "store/lpp_store_dir_internal.h"

#define DATE_LEN 10 /* 2026-11-22 */

void lpp_retention_scan_init(lpp_retention_scan_t *scan, apr_pool_t *pool)
{
    memset(scan, 0, sizeof(*scan));
    scan->pool = pool;
    scan->files = apr_array_make(pool, 256, sizeof(lpp_retention_file_t));
    scan->parts = apr_array_make(pool, 8, sizeof(lpp_retention_part_t));
    scan->units = apr_array_make(pool, 64, sizeof(lpp_retention_unit_t));
}

/* Add the file of that entry, if it is a regular one. */
static void add_file(lpp_retention_scan_t *scan, DIR *dir, lpp_store_t *store,
                     const char *part, const lpp_store_entry_t *entry)
{
    lpp_retention_file_t *file;
    apr_off_t bytes;
    apr_time_t mtime;

    if (!lpp_store_stat(dir, entry->name, &bytes, &mtime)) {
        return;
    }
    file = apr_array_push(scan->files);
    file->id = entry->id;
    file->name = entry->name;
    file->stem = entry->stem;
    file->store = store;
    file->part = part;
    file->bytes = bytes;
    file->mtime = mtime;
    file->kind = LPP_RETENTION_UNREAD;
}

/* The next name; NULL at the end, or at the limit of files. */
static const char *next_name(lpp_retention_scan_t *scan, DIR *dir)
{
    const struct dirent *item;

    if (scan->files->nelts >= LPP_RETENTION_FILES_MAX) {
        scan->cut = 1;
        return NULL;
    }
    item = readdir(dir);
    return item ? item->d_name : NULL;
}

apr_status_t lpp_retention_scan_profiles(lpp_retention_scan_t *scan,
                                         lpp_store_t *store)
{
    lpp_store_entry_t entry;
    const char *name;
    DIR *dir;
    apr_status_t rv = lpp_store_read_dir(store, NULL, &dir);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((name = next_name(scan, dir)) != NULL) {
        if (lpp_store_parse_name(name, &entry, scan->pool)) {
            add_file(scan, dir, store, NULL, &entry);
        }
    }
    closedir(dir);
    return APR_SUCCESS;
}

static int is_date(const char *name)
{
    unsigned i;

    for (i = 0; i < DATE_LEN; i++) {
        if (i == 4 || i == 7 ? name[i] != '-'
                             : !lpp_is_digit(name[i])) {
            return 0;
        }
    }
    return name[DATE_LEN] == '\0';
}

/* Only an id as the store makes it, with its prefix in capitals. */
static int is_own_id(const char *name)
{
    return lpp_store_is_id(name) && strncmp(name, "OOPS-", 5) == 0;
}

/* A part that was removed meanwhile, or is a link, is ignored. */
static void scan_part(lpp_retention_scan_t *scan, lpp_store_t *store,
                      const char *part)
{
    lpp_store_entry_t entry = { .stem = "" };
    const char *name;
    DIR *dir;

    if (lpp_store_read_dir(store, part, &dir) != APR_SUCCESS) {
        return;
    }
    while ((name = next_name(scan, dir)) != NULL) {
        if (is_own_id(name)
            && (name = apr_pstrdup(scan->pool, name)) != NULL) {
            entry.name = entry.id = name;
            add_file(scan, dir, store, part, &entry);
        }
    }
    closedir(dir);
}

apr_status_t lpp_retention_scan_oopses(lpp_retention_scan_t *scan,
                                       lpp_store_t *store)
{
    int first = scan->parts->nelts, i;
    const char *name;
    DIR *dir;
    apr_status_t rv = lpp_store_read_dir(store, NULL, &dir);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    while ((name = next_name(scan, dir)) != NULL) {
        if (is_date(name)
            && (name = apr_pstrdup(scan->pool, name)) != NULL) {
            lpp_retention_part_t *part = apr_array_push(scan->parts);

            part->store = store;
            part->name = name;
        }
    }
    closedir(dir);
    for (i = first; i < scan->parts->nelts; i++) {
        scan_part(scan, store,
                  APR_ARRAY_IDX(scan->parts, i, lpp_retention_part_t).name);
    }
    return APR_SUCCESS;
}

static int compare_ids(const void *left, const void *right)
{
    const lpp_retention_file_t *a = left, *b = right;

    return strcmp(a->id, b->id);
}

/* Newest first; units of the same time by the time in their stems, else by
 * id. */
static int compare_units(const void *left, const void *right)
{
    const lpp_retention_unit_t *a = left, *b = right;

    if (a->oldest != b->oldest) {
        return a->oldest < b->oldest ? 1 : -1;
    }
    if (strcmp(a->stem, b->stem) != 0) {
        return strcmp(b->stem, a->stem);
    }
    return strcmp(a->files->id, b->files->id);
}

/* How much the clocks of hosts that share a directory may differ. */
#define AHEAD_US apr_time_from_sec(120)

/* A time in the future becomes one as far in the past; or now, if the clocks of
 * hosts may differ by that much. */
static apr_time_t past(apr_time_t time, apr_time_t now)
{
    return time <= now              ? time
           : time - now <= AHEAD_US ? now
                                    : now - (time - now);
}

static void add_to_unit(lpp_retention_unit_t *unit,
                        const lpp_retention_file_t *file, apr_time_t now)
{
    apr_time_t time = past(file->mtime, now);

    unit->bytes += file->bytes;
    if (file->part) {
        unit->oops_bytes += file->bytes;
    }
    else {
        unit->profile_files++;
    }
    if (strcmp(file->stem, unit->stem) > 0) {
        unit->stem = file->stem;
    }
    if (unit->count == 0 || time < unit->oldest) {
        unit->oldest = time;
    }
    if (unit->count == 0 || time > unit->newest) {
        unit->newest = time;
    }
    unit->count++;
}

void lpp_retention_scan_group(lpp_retention_scan_t *scan, apr_time_t now)
{
    lpp_retention_file_t *files = (lpp_retention_file_t *)scan->files->elts;
    lpp_retention_unit_t *unit = NULL;
    int i;

    qsort(files, (size_t)scan->files->nelts, sizeof(*files), compare_ids);
    for (i = 0; i < scan->files->nelts; i++) {
        if (!unit || strcmp(unit->files->id, files[i].id) != 0) {
            unit = apr_array_push(scan->units);
            memset(unit, 0, sizeof(*unit));
            unit->files = &files[i];
            unit->stem = "";
        }
        add_to_unit(unit, &files[i], now);
    }
    qsort(scan->units->elts, (size_t)scan->units->nelts,
          sizeof(lpp_retention_unit_t), compare_units);
}
