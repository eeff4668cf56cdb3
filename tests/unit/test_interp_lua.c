/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_lua: page functions of a real Lua, in a state of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interp/lpp_interp_lua_names_internal.h"
#include "guarded_loads.h"
#include "lua_world.h"

/* What sample() saw: "defined:line" of each frame, innermost first, with "*" at
 * the outermost of a run, and "/" before a frame of another state. */
static char seen_text[4096];

static int sample(lua_State *state)
{
    char *to = seen_text;
    unsigned i, resumed = 0;

    (void)state;
    lua_read_here();
    *to = '\0';
    for (i = 0; i < lua_walk.count && to < seen_text + 4000; i++) {
        const char *between = i == 0 ? "" : " ";

        if (i > 0 && LPP_INTERP_STATE(lua_frames[i]) != resumed) {
            between = " / ";
        }
        resumed = LPP_INTERP_STATE(lua_frames[i]);
        to += sprintf(to, "%s%u:%u%s", between, lua_record(lua_frames[i])->line,
                      LPP_INTERP_LINE(lua_frames[i]),
                      lua_frames[i] & LPP_INTERP_ENTRY ? "*" : "");
    }
    return 0;
}

static lua_State *new_state(void)
{
    lua_State *state = lua_new_state();

    lua_api.pushcclosure(state, sample, 0);
    lua_api.setglobal(state, "sample");
    return state;
}

/* Run it as a page of this thread. */
static void run(const char *text)
{
    lua_State *state = new_state();

    lpp_interp_seen_reset(lua_seen);
    lpp_interp_lua_enter(state, "/site/page.lua");
    lua_run(state, text, "@/site/page.lua");
    lpp_interp_lua_leave(state);
    lua_api.close(state);
}

static void test_it_is_usable(void **state)
{
    (void)state;
    assert_string_equal(lua_found.why, "");
    assert_true(lua_found.usable);
    assert_true(lua_found.run.size > 4000);
    assert_true(lua_found.resume.size > 0);
    if (lua_reader.row->deltas) {
        assert_true(lua_reader.row->pc_register >= 0);
    }
}

/* Leave value in all words of free memory of that size. */
static void leave_in_memory(size_t size, apr_uint64_t value)
{
    void *blocks[16];
    size_t i, at;

    for (i = 0; i < 16; i++) {
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
        for (at = 0; at + 8 <= size; at += 8) {
            memcpy((char *)blocks[i] + at, &value, 8);
        }
    }
    /* Neighbours are not joined. */
    for (i = 0; i < 16; i += 2) {
        free(blocks[i]);
    }
    for (i = 1; i < 16; i += 2) {
        free(blocks[i]);
    }
}

/* An address between those of two stack frames is what stands in a state that
 * was closed. */
static void test_it_is_found_whatever_free_memory_holds(void **state)
{
    char here;
    apr_uint64_t below;
    size_t size;

    (void)state;
    rescue_loads();
    for (below = 64; below <= 8192; below += 64) {
        for (size = 16; size <= 2048; size += 16) {
            leave_in_memory(size, (apr_uint64_t)(uintptr_t)&here - below);
        }
        lua_find();
        assert_string_equal(lua_found.why, "");
        assert_true(lua_found.usable);
    }
}

static void test_chain(void **state)
{
    (void)state;
    run("local function f()\n"
        "  sample()\n"
        "end\n"
        "local function g()\n"
        "  local a = 1\n"
        "  f()\n"
        "end\n"
        "g()\n");
    assert_string_equal(seen_text, "1:2 4:6 0:8*");
    assert_int_equal(lua_walk.flags, 0);
}

static void test_names_of_the_file(void **state)
{
    const lpp_interp_record_t *record;

    (void)state;
    run("sample()");
    record = lua_record(lua_frames[0]);
    assert_int_equal(record->file.len, 14);
    assert_memory_equal(lpp_interp_seen_bytes(lua_seen, &record->file),
                        "/site/page.lua", 14);
    assert_int_equal(record->directory.len, 6);
    assert_memory_equal(lpp_interp_seen_bytes(lua_seen, &record->directory),
                        "/site/", 6);
    run("load('sample()')()");
    record = lua_record(lua_frames[0]);
    assert_int_equal(record->file.len, 8);
    assert_memory_equal(lpp_interp_seen_bytes(lua_seen, &record->file),
                        "[string]", 8);
    assert_int_equal(record->directory.len, 0);
    run("load('sample()', '@' .. ('/x'):rep(300))()");
    record = lua_record(lua_frames[0]);
    assert_int_equal(record->file.len, LPP_INTERP_FILE_MAX);
    assert_int_equal(record->directory.len, 0);
}

