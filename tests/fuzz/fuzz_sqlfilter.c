/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sqlfilter: a condition and a statement, parted by a newline. Each clause
 * understood, given back as a condition of its own, must decide as the whole
 * does: the whole matches when, and only when, one of its clauses does.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "parse/lpp_sqlfilter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                       \
    do {                                                                      \
        if (!(condition)) {                                                   \
            abort();                                                          \
        }                                                                     \
    } while (0)

static apr_pool_t *fresh_pool(void)
{
    static apr_pool_t *pool;

    if (!pool) {
        MUST(apr_initialize() == APR_SUCCESS);
        MUST(apr_pool_create(&pool, NULL) == APR_SUCCESS);
    }
    apr_pool_clear(pool);
    return pool;
}

/* A text that decodes to this one. */
static const char *encode(const char *text, apr_pool_t *pool)
{
    static const char hex[] = "0123456789ABCDEF";
    char *result = apr_palloc(pool, 3 * strlen(text) + 1), *out = result;

    for (; *text; text++) {
        if (*text == '%' || *text == '|') {
            *out++ = '%';
            *out++ = hex[(unsigned char)*text >> 4];
            *out++ = hex[(unsigned char)*text & 15];
        }
        else {
            *out++ = *text;
        }
    }
    *out = '\0';
    return result;
}

static int clause_decides(const char *clause, const char *statement,
                          apr_pool_t *pool)
{
    lpp_sqlfilter_t *alone;

    MUST(lpp_sqlfilter_parse(encode(clause, pool), &alone, pool)
         == APR_SUCCESS);
    MUST(!strcmp(lpp_sqlfilter_clause(alone, 0), clause));
    MUST(!lpp_sqlfilter_clause(alone, 1) && !lpp_sqlfilter_refused(alone, 0));
    return lpp_sqlfilter_matches(alone, statement, pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fresh_pool();
    char *condition = apr_pstrmemdup(pool, (const char *)data, size);
    char *statement = strchr(condition, '\n');
    lpp_sqlfilter_t *filter;
    int i, expected = 0;

    if (!statement) {
        return 0;
    }
    *statement++ = '\0';
    MUST(lpp_sqlfilter_parse(condition, &filter, pool) == APR_SUCCESS);
    for (i = 0; lpp_sqlfilter_clause(filter, i); i++) {
        if (clause_decides(lpp_sqlfilter_clause(filter, i), statement,
                           pool)) {
            expected = 1;
        }
    }
    MUST(i <= LPP_SQLFILTER_CLAUSES_MAX);
    if (!i && !lpp_sqlfilter_refused(filter, 0)) {
        expected = 1; /* no condition at all */
    }
    MUST(lpp_sqlfilter_matches(filter, statement, pool) == expected);
    return 0;
}
