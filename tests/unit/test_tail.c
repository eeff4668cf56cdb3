/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tail: the </body> that ends a page, whatever pieces it comes in. Every
 * case is fed whole, byte by byte, and cut at each two places; what was passed
 * on and what is held must always be the stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parse/lpp_tail.h"

#define NONE ((apr_size_t)-1)

typedef struct case_t {
    const char *page;
    const char *tail; /* what must be held at the end, found; NULL: none */
} case_t;

/* As HTML. */
static const case_t cases[] = {
    {"", NULL},
    {"no tag at all", NULL},
    {"<html><body>x</body></html>", "</body></html>"},
    {"</body>", "</body>"},
    {"</BODY >\n</html>\n", "</BODY >\n</html>\n"},
    {"x</BoDy\t\r\n\f >", "</BoDy\t\r\n\f >"},
    /* Something follows. */
    {"a</body>b</body>c</body>", "</body>"},
    {"a</body>b</body>c</body>d", NULL},
    {"a</body></body>", "</body>"},
    {"a</body></bodyguard>", NULL},
    {"a</body x></html>", NULL},
    {"a</body/></html>", NULL},
    {"a</body></html x>", NULL},
    {"a</body></htm>", NULL},
    {"a</body></html></html>\n", "</body></html></html>\n"},
    {"a</body><p>", NULL},
    {"a</body><script></script></html>", NULL},
    {"a</body>\xc2\xa0</html>", NULL},
    {"a</body>\v", NULL},
    {"a</body>>", NULL},
    {"a</body>&#32;", NULL},
    /* Comments. */
    {"a</body></html><!-- </body> -->\n", "</body></html><!-- </body> -->\n"},
    {"a</body><!-- x --></html><!-->\n<!--->", "</body><!-- x --></html><!-->\n"
                                             "<!--->"},
    {"a</body><!--x--!></html>", "</body><!--x--!></html>"},
    {"a</body><!--x--!-></html>", "</body><!--x--!-></html>"},
    {"a</body><!--x-> --><p>", NULL},
    {"a</body><!-- never closed </html>", "</body><!-- never closed </html>"},
    {"a<!-- never closed </body></html>", NULL},
    {"a<!-- </body> <!-- -->", NULL},
    {"a<!-- </body></html>--></body>", "</body>"},
    {"a<!-->b</body>", "</body>"},
    {"a<!--->b</body>", "</body>"},
    {"a<!-->--></body>", "</body>"},
    {"a<!--!></body>-->", NULL},
    {"a<!--x--></body>", "</body>"},
    {"a<!--x---></body>", "</body>"},
    {"a<!--x-- ></body>", NULL},
    {"a<!x</body>b</body>", "</body>"},
    {"a<!-x></body>", "</body>"},
    {"a</body><!x></html><?y?>", "</body><!x></html><?y?>"},
    {"<![if IE]></body><![endif]-->", "</body><![endif]-->"},
    {"a<![CDATA[ x></body>", "</body>"},
    /* The content of elements that have no tags in it. */
    {"<script>var s = '<p></body>'; document.title = 'ran';</script>\n", NULL},
    {"<script type='application/json'>{\"h\":\"</body>\"}</script>\n", NULL},
    {"<script>'</body>'</script></body>", "</body>"},
    {"<script>`</body>`</script></body>", "</body>"},
    {"<script>'<!--'</script></body>", "</body>"},
    {"<script><!--\n'</body>'\n//--></script></body>", "</body>"},
    {"<script>'<script>'</scripty></script x></body>", "</body>"},
    {"<script>'</script' + '</scrip>'</SCRIPT\n></body>", "</body>"},
    {"<script></</script></body>", "</body>"},
    {"<script></body></html>", NULL},
    {"<style>a:before{content:'<!--'}</style></body>", "</body>"},
    {"<title>a<!--b</title></body>", "</body>"},
    {"<textarea><!-- </body></html></textarea></body>", "</body>"},
    {"<iframe srcdoc=\"<body>x</body></html>\"></iframe></body>", "</body>"},
    {"<iframe srcdoc='</body></html>", NULL},
    {"<svg><title/><style/></svg></body>", "</body>"},
    {"<scripts></body>", "</body>"},
    {"<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa></body>", "</body>"},
    {"<template></body></html></template>", NULL},
    /* Attributes. */
    {"<p title=\"<!--\"></body>", "</body>"},
    {"<p title='</body>'>", NULL},
    {"<p title=it's></body>", "</body>"},
    {"<p it's></body>", "</body>"},
    {"<p a = \"'></body>\"></body>", "</body>"},
    {"<p a= '>'b=c/></body>", "</body>"},
    {"<p =\"a></body>", "</body>"},
    {"<p/=\"a></body>", "</body>"},
    {"<p a=></body>", "</body>"},
    {"<p a=b\"></body>", "</body>"},
    {"<p a='b'\"></body>", "</body>"},
    {"a</b c='</body></html>", NULL},
    /* What ends in the middle. */
    {"a</body", NULL},
    {"a</body>b</body", NULL},
    {"a</body></htm", "</body></htm"},
    {"a</body></body", "</body></body"},
    {"a</body><", "</body><"},
    {"a</body><!", "</body><!"},
    /* "<" that begins no tag. */
    {"a<</body>", "</body>"},
    {"a</>b</body>", "</body>"},
    {"a</</body>b</body>", "</body>"},
    {"a</bod</body>", NULL},
    {"a< /body>", NULL},
    {"a<body>", NULL},
    {"1 < 2</body>", "</body>"},
    {"</b\xc3\xb6" "dy></body>", "</body>"},
};

