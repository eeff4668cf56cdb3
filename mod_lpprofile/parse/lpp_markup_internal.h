/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_markup: tells the parts of an HTML or XHTML page apart in a stream that
 * comes in pieces: text, comments, tags, and the text of <script>, <style> and
 * the like, in which there are neither.
 *
 * The tokenizer of the HTML standard, without what only a tree could tell: a
 * <script> that is escaped twice ends at its first end tag, and <![CDATA[ is
 * one in XML alone. No memory of its own. It never looks back and it stops at
 * nothing: every byte is a part of something. Fuzzed by fuzz_tail.
 */
#ifndef LPP_MARKUP_INTERNAL_H
#define LPP_MARKUP_INTERNAL_H

#include "base/lpp_base.h"

#define LPP_MARKUP_NAME_MAX 10 /* longer names are no name that is asked for */

/* What a run of bytes is. */
typedef enum {
    LPP_MARKUP_SPACE,     /* white space between tags */
    LPP_MARKUP_TEXT,      /* other text, and the content of a <script> */
    LPP_MARKUP_COMMENT,   /* of a comment, <!x>, or <?x> */
    LPP_MARKUP_OPEN,      /* "<", or "</", and nothing more yet */
    LPP_MARKUP_START,     /* of a start tag, after its "<" */
    LPP_MARKUP_START_END, /* its ">" */
    LPP_MARKUP_END,       /* of an end tag: name and white space alone */
    LPP_MARKUP_END_END,   /* the ">" of such a one */
    LPP_MARKUP_END_ODD    /* of an end tag with more in it */
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
 * Take a run of bytes from the front of data (len at least 1) and say in *what
 * they are. Returns how many: 0 to len. 0 comes with LPP_MARKUP_TEXT alone and
 * means that what was LPP_MARKUP_OPEN was text; it never comes twice in a row.
 * Signal-safe: yes. Thread: one at a time.
 */
apr_size_t lpp_markup_next(lpp_markup_t *markup, const char *data,
                           apr_size_t len, lpp_markup_e *what);

/* 1 where the tag it is in, or was last in, has that name (lower case), as a
 * whole; name at most LPP_MARKUP_NAME_MAX. Signal-safe: yes. */
int lpp_markup_is(const lpp_markup_t *markup, const char *name);

/* As HTML has it. Signal-safe: yes. */
static inline int lpp_markup_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

#endif
