/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_sqltext: nothing of a literal stays, whatever way it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "parse/lpp_sqltext.h"

static apr_pool_t *pool;

static int setup(void **state)
{
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int teardown(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

typedef struct case_t {
    lpp_sqltext_flavour_e flavour;
    const char *text;
    const char *masked;
} case_t;

#define ANSI LPP_SQLTEXT_ANSI
#define MYSQL LPP_SQLTEXT_MYSQL
#define SQLITE LPP_SQLTEXT_SQLITE
#define OTHER LPP_SQLTEXT_OTHER

static const case_t cases[] = {
    {ANSI, "", ""},
    {ANSI, "  SELECT\n\t 1  ", "SELECT ?"},
    {ANSI, "a = 'x' AND b='it''s'", "a = ? AND b=?"},
    {ANSI, "t1.c2 = 3.5e-7 + 0x1F - .5", "t1.c2 = ? + ? - .?"},
    {ANSI, "IN (1,2, 'c')", "IN (?,?, ?)"},
    {ANSI, "id = $1 AND x = ?", "id = $1 AND x = ?"},
    {ANSI, "id = %s", "id = %s"},
    {ANSI, "E'a\\'b' || x", "? || x"},
    {ANSI, "X'ff' B'01' N'n' U&'u' nob'x'", "? ? ? ? nob?"},
    {ANSI, "$$ it's $$ + 1", "? + ?"},
    {ANSI, "$fn$ a $x$ 'b' $fn$, 2", "?, ?"},
    {ANSI, "\"Na me\" = 'x'", "\"Na me\" = ?"},
    {ANSI, "a -- it's\nb", "a b"},
    {ANSI, "a /* it's /* n */ 'x' */ b", "a b"},
    {ANSI, "a /* 'x", "a"},
    {ANSI, "a = 'unfinished", "a = ?"},
    /* Where standard_conforming_strings is off the quote does not end it. */
    {ANSI, "a = 'b\\' secret", "a = ?"},
    {ANSI, "q'[it's secret]' || x", "? || x"},
    {MYSQL, "a = \"sec\\\"ret\" # it's\n AND `na'me` = 1",
     "a = ? AND `na'me` = ?"},
    {MYSQL, "a = 'b\\'secret' OR 1", "a = ? OR ?"},
    {MYSQL, "5--'secret'", "?--?"},
    {MYSQL, "5 -- it's\n+'secret'", "? +?"},
    {SQLITE, "[it's] = 'x' AND \"secret\" = 'c:\\'", "[it's] = ? AND ? = ?"},
    {SQLITE, "a = 'c:\\' AND b = 'secret'", "a = ? AND b = ?"},
    {OTHER, "a = 'c:\\' AND b = secret", "a = ?"},
    {OTHER, "\"secret\" = 1", "? = ?"},
    {OTHER, "ARRAY['secret']", "ARRAY[?]"},
    {ANSI, "\xff\xfe '\xff' caf\xc3\xa9" "1", "\xff\xfe ? caf\xc3\xa9" "1"},
    {ANSI, "SELECT 1;", "SELECT ?;"},
};

static void literals_become_question_marks(void **state)
{
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(cases); i++) {
        const char *got = lpp_sqltext_mask(cases[i].text, cases[i].flavour,
                                           pool);

        if (strcmp(got, cases[i].masked)) {
            print_error("case %d: %s\n", (int)i, cases[i].text);
        }
        assert_string_equal(got, cases[i].masked);
        assert_null(strstr(got, "secret"));
    }
}

/* Statements are cut: no prefix may give a literal away, nor be read past. */
static void no_prefix_tells_more(void **state)
{
    static const struct {
        const char *start;
        const char *flavours; /* those that read it so */
    } cuts[] = {
        {"a = '", "aomq"}, {"a = E'x\\'", "aom"}, {"a = $t$", "ao"},
        {"x = \"", "omq"}, {"/* ", "aomq"}, {"a = q'[", "ao"},
        {"a='b''", "aomq"}, {"a = \"b\\\"", "om"}, {"-- ", "aomq"},
    };
    apr_size_t i, cut;
    const char *flavour;

    for (i = 0; i < LPP_COUNT(cuts); i++) {
        for (flavour = cuts[i].flavours; *flavour; flavour++) {
            char *text = apr_pstrcat(pool, cuts[i].start, "zzzz", NULL);

            for (cut = strlen(text); cut > 0; cut--) {
                char *copy = malloc(cut + 1); /* a fence for sanitizers */

                memcpy(copy, text, cut);
                copy[cut] = '\0';
                assert_null(strchr(lpp_sqltext_mask(
                    copy, *flavour == 'a' ? ANSI : *flavour == 'm' ? MYSQL
                          : *flavour == 'q' ? SQLITE : OTHER, pool), 'z'));
                free(copy);
            }
        }
    }
}

static void masking_twice_is_masking_once(void **state)
{
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(cases); i++) {
        const char *once = lpp_sqltext_mask(cases[i].text, cases[i].flavour,
                                            pool);

        assert_string_equal(lpp_sqltext_mask(once, cases[i].flavour, pool),
                            once);
    }
}

