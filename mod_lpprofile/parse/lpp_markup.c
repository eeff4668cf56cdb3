/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_markup: see lpp_markup_internal.h. A state machine: each state has a
 * function that reads one byte, or a run of bytes that leave the state
 * unchanged.
 */
#include <string.h>

#include "base/lpp_ascii.h"
#include "parse/lpp_markup_internal.h"

enum {
    STATE_TEXT,
    STATE_OPEN,           /* < */
    STATE_END_OPEN,       /* </ */
    STATE_NAME,           /* <a, </a */
    STATE_END_SPACE,      /* </a and white space */
    STATE_TAG,            /* <a and more: before an attribute */
    STATE_ATTRIBUTE,      /* <a b */
    STATE_EQUALS,         /* <a b= */
    STATE_UNQUOTED,       /* <a b=c */
    STATE_QUOTED,         /* <a b="c */
    STATE_DECLARATION,    /* <! and what may become <!-- or <![CDATA[ */
    STATE_BOGUS,          /* to the next ">" */
    STATE_INSTRUCTION,    /* <? in XML: to "?>" */
    STATE_CDATA,          /* to "]]>" */
    STATE_COMMENT_START,  /* <!-- */
    STATE_COMMENT_START_DASH, /* <!--- */
    STATE_COMMENT,
    STATE_COMMENT_DASH,   /* - */
    STATE_COMMENT_END,    /* -- */
    STATE_COMMENT_BANG,   /* --! */
    STATE_RAW,            /* in a <script> */
    STATE_RAW_OPEN,       /* < there */
    STATE_RAW_END         /* </ and a part of its name there */
};

/* Elements of HTML whose content is text, up to their end tag. */
static const char *const raw_elements[] = {
    "script", "style", "textarea", "title", "xmp",
    "iframe", "noembed", "noframes",
};

void lpp_markup_init(lpp_markup_t *markup, int xml)
{
    memset(markup, 0, sizeof(*markup));
    markup->xml = xml;
}

int lpp_markup_is(const lpp_markup_t *markup, const char *name)
{
    return markup->name_whole && !strcmp(markup->name, name);
}

static void begin_name(lpp_markup_t *markup)
{
    markup->name_len = 0;
    markup->name[0] = '\0';
    markup->name_whole = 0;
}

static void add_to_name(lpp_markup_t *markup, char c)
{
    if (markup->name_len < LPP_MARKUP_NAME_MAX) {
        markup->name[markup->name_len++] = lpp_to_lower(c);
        markup->name[markup->name_len] = '\0';
    }
    else {
        markup->name_len = LPP_MARKUP_NAME_MAX + 1;
        markup->name[0] = '\0';
    }
}

/* The number of bytes before stop, or all of them. */
static apr_size_t run_to(const char *data, apr_size_t len, char stop)
{
    const char *at = memchr(data, stop, len);

    return at ? (apr_size_t)(at - data) : len;
}

static apr_size_t in_text(lpp_markup_t *markup, const char *data,
                          apr_size_t len, lpp_markup_e *what)
{
    apr_size_t count = 0;

    if (*data == '<') {
        markup->state = STATE_OPEN;
        *what = LPP_MARKUP_OPEN;
        return 1;
    }
    while (count < len && lpp_markup_is_space(data[count])) {
        count++;
    }
    *what = count ? LPP_MARKUP_SPACE : LPP_MARKUP_TEXT;
    return count ? count : run_to(data, len, '<');
}

static apr_size_t after_open(lpp_markup_t *markup, char c, lpp_markup_e *what)
{
    if (markup->state == STATE_OPEN && c == '/') {
        markup->state = STATE_END_OPEN;
        *what = LPP_MARKUP_OPEN;
        return 1;
    }
    if ((lpp_to_lower(c) >= 'a' && lpp_to_lower(c) <= 'z')
        || (markup->xml && (c == '_' || c == ':' || (c & 0x80)))) {
        markup->end_tag = markup->state == STATE_END_OPEN;
        markup->state = STATE_NAME;
        begin_name(markup);
        add_to_name(markup, c);
        *what = markup->end_tag ? LPP_MARKUP_END : LPP_MARKUP_START;
        return 1;
    }
    if (markup->state == STATE_OPEN && (c == '!' || c == '?')) {
        begin_name(markup);
        markup->state = c == '!'       ? STATE_DECLARATION
                        : markup->xml ? STATE_INSTRUCTION
                                      : STATE_BOGUS;
        markup->before = '\0';
        *what = LPP_MARKUP_COMMENT;
        return 1;
    }
    *what = LPP_MARKUP_TEXT;
    if (markup->state == STATE_END_OPEN) { /* "</1": a comment to HTML */
        markup->state = c == '>' ? STATE_TEXT : STATE_BOGUS;
        return 1;
    }
    markup->state = STATE_TEXT;
    return 0;
}

