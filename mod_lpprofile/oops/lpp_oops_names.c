/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_names: decides which variables and parameters have secret values, by
 * their names. Names are compared in upper case, with "-" as "_", and without
 * the HTTP_ and REDIRECT_ that CGI and internal redirects add. Allocates
 * nothing.
 */
#include <string.h>

#include "base/lpp_ascii.h"
#include "oops/lpp_oops.h"
#include "oops/lpp_oops_text_internal.h"

/* A name that contains one of these is hidden. */
static const char *const contained[] = {
    "PASSWORD", "PASSWD",     "SECRET",     "TOKEN", "APIKEY", "API_KEY",
    "SESSION",  "CSRF",       "XSRF",       "JWT",   "COOKIE", "SIGNATURE",
    "SESSID",   "PASSPHRASE", "CREDENTIAL", "AUTHORIZATION"};

/* So is a name that has one of these as a word, between separators. */
static const char *const words[] = {"PASS", "PWD", "PW", "SID", "OTP", "SIG"};

/* These are also hidden as the names of headers in text. */
static const char *const header_names[] = {
    "COOKIE", "SET_COOKIE", "AUTHORIZATION", "PROXY_AUTHORIZATION"};

static char normal(char c)
{
    return c == '-' ? '_' : lpp_to_upper(c);
}

/* Whether name begins with word, which is in normal form. */
static int begins_with(const char *name, apr_size_t len, const char *word)
{
    apr_size_t i;

    for (i = 0; word[i]; i++) {
        if (i >= len || normal(name[i]) != word[i]) {
            return 0;
        }
    }
    return 1;
}

/* Remove all leading HTTP_ and REDIRECT_. */
static void strip_prefixes(const char **name, apr_size_t *len)
{
    static const char *const prefixes[] = {"HTTP_", "REDIRECT_"};
    unsigned i = 0;

    while (i < LPP_COUNT(prefixes)) {
        apr_size_t prefix = strlen(prefixes[i]);

        if (begins_with(*name, *len, prefixes[i])) {
            *name += prefix;
            *len -= prefix;
            i = 0;
        }
        else {
            i++;
        }
    }
}

static int same_names(const char *a, apr_size_t a_len, const char *b)
{
    apr_size_t i, b_len = strlen(b);

    strip_prefixes(&b, &b_len);
    if (a_len != b_len) {
        return 0;
    }
    for (i = 0; i < a_len; i++) {
        if (normal(a[i]) != normal(b[i])) {
            return 0;
        }
    }
    return 1;
}

static int is_of(const char *name, apr_size_t len,
                 const apr_array_header_t *names)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        if (same_names(name, len, APR_ARRAY_IDX(names, i, char *))) {
            return 1;
        }
    }
    return 0;
}

/* Whether one of the words is a part of the name, as in user[pass], or its last
 * part is KEY after a "_". */
static int has_word(const char *name, apr_size_t len)
{
    apr_size_t from = 0, end, i;

    while (from < len) {
        if (!lpp_is_alnum(name[from])) {
            from++;
            continue;
        }
        for (end = from; end < len && lpp_is_alnum(name[end]); end++) {
        }
        for (i = 0; i < LPP_COUNT(words); i++) {
            if (same_names(name + from, end - from, words[i])) {
                return 1;
            }
        }
        for (i = end; i < len && !lpp_is_alnum(name[i]); i++) {
        }
        if (i == len && from > 0 && normal(name[from - 1]) == '_'
            && same_names(name + from, end - from, "KEY")) {
            return 1;
        }
        from = end;
    }
    return 0;
}

int lpp_oops_hides_name(const char *name, apr_size_t len,
                        const lpp_oops_hidden_t *hidden)
{
    apr_size_t at;
    unsigned i;

    strip_prefixes(&name, &len);
    for (at = 0; at < len; at++) {
        for (i = 0; i < LPP_COUNT(contained); i++) {
            if (begins_with(name + at, len - at, contained[i])) {
                return 1;
            }
        }
    }
    return has_word(name, len) || (hidden && is_of(name, len, hidden->names));
}

int lpp_oops_hides_header(const char *name, apr_size_t len,
                          const lpp_oops_hidden_t *hidden)
{
    unsigned i;

    strip_prefixes(&name, &len);
    for (i = 0; i < LPP_COUNT(header_names); i++) {
        if (same_names(name, len, header_names[i])) {
            return 1;
        }
    }
    return hidden && is_of(name, len, hidden->names);
}

int lpp_oops_is_sensitive(const char *name, const lpp_oops_hidden_t *hidden)
{
    return lpp_oops_hides_name(name, strlen(name), hidden);
}
