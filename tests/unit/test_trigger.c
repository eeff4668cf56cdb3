/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_trigger: tables of paths and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "parse/lpp_trigger.h"
#include "pool_state.h"

#define CG LPP_FORMAT_BIT(LPP_FORMAT_CALLGRIND)
#define PS LPP_FORMAT_BIT(LPP_FORMAT_PSTATS)
#define PP LPP_FORMAT_BIT(LPP_FORMAT_PPROF)
#define CO LPP_FORMAT_BIT(LPP_FORMAT_COLLAPSED)
#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define ID2 "OOPS-fedcba9876543210fedcba9876543210"

/* Path, and the path without its segment (NULL: has none). */
static const struct {
    const char *path;
    const char *plain;
} see_through[] = {
    {"/++profile++show/a/b", "/a/b"},
    {"/a/++profile++show/b", "/a/b"},
    {"/a/b/++profile++show", "/a/b"},
    {"/a/b/++profile++show/", "/a/b/"},
    {"/++profile++show", "/"},
    {"/++profile++show/", "/"},
    {"/%2B%2Bprofile%2b%2Bshow/a", "/a"},
    {"/+%2Bpro%66ile%2B+show/a", "/a"},
    {"/%2b%2b%70%72%6f%66%69%6c%65%2b%2bshow/a", "/a"},
    {"/a%20b/++profile++show/c%2Fd", "/a%20b/c%2Fd"},
    {"//++profile++show/a", "//a"},
    {"/a//++profile++show//b", "/a///b"},
    {"/++profile++show/../b", "/../b"},
    {"/a/../++profile++show/b", "/a/../b"},
    {"/a/++profile++show%2F..%2Fsecret/b", "/a/b"},
    {"/++profile++show/++profile++sql/a", "/++profile++sql/a"},
    {"/%2B/++profile++show/a", "/%2B/a"},
    {"/+/++/+++profile/++profile++show", "/+/++/+++profile"},
    {"/++profile++show;x=1/a", "/a"},
    {"/", NULL},
    {"/a/b", NULL},
    {"/a++profile++show/b", NULL},
    {"/ ++profile++show/b", NULL},
    {"/++PROFILE++show/b", NULL},
    {"/++profile+show", NULL},
    {"/++profile", NULL},
    {"/++profile+", NULL},
    {"/%2B%2Bprofile%2B%2", NULL},
    {"/%2B%2Bprofile%2B%", NULL},
    {"/%2", NULL},
    {"/%", NULL},
    {"/+", NULL},
    {"/%252B%252Bprofile%252B%252Bshow/a", NULL},
    {"/a%2F++profile++show/b", NULL},
    {"/%00++profile++show", NULL},
    {"/%2G+profile++show", NULL},
};

static void segment_is_seen_through_anywhere(void **state)
{
    lpp_plan_t *plan;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(see_through); i++) {
        const char *path = see_through[i].path;

        plan = NULL;
        if (!see_through[i].plain) {
            assert_null(lpp_trigger_find(path));
            assert_int_equal(lpp_trigger_parse(path, &plan, *state),
                             APR_NOTFOUND);
            assert_null(plan);
            continue;
        }
        if (!lpp_trigger_find(path)) {
            fail_msg("no segment found in '%s'", path);
        }
        assert_int_equal(lpp_trigger_find(path)[-1], '/');
        assert_int_equal(lpp_trigger_parse(path, &plan, *state), APR_SUCCESS);
        if (strcmp(plan->plain_path, see_through[i].plain)) {
            fail_msg("'%s' became '%s'", path, plan->plain_path);
        }
        assert_int_equal(plan->page, 0);
    }
}

static void other_paths_are_refused(void **state)
{
    lpp_plan_t *plan;

    assert_int_equal(lpp_trigger_parse("*", &plan, *state), APR_EINVAL);
    assert_int_equal(lpp_trigger_parse("", &plan, *state), APR_EINVAL);
    assert_int_equal(lpp_trigger_parse("++profile++", &plan, *state),
                     APR_EINVAL);
    assert_null(lpp_trigger_find("++profile++show"));
    assert_null(lpp_trigger_find(""));
}

