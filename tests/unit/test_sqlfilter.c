/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_sqlfilter: the cases of Launchpad's SQLDSLTest, and what a URL adds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "parse/lpp_sqlfilter.h"
#include "pool_state.h"

typedef struct case_t {
    const char *condition;
    const char *matches[4];
    const char *others[4];
    const char *clauses[4];
    const char *refused[4];
} case_t;

static const case_t cases[] = {
    {"startswith foo bar", {"FOO BARBAZ"}, {"BARBAZ FOO"},
     {"startswith FOO BAR"}, {NULL}},
    {"endswith foo bar", {"BAZ FOO BAR"}, {"BARBAZ FOO"},
     {"endswith FOO BAR"}, {NULL}},
    {"includes foo bar", {"BAZ FOO BAR BING"}, {"BARBAZ FOO"},
     {"includes FOO BAR"}, {NULL}},
    {"  startswith        foo     bar  ", {"FOO BARBAZ"}, {"BARBAZ FOO"},
     {"startswith FOO BAR"}, {NULL}},
    {"startswith foo bar | endswith shazam|includes balooba",
     {"FOO BARBAZ", "SALAMI SHAZAM", "FORTUNA BALOOBA CAT"}, {"BARBAZ FOO"},
     {"startswith FOO BAR", "endswith SHAZAM", "includes BALOOBA"}, {NULL}},
    {"startswith foo bar|", {"FOO BARBAZ"}, {"BARBAZ FOO"},
     {"startswith FOO BAR"}, {NULL}},
    {"matches foo bar", {NULL}, {"BARBAZ FOO", "MATCHES FOO BAR"}, {NULL},
     {"matches foo bar"}},
    {"matches kumquat | startswith foo bar", {"FOO BAR HAMSTER"},
     {"BARBAZ FOO", "KUMQUAT"}, {"startswith FOO BAR"}, {"matches kumquat"}},
    /* Statements are normalised too. */
    {"includes from person", {"select *\n  from\t\tPerson where 1"},
     {"select * from persn", "from  team"} , {"includes FROM PERSON"},
     {NULL}},
    /* Split first, decode once. */
    {"includes a%7Cb", {"a|b"}, {"a", "b"}, {"includes A|B"}, {NULL}},
    {"includes%20a%257Cb|endswith%20x", {"a%7cb", "ax"}, {"a|b"},
     {"includes A%7CB", "endswith X"}, {NULL}},
    {"INCLUDES a", {"bab"}, {"b"}, {"includes A"}, {NULL}},
    {"includes \xc3\xa4", {"x \xc3\xa4"}, {"a"}, {"includes \xc3\xa4"},
     {NULL}},
    /* A word without text, or grown together with it, is none. */
    {"startswith", {NULL}, {"startswith"}, {NULL}, {"startswith"}},
    {"includesx", {NULL}, {"x"}, {NULL}, {"includesx"}},
    {"includes ab", {"ab"}, {"a", ""}, {"includes AB"}, {NULL}},
    /* No clause at all is no condition. */
    {"", {"anything", ""}, {NULL}, {NULL}, {NULL}},
    {" | |%20| ", {"anything"}, {NULL}, {NULL}, {NULL}},
};

static void check_case(const case_t *c, apr_pool_t *pool)
{
    lpp_sqlfilter_t *filter;
    int i;

    assert_int_equal(lpp_sqlfilter_parse(c->condition, &filter, pool),
                     APR_SUCCESS);
    for (i = 0; i < 4 && c->matches[i]; i++) {
        if (!lpp_sqlfilter_matches(filter, c->matches[i], pool)) {
            fail_msg("'%s' must match '%s'", c->condition, c->matches[i]);
        }
    }
    for (i = 0; i < 4 && c->others[i]; i++) {
        if (lpp_sqlfilter_matches(filter, c->others[i], pool)) {
            fail_msg("'%s' must not match '%s'", c->condition, c->others[i]);
        }
    }
    for (i = 0; i < 4 && c->clauses[i]; i++) {
        assert_string_equal(lpp_sqlfilter_clause(filter, i), c->clauses[i]);
    }
    assert_null(lpp_sqlfilter_clause(filter, i));
    for (i = 0; i < 4 && c->refused[i]; i++) {
        assert_string_equal(lpp_sqlfilter_refused(filter, i), c->refused[i]);
    }
    assert_null(lpp_sqlfilter_refused(filter, i));
    assert_null(lpp_sqlfilter_clause(filter, -1));
    assert_null(lpp_sqlfilter_refused(filter, -1));
}

static void conditions_select_as_launchpad_does(void **state)
{
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(cases); i++) {
        check_case(&cases[i], *state);
    }
}

static void clauses_have_a_ceiling(void **state)
{
    lpp_sqlfilter_t *filter;
    char *many = apr_palloc(*state, 20 * 1000 + 1), *p = many;
    int i;

    for (i = 0; i < 1000; i++) {
        p += apr_snprintf(p, 21, "includes x%d|no y%d|", i % 10, i % 10);
    }
    assert_int_equal(lpp_sqlfilter_parse(many, &filter, *state), APR_SUCCESS);
    assert_non_null(lpp_sqlfilter_clause(filter,
                                         LPP_SQLFILTER_CLAUSES_MAX - 1));
    assert_null(lpp_sqlfilter_clause(filter, LPP_SQLFILTER_CLAUSES_MAX));
    assert_non_null(lpp_sqlfilter_refused(filter,
                                          LPP_SQLFILTER_CLAUSES_MAX - 1));
    assert_null(lpp_sqlfilter_refused(filter, LPP_SQLFILTER_CLAUSES_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_select_as_launchpad_does),
        cmocka_unit_test(clauses_have_a_ceiling),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
