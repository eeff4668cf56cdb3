/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_python_find: finds Python's interpreter, on the helper: what is
 * known of its versions, and whether the one that is loaded is as expected.
 * Reads location tables.
 */
#include "interp/lpp_interp_python_internal.h"

#include <string.h>

#include <apr_strings.h>

#include "objects/lpp_exported.h"

#define TRIES 3     /* lists may change while they are compared */
#define MEMBERS_MAX 64

/* From the headers of libpython3.11-dev 3.11.2 and, of 3.13, from
 * _Py_DebugOffsets in libpython3.13 3.13.5; tests/http/test_pagecode_python.py
 * computes them from the headers that are installed. */
static const lpp_interp_python_row_t rows[] = {
    { .version = 0x030b,
      .interpreters = 40,
      .interpreter_next = 0,
      .interpreter_states = 16,
      .state_next = 8,
      .state_interpreter = 16,
      .state_thread = 152,
      .state_frames = 56,
      .cframe_frame = 8,
      .cframe_previous = 16,
      .frame_code = 32,
      .frame_previous = 48,
      .frame_instruction = 56,
      .frame_entry = 68,
      .code_type = 8,
      .code_size = 16,
      .code_line = 72,
      .code_file = 112,
      .code_name = 128,
      .code_lines = 136,
      .code_units = 184,
      .bytes_size = 16,
      .bytes_data = 32,
      .text_length = 16,
      .text_state = 32,
      .text_ascii = 48,
      .text_wide = 72,
      .type_members = 240 },
    { .version = 0x030d,
      .interpreters = 632,
      .interpreter_next = 7264,
      .interpreter_states = 7344,
      .state_next = 8,
      .state_interpreter = 16,
      .state_thread = 152,
      .state_frames = 72,
      .cframe_frame = 0,
      .cframe_previous = 0,
      .frame_code = 0,
      .frame_previous = 8,
      .frame_instruction = 56,
      .frame_entry = 70,
      .code_type = 8,
      .code_size = 16,
      .code_line = 68,
      .code_file = 112,
      .code_name = 128,
      .code_lines = 136,
      .code_units = 200,
      .bytes_size = 16,
      .bytes_data = 32,
      .text_length = 16,
      .text_state = 32,
      .text_ascii = 40,
      .text_wide = 56,
      .type_members = 240 },
};

/* An entry of tp_members: PyMemberDef. */
typedef struct member_t {
    apr_uint64_t name, type, offset, flags, text;
} member_t;

/* Since Python 3.13 _PyRuntime begins with the offsets of that build: words at
 * these indices, of internal/pycore_runtime.h's _Py_DebugOffsets. */
enum {
    DEBUG_COOKIE = 0,
    DEBUG_VERSION = 1,
    DEBUG_FREE_THREADED = 2,
    DEBUG_INTERPRETERS = 5,
    DEBUG_INTERPRETER_NEXT = 8,
    DEBUG_INTERPRETER_STATES = 9,
    DEBUG_STATE_NEXT = 21,
    DEBUG_STATE_INTERPRETER = 22,
    DEBUG_STATE_FRAMES = 23,
    DEBUG_STATE_THREAD = 24,
    DEBUG_FRAME_PREVIOUS = 29,
    DEBUG_FRAME_CODE = 30,
    DEBUG_FRAME_INSTRUCTION = 31,
    DEBUG_FRAME_ENTRY = 33,
    DEBUG_CODE_FILE = 35,
    DEBUG_CODE_NAME = 37,
    DEBUG_CODE_LINES = 38,
    DEBUG_CODE_LINE = 39,
    DEBUG_CODE_UNITS = 43,
    DEBUG_CODE_TYPE = 45,
    DEBUG_BYTES_SIZE = 65,
    DEBUG_BYTES_DATA = 66,
    DEBUG_TEXT_STATE = 68,
    DEBUG_TEXT_LENGTH = 69,
    DEBUG_TEXT_ASCII = 70,
    DEBUG_WORDS = 71
};

