/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it forks by the hundred */
/* lpp_pagecode: numbers by content, hostile text, a full table, no memory. */
#include "fail_alloc.h"

#include "base/lpp_utf8.h"
#include "names/lpp_symbol.h"

static lpp_pagecode_t *pages;

static int setup(void **state)
{
    return lpp_pagecode_create(&pages) != APR_SUCCESS;
}

static int teardown(void **state)
{
    lpp_pagecode_destroy(pages);
    return 0;
}

static lpp_page_function_t page_of(const char *name, const char *file)
{
    lpp_page_function_t page = { LPP_LANGUAGE_PHP, 0, name, file, 12 };

    return page;
}

static apr_uint32_t number_of(const char *name, const char *file)
{
    lpp_page_function_t page = page_of(name, file);

    return lpp_pagecode_number(pages, &page);
}

/* The name as it is shown. */
static const char *shown(const char *name)
{
    return lpp_pagecode_get(pages, number_of(name, "/a.php"))->name;
}

static void one_function_has_one_number(void **state)
{
    lpp_page_function_t page = page_of("f", "/a.php");
    apr_uint32_t number = lpp_pagecode_number(pages, &page);
    char name[] = "f", file[] = "/a.php";

    assert_int_not_equal(number, LPP_PAGE_MORE);
    assert_int_equal(number_of(name, file), number);
    name[0] = file[1] = '!'; /* both were copied */
    assert_string_equal(lpp_pagecode_get(pages, number)->name, "f");
    assert_string_equal(lpp_pagecode_get(pages, number)->file, "/a.php");
    assert_int_equal(lpp_pagecode_get(pages, number)->line, 12);
    assert_int_equal(number_of("f", "/a.php"), number);
    assert_int_not_equal(number_of("g", "/a.php"), number);
    assert_int_not_equal(number_of("f", "/b.php"), number);
    page.line = 13;
    assert_int_not_equal(lpp_pagecode_number(pages, &page), number);
    page.line = 12;
    page.internal = 1;
    assert_int_not_equal(lpp_pagecode_number(pages, &page), number);
    page.internal = 0;
    page.language = LPP_LANGUAGE_LUA;
    assert_int_not_equal(lpp_pagecode_number(pages, &page), number);
    page.language = LPP_LANGUAGE_PHP;
    assert_int_equal(lpp_pagecode_number(pages, &page), number);
}

/* Where a name ends and a file begins is part of the content. */
static void blanks_move_nothing_between_name_and_file(void **state)
{
    assert_int_not_equal(number_of("a b", "c"), number_of("a", "b c"));
    assert_int_not_equal(number_of("", "a"), number_of("a", ""));
}

static void a_pc_has_number_and_line(void **state)
{
    lpp_pc_t pc = LPP_PAGE_PC(LPP_PAGES_MAX, LPP_PAGE_LINE_MAX);

    assert_true(LPP_PC_IS_PAGE(pc));
    assert_int_equal(LPP_PAGE_NUMBER(pc), LPP_PAGES_MAX);
    assert_int_equal(LPP_PAGE_LINE(pc), LPP_PAGE_LINE_MAX);
    assert_true(LPP_PAGE_START(pc) == LPP_PAGE_PC(LPP_PAGES_MAX, 0));
    /* a line that does not fit does not change the number */
    assert_int_equal(LPP_PAGE_NUMBER(LPP_PAGE_PC(3, 0x1ffffff)), 3);
    assert_false(LPP_PC_IS_PAGE(LPP_PC_MAKE(LPP_OBJECTS_MAX, 5)));
    assert_true(LPP_OBJECTS_MAX < LPP_PAGE_OBJECT);
}

static void hostile_text_is_made_safe(void **state)
{
    assert_string_equal(shown("Renderer::page"), "Renderer::page");
    assert_string_equal(shown("\xc3\xa9t\xc3\xa9"), "\xc3\xa9t\xc3\xa9");
    assert_string_equal(shown("a;b"), "a?b");
    assert_string_equal(shown("(1)"), "?1)");
    assert_string_equal(shown("(anonymous)"), "(anonymous)");
    /* each kind of character that moves text to the other side */
    assert_null(strstr(shown("a\xe2\x80\xae" "b"), "\xe2\x80\xae"));
    assert_null(strstr(shown("a\xe2\x81\xa6" "b"), "\xe2\x81\xa6"));
    assert_null(strstr(shown("a\xd8\x9c" "b"), "\xd8\x9c"));
    assert_null(strstr(shown("a\xe2\x80\x8f" "b"), "\xe2\x80\x8f"));
}

/* Any bytes as name and file: valid UTF-8, without what readers would take for
 * something else. */
