/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_php: reads page functions of PHP, in the handler.
 *
 * The chain begins at executor_globals.current_execute_data; each frame has the
 * function and the instruction (opline) it executes. The innermost frame's
 * opline is in a register while PHP's executor runs; what its frame has is
 * older. PHP runs on one thread of the process: only builds without ZTS are
 * read.
 */
#include "interp/lpp_interp_php_internal.h"

#include <string.h>

#define REG_OPLINE 15 /* r15, by PHP's zend_execute.c (ZEND_VM_IP_GLOBAL_REG) */
#define WORD(words, offset) ((words)[(offset) / 8])

static const char eval_name[] = "{eval}", closure_name[] = "{closure}";

/* A function of the page, as far as a frame needs it. */
typedef struct code_t {
    apr_uint64_t opcodes;
    apr_uint64_t bytes; /* of opcodes */
} code_t;

static int is_in(const lpp_interp_php_row_t *row, const code_t *code,
                 apr_uint64_t opline)
{
    apr_uint64_t offset = opline - code->opcodes;

    return offset < code->bytes && offset % row->op_size == 0;
}

/* The source line that a frame executes; 0: not known. */
static apr_uint32_t line_of(const lpp_interp_php_t *php,
                            const lpp_interp_walk_t *walk, const code_t *code,
                            apr_uint64_t opline, int is_innermost)
{
    const lpp_interp_php_row_t *row = php->row;

    if (is_innermost && is_in(row, code, walk->regs[REG_OPLINE])) {
        opline = walk->regs[REG_OPLINE];
    }
    else if (!is_in(row, code, opline)) {
        /* An exception is in flight: the frame's opline is one that handles
         * exceptions, of no function. */
        opline = lpp_peek_word(php->globals + row->exception);
        if (!is_in(row, code, opline)) {
            return 0;
        }
    }
    return (apr_uint32_t)lpp_peek_word(opline + row->op_line);
}

static void copy_string(const lpp_interp_php_t *php, lpp_interp_walk_t *walk,
                        lpp_interp_text_t *text, apr_uint64_t string,
                        apr_size_t max, int last)
{
    if (string != 0) {
        lpp_interp_copy(walk, text, string + php->row->text,
                        lpp_peek_word(string + php->row->text_len), max, last);
    }
}

static void copy_own(lpp_interp_walk_t *walk, lpp_interp_text_t *text,
                     const char *name)
{
    lpp_interp_copy(walk, text, (apr_uint64_t)(apr_uintptr_t)name,
                    strlen(name), LPP_INTERP_NAME_MAX, 0);
}

/* The name of a new function. From 8.4 on a closure's name also says where it
 * is: "{closure:/site/index.php:12}"; its file and line say so, too. */
static void copy_name(const lpp_interp_php_t *php, lpp_interp_walk_t *walk,
                      lpp_interp_record_t *record, apr_uint64_t name,
                      apr_uint64_t scope)
{
    char start[sizeof(closure_name) - 1]; /* "{closure:" */

    if (lpp_peek_bytes(start, name + php->row->text, sizeof(start))
            == sizeof(start)
        && memcmp(start, "{closure:", sizeof(start)) == 0) {
        copy_own(walk, &record->name, closure_name);
    }
    else {
        copy_string(php, walk, &record->name, name, LPP_INTERP_NAME_MAX, 0);
    }
    if (scope != 0) {
        copy_string(php, walk, &record->scope,
                    lpp_peek_word(scope + php->row->class_name),
                    LPP_INTERP_SCOPE_MAX, 0);
    }
}

/*
 * What identifies the name of a function's file: its hash, and not its address,
 * which is another one each time that the file is included. The name of an
 * eval's file, "/site/index.php(12) : eval()'d code", has no hash yet. (Names
 * of functions and classes keep their addresses as long as the request.)
 */
static apr_uint64_t key_of_file(const lpp_interp_php_row_t *row,
                                apr_uint64_t string)
{
    apr_uint64_t mixed = lpp_peek_word(string + row->text_hash);
    apr_uint64_t len;

    if (mixed == 0) {
        len = lpp_peek_word(string + row->text_len);
        mixed = lpp_interp_hash(string + row->text, len);
    }
    return mixed;
}

