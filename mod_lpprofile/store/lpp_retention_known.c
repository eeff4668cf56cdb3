/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_retention_known: remembers the kinds of the OOPSes that earlier passes
 * opened, so that a process opens each of them once. Both lists are sorted by
 * id.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "store/lpp_retention_scan_internal.h"

void lpp_retention_recall(const lpp_retention_memory_t *memory,
                          lpp_retention_scan_t *scan)
{
    int i, k = 0;

    for (i = 0; i < scan->files->nelts && k < memory->count; i++) {
        lpp_retention_file_t *file =
            &APR_ARRAY_IDX(scan->files, i, lpp_retention_file_t);

        while (k < memory->count && strcmp(memory->known[k].id, file->id) < 0) {
            k++;
        }
        if (file->part && k < memory->count
            && strcmp(memory->known[k].id, file->id) == 0
            && memory->known[k].bytes == file->bytes
            && memory->known[k].mtime == file->mtime) {
            file->kind = memory->known[k].kind;
        }
    }
}

static int is_known(const lpp_retention_file_t *file)
{
    return file->part && file->kind != LPP_RETENTION_UNREAD;
}

void lpp_retention_remember(lpp_retention_memory_t *memory,
                            const lpp_retention_scan_t *scan)
{
    int files = scan ? scan->files->nelts : 0, count = 0, i;

    free(memory->known);
    memory->known = NULL;
    memory->count = 0;
    for (i = 0; i < files; i++) {
        count += is_known(&APR_ARRAY_IDX(scan->files, i, lpp_retention_file_t));
    }
    if (count > 0) {
        memory->known = malloc((size_t)count * sizeof(*memory->known));
    }
    for (i = 0; memory->known && i < files; i++) {
        const lpp_retention_file_t *file =
            &APR_ARRAY_IDX(scan->files, i, lpp_retention_file_t);
        lpp_retention_known_t *known = &memory->known[memory->count];

        if (is_known(file)) {
            apr_cpystrn(known->id, file->id, sizeof(known->id));
            known->kind = file->kind;
            known->bytes = file->bytes;
            known->mtime = file->mtime;
            memory->count++;
        }
    }
}
