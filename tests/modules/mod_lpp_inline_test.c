/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module that uses the inline API, built from the installed lpprofile.h
 * alone: /inline?what does what with its regions and answers with a page.
 */
#include <lpprofile.h>

#include <pthread.h>
#include <string.h>
#include <time.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

static lpprofile_api_t lpp;

/* Not static, so that a profile names it. */
__attribute__((noinline, visibility("default")))
unsigned lpp_test_burn(unsigned ms);

unsigned lpp_test_burn(unsigned ms)
{
    struct timespec from, now;
    volatile unsigned sum = 0;
    unsigned i;

    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        for (i = 0; i < 1000; i++) {
            sum += i * i;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000.0
             + (double)(now.tv_nsec - from.tv_nsec) / 1e6 < ms);
    return sum;
}

__attribute__((noinline, visibility("default")))
unsigned lpp_test_outside(unsigned ms);

unsigned lpp_test_outside(unsigned ms)
{
    return lpp_test_burn(ms) + 1;
}

static int start(request_rec *r, const char *name)
{
    return lpp.start ? lpp.start(r, name) : 0;
}

static int stop(request_rec *r)
{
    return lpp.stop ? lpp.stop(r) : 0;
}

static void leave_early(request_rec *r, int early)
{
    LPPROFILE_REGION(&lpp, r, "scoped");

    lpp_test_burn(5);
    if (early) {
        return;
    }
    lpp_test_burn(500);
}

static void *other_thread(void *r)
{
    static int answers[3];

    answers[0] = lpp.start ? lpp.start(r, "elsewhere") : 0;
    answers[1] = lpp.time ? lpp.time(r, "elsewhere") : 0;
    answers[2] = lpp.stop ? lpp.stop(r) : 0;
    return answers;
}

static void from_other_thread(request_rec *r)
{
    pthread_t thread;
    void *result = NULL;
    int *answers;

    if (pthread_create(&thread, NULL, other_thread, r) == 0) {
        pthread_join(thread, &result);
    }
    answers = result;
    ap_rprintf(r, "<p>other thread: %d %d %d</p>", answers ? answers[0] : -1,
               answers ? answers[1] : -1, answers ? answers[2] : -1);
}

static void include(request_rec *r, const char *uri)
{
    request_rec *sub = ap_sub_req_lookup_uri(uri, r, r->output_filters);

    if (sub->status == HTTP_OK) {
        ap_run_sub_req(sub);
    }
    ap_destroy_sub_req(sub);
}

static void regions(request_rec *r, const char *what)
{
    int i;

    if (strstr(what, "twice")) {
        for (i = 0; i < 2; i++) {
            ap_rprintf(r, "<p>start: %d</p>", start(r, "work <&>"));
            lpp_test_burn(20);
            ap_rprintf(r, "<p>stop: %d</p>", stop(r));
            lpp_test_outside(30);
        }
    }
    if (strstr(what, "nested")) {
        start(r, "outer");
        lpp_test_burn(5);
        start(r, "inner");
        lpp_test_burn(10);
        stop(r);
        lpp_test_burn(5);
        stop(r);
    }
    if (strstr(what, "many")) {
        for (i = 0; i < 200; i++) {
            start(r, "short");
            stop(r);
            lpp_test_outside(1);
        }
    }
    if (strstr(what, "early")) {
        leave_early(r, 1);
    }
    if (strstr(what, "surplus")) {
        ap_rprintf(r, "<p>surplus: %d</p>", stop(r));
    }
    if (strstr(what, "timeonly")) {
        ap_rprintf(r, "<p>time: %d</p>", lpp.time ? lpp.time(r, "timed") : 0);
        lpp_test_burn(2);
        stop(r);
    }
    if (strstr(what, "cross")) {
        start(r, "across");
        include(r, "/inline-sub?stop");
    }
    if (strstr(what, "thread")) {
        from_other_thread(r);
    }
    if (strstr(what, "open")) {
        start(r, "open");
        lpp_test_burn(20);
    }
}

static int handle(request_rec *r)
{
    const char *what = r->args ? r->args : "";

    if (!strcmp(r->uri, "/inline-sub")) {
        lpp_test_burn(5);
        ap_rprintf(r, "<p>crossed: %d</p>", stop(r));
        return OK;
    }
    if (strcmp(r->uri, "/inline")) {
        return DECLINED;
    }
    ap_set_content_type(r, strstr(what, "plain") ? "text/plain" : "text/html");
    ap_rputs("<html><body><p>inline test</p>", r);
    if (strstr(what, "late")) {
        ap_rflush(r);
    }
    regions(r, what);
    ap_rputs("</body></html>\n", r);
    return OK;
}

/* A region from the first hook to the last: a request need not have begun
 * profiling in its handler. */
static int fixup(request_rec *r)
{
    if (r->args && strstr(r->args, "fixups") && !r->main) {
        start(r, "from fixups");
        lpp_test_burn(5);
    }
    return DECLINED;
}

static void retrieve(void)
{
    lpprofile_retrieve(&lpp);
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_fixups(fixup, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_inline_test) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
