/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_names: which names of variables and parameters hold secrets. Names
 * are compared in upper case, "-" as "_", without the HTTP_ and REDIRECT_ that
 * CGI and internal redirects put in front. Allocates nothing.
 */
#include <string.h>

#include "lpp_oops.h"
#include "lpp_oops_text.h"

/* A name with one of these anywhere in it is hidden. */
static const char *const words[] = {"PASSWORD", "PASSWD", "SECRET",
                                    "TOKEN",    "APIKEY", "API_KEY",
                                    "SESSION",  "CSRF",   "SIGNATURE"};

/* So is one that is one of these; also where it stands as a header in text. */
static const char *const whole_names[] = {
    "COOKIE", "SET_COOKIE", "AUTHORIZATION", "PROXY_AUTHORIZATION"};

static char normal(char c)
{
    if (c >= 'a' && c <= 'z') {
        return (char)(c - 'a' + 'A');
    }
    return c == '-' ? '_' : c;
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

/* Take HTTP_ and REDIRECT_ away, however many there are. */
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

/* Whether a name is hidden as a whole; prefixes are gone already. */
static int is_whole_name(const char *name, apr_size_t len,
                         const apr_array_header_t *more_hidden)
{
    unsigned i;
    int k;

    for (i = 0; i < LPP_COUNT(whole_names); i++) {
        if (same_names(name, len, whole_names[i])) {
            return 1;
        }
    }
    for (k = 0; more_hidden && k < more_hidden->nelts; k++) {
        if (same_names(name, len, APR_ARRAY_IDX(more_hidden, k, char *))) {
            return 1;
        }
    }
    return 0;
}

int lpp_oops_hides_name(const char *name, apr_size_t len,
                        const apr_array_header_t *more_hidden)
{
    apr_size_t at;
    unsigned i;

    strip_prefixes(&name, &len);
    for (at = 0; at < len; at++) {
        for (i = 0; i < LPP_COUNT(words); i++) {
            if (begins_with(name + at, len - at, words[i])) {
                return 1;
            }
        }
    }
    return is_whole_name(name, len, more_hidden);
}

int lpp_oops_hides_whole_name(const char *name, apr_size_t len,
                              const apr_array_header_t *more_hidden)
{
    strip_prefixes(&name, &len);
    return is_whole_name(name, len, more_hidden);
}

int lpp_oops_is_sensitive(const char *name,
                          const apr_array_header_t *more_hidden)
{
    return lpp_oops_hides_name(name, strlen(name), more_hidden);
}
