/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_php: chains of frames in memory, of each known version; what is
 * checked before PHP is read. (A live PHP: tests/http/test_pagecode_php.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "guarded_loads.h"
#include "php_world.h"

#define R15 15
#define FILE_NAME "/site/index.php"

static apr_pool_t *root;
static apr_pool_t *pool; /* of one test */
static const lpp_interp_php_row_t *row;

static int set_up(void **state)
{
    return apr_pool_create(&pool, root) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    apr_pool_destroy(pool);
    return 0;
}

/* Runs the test with each row. */
#define EACH_ROW(name)                                                        \
    static void name##_of(void);                                              \
    static void name(void **state)                                            \
    {                                                                         \
        unsigned i;                                                           \
        rescue_loads(); /* not before: cmocka has its own handler */          \
        for (i = 0; i < lpp_interp_php_row_count; i++) {                      \
            row = &lpp_interp_php_rows[i];                                    \
            name##_of();                                                      \
        }                                                                     \
    }                                                                         \
    static void name##_of(void)

#define SHOWN(at, text) assert_string_equal(php_shown(world, at), text)

EACH_ROW(offsets_lie_in_what_is_read_at_once)
{
    assert_true(row->opline % 8 == 0 && row->function % 8 == 0
                && row->call_info % 8 == 0 && row->previous % 8 == 0);
    assert_true(row->previous / 8 < LPP_INTERP_PHP_DATA_WORDS
                && row->call_info / 8 < LPP_INTERP_PHP_DATA_WORDS
                && row->function / 8 < LPP_INTERP_PHP_DATA_WORDS);
    assert_true(row->type == 0 && row->name % 8 == 0 && row->scope % 8 == 0
                && row->name / 8 < LPP_INTERP_PHP_FUNCTION_WORDS
                && row->scope / 8 < LPP_INTERP_PHP_FUNCTION_WORDS);
    assert_int_equal(row->opcodes, row->last + 8);
    assert_int_equal(row->line, row->file + 8);
}

EACH_ROW(nothing_runs)
{
    php_world_t *world = php_world(row, pool);

    assert_int_equal(php_walk(world), 0);
    assert_int_equal(world->walk.flags, 0);
}

EACH_ROW(functions_methods_and_internal_ones)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *type = php_class(world, "Renderer"), *at;

    at = php_call(world, NULL, php_function(world, NULL, NULL, FILE_NAME, 1), 4,
                  row->top);
    at = php_call(world, at,
                  php_function(world, "page", type, FILE_NAME, 40), 1, 0);
    at = php_call(world, at, php_internal(world, "usort", NULL), 0, 0);
    at = php_call(world, at,
                  php_function(world, "{closure}", type, FILE_NAME, 60), 2,
                  row->top);
    php_call(world, at, php_internal(world, "format", type), 0, 0);
    assert_int_equal(php_walk(world), 5);
    SHOWN(0, "Renderer::format()");
    SHOWN(1, FILE_NAME ":60 Renderer::{closure}@62 ENTRY");
    SHOWN(2, "usort()");
    SHOWN(3, FILE_NAME ":40 Renderer::page@41");
    SHOWN(4, FILE_NAME ":1 @5 ENTRY"); /* lpp_interp_names: {main} */
    assert_int_equal(world->walk.flags, 0);
    /* Seen before: the same numbers. */
    {
        lpp_page_frame_t before[5];

        memcpy(before, world->frames, sizeof(before));
        assert_int_equal(php_walk(world), 5);
        assert_memory_equal(before, world->frames, sizeof(before));
    }
}

EACH_ROW(the_innermost_line_is_in_a_register)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *f = php_function(world, "f", NULL, FILE_NAME, 10);
    unsigned char *at = php_call(world, NULL, f, 1, row->top);

    php_call(world, at, f, 2, 0);
    world->regs[R15] = php_op(world, f, 7);
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@17");
    SHOWN(1, FILE_NAME ":10 f@11 ENTRY"); /* its caller's is in its frame */
    world->regs[R15] = php_op(world, f, 7) + 8; /* between two instructions */
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@12");
    world->regs[R15] = php_op(world, f, PHP_OPS);
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@12");
    world->regs[R15] = php_op(world, f, 0) - row->op_size;
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@12");
    world->regs[R15] = php_op(world, f, 0);
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@10");
}

EACH_ROW(below_an_internal_function_the_register_is_not_used)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *f = php_function(world, "f", NULL, FILE_NAME, 10);
    unsigned char *at = php_call(world, NULL, f, 1, row->top);

    php_call(world, at, php_internal(world, "strlen", NULL), 0, 0);
    world->regs[R15] = php_op(world, f, 7);
    php_walk(world);
    SHOWN(1, FILE_NAME ":10 f@11 ENTRY");
}

