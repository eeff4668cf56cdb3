/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqlfilter: see lpp_sqlfilter.h. A clause's text and a statement
 * go through the same normalisation, then plain string functions decide.
 */
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "base/lpp_ascii.h"
#include "parse/lpp_sqlfilter.h"
#include "parse/lpp_trigger.h"

typedef enum { CLAUSE_STARTS, CLAUSE_ENDS, CLAUSE_INCLUDES } clause_e;

static const struct {
    const char *word;
    clause_e kind;
} known_words[] = {
    {"STARTSWITH", CLAUSE_STARTS},
    {"ENDSWITH", CLAUSE_ENDS},
    {"INCLUDES", CLAUSE_INCLUDES},
};

typedef struct clause_t {
    clause_e kind;
    const char *text;  /* normalised, not empty */
    apr_size_t len;    /* of text */
    const char *shown; /* "includes TEXT" */
} clause_t;

struct lpp_sqlfilter_t {
    apr_array_header_t *clauses; /* clause_t */
    apr_array_header_t *refused; /* const char * */
    int given;                   /* the condition has a clause, known or not */
};

/* Upper case (ASCII), white space runs as one blank, none at the ends. */
static char *normalise(const char *text, apr_pool_t *pool)
{
    char *result = apr_palloc(pool, strlen(text) + 1), *out = result;

    if (!result) {
        return NULL;
    }
    for (; *text; text++) {
        if (!lpp_is_space(*text)) {
            *out++ = lpp_to_upper(*text);
        }
        else if (out > result && out[-1] != ' ') {
            *out++ = ' ';
        }
    }
    if (out > result && out[-1] == ' ') {
        out--;
    }
    *out = '\0';
    return result;
}

/* Read a clause from normalised text. 0: it has no known form. */
static int read_clause(const char *text, clause_t *clause, apr_pool_t *pool)
{
    apr_size_t i, len;
    char *shown;

    for (i = 0; i < LPP_COUNT(known_words); i++) {
        len = strlen(known_words[i].word);
        if (!strncmp(text, known_words[i].word, len) && text[len] == ' '
            && text[len + 1]) {
            clause->kind = known_words[i].kind;
            clause->text = text + len + 1;
            clause->len = strlen(clause->text);
            shown = apr_pstrdup(pool, text);
            if (!shown) {
                return 0;
            }
            while (len) {
                len--;
                shown[len] = lpp_to_lower(shown[len]);
            }
            clause->shown = shown;
            return 1;
        }
    }
    return 0;
}

static apr_status_t add_clause(lpp_sqlfilter_t *filter, const char *encoded,
                               apr_size_t len, apr_pool_t *pool)
{
    char *typed = lpp_trigger_decode(encoded, len, pool);
    const char *text;
    clause_t clause;

    if (!typed) {
        return APR_ENOMEM;
    }
    typed = lpp_trim(typed);
    if (!*typed) {
        return APR_SUCCESS;
    }
    filter->given = 1;
    text = normalise(typed, pool);
    if (!text) {
        return APR_ENOMEM;
    }
    if (read_clause(text, &clause, pool)) {
        if (filter->clauses->nelts < LPP_SQLFILTER_CLAUSES_MAX) {
            APR_ARRAY_PUSH(filter->clauses, clause_t) = clause;
        }
    }
    else if (filter->refused->nelts < LPP_SQLFILTER_CLAUSES_MAX) {
        APR_ARRAY_PUSH(filter->refused, const char *) = typed;
    }
    return APR_SUCCESS;
}

apr_status_t lpp_sqlfilter_parse(const char *condition,
                                 lpp_sqlfilter_t **result, apr_pool_t *pool)
{
    lpp_sqlfilter_t *filter = apr_pcalloc(pool, sizeof(*filter));
    apr_size_t len;
    apr_status_t rv;

    if (!filter) {
        return APR_ENOMEM;
    }
    filter->clauses = apr_array_make(pool, 4, sizeof(clause_t));
    filter->refused = apr_array_make(pool, 4, sizeof(const char *));
    if (!filter->clauses || !filter->refused) {
        return APR_ENOMEM;
    }
    for (;; condition += len + 1) {
        len = strcspn(condition, "|");
        rv = add_clause(filter, condition, len, pool);
        if (rv != APR_SUCCESS || !condition[len]) {
            break;
        }
    }
    *result = filter;
    return rv;
}

static int clause_matches(const clause_t *clause, const char *statement,
                          apr_size_t len)
{
    if (clause->len > len) {
        return 0;
    }
    switch (clause->kind) {
    case CLAUSE_STARTS:
        return !memcmp(statement, clause->text, clause->len);
    case CLAUSE_ENDS:
        return !memcmp(statement + len - clause->len, clause->text,
                       clause->len);
    case CLAUSE_INCLUDES:
        break;
    }
    return strstr(statement, clause->text) != NULL;
}

int lpp_sqlfilter_matches(const lpp_sqlfilter_t *filter,
                          const char *statement, apr_pool_t *scratch)
{
    const clause_t *clauses = (const clause_t *)filter->clauses->elts;
    const char *text;
    apr_size_t len;
    int i;

    if (!filter->given) {
        return 1;
    }
    if (!filter->clauses->nelts) {
        return 0;
    }
    text = normalise(statement, scratch);
    if (!text) {
        return 0;
    }
    len = strlen(text);
    for (i = 0; i < filter->clauses->nelts; i++) {
        if (clause_matches(&clauses[i], text, len)) {
            return 1;
        }
    }
    return 0;
}

const char *lpp_sqlfilter_clause(const lpp_sqlfilter_t *filter, int i)
{
    if (i < 0 || i >= filter->clauses->nelts) {
        return NULL;
    }
    return APR_ARRAY_IDX(filter->clauses, i, clause_t).shown;
}

const char *lpp_sqlfilter_refused(const lpp_sqlfilter_t *filter, int i)
{
    if (i < 0 || i >= filter->refused->nelts) {
        return NULL;
    }
    return APR_ARRAY_IDX(filter->refused, i, const char *);
}
