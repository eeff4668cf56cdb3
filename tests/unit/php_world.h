/* SPDX-License-Identifier: Apache-2.0 */
/*
 * php_world: for the tests of lpp_interp_php: PHP's structures in memory, laid
 * out by a row of offsets, and what a walk finds in them.
 */
#ifndef PHP_WORLD_H
#define PHP_WORLD_H

#include <apr_pools.h>

#include "interp/lpp_interp_php_internal.h"

#define PHP_OPS 10 /* instructions of each function: lines begin .. begin + 9 */

typedef struct php_world_t {
    apr_pool_t *pool;
    const lpp_interp_php_row_t *row;
    lpp_interp_php_t php;
    lpp_interp_php_symbols_t symbols;
    lpp_interp_seen_t *seen;
    lpp_page_frame_t frames[LPP_SNAPSHOT_PAGE_FRAMES];
    apr_uint64_t regs[LPP_REGS];
    lpp_interp_walk_t walk;    /* of the last php_walk */
    unsigned char *standard;   /* zend_module_entry, zend_function */
    unsigned char *strlen_function;
} php_world_t;

/* A PHP of that row that runs nothing. */
php_world_t *php_world(const lpp_interp_php_row_t *row, apr_pool_t *pool);

/* Write a value of so many bytes into a structure. */
void php_put(void *structure, unsigned offset, apr_uint64_t value,
             unsigned bytes);
apr_uint64_t php_address(const void *structure);

/* zend_string; its hash is not known. */
unsigned char *php_string(php_world_t *world, const char *text);
unsigned char *php_class(php_world_t *world, const char *name);
/* A function of the page; name, scope: NULL: none. */
unsigned char *php_function(php_world_t *world, const char *name,
                            const unsigned char *scope, const char *file,
                            unsigned begin);
/* A function written in C. */
unsigned char *php_internal(php_world_t *world, const char *name,
                            const unsigned char *scope);
/* Address of an instruction of a function. */
apr_uint64_t php_op(const php_world_t *world, const unsigned char *function,
                    unsigned number);

/* zend_execute_data that called before, and has become the current one: runs
 * instruction op of function, which may be NULL. */
unsigned char *php_call(php_world_t *world, unsigned char *before,
                        const unsigned char *function, unsigned op,
                        apr_uint32_t call_info);

/* Follow the frames. Returns how many there are. */
unsigned php_walk(php_world_t *world);

/* The frame as "file.php:12 Class::name@14", internal functions as
 * "strlen()"; with " ENTRY". */
const char *php_shown(php_world_t *world, unsigned frame);

#endif