EACH_ROW(an_exception_is_in_flight)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *f = php_function(world, "f", NULL, FILE_NAME, 10);
    unsigned char *handling = php_function(world, "x", NULL, FILE_NAME, 90);
    unsigned char *at = php_call(world, NULL, f, 1, row->top);
    unsigned char *globals = (void *)(apr_uintptr_t)world->php.globals;

    php_put(at, row->opline, php_op(world, handling, 3), 8);
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@0 ENTRY"); /* not known */
    php_put(globals, row->exception, php_op(world, f, 6), 8);
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@16 ENTRY");
    php_put(globals, row->exception, 1, 8);
    php_walk(world);
    SHOWN(0, FILE_NAME ":10 f@0 ENTRY");
}

EACH_ROW(frames_without_a_function_are_left_out)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *f = php_function(world, "f", NULL, FILE_NAME, 10);
    unsigned char *at = php_call(world, NULL, f, 1, row->top);

    at = php_call(world, at, NULL, 0, 0);
    at = php_call(world, at, php_internal(world, NULL, NULL), 0, row->top);
    php_call(world, at, f, 2, row->top | row->generator);
    assert_int_equal(php_walk(world), 2);
    assert_int_equal(world->walk.flags, 0);
    SHOWN(0, FILE_NAME ":10 f@12 ENTRY");
    SHOWN(1, FILE_NAME ":10 f@11 ENTRY");
}

EACH_ROW(chains_that_php_has_not_linked_are_cut)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *f = php_function(world, "f", NULL, FILE_NAME, 10), *at;

    php_call(world, NULL, f, 1, row->top | row->generator);
    assert_int_equal(php_walk(world), 1);
    assert_int_equal(world->walk.flags, LPP_PAGE_CUT);
    at = php_call(world, NULL, php_internal(world, NULL, NULL), 0, row->top);
    php_call(world, at, f, 1, row->top); /* of a Fiber */
    assert_int_equal(php_walk(world), 1);
    assert_int_equal(world->walk.flags, LPP_PAGE_CUT);
}

EACH_ROW(names_of_evals_and_closures)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *eval = php_function(world, NULL, NULL,
                                       FILE_NAME "(12) : eval()'d code", 1);
    unsigned char *at, *name;

    php_put(eval, row->type, LPP_INTERP_PHP_EVAL_CODE, 1);
    at = php_call(world, NULL, eval, 0, row->top);
    php_call(world, at,
             php_function(world, "{closure:" FILE_NAME ":5}", NULL, FILE_NAME,
                          5), 0, 0);
    php_walk(world);
    SHOWN(0, FILE_NAME ":5 {closure}@5");
    SHOWN(1, FILE_NAME "(12) : eval()'d code:1 {eval}@1 ENTRY");
    /* Another eval's file has the name's memory. */
    memcpy(&name, eval + row->file, sizeof(name));
    memcpy(name + row->text, FILE_NAME "(34)", strlen(FILE_NAME "(34)"));
    php_walk(world);
    SHOWN(1, FILE_NAME "(34) : eval()'d code:1 {eval}@1 ENTRY");
    memcpy(name + row->text, FILE_NAME "(12)", strlen(FILE_NAME "(12)"));
    php_walk(world);
    SHOWN(1, FILE_NAME "(12) : eval()'d code:1 {eval}@1 ENTRY");
}

EACH_ROW(a_file_that_is_included_again_has_the_same_functions)
{
    php_world_t *world = php_world(row, pool);
    lpp_page_frame_t first;
    unsigned i;

    for (i = 0; i < 2; i++) {
        php_call(world, NULL, php_function(world, NULL, NULL, FILE_NAME, 1), 0,
                 row->top);
        php_walk(world);
        first = i == 0 ? world->frames[0] : first;
    }
    assert_int_equal(world->frames[0], first);
}

EACH_ROW(of_long_texts_a_part_is_kept)
{
    php_world_t *world = php_world(row, pool);
    char *file = apr_pcalloc(pool, 2001), *name = apr_pcalloc(pool, 501);
    const char *shown;

    memset(file, 'd', 2000);
    memcpy(file + 1990, "/index.php", 10);
    memset(name, 'n', 500);
    php_call(world, NULL, php_function(world, name, php_class(world, name),
                                       file, 3), 0, row->top);
    php_walk(world);
    shown = php_shown(world, 0);
    assert_non_null(strstr(shown, "ddd/index.php:3 nnn"));
    assert_int_equal(strlen(shown),
                     LPP_INTERP_FILE_MAX + strlen(":3 ")
                     + LPP_INTERP_SCOPE_MAX + strlen("::")
                     + LPP_INTERP_NAME_MAX + strlen("@3 ENTRY"));
}

