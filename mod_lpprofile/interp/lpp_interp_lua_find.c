/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_lua_find: finds the Lua of mod_lua; the states that run on each
 * thread.
 */
#include "interp/lpp_interp_lua_internal.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <string.h>

#include <apr_strings.h>

static __thread lpp_interp_lua_thread_t own;

/* Copy the directory of file; "" if it is too long. */
static void copy_directory(char *directory, const char *file)
{
    const char *slash = strrchr(file, '/');
    apr_size_t len = slash == NULL ? 0 : (apr_size_t)(slash - file) + 1;

    len = len <= LPP_INTERP_FILE_MAX ? len : 0;
    memcpy(directory, file, len);
    directory[len] = '\0';
}

void lpp_interp_lua_enter(void *state, const char *file)
{
    lpp_interp_lua_entry_t *entry;

    lpp_interp_lua_leave(state);
    if (own.count == LPP_INTERP_LUA_STATES) {
        return;
    }
    /* The handler may come between: count is last. */
    entry = &own.entries[own.count];
    entry->state = (apr_uint64_t)(apr_uintptr_t)state;
    copy_directory(entry->directory, file == NULL ? "" : file);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    own.count++;
}

void lpp_interp_lua_leave(void *state)
{
    apr_uint64_t address = (apr_uint64_t)(apr_uintptr_t)state;
    unsigned i;

    for (i = 0; i < own.count && own.entries[i].state != address; i++) {
    }
    if (i == own.count) {
        return; /* another thread entered it */
    }
    for (; i + 1 < own.count; i++) {
        own.entries[i] = own.entries[i + 1];
    }
    own.count--;
}

static apr_uint64_t stack_end(void)
{
    pthread_attr_t attributes;
    apr_uint64_t end = 0;
    size_t size = 0;
    void *start = NULL;

    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return 0;
    }
    if (pthread_attr_getstack(&attributes, &start, &size) == 0) {
        end = (apr_uint64_t)(apr_uintptr_t)start + size;
    }
    pthread_attr_destroy(&attributes);
    return end;
}

void lpp_interp_lua_enter_thread(lpp_interp_lua_t *lua)
{
    if (own.stack_end == 0) {
        own.stack_end = stack_end();
    }
    lua->thread = &own;
}

/* The handle of mod_lua, which is loaded; NULL: it is not. */
static void *mod_lua(const lpp_maps_t *maps)
{
    unsigned number;

    for (number = 1; number <= lpp_maps_count(maps); number++) {
        const lpp_object_t *object = lpp_maps_object(maps, number);
        const char *slash =
            object == NULL ? NULL : strrchr(object->path, '/');

        if (slash != NULL && strcmp(slash, "/mod_lua.so") == 0
            && !object->gone) {
            return dlopen(object->path, RTLD_LAZY | RTLD_NOLOAD);
        }
    }
    return NULL;
}

/* The version, "5.3", of "$LuaVersion: Lua 5.3.6  Copyright ..."; NULL: not
 * said, as LuaJIT does. */
static const char *version_of(void *library)
{
    const char *ident = dlsym(library, "lua_ident");

    ident = ident == NULL ? NULL : strstr(ident, "Lua 5.");
    return ident == NULL ? NULL : ident + 4;
}

static lpp_interp_marker_t exported(void *library, const char *name)
{
    void *address = dlsym(library, name);
    lpp_interp_marker_t marker = { 0, 0 };
    ElfW(Sym) *symbol = NULL;
    Dl_info info;

    if (address != NULL
        && dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0
        && symbol != NULL) {
        marker.start = (apr_uint64_t)(apr_uintptr_t)address;
        marker.size = symbol->st_size;
    }
    return marker;
}

void lpp_interp_lua_find_in(lpp_interp_lua_t *lua, void *library,
                            const lpp_maps_t *maps, lpp_interp_found_t *found)
{
    static lpp_interp_lua_row_t row; /* the helper's, and read by the handler
                                        of the threads it arms */
    const char *version = version_of(library);
    int is_54 = version != NULL && strncmp(version, "5.4", 3) == 0;

    lua->row = NULL;
    if (!is_54 && (version == NULL || strncmp(version, "5.3", 3) != 0)) {
        apr_snprintf(found->why, sizeof(found->why),
                     version == NULL
                         ? "LuaJIT is not known: its functions are not shown."
                         : "Lua %.3s is not known: its functions are not "
                           "shown.", version);
        return;
    }
    if (!lpp_interp_lua_calibrate(&row, library, is_54, maps, &found->run)) {
        apr_snprintf(found->why, sizeof(found->why),
                     "This Lua %.3s is built in a way that is not known: its "
                     "functions are not shown.", version);
        return;
    }
    found->resume = exported(library, "lua_resume");
    lua->row = &row;
    found->usable = 1;
}

void lpp_interp_lua_find(lpp_interp_lua_t *lua, const lpp_maps_t *maps,
                         lpp_interp_found_t *found)
{
    void *library = mod_lua(maps);

    lua->row = NULL;
    if (library != NULL) {
        lpp_interp_lua_find_in(lua, library, maps, found);
        dlclose(library);
    }
}
