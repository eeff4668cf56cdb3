/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_lua_names: see lpp_interp_lua_names_internal.h.
 *
 * A chunk can give itself any name, so that of a file is not to be trusted.
 */
#include "interp/lpp_interp_lua_names_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#define FILE_MAX (1024 * 1024)
#define DEFINITIONS_MAX 1024 /* of a file */

void lpp_lua_files_reset(lpp_lua_files_t *files)
{
    unsigned i;

    for (i = 0; i < files->count; i++) {
        free(files->files[i].path);
        free(files->files[i].definitions);
    }
    memset(files, 0, sizeof(*files));
}

/* Whether file may be read: it stands below directory. */
static int is_allowed(const char *file, const char *directory)
{
    apr_size_t len = strlen(directory);

    return file[0] == '/' && len > 1 && strncmp(file, directory, len) == 0
           && strstr(file, "/../") == NULL;
}

/* Read the whole file into malloc'd memory; NULL: it is not one to read. */
static char *read_file(const char *path, apr_size_t *len)
{
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
                              | O_NOCTTY);
    struct stat status;
    char *text = NULL;
    ssize_t got;

    *len = 0;
    if (file < 0) {
        return NULL;
    }
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)
        && status.st_size <= FILE_MAX) {
        text = malloc(FILE_MAX);
    }
    while (text != NULL && *len < FILE_MAX) {
        got = read(file, text + *len, FILE_MAX - *len);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            break;
        }
        *len += got > 0 ? (apr_size_t)got : 0;
    }
    close(file);
    return text;
}

/* Add file, with its definitions if it can be read. */
static void add_file(lpp_lua_files_t *files, const char *path)
{
    lpp_lua_definition_t *definitions;
    char *kept = strdup(path), *text;
    unsigned count = 0;
    apr_size_t len;

    if (kept == NULL) {
        return;
    }
    definitions = malloc(DEFINITIONS_MAX * sizeof(*definitions));
    text = definitions == NULL ? NULL : read_file(path, &len);
    if (text != NULL) {
        count = lpp_luasource_read(text, len, definitions, DEFINITIONS_MAX);
        free(text);
    }
    files->files[files->count].path = kept;
    files->files[files->count].definitions = definitions;
    files->files[files->count++].count = count;
}

/* The only function that the file defines in line; NULL: none, or two. */
static const char *defined_in(lpp_lua_files_t *files, const char *path,
                              apr_uint32_t line)
{
    const char *found = NULL;
    unsigned i, k;

    for (i = 0; i < files->count; i++) {
        if (strcmp(files->files[i].path, path) == 0) {
            break;
        }
    }
    if (i == files->count && i < LPP_LUA_FILES_MAX) {
        add_file(files, path);
    }
    for (k = 0; i < files->count && k < files->files[i].count; k++) {
        if (files->files[i].definitions[k].line == line) {
            if (found != NULL) {
                return NULL;
            }
            found = files->files[i].definitions[k].name;
        }
    }
    return found;
}

void lpp_lua_name(lpp_lua_files_t *files, const char *file,
                  const char *directory, apr_uint32_t line, char *name,
                  apr_size_t room)
{
    const char *found = NULL;

    if (line == 0) {
        apr_cpystrn(name, "{main}", room);
        return;
    }
    if (is_allowed(file, directory)) {
        found = defined_in(files, file, line);
    }
    if (found != NULL && found[0] != '\0') {
        apr_cpystrn(name, found, room);
    }
    else {
        apr_snprintf(name, room, "function:%u", line);
    }
}
