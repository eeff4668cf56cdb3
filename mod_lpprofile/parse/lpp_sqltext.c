/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqltext: see lpp_sqltext.h. One pass from left to right; the
 * output is never longer than the input.
 */
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "parse/lpp_sqltext.h"

/* Whether a backslash escapes a quote. */
typedef enum { ESCAPES_NO, ESCAPES_YES, ESCAPES_UNSURE } escapes_e;

typedef struct scan_t {
    const char *begin; /* of the input */
    const char *at;    /* the next byte to read */
    char *start, *out; /* the output, and its end */
    lpp_sqltext_flavour_e flavour;
} scan_t;

lpp_sqltext_flavour_e lpp_sqltext_flavour(const char *driver)
{
    static const struct {
        const char *driver;
        lpp_sqltext_flavour_e flavour;
    } known[] = {
        {"pgsql", LPP_SQLTEXT_ANSI},     {"oracle", LPP_SQLTEXT_ANSI},
        {"mysql", LPP_SQLTEXT_MYSQL},    {"sqlite3", LPP_SQLTEXT_SQLITE},
        {"sqlite2", LPP_SQLTEXT_SQLITE},
    };
    apr_size_t i;

    for (i = 0; driver && i < LPP_COUNT(known); i++) {
        if (!strcmp(driver, known[i].driver)) {
            return known[i].flavour;
        }
    }
    return LPP_SQLTEXT_OTHER;
}

static int in_name(char c)
{
    return lpp_is_alnum(c) || c == '_' || c == '$' || (c & 0x80);
}

/* The end of a quoted text; at is after its first quote. If it is not known
 * whether a quote is escaped, the text extends to the end of the statement. */
static const char *skip_quoted(const char *at, char quote, escapes_e escapes)
{
    for (; *at; at++) {
        if (*at == '\\' && at[1] && escapes == ESCAPES_YES) {
            at++;
        }
        else if (*at == '\\' && at[1] == quote && escapes == ESCAPES_UNSURE) {
            return at + strlen(at);
        }
        else if (*at == quote) {
            if (at[1] != quote) {
                return at + 1;
            }
            at++;
        }
    }
    return at;
}

/* The end of Oracle's q'[it's]'; at is after the first quote. */
static const char *skip_bracketed(const char *at)
{
    static const char opening[] = "[{(<", closing[] = "]})>";
    const char *known = *at ? strchr(opening, *at) : NULL;
    char end[3] = {known ? closing[known - opening] : *at, '\'', '\0'};
    const char *found = *at ? strstr(at + 1, end) : NULL;

    return found ? found + 2 : at + strlen(at);
}

/* The end of PostgreSQL's $tag$ text $tag$, or NULL if no such text begins at
 * at. */
static const char *skip_dollars(const char *at, apr_pool_t *pool)
{
    const char *end = at + 1, *found;
    char *tag;

    if (lpp_is_digit(*end)) {
        return NULL;
    }
    while (lpp_is_alnum(*end) || *end == '_' || (*end & 0x80)) {
        end++;
    }
    if (*end != '$') {
        return NULL;
    }
    end++;
    tag = apr_pstrmemdup(pool, at, (apr_size_t)(end - at));
    found = tag ? strstr(end, tag) : NULL;
    return found ? found + (end - at) : end + strlen(end);
}

/* The end of a C comment, which may be nested in PostgreSQL; at is after its
 * first slash and star. */
static const char *skip_comment(const char *at, int nests)
{
    unsigned depth = 1;

    for (; *at && depth; at++) {
        if (at[0] == '*' && at[1] == '/') {
            depth--;
            at++;
        }
        else if (nests && at[0] == '/' && at[1] == '*') {
            depth++;
            at++;
        }
    }
    return at;
}

static int begins_line_comment(const scan_t *scan)
{
    const char *at = scan->at;

    if (scan->flavour == LPP_SQLTEXT_MYSQL) {
        return at[0] == '#'
            || (at[0] == '-' && at[1] == '-'
                && (!at[2] || lpp_is_space(at[2]) || lpp_is_control(at[2])));
    }
    return at[0] == '-' && at[1] == '-';
}

static void put(scan_t *scan, char c)
{
    *scan->out++ = c;
}

static void put_blank(scan_t *scan)
{
    if (scan->out > scan->start && scan->out[-1] != ' ') {
        put(scan, ' ');
    }
}

/* The length of the prefix of a string, as in E'...' or U&'...', which is
 * already in the output; the caller removes it. */
static apr_size_t prefix_length(const scan_t *scan)
{
    const char *out = scan->out;
    apr_size_t have = (apr_size_t)(out - scan->start), len = 0;

    if (scan->at > scan->begin && lpp_is_space(scan->at[-1])) {
        return 0;
    }
    if (have >= 2 && out[-1] == '&' && (out[-2] | 0x20) == 'u') {
        len = 2;
    }
    else if (have && strchr("eExXbBnNqQ", out[-1])) {
        len = 1;
    }
    else if (have && strchr("_", out[-1])) {
        return 0;
    }
    return len && (have == len || !in_name(out[-(int)len - 1])) ? len : 0;
}

