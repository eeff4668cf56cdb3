/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_lua_api: see lpp_interp_lua_api_internal.h. */
#include "interp/lpp_interp_lua_api_internal.h"

#include <dlfcn.h>
#include <string.h>

/* Of Lua's manual: what lua_getinfo fills in. */
typedef struct debug_53_t {
    int event;
    const char *name, *namewhat, *what, *source;
    int currentline, linedefined, lastlinedefined;
    unsigned char nups, nparams;
    char isvararg, istailcall, short_src[60];
    void *i_ci;
} debug_53_t;

typedef struct debug_54_t {
    int event;
    const char *name, *namewhat, *what, *source;
    size_t srclen;
    int currentline, linedefined, lastlinedefined;
    unsigned char nups, nparams;
    char isvararg, istailcall;
    unsigned short ftransfer, ntransfer;
    char short_src[60];
    void *i_ci;
} debug_54_t;

typedef union debug_t {
    debug_53_t of_53;
    debug_54_t of_54;
    char room[512];
} debug_t;

int lpp_lua_api(lpp_lua_api_t *api, void *library, int is_54)
{
    const struct {
        void *to;
        const char *name;
    } names[] = {
        { &api->newstate, "lua_newstate" },
        { &api->close, "lua_close" },
        { &api->pushcclosure, "lua_pushcclosure" },
        { &api->pcallk, "lua_pcallk" },
        { &api->callk, "lua_callk" },
        { &api->loadbufferx, "luaL_loadbufferx" },
        { &api->error, "lua_error" },
        { &api->getstack, "lua_getstack" },
        { &api->getinfo, "lua_getinfo" },
        { &api->topointer, "lua_topointer" },
        { &api->tointegerx, "lua_tointegerx" },
        { &api->settop, "lua_settop" },
        { &api->requiref, "luaL_requiref" },
        { &api->open_base, "luaopen_base" },
        { &api->open_coroutine, "luaopen_coroutine" }
    };
    unsigned i;

    api->is_54 = is_54;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        void *found = dlsym(library, names[i].name);

        if (found == NULL) {
            return 0;
        }
        memcpy(names[i].to, &found, sizeof(found));
    }
    return 1;
}

static apr_uint64_t address_of(const void *pointer)
{
    return (apr_uint64_t)(apr_uintptr_t)pointer;
}

int lpp_lua_level(const lpp_lua_api_t *api, lua_State *lua, int number,
                  lpp_lua_level_t *level)
{
    debug_t debug;

    memset(&debug, 0, sizeof(debug));
    if (!api->getstack(lua, number, &debug)
        || !api->getinfo(lua, "Slf", &debug)) {
        return 0;
    }
    level->closure = address_of(api->topointer(lua, -1));
    api->settop(lua, -2);
    if (api->is_54) {
        level->ci = address_of(debug.of_54.i_ci);
        level->line = (apr_uint32_t)debug.of_54.currentline;
        level->defined = (apr_uint32_t)debug.of_54.linedefined;
        level->last = (apr_uint32_t)debug.of_54.lastlinedefined;
    }
    else {
        level->ci = address_of(debug.of_53.i_ci);
        level->line = (apr_uint32_t)debug.of_53.currentline;
        level->defined = (apr_uint32_t)debug.of_53.linedefined;
        level->last = (apr_uint32_t)debug.of_53.lastlinedefined;
    }
    /* These two stand at one place in both. what: "Lua", "main" or "C". */
    level->source = address_of(debug.of_53.source);
    level->is_lua = debug.of_53.what != NULL && debug.of_53.what[0] != 'C';
    return 1;
}
