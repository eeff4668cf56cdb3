/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_lua_api_internal: the part of Lua's public API that calibration
 * uses. It is the same in Lua 5.3 and 5.4.
 */
#ifndef LPP_INTERP_LUA_API_INTERNAL_H
#define LPP_INTERP_LUA_API_INTERNAL_H

#include <stddef.h>

#include "base/lpp_base.h"

typedef struct lua_State lua_State;
typedef int lpp_lua_function_fn(lua_State *lua);
typedef void *lpp_lua_allocate_fn(void *baton, void *memory, size_t old_size,
                                  size_t size);

typedef struct lpp_lua_api_t {
    int is_54;
    lua_State *(*newstate)(lpp_lua_allocate_fn *allocate, void *baton);
    void (*close)(lua_State *lua);
    void (*pushcclosure)(lua_State *lua, lpp_lua_function_fn *f, int upvalues);
    int (*pcallk)(lua_State *lua, int args, int results, int handler,
                  ptrdiff_t context, void *continuation);
    void (*callk)(lua_State *lua, int args, int results, ptrdiff_t context,
                  void *continuation);
    int (*loadbufferx)(lua_State *lua, const char *text, size_t len,
                       const char *name, const char *mode);
    int (*error)(lua_State *lua);
    int (*getstack)(lua_State *lua, int level, void *debug);
    int (*getinfo)(lua_State *lua, const char *what, void *debug);
    const void *(*topointer)(lua_State *lua, int index);
    ptrdiff_t (*tointegerx)(lua_State *lua, int index, int *is);
    void (*settop)(lua_State *lua, int index);
    void (*requiref)(lua_State *lua, const char *name,
                     lpp_lua_function_fn *open, int global);
    lpp_lua_function_fn *open_base, *open_coroutine;
} lpp_lua_api_t;

/*
 * Look up the functions in library, of dlopen, and what that is linked with. 0:
 * one is missing.
 * Signal-safe: no. Thread: any.
 */
int lpp_lua_api(lpp_lua_api_t *api, void *library, int is_54);

/* A function on Lua's stack, as the API describes it. */
typedef struct lpp_lua_level_t {
    apr_uint64_t ci, closure, source;
    apr_uint32_t line, defined, last;
    int is_lua;
} lpp_lua_level_t;

/*
 * The function at that level of the stack; 0: there is none. Uses two slots of
 * lua's stack; may raise an error of Lua.
 * Signal-safe: no. Thread: that of lua.
 */
int lpp_lua_level(const lpp_lua_api_t *api, lua_State *lua, int number,
                  lpp_lua_level_t *level);

#endif