static const struct {
    const char *segment; /* after the mark */
    apr_uint32_t actions;
    apr_uint32_t formats;
    const char *condition;
} readings[] = {
    {"", LPP_ACTION_HELP, 0, NULL},
    {"show", LPP_ACTION_SHOW, 0, NULL},
    {"callgrind", 0, CG, NULL},
    {"log", 0, CG, NULL},
    {"pstats&pprof&collapsed", 0, PS | PP | CO, NULL},
    {"show&callgrind&pstats", LPP_ACTION_SHOW, CG | PS, NULL},
    {"SHOW&CallGrind", LPP_ACTION_SHOW, CG, NULL},
    {"%20show%20&%09log", LPP_ACTION_SHOW, CG, NULL},
    {" show & log ", LPP_ACTION_SHOW, CG, NULL},
    {"%73how", LPP_ACTION_SHOW, 0, NULL},
    {"&&show&", LPP_ACTION_SHOW, 0, NULL},
    {"show:whatever", LPP_ACTION_SHOW, 0, NULL},
    {"nonsense", LPP_ACTION_HELP, 0, NULL},
    {"nonsense&show", LPP_ACTION_SHOW, 0, NULL},
    {"nonsense&log", 0, CG, NULL},
    {"showshowshowshowshowshowshowshowshow", LPP_ACTION_HELP, 0, NULL},
    {"%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20"
     "%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20show",
     LPP_ACTION_SHOW, 0, NULL},
    {"show%26callgrind", LPP_ACTION_HELP, 0, NULL},
    {"show%3Ax", LPP_ACTION_HELP, 0, NULL},
    {"show%00", LPP_ACTION_HELP, 0, NULL},
    {"show%zz&sql", LPP_ACTION_SQL, 0, NULL},
    {"help&show", LPP_ACTION_HELP | LPP_ACTION_SHOW, 0, NULL},
    {"sql", LPP_ACTION_SQL, 0, NULL},
    {"sql&sqltrace", LPP_ACTION_SQLTRACE, 0, NULL},
    {"sqltrace&sql", LPP_ACTION_SQLTRACE, 0, NULL},
    {"sqltrace:", LPP_ACTION_SQLTRACE, 0, NULL},
    {"sqltrace:includes a%7Cb|endswith c:d", LPP_ACTION_SQLTRACE, 0,
     "includes a%7Cb|endswith c:d"},
    {"sqltrace%20:%20includes x%26y", LPP_ACTION_SQLTRACE, 0,
     "%20includes x%26y"},
    {"reports", LPP_ACTION_HELP, 0, NULL}, /* at the root it is a page */
    {"report:" ID, LPP_ACTION_HELP, 0, NULL},
    {"reports&show", LPP_ACTION_SHOW, 0, NULL},
    {"report:" ID "&against:" ID2 "&log", 0, CG, NULL},
};

static void actions_are_read_as_launchpad_reads_them(void **state)
{
    lpp_plan_t *plan;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(readings); i++) {
        const char *path = apr_pstrcat(*state, "/x/++profile++",
                                       readings[i].segment, "/y", NULL);

        assert_int_equal(lpp_trigger_parse(path, &plan, *state), APR_SUCCESS);
        if (plan->actions != readings[i].actions
            || plan->formats != readings[i].formats) {
            fail_msg("'%s' gave actions %x, formats %x", path, plan->actions,
                     plan->formats);
        }
        assert_string_equal(plan->plain_path, "/x/y");
        assert_string_equal(plan->segment, apr_pstrcat(
            *state, "++profile++", readings[i].segment, NULL));
        if (readings[i].condition) {
            assert_string_equal(plan->sql_condition, readings[i].condition);
        }
        else {
            assert_null(plan->sql_condition);
        }
    }
}

