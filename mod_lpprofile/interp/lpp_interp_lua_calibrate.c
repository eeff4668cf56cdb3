/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_lua_calibrate: finds where Lua keeps what the reader needs.
 *
 * A script runs in a scratch state and calls probe, a C function, from places
 * that are known: there lua_getstack hands out the CallInfo, lua_topointer the
 * closure, lua_getinfo source and line, and what has these values has the
 * offset. Then the same script runs again, and the reader itself must agree
 * with the public API at each probe, and the C stack with the number of runs.
 *
 * All that can raise an error of Lua runs in a protected call. What is looked
 * for is read by guarded loads.
 */
#include "interp/lpp_interp_lua_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "interp/lpp_interp_lua_api_internal.h"
#include "unwind/lpp_unwind.h"

/* Which call of probe it is. The functions that are measured must call it as
 * they do: f and g with 4 and 3 instructions, few and many with 64 instructions
 * of a difference. */
enum {
    CALLS = 1, /* probe < f < g < the chunk */
    FEW,
    MANY,
    NESTED,    /* in a recursion, every second call by pcall */
    LINES,     /* several times */
    WRAPPED,   /* by coroutine.wrap */
    RESUMED,   /* by coroutine.resume */
    PROBES = RESUMED
};

#define TEN "a = b a = b a = b a = b a = b a = b a = b a = b a = b a = b "
#define LINES_10 "\n\n\n\n\n\n\n\n\n\n"
#define LINES_70 LINES_10 LINES_10 LINES_10 LINES_10 LINES_10 LINES_10 LINES_10
#define CODE_10 "a = b\na = b a = b\na = b\na = b a = b\na = b\na = b a = b\n"

static const char script[] =
    "local probe = ...\n"
    "local function f(p)\n"
    "    p(1, 0)\n"
    "end\n"
    "local function g(p)\n"
    "    f(p)\n"
    "end\n"
    "\n"
    "g(probe)\n"
    "local function few() local a, b; probe(2) a = b end\n"
    "few()\n"
    "local function many() local a, b; probe(3) a = b "
        TEN TEN TEN TEN TEN TEN "a = b a = b a = b a = b end\n"
    "many()\n"
    "local function nested(n)\n"
    "    if n == 0 then probe(4)\n"
    "    elseif n % 2 == 0 then nested(n - 1)\n"
    "    else pcall(nested, n - 1)\n"
    "    end\n"
    "end\n"
    "nested(15)\n"
    "local function lines(a, b)\n"
    "    probe(5)\n"
    "    a = b\n"
    "    probe(5)\n"
    LINES_70
    LINES_70
    LINES_70
    "    probe(5)\n"
    "    a = b\n"
    CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10
    CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10 CODE_10
    "    probe(5)\n"
    LINES_70
    LINES_70
    "    a = b\n"
    "    probe(5)\n"
    "end\n"
    "lines()\n"
    "coroutine.wrap(function()\n"
    "    f(function()\n"
    "        probe(6)\n"
    "    end)\n"
    "end)()\n"
    "coroutine.resume(coroutine.create(function()\n"
    "    pcall(function()\n"
    "        g(function(_, n) probe(7) end)\n"
    "    end)\n"
    "end))\n";

#define LINE_SAMPLES 8

typedef struct calibration_t {
    lpp_lua_api_t api;
    lpp_interp_lua_row_t *row;
    apr_uint64_t main;       /* the scratch state */
    apr_uint64_t outer;      /* an address on the C stack, above all of it */
    lpp_interp_marker_t run;
    int checking;            /* the second pass */
    unsigned done;           /* bits of the probes that were passed */
    int failed;
    apr_uint64_t few;        /* Proto */
    struct {
        apr_uint64_t proto;
        apr_uint32_t index;  /* of the instruction */
        apr_uint32_t line;
    } lines[LINE_SAMPLES];
    unsigned line_count;
} calibration_t;

static apr_uint64_t address_of(const void *pointer)
{
    return (apr_uint64_t)(apr_uintptr_t)pointer;
}

typedef lpp_lua_level_t level_t;

static int level_of(const calibration_t *c, lua_State *lua, int number,
                    level_t *level)
{
    return lpp_lua_level(&c->api, lua, number, level);
}

/* Offset of the one word of wanted among bytes at base; not found or more than
 * once: 0. (What stands at 0 is never looked for.) */
static unsigned offset_of(apr_uint64_t base, unsigned bytes,
                          apr_uint64_t wanted)
{
    unsigned found = 0, at;

    for (at = 8; at < bytes; at += 8) {
        if (lpp_peek_word(base + at) == wanted) {
            if (found != 0) {
                return 0;
            }
            found = at;
        }
    }
    return found;
}