static void an_error_tells_nothing_of_the_data(void **state)
{
    assert_string_equal(
        lpp_sqltext_mask_error("\nERROR:  invalid input: \"secret\"\n"
                               "DETAIL:  Key (a)=(secret)\n", pool),
        "ERROR: invalid input: ?");
    assert_string_equal(
        lpp_sqltext_mask_error("near \"nothing\": syntax error", pool),
        "near ?: syntax error");
    assert_string_equal(
        lpp_sqltext_mask_error(
            "You have an error in your SQL syntax; check the manual for the "
            "right syntax to use near 'x' AND secret = 'it's\nall' at line 2",
            pool),
        "You have an error in your SQL syntax; check the manual for the "
        "right syntax to use near ? at line ?");
    assert_string_equal(lpp_sqltext_mask_error("near 'secret", pool),
                        "near ?");
    assert_string_equal(lpp_sqltext_mask_error("", pool), "");
}

static void flavours_go_by_driver(void **state)
{
    assert_int_equal(lpp_sqltext_flavour("pgsql"), ANSI);
    assert_int_equal(lpp_sqltext_flavour("mysql"), MYSQL);
    assert_int_equal(lpp_sqltext_flavour("sqlite3"), SQLITE);
    assert_int_equal(lpp_sqltext_flavour("odbc"), OTHER);
    assert_int_equal(lpp_sqltext_flavour(NULL), OTHER);
}

static const struct {
    const char *driver, *params, *name;
} databases[] = {
    {"pgsql", "host=db.local dbname=shop user=u password=s3cret",
     "pgsql:db.local/shop"},
    {"pgsql", "password='a dbname=s3cret' dbname = 'my shop'",
     "pgsql:my_shop"},
    {"pgsql", "postgresql://u:s3cret@db.local:5432/shop?password=s3cret",
     "pgsql:db.local/shop"},
    {"mysql", "host=h,user=u,pass=s3cret,dbname=d", "mysql:h/d"},
    {"mysql", "user=u;pass=s3cret", "mysql"},
    {"odbc", "datasource=DSN,USER=x,PASSWORD=s3cret", "odbc:DSN"},
    {"sqlite3", "/srv/data/s3.db", "sqlite3:s3.db"},
    {"sqlite3", ":memory:", "sqlite3::memory:"},
    {"sqlite3", "", "sqlite3"},
    {"oracle", NULL, "oracle"},
    {"pgsql", "s3cret", "pgsql"},
    {"pgsql", "= = =,,; host", "pgsql"},
    {"pgsql", "password='a\\' dbname=s3cret' host=h", "pgsql:h"},
    {"pgsql", "password=a\\ dbname=s3cret host=h", "pgsql:h"},
    {"pgsql", "password='s3cret dbname=s3cret", "pgsql"},
    {"pgsql", "host=h password=x://s3cret", "pgsql:h"},
    {"pgsql", "password=s3cret\\", "pgsql"},
    {"mysql", "host=h|dbname=d|pass=s3cret", "mysql:h/d"},
    {"odbc", "password=\"a server=s3cret\" server=h", "odbc:h"},
};

static void a_database_has_no_password(void **state)
{
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(databases); i++) {
        const char *name = lpp_sqltext_database(
            databases[i].driver, databases[i].params, pool);

        assert_string_equal(name, databases[i].name);
        assert_null(strstr(name, "s3cret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_become_question_marks),
        cmocka_unit_test(no_prefix_tells_more),
        cmocka_unit_test(masking_twice_is_masking_once),
        cmocka_unit_test(an_error_tells_nothing_of_the_data),
        cmocka_unit_test(flavours_go_by_driver),
        cmocka_unit_test(a_database_has_no_password),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
