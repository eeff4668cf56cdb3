/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_php_find: finds PHP's interpreter, and the offsets of its version.
 *
 * PHP's tables are read by guarded loads and not with its own functions, since
 * a request may change them meanwhile.
 */
#include "interp/lpp_interp_php_internal.h"

#include <string.h>

#include <apr_strings.h>

#include "objects/lpp_exported.h"

#define KIND_HYBRID 4 /* zend_vm_opcodes.h: built by GCC, opline in r15 */
#define TABLE_MAX 65536 /* buckets that are looked at */

/*
 * Of Debian's PHP 8.2 and 8.4; LPP_INTERP_PHP_FIELDS names the headers. The
 * offsets in the globals and of opcodes and file are also those that exported
 * functions of both libphp use: zend_get_executed_lineno,
 * zend_get_executed_filename_ex, zend_disable_functions.
 */
const lpp_interp_php_row_t lpp_interp_php_rows[] = {
    { .version = "8.2", .api = 20220829, .top = 0x20000,
      .generator = 0x1000000, .op_size = 32, .bucket_size = 32,
      .functions = 56, .current = 488, .exception = 880,
      .opline = 0, .function = 24, .call_info = 40, .previous = 48,
      .op_line = 24, .type = 0, .name = 8, .scope = 16, .last = 80,
      .opcodes = 88, .file = 152, .line = 160, .class_name = 8,
      .text_hash = 8, .text_len = 16, .text = 24, .table_used = 24,
      .table_buckets = 16, .bucket_value = 0, .bucket_key = 24,
      .module_debug = 8, .module_zts = 9 },
    { .version = "8.4", .api = 20240924, .top = 0x20000,
      .generator = 0x1000000, .op_size = 32, .bucket_size = 32,
      .functions = 56, .current = 488, .exception = 952,
      .opline = 0, .function = 24, .call_info = 40, .previous = 48,
      .op_line = 24, .type = 0, .name = 8, .scope = 16, .last = 96,
      .opcodes = 104, .file = 168, .line = 176, .class_name = 8,
      .text_hash = 8, .text_len = 16, .text = 24, .table_used = 24,
      .table_buckets = 16, .bucket_value = 0, .bucket_key = 24,
      .module_debug = 8, .module_zts = 9 },
};
const unsigned lpp_interp_php_row_count =
    sizeof(lpp_interp_php_rows) / sizeof(lpp_interp_php_rows[0]);

/* Whether a zend_string holds that text. */
static int is_text(const lpp_interp_php_row_t *row, apr_uint64_t string,
                   const char *text)
{
    apr_size_t len = strlen(text);
    char bytes[16];

    return string != 0 && len <= sizeof(bytes)
           && lpp_peek_word(string + row->text_len) == len
           && lpp_peek_bytes(bytes, string + row->text, len) == len
           && memcmp(bytes, text, len) == 0;
}

/* The pointer that a zend_array has under that name; 0: none. */
static apr_uint64_t look_up(const lpp_interp_php_row_t *row,
                            apr_uint64_t table, const char *name)
{
    apr_uint32_t used = (apr_uint32_t)lpp_peek_word(table + row->table_used);
    apr_uint64_t bucket = lpp_peek_word(table + row->table_buckets);
    apr_uint32_t i;

    for (i = 0; i < used && i < TABLE_MAX; i++, bucket += row->bucket_size) {
        if (is_text(row, lpp_peek_word(bucket + row->bucket_key), name)) {
            return lpp_peek_word(bucket + row->bucket_value);
        }
    }
    return 0;
}

static unsigned byte_at(apr_uint64_t address)
{
    unsigned char byte = 0xff;

    lpp_peek_bytes(&byte, address, 1);
    return byte;
}

/* The row of the PHP whose modules these are, and its module "standard"; NULL:
 * of none; then *module is 0, or a module of another version. */
static const lpp_interp_php_row_t *row_of(apr_uint64_t modules,
                                          apr_uint64_t *module)
{
    unsigned i;

    *module = 0;
    for (i = 0; i < lpp_interp_php_row_count; i++) {
        const lpp_interp_php_row_t *row = &lpp_interp_php_rows[i];
        apr_uint64_t found = look_up(row, modules, "standard");

        if (found != 0) {
            *module = found;
            if ((apr_uint32_t)lpp_peek_word(
                    found + LPP_INTERP_PHP_MODULE_API) == row->api) {
                return row;
            }
        }
    }
    return NULL;
}

