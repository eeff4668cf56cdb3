/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_policy: which Content-Security-Policies let a <style> of ours pass, in
 * a header's value and in <meta> elements of a head that comes in pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <cmocka.h>

#include "parse/lpp_policy.h"

#define META(attributes) "<!doctype html><head><meta " attributes "></head>"
#define CSP "http-equiv=\"Content-Security-Policy\" "

typedef struct case_t {
    const char *text;
    int allowed;
} case_t;

static const case_t values[] = {
    {"", 1},
    {"default-src 'self'", 0},
    {"DEFAULT-SRC 'UNSAFE-INLINE'", 1},
    {"img-src 'none'; script-src 'none'", 1},
    {"default-src 'none';\tstyle-src\n'unsafe-inline'", 1},
    {"style-src 'unsafe-inline'; style-src-elem 'self'", 0},
    {"style-src 'unsafe-inline' 'nonce-x'", 0},
    {"img-src *, style-src 'self'", 0},
    {"style-src 'unsafe-inline', default-src 'unsafe-inline'", 1},
};

static const case_t pages[] = {
    {"", 1},
    {"<p>no head</p>", 1},
    {META(CSP "content=\"default-src 'self'\""), 0},
    {META(CSP "content=\"style-src 'unsafe-inline'\""), 1},
    {META("content=\"default-src 'self'\" " CSP), 0},
    {META(CSP "content=\"default-src 'self'\" /"), 0},
    {META("http-equiv=content-security-policy content=default-src"), 0},
    {META("HTTP-EQUIV=' CONTENT-Security-Policy\n' CONTENT='style-src'"), 0},
    {META("http-equiv = \"Content-Security-Policy\" content\n=\n'style-src'"),
     0},
    {META("http-equiv='Content-Security-Policy'content='style-src'"), 0},
    {"<META/HTTP-EQUIV=Content-Security-Policy/content=style-src>", 1},
    {"<META/HTTP-EQUIV='Content-Security-Policy'/content=style-src>", 0},
    /* The first attribute of a name counts. */
    {META("http-equiv=x " CSP "content='style-src'"), 1},
    {META(CSP "content='img-src *' content='style-src'"), 1},
    {META(CSP), 1},
    {META("content='style-src'"), 1},
    {META(CSP "data-content='style-src'"), 1},
    {META("name=\"Content-Security-Policy\" content=\"style-src\""), 1},
    /* A browser takes no notice of this one. */
    {META("http-equiv='Content-Security-Policy-Report-Only' "
          "content=\"default-src 'none'\""), 1},
    {META("http-equiv=refresh content='5;url=/?a=style-src&b=c'"), 1},
    /* References. */
    {META(CSP "content=\"default-src &#39;unsafe-inline&#x27;\""), 1},
    {META(CSP "content=\"default-src &apos;unsafe-inline&apos;\""), 1},
    {META(CSP "content=\"default-src&#32;&quot;self&QUOT;\""), 0},
    {META(CSP "content='style&#45;src'"), 0},
    {META(CSP "content='img-src *&semi; style-src'"), 0},
    {META(CSP "content='img-src *&comma; style-src'"), 0},
    {META("http-equiv='Content&#x2D;Security&#45Policy' content='style-src'"),
     0},
    /* What cannot be read forbids. */
    {META(CSP "content='img-src &what;'"), 0},
    {META(CSP "content='img-src &#0;'"), 0},
    {META(CSP "content='img-src &#x20ac;'"), 0},
    {META(CSP "content='img-src &#99999999999999999999;'"), 0},
    {META(CSP "content='img-src http://x/?a=1&b'"), 0},
    /* Several: all must allow. */
    {META(CSP "content=\"style-src 'unsafe-inline'\"")
     META(CSP "content=\"style-src 'self'\""), 1}, /* behind the </head> */
    {"<meta " CSP "content=\"style-src 'unsafe-inline'\">"
     "<meta " CSP "content=\"img-src 'self'\"><title>x</title>"
     "<meta " CSP "content=\"style-src 'self'\">", 0},
    /* Not an element. */
    {"<!-- <meta " CSP "content=style-src> -->", 1},
    {"<script>'<meta " CSP "content=style-src>'</script>", 1},
    {"<title><meta " CSP "content=style-src></title>", 1},
    {"<style><meta " CSP "content=style-src></style>", 1},
    {"<link title='<meta " CSP "content=style-src>'>", 1},
    {"<metal " CSP "content=style-src>", 1},
    {"<script>'<!--'</script><meta " CSP "content=style-src>", 0},
    {"<noscript><meta " CSP "content=style-src></noscript>", 0},
    /* Behind the head. */
    {"<body><meta " CSP "content=style-src>", 1},
    {"<body class='x'><meta " CSP "content=style-src>", 1},
    {"</head\n><meta " CSP "content=style-src>", 1},
    {"<header></header><meta " CSP "content=style-src>", 0},
    /* Cut off. */
    {"<meta " CSP "content=style-src", 1},
};

