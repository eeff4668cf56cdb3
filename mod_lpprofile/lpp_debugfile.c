/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_debugfile: separate debug files by build id.
 */
#include "lpp_debugfile.h"

#include <string.h>

#include <apr_strings.h>

#define DEBUG_ROOT "/usr/lib/debug"

struct lpp_debugfile_t {
    lpp_elf_t *elf; /* its symbols */
};

lpp_debugfile_t *lpp_debugfile_open(const lpp_object_t *object,
                                    lpp_elf_t *elf, apr_pool_t *pool)
{
    const unsigned char *id, *found;
    apr_size_t len, found_len, i;
    lpp_debugfile_t *debug;
    char *path;
    lpp_elf_t *other;

    id = lpp_elf_build_id(elf, &len);
    if (len < 2) {
        return NULL;
    }
    path = apr_psprintf(pool, DEBUG_ROOT "/.build-id/%02x/", id[0]);
    for (i = 1; i < len; i++) {
        path = apr_psprintf(pool, "%s%02x", path, id[i]);
    }
    path = apr_pstrcat(pool, path, ".debug", NULL);
    if (lpp_elf_read_file(&other, path, 0, pool) != APR_SUCCESS) {
        return NULL;
    }
    found = lpp_elf_build_id(other, &found_len);
    if (found_len != len || memcmp(found, id, len) != 0) {
        return NULL;
    }
    lpp_elf_set_debug(elf, other);
    debug = apr_pcalloc(pool, sizeof(*debug));
    debug->elf = other;
    return debug;
}

void lpp_debugfile_line(lpp_debugfile_t *debug, apr_uint64_t address,
                        const char **file, unsigned *line)
{
}

const char *lpp_debugfile_demangle(const char *name, apr_pool_t *pool)
{
    return name;
}