static apr_uint32_t peek_int(apr_uint64_t from)
{
    apr_uint32_t value = 0;

    (void)lpp_peek_bytes(&value, from, sizeof(value));
    return value;
}

#define STATE_BYTES 200
#define CI_BYTES (8 * LPP_LUA_CALL_WORDS)
#define PROTO_BYTES (8 * LPP_LUA_PROTO_WORDS)
#define CLOSURE_BYTES 48
#define STRING_BYTES 40 /* before its text */

/* The offset of CallInfo at which there is a pointer to a slot that has
 * closure. It may be the first member. */
static int find_function(lpp_interp_lua_row_t *row, const level_t *level)
{
    apr_uint64_t slot[LPP_LUA_SLOT_WORDS];
    unsigned at;

    for (at = 0; at < CI_BYTES; at += 8) {
        if (lpp_peek(slot, lpp_peek_word(level->ci + at), LPP_LUA_SLOT_WORDS)
            && slot[0] == level->closure) {
            row->function = at;
            row->tag_function = (unsigned char)slot[1];
            return 1;
        }
    }
    return 0;
}

/* From the closure to its Proto, which has the source. */
static int find_proto(lpp_interp_lua_row_t *row, const level_t *level)
{
    unsigned i, k;

    for (i = 8; i < CLOSURE_BYTES; i += 8) {
        apr_uint64_t proto = lpp_peek_word(level->closure + i);

        for (k = 8; k < PROTO_BYTES; k += 8) {
            apr_uint64_t before = level->source - lpp_peek_word(proto + k);

            if (before > 8 && before <= STRING_BYTES) {
                row->proto = i;
                row->source = k;
                row->text = (unsigned)before;
                return 1;
            }
        }
    }
    return 0;
}

static apr_uint64_t proto_of(const calibration_t *c, const level_t *level)
{
    return lpp_peek_word(level->closure + c->row->proto);
}

static int find_line(lpp_interp_lua_row_t *row, apr_uint64_t proto,
                     const level_t *level)
{
    for (row->line = 8; row->line + 4 < PROTO_BYTES; row->line += 4) {
        if (peek_int(proto + row->line) == level->defined
            && peek_int(proto + row->line + 4) == level->last) {
            return 1;
        }
    }
    return 0;
}

/* In f the next instruction is the fifth, in g the fourth. */
static int find_code(lpp_interp_lua_row_t *row, const level_t *f,
                     apr_uint64_t f_proto, const level_t *g,
                     apr_uint64_t g_proto)
{
    unsigned i, k;

    for (i = 0; i < CI_BYTES; i += 8) {
        for (k = 8; k < PROTO_BYTES; k += 8) {
            if (lpp_peek_word(f->ci + i) == lpp_peek_word(f_proto + k) + 16
                && lpp_peek_word(g->ci + i)
                       == lpp_peek_word(g_proto + k) + 12) {
                row->pc = i;
                row->code = k;
                return 1;
            }
        }
    }
    return 0;
}

/* The word of the state that points to a protected call's variable on the C
 * stack. */
static int find_jump(calibration_t *c, lua_State *lua, apr_uint64_t here)
{
    unsigned at, count = 0;

    for (at = 8; at < STATE_BYTES; at += 8) {
        apr_uint64_t value = lpp_peek_word(address_of(lua) + at);

        if (value > here && value < c->outer) {
            c->row->jump = at;
            count++;
        }
    }
    return count == 1;
}

static int probe_calls(calibration_t *c, lua_State *lua)
{
    lpp_interp_lua_row_t *row = c->row;
    level_t own, f, g, chunk;

    if (!level_of(c, lua, 0, &own) || !level_of(c, lua, 1, &f)
        || !level_of(c, lua, 2, &g) || !level_of(c, lua, 3, &chunk)) {
        return 0;
    }
    row->ci = offset_of(address_of(lua), STATE_BYTES, own.ci);
    row->previous = offset_of(own.ci, CI_BYTES, f.ci);
    if (row->ci == 0 || row->previous == 0
        || lpp_peek_word(f.ci + row->previous) != g.ci
        || lpp_peek_word(g.ci + row->previous) != chunk.ci) {
        return 0;
    }
    if (!find_function(row, &f) || !find_proto(row, &f)
        || !find_line(row, proto_of(c, &f), &f)
        || !find_code(row, &f, proto_of(c, &f), &g, proto_of(c, &g))) {
        return 0;
    }
    row->tag_light = (unsigned char)lpp_peek_word(
        lpp_peek_word(own.ci + row->function) + 8);
    return find_jump(c, lua, address_of(&own));
}

