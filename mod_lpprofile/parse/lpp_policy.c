/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_policy: see lpp_policy.h. */
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "parse/lpp_policy.h"

#define SPACE " \t\r\n\f"

/* Whether a source list allows an inline <style>. A nonce or a hash in it makes
 * browsers ignore 'unsafe-inline'. */
static int sources_allow_inline(char *sources)
{
    char *last = NULL, *source;
    int allowed = 0;

    for (source = apr_strtok(sources, SPACE, &last); source;
         source = apr_strtok(NULL, SPACE, &last)) {
        if (!apr_cstr_casecmp(source, "'unsafe-inline'")) {
            allowed = 1;
        }
        else if (!apr_cstr_casecmpn(source, "'nonce-", 7)
                 || !apr_cstr_casecmpn(source, "'sha256-", 8)
                 || !apr_cstr_casecmpn(source, "'sha384-", 8)
                 || !apr_cstr_casecmpn(source, "'sha512-", 8)) {
            return 0;
        }
    }
    return allowed;
}

/* Whether one policy allows it: the most specific directive decides; of several
 * with the same name, the first one. */
static int policy_allows_inline(char *policy)
{
    static const char *const names[] = {"default-src", "style-src",
                                        "style-src-elem"};
    char *sources[LPP_COUNT(names)] = {NULL};
    char *last = NULL, *directive;
    apr_size_t i;

    for (directive = apr_strtok(policy, ";", &last); directive;
         directive = apr_strtok(NULL, ";", &last)) {
        apr_size_t len;

        directive += strspn(directive, SPACE);
        len = strcspn(directive, SPACE);
        for (i = 0; i < LPP_COUNT(names); i++) {
            if (len == strlen(names[i]) && !sources[i]
                && !apr_cstr_casecmpn(directive, names[i], len)) {
                sources[i] = directive + len;
            }
        }
    }
    for (i = LPP_COUNT(names); i-- > 0;) {
        if (sources[i]) {
            return sources_allow_inline(sources[i]);
        }
    }
    return 1;
}

int lpp_policy_allows_style(const char *value, apr_pool_t *pool)
{
    char *copy = apr_pstrdup(pool, value), *last = NULL, *policy;

    if (!copy) {
        return 0;
    }
    for (policy = apr_strtok(copy, ",", &last); policy;
         policy = apr_strtok(NULL, ",", &last)) {
        if (!policy_allows_inline(policy)) {
            return 0;
        }
    }
    return 1;
}

void lpp_policy_head_init(lpp_policy_head_t *head, int xml, apr_pool_t *pool)
{
    memset(head, 0, sizeof(*head));
    lpp_markup_init(&head->markup, xml);
    head->pool = pool;
}

/* The character that the reference "&...;" at *at stands for; *at moves past
 * it. 0: an unknown reference, or a character that neither a policy nor a name
 * can have. */
static char read_reference(const char **at)
{
    static const struct {
        const char *text;
        char character;
    } known[] = {{"amp;", '&'},     {"apos;", '\''}, {"quot;", '"'},
                 {"lt;", '<'},      {"gt;", '>'},    {"semi;", ';'},
                 {"comma;", ','},   {"colon;", ':'}, {"sol;", '/'},
                 {"Tab;", '\t'},    {"NewLine;", '\n'}, {"period;", '.'},
                 {"ast;", '*'},     {"equals;", '='}, {"num;", '#'}};
    const char *name = *at + 1;
    apr_size_t i;

    if (*name == '#') {
        int hex = name[1] == 'x' || name[1] == 'X';
        apr_uint32_t c = 0;
        const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";
        apr_size_t len = strspn(name += 1 + hex, digits);

        for (i = 0; i < len && c < 0x80; i++) {
            unsigned digit = (unsigned char)name[i] & 0xf;

            digit += name[i] > '9' ? 9 : 0;
            c = c * (hex ? 16 : 10) + digit;
        }
        *at = name + len + (name[len] == ';');
        return len && c < 0x80 ? (char)c : '\0';
    }
    for (i = 0; i < LPP_COUNT(known); i++) {
        apr_size_t len = strlen(known[i].text);

        if (!strncmp(name, known[i].text, len)) {
            *at = name + len;
            return known[i].character;
        }
    }
    return '\0';
}

/* Decode the references in an attribute's value, in place. 0: it has one that
 * read_reference does not know. */
static int decode(char *value)
{
    const char *from = value;
    char *to = value;

    while (*from) {
        if (*from == '&') {
            *to = read_reference(&from);
            if (!*to) {
                return 0;
            }
            to++;
        }
        else {
            *to++ = *from++;
        }
    }
    *to = '\0';
    return 1;
}

