/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_lua: tells the sampler which interpreters of mod_lua run on a
 * thread; and regions for pages in Lua, as a table "lpprofile" in each of them:
 *
 *     lpprofile.start(r, "name")  lpprofile.time(r, "name")  lpprofile.stop(r)
 *     lpprofile.region(r, "name", f, ...)  -- returns what f(...) returns
 *
 * This module is not linked to Lua: mod_lua decides on its version, and it may
 * not be installed. The few functions needed are looked up when mod_lua has a
 * request, which means that they are loaded. All but lua_pcall are the same
 * from Lua 5.1 to 5.4.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>

#include <apr_hooks.h>
#include <apr_optional_hooks.h>
#include <apr_portable.h>
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>

#include "base/lpp_log_tags.h"
#include "interp/lpp_interp.h"
#include "request/mod_lpprofile_run.h"
#include "server/mod_lpprofile_config.h"
#include "web/mod_lpprofile_inline.h"

APLOG_USE_MODULE(lpprofile);

typedef struct lua_State lua_State;
typedef int lua_function_fn(lua_State *lua);

/* The part of Lua's API that is used, and mod_lua's hook. */
static struct {
    int (*loadstring)(lua_State *lua, const char *text);
    void (*pushcclosure)(lua_State *lua, lua_function_fn *f, int upvalues);
    void (*pushboolean)(lua_State *lua, int value);
    void *(*checkudata)(lua_State *lua, int index, const char *type);
    const char *(*optlstring)(lua_State *lua, int index, const char *other,
                              size_t *len);
    void (*settop)(lua_State *lua, int index);
    int (*gettop)(lua_State *lua);
    int (*pcall)(lua_State *lua, int args, int results, int handler);
    int (*newmetatable)(lua_State *lua, const char *name);
    int (*pcallk)(lua_State *lua, int args, int results, int handler,
                  ptrdiff_t context, void *continuation);
} api;

typedef int lua_request_hook_fn(lua_State *lua, request_rec *r);

/* region() in Lua: it returns the results of f, and raises its errors. */
static const char table_text[] =
    "local start, time, stop = ...\n"
    "local function finish(r, ok, ...)\n"
    "    stop(r)\n"
    "    if not ok then error((...), 0) end\n"
    "    return ...\n"
    "end\n"
    "lpprofile = { start = start, time = time, stop = stop,\n"
    "    region = function(r, name, f, ...)\n"
    "        start(r, name)\n"
    "        return finish(r, pcall(f, ...))\n"
    "    end }\n";

/* Look up functions in the Lua that mod_lua uses: another module may have
 * loaded a different one (Debian's mod_security2 does), with the same names. */
static void *lua_scope(void)
{
    module *lua = ap_find_linked_module("mod_lua.c");
    apr_os_dso_handle_t scope = RTLD_DEFAULT;

    if (lua && lua->dynamic_load_handle) {
        (void)apr_os_dso_handle_get(&scope, lua->dynamic_load_handle);
    }
    return scope;
}

static void *look_up(const char *name, int *missing)
{
    void *found = dlsym(lua_scope(), name);

    *missing |= !found;
    return found;
}

/* Done once: there is one Lua of mod_lua in a process. Several threads may do
 * it at the same time, with the same result. */
static int find_api(void)
{
    static atomic_int found;
    int missing = 0, without = 0;

    if (atomic_load(&found)) {
        return 1;
    }

    *(void **)&api.loadstring = look_up("luaL_loadstring", &missing);
    *(void **)&api.pushcclosure = look_up("lua_pushcclosure", &missing);
    *(void **)&api.pushboolean = look_up("lua_pushboolean", &missing);
    *(void **)&api.checkudata = look_up("luaL_checkudata", &missing);
    *(void **)&api.optlstring = look_up("luaL_optlstring", &missing);
    *(void **)&api.settop = look_up("lua_settop", &missing);
    *(void **)&api.gettop = look_up("lua_gettop", &missing);
    *(void **)&api.newmetatable = look_up("luaL_newmetatable", &missing);
    *(void **)&api.pcallk = look_up("lua_pcallk", &without);
    if (!api.pcallk) {
        *(void **)&api.pcall = look_up("lua_pcall", &missing);
    }
    atomic_store(&found, !missing);
    return !missing;
}

/* Both raise a Lua error for an argument of the wrong type. */
static request_rec *request_of(lua_State *lua)
{
    return *(request_rec **)api.checkudata(lua, 1, "Apache2.Request");
}

static int start(lua_State *lua)
{
    request_rec *r = request_of(lua);

    api.pushboolean(lua, lpp_inline_start(
        r, api.optlstring(lua, 2, "lua", NULL)));
    return 1;
}

static int time_only(lua_State *lua)
{
    request_rec *r = request_of(lua);

    api.pushboolean(lua, lpp_inline_time(
        r, api.optlstring(lua, 2, "lua", NULL)));
    return 1;
}

static int stop(lua_State *lua)
{
    api.pushboolean(lua, lpp_inline_stop(request_of(lua)));
    return 1;
}

static void add_table(lua_State *lua)
{
    if (api.loadstring(lua, table_text) != 0) {
        return;
    }
    api.pushcclosure(lua, start, 0);
    api.pushcclosure(lua, time_only, 0);
    api.pushcclosure(lua, stop, 0);
    if (api.pcallk) {
        (void)api.pcallk(lua, 3, 0, 0, 0, NULL);
    }
    else {
        (void)api.pcall(lua, 3, 0, 0);
    }
}

/* The state is not used by that request any more. If another thread ends the
 * request, the state stays known to the thread that ran it, which does not read
 * it: it does not run there. */
static apr_status_t leave(void *lua)
{
    lpp_interp_lua_leave(lua);
    return APR_SUCCESS;
}

/* Called before each request of an interpreter, new or reused: the name in its
 * registry shows whether the table exists. On an error the interpreter
 * continues without it. */
static int before_request(lua_State *lua, request_rec *r)
{
    int top;

    if (lpp_config_enabled(lpp_config_get(r->server)) || lpp_run_any()) {
        lpp_interp_lua_enter(lua, r->filename);
        apr_pool_cleanup_register(r->pool, lua, leave, apr_pool_cleanup_null);
    }
    if (!find_api()) {
        ap_log_cserror(APLOG_MARK, APLOG_DEBUG, 0, r->connection, r->server,
                       LPP_TAG_INLINE_LUA ": this Lua lacks a function that "
                       "is needed; pages have no table \"lpprofile\"");
        return OK;
    }
    top = api.gettop(lua);
    if (api.newmetatable(lua, "mod_lpprofile")) {
        add_table(lua);
    }
    api.settop(lua, top);
    return OK;
}

void lpp_lua_register_hooks(apr_pool_t *pool)
{
    lua_request_hook_fn *hook = before_request;

    /* Like APR_OPTIONAL_HOOK, whose type for this hook is in mod_lua.h, which
     * is not installed. */
    apr_optional_hook_add("lua_request", (void (*)(void))hook, NULL, NULL,
                          APR_HOOK_MIDDLE);
}