static int offsets_agree(const lpp_interp_python_t *python,
                         apr_uint64_t version)
{
    const lpp_interp_python_row_t *row = python->row;
    apr_uint64_t words[DEBUG_WORDS];

    if (row->cframe_frame != 0) {
        return 1; /* has none */
    }
    return lpp_peek(words, python->runtime, DEBUG_WORDS)
        && memcmp(&words[DEBUG_COOKIE], "xdebugpy", 8) == 0
        && words[DEBUG_VERSION] == version
        && words[DEBUG_FREE_THREADED] == 0
        && words[DEBUG_INTERPRETERS] == row->interpreters
        && words[DEBUG_INTERPRETER_NEXT] == row->interpreter_next
        && words[DEBUG_INTERPRETER_STATES] == row->interpreter_states
        && words[DEBUG_STATE_NEXT] == row->state_next
        && words[DEBUG_STATE_INTERPRETER] == row->state_interpreter
        && words[DEBUG_STATE_FRAMES] == row->state_frames
        && words[DEBUG_STATE_THREAD] == row->state_thread
        && words[DEBUG_FRAME_PREVIOUS] == row->frame_previous
        && words[DEBUG_FRAME_CODE] == row->frame_code
        && words[DEBUG_FRAME_INSTRUCTION] == row->frame_instruction
        && words[DEBUG_FRAME_ENTRY] == row->frame_entry
        && words[DEBUG_CODE_FILE] == row->code_file
        && words[DEBUG_CODE_NAME] == row->code_name
        && words[DEBUG_CODE_LINES] == row->code_lines
        && words[DEBUG_CODE_LINE] == row->code_line
        && words[DEBUG_CODE_UNITS] == row->code_units
        && words[DEBUG_CODE_TYPE] == row->code_type
        && words[DEBUG_BYTES_SIZE] == row->bytes_size
        && words[DEBUG_BYTES_DATA] == row->bytes_data
        && words[DEBUG_TEXT_STATE] == row->text_state
        && words[DEBUG_TEXT_LENGTH] == row->text_length
        && words[DEBUG_TEXT_ASCII] == row->text_ascii;
}

/* Whether PyCode_Type's own description of its members agrees with the row. */
static int members_agree(const lpp_interp_python_t *python)
{
    const lpp_interp_python_row_t *row = python->row;
    const struct {
        const char *name;
        apr_uint64_t offset;
    } expected[] = { { "co_filename", row->code_file },
                     { "co_qualname", row->code_name },
                     { "co_linetable", row->code_lines },
                     { "co_firstlineno", row->code_line } };
    apr_uint64_t at = lpp_peek_word(python->code_type + row->type_members);
    unsigned agree = 0, i, j;
    member_t member;

    for (i = 0; i < MEMBERS_MAX
                && lpp_peek(&member, at, sizeof(member) / 8)
                && member.name != 0; i++, at += sizeof(member)) {
        char name[24] = "";

        lpp_peek_bytes(name, member.name, sizeof(name) - 1);
        for (j = 0; j < LPP_COUNT(expected); j++) {
            if (strcmp(name, expected[j].name) == 0) {
                agree += member.offset == expected[j].offset;
            }
        }
    }
    return agree == LPP_COUNT(expected);
}

static apr_uint64_t call(const char *name, apr_uint64_t argument)
{
    apr_uint64_t address, size;

    return lpp_exported(name, &address, &size)
        ? ((apr_uint64_t (*)(apr_uint64_t))(apr_uintptr_t)address)(argument)
        : 0;
}

/* Whether the lists of interpreters and of the main one's threads begin where
 * Python's own functions say. The main interpreter lasts as long as Python. */
