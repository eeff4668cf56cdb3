/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_interp_lua: what reading Lua's page functions costs in the handler, of a
 * real Lua; and what finding its offsets costs.
 *
 *   bench_interp_lua [ROUNDS]
 *
 * prints "name value unit" lines, medians over the rounds.
 */
#include <dlfcn.h>
#include <stddef.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "bench_util.h"
#include "../unit/rescue_loads.h"
#include "interp/lpp_interp_lua_internal.h"

#define COLD_BYTES (4 << 20) /* written in between: caches are cold */
#define WALKS 200

typedef struct lua_State lua_State;

static void *library;
static lpp_interp_lua_t reader;
static lpp_interp_seen_t *seen;
static double measured[2]; /* warm, cold */

/* The function of that name, to the pointer at to. */
static void look_up(void *to, const char *name)
{
    void *found = dlsym(library, name);

    need(found == NULL ? APR_ENOENT : APR_SUCCESS, name);
    memcpy(to, &found, sizeof(found));
}

static double walk_ns(int is_cold)
{
    static unsigned char cold[COLD_BYTES];
    static lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
    apr_uint64_t regs[LPP_REGS] = { 0 };
    lpp_interp_walk_t walk = { regs, seen, frames, 0, 0, 0 };
    double took[WALKS];
    int i;

    regs[LPP_REG_SP] = (apr_uint64_t)(apr_uintptr_t)&regs[0];
    for (i = 0; i < WALKS; i++) {
        apr_uint64_t start;

        if (is_cold) {
            memset(cold, i, sizeof(cold));
        }
        walk.count = walk.flags = 0;
        walk.steps = LPP_INTERP_STEPS_MAX;
        start = now_ns(CLOCK_MONOTONIC);
        lpp_interp_lua_walk(&reader, &walk);
        took[i] = (double)(now_ns(CLOCK_MONOTONIC) - start);
    }
    return median(took, WALKS);
}

/* Called by the script, at its depth. */
static int measure(lua_State *lua)
{
    (void)lua;
    measured[0] = walk_ns(0);
    measured[1] = walk_ns(1);
    return 0;
}

static void run_at(unsigned depth)
{
    lua_State *(*newstate)(void);
    void (*pushcclosure)(lua_State *, int (*)(lua_State *), int);
    void (*setglobal)(lua_State *, const char *);
    int (*loadstring)(lua_State *, const char *);
    int (*pcall)(lua_State *, int, int, int, ptrdiff_t, void *);
    void (*close_state)(lua_State *);
    char script[200];
    lua_State *lua;

    look_up(&newstate, "luaL_newstate");
    look_up(&pushcclosure, "lua_pushcclosure");
    look_up(&setglobal, "lua_setglobal");
    look_up(&loadstring, "luaL_loadstring");
    look_up(&pcall, "lua_pcallk");
    look_up(&close_state, "lua_close");
    lua = newstate();
    need(lua == NULL ? APR_ENOMEM : APR_SUCCESS, "a state");
    lpp_interp_lua_enter(lua, NULL);
    pushcclosure(lua, measure, 0);
    setglobal(lua, "measure");
    snprintf(script, sizeof(script),
             "local function f(n)\n  if n < 3 then measure() return end\n"
             "  f(n - 1)\nend\nf(%u)\n", depth);
    need(loadstring(lua, script) != 0 || pcall(lua, 0, 0, 0, 0, NULL) != 0
             ? APR_EGENERAL : APR_SUCCESS, "the script");
    lpp_interp_lua_leave(lua);
    close_state(lua);
}

static void bench(unsigned depth, int rounds, apr_pool_t *pool)
{
    double warm[ROUNDS_MAX], cold[ROUNDS_MAX];
    int round;

    for (round = 0; round < rounds; round++) {
        run_at(depth);
        warm[round] = measured[0];
        cold[round] = measured[1];
    }
    print(apr_psprintf(pool, "interp.lua.%u.warm", depth),
          median(warm, rounds), "ns");
    print(apr_psprintf(pool, "interp.lua.%u.cold", depth),
          median(cold, rounds), "ns");
}

int main(int argc, char **argv)
{
    int rounds = rounds_of(argc, argv);
    lpp_interp_found_t found;
    apr_pool_t *pool;
    lpp_maps_t *maps;
    double took[ROUNDS_MAX];
    int round;

    rescue_loads();
    apr_initialize();
    need(apr_pool_create(&pool, NULL), "a pool");
    library = dlopen("liblua5.3.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        library = dlopen("liblua5.4.so.0", RTLD_NOW | RTLD_LOCAL);
    }
    need(library == NULL ? APR_ENOENT : APR_SUCCESS, "Lua");
    need(lpp_maps_create(&maps, pool), "maps");
    seen = apr_palloc(pool, lpp_interp_seen_size());
    lpp_interp_seen_init(seen);
    lpp_interp_seen_reset(seen);
    for (round = 0; round < rounds; round++) {
        apr_uint64_t start = now_ns(CLOCK_MONOTONIC);

        memset(&found, 0, sizeof(found));
        lpp_interp_lua_find_in(&reader, library, maps, &found);
        took[round] = (double)(now_ns(CLOCK_MONOTONIC) - start);
    }
    need(found.usable ? APR_SUCCESS : APR_EGENERAL, found.why);
    print("interp.lua.find", median(took, rounds), "ns");
    lpp_interp_lua_enter_thread(&reader);
    bench(10, rounds, pool);
    bench(50, rounds, pool);
    bench(200, rounds, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
