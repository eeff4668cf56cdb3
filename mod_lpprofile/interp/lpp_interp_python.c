/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_python: reads page functions of Python, in the handler.
 *
 * A thread has a PyThreadState in each interpreter that it has used; those with
 * a frame run now. A run is what one call of _PyEval_EvalFrameDefault executes.
 * Where it begins, a structure lies on the C stack, whose address is called
 * its place: in Python 3.11 a _PyCFrame, which has the innermost frame; since
 * 3.13 a frame that is no function. Frames of several interpreters are put in
 * order by their places.
 */
#include "interp/lpp_interp_python_internal.h"

#include <pthread.h>
#include <string.h>

#define INTERPRETERS_MAX 64
#define FRAME_WORDS 9 /* all that is read of a _PyInterpreterFrame */
#define CODE_WORDS 18 /* of a PyCodeObject */
#define NO_UNIT LPP_PAGE_LINE_MAX /* before the first instruction */

/* The interpreter's frames, followed from the innermost outwards. */
typedef struct chain_t {
    const lpp_interp_python_t *python;
    lpp_interp_walk_t *walk;
    apr_uint64_t frame;  /* that is next; 0: there is no further */
    apr_uint64_t cframe; /* Python 3.11: of its run */
    apr_uint32_t first;  /* in walk->frames, of the chain */
    apr_uint32_t run;    /* in walk->frames, of the run that is read */
    apr_uint64_t inner, outer; /* places of its first and its last run */
} chain_t;

typedef struct frame_t {
    apr_uint64_t code, previous, instruction;
    unsigned char entry;
} frame_t;

static int read_frame(const lpp_interp_python_row_t *row, apr_uint64_t from,
                      frame_t *frame)
{
    apr_uint64_t words[FRAME_WORDS];

    if (!lpp_peek(words, from, FRAME_WORDS)) {
        return 0;
    }
    frame->code = words[row->frame_code / 8];
    frame->previous = words[row->frame_previous / 8];
    frame->instruction = words[row->frame_instruction / 8];
    frame->entry = ((const unsigned char *)words)[row->frame_entry];
    return 1;
}

/* How many characters at the end of a text lpp_interp_copy_wide copies whole:
 * it has room for one of 4 bytes before each. */
static apr_uint64_t tail(apr_uint64_t from, apr_uint64_t count, unsigned width,
                         apr_size_t max)
{
    apr_size_t len = 0;
    apr_uint64_t i;

    for (i = 0; i < count; i++) {
        apr_uint32_t code = 0;

        lpp_peek_bytes(&code, from + (count - 1 - i) * width, width);
        len += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
        if (len + 3 > max) {
            break;
        }
    }
    return i;
}

/* Copy a str object: of a longer one the first max bytes, or the last. */
static void copy_text(const lpp_interp_python_row_t *row,
                      lpp_interp_walk_t *walk, lpp_interp_text_t *text,
                      apr_uint64_t object, apr_size_t max, int last)
{
    apr_uint64_t length = lpp_peek_word(object + row->text_length);
    apr_uint64_t state = lpp_peek_word(object + row->text_state);
    unsigned width = state >> 2 & 7;
    int compact = state >> 5 & 1, ascii = state >> 6 & 1;
    apr_uint64_t from = object + (ascii ? row->text_ascii : row->text_wide);

    if (!compact || length > APR_INT32_MAX
        || (width != 1 && width != 2 && width != 4)) {
        return; /* no text that Python itself makes for names */
    }
    if (ascii) {
        lpp_interp_copy(walk, text, from, length, max, last);
        return;
    }
    if (last) {
        apr_uint64_t kept = tail(from, length, width, max);

        from += (length - kept) * width;
        length = kept;
    }
    lpp_interp_copy_wide(walk, text, from, length, width, max);
}

static void fill_record(const lpp_interp_python_row_t *row,
                        lpp_interp_walk_t *walk, lpp_interp_record_t *record,
                        const apr_uint64_t *code)
{
    apr_uint64_t lines = code[row->code_lines / 8];
    apr_uint64_t len = lpp_peek_word(lines + row->bytes_size);

    copy_text(row, walk, &record->name, code[row->code_name / 8],
              LPP_INTERP_NAME_MAX, 0);
    copy_text(row, walk, &record->file, code[row->code_file / 8],
              LPP_INTERP_FILE_MAX, 1);
    lpp_interp_copy(walk, &record->lines, lines + row->bytes_data, len,
                    LPP_INTERP_LINES_MAX, 0);
}