/* As XHTML. */
static const case_t xml_cases[] = {
    {"<html><body>x</body></html>\n<!-- </body> -->\n",
     "</body></html>\n<!-- </body> -->\n"},
    {"<body><script src='x'/></body></html>", "</body></html>"},
    {"<body><title/><p/></body></html>", "</body></html>"},
    {"<script>//<![CDATA[\n'<!--' + '</body>'\n//]]>\n</script></body>",
     "</body>"},
    {"<p><![CDATA[ ]]]]> > ]]]></p></body>", "</body>"},
    {"</body><![CDATA[x]]>", NULL},
    {"<![CDATA[</body></html>", NULL},
    {"<?php '</body>' > 1 ?></body>", "</body>"},
    {"</body><?x y?>", "</body><?x y?>"},
    {"<_p a='>'></body>", "</body>"},
};

typedef struct stream_t {
    lpp_tail_t tail;
    char *bytes;      /* all that came so far */
    apr_size_t len;
    apr_size_t passed;
} stream_t;

static void feed(stream_t *stream, const char *data, apr_size_t len)
{
    apr_size_t held = stream->tail.held, count;

    if (len) {
        memcpy(stream->bytes + stream->len, data, len);
    }
    stream->len += len;
    count = lpp_tail_feed(&stream->tail, data, len);
    assert_true(count <= held + len);
    stream->passed += count;
    assert_int_equal(stream->passed + stream->tail.held, stream->len);
    assert_true(stream->tail.held <= LPP_TAIL_MAX_BYTES);
    assert_true(stream->tail.partial <= stream->tail.held);
}

static void check(const case_t *one, int xml, apr_size_t cut,
                  apr_size_t cut2)
{
    apr_size_t len = strlen(one->page);
    stream_t stream = {.bytes = malloc(len + 1)};

    assert_non_null(stream.bytes);
    lpp_tail_init(&stream.tail, xml);
    if (cut == NONE) {
        apr_size_t i;

        for (i = 0; i < len; i++) {
            feed(&stream, one->page + i, 1);
        }
    }
    else {
        feed(&stream, one->page, cut);
        feed(&stream, NULL, 0);
        feed(&stream, one->page + cut, cut2 - cut);
        feed(&stream, one->page + cut2, len - cut2);
    }
    if (lpp_tail_end(&stream.tail) != (one->tail != NULL)) {
        fail_msg("%s: found %d", one->page, lpp_tail_end(&stream.tail));
    }
    if (one->tail) {
        assert_int_equal(stream.tail.held, strlen(one->tail));
        assert_string_equal(one->page + stream.passed, one->tail);
    }
    free(stream.bytes);
}

static void check_all(const case_t *all, apr_size_t count, int xml)
{
    apr_size_t i, cut, cut2;

    for (i = 0; i < count; i++) {
        apr_size_t len = strlen(all[i].page);

        check(&all[i], xml, NONE, NONE);
        for (cut = 0; cut <= len; cut++) {
            for (cut2 = cut; cut2 <= len; cut2++) {
                check(&all[i], xml, cut, cut2);
            }
        }
    }
}