/* The ">" that ends a tag. After some start tags the content is raw text. */
static apr_size_t end_tag(lpp_markup_t *markup, int self_closing,
                          lpp_markup_e *what)
{
    apr_size_t i;

    markup->state = STATE_TEXT;
    markup->name_whole = 1;
    if (markup->end_tag) {
        return 1;
    }
    *what = LPP_MARKUP_START_END;
    /* A self-closing tag has no content: it is in SVG or MathML, or a
     * mistake. */
    for (i = 0; !markup->xml && !self_closing && i < LPP_COUNT(raw_elements);
         i++) {
        if (lpp_markup_is(markup, raw_elements[i])) {
            strcpy(markup->raw, raw_elements[i]);
            markup->state = STATE_RAW;
        }
    }
    return 1;
}

/* In a tag's name, or in the white space after the name of an end tag. */
static apr_size_t in_name(lpp_markup_t *markup, char c, lpp_markup_e *what)
{
    *what = markup->end_tag ? LPP_MARKUP_END : LPP_MARKUP_START;
    if (c == '>') {
        if (markup->end_tag) {
            *what = LPP_MARKUP_END_END;
        }
        return end_tag(markup, 0, what);
    }
    if (lpp_markup_is_space(c)) {
        markup->name_whole = 1;
        markup->state = markup->end_tag ? STATE_END_SPACE : STATE_TAG;
        markup->before = c;
    }
    else if (c == '/' || markup->state == STATE_END_SPACE) {
        markup->name_whole = 1;
        markup->state = c == '/' ? STATE_TAG : STATE_ATTRIBUTE;
        markup->before = c;
        if (markup->end_tag) {
            *what = LPP_MARKUP_END_ODD;
        }
    }
    else {
        add_to_name(markup, c);
    }
    return 1;
}

/* In the attributes of a tag. A quote begins a value only after "=". */
static apr_size_t in_tag(lpp_markup_t *markup, const char *data,
                         apr_size_t len, lpp_markup_e *what)
{
    char c = *data;

    *what = markup->end_tag ? LPP_MARKUP_END_ODD : LPP_MARKUP_START;
    if (markup->state == STATE_QUOTED) {
        apr_size_t count = run_to(data, len, markup->quote);

        if (count) {
            return count;
        }
        markup->state = STATE_TAG;
    }
    else if (c == '>') {
        return end_tag(markup, markup->state == STATE_TAG
                               && markup->before == '/', what);
    }
    else if (markup->state == STATE_EQUALS) {
        if (c == '"' || c == '\'') {
            markup->quote = c;
            markup->state = STATE_QUOTED;
        }
        else if (!lpp_markup_is_space(c)) {
            markup->state = STATE_UNQUOTED;
        }
    }
    else if (markup->state == STATE_UNQUOTED) {
        if (lpp_markup_is_space(c)) {
            markup->state = STATE_TAG;
        }
    }
    else if (c == '/') {
        markup->state = STATE_TAG;
    }
    else if (c == '=' && markup->state == STATE_ATTRIBUTE) {
        markup->state = STATE_EQUALS;
    }
    else if (!lpp_markup_is_space(c)) {
        markup->state = STATE_ATTRIBUTE;
    }
    markup->before = c;
    return 1;
}

static apr_size_t in_bogus(lpp_markup_t *markup, const char *data,
                           apr_size_t len, lpp_markup_e *what)
{
    apr_size_t count = run_to(data, len, '>');

    *what = LPP_MARKUP_COMMENT;
    if (count) {
        markup->before = data[count - 1];
        return count;
    }
    if (markup->state == STATE_BOGUS || markup->before == '?') {
        markup->state = STATE_TEXT;
    }
    markup->before = '>';
    return 1;
}