/* Add a frame; returns 0 if it is none. */
static int add(chain_t *chain, const frame_t *frame, apr_uint64_t flags)
{
    const lpp_interp_python_row_t *row = chain->python->row;
    apr_uint64_t code[CODE_WORDS], key[4], unit;
    lpp_interp_record_t *record;
    apr_uint32_t line;

    if (!lpp_peek(code, frame->code, CODE_WORDS)
        || code[row->code_type / 8] != chain->python->code_type) {
        return 0;
    }
    memcpy(&line, (const char *)code + row->code_line, sizeof(line));
    key[0] = frame->code;
    key[1] = code[row->code_name / 8];
    key[2] = code[row->code_file / 8];
    key[3] = code[row->code_lines / 8] << 16 ^ code[row->code_size / 8] << 40
             ^ line;
    unit = (frame->instruction - (frame->code + row->code_units)) / 2;
    record = lpp_interp_add(chain->walk, LPP_LANGUAGE_PYTHON, flags,
                            unit < NO_UNIT ? unit : NO_UNIT, key);
    if (record != NULL) {
        record->line = line;
        fill_record(row, chain->walk, record, code);
    }
    return 1;
}

/* A run cannot be read to its end: forget it. */
static void drop_run(chain_t *chain)
{
    chain->walk->count = chain->run;
}

static void end_run(chain_t *chain, apr_uint64_t place)
{
    chain->run = chain->walk->count;
    chain->inner = chain->inner != 0 ? chain->inner : place;
    chain->outer = place;
}

/* The chain ends where it should not. */
static void break_chain(chain_t *chain)
{
    drop_run(chain);
    chain->walk->flags |= LPP_PAGE_CUT;
    chain->frame = 0;
}

/* Python 3.11: the innermost frame of the next run. A run of which this is not
 * true is being entered: the interpreter publishes its _PyCFrame first. */
static void step_cframe(chain_t *chain)
{
    const lpp_interp_python_row_t *row = chain->python->row;
    apr_uint64_t outer = 0, outer_frame = 0, cframe = chain->cframe;
    frame_t frame;
    int good = read_frame(row, chain->frame, &frame);

    if (good && frame.entry) {
        outer = lpp_peek_word(cframe + row->cframe_previous);
        outer_frame = lpp_peek_word(outer + row->cframe_frame);
        good = outer != 0 && frame.previous == outer_frame;
    }
    if (good && add(chain, &frame, frame.entry ? LPP_INTERP_ENTRY : 0)) {
        chain->frame = frame.previous;
        if (frame.entry) {
            end_run(chain, cframe);
            chain->cframe = outer;
        }
        else if (chain->frame == 0) {
            break_chain(chain);
        }
        return;
    }
    if (chain->inner != 0) {
        break_chain(chain);
        return;
    }
    drop_run(chain);
    chain->inner = cframe;
    chain->cframe = lpp_peek_word(cframe + row->cframe_previous);
    chain->frame = chain->cframe == 0 ? 0
        : lpp_peek_word(chain->cframe + row->cframe_frame);
}

/* Since Python 3.13. */
static void step_frame(chain_t *chain)
{
    lpp_interp_walk_t *walk = chain->walk;
    frame_t frame;

    if (!read_frame(chain->python->row, chain->frame, &frame)) {
        break_chain(chain);
        return;
    }
    if (frame.entry == LPP_INTERP_PYTHON_SHIM) {
        if (walk->count > chain->run) {
            walk->frames[walk->count - 1] |= LPP_INTERP_ENTRY;
        }
        end_run(chain, chain->frame);
        chain->frame = frame.previous;
        return;
    }
    if (frame.previous == 0 || !add(chain, &frame, 0)) {
        break_chain(chain);
        return;
    }
    chain->frame = frame.previous;
}

/* Set chain to the innermost frame of state; returns 0 if it has none. */
static int begin(chain_t *chain, lpp_interp_python_t *python,
                 lpp_interp_walk_t *walk, apr_uint64_t state)
{
    const lpp_interp_python_row_t *row = python->row;
    apr_uint64_t frames = lpp_peek_word(state + row->state_frames);

    chain->python = python;
    chain->walk = walk;
    chain->first = chain->run = walk->count;
    chain->inner = chain->outer = 0;
    chain->cframe = row->cframe_frame != 0 ? frames : 0;
    chain->frame = row->cframe_frame != 0 && frames != 0
        ? lpp_peek_word(frames + row->cframe_frame) : frames;
    return chain->frame != 0;
}

static void follow(chain_t *chain)
{
    while (chain->frame != 0 && !lpp_interp_full(chain->walk)) {
        if (chain->cframe != 0) {
            step_cframe(chain);
        }
        else {
            step_frame(chain);
        }
    }
}

/* The place of the innermost run of state; 0: it has none. */
static apr_uint64_t place_of(lpp_interp_python_t *python,
                             lpp_interp_walk_t *walk, apr_uint64_t state)
{
    chain_t chain;
    frame_t frame;

    if (!begin(&chain, python, walk, state)) {
        return 0;
    }
    if (chain.cframe != 0) {
        return chain.cframe;
    }
    while (chain.frame != 0 && !lpp_interp_full(walk)) {
        if (!read_frame(python->row, chain.frame, &frame)) {
            return 0;
        }
        if (frame.entry == LPP_INTERP_PYTHON_SHIM) {
            return chain.frame;
        }
        chain.frame = frame.previous;
    }
    return 0;
}

static int is_own(const lpp_interp_python_t *python, apr_uint64_t state,
                  apr_uint64_t self)
{
    return lpp_peek_word(state + python->row->state_thread) == self;
}