EACH_ROW(of_a_long_chain_the_inner_frames_are_kept)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *f = php_function(world, "f", NULL, FILE_NAME, 10);
    unsigned char *at = NULL;
    unsigned i;

    for (i = 0; i < LPP_SNAPSHOT_PAGE_FRAMES; i++) {
        at = php_call(world, at, f, i % PHP_OPS, 0);
    }
    assert_int_equal(php_walk(world), LPP_SNAPSHOT_PAGE_FRAMES);
    assert_int_equal(world->walk.flags, 0);
    php_call(world, at, f, 9, 0);
    assert_int_equal(php_walk(world), LPP_SNAPSHOT_PAGE_FRAMES);
    assert_int_equal(world->walk.flags, LPP_PAGE_CUT);
    SHOWN(0, FILE_NAME ":10 f@19");
}

EACH_ROW(a_circle_ends)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *first = php_call(world, NULL, NULL, 0, 0), *last;

    last = php_call(world, first, NULL, 0, 0);
    php_put(first, row->previous, php_address(last), 8);
    assert_int_equal(php_walk(world), 0);
    assert_int_equal(world->walk.flags, LPP_PAGE_CUT);
    php_put(first, row->function,
            php_address(php_function(world, "f", NULL, FILE_NAME, 1)), 8);
    assert_int_equal(php_walk(world), LPP_SNAPSHOT_PAGE_FRAMES);
    assert_int_equal(world->walk.flags, LPP_PAGE_CUT);
}

/* Writes each of some wrong pointers into each word of a structure, and
 * walks. */
static void spoil(php_world_t *world, unsigned char *structure, unsigned bytes,
                  const apr_uint64_t *wrong, unsigned count)
{
    unsigned at, i;

    for (at = 0; at + 8 <= bytes; at += 8) {
        apr_uint64_t right;

        memcpy(&right, structure + at, 8);
        for (i = 0; i < count; i++) {
            php_put(structure, at, wrong[i], 8);
            lpp_interp_seen_reset(world->seen); /* names are read again */
            php_walk(world);
            assert_true(world->walk.count <= LPP_SNAPSHOT_PAGE_FRAMES);
        }
        php_put(structure, at, right, 8);
    }
}

EACH_ROW(pointers_to_anywhere)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *type = php_class(world, "Renderer"), *at, *name;
    unsigned char *page = php_function(world, "page", type, FILE_NAME, 40);
    unsigned char *sort = php_internal(world, "usort", NULL);
    unsigned char *hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    apr_uint64_t wrong[] = { 0, 1, 4095, ~0ull, 0x800000000000ull,
                             0xdeadbeefcafebabeull, php_address(hole) + 4096,
                             php_address(hole) + 4092, php_address(hole),
                             php_address(page), php_address(world), 0 };
    unsigned count = sizeof(wrong) / sizeof(wrong[0]);
    apr_uint64_t faults = lpp_peek_faults();

    munmap(hole + 4096, 4096);
    at = php_call(world, NULL, page, 4, row->top);
    at = php_call(world, at, sort, 0, 0);
    at = php_call(world, at, page, 2, row->top);
    spoil(world, at, 80, wrong, count);
    spoil(world, page, 240, wrong, count);
    spoil(world, sort, 240, wrong, count);
    spoil(world, type, 64, wrong, count);
    memcpy(&name, page + row->name, 8);
    spoil(world, name, row->text + 8u, wrong, count);
    memcpy(&name, page + row->file, 8);
    wrong[count - 1] = ~0ull - 3 - php_address(name + row->text); /* a length */
    spoil(world, name, row->text + 8u, wrong, count);
    spoil(world, (void *)(apr_uintptr_t)world->php.globals, 1024, wrong, count);
    assert_true(lpp_peek_faults() > faults);
    lpp_interp_seen_reset(world->seen);
    assert_int_equal(php_walk(world), 3); /* all as it was */
    assert_int_equal(world->walk.flags, 0);
    world->php.globals = php_address(hole) + 4096;
    assert_int_equal(php_walk(world), 0);
    assert_int_equal(world->walk.flags, LPP_PAGE_CUT);
    munmap(hole, 4096);
}

EACH_ROW(types_that_are_not_known)
{
    php_world_t *world = php_world(row, pool);
    unsigned char *f = php_function(world, "f", NULL, FILE_NAME, 10);
    unsigned char *g = php_function(world, "g", NULL, FILE_NAME, 20);

    php_put(g, row->type, 3, 1);
    php_call(world, php_call(world, NULL, g, 1, 0), f, 1, 0);
    assert_int_equal(php_walk(world), 1);
    assert_int_equal(world->walk.flags, LPP_PAGE_CUT);
}