static void against_needs_a_report(void **state)
{
    lpp_plan_t *plan;

    assert_int_equal(lpp_trigger_parse("/++profile++against:" ID, &plan,
                                       *state), APR_SUCCESS);
    assert_int_equal(plan->actions, LPP_ACTION_HELP);
    assert_null(plan->against_id);
}

static void report_ids_are_valid_in_form_or_none(void **state)
{
    static const struct {
        const char *config;
        const char *id;
    } ids[] = {
        {":" ID, ID},
        {":oops-0123456789ABCDEF0123456789abcdef", ID},
        {":%20" ID "%20", ID},
        {":OOPS%2D0123456789abcdef0123456789abcdef", ID},
        {"", NULL},
        {":", NULL},
        {":" ID "0", NULL},
        {":OOPS-0123456789abcdef0123456789abcde", NULL},
        {":OOPS-0123456789abcdef0123456789abcdeg", NULL},
        {":OOPS-..%2F..%2F..%2Fetc%2Fpasswd0000000", NULL},
        {":" ID "%00", NULL},
        {":" ID "%2F..", NULL},
    };
    lpp_plan_t *plan;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(ids); i++) {
        const char *path = apr_pstrcat(*state, "/++profile++report",
                                       ids[i].config, NULL);

        assert_int_equal(lpp_trigger_parse(path, &plan, *state), APR_SUCCESS);
        assert_int_equal(plan->actions, LPP_ACTION_REPORT);
        if (ids[i].id) {
            assert_string_equal(plan->report_id, ids[i].id);
        }
        else if (plan->report_id) {
            fail_msg("'%s' gave an id", path);
        }
        assert_int_equal(plan->page, 1);
    }
}

static void own_pages_have_one_spelling(void **state)
{
    static const struct {
        const char *path;
        const char *canonical; /* NULL: no page */
    } pages[] = {
        {"/++profile++", "/++profile++"},
        {"/++profile++/", "/++profile++"},
        {"/%2B%2Bprofile++/", "/++profile++"},
        {"/++profile++help", "/++profile++help"},
        {"/++profile++HELP/", "/++profile++help"},
        {"/++profile++nonsense", "/++profile++help"},
        {"/++profile++help%2F..%2Fsecret", "/++profile++help"},
        {"/++profile++reports", "/++profile++reports"},
        {"/++profile++%52eports&x", "/++profile++reports"},
        {"/++profile++report:" ID, "/++profile++report:" ID},
        {"/++profile++log&report:" ID,
         "/++profile++report:" ID "&callgrind"},
        {"/++profile++Report:" ID "&AGAINST:" ID2,
         "/++profile++report:" ID "&against:" ID2},
        {"/++profile++reports&report:" ID "&help",
         "/++profile++report:" ID},
        {"/++profile++help&reports", "/++profile++reports"},
        {"/++profile++report:..%2F..%2Fx", "/++profile++report:"},
        {"/++profile++report:../../x", NULL},
        {"/++profile++show", NULL},
        {"/++profile++help&show", NULL},
        {"/++profile++help&callgrind", NULL},
        {"/++profile++reports&pstats", NULL},
        {"/++profile++help/a", NULL},
        {"/++profile++//", NULL},
        {"//++profile++", NULL},
        {"/a/++profile++", NULL},
        {"/./++profile++reports", NULL},
        {"/++profile++/.", NULL},
        {"/++profile++show/++profile++reports", NULL},
    };
    lpp_plan_t *plan;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(pages); i++) {
        assert_int_equal(lpp_trigger_parse(pages[i].path, &plan, *state),
                         APR_SUCCESS);
        if (plan->page != (pages[i].canonical != NULL)) {
            fail_msg("'%s': page is %d", pages[i].path, plan->page);
        }
        if (pages[i].canonical) {
            assert_string_equal(plan->plain_path, pages[i].canonical);
        }
    }
}