/* Find the thread's states in all interpreters. Returns 0 if a list could not
 * be read to its end. */
static int find_states(lpp_interp_python_t *python, lpp_interp_walk_t *walk,
                       apr_uint64_t self)
{
    const lpp_interp_python_row_t *row = python->row;
    apr_uint64_t at = lpp_peek_word(python->runtime + row->interpreters);
    apr_uint64_t state;
    unsigned i;

    python->state_count = 0;
    for (i = 0; at != 0 && i < INTERPRETERS_MAX; i++) {
        if (!lpp_peek(&state, at + row->interpreter_states, 1)) {
            return 0;
        }
        while (state != 0 && !lpp_interp_full(walk)) {
            if (is_own(python, state, self)
                && python->state_count < LPP_INTERP_PYTHON_STATES) {
                python->states[python->state_count++] = state;
            }
            if (!lpp_peek(&state, state + row->state_next, 1)) {
                return 0;
            }
        }
        at = lpp_peek_word(at + row->interpreter_next);
    }
    return 1;
}

/* A number that changes when an interpreter or a state is added: both are added
 * at the head of their list. */
static apr_uint64_t sum_heads(const lpp_interp_python_t *python,
                              apr_uint64_t self)
{
    const lpp_interp_python_row_t *row = python->row;
    apr_uint64_t at = lpp_peek_word(python->runtime + row->interpreters);
    apr_uint64_t sum = self | 1;
    unsigned i;

    for (i = 0; at != 0 && i < INTERPRETERS_MAX; i++) {
        sum = (sum ^ at) * APR_UINT64_C(0x9e3779b97f4a7c15);
        sum = (sum ^ sum >> 29
               ^ lpp_peek_word(at + row->interpreter_states))
              * APR_UINT64_C(0xff51afd7ed558ccd);
        at = lpp_peek_word(at + row->interpreter_next);
    }
    return sum;
}

void lpp_interp_python_enter_thread(lpp_interp_python_t *python)
{
    python->thread = (apr_uint64_t)pthread_self();
}

/* Make python->states those of the thread. */
static void update_states(lpp_interp_python_t *python, lpp_interp_walk_t *walk)
{
    apr_uint64_t self = python->thread != 0 ? python->thread
                                            : (apr_uint64_t)pthread_self();
    apr_uint64_t heads = sum_heads(python, self);
    unsigned i;

    if (heads == python->heads) {
        for (i = 0; i < python->state_count; i++) {
            if (!is_own(python, python->states[i], self)) {
                break;
            }
        }
        if (i == python->state_count) {
            return;
        }
    }
    python->heads = find_states(python, walk, self) ? heads : 0;
}

/* Put states with frames in order, the innermost first. Places below the stack
 * pointer are left over: a thread ended and another one has its number now.
 * Returns how many states remain. */
static unsigned sort_states(lpp_interp_python_t *python,
                            lpp_interp_walk_t *walk, apr_uint64_t *states,
                            unsigned count)
{
    apr_uint64_t places[LPP_INTERP_PYTHON_STATES];
    unsigned kept = 0, i, at;

    for (i = 0; i < count; i++) {
        apr_uint64_t state = states[i];
        apr_uint64_t place = place_of(python, walk, state);

        if (place < walk->regs[LPP_REG_SP]) {
            continue;
        }
        for (at = kept++; at > 0 && places[at - 1] > place; at--) {
            places[at] = places[at - 1];
            states[at] = states[at - 1];
        }
        places[at] = place;
        states[at] = state;
    }
    return kept;
}

/* Several interpreters have frames: followed by their places, if the frames of
 * each lie above those of the one before. */
static void follow_several(lpp_interp_python_t *python,
                           lpp_interp_walk_t *walk, apr_uint64_t *states,
                           unsigned count)
{
    apr_uint32_t first = walk->count;
    apr_uint64_t outer = 0;
    unsigned i;

    count = sort_states(python, walk, states, count);
    for (i = 0; i < count; i++) {
        chain_t chain;

        if (begin(&chain, python, walk, states[i])) {
            follow(&chain);
            if (chain.frame != 0) {
                return; /* no room */
            }
            if (chain.inner <= outer) {
                break;
            }
            outer = chain.outer;
        }
    }
    if (i < count || count == 0) {
        walk->count = first;
        walk->flags |= LPP_PAGE_AMBIGUOUS;
    }
}

void lpp_interp_python_walk(lpp_interp_python_t *python,
                            lpp_interp_walk_t *walk)
{
    apr_uint64_t states[LPP_INTERP_PYTHON_STATES];
    unsigned count = 0, i;
    chain_t chain;

    update_states(python, walk);
    for (i = 0; i < python->state_count; i++) {
        if (begin(&chain, python, walk, python->states[i])) {
            states[count++] = python->states[i];
        }
    }
    if (count > 1) {
        follow_several(python, walk, states, count);
    }
    else if (count == 1 && begin(&chain, python, walk, states[0])) {
        follow(&chain);
    }
}
