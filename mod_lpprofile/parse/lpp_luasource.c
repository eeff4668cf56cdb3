/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_luasource: see lpp_luasource.h.
 *
 * A lexer of Lua 5.1 to 5.4 and the few tokens before "function" that matter.
 * Of text that is not Lua, any result may come.
 */
#include "parse/lpp_luasource.h"

#include <string.h>

#define NESTED_MAX 64 /* brackets; deeper ones are not looked into */

typedef enum { END, NAME, FUNCTION, LOCAL, OTHER } token_e;

typedef struct lexer_t {
    const char *at, *end;
    apr_uint32_t line;
    token_e token;
    const char *text; /* of the token */
    apr_size_t len;
    char sign;        /* of OTHER: the character; '=' only where it is alone;
                         0: a string or another value */
} lexer_t;

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char next_char(const lexer_t *lexer, apr_size_t after)
{
    return after < (apr_size_t)(lexer->end - lexer->at) ? lexer->at[after]
                                                        : '\0';
}

/* Pass one character. */
static void step(lexer_t *lexer)
{
    lexer->line += *lexer->at == '\n';
    lexer->at++;
}

/* If a long bracket opens here ("[[", "[==["): its length; else 0. */
static apr_size_t long_bracket(const lexer_t *lexer)
{
    apr_size_t len = 1;

    if (next_char(lexer, 0) != '[') {
        return 0;
    }
    while (next_char(lexer, len) == '=') {
        len++;
    }
    return next_char(lexer, len) == '[' ? len + 1 : 0;
}

/* Pass a text in long brackets; len is that of the opening one. */
static void pass_long(lexer_t *lexer, apr_size_t len)
{
    apr_size_t closing;

    lexer->at += len;
    while (lexer->at < lexer->end) {
        if (*lexer->at == ']') {
            for (closing = 1; next_char(lexer, closing) == '='; closing++) {
            }
            if (closing == len - 1 && next_char(lexer, closing) == ']') {
                lexer->at += len;
                return;
            }
        }
        step(lexer);
    }
}

static void pass_line(lexer_t *lexer)
{
    while (lexer->at < lexer->end && *lexer->at != '\n') {
        lexer->at++;
    }
}

static void pass_string(lexer_t *lexer)
{
    char quote = *lexer->at;

    for (step(lexer); lexer->at < lexer->end && *lexer->at != quote;) {
        if (*lexer->at == '\\' && lexer->at + 1 < lexer->end) {
            step(lexer);
        }
        else if (*lexer->at == '\n') {
            return; /* not closed: it is no Lua */
        }
        step(lexer);
    }
    if (lexer->at < lexer->end) {
        lexer->at++;
    }
}

/* Pass white space and comments. */
static void pass_space(lexer_t *lexer)
{
    apr_size_t len;

    for (; lexer->at < lexer->end;) {
        char c = *lexer->at;

        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            step(lexer);
        }
        else if (c == '-' && next_char(lexer, 1) == '-') {
            lexer->at += 2;
            len = long_bracket(lexer);
            if (len != 0) {
                pass_long(lexer, len);
            }
            else {
                pass_line(lexer);
            }
        }
        else {
            return;
        }
    }
}

static int is_word(const lexer_t *lexer, const char *word)
{
    return strlen(word) == lexer->len
           && memcmp(lexer->text, word, lexer->len) == 0;
}

static void read_word(lexer_t *lexer)
{
    static const char *const keywords[] = {
        "and", "break", "do", "else", "elseif", "end", "false", "for", "goto",
        "if", "in", "nil", "not", "or", "repeat", "return", "then", "true",
        "until", "while"
    };
    unsigned i;

    while (lexer->at < lexer->end
           && (is_letter(*lexer->at) || is_digit(*lexer->at))) {
        lexer->at++;
    }
    lexer->len = (apr_size_t)(lexer->at - lexer->text);
    lexer->token = is_word(lexer, "function") ? FUNCTION
        : is_word(lexer, "local") ? LOCAL : NAME;
    for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
        if (is_word(lexer, keywords[i])) {
            lexer->token = OTHER;
        }
    }
}

static void pass_number(lexer_t *lexer)
{
    while (lexer->at < lexer->end
           && (is_letter(*lexer->at) || is_digit(*lexer->at)
               || *lexer->at == '.')) {
        lexer->at++;
    }
}

static void read_sign(lexer_t *lexer)
{
    char c = *lexer->at, then = next_char(lexer, 1);

    if ((then == '=' && strchr("=<>~", c) != NULL)
        || (c == '.' && then == '.')) {
        lexer->at += 2; /* and, if "...", a '.' more, which names nothing */
        return;
    }
    lexer->sign = c;
    lexer->at++;
}

