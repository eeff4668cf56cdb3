/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_crash: ends its process in the way that the query string names, after
 * as many milliseconds of work as follow: /crash?segv=50. For tests alone.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>

module AP_MODULE_DECLARE_DATA lpp_crash_module;

static volatile unsigned long sink;
static int *volatile nowhere = (int *)16;
static void (*volatile no_code)(void) = (void (*)(void))0x10;

/* Of the CPU: on a busy machine the helper then has as much of it. */
static long cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

__attribute__((noinline)) void lpp_crash_work(long ms)
{
    long end = cpu_ms() + ms;

    while (cpu_ms() < end) {
        unsigned i;

        for (i = 0; i < 10000; i++) {
            sink += i * i;
        }
    }
}

__attribute__((noinline)) void lpp_crash_write(void)
{
    *nowhere = 1;
    sink++;
}

__attribute__((noinline)) void lpp_crash_call(void)
{
    no_code();
    sink++;
}

__attribute__((noinline)) unsigned lpp_crash_recurse(unsigned depth)
{
    volatile char room[4096];

    room[depth % sizeof(room)] = (char)depth;
    return lpp_crash_recurse(depth + 1) + (unsigned)room[7];
}

static void *other_thread(void *unused)
{
    sigset_t none;

    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    lpp_crash_write();
    return unused;
}

/* A handler that passes every crash on to the one before it, as those of
 * several language runtimes do. */
static struct sigaction before;

static void pass_on(int number, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    }
    else {
        sigaction(number, &before, NULL);
    }
}

static void install_chained(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = pass_on;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &before);
}

__attribute__((noinline)) void lpp_crash_end(const char *how, request_rec *r)
{
    pthread_t thread;

    if (!strcmp(how, "segv")) {
        lpp_crash_write();
    }
    else if (!strcmp(how, "call")) {
        lpp_crash_call();
    }
    else if (!strcmp(how, "overflow")) {
        sink += lpp_crash_recurse(0);
    }
    else if (!strcmp(how, "abort")) {
        abort();
    }
    else if (!strcmp(how, "fpe")) {
        raise(SIGFPE);
    }
    else if (!strcmp(how, "kill")) {
        kill(getpid(), SIGKILL);
    }
    else if (!strcmp(how, "exit")) {
        exit(3);
    }
    else if (!strcmp(how, "_exit")) {
        _exit(3);
    }
    else if (!strcmp(how, "thread")) {
        if (pthread_create(&thread, NULL, other_thread, NULL) == 0) {
            pthread_join(thread, NULL);
        }
    }
    else if (!strcmp(how, "chain")) {
        install_chained();
    }
    else if (!strcmp(how, "unchain")) {
        sigaction(SIGSEGV, &before, NULL);
    }
    else if (!strcmp(how, "actions")) {
        static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE,
                                       SIGILL };
        struct sigaction action;
        stack_t stack;
        unsigned i;

        for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
            sigaction(signals[i], NULL, &action);
            ap_rprintf(r, "%d %pp\n", signals[i], (void *)action.sa_handler);
        }
        sigaltstack(NULL, &stack);
        ap_rprintf(r, "stack %d\n", stack.ss_flags);
    }
}

static int crash_handler(request_rec *r)
{
    const char *equals;

    if (!r->handler || strcmp(r->handler, "lpp-crash") != 0) {
        return DECLINED;
    }
    ap_set_content_type(r, "text/plain");
    equals = r->args ? strchr(r->args, '=') : NULL;
    if (!equals) {
        return HTTP_BAD_REQUEST;
    }
    lpp_crash_work(atol(equals + 1));
    lpp_crash_end(apr_pstrmemdup(r->pool, r->args,
                                 (apr_size_t)(equals - r->args)), r);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_handler(crash_handler, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lpp_crash) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    register_hooks
};
