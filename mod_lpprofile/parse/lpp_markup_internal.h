/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_markup: finds the parts of an HTML or XHTML page, which may arrive in
 * pieces: text, comments, tags, and the content of <script>, <style> and
 * similar elements, which has no tags and no comments.
 *
 * The tokenizer of the HTML standard, without the rules that need a document
 * tree: a <script> that is escaped twice ends at its first end tag, and
 * <![CDATA[ begins a section in XML only. Allocates no memory. Never rereads a
 * byte and has no error state: every byte belongs to some part. Fuzzed by
 * fuzz_tail.
 */
#ifndef LPP_MARKUP_INTERNAL_H
#define LPP_MARKUP_INTERNAL_H

#include "base/lpp_base.h"

#define LPP_MARKUP_NAME_MAX 10 /* no caller asks for a longer name */

/* What a run of bytes is. */
typedef enum {
    LPP_MARKUP_SPACE,     /* white space between tags */
    LPP_MARKUP_TEXT,      /* other text, and the content of a <script> */
    LPP_MARKUP_COMMENT,   /* of a comment, <!x>, or <?x> */
    LPP_MARKUP_OPEN,      /* "<" or "</", kind not known yet */
    LPP_MARKUP_START,     /* of a start tag, after its "<" */
    LPP_MARKUP_START_END, /* its ">" */
    LPP_MARKUP_END,       /* of an end tag with only name and white space */
    LPP_MARKUP_END_END,   /* the ">" of such a one */
    LPP_MARKUP_END_ODD    /* of an end tag with anything else in it */
} lpp_markup_e;

typedef struct lpp_markup_t {
    int state;       /* of lpp_markup.c */
    int xml;
    int end_tag;     /* the tag it is in is an end tag */
    char quote;      /* that ends the value it is in */
    char before;     /* the byte before, where that matters */
    char name[LPP_MARKUP_NAME_MAX + 1]; /* of the tag, lower case, so far */
    unsigned name_len;  /* LPP_MARKUP_NAME_MAX + 1: too long */
    int name_whole;     /* no more will come */
    char raw[LPP_MARKUP_NAME_MAX + 1];  /* the element whose text it is in */
} lpp_markup_t;

/* Begin a page; xml: it is XHTML. Signal-safe: yes. Thread: any. */
void lpp_markup_init(lpp_markup_t *markup, int xml);

/*
 * Read a run of bytes from the beginning of data (len at least 1) and set *what
 * to their kind. Returns their number, 0 to len. 0 is returned only with
 * LPP_MARKUP_TEXT and means that the preceding LPP_MARKUP_OPEN was text; the
 * next call returns more than 0.
 * Signal-safe: yes. Thread: one at a time.
 */
apr_size_t lpp_markup_next(lpp_markup_t *markup, const char *data,
                           apr_size_t len, lpp_markup_e *what);

/* 1 if the current or last tag has that whole name (lower case, at most
 * LPP_MARKUP_NAME_MAX bytes).
 * Signal-safe: yes. Thread: any. */
int lpp_markup_is(const lpp_markup_t *markup, const char *name);

/* White space as HTML defines it. Signal-safe: yes. Thread: any. */
static inline int lpp_markup_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

#endif
