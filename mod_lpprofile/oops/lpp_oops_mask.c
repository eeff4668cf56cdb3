/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_mask: masks the values of sensitive names, and known values, in
 * text.
 *
 * Text may be a URL, a request line, a query, a header's value, or a log
 * message that contains any of these. It is examined as it is, and after
 * percent-decoding it up to DECODINGS times, since a URL often contains another
 * one as a parameter. The masked parts are replaced in the original text. If a
 * text can be read in two ways, more is masked. The time is linear in the
 * length.
 */
#include <string.h>
#include <strings.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "oops/lpp_oops.h"
#include "oops/lpp_oops_text_internal.h"

#define DECODINGS 3
#define HIDDEN_LEN (sizeof(LPP_OOPS_HIDDEN) - 1)

/* A text to be masked, after some decodings. */
typedef struct view_t {
    const char *text; /* the original */
    apr_size_t text_len;
    char *bytes;        /* decoded; text itself before the first decoding */
    apr_size_t len;     /* of bytes */
    apr_size_t *origin; /* of each byte and of the end, its place in text;
                            NULL before the first decoding */
    char *hide;         /* of each byte of text, 1: it is masked; NULL while
                            none is */
    int in_query;       /* text is a query string and nothing else */
    int failed;         /* out of memory: all of the text is masked */
    const lpp_oops_hidden_t *hidden;
    apr_pool_t *pool;
} view_t;

static int is_space(char c)
{
    return c == ' ' || lpp_is_control(c);
}

static int is_one_of(char c, const char *set)
{
    return c && strchr(set, c) != NULL;
}

/* The position in the original text of byte at of the view. */
static apr_size_t origin(const view_t *view, apr_size_t at)
{
    return view->origin ? view->origin[at] : at;
}

static void hide(view_t *view, apr_size_t from, apr_size_t to)
{
    if (from >= to || view->failed) {
        return;
    }
    if (!view->hide) {
        view->hide = apr_palloc(view->pool, view->text_len);
        if (!view->hide) {
            view->failed = 1;
            return;
        }
        memset(view->hide, 0, view->text_len);
    }
    memset(view->hide + from, 1, to - from);
}

/* Where the name that ends before byte end of the view begins, at floor or
 * later; its length may be 0. */
static apr_size_t find_name(const view_t *view, apr_size_t floor,
                            apr_size_t end)
{
    apr_size_t from = end;

    while (from > floor && !is_space(view->bytes[from - 1])
           && !is_one_of(view->bytes[from - 1], "?&;/\"'<>(),=#{}|\\:`")) {
        from--;
    }
    /* skip what is before the name in "[Cookie: ..." */
    while (from < end && !lpp_is_alnum(view->bytes[from])
           && view->bytes[from] != '_' && view->bytes[from] != '-') {
        from++;
    }
    return from;
}

/* Whether the value at from is that of a parameter of a path, as in
 * /a;jsessionid=1/b?c. It ends at the end of its path segment. */
static int is_in_path(const view_t *view, apr_size_t from)
{
    apr_size_t word = from;

    if (view->in_query || from == 0 || view->text[from - 1] != ';') {
        return 0;
    }
    while (word > 0 && !is_space(view->text[word - 1])) {
        word--;
        if (view->text[word] == '?' || view->text[word] == '=') {
            return 0;
        }
    }
    return view->text[word] == '/'
           || memmem(view->text + word, from - word, "://", 3) != NULL;
}

/* The end of the value that begins at *from of the text. *hide_end is the end
 * of the part to mask, without characters that close a sentence or a
 * quotation. */
static apr_size_t find_value_end(const view_t *view, apr_size_t *from,
                                 int in_path, apr_size_t *hide_end)
{
    const char *text = view->text;
    apr_size_t end = *from, last;
    char quote = 0;

    if (!view->in_query && end < view->text_len
        && is_one_of(text[end], "\"'")) {
        quote = text[end];
        *from = ++end;
    }
    while (end < view->text_len && text[end] != quote) {
        if (view->in_query ? text[end] == '&'
            : quote        ? text[end] == '\n'
                           : text[end] == '&' || is_space(text[end])) {
            break;
        }
        if (in_path && is_one_of(text[end], "/?;")) {
            break;
        }
        end++;
    }
    last = end;
    while (!view->in_query && !quote && last > *from
           && is_one_of(text[last - 1], "\"'>)],.;:`")) {
        last--;
    }
    *hide_end = last;
    /* already masked: "<hidden>" must keep its own bracket */
    if (end - *from >= HIDDEN_LEN && last - *from < HIDDEN_LEN
        && memcmp(text + *from, LPP_OOPS_HIDDEN, HIDDEN_LEN) == 0) {
        *hide_end = *from;
    }
    return end;
}

/* "code" is sensitive only as a parameter of a query, where it may be an
 * authorization code of OAuth. */
