/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_lua: reads page functions of Lua, in the handler.
 *
 * A state runs on this thread if its protected calls stand on the C stack in
 * use: Lua keeps a pointer to the innermost one. So a state that other threads
 * use as well, or that was closed, is never followed. A coroutine is found from
 * the C function that resumes it: it is its first upvalue (coroutine.wrap) or
 * its first argument, and runs deeper on the same stack.
 */
#include "interp/lpp_interp_lua_internal.h"

#define DELTAS 128    /* read at a time; Lua 5.4 writes a whole line number at
                         least that often */
#define DELTAS_MAX 1024
#define SOURCE_MAX 4096
#define NO_FILE "[string]"

static apr_uint64_t word_at(const apr_uint64_t *words, unsigned offset)
{
    return words[offset / 8];
}

static apr_uint32_t int_at(const apr_uint64_t *words, unsigned offset)
{
    return (apr_uint32_t)(words[offset / 8] >> (offset % 8 * 8));
}

/* The last pair (instruction, line) at or before index; 0: there is none. */
static apr_uint64_t whole_line(apr_uint64_t pairs, apr_uint32_t count,
                               apr_uint32_t index)
{
    apr_uint64_t found = 0;
    apr_uint32_t low = 0, high = count;

    while (low < high) {
        apr_uint32_t middle = low + (high - low) / 2;
        apr_uint64_t pair = lpp_peek_word(pairs + 8 * (apr_uint64_t)middle);

        if ((apr_uint32_t)pair <= index) {
            found = pair;
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low > 0 ? found : 0;
}

/* The line of an instruction, from differences. */
static apr_uint64_t add_deltas(const lpp_interp_lua_row_t *row,
                               const apr_uint64_t *proto, apr_uint32_t index)
{
    apr_uint64_t pair = whole_line(word_at(proto, row->absolute),
                                   int_at(proto, row->absolute_count), index);
    apr_uint32_t at = pair == 0 ? 0 : (apr_uint32_t)pair + 1;
    apr_uint32_t line = pair == 0 ? int_at(proto, row->line)
                                  : (apr_uint32_t)(pair >> 32);
    signed char deltas[DELTAS];

    if (index >= at + DELTAS_MAX) {
        return 0;
    }
    while (at <= index) {
        apr_uint32_t count = index - at + 1, i;

        count = count < DELTAS ? count : DELTAS;
        if (lpp_peek_bytes(deltas, word_at(proto, row->lines) + at, count)
            != count) {
            return 0;
        }
        for (i = 0; i < count; i++) {
            line += (apr_uint32_t)(apr_int32_t)deltas[i];
        }
        at += count;
    }
    return line;
}

apr_uint64_t lpp_interp_lua_line(const lpp_interp_lua_row_t *row,
                                 const apr_uint64_t *proto, apr_uint32_t index)
{
    apr_uint32_t line;

    if (word_at(proto, row->lines) == 0) {
        return 0; /* compiled without them */
    }
    if (row->deltas) {
        return add_deltas(row, proto, index);
    }
    return lpp_peek_bytes(&line, word_at(proto, row->lines)
                                     + 4 * (apr_uint64_t)index, 4) == 4
        ? line : 0;
}

/* Whether pc, of the next instruction, is one of the function's. */
static int is_in_code(apr_uint64_t pc, apr_uint64_t code, apr_uint32_t count)
{
    return pc >= code && pc - code <= 4 * (apr_uint64_t)count
           && (pc - code) % 4 == 0;
}

static void read_function(const lpp_interp_lua_row_t *row, apr_uint64_t closure,
                          apr_uint64_t saved, apr_uint64_t pc,
                          lpp_interp_lua_call_t *call)
{
    apr_uint64_t proto[LPP_LUA_PROTO_WORDS];
    apr_uint32_t count;

    call->proto = lpp_peek_word(closure + row->proto);
    if (!lpp_peek(proto + row->proto_first, call->proto + 8 * row->proto_first,
                  row->proto_count)) {
        call->torn = 1;
        return;
    }
    call->source = word_at(proto, row->source);
    call->code = word_at(proto, row->code);
    call->defined = int_at(proto, row->line);
    count = int_at(proto, row->code_count);
    if (!is_in_code(saved, call->code, count)) {
        call->torn = 1;
        return;
    }
    if (pc <= call->code || !is_in_code(pc, call->code, count)) {
        pc = saved;
    }
    call->line = pc == call->code
        ? 0
        : lpp_interp_lua_line(row, proto,
                              (apr_uint32_t)((pc - call->code) / 4) - 1);
}

int lpp_interp_lua_call(const lpp_interp_lua_row_t *row, apr_uint64_t ci,
                        apr_uint64_t pc, lpp_interp_lua_call_t *call)
{
    apr_uint64_t words[LPP_LUA_CALL_WORDS], slot[LPP_LUA_SLOT_WORDS];
    unsigned char tag;

    *call = (lpp_interp_lua_call_t){ 0 };
    if (!lpp_peek(words, ci, LPP_LUA_CALL_WORDS)) {
        return 0;
    }
    call->previous = word_at(words, row->previous);
    if (call->previous == 0) {
        return 1; /* the C code that uses the state */
    }
    if (!lpp_peek(slot, word_at(words, row->function), LPP_LUA_SLOT_WORDS)) {
        call->torn = 1;
        return 1;
    }
    tag = (unsigned char)slot[1];
    call->is_lua = tag == row->tag_function;
    call->torn = !call->is_lua && tag != row->tag_closure
        && tag != row->tag_light;
    call->fresh = (int_at(words, row->status) & row->fresh) != 0;
    if (call->is_lua) {
        read_function(row, slot[0], word_at(words, row->pc), pc, call);
    }
    return 1;
}

/* Whether state runs between sp and limit on the C stack; then *limit becomes
 * its place there. */
static int runs(const lpp_interp_lua_row_t *row, apr_uint64_t state,
                apr_uint64_t sp, apr_uint64_t *limit)
{
    apr_uint64_t jump = lpp_peek_word(state + row->jump);

    if (jump <= sp || jump >= *limit) {
        return 0;
    }
    *limit = jump;
    return 1;
}

/* The coroutine that the innermost function of state has resumed; 0: none. */
static apr_uint64_t resumed_by(const lpp_interp_lua_row_t *row,
                               apr_uint64_t state, apr_uint64_t sp,
                               apr_uint64_t *limit)
{
    apr_uint64_t function, upvalue[LPP_LUA_SLOT_WORDS];
    apr_uint64_t slots[2 * LPP_LUA_SLOT_WORDS]; /* function, first argument */

    function = lpp_peek_word(lpp_peek_word(state + row->ci) + row->function);
    if (!lpp_peek(slots, function, 2 * LPP_LUA_SLOT_WORDS)
        || (unsigned char)slots[1] == row->tag_function) {
        return 0;
    }
    if ((unsigned char)slots[1] == row->tag_closure
        && lpp_peek(upvalue, slots[0] + row->upvalue, LPP_LUA_SLOT_WORDS)
        && (unsigned char)upvalue[1] == row->tag_thread
        && runs(row, upvalue[0], sp, limit)) {
        return upvalue[0];
    }
    return (unsigned char)slots[3] == row->tag_thread
           && runs(row, slots[2], sp, limit) ? slots[2] : 0;
}

static void add_state(lpp_interp_lua_states_t *states, apr_uint64_t state,
                      unsigned resumed, unsigned entry)
{
    unsigned place = states->count++ % LPP_INTERP_LUA_STATES;

    states->at[place] = state;
    states->resumed[place] =
        (unsigned char)(resumed < LPP_INTERP_LUA_STATES
                        ? resumed : LPP_INTERP_LUA_STATES - 1);
    states->entry[place] = (unsigned char)entry;
}

/* The entry whose state runs outermost between sp and limit; count: none. */
static unsigned outermost(const lpp_interp_lua_row_t *row,
                          const lpp_interp_lua_thread_t *thread,
                          unsigned count, apr_uint64_t sp, apr_uint64_t *limit)
{
    apr_uint64_t highest = sp;
    unsigned found = count, i;

    for (i = 0; i < count; i++) {
        apr_uint64_t at = *limit;

        if (runs(row, thread->entries[i].state, highest, &at)) {
            highest = at;
            found = i;
        }
    }
    *limit = highest;
    return found;
}

void lpp_interp_lua_states(const lpp_interp_lua_row_t *row,
                           const lpp_interp_lua_thread_t *thread,
                           apr_uint64_t sp, lpp_interp_lua_states_t *states)
{
    apr_uint64_t limit = thread->stack_end, state;
    unsigned count = thread->count, resumed = 0, steps = LPP_INTERP_STEPS_MAX;
    unsigned entry;

    states->count = 0;
    if (count > LPP_INTERP_LUA_STATES) {
        return;
    }
    while ((entry = outermost(row, thread, count, sp, &limit)) < count) {
        state = thread->entries[entry].state;
        add_state(states, state, resumed, entry);
        while (steps-- > 0
               && (state = resumed_by(row, state, sp, &limit)) != 0) {
            add_state(states, state, ++resumed, entry);
        }
    }
}

/* Fill in a function that is seen for the first time. */
static void describe(const lpp_interp_lua_row_t *row, lpp_interp_walk_t *walk,
                     const lpp_interp_lua_call_t *call, const char *directory,
                     lpp_interp_record_t *record)
{
    apr_uint64_t source = call->source == 0 ? 0 : call->source + row->text;
    char first = '\0';

    record->line = call->defined;
    if (lpp_peek_bytes(&first, source, 1) == 1 && first == '@') {
        apr_size_t len = lpp_peek_length(source + 1, SOURCE_MAX);

        lpp_interp_copy(walk, &record->file, source + 1, len,
                        LPP_INTERP_FILE_MAX, 1);
        if (len <= LPP_INTERP_FILE_MAX) {
            len = lpp_peek_length((apr_uint64_t)(apr_uintptr_t)directory,
                                  LPP_INTERP_FILE_MAX);
            lpp_interp_copy(walk, &record->directory,
                            (apr_uint64_t)(apr_uintptr_t)directory, len,
                            LPP_INTERP_FILE_MAX, 0);
        }
    }
    else {
        lpp_interp_copy(walk, &record->file,
                        (apr_uint64_t)(apr_uintptr_t)NO_FILE,
                        sizeof(NO_FILE) - 1, LPP_INTERP_FILE_MAX, 0);
    }
}

static void add_call(const lpp_interp_lua_row_t *row, lpp_interp_walk_t *walk,
                     const lpp_interp_lua_call_t *call, unsigned resumed,
                     const char *directory)
{
    apr_uint64_t key[4];
    lpp_interp_record_t *record;

    key[0] = call->proto;
    key[1] = call->code;
    key[2] = call->source;
    key[3] = call->defined;
    record = lpp_interp_add(walk, LPP_LANGUAGE_LUA,
                            LPP_INTERP_IN_STATE(resumed)
                                | (call->fresh ? LPP_INTERP_ENTRY : 0),
                            call->line, key);
    if (record != NULL) {
        describe(row, walk, call, directory, record);
    }
}

/* Add the functions of one state. pc: see lpp_interp_lua_call, of the innermost
 * one. Returns 0 if the chain was cut. */
static int add_calls(const lpp_interp_lua_row_t *row, lpp_interp_walk_t *walk,
                     apr_uint64_t state, apr_uint64_t pc, unsigned resumed,
                     const char *directory)
{
    apr_uint64_t ci = lpp_peek_word(state + row->ci);
    lpp_interp_lua_call_t call;
    int leaf = 1;

    while (ci != 0) {
        if (lpp_interp_full(walk)) {
            return 0;
        }
        if (!lpp_interp_lua_call(row, ci, leaf ? pc : 0, &call)
            || (call.torn && !leaf)) {
            walk->flags |= LPP_PAGE_CUT;
            return 0;
        }
        if (leaf && call.line == 0) {
            call.line = call.defined; /* it has not begun */
        }
        if (call.is_lua && !call.torn) {
            add_call(row, walk, &call, resumed, directory);
        }
        leaf = 0;
        ci = call.previous;
    }
    return 1;
}

void lpp_interp_lua_walk(const lpp_interp_lua_t *lua, lpp_interp_walk_t *walk)
{
    const lpp_interp_lua_row_t *row = lua->row;
    const lpp_interp_lua_thread_t *thread = lua->thread;
    lpp_interp_lua_states_t states;
    apr_uint64_t pc;
    unsigned i, last;

    if (row == NULL || thread == NULL || thread->count == 0) {
        return;
    }
    lpp_interp_lua_states(row, thread, walk->regs[LPP_REG_SP], &states);
    pc = row->pc_register < 0 ? 0 : walk->regs[row->pc_register];
    last = states.count > LPP_INTERP_LUA_STATES
        ? states.count - LPP_INTERP_LUA_STATES : 0;
    for (i = states.count; i-- > last;) {
        unsigned place = i % LPP_INTERP_LUA_STATES;

        if (!add_calls(row, walk, states.at[place], pc, states.resumed[place],
                       thread->entries[states.entry[place]].directory)) {
            return;
        }
        pc = 0;
    }
    if (last > 0) {
        walk->flags |= LPP_PAGE_CUT;
    }
}