/* Two functions that differ by 64 instructions. */
static int probe_many(calibration_t *c, lua_State *lua)
{
    lpp_interp_lua_row_t *row = c->row;
    apr_uint64_t many;
    level_t level;

    if (!level_of(c, lua, 1, &level)) {
        return 0;
    }
    many = proto_of(c, &level);
    for (row->code_count = 8; row->code_count < PROTO_BYTES;
         row->code_count += 4) {
        if (peek_int(many + row->code_count)
            == peek_int(c->few + row->code_count) + 64) {
            return 1;
        }
    }
    return 0;
}

/* Whether each function of the recursion, and the chunk, have the bit exactly
 * if C code called them. n is 0 in the innermost one, which pcall called. */
static int is_fresh(const calibration_t *c, lua_State *lua, unsigned at,
                    unsigned bit)
{
    level_t level, caller;
    int number;

    for (number = 1; level_of(c, lua, number, &level); number++) {
        unsigned status = peek_int(level.ci + at) & 0xffff;
        int by_c = !level_of(c, lua, number + 1, &caller) || !caller.is_lua;

        if (level.is_lua
            && (status >= 0x1000 || ((status & bit) != 0) != by_c)) {
            return 0;
        }
    }
    return number > 16;
}

static int probe_nested(calibration_t *c, lua_State *lua)
{
    lpp_interp_lua_row_t *row = c->row;

    /* The 16 bits stand in one 32-bit word. */
    for (row->status = 0; row->status < CI_BYTES; row->status += 2) {
        for (row->fresh = 1; row->fresh < 0x1000; row->fresh <<= 1) {
            if (is_fresh(c, lua, row->status, row->fresh)) {
                return 1;
            }
        }
    }
    return 0;
}

static int probe_line(calibration_t *c, lua_State *lua)
{
    level_t level;
    unsigned i = c->line_count;
    apr_uint64_t pc;

    if (i == LINE_SAMPLES || !level_of(c, lua, 1, &level)) {
        return 0;
    }
    pc = lpp_peek_word(level.ci + c->row->pc);
    c->lines[i].proto = proto_of(c, &level);
    c->lines[i].index = (apr_uint32_t)(
        (pc - lpp_peek_word(c->lines[i].proto + c->row->code)) / 4) - 1;
    c->lines[i].line = level.line;
    c->line_count++;
    return 1;
}

/* wrap's closure has the coroutine as its first upvalue. */
static int probe_wrapped(calibration_t *c, lua_State *lua)
{
    lpp_interp_lua_row_t *row = c->row;
    apr_uint64_t slot[LPP_LUA_SLOT_WORDS];
    apr_uint64_t ci = lpp_peek_word(c->main + row->ci);

    if (address_of(lua) == c->main
        || !lpp_peek(slot, lpp_peek_word(ci + row->function),
                     LPP_LUA_SLOT_WORDS)) {
        return 0;
    }
    row->tag_closure = (unsigned char)slot[1];
    row->upvalue = offset_of(slot[0], CLOSURE_BYTES, address_of(lua));
    row->tag_thread =
        (unsigned char)lpp_peek_word(slot[0] + row->upvalue + 8);
    return row->upvalue != 0;
}

/* The next call's function, and the coroutine as its first argument. */
static int probe_resumed(const calibration_t *c, lua_State *lua)
{
    const lpp_interp_lua_row_t *row = c->row;
    apr_uint64_t slots[2 * LPP_LUA_SLOT_WORDS];
    apr_uint64_t ci = lpp_peek_word(c->main + row->ci);

    return address_of(lua) != c->main
           && lpp_peek(slots, lpp_peek_word(ci + row->function),
                       2 * LPP_LUA_SLOT_WORDS)
           && (unsigned char)slots[1] == row->tag_light
           && slots[2] == address_of(lua)
           && (unsigned char)slots[3] == row->tag_thread;
}

/* Whether lines, absolute and absolute_count of row give the right line at each
 * of the probes. */
static int lines_agree(const calibration_t *c)
{
    apr_uint64_t proto[LPP_LUA_PROTO_WORDS];
    unsigned i;

    for (i = 0; i < c->line_count; i++) {
        if (!lpp_peek(proto, c->lines[i].proto, LPP_LUA_PROTO_WORDS)
            || lpp_interp_lua_line(c->row, proto, c->lines[i].index)
                   != c->lines[i].line) {
            return 0;
        }
    }
    return i > 0;
}

