/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_tail: see lpp_tail.h. */
#include <string.h>

#include "parse/lpp_tail.h"

void lpp_tail_init(lpp_tail_t *tail, int xml)
{
    memset(tail, 0, sizeof(*tail));
    lpp_markup_init(&tail->markup, xml);
}

/* Hold back only the bytes that may still become a tag. */
static void drop(lpp_tail_t *tail)
{
    tail->found = 0;
    tail->held = tail->partial;
    if (tail->held > LPP_TAIL_MAX_BYTES) {
        tail->held = tail->partial = 0;
    }
}

static int could_be(const lpp_markup_t *markup, const char *name)
{
    return markup->name_whole ? lpp_markup_is(markup, name)
        : markup->name_len <= strlen(name)
          && !strncmp(markup->name, name, markup->name_len);
}

/* Process count bytes of that kind. */
static void take(lpp_tail_t *tail, lpp_markup_e what, apr_size_t count)
{
    const lpp_markup_t *markup = &tail->markup;
    /* A "<" or "</" before these bytes: held back until its kind is known. */
    apr_size_t before = tail->partial;

    tail->held += tail->found || before ? count : 0;
    tail->partial = 0;
    switch (what) {
    case LPP_MARKUP_SPACE:
    case LPP_MARKUP_COMMENT:
        if (!tail->found) {
            drop(tail);
        }
        break;
    case LPP_MARKUP_OPEN:
        tail->partial = before + count;
        tail->held = tail->found ? tail->held : tail->partial;
        break;
    case LPP_MARKUP_END:
        if (could_be(markup, "body") && before) {
            tail->partial = before + count;
        }
        else if (!could_be(markup, "html")) {
            drop(tail);
        }
        break;
    case LPP_MARKUP_END_END:
        if (before && lpp_markup_is(markup, "body")) {
            tail->held = before + count;
            tail->found = 1;
        }
        else if (!lpp_markup_is(markup, "html")) {
            drop(tail);
        }
        break;
    default:
        drop(tail);
    }
    if (!tail->found && !tail->partial) {
        tail->held = 0;
    }
    if (tail->held > LPP_TAIL_MAX_BYTES) {
        drop(tail);
    }
}

apr_size_t lpp_tail_feed(lpp_tail_t *tail, const char *data, apr_size_t len)
{
    apr_size_t before = tail->held, at = 0;

    while (at < len) {
        lpp_markup_e what;
        apr_size_t count = lpp_markup_next(&tail->markup, data + at, len - at,
                                           &what);

        take(tail, what, count);
        at += count;
    }
    return before + len - tail->held;
}

int lpp_tail_end(const lpp_tail_t *tail)
{
    return tail->found;
}