static void test_c_functions_are_skipped(void **state)
{
    (void)state;
    run("local function visit(x)\n"
        "  sample()\n"
        "end\n"
        "local function all()\n"
        "  string.gsub('a', 'a', visit)\n"
        "end\n"
        "pcall(all)\n");
    assert_string_equal(seen_text, "1:2* 4:5* 0:7*");
    run("local t = setmetatable({}, { __index = function(t, k)\n"
        "  sample()\n"
        "end })\n"
        "local x = t.a\n");
    assert_string_equal(seen_text, "1:2* 0:4*");
    run("table.sort({ 2, 1 }, function(a, b) sample() return a < b end)\n");
    assert_string_equal(seen_text, "1:1* 0:1*");
}

static void test_tail_calls(void **state)
{
    (void)state;
    run("local function f()\n"
        "  sample()\n"
        "  return 1\n"
        "end\n"
        "local function g()\n"
        "  return f()\n"
        "end\n"
        "g()\n");
    assert_string_equal(seen_text, "1:2 0:8*");
}

static void test_varargs(void **state)
{
    (void)state;
    run("local function f(...)\n"
        "  local a = ...\n"
        "  sample()\n"
        "end\n"
        "local function g(...)\n"
        "  f(1, ...)\n"
        "end\n"
        "g(1, 2, 3)\n");
    assert_string_equal(seen_text, "1:3 5:6 0:8*");
}

static void test_coroutines(void **state)
{
    (void)state;
    run("local function f()\n"
        "  sample()\n"
        "end\n"
        "local co = coroutine.wrap(function()\n"
        "  f()\n"
        "end)\n"
        "co()\n");
    assert_string_equal(seen_text, "1:2 4:5* / 0:7*");
    run("local function inner()\n"
        "  sample()\n"
        "end\n"
        "local function outer()\n"
        "  coroutine.resume(coroutine.create(inner))\n"
        "end\n"
        "coroutine.resume(coroutine.create(outer))\n");
    assert_string_equal(seen_text, "1:2* / 4:5* / 0:7*");
    /* After a yield. */
    run("local function deep()\n"
        "  coroutine.yield()\n"
        "  sample()\n"
        "end\n"
        "local function all()\n"
        "  deep()\n"
        "end\n"
        "local co = coroutine.wrap(all)\n"
        "co()\n"
        "co()\n");
    assert_int_equal(strncmp(seen_text, "1:3", 3), 0);
    assert_non_null(strstr(seen_text, " 5:6* / 0:10*"));
    /* One that is suspended is not followed. */
    run("local co = coroutine.create(function() coroutine.yield() end)\n"
        "coroutine.resume(co)\n"
        "sample(co)\n");
    assert_string_equal(seen_text, "0:3*");
    /* Nor one that stands above. */
    run("local main = coroutine.running()\n"
        "local function f()\n"
        "  sample(main)\n"
        "end\n"
        "coroutine.wrap(f)()\n");
    assert_string_equal(seen_text, "2:3* / 0:5*");
}

static void test_many_coroutines(void **state)
{
    unsigned i, resumed = LPP_INTERP_LUA_STATES - 1;

    (void)state;
    run("local function nested(n)\n"
        "  if n == 0 then sample() return end\n"
        "  coroutine.wrap(nested)(n - 1)\n"
        "end\n"
        "nested(40)\n");
    assert_true(lua_walk.flags & LPP_PAGE_CUT);
    assert_int_equal(lua_walk.count, LPP_INTERP_LUA_STATES);
    for (i = 0; i < lua_walk.count; i++) {
        assert_int_equal(LPP_INTERP_STATE(lua_frames[i]), resumed);
    }
}

static void test_deep_recursion(void **state)
{
    unsigned i;

    (void)state;
    run("local function deep(n)\n"
        "  if n == 0 then sample() return end\n"
        "  deep(n - 1)\n"
        "end\n"
        "deep(5000)\n");
    assert_int_equal(lua_walk.count, LPP_SNAPSHOT_PAGE_FRAMES);
    assert_true(lua_walk.flags & LPP_PAGE_CUT);
    for (i = 1; i < lua_walk.count; i++) {
        assert_int_equal(LPP_INTERP_LINE(lua_frames[i]), 3);
    }
}

/* Lines of a function with more instructions and lines than differences of one
 * byte can say. */
static void test_long_function(void **state)
{
    char *text = malloc(200000), *to = text, expected[32];
    unsigned line;

    (void)state;
    to += sprintf(to, "local a, b\n");
    for (line = 2; line < 3000; line++) {
        to += sprintf(to, line == 1500 ? "sample()\n"
                          : line % 3 == 0 ? "a = b a = b a = b\n" : "\n");
    }
    run(text);
    snprintf(expected, sizeof(expected), "0:1500*");
    assert_string_equal(seen_text, expected);
    to += sprintf(to, "sample()\n");
    run(text);
    assert_string_equal(seen_text, "0:3000*");
    free(text);
}