/* The count of pairs is the smallest that does; few has none. */
static int find_absolute(calibration_t *c)
{
    lpp_interp_lua_row_t *row = c->row;
    apr_uint32_t smallest = ~(apr_uint32_t)0;
    unsigned found = 0, at, count;

    for (at = 8; at < PROTO_BYTES; at += 8) {
        row->absolute = at;
        for (count = 8; count < PROTO_BYTES; count += 4) {
            row->absolute_count = count;
            if (peek_int(c->few + count) == 0
                && peek_int(c->lines[0].proto + count) < smallest
                && lines_agree(c)) {
                smallest = peek_int(c->lines[0].proto + count);
                found = at << 16 | count;
            }
        }
    }
    row->absolute = found >> 16;
    row->absolute_count = found & 0xffff;
    return found != 0;
}

static int find_lines(calibration_t *c)
{
    lpp_interp_lua_row_t *row = c->row;

    for (row->lines = 8; row->lines < PROTO_BYTES; row->lines += 8) {
        if (row->deltas ? find_absolute(c) : lines_agree(c)) {
            return 1;
        }
    }
    return 0;
}

static int measure(calibration_t *c, lua_State *lua, int number)
{
    level_t level;

    switch (number) {
    case CALLS:
        return probe_calls(c, lua);
    case FEW:
        if (!level_of(c, lua, 1, &level)) {
            return 0;
        }
        c->few = proto_of(c, &level);
        return 1;
    case MANY:
        return probe_many(c, lua);
    case NESTED:
        return probe_nested(c, lua);
    case LINES:
        return probe_line(c, lua);
    case WRAPPED:
        return probe_wrapped(c, lua);
    case RESUMED:
        return probe_resumed(c, lua) && find_lines(c);
    default:
        return 0;
    }
}

/* The C stack of a probe: frames of the function that runs Lua code, and the
 * register that had pc in the innermost one. */
typedef struct c_stack_t {
    const lpp_interp_marker_t *run;
    apr_uint64_t pc;
    unsigned runs;
    int pc_register;
} c_stack_t;

static _Unwind_Reason_Code see_frame(struct _Unwind_Context *context,
                                     void *data)
{
    /* Numbers of DWARF, which those in regs are, that a call preserves. */
    static const int preserved[] = { 3, 6, 12, 13, 14, 15 };
    c_stack_t *stack = data;
    unsigned i;

    if (_Unwind_GetIP(context) - stack->run->start >= stack->run->size) {
        return _URC_NO_REASON;
    }
    for (i = 0; stack->runs == 0 && LPP_PEEK_AVAILABLE
                && i < sizeof(preserved) / sizeof(preserved[0]); i++) {
        if (_Unwind_GetGR(context, preserved[i]) == stack->pc) {
            stack->pc_register = preserved[i];
        }
    }
    stack->runs++;
    return _URC_NO_REASON;
}

/* Whether the functions of one state are what the API says. *fresh: how many C
 * code called. */
static int same_calls(const calibration_t *c, lua_State *lua, unsigned *fresh)
{
    apr_uint64_t ci = lpp_peek_word(address_of(lua) + c->row->ci);
    lpp_interp_lua_call_t call;
    level_t level;
    int number;

    for (number = 0; level_of(c, lua, number, &level); number++) {
        if (ci != level.ci || !lpp_interp_lua_call(c->row, ci, 0, &call)
            || call.is_lua != level.is_lua || call.torn) {
            return 0;
        }
        if (call.is_lua
            && (call.line != level.line || call.defined != level.defined
                || call.source + c->row->text != level.source)) {
            return 0;
        }
        *fresh += call.is_lua && call.fresh;
        ci = call.previous;
    }
    return lpp_interp_lua_call(c->row, ci, 0, &call) && call.previous == 0;
}

static int check(calibration_t *c, lua_State *lua)
{
    lpp_interp_lua_thread_t thread;
    lpp_interp_lua_states_t states;
    c_stack_t stack = { &c->run, 0, 0, -1 };
    lpp_interp_lua_row_t *row = c->row;
    unsigned fresh = 0, i;
    level_t level;

    memset(&thread, 0, sizeof(thread));
    thread.count = 1;
    thread.stack_end = c->outer;
    thread.entries[0].state = c->main;
    lpp_interp_lua_states(row, &thread, address_of(&level), &states);
    if (states.count != (address_of(lua) == c->main ? 1 : 2)
        || states.at[states.count - 1] != address_of(lua)
        || !level_of(c, lua, 1, &level)) {
        return 0;
    }
    for (i = 0; i < states.count; i++) {
        if (!same_calls(c, (lua_State *)(apr_uintptr_t)states.at[i], &fresh)) {
            return 0;
        }
    }
    stack.pc = lpp_peek_word(level.ci + row->pc);
    _Unwind_Backtrace(see_frame, &stack);
    if (row->deltas) {
        /* The same one at each probe. */
        if (row->pc_register >= 0 && stack.pc_register != row->pc_register) {
            return 0;
        }
        row->pc_register = stack.pc_register;
    }
    return stack.runs == fresh;
}

