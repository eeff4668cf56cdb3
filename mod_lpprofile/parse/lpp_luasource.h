/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_luasource: the names of the functions that a Lua source defines, by line.
 *
 * Lua itself gives functions no names. A function has one here if its
 * definition has: "function a.b:c(", "local function f(", "x.y = function(",
 * or a field "y = function(" of a table.
 */
#ifndef LPP_LUASOURCE_H
#define LPP_LUASOURCE_H

#include "base/lpp_base.h"

#define LPP_LUA_NAME_BYTES 60 /* of a longer name nothing is kept */

typedef struct lpp_lua_definition_t {
    apr_uint32_t line;             /* as Lua counts it: linedefined */
    char name[LPP_LUA_NAME_BYTES]; /* "": it has none */
} lpp_lua_definition_t;

/*
 * Find the functions in text, len bytes of any content. Fills in at most max;
 * returns how many.
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_luasource_read(const char *text, apr_size_t len,
                            lpp_lua_definition_t *definitions, unsigned max);

#endif
