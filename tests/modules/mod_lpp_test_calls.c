/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_calls: for tests: /lpp-calls?N runs blocking call number N of
 * blocking_calls.h in a handler and says what came of it: name, result, errno,
 * microseconds. Also tells in X-Test-Arm-Us how long the post_read_request
 * hooks kept the request.
 */
#include <string.h>

#include <apr_strings.h>
#include <apr_lib.h>
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <util_filter.h>

#include "blocking_calls.h"
#include "blocking_io.h"

module AP_MODULE_DECLARE_DATA lpp_test_calls_module;

static int handler(request_rec *r)
{
    outcome_t outcome;
    unsigned number;

    if (r->handler == NULL || strcmp(r->handler, "lpp-calls") != 0) {
        return DECLINED;
    }
    ap_set_content_type(r, "text/plain");
    number = r->args != NULL ? (unsigned)atoi(r->args) : 0;
    if (number >= CALLS) {
        return HTTP_NOT_FOUND;
    }
    pool = r->pool;
    outcome = run(calls[number].call);
    ap_rprintf(r, "%s;%ld;%d;%.1f\n", calls[number].name, outcome.result,
               outcome.error, (double)outcome.took_ns / 1e3);
    return OK;
}

static int before(request_rec *r)
{
    if (r->prev == NULL && r->main == NULL) {
        apr_uint64_t *began = apr_palloc(r->pool, sizeof(*began));

        *began = now_ns();
        ap_set_module_config(r->request_config, &lpp_test_calls_module,
                             began);
    }
    return DECLINED;
}

static int after(request_rec *r)
{
    apr_uint64_t *began = ap_get_module_config(r->request_config,
                                               &lpp_test_calls_module);

    if (began != NULL) {
        apr_table_setn(r->err_headers_out, "X-Test-Arm-Us",
                       apr_psprintf(r->pool, "%.1f",
                                    (double)(now_ns() - *began) / 1e3));
    }
    return DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(before, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_read_request(after, NULL, NULL, APR_HOOK_REALLY_LAST);
}

AP_DECLARE_MODULE(lpp_test_calls) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
