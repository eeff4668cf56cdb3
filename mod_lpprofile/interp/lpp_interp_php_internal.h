/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_php_internal: the offsets in PHP's structures, a row a version.
 *
 * lpp_interp_php_find.c has the rows. A test computes each number again from
 * PHP's own headers, by the names in LPP_INTERP_PHP_FIELDS.
 */
#ifndef LPP_INTERP_PHP_INTERNAL_H
#define LPP_INTERP_PHP_INTERNAL_H

#include "interp/lpp_interp_languages_internal.h"

/*
 * F(field of the row, PHP's structure, its member, header): the row's field is
 * the member's offset in bytes.
 */
#define LPP_INTERP_PHP_FIELDS(F)                                              \
    F(functions, zend_compiler_globals, function_table, zend_globals.h)       \
    F(current, zend_executor_globals, current_execute_data, zend_globals.h)   \
    F(exception, zend_executor_globals, opline_before_exception,              \
      zend_globals.h)                                                         \
    F(opline, zend_execute_data, opline, zend_compile.h)                      \
    F(function, zend_execute_data, func, zend_compile.h)                      \
    F(call_info, zend_execute_data, This.u1.type_info, zend_compile.h)        \
    F(previous, zend_execute_data, prev_execute_data, zend_compile.h)         \
    F(op_line, zend_op, lineno, zend_compile.h)                               \
    F(type, zend_function, type, zend_compile.h)                              \
    F(name, zend_function, common.function_name, zend_compile.h)              \
    F(scope, zend_function, common.scope, zend_compile.h)                     \
    F(last, zend_function, op_array.last, zend_compile.h)                     \
    F(opcodes, zend_function, op_array.opcodes, zend_compile.h)               \
    F(file, zend_function, op_array.filename, zend_compile.h)                 \
    F(line, zend_function, op_array.line_start, zend_compile.h)               \
    F(class_name, zend_class_entry, name, zend.h)                             \
    F(text_hash, zend_string, h, zend_types.h)                                \
    F(text_len, zend_string, len, zend_types.h)                               \
    F(text, zend_string, val, zend_types.h)                                   \
    F(table_used, zend_array, nNumUsed, zend_types.h)                         \
    F(table_buckets, zend_array, arData, zend_types.h)                        \
    F(bucket_value, Bucket, val.value.ptr, zend_types.h)                      \
    F(bucket_key, Bucket, key, zend_types.h)                                  \
    F(module_debug, zend_module_entry, zend_debug, zend_modules.h)            \
    F(module_zts, zend_module_entry, zts, zend_modules.h)

#define LPP_INTERP_PHP_FIELD(field, structure, member, header)                \
    apr_uint16_t field;

/* One version. */
struct lpp_interp_php_row_t {
    const char *version;     /* "8.2" */
    apr_uint32_t api;        /* ZEND_MODULE_API_NO, zend_modules.h */
    apr_uint32_t top;        /* ZEND_CALL_TOP, zend_compile.h */
    apr_uint32_t generator;  /* ZEND_CALL_GENERATOR */
    apr_uint16_t op_size;    /* sizeof(zend_op) */
    apr_uint16_t bucket_size; /* sizeof(Bucket) */
    LPP_INTERP_PHP_FIELDS(LPP_INTERP_PHP_FIELD)
};

/* zend_function.type: zend_compile.h. */
enum {
    LPP_INTERP_PHP_INTERNAL_FUNCTION = 1,
    LPP_INTERP_PHP_USER_FUNCTION = 2,
    LPP_INTERP_PHP_EVAL_CODE = 4
};

/* The words of a zend_execute_data and of the begin of a zend_function that are
 * read at once; each row's offsets lie in them. */
#define LPP_INTERP_PHP_DATA_WORDS 7
#define LPP_INTERP_PHP_FUNCTION_WORDS 3

/* Same in all versions, zend_modules.h: they say which version it is. */
#define LPP_INTERP_PHP_MODULE_API 4
#define LPP_INTERP_PHP_MODULE_VERSION 88

extern const lpp_interp_php_row_t lpp_interp_php_rows[];
extern const unsigned lpp_interp_php_row_count;

/* What PHP exports. */
typedef struct lpp_interp_php_symbols_t {
    apr_uint64_t executor_globals; /* addresses; */
    apr_uint64_t compiler_globals;
    apr_uint64_t module_registry;
    int vm_kind;                   /* what zend_vm_kind returns */
} lpp_interp_php_symbols_t;

/*
 * Fill in php, found->usable and found->why for the PHP that exports these.
 * Signal-safe: no. Thread: the helper, while no thread is armed.
 */
void lpp_interp_php_check(lpp_interp_php_t *php, lpp_interp_found_t *found,
                          const lpp_interp_php_symbols_t *symbols);

#endif
