/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_split: for tests: the page of /split, handed to the filters in
 * two pieces, cut at byte N: /split?at=N&how=pass|flush|bucket|one. "one" cuts
 * before and behind that byte.
 */
#include <stdlib.h>
#include <string.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <util_filter.h>

module AP_MODULE_DECLARE_DATA lpp_test_split_module;

static const char page[] =
    "<html><body>a</body><!-- </body> --><p>\xc3\xb6</p>"
    "</BODY \n>b</bod></body\t></html>\n";

typedef struct cut_t {
    request_rec *r;
    apr_bucket_brigade *bb;
    const char *how;
} cut_t;

static apr_status_t give(cut_t *cut, const char *from, const char *to, int last)
{
    apr_bucket_alloc_t *list = cut->r->connection->bucket_alloc;
    apr_status_t status = APR_SUCCESS;
    apr_bucket *b;

    if (to > from) {
        b = apr_bucket_transient_create(from, (apr_size_t)(to - from), list);
        APR_BRIGADE_INSERT_TAIL(cut->bb, b);
    }
    if (last) {
        b = apr_bucket_eos_create(list);
        APR_BRIGADE_INSERT_TAIL(cut->bb, b);
    }
    else if (strstr(cut->how, "flush")) {
        b = apr_bucket_flush_create(list);
        APR_BRIGADE_INSERT_TAIL(cut->bb, b);
    }
    if (last || !strstr(cut->how, "bucket")) {
        status = ap_pass_brigade(cut->r->output_filters, cut->bb);
        apr_brigade_cleanup(cut->bb);
    }
    return status;
}

static int handler(request_rec *r)
{
    cut_t cut = { r, NULL, r->args ? r->args : "" };
    const char *end = page + sizeof(page) - 1, *at = strstr(cut.how, "at=");
    const char *middle = page + (at ? strtol(at + 3, NULL, 10) : 0);

    if (!r->handler || strcmp(r->handler, "lpp-test-split")) {
        return DECLINED;
    }
    if (middle < page || middle >= end) {
        return HTTP_NOT_FOUND; /* tells the test that it was through */
    }
    ap_set_content_type(r, "text/html; charset=utf-8");
    cut.bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    if (give(&cut, page, middle, 0) != APR_SUCCESS) {
        return OK;
    }
    if (strstr(cut.how, "one")) {
        if (give(&cut, middle, middle + 1, 0) != APR_SUCCESS) {
            return OK;
        }
        middle++;
    }
    give(&cut, middle, end, 1);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_test_split) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