static void request_lines_lose_only_the_segment(void **state)
{
    static const char *const lines[][2] = {
        {"GET /a/++profile++show/b HTTP/1.1", "GET /a/b HTTP/1.1"},
        {"GET /++profile++show HTTP/1.1", "GET / HTTP/1.1"},
        {"GET /++profile++show?a=/++profile++x/ HTTP/1.1",
         "GET /?a=/++profile++x/ HTTP/1.1"},
        {"GET /a/++profile++show#f HTTP/1.1", "GET /a#f HTTP/1.1"},
        {"GET /++profile++show", "GET /"},
        {"POST http://h:80/++profile++show/a?q HTTP/1.1",
         "POST http://h:80/a?q HTTP/1.1"},
        {"GET http://h/++profile++show HTTP/1.1", "GET http://h/ HTTP/1.1"},
        {"GET  /%2B%2Bprofile%2B%2Bsql:x/a  HTTP/1.1", "GET  /a  HTTP/1.1"},
        {"GET //++profile++show/a HTTP/1.1", "GET //a HTTP/1.1"},
    };
    static const char *const untouched[] = {
        "", "GET", "GET ", "GET / HTTP/1.1", "OPTIONS * HTTP/1.1",
        "CONNECT h:443 HTTP/1.1", "GET /?/++profile++show HTTP/1.1",
        "GET http://h?/++profile++show HTTP/1.1",
        "GET http://++profile++show/a HTTP/1.1",
        "GET /a HTTP/++profile++", "GET /a /++profile++show/ HTTP/1.1",
        "GET x?://h/++profile++show HTTP/1.1",
    };
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(lines); i++) {
        assert_string_equal(lpp_trigger_strip_line(lines[i][0], *state),
                            lines[i][1]);
    }
    for (i = 0; i < LPP_COUNT(untouched); i++) {
        assert_ptr_equal(lpp_trigger_strip_line(untouched[i], *state),
                         untouched[i]);
    }
}

static void urls_lose_only_the_segment(void **state)
{
    static const char *const urls[][2] = {
        {"/a/++profile++show/b", "/a/b"},
        {"/++profile++show", "/"},
        {"http://h/++profile++show", "http://h/"},
        {"http://h:80/a/%2B%2Bprofile%2B%2Bx/b?/++profile++y/#z",
         "http://h:80/a/b?/++profile++y/#z"},
        {"//++profile++show/a", "//a"},
    };
    static const char *const untouched[] = {
        "", "/", "x", "++profile++show/a", "http://++profile++show/a",
        "http://h?/++profile++show", "/a?/++profile++show/b",
    };
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(urls); i++) {
        assert_string_equal(lpp_trigger_strip_uri(urls[i][0], *state),
                            urls[i][1]);
    }
    for (i = 0; i < LPP_COUNT(untouched); i++) {
        assert_ptr_equal(lpp_trigger_strip_uri(untouched[i], *state),
                         untouched[i]);
    }
}

static void redirects_carry_the_segment(void **state)
{
    static const char *const carried[][3] = {
        {"/a/b/++profile++show", "/a/b/", "/a/b/++profile++show/"},
        {"/++profile++show/a/b", "/a/b/", "/++profile++show/a/b/"},
        {"/a/++profile++show/b", "/a/b/", "/a/++profile++show/b/"},
        {"/a/++profile++show/b", "/c/", "/++profile++show/c/"},
        {"/a/++profile++show/b", "/ab/", "/++profile++show/ab/"},
        {"/a/++profile++show", "/a/?q", "/a/++profile++show/?q"},
        {"/%61/++profile++show", "/a/", "/++profile++show/a/"},
    };
    lpp_plan_t *plan;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(carried); i++) {
        assert_int_equal(lpp_trigger_parse(carried[i][0], &plan, *state),
                         APR_SUCCESS);
        assert_string_equal(lpp_trigger_put_back(plan, carried[i][0],
                                                 carried[i][1], *state),
                            carried[i][2]);
    }
}

