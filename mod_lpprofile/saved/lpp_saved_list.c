/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_saved_list: lists the saved profiles in a store, and finds the one with
 * an id. A profile belongs to one virtual host; for other hosts it does not
 * exist.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "saved/lpp_saved.h"

/* The files of one id in the store. */
typedef struct files_t {
    const char *saved;    /* name, or NULL */
    apr_off_t bytes;
    apr_uint32_t formats;
} files_t;

/* The first max bytes of a file, or all of it; in pool. */
static apr_status_t read_file(lpp_store_t *store, const char *name,
                              apr_size_t max, char **data, apr_size_t *len,
                              apr_pool_t *pool)
{
    apr_finfo_t info;
    apr_file_t *file;
    apr_pool_t *scratch;
    apr_status_t status = apr_pool_create(&scratch, pool);

    if (status != APR_SUCCESS) {
        return status;
    }
    status = lpp_store_open_file(store, NULL, name, &file, scratch);
    if (status == APR_SUCCESS) {
        status = apr_file_info_get(&info, APR_FINFO_SIZE, file);
    }
    if (status == APR_SUCCESS) {
        *len = (apr_uint64_t)info.size < max ? (apr_size_t)info.size : max;
        *data = apr_palloc(pool, *len + 1);
        status = *data ? apr_file_read_full(file, *data, *len, len)
                       : APR_ENOMEM;
        status = status == APR_EOF ? APR_EINVAL : status;
    }
    apr_pool_destroy(scratch);
    return status;
}

static files_t *files_of(apr_hash_t *by_id, const char *id, apr_pool_t *pool)
{
    files_t *files = apr_hash_get(by_id, id, LPP_OOPS_ID_LEN);

    if (!files) {
        files = apr_pcalloc(pool, sizeof(*files));
        if (files) {
            apr_hash_set(by_id, id, LPP_OOPS_ID_LEN, files);
        }
    }
    return files;
}

static void add_file(files_t *files, const lpp_store_entry_t *entry)
{
    files->bytes += entry->bytes;
    if (entry->format == LPP_FORMAT_SAVED) {
        files->saved = entry->name;
    }
    else {
        files->formats |= LPP_FORMAT_BIT(entry->format);
    }
}

/* Set the members of an entry except its head. 0: no memory. */
static int describe(lpp_saved_entry_t *entry, const files_t *files,
                    apr_pool_t *pool)
{
    entry->name = apr_pstrdup(pool, files->saved);
    entry->stem = apr_pstrmemdup(pool, files->saved, strlen(files->saved)
                                 - strlen(LPP_SAVED_SUFFIX));
    entry->bytes = files->bytes;
    entry->formats = files->formats;
    return entry->name && entry->stem;
}

/* Read the head of a saved file. 1: its id is that of its name, and it belongs
 * to that virtual host. */
static int look_into(lpp_store_t *store, const lpp_store_entry_t *file,
                     const char *vhost, lpp_saved_head_t *head,
                     apr_pool_t *pool, apr_pool_t *scratch)
{
    lpp_saved_head_t seen;
    apr_size_t len;
    char *data;

    if (read_file(store, file->name, LPP_SAVED_HEAD_MAX_BYTES, &data, &len,
                  scratch) != APR_SUCCESS
        || lpp_saved_read_head(&seen, data, len, scratch) != APR_SUCCESS
        || strcmp(seen.id, file->id) != 0
        || strcmp(seen.vhost, vhost) != 0) {
        return 0;
    }
    return lpp_saved_read_head(head, data, len, pool) == APR_SUCCESS;
}

static int compare_starts(const void *a, const void *b)
{
    const lpp_saved_entry_t *left = a, *right = b;

    if (left->head.start != right->head.start) {
        return left->head.start < right->head.start ? 1 : -1;
    }
    return strcmp(left->head.id, right->head.id);
}

/* Group all files by profile. 0: no memory. */
static int gather_files(apr_hash_t *by_id, const apr_array_header_t *all,
                        apr_pool_t *pool)
{
    int i;

    for (i = 0; i < all->nelts; i++) {
        const lpp_store_entry_t *file =
            &APR_ARRAY_IDX(all, i, lpp_store_entry_t);
        files_t *files = files_of(by_id, file->id, pool);

        if (!files) {
            return 0;
        }
        add_file(files, file);
    }
    return 1;
}

apr_status_t lpp_saved_list(lpp_store_t *store, const char *vhost, int max,
                            apr_array_header_t **entries, int *more,
                            apr_pool_t *pool)
{
    apr_array_header_t *all, *found;
    apr_pool_t *scratch, *each;
    apr_hash_t *by_id;
    apr_status_t status;
    int i, looked = 0;

    *entries = NULL;
    *more = 0;
    status = apr_pool_create(&scratch, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = lpp_store_list(store, NULL, 0, &all, scratch);
    if (status == APR_SUCCESS) {
        status = apr_pool_create(&each, scratch);
    }
    if (status != APR_SUCCESS) {
        goto leave;
    }
    by_id = apr_hash_make(scratch);
    found = apr_array_make(pool, 64, sizeof(lpp_saved_entry_t));
    if (!gather_files(by_id, all, scratch)) {
        status = APR_ENOMEM;
        goto leave;
    }
    for (i = 0; i < all->nelts && (!max || found->nelts < max); i++) {
        const lpp_store_entry_t *file =
            &APR_ARRAY_IDX(all, i, lpp_store_entry_t);
        lpp_saved_entry_t entry;

        if (file->format != LPP_FORMAT_SAVED) {
            continue;
        }
        if (++looked > LPP_SAVED_LIST_MAX) {
            *more = 1;
            break;
        }
        if (look_into(store, file, vhost, &entry.head, pool, each)
            && describe(&entry, files_of(by_id, file->id, scratch), pool)) {
            APR_ARRAY_PUSH(found, lpp_saved_entry_t) = entry;
        }
        apr_pool_clear(each);
    }
    qsort(found->elts, (size_t)found->nelts, sizeof(lpp_saved_entry_t),
          compare_starts);
    *entries = found;

leave:
    apr_pool_destroy(scratch);
    return status;
}

apr_status_t lpp_saved_find(lpp_store_t *store, const char *vhost,
                            const char *id, lpp_saved_entry_t *entry,
                            lpp_saved_t **saved, apr_pool_t *pool)
{
    apr_array_header_t *all;
    files_t files = {NULL, 0, 0};
    apr_size_t len;
    apr_status_t status;
    char *data;
    int i;

    *saved = NULL;
    if (!lpp_store_is_id(id)) {
        return APR_ENOENT;
    }
    status = lpp_store_list(store, id, 0, &all, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    for (i = 0; i < all->nelts; i++) {
        add_file(&files, &APR_ARRAY_IDX(all, i, lpp_store_entry_t));
    }
    if (!files.saved) {
        return APR_ENOENT;
    }
    if (!describe(entry, &files, pool)) {
        return APR_ENOMEM;
    }
    status = read_file(store, files.saved, LPP_FILE_MAX_BYTES, &data, &len,
                       pool);
    if (status == APR_SUCCESS) {
        status = lpp_saved_read_head(&entry->head, data, len, pool);
    }
    /* A profile of another host is reported as not existing, even if it is
     * damaged. */
    if (status == APR_SUCCESS && (strcmp(entry->head.vhost, vhost) != 0
                                  || strcmp(entry->head.id, id) != 0)) {
        return APR_ENOENT;
    }
    return status == APR_SUCCESS ? lpp_saved_read(saved, data, len, pool)
                                 : status;
}
