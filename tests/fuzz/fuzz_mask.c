/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_mask: masks any text, with a secret put behind it: that must be hidden
 * whatever stands before it, and stay hidden when masked again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "oops/lpp_oops.h"

#define CANARY "zq9canary7x"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef const char *mask_fn(const char *, const lpp_oops_hidden_t *,
                            apr_pool_t *);

static void check(mask_fn *mask, const char *text, const char *tail,
                  const lpp_oops_hidden_t *more, apr_pool_t *pool)
{
    const char *once;

    if (strstr(text, CANARY)) {
        return;
    }
    once = mask(apr_pstrcat(pool, text, tail, NULL), more, pool);
    if (strstr(once, CANARY) || strstr(mask(once, more, pool), CANARY)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const tails[] = {
        "&token=" CANARY,      "&user%5Bpass%77ord%5D=" CANARY,
        " /x?x-mine=" CANARY,  "\nhttp://u:" CANARY "@host/",
        "\nCookie: a=" CANARY, "&u=%2Fa%3Fb%26secret%3D" CANARY,
        "&d={\"password\":\"" CANARY "\"}", "&d=%7B%22sid%22%3A" CANARY "%7D",
        "&x=" CANARY "-1 "};
    lpp_oops_hidden_t hidden = {0}, *more = &hidden;
    apr_array_header_t *names;
    apr_pool_t *pool;
    char *text;
    unsigned i;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    names = apr_array_make(pool, 1, sizeof(char *));
    APR_ARRAY_PUSH(names, const char *) = "X-Mine";
    hidden.names = names;
    lpp_oops_hide_cookies(&hidden, "id=" CANARY "-1", pool);
    text = apr_pstrmemdup(pool, (const char *)data, size);
    for (i = 0; i < LPP_COUNT(tails); i++) {
        check(lpp_oops_mask_url, text, tails[i], more, pool);
        check(lpp_oops_mask_query, text, tails[i][0] == '&' ? tails[i] : "",
              more, pool);
    }
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