/* "8.1" of the module's version, "8.1.2"; "" if it does not look like one. */
static void version_of(apr_uint64_t module, char version[8])
{
    apr_uint64_t text = module == 0 ? 0
        : lpp_peek_word(module + LPP_INTERP_PHP_MODULE_VERSION);
    apr_size_t len = lpp_peek_bytes(version, text, 7), i = 0;
    unsigned points = 0;

    while (i < len && ((version[i] >= '0' && version[i] <= '9')
                       || (version[i] == '.' && ++points == 1))) {
        i++;
    }
    version[points > 0 ? i : 0] = '\0';
}

/* Whether what the row says of the executor is true of this one. */
static int is_as_expected(const lpp_interp_php_row_t *row,
                          const lpp_interp_php_symbols_t *symbols)
{
    apr_uint64_t strlen_function = look_up(
        row, lpp_peek_word(symbols->compiler_globals + row->functions),
        "strlen");
    apr_uint64_t current, data[LPP_INTERP_PHP_DATA_WORDS];
    unsigned type;

    if (strlen_function == 0
        || byte_at(strlen_function + row->type)
               != LPP_INTERP_PHP_INTERNAL_FUNCTION
        || !is_text(row, lpp_peek_word(strlen_function + row->name), "strlen")
        || lpp_peek_word(strlen_function + row->scope) != 0
        || !lpp_peek(&current, symbols->executor_globals + row->current, 1)) {
        return 0;
    }
    if (current == 0) {
        return 1;
    }
    if (!lpp_peek(data, current, LPP_INTERP_PHP_DATA_WORDS)) {
        return 0;
    }
    type = data[row->function / 8] == 0 ? LPP_INTERP_PHP_USER_FUNCTION
        : byte_at(data[row->function / 8] + row->type);
    return type == LPP_INTERP_PHP_INTERNAL_FUNCTION
           || type == LPP_INTERP_PHP_USER_FUNCTION
           || type == LPP_INTERP_PHP_EVAL_CODE;
}

void lpp_interp_php_check(lpp_interp_php_t *php, lpp_interp_found_t *found,
                          const lpp_interp_php_symbols_t *symbols)
{
    apr_uint64_t module;
    const lpp_interp_php_row_t *row = row_of(symbols->module_registry,
                                             &module);
    const char *what = NULL;
    char version[8];

    version_of(module, version);
    if (row == NULL) {
        what = "is not known";
    }
    else if (byte_at(module + row->module_zts) != 0) {
        what = "with threads (ZTS) is not known";
    }
    else if (byte_at(module + row->module_debug) != 0) {
        what = "built for debugging is not known";
    }
    else if (symbols->vm_kind != KIND_HYBRID) {
        what = "built without GCC's registers is not known";
    }
    else if (!is_as_expected(row, symbols)) {
        what = "is not as expected";
    }
    if (what != NULL) {
        apr_snprintf(found->why, sizeof(found->why),
                     "PHP%s%s %s: its functions are not shown.",
                     version[0] != '\0' ? " " : "", version, what);
        return;
    }
    php->row = row;
    php->globals = symbols->executor_globals;
    found->usable = 1;
}

void lpp_interp_php_find(lpp_interp_php_t *php, lpp_interp_found_t *found)
{
    lpp_interp_php_symbols_t symbols;
    apr_uint64_t kind, size;

    if (!lpp_exported("execute_ex", &found->run.start, &found->run.size)
        || !lpp_exported("zend_vm_kind", &kind, &size)
        || !lpp_exported("module_registry", &symbols.module_registry,
                              &size)) {
        return; /* no PHP */
    }
    if (!lpp_exported("executor_globals", &symbols.executor_globals,
                           &size)
        || !lpp_exported("compiler_globals", &symbols.compiler_globals,
                              &size)) {
        strcpy(found->why, "PHP with threads (ZTS) is not known: its functions "
                           "are not shown.");
        return;
    }
    symbols.vm_kind = ((int (*)(void))(apr_uintptr_t)kind)();
    lpp_interp_php_check(php, found, &symbols);
}