/* Which words of a Proto the reader needs. */
static void bound_proto(lpp_interp_lua_row_t *row)
{
    const unsigned offsets[] = { row->source, row->line, row->code,
                                 row->code_count, row->lines,
                                 row->deltas ? row->absolute : row->lines,
                                 row->deltas ? row->absolute_count
                                             : row->lines };
    unsigned first = LPP_LUA_PROTO_WORDS, last = 0, i;

    for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        first = offsets[i] / 8 < first ? offsets[i] / 8 : first;
        last = offsets[i] / 8 > last ? offsets[i] / 8 : last;
    }
    row->proto_first = first;
    row->proto_count = last - first + 1;
}

/* What probe works on: one thread calibrates at a time. */
static calibration_t *current;

/* Called by the script: probe(number). */
static int probe(lua_State *lua)
{
    calibration_t *c = current;
    int number = (int)c->api.tointegerx(lua, 1, NULL);

    if (!c->failed
        && !(c->checking ? check(c, lua) : measure(c, lua, number))) {
        c->failed = number;
    }
    c->done |= 1u << number;
    return 0;
}

/* What is called in protected mode. */
static int run_script(lua_State *lua)
{
    lpp_lua_api_t *api = &current->api;

    api->requiref(lua, "_G", api->open_base, 1);
    api->requiref(lua, "coroutine", api->open_coroutine, 1);
    api->settop(lua, 0);
    if (api->loadbufferx(lua, script, sizeof(script) - 1, "@calibration",
                         NULL) != 0) {
        return api->error(lua);
    }
    api->pushcclosure(lua, probe, 0);
    api->callk(lua, 1, 0, 0, NULL);
    return 0;
}

/*
 * The allocator of the scratch state, as Lua's manual asks for. All memory is
 * zero at first: Lua leaves members unset, and what malloc hands out may have
 * the values that are looked for, from a state that was closed.
 */
static void *allocate_zeroed(void *baton, void *memory, size_t old_size,
                             size_t size)
{
    char *made;

    (void)baton;
    if (size == 0) {
        free(memory);
        return NULL;
    }
    if (memory == NULL) {
        return calloc(1, size); /* old_size is a kind of object */
    }
    made = realloc(memory, size);
    if (made != NULL && size > old_size) {
        memset(made + old_size, 0, size - old_size);
    }
    return made;
}

/* Run the script once. Returns 0 if something failed. */
static int run_once(calibration_t *c, int checking)
{
    const unsigned all = (2u << PROBES) - 2;
    lua_State *lua = c->api.newstate(allocate_zeroed, NULL);
    int status;

    if (lua == NULL) {
        return 0;
    }
    c->main = address_of(lua);
    c->checking = checking;
    c->done = 0;
    current = c;
    c->api.pushcclosure(lua, run_script, 0);
    status = c->api.pcallk(lua, 0, 0, 0, 0, NULL);
    current = NULL;
    /* It does not run any more. */
    c->failed |= lpp_peek_word(c->main + c->row->jump) != 0;
    c->api.close(lua);
    return status == 0 && !c->failed && c->done == all;
}

/* The function that runs Lua code is not exported. It is by far the largest of
 * the library; that the C stack has one frame of it for each run is checked. */
static int find_run(calibration_t *c, const lpp_maps_t *maps)
{
    apr_uint64_t second;

    return lpp_unwind_largest(
               lpp_maps_find(maps, address_of((void *)c->api.newstate)),
               &c->run.start, &c->run.size, &second)
           && c->run.size >= 2 * second;
}

int lpp_interp_lua_calibrate(lpp_interp_lua_row_t *row, void *library,
                             int is_54, const lpp_maps_t *maps,
                             lpp_interp_marker_t *run)
{
    calibration_t c;

    memset(&c, 0, sizeof(c));
    memset(row, 0, sizeof(*row));
    c.row = row;
    c.outer = address_of(&c);
    row->deltas = is_54;
    row->pc_register = -1;
    if (!lpp_lua_api(&c.api, library, is_54) || !find_run(&c, maps)
        || !run_once(&c, 0)) {
        return 0;
    }
    bound_proto(row);
    if (!run_once(&c, 1)) {
        return 0;
    }
    *run = c.run;
    return 1;
}
