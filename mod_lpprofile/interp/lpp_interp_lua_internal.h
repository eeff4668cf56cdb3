/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_lua_internal: where Lua keeps what the reader needs, the states of
 * a thread, and one function call. For lpp_interp_lua*.
 */
#ifndef LPP_INTERP_LUA_INTERNAL_H
#define LPP_INTERP_LUA_INTERNAL_H

#include "interp/lpp_interp.h"
#include "interp/lpp_interp_languages_internal.h"

#define LPP_LUA_SLOT_WORDS 2  /* of a value on Lua's stack: value, tag */
#define LPP_LUA_CALL_WORDS 9  /* of a CallInfo, that are read */
#define LPP_LUA_PROTO_WORDS 16 /* of a Proto, at most */

/*
 * Offsets in bytes. Lua installs no header that has them, so lpp_interp_lua_
 * calibrate finds all of them with the public API. Those of CallInfo and Proto
 * are less than the words that are read, those of words multiples of 8.
 */
struct lpp_interp_lua_row_t {
    int deltas;        /* lines are kept as differences, as Lua 5.4 does */
    unsigned ci;       /* lua_State: innermost call */
    unsigned jump;     /* lua_State: of protected calls, a variable on the C
                          stack of the thread that runs it; else NULL */
    unsigned function; /* CallInfo: slot of the function that is called */
    unsigned previous; /* CallInfo: the caller's */
    unsigned pc;       /* CallInfo: next instruction */
    unsigned status;   /* CallInfo: the 16 bits that have fresh */
    unsigned fresh;    /* the bit: C code called the function */
    unsigned proto;    /* closure: its Proto */
    unsigned upvalue;  /* closure of a C function: its first upvalue */
    unsigned source;   /* Proto: TString */
    unsigned line;     /* Proto: int, linedefined */
    unsigned code;     /* Proto: instructions, 4 bytes each */
    unsigned code_count;     /* Proto: int */
    unsigned lines;          /* Proto: line of each instruction */
    unsigned absolute;       /* Proto: pairs (instruction, line) */
    unsigned absolute_count; /* Proto: int */
    unsigned proto_first, proto_count; /* Proto: the words that have these */
    unsigned text;           /* TString: its bytes */
    unsigned char tag_function; /* of a value: a closure of a Lua function */
    unsigned char tag_closure;  /* a C function with upvalues */
    unsigned char tag_light;    /* a C function without */
    unsigned char tag_thread;   /* a coroutine */
    int pc_register; /* of regs: that has pc while the interpreter runs; -1: the
                        CallInfo always has it */
};

/* The states that mod_lua runs on a thread. */
typedef struct lpp_interp_lua_entry_t {
    apr_uint64_t state;
    char directory[LPP_INTERP_FILE_MAX + 1]; /* of the request's file, with its
                                                slash; "": not known */
} lpp_interp_lua_entry_t;

typedef struct lpp_interp_lua_thread_t {
    unsigned count;
    apr_uint64_t stack_end; /* of the thread; 0: not looked up */
    lpp_interp_lua_entry_t entries[LPP_INTERP_LUA_STATES];
} lpp_interp_lua_thread_t;

/* A call, as it was read. */
typedef struct lpp_interp_lua_call_t {
    apr_uint64_t previous; /* the caller's CallInfo; 0: there is none */
    int is_lua;            /* a function written in Lua; else nothing below */
    int torn;              /* it is just being entered or left, or Lua moves
                              its stack: nothing below is valid */
    int fresh;
    apr_uint64_t proto, source, code;
    apr_uint32_t defined;  /* line */
    apr_uint64_t line;     /* that runs; 0: not known, or it has not begun */
} lpp_interp_lua_call_t;

/*
 * Read the CallInfo at address ci. pc: what to use instead of its own next
 * instruction if it is one of the function's; else 0. Returns 0 if it cannot be
 * read.
 * Signal-safe: yes. Thread: the profiled one, in the handler; the helper.
 */
int lpp_interp_lua_call(const lpp_interp_lua_row_t *row, apr_uint64_t ci,
                        apr_uint64_t pc, lpp_interp_lua_call_t *call);

/* The states that run on a thread. Number i, 0 is the outermost, stands in
 * place i % LPP_INTERP_LUA_STATES; the innermost ones are kept. */
typedef struct lpp_interp_lua_states_t {
    apr_uint64_t at[LPP_INTERP_LUA_STATES];
    unsigned char resumed[LPP_INTERP_LUA_STATES]; /* how many lua_resume stand
                                                     above it on the C stack */
    unsigned char entry[LPP_INTERP_LUA_STATES];   /* its request's */
    unsigned count;
} lpp_interp_lua_states_t;

/*
 * Find the states of thread that run, with their coroutines: those whose
 * protected calls stand on the C stack above sp.
 * Signal-safe: yes. Thread: the profiled one, in the handler; the helper.
 */
void lpp_interp_lua_states(const lpp_interp_lua_row_t *row,
                           const lpp_interp_lua_thread_t *thread,
                           apr_uint64_t sp, lpp_interp_lua_states_t *states);

/* The line of an instruction, from the words of a Proto; 0: not known.
 * Signal-safe: yes. Thread: the profiled one, in the handler; the helper. */
apr_uint64_t lpp_interp_lua_line(const lpp_interp_lua_row_t *row,
                                 const apr_uint64_t *proto,
                                 apr_uint32_t index);

/*
 * Find all offsets, and the function that runs Lua code, in a scratch state of
 * the Lua that library (of dlopen) is linked with: 5.3, or 5.4 if is_54. 0:
 * something is not as expected.
 * Signal-safe: no. Thread: the helper.
 */
int lpp_interp_lua_calibrate(lpp_interp_lua_row_t *row, void *library,
                             int is_54, const lpp_maps_t *maps,
                             lpp_interp_marker_t *run);

/*
 * lpp_interp_lua_find, for a given library that is linked with Lua.
 * Signal-safe: no. Thread: the helper, while no thread is armed.
 */
void lpp_interp_lua_find_in(lpp_interp_lua_t *lua, void *library,
                            const lpp_maps_t *maps, lpp_interp_found_t *found);

#endif