/* Read the next token. */
static void advance(lexer_t *lexer)
{
    apr_size_t len;

    pass_space(lexer);
    lexer->text = lexer->at;
    lexer->token = OTHER;
    lexer->sign = '\0';
    if (lexer->at >= lexer->end) {
        lexer->token = END;
    }
    else if (is_letter(*lexer->at)) {
        read_word(lexer);
    }
    else if (is_digit(*lexer->at)) {
        pass_number(lexer);
    }
    else if (*lexer->at == '"' || *lexer->at == '\'') {
        pass_string(lexer);
    }
    else if ((len = long_bracket(lexer)) != 0) {
        pass_long(lexer, len);
    }
    else {
        read_sign(lexer);
    }
}

/* A name that is being read: "a.b:c". */
typedef struct path_t {
    char text[LPP_LUA_NAME_BYTES];
    apr_size_t len; /* 0: none */
} path_t;

static void add_text(path_t *path, const char *text, apr_size_t len)
{
    if (path->len + len >= sizeof(path->text)) {
        path->len = sizeof(path->text); /* too long */
        return;
    }
    memcpy(path->text + path->len, text, len);
    path->len += len;
}

/* Read NAME{.NAME}[:NAME] from the token on; the token after it is next. */
static void read_path(lexer_t *lexer, path_t *path)
{
    path->len = 0;
    while (lexer->token == NAME) {
        add_text(path, lexer->text, lexer->len);
        advance(lexer);
        if (lexer->sign != '.' && lexer->sign != ':') {
            return;
        }
        add_text(path, &lexer->sign, 1);
        advance(lexer);
    }
    path->len = 0; /* ends with a dot */
}

typedef struct reader_t {
    lexer_t lexer;
    lpp_lua_definition_t *definitions;
    unsigned count, max;
    char brackets[NESTED_MAX]; /* that are open */
    unsigned depth;
} reader_t;

static void define(reader_t *reader, apr_uint32_t line, const path_t *name)
{
    lpp_lua_definition_t *made;

    if (reader->count == reader->max) {
        return;
    }
    made = &reader->definitions[reader->count++];
    made->line = line;
    made->name[0] = '\0';
    if (name != NULL && name->len > 0 && name->len < sizeof(made->name)) {
        memcpy(made->name, name->text, name->len);
        made->name[name->len] = '\0';
    }
}

/* After "function". is_local: after "local"; assigned: of "= function". */
static void read_function(reader_t *reader, int is_local,
                          const path_t *assigned)
{
    lexer_t *lexer = &reader->lexer;
    apr_uint32_t line = lexer->line;
    path_t name;

    advance(lexer);
    if (lexer->token == NAME) {
        read_path(lexer, &name);
        define(reader, is_local ? lexer->line : line, &name);
    }
    else {
        define(reader, lexer->line, assigned);
    }
}

static void follow_brackets(reader_t *reader, char sign)
{
    if (sign == '(' || sign == '{' || sign == '[') {
        if (reader->depth < NESTED_MAX) {
            reader->brackets[reader->depth] = sign;
        }
        reader->depth++;
    }
    else if ((sign == ')' || sign == '}' || sign == ']')
             && reader->depth > 0) {
        reader->depth--;
    }
}

static int is_in_table(const reader_t *reader)
{
    return reader->depth > 0 && reader->depth <= NESTED_MAX
           && reader->brackets[reader->depth - 1] == '{';
}

/* A name may begin an assignment: "a.b = function". before: the sign of the
 * token before it. */
static void read_name(reader_t *reader, char before)
{
    lexer_t *lexer = &reader->lexer;
    path_t name;

    read_path(lexer, &name);
    if (lexer->sign != '=' || before == '.' || before == ':'
        || (before == ',' && !is_in_table(reader))) {
        return; /* none, or not all of its left side is known */
    }
    advance(lexer);
    if (lexer->token == FUNCTION) {
        read_function(reader, 0, &name);
    }
}

unsigned lpp_luasource_read(const char *text, apr_size_t len,
                            lpp_lua_definition_t *definitions, unsigned max)
{
    reader_t reader;
    lexer_t *lexer = &reader.lexer;
    char before = '\0';
    int is_local = 0;

    memset(&reader, 0, sizeof(reader));
    reader.definitions = definitions;
    reader.max = max;
    lexer->at = text;
    lexer->end = text + len;
    lexer->line = 1;
    if (len > 0 && text[0] == '#') {
        pass_line(lexer); /* "#!/usr/bin/lua" */
    }
    for (advance(lexer); lexer->token != END;) {
        if (lexer->token == FUNCTION) {
            read_function(&reader, is_local, NULL);
            is_local = 0;
            before = '\0';
        }
        else if (lexer->token == NAME) {
            read_name(&reader, before);
            is_local = 0;
            before = '\0';
        }
        else {
            is_local = lexer->token == LOCAL;
            before = lexer->sign;
            follow_brackets(&reader, lexer->sign);
            advance(lexer);
        }
    }
    return reader.count;
}
