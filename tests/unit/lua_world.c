/* SPDX-License-Identifier: Apache-2.0 */
/* lua_world: see lua_world.h. */
#include "lua_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <string.h>

#include "guarded_loads.h"

static void *library;
static apr_pool_t *pool;
static lpp_maps_t *maps;
lpp_interp_lua_t lua_reader;
lpp_interp_found_t lua_found;
lpp_interp_seen_t *lua_seen;
lua_api_t lua_api;
lpp_page_frame_t lua_frames[LPP_SNAPSHOT_PAGE_FRAMES];
lpp_interp_walk_t lua_walk;

void lua_look_up(void *to, const char *name)
{
    void *function = dlsym(library, name);

    assert_non_null(function);
    memcpy(to, &function, sizeof(function));
}

void lua_find(void)
{
    memset(&lua_found, 0, sizeof(lua_found));
    lpp_interp_lua_find_in(&lua_reader, library, maps, &lua_found);
}

int lua_setup(void **state)
{
    (void)state;
    rescue_loads();
    library = dlopen("liblua5.3.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        library = dlopen("liblua5.4.so.0", RTLD_NOW | RTLD_LOCAL);
    }
    assert_non_null(library);
    apr_initialize();
    apr_pool_create(&pool, NULL);
    assert_int_equal(lpp_maps_create(&maps, pool), APR_SUCCESS);
    lua_seen = apr_palloc(pool, lpp_interp_seen_size());
    lpp_interp_seen_init(lua_seen);
    lua_look_up(&lua_api.newstate, "luaL_newstate");
    lua_look_up(&lua_api.openlibs, "luaL_openlibs");
    lua_look_up(&lua_api.close, "lua_close");
    lua_look_up(&lua_api.pushcclosure, "lua_pushcclosure");
    lua_look_up(&lua_api.setglobal, "lua_setglobal");
    lua_look_up(&lua_api.tolstring, "lua_tolstring");
    lua_look_up(&lua_api.pcallk, "lua_pcallk");
    lua_look_up(&lua_api.loadbufferx, "luaL_loadbufferx");
    lua_find();
    lpp_interp_lua_enter_thread(&lua_reader);
    return 0;
}

int lua_teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

void lua_read(const apr_uint64_t *regs)
{
    lua_walk.regs = regs;
    lua_walk.seen = lua_seen;
    lua_walk.frames = lua_frames;
    lua_walk.count = lua_walk.flags = 0;
    lua_walk.steps = LPP_INTERP_STEPS_MAX;
    lpp_interp_lua_walk(&lua_reader, &lua_walk);
}

/* In a C function, the next instruction is always in the CallInfo. */
void lua_read_here(void)
{
    apr_uint64_t regs[LPP_REGS];

    memset(regs, 0, sizeof(regs));
    regs[LPP_REG_SP] = (apr_uint64_t)(apr_uintptr_t)&regs[0];
    lua_read(regs);
}

const lpp_interp_record_t *lua_record(lpp_page_frame_t frame)
{
    const lpp_interp_record_t *record =
        lpp_interp_seen_record(lua_seen, LPP_INTERP_FUNCTION(frame));

    assert_non_null(record);
    return record;
}

lua_State *lua_new_state(void)
{
    lua_State *state = lua_api.newstate();

    rescue_loads();
    assert_non_null(state);
    lua_api.openlibs(state);
    return state;
}

void lua_run(lua_State *state, const char *text, const char *name)
{
    if (lua_api.loadbufferx(state, text, strlen(text), name, NULL) != 0
        || lua_api.pcallk(state, 0, 0, 0, 0, NULL) != 0) {
        print_message("%s\n", lua_api.tolstring(state, -1, NULL));
        fail();
    }
}
