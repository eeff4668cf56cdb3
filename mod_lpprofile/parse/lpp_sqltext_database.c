/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqltext_database: names of databases, made of the host and the database
 * in the parameters of a connection, and of no other parameter.
 */
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>
#include <apr_uri.h>

#include "base/lpp_ascii.h"
#include "base/lpp_utf8.h"
#include "parse/lpp_sqltext.h"

#define NAME_MAX_BYTES 120
#define SEPARATORS ",;| \t\r\n" /* of any of apr_dbd's drivers */

/* The length of a value, up to one of ends; a backslash escapes the next byte.
 * That is libpq's rule; with other drivers a value may appear longer than it
 * is. */
static apr_size_t value_length(const char *value, const char *ends)
{
    const char *at = value;

    while (*at && !strchr(ends, *at)) {
        at += *at == '\\' && at[1] ? 2 : 1;
    }
    return (apr_size_t)(at - value);
}

/* The value of key in "key=value, key = 'value'", or NULL. */
static const char *find_value(const char *params, const char *key,
                              apr_pool_t *pool)
{
    const char *at = params;

    while (*at) {
        const char *name, *value, *ends = SEPARATORS;
        char quote[2] = "";
        apr_size_t name_len, len;

        at += strspn(at, SEPARATORS);
        name = at;
        name_len = strcspn(at, "=" SEPARATORS);
        at += name_len;
        at += strspn(at, " \t");
        if (*at != '=') {
            continue;
        }
        at++;
        at += strspn(at, " \t");
        value = at;
        if (*at == '\'' || *at == '"') {
            quote[0] = *value++;
            ends = quote;
        }
        len = value_length(value, ends);
        at = value + len + (*quote && value[len]);
        if (name_len == strlen(key)
            && !apr_cstr_casecmpn(name, key, name_len)) {
            return len ? apr_pstrmemdup(pool, value, len) : NULL;
        }
    }
    return NULL;
}

static const char *first_value(const char *params, const char *const *keys,
                               apr_pool_t *pool)
{
    const char *value = NULL;

    for (; *keys && !value; keys++) {
        value = find_value(params, *keys, pool);
    }
    return value;
}

/* Replace blanks, which end a category in an OOPS, and limit the length. */
static const char *tidy(char *name)
{
    char *p;

    for (p = name; *p; p++) {
        if (lpp_is_space(*p) || lpp_is_control(*p)) {
            *p = '_';
        }
    }
    if (strlen(name) > NAME_MAX_BYTES) {
        name[lpp_utf8_cut(name, NAME_MAX_BYTES)] = '\0';
    }
    return name;
}

/* 1 for a URL, but not for "password=a://b". */
static int is_url(const char *params)
{
    while (lpp_is_alnum(*params)) {
        params++;
    }
    return !strncmp(params, "://", 3);
}

static const char *name_of(const char *driver, const char *host,
                           const char *database, apr_pool_t *pool)
{
    if (!host && !database) {
        return tidy(apr_pstrdup(pool, driver));
    }
    return tidy(apr_pstrcat(pool, driver, ":", host ? host : "",
                            host && database ? "/" : "",
                            database ? database : "", NULL));
}

const char *lpp_sqltext_database(const char *driver, const char *params,
                                 apr_pool_t *pool)
{
    static const char *const host_keys[] = {"host", "hostaddr", "server",
                                            "sock", NULL};
    static const char *const name_keys[] = {"dbname", "db", "database",
                                            "datasource", "service", NULL};
    apr_uri_t uri;

    params = params ? params : "";
    if (!strncmp(driver, "sqlite", 6)) {
        const char *slash = strrchr(params, '/');

        return name_of(driver, NULL,
                       *params ? slash && slash[1] ? slash + 1 : params
                               : NULL, pool);
    }
    if (is_url(params)) {
        if (apr_uri_parse(pool, params, &uri) != APR_SUCCESS) {
            return name_of(driver, NULL, NULL, pool);
        }
        return name_of(driver, uri.hostname,
                       uri.path && uri.path[0] && uri.path[1]
                           ? uri.path + 1 : NULL, pool);
    }
    return name_of(driver, first_value(params, host_keys, pool),
                   first_value(params, name_keys, pool), pool);
}
