/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_life: for tests: requests that last. /life?events is a stream of
 * events; /life?large sends 60 MB. /life?suspended leaves its thread and is
 * finished from two timed callbacks of the MPM, as mod_dialup does it;
 * /life?resumed runs the hooks of the connection around these, as the MPM does
 * where it takes a connection up again; /life?forgotten is never called back;
 * /life?other is short.
 */
#include <string.h>
#include <time.h>

#include <ap_mpm.h>
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>
#include <util_filter.h>

module AP_MODULE_DECLARE_DATA lpp_test_life_module;

#define NOINLINE __attribute__((noinline, noclone, used))

#define AWAY_US 150000 /* between two callbacks */
#define WORK_MS 100 /* enough to be sampled where processors are short */

void life_before(long ms);
void life_after(long ms);
void life_other(long ms);

static double cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline void spin(long ms)
{
    double until = cpu_ms() + (double)ms;

    while (cpu_ms() < until) {
    }
}

NOINLINE void life_before(long ms)
{
    spin(ms);
}

NOINLINE void life_after(long ms)
{
    spin(ms);
}

NOINLINE void life_other(long ms)
{
    spin(ms);
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

typedef struct pulse_t {
    request_rec *r;
    int left;  /* callbacks still to come */
    int hooks; /* the connection's hooks are run */
} pulse_t;

static void pulse(void *baton);

static apr_status_t wait_for_pulse(pulse_t *mine)
{
    return ap_mpm_register_timed_callback(AWAY_US, pulse, mine);
}

/* The last of it: 2.4 has no way back into its MPM from a callback, so the
 * connection ends here. */
static void finish(request_rec *r)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *bb;

    ap_finalize_request_protocol(r);
    apr_thread_mutex_unlock(r->invoke_mtx);
    ap_process_request_after_handler(r);
    bb = apr_brigade_create(c->pool, c->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(c->bucket_alloc));
    ap_pass_brigade(c->output_filters, bb);
    apr_brigade_destroy(bb);
    apr_socket_shutdown(ap_get_conn_socket(c), APR_SHUTDOWN_READWRITE);
}

static void pulse(void *baton)
{
    pulse_t *mine = baton;
    request_rec *r = mine->r;

    apr_thread_mutex_lock(r->invoke_mtx);
    if (mine->hooks) {
        ap_run_resume_connection(r->connection, r);
    }
    life_after(WORK_MS);
    ap_rprintf(r, "pulse %d\n", mine->left);
    ap_rflush(r);
    if (--mine->left == 0) {
        finish(r);
        return;
    }
    if (mine->hooks) {
        ap_run_suspend_connection(r->connection, r);
    }
    if (wait_for_pulse(mine) != APR_SUCCESS) {
        finish(r);
        return;
    }
    apr_thread_mutex_unlock(r->invoke_mtx);
}

static int suspend(request_rec *r)
{
    pulse_t *mine = apr_pcalloc(r->pool, sizeof(*mine));

    mine->r = r;
    mine->left = 2;
    mine->hooks = strcmp(r->args, "resumed") == 0;
    ap_set_content_type(r, "text/plain");
    r->connection->keepalive = AP_CONN_CLOSE;
    life_before(WORK_MS);
    if (strcmp(r->args, "forgotten") != 0
        && wait_for_pulse(mine) != APR_SUCCESS) {
        return HTTP_NOT_IMPLEMENTED;
    }
    return SUSPENDED;
}

/* What runs on the threads that the others have left. */
static int other(request_rec *r)
{
    life_other(3);
    ap_set_content_type(r, "text/plain");
    ap_rputs("other\n", r);
    return OK;
}

static int handler(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "lpp-life") != 0
        || r->args == NULL) {
        return DECLINED;
    }
    return strcmp(r->args, "events") == 0 ? events(r)
        : strcmp(r->args, "large") == 0 ? large(r)
        : strcmp(r->args, "other") == 0 ? other(r)
        : strcmp(r->args, "suspended") == 0
                || strcmp(r->args, "resumed") == 0
                || strcmp(r->args, "forgotten") == 0
            ? suspend(r) : HTTP_NOT_FOUND;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_test_life) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
