/* SPDX-License-Identifier: Apache-2.0 */
/* lua_world: a real Lua, and the reader of its functions on this thread. */
#ifndef LUA_WORLD_H
#define LUA_WORLD_H

#include <stddef.h>

#include "interp/lpp_interp_lua_internal.h"

typedef struct lua_State lua_State;
typedef int lua_function_fn(lua_State *lua);

typedef struct lua_api_t {
    lua_State *(*newstate)(void);
    void (*openlibs)(lua_State *lua);
    void (*close)(lua_State *lua);
    void (*pushcclosure)(lua_State *lua, lua_function_fn *f, int upvalues);
    void (*setglobal)(lua_State *lua, const char *name);
    const char *(*tolstring)(lua_State *lua, int index, size_t *len);
    int (*pcallk)(lua_State *lua, int args, int results, int handler,
                  ptrdiff_t context, void *continuation);
    int (*loadbufferx)(lua_State *lua, const char *text, size_t len,
                       const char *name, const char *mode);
} lua_api_t;

extern lua_api_t lua_api;
extern lpp_interp_lua_t lua_reader;
extern lpp_interp_found_t lua_found;
extern lpp_interp_seen_t *lua_seen;

/* Of a group of tests: loads Lua, and finds it. */
int lua_setup(void **state);
int lua_teardown(void **state);

/* Find it again. */
void lua_find(void);

/* A function of Lua's API, to the pointer at to. */
void lua_look_up(void *to, const char *name);

/* A state with all libraries; also calls rescue_loads(). */
lua_State *lua_new_state(void);

/* Run text as a chunk of that name; an error fails the test. */
void lua_run(lua_State *state, const char *text, const char *name);

/* Read the functions that this thread runs into lua_walk and lua_frames; here:
 * below a C function, where Lua has stored all registers. */
extern lpp_page_frame_t lua_frames[LPP_SNAPSHOT_PAGE_FRAMES];
extern lpp_interp_walk_t lua_walk;
void lua_read(const apr_uint64_t *regs);
void lua_read_here(void);
const lpp_interp_record_t *lua_record(lpp_page_frame_t frame);

#endif
