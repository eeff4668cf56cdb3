/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops_values: the secrets in the Cookie and Authorization headers of one
 * request, which are masked wherever their values occur: in a header of another
 * name, a variable, a URL, a message.
 */
#include <string.h>

#include <apr_strings.h>

#include "base/lpp_ascii.h"
#include "oops/lpp_oops.h"
#include "oops/lpp_oops_text_internal.h"

#define VALUES_MAX 64
/* Shorter values are masked only where they are a whole value. */
#define WORD_MIN_BYTES 8

static int is_word_byte(char c)
{
    return lpp_is_alnum(c) || c == '_' || c == '-';
}

static void add(lpp_oops_hidden_t *hidden, const char *text, apr_size_t len,
                int in_text, apr_pool_t *pool)
{
    lpp_oops_value_t *value;
    const char *copy;

    while (len > 0 && (*text == ' ' || *text == '"')) {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '"')) {
        len--;
    }
    if (len == 0 || (hidden->values && hidden->values->nelts >= VALUES_MAX)) {
        return;
    }
    if (!hidden->values) {
        hidden->values = apr_array_make(pool, 4, sizeof(lpp_oops_value_t));
    }
    copy = apr_pstrmemdup(pool, text, len);
    if (copy) {
        value = apr_array_push(hidden->values);
        value->text = copy;
        value->len = len;
        value->in_text = in_text && len >= WORD_MIN_BYTES;
    }
}

/* The id of a session has a digit; "darkmode" and "/cart" have none, and
 * masking them would make reports less useful. */
static int may_be_secret(const char *text, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; len >= WORD_MIN_BYTES && i < len; i++) {
        if (lpp_is_digit(text[i])) {
            return 1;
        }
    }
    return 0;
}

void lpp_oops_hide_cookies(lpp_oops_hidden_t *hidden, const char *header,
                           apr_pool_t *pool)
{
    if (!header) {
        return;
    }
    add(hidden, header, strlen(header), 1, pool);
    while (*header) {
        apr_size_t len = strcspn(header, ";");
        const char *sign = memchr(header, '=', len);
        apr_size_t value_len =
            sign ? len - (apr_size_t)(sign + 1 - header) : 0;

        if (sign && may_be_secret(sign + 1, value_len)) {
            add(hidden, sign + 1, value_len, 1, pool);
        }
        header += len + (header[len] == ';');
    }
}

void lpp_oops_hide_authorization(lpp_oops_hidden_t *hidden, const char *header,
                                 apr_pool_t *pool)
{
    apr_size_t scheme;

    if (!header) {
        return;
    }
    add(hidden, header, strlen(header), 1, pool);
    scheme = strcspn(header, " ");
    if (header[scheme]) {
        header += scheme;
        add(hidden, header, strlen(header), 1, pool);
    }
}

int lpp_oops_hides_value(const char *value, apr_size_t len,
                         const lpp_oops_hidden_t *hidden)
{
    int i;

    for (i = 0; hidden && hidden->values && i < hidden->values->nelts; i++) {
        const lpp_oops_value_t *one =
            &APR_ARRAY_IDX(hidden->values, i, lpp_oops_value_t);

        if (one->len == len && memcmp(one->text, value, len) == 0) {
            return 1;
        }
    }
    return 0;
}

apr_size_t lpp_oops_find_value(const char *text, apr_size_t len,
                               apr_size_t from, const lpp_oops_value_t *value)
{
    while (from < len) {
        const char *found =
            memmem(text + from, len - from, value->text, value->len);
        apr_size_t at = found ? (apr_size_t)(found - text) : len;

        if (!found
            || ((at == 0 || !is_word_byte(text[at - 1]))
                && (at + value->len == len
                    || !is_word_byte(text[at + value->len])))) {
            return at;
        }
        from = at + 1;
    }
    return len;
}