/* A page that calls another one, in a state of its own. */
static int other_page(lua_State *state)
{
    lua_State *other = new_state();

    (void)state;
    lpp_interp_lua_enter(other, "/site/other.lua");
    lua_run(other, "\nsample()", "@/site/other.lua");
    lpp_interp_lua_leave(other);
    lua_api.close(other);
    return 0;
}

static void test_subrequests(void **state)
{
    lua_State *page = new_state();

    (void)state;
    lpp_interp_seen_reset(lua_seen);
    lua_api.pushcclosure(page, other_page, 0);
    lua_api.setglobal(page, "other");
    lpp_interp_lua_enter(page, "/site/page.lua");
    lua_run(page, "other()", "@/site/page.lua");
    assert_string_equal(seen_text, "0:2* 0:1*");
    lua_run(page, "coroutine.wrap(function() other() end)()", "@/x.lua");
    assert_string_equal(seen_text, "0:2* 1:1* / 0:1*");
    lua_run(page, "sample()", "@/x.lua");
    assert_string_equal(seen_text, "0:1*");
    lpp_interp_lua_leave(page);
    lua_run(page, "sample()", "@/x.lua");
    assert_string_equal(seen_text, "");
    lua_api.close(page);
}

/* A state of the server that another thread uses now. */
static pthread_barrier_t barrier;

static int wait_in_lua(lua_State *state)
{
    (void)state;
    pthread_barrier_wait(&barrier); /* it runs */
    pthread_barrier_wait(&barrier); /* it was looked at */
    return 0;
}

static void *run_elsewhere(void *data)
{
    lua_run(data, "wait()", "@/x.lua");
    return NULL;
}

static void test_state_of_another_thread(void **state)
{
    lua_State *page = new_state();
    pthread_t thread;

    (void)state;
    lua_api.pushcclosure(page, wait_in_lua, 0);
    lua_api.setglobal(page, "wait");
    pthread_barrier_init(&barrier, NULL, 2);
    lpp_interp_lua_enter(page, "/site/page.lua");
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, page), 0);
    pthread_barrier_wait(&barrier);
    lua_read_here();
    assert_int_equal(lua_walk.count, 0);
    assert_int_equal(lua_walk.flags, 0);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    lpp_interp_lua_leave(page);
    pthread_barrier_destroy(&barrier);
    lua_api.close(page);
}

static void test_more_states_than_are_kept(void **state)
{
    lua_State *states[LPP_INTERP_LUA_STATES + 1];
    unsigned i;

    (void)state;
    for (i = 0; i <= LPP_INTERP_LUA_STATES; i++) {
        states[i] = new_state();
        lpp_interp_lua_enter(states[i], NULL);
    }
    lua_run(states[0], "sample()", "@/x.lua");
    assert_string_equal(seen_text, "0:1*");
    lua_run(states[LPP_INTERP_LUA_STATES], "sample()", "@/x.lua");
    assert_string_equal(seen_text, "");
    for (i = 0; i <= LPP_INTERP_LUA_STATES; i++) {
        lpp_interp_lua_leave(states[i]);
        lua_api.close(states[i]);
    }
    assert_int_equal(lua_reader.thread->count, 0);
}

/* Chains in which words were changed to anything end, without a fault that is
 * not rescued. */
static int hostile(lua_State *state)
{
    apr_uint64_t ci = lpp_peek_word((apr_uint64_t)(apr_uintptr_t)state
                                    + lua_reader.row->ci);
    unsigned random = 1, i;

    for (i = 0; i < 20000; i++) {
        apr_uint64_t at = ci, kept, *word;
        unsigned up, words = 8; /* of the structure */

        random = random * 1103515245 + 12345;
        for (up = random >> 16 & 3; up > 0; up--) {
            at = lpp_peek_word(at + lua_reader.row->previous);
        }
        if (random >> 18 & 1) { /* the slot, closure, Proto */
            at = lpp_peek_word(at + lua_reader.row->function);
            if (random >> 19 & 1
                && (unsigned char)lpp_peek_word(at + 8)
                       == lua_reader.row->tag_function) {
                at = lpp_peek_word(at);
                if (random >> 20 & 1) {
                    at = lpp_peek_word(at + lua_reader.row->proto);
                }
                else {
                    words = 4; /* of a closure without upvalues */
                }
            }
        }
        word = (apr_uint64_t *)(apr_uintptr_t)at;
        if (lpp_peek_word(at) == 0 && lpp_peek_word(at + 8) == 0) {
            continue;
        }
        word += (random >> 21 & 7) % words;
        kept = *word;
        switch (random >> 24 & 3) {
        case 0:
            *word = (apr_uint64_t)random << 13;
            break;
        case 1:
            *word = ci + (random >> 26 & 7) * 8;
            break;
        case 2:
            *word = kept + 8;
            break;
        default:
            *word = (apr_uint64_t)(apr_uintptr_t)word;
        }
        lua_read_here();
        *word = kept;
        assert_true(lua_walk.count <= LPP_SNAPSHOT_PAGE_FRAMES);
    }
    return 0;
}