static int is_code(const view_t *view, apr_size_t name, apr_size_t sign)
{
    return sign - name == 4
           && apr_cstr_casecmpn(view->bytes + name, "code", 4) == 0
           && (name == 0 ? view->in_query
                         : is_one_of(view->bytes[name - 1], "?&"));
}

/* Mask the parameter name=value, with its name at name and its "=" at sign of
 * the view. Returns the end of the value in the text; 0: the name is not
 * sensitive. */
static apr_size_t hide_parameter(view_t *view, apr_size_t name,
                                 apr_size_t sign)
{
    apr_size_t from = origin(view, sign + 1), end, last;

    if (!lpp_oops_hides_name(view->bytes + name, sign - name, view->hidden)
        && !is_code(view, name, sign)) {
        return 0;
    }
    end = find_value_end(view, &from, is_in_path(view, origin(view, name)),
                         &last);
    hide(view, from, last);
    return end;
}

/*
 * Likewise a header in the text: the rest of its line is masked. A name is
 * searched for sensitive words only if it has a "-" in it and a blank follows
 * the colon; other text before a colon is a host before its port, or a module
 * at the begin of a message.
 */
static apr_size_t hide_header(view_t *view, apr_size_t name, apr_size_t colon)
{
    apr_size_t from = origin(view, colon + 1), end, len = colon - name;
    const char *header = view->bytes + name;
    const char *line;

    if (!lpp_oops_hides_header(header, len, view->hidden)
        && !(memchr(header, '-', len) && colon + 1 < view->len
             && view->bytes[colon + 1] == ' '
             && lpp_oops_hides_name(header, len, view->hidden))) {
        return 0;
    }
    line = memchr(view->text + from, '\n', view->text_len - from);
    end = line ? (apr_size_t)(line - view->text) : view->text_len;
    while (from < end && is_space(view->text[from])) {
        from++;
    }
    hide(view, from, end);
    return end;
}

/*
 * The end in the view of the JSON value that begins at *from, which is moved
 * after its first quote. A quote ends the value if it has no more backslashes
 * before it than the first one has, since JSON may be in a string of JSON. An
 * object or list is masked with the rest of the line.
 */
static apr_size_t find_json_end(const view_t *view, apr_size_t *from)
{
    const char *bytes = view->bytes;
    apr_size_t at = *from, escapes = 0, run = 0;

    while (at < view->len && bytes[at] == '\\') {
        escapes++;
        at++;
    }
    if (at < view->len && is_one_of(bytes[at], "\"'")) {
        char quote = bytes[at++];

        *from = at;
        for (; at < view->len && bytes[at] != '\n'; at++) {
            if (bytes[at] == quote && run <= escapes) {
                return at - run;
            }
            run = bytes[at] == '\\' ? run + 1 : 0;
        }
        return at;
    }
    at = *from;
    if (at < view->len && is_one_of(bytes[at], "{[")) {
        while (at < view->len && bytes[at] != '\n') {
            at++;
        }
        return at;
    }
    while (at < view->len && !is_space(bytes[at])
           && !is_one_of(bytes[at], ",}]&")) {
        at++;
    }
    return at;
}

/* Likewise a member of a JSON object or similar, "name": value. An escape in
 * the name may stand for any letter. */
static apr_size_t hide_member(view_t *view, apr_size_t floor, apr_size_t colon)
{
    const char *bytes = view->bytes;
    apr_size_t end = colon, name, from = colon + 1;
    char quote;

    while (end > floor && is_space(bytes[end - 1])) {
        end--;
    }
    if (end == floor || !is_one_of(bytes[end - 1], "\"'")) {
        return 0;
    }
    quote = bytes[--end];
    while (end > floor && bytes[end - 1] == '\\') {
        end--;
    }
    for (name = end; name > floor && bytes[name - 1] != quote; name--) {
    }
    if (!lpp_oops_hides_name(bytes + name, end - name, view->hidden)
        && !memchr(bytes + name, '\\', end - name)) {
        return 0;
    }
    while (from < view->len && is_space(bytes[from]) && bytes[from] != '\n') {
        from++;
    }
    end = find_json_end(view, &from);
    hide(view, origin(view, from), origin(view, end));
    return origin(view, end);
}

/* Mask all parameters, members and headers with sensitive names. What is
 * masked already is not examined again, except for headers, which end with
 * the line. */
static void hide_named(view_t *view)
{
    apr_size_t at, floor = 0, done = 0, line_done = 0;

    for (at = 0; at < view->len; at++) {
        char c = view->bytes[at];
        apr_size_t name, end, before = floor;

        if (c != '=' && c != ':') {
            continue;
        }
        name = find_name(view, floor, at);
        floor = at + 1;
        end = 0;
        if (c == ':' && name != at) {
            if (!view->in_query && origin(view, at + 1) > line_done) {
                end = line_done = hide_header(view, name, at);
            }
        }
        else if (origin(view, at + 1) > done) {
            end = c == ':'     ? hide_member(view, before, at)
                  : name != at ? hide_parameter(view, name, at)
                               : 0;
        }
        done = end > done ? end : done;
    }
}