static int heads_agree(const lpp_interp_python_t *python)
{
    const lpp_interp_python_row_t *row = python->row;
    apr_uint64_t main_one = call("PyInterpreterState_Main", 0);
    unsigned i;

    for (i = 0; i < TRIES; i++) {
        if (call("PyInterpreterState_Head", 0)
                == lpp_peek_word(python->runtime + row->interpreters)
            && (main_one == 0
                || call("PyInterpreterState_ThreadHead", main_one)
                       == lpp_peek_word(main_one + row->interpreter_states))) {
            return 1;
        }
    }
    return 0;
}

static void explain(lpp_interp_found_t *found, unsigned version,
                    const char *what)
{
    apr_snprintf(found->why, sizeof(found->why),
                 "Python %u.%u is not %s: its functions are not shown.",
                 version >> 8, version & 0xff, what);
}

/* The version of a Python so old that it has no Py_Version. */
static unsigned old_version(apr_uint64_t get_version)
{
    const char *text = get_version == 0 ? ""
        : ((const char *(*)(void))(apr_uintptr_t)get_version)();
    char *end;
    unsigned major = (unsigned)apr_strtoi64(text, &end, 10);

    return major << 8
           | (*end == '.' ? (unsigned)apr_strtoi64(end + 1, NULL, 10) : 0);
}

void lpp_interp_python_find(lpp_interp_python_t *python,
                            lpp_interp_found_t *found)
{
    apr_uint64_t address, size, version;
    unsigned i;

    memset(python, 0, sizeof(*python));
    if (!lpp_exported("Py_GetVersion", &address, &size)) {
        return; /* not loaded */
    }
    version = (apr_uint64_t)old_version(address) << 16;
    if (lpp_exported("Py_Version", &address, &size)) {
        version = lpp_peek_word(address);
    }
    for (i = 0; i < LPP_COUNT(rows); i++) {
        if (rows[i].version == version >> 16) {
            python->row = &rows[i];
        }
    }
    if (python->row == NULL) {
        explain(found, (unsigned)(version >> 16), "known");
        return;
    }
    if (!lpp_exported("_PyRuntime", &python->runtime, &size)
        || !lpp_exported("PyCode_Type", &python->code_type, &size)
        || !lpp_exported("_PyEval_EvalFrameDefault", &found->run.start,
                              &found->run.size)
        || !offsets_agree(python, version) || !members_agree(python)
        || !heads_agree(python)) {
        explain(found, (unsigned)(version >> 16), "as expected");
        return;
    }
    found->usable = 1;
}

/* A number of 6 bits a byte, the lowest first; bit 6: there is another one.
 * What is longer than the table or the number is cut. */
static apr_uint32_t read_number(const unsigned char **at,
                                const unsigned char *end)
{
    apr_uint32_t number = 0;
    unsigned shift = 0;
    unsigned char byte = 0x40;

    while ((byte & 0x40) && *at < end) {
        byte = *(*at)++;
        number |= shift < 32 ? (apr_uint32_t)(byte & 0x3f) << shift : 0;
        shift += 6;
    }
    return number;
}

/* An entry begins with a byte of bit 7, a kind, and how many code units it is
 * for, less 1. Bytes that follow, without bit 7, say where it is; the line
 * relative to that of the entry before. */
apr_uint32_t lpp_interp_python_line(const unsigned char *table, apr_size_t len,
                                    apr_uint32_t first, apr_uint32_t unit)
{
    const unsigned char *at = table, *end = table + len;
    apr_uint32_t line = first, units = 0;

    while (at < end) {
        unsigned kind = *at >> 3 & 15;

        units += (*at++ & 7) + 1;
        if (kind == 13 || kind == 14) { /* the sign is the lowest bit */
            apr_uint32_t number = read_number(&at, end);

            line += number & 1 ? 0 - (number >> 1) : number >> 1;
        }
        else if (kind >= 10 && kind <= 12) {
            line += kind - 10;
        }
        if (unit < units) {
            return kind == 15 || line == 0 || line > LPP_PAGE_LINE_MAX
                ? first : line;
        }
        while (at < end && !(*at & 0x80)) {
            at++;
        }
    }
    return first;
}