/* Read one attribute at *at, NUL-terminate its name and value in place, and
 * move *at past it. 0: no attribute is left. */
static int read_attribute(char **at, char **name, char **value)
{
    char *p = *at, *name_end, quote;

    p += strspn(p, SPACE "/");
    if (!*p) {
        return 0;
    }
    *name = p;
    p += 1 + strcspn(p + 1, SPACE "/=");
    name_end = p;
    p += strspn(p, SPACE);
    *value = name_end;
    if (*p == '=') {
        p++;
        p += strspn(p, SPACE);
        quote = *p == '"' || *p == '\'' ? *p : '\0';
        *value = p + (quote != '\0');
        p = quote ? strchr(*value, quote) : p + strcspn(p, SPACE);
        p = p ? p : *value + strlen(*value);
        if (*p) {
            *p++ = '\0';
        }
        *name_end = '\0';
    }
    else {
        /* Without a value, the next attribute may begin right here. */
        if (p > name_end) {
            *name_end = '\0';
        }
        else if (*p) {
            *p++ = '\0';
        }
        *value = name_end;
    }
    *at = p;
    return 1;
}

static char *trimmed(char *text)
{
    apr_size_t len;

    text += strspn(text, SPACE);
    len = strlen(text);
    while (len && lpp_markup_is_space(text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

/* 1 if the attributes are those of a <meta> with a policy that forbids an
 * inline <style>. */
static int meta_forbids(char *attributes, apr_pool_t *pool)
{
    char *name, *value, *kind = NULL, *content = NULL;

    while (read_attribute(&attributes, &name, &value)) {
        if (!kind && !apr_cstr_casecmp(name, "http-equiv")) {
            kind = value;
        }
        else if (!content && !apr_cstr_casecmp(name, "content")) {
            content = value;
        }
    }
    if (!kind || !content
        || (decode(kind)
            && apr_cstr_casecmp(trimmed(kind), "content-security-policy"))) {
        return 0;
    }
    return !decode(content) || !lpp_policy_allows_style(content, pool);
}

/* Store count bytes of the current <meta>. 0: it is too long, or no memory. */
static int keep(lpp_policy_head_t *head, const char *data, apr_size_t count)
{
    apr_size_t i;

    if (!head->meta) {
        head->meta = apr_palloc(head->pool, LPP_POLICY_META_MAX_BYTES + 1);
    }
    if (!head->meta
        || count > LPP_POLICY_META_MAX_BYTES - head->meta_bytes) {
        return 0;
    }
    for (i = 0; i < count; i++) { /* for browsers a NUL does not end the text */
        head->meta[head->meta_bytes++] = data[i] ? data[i] : '?';
    }
    head->meta[head->meta_bytes] = '\0';
    return 1;
}

static void take(lpp_policy_head_t *head, lpp_markup_e what, const char *data,
                 apr_size_t count)
{
    const lpp_markup_t *markup = &head->markup;

    switch (what) {
    case LPP_MARKUP_START:
        if (lpp_markup_is(markup, "body")) {
            head->done = 1;
        }
        else if (lpp_markup_is(markup, "meta") && !keep(head, data, count)) {
            head->forbidden = head->done = 1;
        }
        break;
    case LPP_MARKUP_START_END:
        if (lpp_markup_is(markup, "body")) {
            head->done = 1;
        }
        else if (head->meta_bytes && meta_forbids(head->meta, head->pool)) {
            head->forbidden = head->done = 1;
        }
        head->meta_bytes = 0;
        break;
    case LPP_MARKUP_END_END:
    case LPP_MARKUP_END_ODD:
        head->done = lpp_markup_is(markup, "head");
        break;
    default:
        break;
    }
}

void lpp_policy_head_feed(lpp_policy_head_t *head, const char *data,
                          apr_size_t len)
{
    apr_size_t at = 0;

    if (len > LPP_POLICY_HEAD_MAX_BYTES - head->seen_bytes) {
        len = LPP_POLICY_HEAD_MAX_BYTES - head->seen_bytes;
    }
    head->seen_bytes += len;
    while (at < len && !head->done) {
        lpp_markup_e what;
        apr_size_t count = lpp_markup_next(&head->markup, data + at, len - at,
                                           &what);

        take(head, what, data + at, count);
        at += count;
    }
    if (!head->done && head->seen_bytes == LPP_POLICY_HEAD_MAX_BYTES) {
        head->forbidden = head->meta_bytes > 0; /* an incomplete <meta> may be a
                                                   policy */
        head->done = 1;
    }
}