/* Mask the values of this request's Cookie and Authorization. */
static void hide_values(view_t *view)
{
    const apr_array_header_t *values =
        view->hidden ? view->hidden->values : NULL;
    int i;

    for (i = 0; values && i < values->nelts; i++) {
        const lpp_oops_value_t *value =
            &APR_ARRAY_IDX(values, i, lpp_oops_value_t);
        apr_size_t at = 0;

        while (value->in_text
               && (at = lpp_oops_find_value(view->bytes, view->len, at, value))
                      < view->len) {
            hide(view, origin(view, at), origin(view, at + value->len));
            at += value->len;
        }
    }
}

/* Mask the user info between "//" and "@" of a URL. */
static void hide_user_info(view_t *view)
{
    apr_size_t at = 0;

    while (at + 2 < view->len) {
        apr_size_t end, sign = 0; /* its last "@"; 0: none */

        if (view->bytes[at] != '/' || view->bytes[at + 1] != '/') {
            at++;
            continue;
        }
        /* browsers treat any number of slashes as two */
        while (at < view->len && view->bytes[at] == '/') {
            at++;
        }
        for (end = at; end < view->len; end++) {
            if (is_space(view->bytes[end])
                || is_one_of(view->bytes[end], "/?#\"")) {
                break;
            }
            if (view->bytes[end] == '@') {
                sign = end;
            }
        }
        if (sign) {
            hide(view, origin(view, at), origin(view, sign));
        }
        /* the next URL may begin here */
        at = end;
    }
}

/* Percent-decode the view once more. 0: there was nothing to decode. */
static int decode(view_t *view)
{
    apr_size_t from, to = 0;
    int found = 0;

    if (!memchr(view->bytes, '%', view->len)) {
        return 0;
    }
    if (!view->origin) {
        apr_size_t i;

        /* a copy, since the original must not change */
        view->bytes = apr_pmemdup(view->pool, view->text, view->len + 1);
        view->origin =
            apr_palloc(view->pool, (view->len + 1) * sizeof(*view->origin));
        if (!view->bytes || !view->origin) {
            view->failed = 1;
            return 0;
        }
        for (i = 0; i <= view->len; i++) {
            view->origin[i] = i;
        }
    }
    for (from = 0; from < view->len; to++) {
        int high = -1, low = -1;

        view->origin[to] = view->origin[from];
        if (view->bytes[from] == '%' && from + 2 < view->len) {
            high = lpp_hex_value(view->bytes[from + 1]);
            low = lpp_hex_value(view->bytes[from + 2]);
        }
        if (high >= 0 && low >= 0) {
            view->bytes[to] = (char)(high * 16 + low);
            from += 3;
            found = 1;
        }
        else {
            view->bytes[to] = view->bytes[from++];
        }
    }
    view->origin[to] = view->text_len;
    view->len = to;
    return found;
}

/* The text with "<hidden>" in place of each run of hidden bytes. */
static const char *cut_out(const view_t *view)
{
    apr_size_t at, len = 0;
    char *result;

    for (at = 0; at < view->text_len; at++) {
        len += !view->hide[at]                  ? 1
               : at == 0 || !view->hide[at - 1] ? HIDDEN_LEN
                                                : 0;
    }
    result = apr_palloc(view->pool, len + 1);
    if (!result) {
        return LPP_OOPS_HIDDEN;
    }
    len = 0;
    for (at = 0; at < view->text_len; at++) {
        if (!view->hide[at]) {
            result[len++] = view->text[at];
        }
        else if (at == 0 || !view->hide[at - 1]) {
            memcpy(result + len, LPP_OOPS_HIDDEN, HIDDEN_LEN);
            len += HIDDEN_LEN;
        }
    }
    result[len] = '\0';
    return result;
}

static const char *mask(const char *text, int in_query,
                        const lpp_oops_hidden_t *hidden, apr_pool_t *pool)
{
    view_t view = {0};
    int decodings = 0;

    if (!text[strcspn(text, "=@:%")] && !(hidden && hidden->values)) {
        return text;
    }
    view.text = text;
    view.text_len = view.len = strlen(text);
    view.bytes = (char *)text; /* not written to before decode() copies it */
    view.in_query = in_query;
    view.hidden = hidden;
    view.pool = pool;
    do {
        hide_named(&view);
        hide_user_info(&view);
        hide_values(&view);
    } while (decodings++ < DECODINGS && decode(&view));
    if (view.failed) {
        return LPP_OOPS_HIDDEN;
    }
    return view.hide ? cut_out(&view) : text;
}

const char *lpp_oops_mask_url(const char *text,
                              const lpp_oops_hidden_t *hidden,
                              apr_pool_t *pool)
{
    return mask(text, 0, hidden, pool);
}

const char *lpp_oops_mask_query(const char *query,
                                const lpp_oops_hidden_t *hidden,
                                apr_pool_t *pool)
{
    return mask(query, 1, hidden, pool);
}
