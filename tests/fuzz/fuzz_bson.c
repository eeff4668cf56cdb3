/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_bson: any bytes as the texts of a record. What is written must be one
 * whole BSON document, UTF-8 throughout, with every key of a report once and
 * as many variables and timeline rows as were put in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <bson/bson.h>

#include "oops/lpp_oops.h"

#define FIELDS 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = {
    "id", "type", "value", "time", "reporter", "topic", "branch_nick", "revno",
    "tb_text", "username", "url", "req_vars", "timeline", "duration",
    "informational"
};

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* The input's texts, which NULs part; "" for those that are missing. */
static void split(const uint8_t *data, size_t size, const char **fields,
                  apr_pool_t *pool)
{
    size_t at = 0;
    int i;

    for (i = 0; i < FIELDS; i++) {
        size_t from = at;

        while (at < size && data[at]) {
            at++;
        }
        fields[i] = apr_pstrmemdup(pool, (const char *)data + from, at - from);
        at += at < size;
    }
}

static void check(const lpp_buf_t *buf, const lpp_oops_t *oops)
{
    bson_t document;
    bson_iter_t iter, child;
    size_t at;
    unsigned i, found;
    int rows = 0;

    require(bson_init_static(&document, (const uint8_t *)buf->data, buf->len));
    require(bson_validate(&document, BSON_VALIDATE_UTF8, &at));
    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        found = 0;
        require(bson_iter_init(&iter, &document));
        while (bson_iter_next(&iter)) {
            found += strcmp(bson_iter_key(&iter), keys[i]) == 0;
        }
        require(found == 1);
    }
    require(bson_iter_init_find(&iter, &document, "timeline")
            && bson_iter_recurse(&iter, &child));
    while (bson_iter_next(&child)) {
        rows++;
    }
    require(rows == oops->timeline->nelts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *fields[FIELDS];
    apr_pool_t *pool;
    lpp_oops_t *oops;
    lpp_buf_t *buf;
    lpp_sink_t sink;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    split(data, size, fields, pool);
    require(lpp_oops_create(&oops, "OOPS-1", pool) == APR_SUCCESS);
    oops->type = fields[0];
    oops->value = fields[1];
    oops->topic = fields[2];
    oops->username = fields[3];
    oops->url = fields[4];
    oops->tb_text = fields[5];
    lpp_oops_add_var(oops, fields[6], fields[7], NULL);
    lpp_oops_add_var(oops, fields[8], fields[9], NULL);
    lpp_oops_add_event(oops, (double)size, (double)size * 3, fields[8],
                       fields[7]);
    buf = apr_palloc(pool, sizeof(*buf));
    lpp_buf_init(buf, pool, LPP_FILE_MAX_BYTES);
    sink = lpp_buf_sink(buf);
    require(lpp_oops_write_bson(oops, &sink, pool) == APR_SUCCESS);
    check(buf, oops);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}