static int set_up(void **state)
{
    apr_pool_t *pool = NULL;

    apr_initialize();
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    *state = pool;
    return 0;
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    apr_terminate();
    return 0;
}

static void header_is_read(void **state)
{
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(values); i++) {
        if (lpp_policy_allows_style(values[i].text, *state)
            != values[i].allowed) {
            fail_msg("%s", values[i].text);
        }
    }
}

static int allows(const char *page, apr_size_t len, apr_size_t cut, int xml,
                  apr_pool_t *pool)
{
    lpp_policy_head_t head;

    lpp_policy_head_init(&head, xml, pool);
    lpp_policy_head_feed(&head, page, cut);
    lpp_policy_head_feed(&head, NULL, 0);
    lpp_policy_head_feed(&head, page + cut, len - cut);
    return !head.forbidden;
}

static void meta_is_read_however_the_head_is_cut(void **state)
{
    apr_pool_t *pool;
    apr_size_t i, cut;

    assert_int_equal(apr_pool_create(&pool, *state), APR_SUCCESS);
    for (i = 0; i < LPP_COUNT(pages); i++) {
        apr_size_t len = strlen(pages[i].text);

        for (cut = 0; cut <= len; cut++) {
            if (allows(pages[i].text, len, cut, 0, pool)
                != pages[i].allowed) {
                fail_msg("%s, cut at %d", pages[i].text, (int)cut);
            }
        }
        apr_pool_clear(pool);
    }
}

static void xhtml_has_tags_in_its_scripts(void **state)
{
    static const char page[] = "<script src='x'/><meta " CSP
                               "content=\"default-src 'self'\"/>";

    assert_int_equal(allows(page, sizeof(page) - 1, 0, 1, *state), 0);
}

/* A page of so many bytes before its <meta>, which has so many in it. */
static int allows_after(apr_size_t before, apr_size_t inside, void **state)
{
    static char page[3 * LPP_POLICY_HEAD_MAX_BYTES];
    int len = snprintf(page, sizeof(page), "%*s<meta " CSP "content='%*s%s'>",
                       (int)before, "", (int)inside, "", "style-src");

    return allows(page, (apr_size_t)len, (apr_size_t)len / 2, 0, *state);
}

static void what_is_too_long_is_known_to_be(void **state)
{
    assert_int_equal(allows_after(1000, 1000, state), 0);
    assert_int_equal(allows_after(LPP_POLICY_HEAD_MAX_BYTES - 200, 0, state),
                     0);
    /* Behind what is looked at. */
    assert_int_equal(allows_after(LPP_POLICY_HEAD_MAX_BYTES, 0, state), 1);
    /* A <meta> that is not read to its end may be anything. */
    assert_int_equal(allows_after(LPP_POLICY_HEAD_MAX_BYTES - 60, 0, state),
                     0);
    assert_int_equal(allows_after(0, LPP_POLICY_META_MAX_BYTES, state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(header_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(meta_is_read_however_the_head_is_cut,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(xhtml_has_tags_in_its_scripts, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_too_long_is_known_to_be,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
