/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_languages_internal: the readers of the languages: what each finds
 * on the helper, and what it walks in the handler.
 *
 * For each language: lpp_interp_<language>_find (lpp_interp_<language>_find.c)
 * looks whether its interpreter is loaded, of a known version, and as expected;
 * lpp_interp_<language>_walk (lpp_interp_<language>.c) follows its frames.
 * Offsets in an interpreter's structures are data: a row a version, with the
 * header that they come from.
 */
#ifndef LPP_INTERP_LANGUAGES_INTERNAL_H
#define LPP_INTERP_LANGUAGES_INTERNAL_H

#include "interp/lpp_interp_walk_internal.h"
#include "objects/lpp_maps.h"

/* A function of an interpreter whose C frame stands for page functions. */
typedef struct lpp_interp_marker_t {
    apr_uint64_t start; /* address in the process; 0: none */
    apr_uint64_t size;  /* bytes */
} lpp_interp_marker_t;

/* What find says of any language. */
typedef struct lpp_interp_found_t {
    int usable;                 /* it may be read */
    lpp_interp_marker_t run;    /* one frame of it for each run */
    lpp_interp_marker_t resume; /* Lua: lua_resume; else none */
    char why[160];              /* loaded and not usable: the sentence that says
                                   so; "" else */
} lpp_interp_found_t;

/*
 * find: fill in found and what walk needs, from the objects that are loaded.
 * Guarded loads may be used. Nothing is loaded or locked for long.
 * Signal-safe: no. Thread: the helper, while no thread is armed.
 *
 * walk: add the frames of the profiled thread to walk, innermost first. Sets
 * flags where the chain is cut.
 * Signal-safe: yes. Thread: the profiled one, in the handler.
 */

typedef struct lpp_interp_php_row_t lpp_interp_php_row_t;
typedef struct lpp_interp_php_t {
    const lpp_interp_php_row_t *row;
    apr_uint64_t globals; /* address of executor_globals */
} lpp_interp_php_t;

void lpp_interp_php_find(lpp_interp_php_t *php, lpp_interp_found_t *found);
void lpp_interp_php_walk(const lpp_interp_php_t *php, lpp_interp_walk_t *walk);

typedef struct lpp_interp_python_row_t lpp_interp_python_row_t;
#define LPP_INTERP_PYTHON_STATES 8 /* of a thread that are followed */
typedef struct lpp_interp_python_t {
    const lpp_interp_python_row_t *row;
    apr_uint64_t runtime;   /* address of _PyRuntime */
    apr_uint64_t code_type; /* address of PyCode_Type */
    apr_uint64_t thread;    /* the pthread_t of the thread that is read, set by
                               enter_thread; 0: the calling one */
    /* The states of the thread that was sampled last, one an interpreter;
     * checked at each use. Looked for when heads changes, which is made of the
     * heads of the interpreter's lists. */
    apr_uint64_t states[LPP_INTERP_PYTHON_STATES];
    apr_uint64_t heads;
    unsigned state_count;
} lpp_interp_python_t;

void lpp_interp_python_find(lpp_interp_python_t *python,
                            lpp_interp_found_t *found);
void lpp_interp_python_enter_thread(lpp_interp_python_t *python);
void lpp_interp_python_walk(lpp_interp_python_t *python,
                            lpp_interp_walk_t *walk);
/* The source line of the code unit, by a location table of len bytes of a
 * function that begins at line first; first if the table does not say.
 * Signal-safe: yes. Thread: the helper. */
apr_uint32_t lpp_interp_python_line(const unsigned char *table, apr_size_t len,
                                    apr_uint32_t first, apr_uint32_t unit);

typedef struct lpp_interp_lua_row_t lpp_interp_lua_row_t;
typedef struct lpp_interp_lua_t {
    const lpp_interp_lua_row_t *row;
    struct lpp_interp_lua_thread_t *thread; /* set by enter_thread */
} lpp_interp_lua_t;

/* maps are those of the objects that are loaded now. */
void lpp_interp_lua_find(lpp_interp_lua_t *lua, const lpp_maps_t *maps,
                         lpp_interp_found_t *found);
void lpp_interp_lua_enter_thread(lpp_interp_lua_t *lua);
void lpp_interp_lua_walk(const lpp_interp_lua_t *lua, lpp_interp_walk_t *walk);

typedef struct lpp_interp_perl_t {
    const struct lpp_interp_perl_row_t *row;
    apr_uint64_t context; /* of the thread: address of PL_current_context, or
                             0; set by enter_thread */
} lpp_interp_perl_t;

void lpp_interp_perl_find(lpp_interp_perl_t *perl, lpp_interp_found_t *found);
void lpp_interp_perl_enter_thread(lpp_interp_perl_t *perl);
void lpp_interp_perl_walk(const lpp_interp_perl_t *perl,
                          lpp_interp_walk_t *walk);

#endif
