/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_utf8: characters of UTF-8 read and not cut, whatever bytes there are;
 * and the kinds of ASCII characters beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/lpp_ascii.h"
#include "base/lpp_utf8.h"

static void valid_characters_are_read(void **state)
{
    static const struct {
        const char *text;
        unsigned len;
        apr_uint32_t character;
    } rows[] = {{"", 1, 0},
                {"a\xc3\xa4", 1, 'a'},
                {"\x7f", 1, 0x7f},
                {"\xc2\x80", 2, 0x80},
                {"\xdf\xbf", 2, 0x7ff},
                {"\xe0\xa0\x80", 3, 0x800},
                {"\xed\x9f\xbf", 3, 0xd7ff},
                {"\xee\x80\x80", 3, 0xe000},
                {"\xef\xbf\xbd", 3, 0xfffd},
                {"\xef\xbf\xbf", 3, 0xffff},
                {"\xf0\x90\x80\x80", 4, 0x10000},
                {"\xf4\x8f\xbf\xbf", 4, 0x10ffff}};
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(rows); i++) {
        apr_uint32_t character = 1;

        assert_int_equal(lpp_utf8_read(rows[i].text, &character),
                         rows[i].len);
        assert_int_equal(character, rows[i].character);
    }
}

/* What was written is read again; what UTF-8 does not have is "?". */
static void characters_are_written(void **state)
{
    static const apr_uint32_t good[] = { 'a', 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff,
                                         0xe000, 0xffff, 0x10000, 0x10ffff };
    static const apr_uint32_t bad[] = { 0xd800, 0xdfff, 0x110000, 0xffffffff };
    unsigned char text[5];
    apr_uint32_t character;
    unsigned i, len;

    (void)state;
    for (i = 0; i < LPP_COUNT(good); i++) {
        len = lpp_utf8_encode(good[i], text);
        text[len] = 0;
        assert_int_equal(lpp_utf8_read((char *)text, &character), len);
        assert_int_equal(character, good[i]);
    }
    for (i = 0; i < LPP_COUNT(bad); i++) {
        assert_int_equal(lpp_utf8_encode(bad[i], text), 1);
        assert_int_equal(text[0], '?');
    }
}

/* A reader that replaces them passes over what belongs together at once. */
static void invalid_bytes_are_passed_over(void **state)
{
    static const struct {
        const char *text;
        unsigned len;
    } rows[] = {{"\x80", 1},             /* alone */
                {"\xc0\x80", 1},         /* never begins one */
                {"\xc1\xbf", 1},
                {"\xf5\x80\x80\x80", 1},
                {"\xff", 1},
                {"\xc3", 1},             /* cut */
                {"\xc3" "a", 1},
                {"\xe2\x82", 2},
                {"\xe2\x82" "a", 2},
                {"\xf0\x9f\x98", 3},
                {"\xe0\x9f\xbf", 3},     /* overlong */
                {"\xf0\x8f\xbf\xbf", 4},
                {"\xed\xa0\x80", 3},     /* surrogates */
                {"\xed\xbf\xbf", 3},
                {"\xf4\x90\x80\x80", 4}}; /* past U+10FFFF */
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(rows); i++) {
        apr_uint32_t character = 1;

        assert_int_equal(lpp_utf8_read(rows[i].text, &character),
                         rows[i].len);
        assert_int_equal(character, LPP_UTF8_INVALID);
    }
}

static void no_character_is_cut(void **state)
{
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const unsigned cut[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    unsigned len;

    (void)state;
    assert_int_equal(LPP_COUNT(cut), sizeof(text));
    for (len = 0; len < sizeof(text); len++) {
        assert_int_equal(lpp_utf8_cut(text, len), cut[len]);
    }
}

/* What is no UTF-8 is cut anywhere: three bytes less, at the most. */
static void bytes_of_another_charset_are_kept(void **state)
{
    (void)state;
    assert_int_equal(lpp_utf8_cut("\x80\x80\x80\x80\x80", 5), 5);
    assert_int_equal(lpp_utf8_cut("\xff\xff", 2), 2);
    assert_int_equal(lpp_utf8_cut("ab\x80", 3), 3);
    assert_int_equal(lpp_utf8_cut("ab\xc3", 3), 2);
}

static void white_space_at_the_ends_goes(void **state)
{
    char text[] = " \t\r\n\v\f a b \n", blank[] = " \n", empty[] = "";

    (void)state;
    assert_string_equal(lpp_trim(text), "a b");
    assert_string_equal(lpp_trim(blank), "");
    assert_string_equal(lpp_trim(empty), "");
}

static void hexadecimal_digits_have_values(void **state)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    int c;

    (void)state;
    for (c = -128; c < 128; c++) {
        const char *at = c ? strchr(digits, c) : NULL;
        int expected = !at ? -1 : at - digits < 16 ? (int)(at - digits)
                                                   : (int)(at - digits) - 6;

        assert_int_equal(lpp_hex_value((char)c), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_characters_are_read),
        cmocka_unit_test(characters_are_written),
        cmocka_unit_test(invalid_bytes_are_passed_over),
        cmocka_unit_test(no_character_is_cut),
        cmocka_unit_test(bytes_of_another_charset_are_kept),
        cmocka_unit_test(white_space_at_the_ends_goes),
        cmocka_unit_test(hexadecimal_digits_have_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