static escapes_e escapes_of(const scan_t *scan, char prefix)
{
    switch (scan->flavour) {
    case LPP_SQLTEXT_MYSQL:
        return ESCAPES_YES;
    case LPP_SQLTEXT_SQLITE:
        return ESCAPES_NO;
    case LPP_SQLTEXT_ANSI:
        if ((prefix | 0x20) == 'e') {
            return ESCAPES_YES;
        }
        break;
    case LPP_SQLTEXT_OTHER:
        break;
    }
    return ESCAPES_UNSURE; /* standard_conforming_strings may be off */
}

static void read_string(scan_t *scan)
{
    apr_size_t len = prefix_length(scan);
    char prefix = len ? scan->out[-(int)len] : '\0';

    scan->out -= len;
    if ((prefix | 0x20) == 'q' && scan->flavour != LPP_SQLTEXT_MYSQL) {
        scan->at = skip_bracketed(scan->at + 1);
    }
    else {
        scan->at = skip_quoted(scan->at + 1, '\'', escapes_of(scan, prefix));
    }
    put(scan, '?');
}

static void read_name(scan_t *scan, char quote)
{
    const char *end = skip_quoted(scan->at + 1, quote, ESCAPES_NO);

    memcpy(scan->out, scan->at, (apr_size_t)(end - scan->at));
    scan->out += end - scan->at;
    scan->at = end;
}

static void read_number(scan_t *scan)
{
    const char *at = scan->at;
    int hex = at[0] == '0' && (at[1] | 0x20) == 'x';

    while (lpp_is_alnum(*at) || *at == '_' || *at == '.'
           || (!hex && (*at == '+' || *at == '-')
               && (at[-1] | 0x20) == 'e' && lpp_is_digit(at[1]))) {
        at++;
    }
    scan->at = at;
    put(scan, '?');
}

/* Read a string or name in quotes. 0: none begins here. */
static int read_quotes(scan_t *scan, apr_pool_t *pool)
{
    const lpp_sqltext_flavour_e flavour = scan->flavour;
    const char *end;

    switch (*scan->at) {
    case '\'':
        read_string(scan);
        return 1;
    case '"':
        if (flavour == LPP_SQLTEXT_ANSI) {
            read_name(scan, '"');
            return 1;
        }
        scan->at = skip_quoted(scan->at + 1, '"', escapes_of(scan, '\0'));
        put(scan, '?');
        return 1;
    case '`':
        if (flavour == LPP_SQLTEXT_MYSQL || flavour == LPP_SQLTEXT_SQLITE) {
            read_name(scan, '`');
            return 1;
        }
        return 0;
    case '[':
        if (flavour == LPP_SQLTEXT_SQLITE) {
            read_name(scan, ']');
            return 1;
        }
        return 0;
    case '$':
        if (flavour == LPP_SQLTEXT_MYSQL || flavour == LPP_SQLTEXT_SQLITE
            || (scan->at > scan->begin && in_name(scan->at[-1]))
            || !(end = skip_dollars(scan->at, pool))) {
            return 0;
        }
        scan->at = end;
        put(scan, '?');
        return 1;
    default:
        return 0;
    }
}

static void read_one(scan_t *scan, apr_pool_t *pool)
{
    const char *at = scan->at;

    if (lpp_is_space(*at)) {
        put_blank(scan);
        scan->at++;
    }
    else if (begins_line_comment(scan)) {
        put_blank(scan);
        scan->at += strcspn(at, "\n\r");
    }
    else if (at[0] == '/' && at[1] == '*') {
        put_blank(scan);
        scan->at = skip_comment(at + 2, scan->flavour == LPP_SQLTEXT_ANSI);
    }
    else if (lpp_is_digit(*at)
             && (at == scan->begin || !in_name(at[-1]))) {
        read_number(scan);
    }
    else if (!read_quotes(scan, pool)) {
        put(scan, *scan->at++);
    }
}

const char *lpp_sqltext_mask(const char *statement,
                             lpp_sqltext_flavour_e flavour, apr_pool_t *pool)
{
    scan_t scan = {statement, statement, NULL, NULL, flavour};

    scan.start = scan.out = apr_palloc(pool, strlen(statement) + 1);
    if (!scan.start) {
        return "";
    }
    while (*scan.at) {
        read_one(&scan, pool);
    }
    if (scan.out > scan.start && scan.out[-1] == ' ') {
        scan.out--;
    }
    *scan.out = '\0';
    return scan.start;
}

/* MySQL's message quotes the rest of the statement unchanged, with its quotes:
 * near 'x' AND y = 'it's' at line 1. The quotation ends at the last quote. */
static const char *mask_rest_of_statement(const char *message,
                                          apr_pool_t *pool)
{
    static const char before[] = "near '";
    const char *rest = strstr(message, before), *end;

    if (!rest) {
        return message;
    }
    rest += sizeof(before) - 1;
    end = strrchr(rest, '\'');
    return apr_pstrcat(pool,
                       apr_pstrmemdup(pool, message,
                                      (apr_size_t)(rest - 1 - message)),
                       "?", end ? end + 1 : "", NULL);
}

const char *lpp_sqltext_mask_error(const char *message, apr_pool_t *pool)
{
    const char *line;

    message = mask_rest_of_statement(message, pool);
    if (!message) {
        return "";
    }
    message += strspn(message, " \t\r\n");
    line = apr_pstrmemdup(pool, message, strcspn(message, "\r\n"));
    return line ? lpp_sqltext_mask(line, LPP_SQLTEXT_OTHER, pool) : "";
}
