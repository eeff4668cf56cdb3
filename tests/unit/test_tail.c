/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tail: the last </body> of a stream, whatever pieces it comes in. Every
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

#include "lpp_tail.h"

#define NONE ((apr_size_t)-1)

typedef struct case_t {
    const char *page;
    const char *tail; /* what must be held at the end, found; NULL: none */
} case_t;

static const case_t cases[] = {
    {"", NULL},
    {"no tag at all", NULL},
    {"<html><body>x</body></html>", "</body></html>"},
    {"</body>", "</body>"},
    {"</BODY >\n</html>\n", "</BODY >\n</html>\n"},
    {"x</BoDy\t\r\n\f >", "</BoDy\t\r\n\f >"},
    {"a</body>b</body>c</body>d", "</body>d"},
    {"a</body>b</bodyguard>c", "</body>b</bodyguard>c"},
    {"a</body x>b", NULL},
    {"a</body", NULL},
    {"a</body>b</body", "</body>b</body"},
    {"a</body>b</body  ", "</body>b</body  "},
    {"a<</body>", "</body>"},
    {"a</</body>", "</body>"},
    {"a</bod</body>", "</body>"},
    {"a</body</body>", "</body>"},
    {"a</body </body>", "</body>"},
    {"a</body>>", "</body>>"},
    {"a< /body>", NULL},
    {"a<body>", NULL},
    {"</b\xc3\xb6" "dy></body>", "</body>"},
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

static void check(const case_t *one, apr_size_t cut, apr_size_t cut2)
{
    apr_size_t len = strlen(one->page);
    stream_t stream = {.bytes = malloc(len + 1)};

    assert_non_null(stream.bytes);
    lpp_tail_init(&stream.tail);
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
    assert_int_equal(lpp_tail_end(&stream.tail), one->tail != NULL);
    if (one->tail) {
        assert_int_equal(stream.tail.held, strlen(one->tail));
        assert_string_equal(one->page + stream.passed, one->tail);
    }
    free(stream.bytes);
}

static void last_tag_is_found_however_the_stream_is_cut(void **state)
{
    apr_size_t i, cut, cut2;

    (void)state;
    for (i = 0; i < LPP_COUNT(cases); i++) {
        apr_size_t len = strlen(cases[i].page);

        check(&cases[i], NONE, NONE);
        for (cut = 0; cut <= len; cut++) {
            for (cut2 = cut; cut2 <= len; cut2++) {
                check(&cases[i], cut, cut2);
            }
        }
    }
}

static void text_without_tag_is_never_held(void **state)
{
    lpp_tail_t tail;
    int i;

    (void)state;
    lpp_tail_init(&tail);
    for (i = 0; i < 100; i++) {
        assert_int_equal(lpp_tail_feed(&tail, "<p>text</p>", 11), 11);
        assert_int_equal(tail.held, 0);
    }
}

static void front_goes_before_the_tag_is_whole(void **state)
{
    lpp_tail_t tail;

    (void)state;
    lpp_tail_init(&tail);
    assert_int_equal(lpp_tail_feed(&tail, "front</bo", 9), 5);
    assert_int_equal(tail.held, 4);
    assert_int_equal(lpp_tail_feed(&tail, "ld", 2), 6);
    assert_int_equal(tail.held, 0);
}

/* A tag, then so many bytes; fed in pieces of that size. */
static int found_after(apr_size_t after, apr_size_t piece, lpp_tail_t *tail)
{
    char *bytes = malloc(after + 7);
    apr_size_t at;

    assert_non_null(bytes);
    memcpy(bytes, "</body>", 7);
    memset(bytes + 7, 'x', after);
    lpp_tail_init(tail);
    for (at = 0; at < after + 7; at += piece) {
        apr_size_t len = after + 7 - at < piece ? after + 7 - at : piece;

        (void)lpp_tail_feed(tail, bytes + at, len);
        assert_true(tail->held <= LPP_TAIL_MAX_BYTES);
    }
    free(bytes);
    return lpp_tail_end(tail);
}

static void tag_with_a_page_behind_it_is_given_up(void **state)
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
    assert_int_equal(lpp_tail_feed(&tail, "y</body>z", 9), 1);
    assert_int_equal(lpp_tail_end(&tail), 1);
    assert_int_equal(tail.held, 8);
}

static void endless_white_space_in_a_tag_is_not_held(void **state)
{
    lpp_tail_t tail;
    apr_size_t i, passed;

    (void)state;
    lpp_tail_init(&tail);
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
        cmocka_unit_test(last_tag_is_found_however_the_stream_is_cut),
        cmocka_unit_test(text_without_tag_is_never_held),
        cmocka_unit_test(front_goes_before_the_tag_is_whole),
        cmocka_unit_test(tag_with_a_page_behind_it_is_given_up),
        cmocka_unit_test(later_tag_counts_after_one_was_given_up),
        cmocka_unit_test(endless_white_space_in_a_tag_is_not_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