static void any_bytes_are_shown(void **state)
{
    static const char parts[] = "\xff\xc3\x28\xe2\x80\xae\n\r\t;\x01\x7f (1)"
                                "\xed\xa0\x80\xf4\x90\x80\x80\xc2\x85";
    unsigned round, i;

    srand(5);
    for (round = 0; round < 5000; round++) {
        char text[24];
        const lpp_page_function_t *page;
        const char *at;

        for (i = 0; i < sizeof(text) - 1; i++) {
            text[i] = rand() % 2 ? parts[rand() % (sizeof(parts) - 1)]
                                 : (char)(1 + rand() % 255);
        }
        text[sizeof(text) - 1] = '\0';
        page = lpp_pagecode_get(pages, number_of(text + rand() % 23, text));
        assert_false(page->name[0] == '(' && page->name[1] >= '0'
                     && page->name[1] <= '9');
        for (at = page->file; *at != '\0';) {
            apr_uint32_t character;

            at += lpp_utf8_read(at, &character);
            assert_true(character != LPP_UTF8_INVALID && character >= 0x20
                        && character != 0x7f && character != ';');
            assert_false(character >= 0x202a && character <= 0x202e);
        }
    }
}

static void a_full_table_has_one_function_for_the_rest(void **state)
{
    char name[32];
    apr_uint32_t i, number;

    for (i = 1; i <= LPP_PAGES_MAX; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        number = number_of(name, "/a.php");
        assert_int_equal(number, i);
    }
    assert_int_equal(number_of("one more", "/a.php"), LPP_PAGE_MORE);
    /* those that are there stay */
    assert_int_equal(number_of("f77", "/a.php"), 77);
    assert_string_equal(lpp_pagecode_get(pages, LPP_PAGES_MAX)->name, name);
}

static void unknown_numbers_are_more_functions(void **state)
{
    static const apr_uint32_t numbers[] = { LPP_PAGE_MORE, 1, LPP_PAGES_MAX,
        0xffffff, 0xffffffff };
    unsigned i;

    for (i = 0; i < LPP_COUNT(numbers); i++) {
        const lpp_page_function_t *page = lpp_pagecode_get(pages, numbers[i]);

        assert_string_equal(page->name, LPP_PAGE_MORE_NAME);
        assert_string_equal(page->file, "");
    }
}

static void a_symbol_of_a_page_function_has_its_place(void **state)
{
    lpp_page_function_t page = page_of("render", "/srv/index.php");
    lpp_symbols_t *symbols;
    lpp_symbol_t symbol, same;
    lpp_maps_t *maps;
    apr_pool_t *pool;
    apr_uint32_t number;

    apr_pool_create(&pool, NULL);
    assert_int_equal(lpp_maps_create(&maps, pool), APR_SUCCESS);
    assert_int_equal(lpp_symbols_create(&symbols, maps), APR_SUCCESS);
    number = lpp_pagecode_number(lpp_symbols_pagecode(symbols), &page);
    lpp_symbols_resolve(symbols, LPP_PAGE_PC(number, 14), &symbol);
    lpp_symbols_resolve(symbols, LPP_PAGE_PC(number, 15), &same);
    assert_string_equal(symbol.name, "render");
    assert_string_equal(symbol.object, "/srv/index.php");
    assert_string_equal(symbol.file, "/srv/index.php");
    assert_int_equal(symbol.line, 12);
    assert_int_equal(symbol.kind, LPP_NAME_INTERPRETER);
    assert_true(symbol.start == LPP_PAGE_PC(number, 0));
    assert_true(symbol.start == same.start);
    /* there is no debug file to look into */
    lpp_symbols_add_line(symbols, &symbol);
    assert_string_equal(symbol.file, "/srv/index.php");
    assert_int_equal(symbol.line, 12);
    lpp_symbols_resolve(symbols, LPP_PAGE_PC(70000, 14), &symbol);
    assert_string_equal(symbol.name, LPP_PAGE_MORE_NAME);
    lpp_symbols_destroy(symbols);
    apr_pool_destroy(pool);
}

static apr_status_t number_two(apr_pool_t *pool)
{
    lpp_page_function_t one = page_of("a;\xff", "/b\n"), two = one;
    apr_uint32_t first, second;
    lpp_pagecode_t *made;
    apr_status_t status = lpp_pagecode_create(&made);

    if (status != APR_SUCCESS) {
        MUST(made == NULL);
        return status;
    }
    two.line++;
    first = lpp_pagecode_number(made, &one);
    second = lpp_pagecode_number(made, &two);
    MUST(first <= 2 && second <= 2);
    MUST(strcmp(lpp_pagecode_get(made, first)->name,
                first == LPP_PAGE_MORE ? LPP_PAGE_MORE_NAME : "a??") == 0);
    MUST(first == LPP_PAGE_MORE || first != second);
    status = first != LPP_PAGE_MORE && second != LPP_PAGE_MORE ? APR_SUCCESS
                                                               : APR_ENOMEM;
    lpp_pagecode_destroy(made);
    return status;
}

ROOM(number_two)

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_function_has_one_number),
        TEST(blanks_move_nothing_between_name_and_file),
        TEST(a_pc_has_number_and_line),
        TEST(hostile_text_is_made_safe),
        TEST(any_bytes_are_shown),
        TEST(a_full_table_has_one_function_for_the_rest),
        TEST(unknown_numbers_are_more_functions),
        TEST(a_symbol_of_a_page_function_has_its_place),
        cmocka_unit_test(test_number_two)
    };

    return RUN_ROOMS(tests);
}
