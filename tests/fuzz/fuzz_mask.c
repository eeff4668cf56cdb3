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

#include "lpp_oops.h"

#define CANARY "zq9canary7x"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef const char *mask_fn(const char *, const apr_array_header_t *,
                            apr_pool_t *);

static void check(mask_fn *mask, const char *text, const char *tail,
                  const apr_array_header_t *more, apr_pool_t *pool)
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
        "\nCookie: a=" CANARY, "&u=%2Fa%3Fb%26secret%3D" CANARY};
    apr_array_header_t *more;
    apr_pool_t *pool;
    char *text;
    unsigned i;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    more = apr_array_make(pool, 1, sizeof(char *));
    APR_ARRAY_PUSH(more, const char *) = "X-Mine";
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