static void add_internal(const lpp_interp_php_t *php, lpp_interp_walk_t *walk,
                         const apr_uint64_t *function)
{
    const lpp_interp_php_row_t *row = php->row;
    apr_uint64_t name = WORD(function, row->name);
    apr_uint64_t scope = WORD(function, row->scope);
    apr_uint64_t key[4] = { name, scope, 0, LPP_INTERP_PHP_INTERNAL_FUNCTION };
    lpp_interp_record_t *record = lpp_interp_add(
        walk, LPP_LANGUAGE_PHP, LPP_INTERP_INTERNAL, 0, key);

    if (record != NULL) {
        copy_name(php, walk, record, name, scope);
    }
}

/* Add a function of the page. Returns 0 if it could not be read. */
static int add_user(const lpp_interp_php_t *php, lpp_interp_walk_t *walk,
                    apr_uint64_t address, const apr_uint64_t *function,
                    const apr_uint64_t *data, int is_innermost)
{
    const lpp_interp_php_row_t *row = php->row;
    apr_uint64_t name = WORD(function, row->name);
    apr_uint64_t scope = WORD(function, row->scope);
    apr_uint32_t type = function[0] & 0xff, first;
    apr_uint64_t key[4], ops[2], place[2], file;
    code_t code;
    lpp_interp_record_t *record;

    if (!lpp_peek(ops, address + row->last, 2)
        || !lpp_peek(place, address + row->file, 2)) {
        return 0;
    }
    code.bytes = (ops[0] & 0xffffffff) * row->op_size;
    code.opcodes = WORD(ops, row->opcodes - row->last);
    file = place[0];
    first = (apr_uint32_t)WORD(place, row->line - row->file);
    key[0] = name;
    key[1] = scope;
    key[2] = key_of_file(row, file);
    key[3] = (apr_uint64_t)first << 8 | type;
    record = lpp_interp_add(
        walk, LPP_LANGUAGE_PHP,
        WORD(data, row->call_info) & row->top ? LPP_INTERP_ENTRY : 0,
        line_of(php, walk, &code, WORD(data, row->opline), is_innermost), key);
    if (record != NULL) {
        record->line = first;
        copy_string(php, walk, &record->file, file, LPP_INTERP_FILE_MAX, 1);
        copy_name(php, walk, record, name, scope);
        if (type == LPP_INTERP_PHP_EVAL_CODE && name == 0) {
            copy_own(walk, &record->name, eval_name);
        }
    }
    return 1;
}

/* Add the frame. Returns 0 if the chain cannot be read further. */
static int add_frame(const lpp_interp_php_t *php, lpp_interp_walk_t *walk,
                     const apr_uint64_t *data, int is_innermost)
{
    apr_uint64_t address = WORD(data, php->row->function);
    apr_uint64_t function[LPP_INTERP_PHP_FUNCTION_WORDS];

    if (address == 0) {
        return 1; /* of a generator that another one runs for */
    }
    if (!lpp_peek(function, address, LPP_INTERP_PHP_FUNCTION_WORDS)) {
        return 0;
    }
    switch (function[0] & 0xff) {
    case LPP_INTERP_PHP_INTERNAL_FUNCTION:
        if (WORD(function, php->row->name) != 0) {
            add_internal(php, walk, function);
            return 1;
        }
        /* A Fiber's outermost frame. PHP links it to its caller's as long as
         * the Fiber runs. */
        return WORD(data, php->row->previous) != 0;
    case LPP_INTERP_PHP_USER_FUNCTION:
    case LPP_INTERP_PHP_EVAL_CODE:
        /* PHP links a generator's frame to its caller's a few instructions
         * after it has made it the current one. */
        return add_user(php, walk, address, function, data, is_innermost)
               && (WORD(data, php->row->previous) != 0
                   || !(WORD(data, php->row->call_info)
                        & php->row->generator));
    default:
        return 0;
    }
}

void lpp_interp_php_walk(const lpp_interp_php_t *php, lpp_interp_walk_t *walk)
{
    const lpp_interp_php_row_t *row = php->row;
    apr_uint64_t data[LPP_INTERP_PHP_DATA_WORDS];
    apr_uint64_t at;
    int is_innermost = 1;

    if (!lpp_peek(&at, php->globals + row->current, 1)) {
        walk->flags |= LPP_PAGE_CUT;
        return;
    }
    while (at != 0 && !lpp_interp_full(walk)) {
        if (!lpp_peek(data, at, LPP_INTERP_PHP_DATA_WORDS)
            || !add_frame(php, walk, data, is_innermost)) {
            walk->flags |= LPP_PAGE_CUT;
            return;
        }
        is_innermost = 0;
        at = WORD(data, row->previous);
    }
}