static void escapes_are_decoded_once(void **state)
{
    assert_string_equal(lpp_trigger_decode("a%2Bb%252B%", 11, *state),
                        "a+b%2B%");
    assert_string_equal(lpp_trigger_decode("%00%0G%2", 8, *state),
                        "%00%0G%2");
    assert_string_equal(lpp_trigger_decode("%2B", 2, *state), "%2");
    assert_string_equal(lpp_trigger_decode("%fF", 3, *state), "\xff");
    assert_string_equal(lpp_trigger_decode("x", 0, *state), "");
}

/* What lpp_trigger_candidate promises, a byte at a time. */
static const char *candidate_by_bytes(const char *at)
{
    for (; *at; at++) {
        if (*at == '/' && (at[1] == '+' || at[1] == '%')) {
            return at + 1;
        }
    }
    return NULL;
}

/* The quick look, to its end. */
static int look(const char *path)
{
    lpp_trigger_look_e found = lpp_trigger_look(path);

    return (found == LPP_TRIGGER_LONG ? lpp_trigger_look_behind(path) : found)
           == LPP_TRIGGER_MAYBE;
}

/* The scan reads whole blocks: it must see nothing before the text, nothing
 * behind its end, and not touch the page behind it. */
static void candidates_are_found_at_any_place_of_a_page(void **state)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    apr_uint32_t random = 1;
    size_t len, i, round;

    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (len = 0; len < 70; len++) {
        for (round = 0; round < 200; round++) {
            char *text = pages + page - len - 1 - (round % 2) * (round / 2);

            memset(pages, '/', page);
            memset(pages + page - len / 2, '+', len / 2);
            for (i = 0; i < len; i++) {
                random = random * 1664525 + 1013904223;
                text[i] = "/+%-ab/\xaf"[(random >> 16) % 8];
            }
            text[len] = '\0';
            assert_ptr_equal(lpp_trigger_candidate(text),
                             candidate_by_bytes(text));
            assert_true(!candidate_by_bytes(text) || look(text));
            memset(text, 'x', len);
            assert_null(lpp_trigger_candidate(text));
        }
    }
    munmap(pages, 2 * page);
}

/* Far from the end of a page the quick look is exact but for two characters. */
static void the_quick_look_sends_on_only_what_may_be_a_segment(void **state)
{
    static const struct {
        const char *path;
        int possible;
    } cases[] = {
        { "/", 0 }, { "/x", 0 }, { "/index.html", 0 }, { "/a+b%20c", 0 },
        { "/+", 1 }, { "/%2B", 1 }, { "/a/+", 1 }, { "//-/,/.$/&", 0 },
        { "/'", 1 }, { "/)", 1 }, { "/0123456789abcd/+", 1 },
        { "/0123456789abcde/+", 1 }, { "/0123456789abcdef/+x", 1 },
        { "/0123456789abcdef/0123456789abcde/%", 1 },
        { "/0123456789abcdef+0123456789abcde%/x/", 0 },
    };
    static char buffer[4096] __attribute__((aligned(4096)));
    size_t i, shift;

    for (i = 0; i < LPP_COUNT(cases); i++) {
        for (shift = 1; shift < 18; shift++) {
            memset(buffer, '/', 128);
            memset(buffer + 64, '+', 64);
            strcpy(buffer + shift, cases[i].path);
            assert_int_equal(look(buffer + shift), cases[i].possible);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_is_seen_through_anywhere),
        cmocka_unit_test(other_paths_are_refused),
        cmocka_unit_test(candidates_are_found_at_any_place_of_a_page),
        cmocka_unit_test(the_quick_look_sends_on_only_what_may_be_a_segment),
        cmocka_unit_test(actions_are_read_as_launchpad_reads_them),
        cmocka_unit_test(against_needs_a_report),
        cmocka_unit_test(report_ids_are_valid_in_form_or_none),
        cmocka_unit_test(own_pages_have_one_spelling),
        cmocka_unit_test(request_lines_lose_only_the_segment),
        cmocka_unit_test(urls_lose_only_the_segment),
        cmocka_unit_test(redirects_carry_the_segment),
        cmocka_unit_test(escapes_are_decoded_once),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
