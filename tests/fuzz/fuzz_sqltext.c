/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_sqltext: takes the literals out of any text, in each flavour, and reads
 * database names out of it. The result is no longer than the text, and where
 * the text has no quote, backslash, dollar or comment a literal behind it is
 * hidden whatever else stands there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "parse/lpp_sqltext.h"

#define CANARY "zq9canary7x"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const drivers[] = {"pgsql", "mysql", "sqlite3", "odbc"};
    char *text = malloc(size + 1); /* a fence behind it, for sanitizers */
    apr_pool_t *pool;
    unsigned i;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    for (i = 0; i < LPP_COUNT(drivers); i++) {
        lpp_sqltext_flavour_e flavour = lpp_sqltext_flavour(drivers[i]);
        const char *masked = lpp_sqltext_mask(text, flavour, pool);

        if (strlen(masked) > strlen(text)) {
            abort();
        }
        masked = lpp_sqltext_mask(apr_pstrcat(pool, text, " '" CANARY "'",
                                              NULL), flavour, pool);
        if (!strpbrk(text, "'\"`[\\$-#/") && !strstr(text, CANARY)
            && strstr(masked, CANARY)) {
            abort();
        }
        masked = lpp_sqltext_database(drivers[i], text, pool);
        if (strpbrk(masked, " \t\r\n")) {
            abort();
        }
    }
    if (strchr(lpp_sqltext_mask_error(text, pool), '\n')) {
        abort();
    }
    apr_pool_destroy(pool);
    apr_terminate();
    free(text);
    return 0;
}