static void end_of_page_is_found_however_the_stream_is_cut(void **state)
{
    (void)state;
    check_all(cases, LPP_COUNT(cases), 0);
    check_all(xml_cases, LPP_COUNT(xml_cases), 1);
}

static void text_without_tag_is_never_held(void **state)
{
    lpp_tail_t tail;
    int i;

    (void)state;
    lpp_tail_init(&tail, 0);
    for (i = 0; i < 100; i++) {
        assert_int_equal(lpp_tail_feed(&tail, "<p>text</p>", 11), 11);
        assert_int_equal(tail.held, 0);
    }
}

static void front_goes_before_the_tag_is_whole(void **state)
{
    lpp_tail_t tail;

    (void)state;
    lpp_tail_init(&tail, 0);
    assert_int_equal(lpp_tail_feed(&tail, "front</bo", 9), 5);
    assert_int_equal(tail.held, 4);
    assert_int_equal(lpp_tail_feed(&tail, "ld", 2), 6);
    assert_int_equal(tail.held, 0);
}

/* A tag, then a comment of so many bytes; fed in pieces of that size. */
static int found_after(apr_size_t after, apr_size_t piece, lpp_tail_t *tail)
{
    char *bytes = malloc(after + 7);
    apr_size_t at;

    assert_non_null(bytes);
    memcpy(bytes, "</body>", 7);
    memset(bytes + 7, 'x', after);
    memcpy(bytes + 7, "<!--", 4);
    memcpy(bytes + 7 + after - 3, "-->", 3);
    lpp_tail_init(tail, 0);
    for (at = 0; at < after + 7; at += piece) {
        apr_size_t len = after + 7 - at < piece ? after + 7 - at : piece;

        (void)lpp_tail_feed(tail, bytes + at, len);
        assert_true(tail->held <= LPP_TAIL_MAX_BYTES);
    }
    free(bytes);
    return lpp_tail_end(tail);
}

static void tail_that_is_too_long_is_given_up(void **state)
{
    static const apr_size_t pieces[] = {1, 7, 4096, 10000000};
    lpp_tail_t tail;
    apr_size_t i;

    (void)state;
    for (i = 0; i < LPP_COUNT(pieces); i++) {
        assert_int_equal(found_after(LPP_TAIL_MAX_BYTES - 7, pieces[i],
                                     &tail), 1);
        assert_int_equal(tail.held, LPP_TAIL_MAX_BYTES);
        assert_int_equal(found_after(LPP_TAIL_MAX_BYTES - 6, pieces[i],
                                     &tail), 0);
        assert_int_equal(tail.held, 0);
    }
}

static void later_tag_counts_after_one_was_given_up(void **state)
{
    lpp_tail_t tail;

    (void)state;
    assert_int_equal(found_after(LPP_TAIL_MAX_BYTES * 2, 4096, &tail), 0);
    assert_int_equal(lpp_tail_feed(&tail, "y</body>\n", 9), 1);
    assert_int_equal(lpp_tail_end(&tail), 1);
    assert_int_equal(tail.held, 8);
}

static void endless_white_space_in_a_tag_is_not_held(void **state)
{
    lpp_tail_t tail;
    apr_size_t i, passed;

    (void)state;
    lpp_tail_init(&tail, 0);
    passed = lpp_tail_feed(&tail, "</body", 6);
    for (i = 0; i < LPP_TAIL_MAX_BYTES; i++) {
        passed += lpp_tail_feed(&tail, " ", 1);
    }
    assert_true(tail.held <= LPP_TAIL_MAX_BYTES);
    assert_int_equal(passed + tail.held, LPP_TAIL_MAX_BYTES + 6);
    (void)lpp_tail_feed(&tail, ">", 1);
    assert_int_equal(lpp_tail_end(&tail), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_of_page_is_found_however_the_stream_is_cut),
        cmocka_unit_test(text_without_tag_is_never_held),
        cmocka_unit_test(front_goes_before_the_tag_is_whole),
        cmocka_unit_test(tail_that_is_too_long_is_given_up),
        cmocka_unit_test(later_tag_counts_after_one_was_given_up),
        cmocka_unit_test(endless_white_space_in_a_tag_is_not_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
