/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_debugpackage: the Debian package that has the debug symbols of an object.
 */
#include "names/lpp_debugpackage.h"

#include <string.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#define SUFFIX ".list"
#define LIST_MAX_BYTES (8 * 1024 * 1024)

/* Most packages have their debug symbols in NAME-dbgsym. Packages whose names
 * begin with one of these have them in another package. "*" stands for the
 * version that follows. */
static const struct {
    const char *begins;
    const char *symbols;
} exceptions[] = {
    { "libc6", "libc6-dbg" },
    { "libpython3.", "python3.*-dbg" },
    { "python3.", "python3.*-dbg" },
    { "libperl5.", "perl-debug" },
    { "perl-base", "perl-debug" },
    { "liblua5.", "liblua5.*-0-dbg" }
};

static const char *symbols_of(const char *package, apr_pool_t *pool)
{
    unsigned i;

    for (i = 0; i < LPP_COUNT(exceptions); i++) {
        const char *symbols = exceptions[i].symbols;
        const char *star = strchr(symbols, '*');
        apr_size_t len = strlen(exceptions[i].begins);

        if (strncmp(package, exceptions[i].begins, len) == 0) {
            return star == NULL ? symbols
                : apr_psprintf(pool, "%.*s%.*s%s", (int)(star - symbols),
                               symbols,
                               (int)strspn(package + len, "0123456789"),
                               package + len, star + 1);
        }
    }
    return apr_pstrcat(pool, package, "-dbgsym", NULL);
}

/* "libc6:amd64.list" is that of libc6. */
static const char *package_of(const char *list, apr_pool_t *pool)
{
    apr_size_t len = strlen(list) - strlen(SUFFIX);
    apr_size_t name = strcspn(list, ":");
    const char *package = apr_pstrmemdup(pool, list, name < len ? name : len);

    return package != NULL ? package : "";
}

/* Is path a line of list? The first line is always "/.". */
static int has_line(const char *list, const char *path, apr_pool_t *pool)
{
    const char *line = apr_pstrcat(pool, "\n", path, "\n", NULL);

    return line != NULL && strstr(list, line) != NULL;
}

/* Where directories are merged, a package may list a file of /usr/lib in /lib,
 * and vice versa. */
static int has_path(const char *list, const char *path, apr_pool_t *pool)
{
    const char *other = strncmp(path, "/usr/", 5) == 0 ? path + 4
        : apr_pstrcat(pool, "/usr", path, NULL);

    return has_line(list, path, pool)
           || (other != NULL && has_line(list, other, pool));
}

/* A whole list as a string, or NULL. */
static const char *read_list(const char *lists, const char *name,
                             apr_pool_t *pool)
{
    const char *path = apr_pstrcat(pool, lists, "/", name, NULL);
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t len = 0;
    char *text = NULL;

    if (path == NULL || apr_file_open(&file, path, APR_FOPEN_READ, 0, pool)
                        != APR_SUCCESS) {
        return NULL;
    }
    if (apr_file_info_get(&info, APR_FINFO_SIZE, file) == APR_SUCCESS
        && info.size < LIST_MAX_BYTES) {
        text = apr_palloc(pool, (apr_size_t)info.size + 1);
    }
    if (text != NULL && apr_file_read_full(file, text, (apr_size_t)info.size,
                                           &len) != APR_SUCCESS) {
        text = NULL;
    }
    if (text != NULL) {
        text[len] = '\0';
    }
    apr_file_close(file);
    return text;
}

void lpp_debugpackage_find(const char *lists, const char *const *paths,
                           apr_uint32_t count, const char **packages,
                           apr_pool_t *pool)
{
    apr_pool_t *scratch;
    apr_finfo_t entry;
    apr_dir_t *dir;
    apr_uint32_t i, missing = count;

    memset(packages, 0, count * sizeof(*packages));
    if (count == 0 || apr_dir_open(&dir, lists, pool) != APR_SUCCESS) {
        return;
    }
    if (apr_pool_create(&scratch, pool) != APR_SUCCESS) {
        apr_dir_close(dir);
        return;
    }
    while (missing > 0
           && apr_dir_read(&entry, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        apr_size_t len = strlen(entry.name);
        const char *list;

        if (len <= strlen(SUFFIX)
            || strcmp(entry.name + len - strlen(SUFFIX), SUFFIX) != 0) {
            continue;
        }
        apr_pool_clear(scratch);
        list = read_list(lists, entry.name, scratch);
        for (i = 0; list != NULL && i < count; i++) {
            if (packages[i] == NULL && has_path(list, paths[i], scratch)) {
                packages[i] = symbols_of(package_of(entry.name, scratch),
                                         pool);
                missing--;
            }
        }
    }
    apr_pool_destroy(scratch);
    apr_dir_close(dir);
}
