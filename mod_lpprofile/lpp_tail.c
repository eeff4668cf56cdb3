/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tail: see include/lpp_tail.h. A state machine with the number of matched
 * bytes as its state: "<" stands only at the front of the tag, so that a
 * mismatch never has to look back.
 */
#include <string.h>

#include "lpp_tail.h"

#define TAG "</body"
#define TAG_LEN (sizeof(TAG) - 1)

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* ASCII only: the locale has no say in what a tag is. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* What one more byte makes of a tag of partial bytes: its new length, or 0
 * where it is none. *whole is set when the byte closed it. */
static apr_size_t advance(apr_size_t partial, char c, int *whole)
{
    if (partial < TAG_LEN) {
        if (lower(c) == TAG[partial]) {
            return partial + 1;
        }
    }
    else if (c == '>') {
        *whole = 1;
        return partial + 1;
    }
    else if (is_space(c)) {
        return partial + 1;
    }
    return c == '<' ? 1 : 0;
}

void lpp_tail_init(lpp_tail_t *tail)
{
    memset(tail, 0, sizeof(*tail));
}

/* Forget what is longer than anybody should hold. */
static void give_up(lpp_tail_t *tail)
{
    if (tail->held > LPP_TAIL_MAX_BYTES) {
        tail->found = 0;
        tail->held = tail->partial;
        if (tail->partial > LPP_TAIL_MAX_BYTES) {
            tail->held = tail->partial = 0;
        }
    }
}

apr_size_t lpp_tail_feed(lpp_tail_t *tail, const char *data, apr_size_t len)
{
    apr_size_t before = tail->held, at = 0;

    while (at < len) {
        int whole = 0;

        if (!tail->partial) {
            const char *next = memchr(data + at, '<', len - at);
            apr_size_t skip = next ? (apr_size_t)(next - data) - at : len - at;

            if (tail->found) {
                tail->held += skip;
            }
            at += skip;
            if (at == len) {
                break;
            }
        }
        tail->partial = advance(tail->partial, data[at], &whole);
        at++;
        if (whole) {
            tail->found = 1;
            tail->held = tail->partial;
            tail->partial = 0;
        }
        else if (tail->found) {
            tail->held++;
        }
        else {
            tail->held = tail->partial;
        }
        give_up(tail);
    }
    give_up(tail);
    return before + len - tail->held;
}

int lpp_tail_end(const lpp_tail_t *tail)
{
    return tail->found;
}