static void test_hostile_memory(void **state)
{
    lua_State *page = new_state();

    (void)state;
    lpp_interp_seen_reset(lua_seen);
    lua_api.pushcclosure(page, hostile, 0);
    lua_api.setglobal(page, "hostile");
    lpp_interp_lua_enter(page, NULL);
    lua_run(page,
             "local function f() hostile() end\n"
             "local function g() f() end\n"
             "coroutine.wrap(function() g() end)()\n", "@/x.lua");
    lua_run(page, "sample()", "@/x.lua");
    assert_string_equal(seen_text, "0:1*");
    lpp_interp_lua_leave(page);
    lua_api.close(page);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const char *name_of(lpp_lua_files_t *files, const char *file,
                           const char *directory, unsigned line)
{
    static char name[100];

    lpp_lua_name(files, file, directory, line, name, sizeof(name));
    return name;
}

static void test_names(void **state)
{
    char directory[64] = "/tmp/lpp-lua-XXXXXX", path[96], other[96];
    lpp_lua_files_t files;

    (void)state;
    memset(&files, 0, sizeof(files));
    assert_non_null(mkdtemp(directory));
    strcat(directory, "/");
    snprintf(path, sizeof(path), "%spage.lua", directory);
    snprintf(other, sizeof(other), "%sother.lua", directory);
    write_file(path, "function a() end\n"
                     "b = function() return function() end end\n");
    assert_string_equal(name_of(&files, path, directory, 0), "{main}");
    assert_string_equal(name_of(&files, path, "", 1), "function:1");
    assert_string_equal(name_of(&files, path, "/", 1), "function:1");
    assert_string_equal(name_of(&files, path, "/tmp/other/", 1), "function:1");
    assert_int_equal(files.count, 0);
    assert_string_equal(name_of(&files, path, directory, 1), "a");
    /* Two on one line. */
    assert_string_equal(name_of(&files, path, directory, 2), "function:2");
    assert_string_equal(name_of(&files, path, directory, 3), "function:3");
    /* It is read once. */
    write_file(path, "function z() end\n");
    assert_string_equal(name_of(&files, path, directory, 1), "a");
    assert_int_equal(files.count, 1);
    lpp_lua_files_reset(&files);
    assert_string_equal(name_of(&files, path, directory, 1), "z");
    /* Not a symbolic link, not what leaves the directory. */
    assert_int_equal(symlink(path, other), 0);
    assert_string_equal(name_of(&files, other, directory, 1), "function:1");
    unlink(other);
    snprintf(other, sizeof(other), "%s../%spage.lua", directory,
             directory + 5);
    assert_string_equal(name_of(&files, other, directory, 1), "function:1");
    /* Not a pipe, and it is not waited for. */
    snprintf(other, sizeof(other), "%spipe", directory);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_string_equal(name_of(&files, other, directory, 1), "function:1");
    unlink(other);
    /* Not a large one. */
    snprintf(other, sizeof(other), "%slarge", directory);
    write_file(other, "function large() end\n");
    assert_int_equal(truncate(other, 1024 * 1024 + 1), 0);
    assert_string_equal(name_of(&files, other, directory, 1), "function:1");
    unlink(other);
    unlink(path);
    directory[strlen(directory) - 1] = '\0';
    rmdir(directory);
    lpp_lua_files_reset(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_usable),
        cmocka_unit_test(test_it_is_found_whatever_free_memory_holds),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_names_of_the_file),
        cmocka_unit_test(test_c_functions_are_skipped),
        cmocka_unit_test(test_tail_calls),
        cmocka_unit_test(test_varargs),
        cmocka_unit_test(test_coroutines),
        cmocka_unit_test(test_many_coroutines),
        cmocka_unit_test(test_deep_recursion),
        cmocka_unit_test(test_long_function),
        cmocka_unit_test(test_subrequests),
        cmocka_unit_test(test_state_of_another_thread),
        cmocka_unit_test(test_more_states_than_are_kept),
        cmocka_unit_test(test_hostile_memory),
        cmocka_unit_test(test_names)
    };

    return cmocka_run_group_tests(tests, lua_setup, lua_teardown);
}
