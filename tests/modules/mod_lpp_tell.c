/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_tell: for tests: a module that talks to a database of its own and
 * tells of it through lpprofile.h. /lpp-tell?N,MS: N statements, one of which
 * fails; the n-th takes n times MS milliseconds.
 */
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>

#include "lpprofile.h"

static APR_OPTIONAL_FN_TYPE(lpprofile_statement_begin) *begin;
static APR_OPTIONAL_FN_TYPE(lpprofile_statement_end) *end;

static int handler(request_rec *r)
{
    const char *comma = r->args ? strchr(r->args, ',') : NULL;
    int count, i, statement;

    if (!r->handler || strcmp(r->handler, "lpp-tell")) {
        return DECLINED;
    }
    count = r->args ? atoi(r->args) : 1;
    if (!r->content_type) { /* or ForceType's */
        ap_set_content_type(r, "text/html");
    }
    ap_rprintf(r, "<html><body>%s", begin && end ? "found" : "absent");
    for (i = 0; i < count; i++) {
        statement = begin ? begin("mysql:db host/shop", apr_psprintf(
            r->pool, "SELECT \"s3cret\" FROM t WHERE id = %d", i)) : 0;
        ap_rprintf(r, " %d", statement);
        if (comma) {
            apr_sleep(apr_time_from_msec(i * atoi(comma + 1)));
        }
        if (end) {
            end(statement, i, i == 1 ? "no such \"s3cret\"\n" : NULL);
            end(statement, 99, NULL); /* once is enough */
        }
    }
    if (end) {
        end(12345, 1, NULL);
        end(-7, 1, NULL);
    }
    ap_rputs("</body></html>", r);
    return OK;
}

static void retrieve(void)
{
    begin = APR_RETRIEVE_OPTIONAL_FN(lpprofile_statement_begin);
    end = APR_RETRIEVE_OPTIONAL_FN(lpprofile_statement_end);
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_tell) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
