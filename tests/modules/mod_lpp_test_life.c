/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_life: for tests: requests that do not end where they began.
 * /life?suspend leaves its thread for 300 ms, works on another one for 100 ms
 * and is answered there; /life?events is a stream of events; /life?large sends
 * 60 MB.
 */
#include <string.h>
#include <time.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>
#include <util_filter.h>

module AP_MODULE_DECLARE_DATA lpp_test_life_module;

#define NOINLINE __attribute__((noinline, noclone, used))

void life_before(long ms);
void life_after(long ms);

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

NOINLINE void life_after(long ms)
{
    double until = cpu_ms() + (double)ms;

    while (cpu_ms() < until) {
    }
    __asm__ volatile("" : : : "memory");
}

/* On whatever thread the MPM has for timers. */
static void go_on(void *baton)
{
    request_rec *r = baton;
    conn_rec *c = r->connection;

    apr_thread_mutex_lock(r->invoke_mtx);
    ap_run_resume_connection(c, r);
    life_after(100);
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, 5);
    ap_rputs("late\n", r);
    ap_rflush(r); /* nobody writes for a suspended connection */
    apr_thread_mutex_unlock(r->invoke_mtx);
    ap_finalize_request_protocol(r);
    life_after(50); /* no longer the request's: its last byte is on its way */
    ap_process_request_after_handler(r);
}

static int suspend(request_rec *r)
{
    life_before(50);
    r->connection->keepalive = AP_CONN_CLOSE;
    return ap_mpm_register_timed_callback(300000, go_on, r) == APR_SUCCESS
        ? SUSPENDED : HTTP_INTERNAL_SERVER_ERROR;
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
    return strcmp(r->args, "suspend") == 0 ? suspend(r)
        : strcmp(r->args, "events") == 0 ? events(r)
        : strcmp(r->args, "large") == 0 ? large(r) : HTTP_NOT_FOUND;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_test_life) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
