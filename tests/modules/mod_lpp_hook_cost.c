/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_hook_cost: for bench_hooks.py: the handler lpp-hook-cost runs the
 * hooks of a phase over and over, of which this module has many that decline at
 * once, and says how many nanoseconds one hook took. Asked for with a profile
 * and without, the difference is what counting costs, all included. After
 * "Define MANY_HOOKS" there are more hooks than mod_lpprofile has entries.
 */
#include <string.h>
#include <time.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#define HOOKS 60
#define MANY_HOOKS 700
#define ROUNDS 50
#define TRIES 40

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static int decline(request_rec *r)
{
    return DECLINED;
}

static int handler(request_rec *r)
{
    apr_array_header_t *hooks = ap_hook_get_header_parser();
    double best = 1e18;
    int i, j;

    if (r->handler == NULL || strcmp(r->handler, "lpp-hook-cost") != 0) {
        return DECLINED;
    }
    for (i = 0; i < TRIES; i++) { /* the best: other work only adds */
        double start = now_ns(), took;

        for (j = 0; j < ROUNDS; j++) {
            ap_run_header_parser(r);
        }
        took = (now_ns() - start) / ROUNDS / hooks->nelts;
        best = took < best ? took : best;
    }
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%.2f\n", best);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    int count = ap_exists_config_define("MANY_HOOKS") ? MANY_HOOKS : HOOKS;
    int i;

    for (i = 0; i < count; i++) {
        ap_hook_header_parser(decline, NULL, NULL, APR_HOOK_MIDDLE);
    }
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA lpp_hook_cost_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
