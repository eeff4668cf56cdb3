/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_lua_names: names of Lua functions, from their source files.
 *
 * A file is read only below the directory of the request's file, once a
 * profile.
 */
#ifndef LPP_INTERP_LUA_NAMES_INTERNAL_H
#define LPP_INTERP_LUA_NAMES_INTERNAL_H

#include "parse/lpp_luasource.h"

#define LPP_LUA_FILES_MAX 32 /* of a profile; of others no names are known */

/* The source files of a profile. All 0: none. */
typedef struct lpp_lua_files_t {
    struct {
        char *path; /* malloc'd, as definitions; NULL after a reset */
        lpp_lua_definition_t *definitions;
        unsigned count;
    } files[LPP_LUA_FILES_MAX];
    unsigned count;
} lpp_lua_files_t;

/* Forget the files.
 * Signal-safe: no. Thread: the helper. */
void lpp_lua_files_reset(lpp_lua_files_t *files);

/*
 * Write the name of the function that file defines in line to name, room
 * bytes: "{main}" for line 0, "function:12" where it has none or the source
 * does not say. directory, with its slash at the end: where a file may be read;
 * "": nowhere.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_lua_name(lpp_lua_files_t *files, const char *file,
                  const char *directory, apr_uint32_t line, char *name,
                  apr_size_t room);

#endif
