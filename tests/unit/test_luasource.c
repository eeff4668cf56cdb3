/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_luasource: names of functions, out of a source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse/lpp_luasource.h"

/* "line name" of each function of text. */
static const char *functions_of(const char *text)
{
    static char result[2000];
    lpp_lua_definition_t definitions[32];
    unsigned count = lpp_luasource_read(text, strlen(text), definitions, 32);
    unsigned i;
    char *to = result;

    *to = '\0';
    for (i = 0; i < count; i++) {
        to += sprintf(to, "%s%u %s", i > 0 ? "," : "", definitions[i].line,
                      definitions[i].name);
    }
    return result;
}

static void test_definitions(void **state)
{
    (void)state;
    assert_string_equal(functions_of("function f() end"), "1 f");
    assert_string_equal(functions_of("\nlocal function f() end"), "2 f");
    assert_string_equal(functions_of("function a.b.c:d(x) end"), "1 a.b.c:d");
    assert_string_equal(functions_of("local f = function() end"), "1 f");
    assert_string_equal(functions_of("a.b = function (x) end"), "1 a.b");
    assert_string_equal(functions_of("x = 1 y = function() end"), "1 y");
    assert_string_equal(functions_of("return { a = function() end, b = "
                                     "function() end, c }"), "1 a,1 b");
    assert_string_equal(functions_of("f(function() end)"), "1 ");
    assert_string_equal(functions_of("x = f(1, function() end)"), "1 ");
    assert_string_equal(functions_of("local t <const> = function() end"),
                        "1 ");
}

static void test_what_has_no_name(void **state)
{
    (void)state;
    assert_string_equal(functions_of("a, b = function() end, c"), "1 ");
    assert_string_equal(functions_of("t[1] = function() end"), "1 ");
    assert_string_equal(functions_of("t[1].f = function() end"), "1 ");
    assert_string_equal(functions_of("f().g = function() end"), "1 ");
    assert_string_equal(functions_of("{ ['a'] = function() end }"), "1 ");
    assert_string_equal(functions_of("a = b or function() end"), "1 ");
    assert_string_equal(functions_of("if a == function() end then end"), "1 ");
    assert_string_equal(functions_of(
        "function aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"
        "ffffffffff() end"), "1 ");
}

static void test_lines(void **state)
{
    (void)state;
    assert_string_equal(functions_of("function\nf\n(x) end"), "1 f");
    assert_string_equal(functions_of("local function\nf\n(x) end"), "3 f");
    assert_string_equal(functions_of("f =\nfunction\n\n(x) end"), "4 f");
}

static void test_text_is_passed_over(void **state)
{
    (void)state;
    assert_string_equal(functions_of("#!/usr/bin/lua function x()\n"
                                     "function f() end"), "2 f");
    assert_string_equal(functions_of("-- function a()\nfunction f() end"),
                        "2 f");
    assert_string_equal(functions_of("--[[ function a()\n ]] function f() end"
                                     ), "2 f");
    assert_string_equal(functions_of("--[==[ ]] ]=] \n]==] function f() end"),
                        "2 f");
    assert_string_equal(functions_of("x = [[\nfunction a()\n]] "
                                     "function f() end"), "3 f");
    assert_string_equal(functions_of("x = 'function \\'a()' function f() end"),
                        "1 f");
    assert_string_equal(functions_of("x = \"\\\nfunction\" function f() end"),
                        "2 f");
    assert_string_equal(functions_of("t.function_ = 1 a.functions()"), "");
    assert_string_equal(functions_of("x = [=function() end"), "1 ");
}

/* Anything ends, and stays in its bounds. */
static void test_random_text(void **state)
{
    static const char *const parts[] = {
        "function", "[[", "]]", "[==[", "--", "'", "\"", "\\", "\n", "a", ".",
        ":", "=", "(", ")", "{", "}", ",", " ", "local", "\xff", "..", "9"
    };
    lpp_lua_definition_t definitions[4];
    unsigned random = 1, round, i, k;

    (void)state;
    for (round = 0; round < 20000; round++) {
        char *text;
        size_t len = 0;
        char built[400];

        for (i = 0; i < 40; i++) {
            random = random * 1103515245 + 12345;
            k = (random >> 16) % (sizeof(parts) / sizeof(parts[0]));
            memcpy(built + len, parts[k], strlen(parts[k]));
            len += strlen(parts[k]);
        }
        text = malloc(len); /* for the sanitizers */
        memcpy(text, built, len);
        assert_true(lpp_luasource_read(text, len, definitions, 4) <= 4);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_what_has_no_name),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_text_is_passed_over),
        cmocka_unit_test(test_random_text)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
