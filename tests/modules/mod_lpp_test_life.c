/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_life: for tests: requests that last. /life?events is a stream of
 * events; /life?large sends 60 MB.
 */
#include <string.h>
#include <time.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <util_filter.h>

module AP_MODULE_DECLARE_DATA lpp_test_life_module;

#define NOINLINE __attribute__((noinline, noclone, used))

void life_before(long ms);

static double cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

NOINLINE void life_before(long ms)
{
    double until = cpu_ms() + (double)ms;

    while (cpu_ms() < until) {
    }
}

static int events(request_rec *r)
{
    int i;

    ap_set_content_type(r, "text/event-stream");
    for (i = 0; i < 4; i++) {
        life_before(20);
        ap_rprintf(r, "data: %d\n\n", i);
        ap_rflush(r);
    }
    return OK;
}

static int large(request_rec *r)
{
    static char bytes[100000];
    int i;

    ap_set_content_type(r, "application/octet-stream");
    ap_set_content_length(r, 60000000);
    for (i = 0; i < 600; i++) {
        if (ap_rwrite(bytes, sizeof(bytes), r) < 0) {
            break;
        }
    }
    return OK;
}

static int handler(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "lpp-life") != 0
        || r->args == NULL) {
        return DECLINED;
    }
    return strcmp(r->args, "events") == 0 ? events(r)
        : strcmp(r->args, "large") == 0 ? large(r) : HTTP_NOT_FOUND;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_test_life) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