/* -- what is checked first */

static void check(php_world_t *world, const char *why)
{
    lpp_interp_php_t php = { NULL, 0 };
    lpp_interp_found_t found;

    memset(&found, 0, sizeof(found));
    lpp_interp_php_check(&php, &found, &world->symbols);
    assert_string_equal(found.why, why);
    assert_int_equal(found.usable, why[0] == '\0');
    if (found.usable) {
        assert_ptr_equal(php.row, world->row);
        assert_int_equal(php.globals, world->symbols.executor_globals);
    }
}

#define NOT_SHOWN ": its functions are not shown."

static const char *said(const char *what)
{
    return apr_psprintf(pool, "PHP %s %s" NOT_SHOWN, row->version, what);
}

EACH_ROW(a_known_php_is_read)
{
    php_world_t *world = php_world(row, pool);

    check(world, "");
    php_call(world, NULL, php_function(world, "f", NULL, FILE_NAME, 10), 1,
             row->top);
    check(world, "");
    php_call(world, NULL, NULL, 0, 0);
    check(world, "");
}

EACH_ROW(other_versions_and_builds_are_not_read)
{
    php_world_t *world = php_world(row, pool);

    php_put(world->standard, row->module_zts, 1, 1);
    check(world, said("with threads (ZTS) is not known"));
    php_put(world->standard, row->module_zts, 0, 1);
    php_put(world->standard, row->module_debug, 1, 1);
    check(world, said("built for debugging is not known"));
    php_put(world->standard, row->module_debug, 0, 1);
    world->symbols.vm_kind = 1;
    check(world, said("built without GCC's registers is not known"));
    world->symbols.vm_kind = 4;
    php_put(world->standard, LPP_INTERP_PHP_MODULE_API, 20991231, 4);
    php_put(world->standard, LPP_INTERP_PHP_MODULE_VERSION,
            php_address("9.10.1"), 8);
    check(world, "PHP 9.10 is not known" NOT_SHOWN);
    php_put(world->standard, LPP_INTERP_PHP_MODULE_VERSION,
            php_address("master"), 8);
    check(world, "PHP is not known" NOT_SHOWN);
    php_put(world->standard, LPP_INTERP_PHP_MODULE_VERSION, 8, 8);
    check(world, "PHP is not known" NOT_SHOWN);
    world->symbols.module_registry = 8;
    check(world, "PHP is not known" NOT_SHOWN);
}

EACH_ROW(a_php_that_is_not_as_expected_is_not_read)
{
    php_world_t *world = php_world(row, pool);
    apr_uint64_t compiler = world->symbols.compiler_globals;
    const char *why = said("is not as expected");

    php_put(world->strlen_function, row->type, 2, 1);
    check(world, why);
    php_put(world->strlen_function, row->type, 1, 1);
    php_put(world->strlen_function, row->scope,
            php_address(php_class(world, "C")), 8);
    check(world, why);
    php_put(world->strlen_function, row->scope, 0, 8);
    check(world, "");
    world->symbols.compiler_globals = 8;
    check(world, why);
    world->symbols.compiler_globals = compiler;
    php_put((void *)(apr_uintptr_t)world->symbols.executor_globals,
            row->current, 77, 8);
    check(world, why);
    php_call(world, NULL, world->standard, 0, 0); /* no function */
    check(world, why);
}

static void without_php_nothing_is_said(void **state)
{
    lpp_interp_php_t php = { NULL, 0 };
    lpp_interp_found_t found;

    memset(&found, 0, sizeof(found));
    lpp_interp_php_find(&php, &found);
    assert_int_equal(found.usable, 0);
    assert_string_equal(found.why, "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(offsets_lie_in_what_is_read_at_once),
        CASE(nothing_runs),
        CASE(functions_methods_and_internal_ones),
        CASE(the_innermost_line_is_in_a_register),
        CASE(below_an_internal_function_the_register_is_not_used),
        CASE(an_exception_is_in_flight),
        CASE(frames_without_a_function_are_left_out),
        CASE(chains_that_php_has_not_linked_are_cut),
        CASE(names_of_evals_and_closures),
        CASE(a_file_that_is_included_again_has_the_same_functions),
        CASE(of_long_texts_a_part_is_kept),
        CASE(of_a_long_chain_the_inner_frames_are_kept),
        CASE(a_circle_ends),
        CASE(pointers_to_anywhere),
        CASE(types_that_are_not_known),
        CASE(a_known_php_is_read),
        CASE(other_versions_and_builds_are_not_read),
        CASE(a_php_that_is_not_as_expected_is_not_read),
        CASE(without_php_nothing_is_said),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
