/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_tail: any bytes in any pieces against a search that sees the whole page
 * and looks ahead. The first byte seeds how the rest is cut, and whether it is
 * XHTML. Inputs are small, so that the ceiling never counts here (test_tail
 * has it).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "parse/lpp_tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct page_t {
    const char *text; /* ends with a NUL that is not counted */
    size_t len;
    int xml;
} page_t;

static int is_space(char c)
{
    return c && strchr(" \t\r\n\f", c) != NULL;
}

static int is_letter(const page_t *page, char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (page->xml && (c == '_' || c == ':' || (c & 0x80)));
}

static int stands(const page_t *page, size_t at, const char *word)
{
    size_t len = strlen(word);

    return at + len <= page->len && !strncasecmp(page->text + at, word, len);
}

/* Behind the next word, or the page's end. */
static size_t behind(const page_t *page, size_t at, const char *word)
{
    for (; at < page->len; at++) {
        if (stands(page, at, word)) {
            return at + strlen(word);
        }
    }
    return page->len;
}

static size_t behind_comment(const page_t *page, size_t at)
{
    size_t plain, bang;

    if (stands(page, at, ">")) {
        return at + 1;
    }
    if (stands(page, at, "->")) {
        return at + 2;
    }
    plain = behind(page, at, "-->");
    bang = behind(page, at, "--!>");
    return plain < bang ? plain : bang;
}

/* From behind a tag's name to behind its ">"; len + 1: it never ends. */
static size_t behind_tag(const page_t *page, size_t at, int *self_closing)
{
    *self_closing = 0;
    for (;;) {
        while (at < page->len
               && (is_space(page->text[at]) || page->text[at] == '/')) {
            *self_closing = page->text[at] == '/';
            at++;
        }
        if (at < page->len && page->text[at] == '>') {
            return at + 1;
        }
        *self_closing = 0;
        /* A name: its first byte may be "=". */
        at += at < page->len;
        while (at < page->len && !is_space(page->text[at])
               && !strchr("/>=", page->text[at] ? page->text[at] : 'x')) {
            at++;
        }
        while (at < page->len && is_space(page->text[at])) {
            at++;
        }
        if (at < page->len && page->text[at] == '=') {
            at++;
            while (at < page->len && is_space(page->text[at])) {
                at++;
            }
            if (at < page->len && strchr("\"'", page->text[at])
                && page->text[at]) {
                char quote[2] = {page->text[at], '\0'};
                size_t end = behind(page, at + 1, quote);

                if (end == page->len
                    && (end == at + 1 || page->text[end - 1] != *quote)) {
                    return page->len + 1;
                }
                at = end;
            }
            else {
                while (at < page->len && !is_space(page->text[at])
                       && page->text[at] != '>') {
                    at++;
                }
            }
        }
        if (at >= page->len) {
            return page->len + 1;
        }
    }
}

/* Behind the content of a <script> and the like, where its end tag stands. */
static size_t behind_raw(const page_t *page, size_t at, const char *name)
{
    size_t end;
    char after;

    for (; at < page->len; at++) {
        end = at + 2 + strlen(name);
        if (!stands(page, at, "</") || !stands(page, at + 2, name)
            || end >= page->len) {
            continue;
        }
        after = page->text[end];
        if (after == '>' || after == '/' || is_space(after)) {
            return at;
        }
    }
    return page->len;
}

static const char *raw_name(const page_t *page, size_t at, size_t len)
{
    static const char *const names[] = {
        "script", "style", "textarea", "title", "xmp", "iframe", "noembed",
        "noframes"};
    size_t i;

    for (i = 0; i < LPP_COUNT(names); i++) {
        if (!page->xml && strlen(names[i]) == len
            && stands(page, at, names[i])) {
            return names[i];
        }
    }
    return NULL;
}

static size_t name_len(const page_t *page, size_t at)
{
    size_t end = at;

    while (end < page->len && !is_space(page->text[end])
           && page->text[end] != '/' && page->text[end] != '>') {
        end++;
    }
    return end - at;
}

/* An end tag at its "<": what it does to the tail that began at *tail. */
static size_t end_tag(const page_t *page, size_t at, size_t *tail)
{
    static const char *const known[] = {"body", "html"};
    size_t len = name_len(page, at + 2), end = at + 2 + len, i;
    int self_closing;

    while (end < page->len && is_space(page->text[end])) {
        end++;
    }
    for (i = 0; i < 2; i++) {
        int whole = len == 4 && stands(page, at + 2, known[i]);

        if (end < page->len ? whole && page->text[end] == '>'
                            : whole || (at + 2 + len == page->len && len < 4
                                        && !strncasecmp(page->text + at + 2,
                                                        known[i], len))) {
            if (i == 0 && end < page->len) {
                *tail = at;
            }
            return end < page->len ? end + 1 : page->len;
        }
    }
    *tail = page->len;
    return behind_tag(page, at + 2 + len, &self_closing);
}

static size_t start_tag(const page_t *page, size_t at)
{
    size_t len = name_len(page, at + 1);
    const char *raw = raw_name(page, at + 1, len);
    int self_closing;

    at = behind_tag(page, at + 1 + len, &self_closing);
    return raw && !self_closing && at <= page->len
        ? behind_raw(page, at, raw) : at;
}

/* Where the tail begins, or len: written to be read, not to be fast. */
static size_t find_tail(const page_t *page)
{
    size_t at = 0, tail = page->len;

    while (at < page->len) {
        const char *here = page->text + at;
        char next = here[1]; /* the NUL at the end */

        if (is_space(*here)) {
            at++;
        }
        else if (*here != '<') {
            tail = page->len;
            at++;
        }
        else if (at + 1 == page->len || (next == '/' && at + 2 == page->len)) {
            break;
        }
        else if (stands(page, at, "<!--")) {
            at = behind_comment(page, at + 4);
        }
        else if (page->xml && stands(page, at, "<![CDATA[")
                 && !memcmp(here, "<![CDATA[", 9)) {
            tail = page->len;
            at = behind(page, at + 9, "]]>");
        }
        else if (next == '!' || next == '?') {
            at = behind(page, at + 2, page->xml && next == '?' ? "?>" : ">");
        }
        else if (next == '/' && is_letter(page, here[2])) {
            at = end_tag(page, at, &tail);
        }
        else if (next == '/') {
            tail = page->len;
            at = behind(page, at + 2, ">");
        }
        else {
            tail = page->len;
            at = is_letter(page, next) ? start_tag(page, at) : at + 1;
        }
    }
    return tail;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    page_t page;
    lpp_tail_t tail;
    size_t at = 0, passed = 0, expected;
    unsigned seed;
    char *text;

    if (size < 1 || size > LPP_TAIL_MAX_BYTES / 2) {
        return 0;
    }
    seed = data[0];
    text = malloc(size);
    if (!text) {
        abort();
    }
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    page.text = text;
    page.len = size - 1;
    page.xml = seed & 1;
    lpp_tail_init(&tail, page.xml);
    while (at < page.len) {
        size_t piece = 1 + (seed >> 16) % 9;

        seed = seed * 1103515245u + 12345u;
        piece = piece < page.len - at ? piece : page.len - at;
        passed += lpp_tail_feed(&tail, page.text + at, piece);
        at += piece;
        if (passed + tail.held != at) {
            abort(); /* bytes lost or made up */
        }
    }
    expected = find_tail(&page);
    if (lpp_tail_end(&tail) != (expected < page.len)
        || (expected < page.len && passed != expected)) {
        abort();
    }
    free(text);
    return 0;
}