/* After "<!": a comment, CDATA, or else a declaration that ends at ">". */
static apr_size_t in_declaration(lpp_markup_t *markup, const char *data,
                                 apr_size_t len, lpp_markup_e *what)
{
    static const char cdata[] = "[CDATA[";
    unsigned at = markup->name_len;
    char c = *data;

    *what = LPP_MARKUP_COMMENT;
    if (c == '-' && at <= 1 && (!at || markup->name[0] == '-')) {
        add_to_name(markup, c);
        if (at) {
            markup->state = STATE_COMMENT_START;
        }
        return 1;
    }
    if (markup->xml && at < sizeof(cdata) - 1 && c == cdata[at]
        && (!at || markup->name[0] == '[')) {
        add_to_name(markup, c);
        if (at + 1 == sizeof(cdata) - 1) {
            markup->state = STATE_CDATA;
            begin_name(markup); /* counts "]" from here */
            *what = LPP_MARKUP_TEXT;
        }
        return 1;
    }
    markup->state = STATE_BOGUS;
    return in_bogus(markup, data, len, what);
}

static apr_size_t in_cdata(lpp_markup_t *markup, const char *data,
                           apr_size_t len, lpp_markup_e *what)
{
    *what = LPP_MARKUP_TEXT;
    if (*data == ']') {
        markup->name_len += markup->name_len < 2;
    }
    else if (*data == '>' && markup->name_len == 2) {
        markup->state = STATE_TEXT;
    }
    else {
        markup->name_len = 0;
        return run_to(data, len, ']');
    }
    return 1;
}

static apr_size_t in_comment(lpp_markup_t *markup, const char *data,
                             apr_size_t len, lpp_markup_e *what)
{
    int state = markup->state;
    char c = *data;

    *what = LPP_MARKUP_COMMENT;
    markup->state = STATE_COMMENT;
    if (c == '-') {
        markup->state = state == STATE_COMMENT_START ? STATE_COMMENT_START_DASH
            : state == STATE_COMMENT ? STATE_COMMENT_DASH
            : state == STATE_COMMENT_BANG ? STATE_COMMENT_DASH
                                          : STATE_COMMENT_END;
    }
    else if (c == '>' && state != STATE_COMMENT
             && state != STATE_COMMENT_DASH) {
        markup->state = STATE_TEXT;
    }
    else if (c == '!' && state == STATE_COMMENT_END) {
        markup->state = STATE_COMMENT_BANG;
    }
    else {
        return run_to(data, len, '-');
    }
    return 1;
}

/* In the content of a <script>: text up to "</script" and a byte that may end a
 * name. */
static apr_size_t in_raw(lpp_markup_t *markup, const char *data,
                         apr_size_t len, lpp_markup_e *what)
{
    char c = *data;

    *what = LPP_MARKUP_TEXT;
    if (c == '<') {
        markup->state = STATE_RAW_OPEN;
    }
    else if (markup->state == STATE_RAW) {
        return run_to(data, len, '<');
    }
    else if (markup->state == STATE_RAW_OPEN) {
        markup->state = c == '/' ? STATE_RAW_END : STATE_RAW;
        begin_name(markup);
    }
    else if (!markup->raw[markup->name_len]
             && (c == '>' || c == '/' || lpp_markup_is_space(c))) {
        markup->end_tag = 1;
        markup->before = c;
        markup->state = STATE_TAG;
        if (c == '>') {
            *what = LPP_MARKUP_END_ODD;
            return end_tag(markup, 0, what);
        }
    }
    else if (c && lpp_to_lower(c) == markup->raw[markup->name_len]) {
        add_to_name(markup, c);
    }
    else {
        markup->state = STATE_RAW;
    }
    return 1;
}

apr_size_t lpp_markup_next(lpp_markup_t *markup, const char *data,
                           apr_size_t len, lpp_markup_e *what)
{
    switch (markup->state) {
    case STATE_TEXT:
        return in_text(markup, data, len, what);
    case STATE_OPEN:
    case STATE_END_OPEN:
        return after_open(markup, *data, what);
    case STATE_NAME:
    case STATE_END_SPACE:
        return in_name(markup, *data, what);
    case STATE_TAG:
    case STATE_ATTRIBUTE:
    case STATE_EQUALS:
    case STATE_UNQUOTED:
    case STATE_QUOTED:
        return in_tag(markup, data, len, what);
    case STATE_DECLARATION:
        return in_declaration(markup, data, len, what);
    case STATE_BOGUS:
    case STATE_INSTRUCTION:
        return in_bogus(markup, data, len, what);
    case STATE_CDATA:
        return in_cdata(markup, data, len, what);
    case STATE_RAW:
    case STATE_RAW_OPEN:
    case STATE_RAW_END:
        return in_raw(markup, data, len, what);
    default:
        return in_comment(markup, data, len, what);
    }
}
