/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_names: any bytes as a report's id, a file's name and a page id. An id
 * that is taken has its one form; a name that is taken is one plain component,
 * and the stem of a page id, whatever that is, is a name whose file is found
 * again by its id.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "store/lpp_store.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" \
              "._:+@-"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_id(const char *text)
{
    if (lpp_store_is_id(text)) {
        require(strlen(text) == LPP_OOPS_ID_LEN);
        require(strspn(text + 5, "0123456789abcdef") == LPP_OOPS_ID_LEN - 5);
    }
}

static void check_name(const char *text, apr_pool_t *pool)
{
    lpp_store_entry_t entry;

    if (lpp_store_is_name(text)) {
        require(text[0] && text[0] != '.');
        require(strspn(text, PLAIN) == strlen(text));
    }
    memset(&entry, 0, sizeof(entry));
    if (lpp_store_parse_name(text, &entry, pool)) {
        require(lpp_store_is_name(text) && lpp_store_is_id(entry.id));
        require(strstr(text, entry.id) != NULL);
    }
}

static void check_stem(const char *page_id, apr_time_t when, apr_pool_t *pool)
{
    const char *stem = lpp_store_stem(when, page_id, ID, 1, 2, pool);
    lpp_store_entry_t entry;

    require(stem && strlen(stem) < 255 - 20);
    require(strspn(stem, PLAIN) == strlen(stem));
    require(lpp_store_parse_name(
        apr_pstrcat(pool, "callgrind.out.", stem, NULL), &entry, pool));
    require(strcmp(entry.id, ID) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool;
    char *text;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    text = apr_pstrmemdup(pool, (const char *)data, size);
    check_id(text);
    check_name(text, pool);
    check_stem(text, (apr_time_t)size * 1000003, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
