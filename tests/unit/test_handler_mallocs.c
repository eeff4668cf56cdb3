/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* Nothing is allocated or freed in signal context: every malloc and free of
 * this process is counted, by thread, while its only work is to be sampled and
 * to crash. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "sampling/lpp_session.h"
#include "sampling/lpp_postmortem.h"
#include "restart_trial.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

static __thread volatile unsigned long calls
    __attribute__((tls_model("initial-exec")));

/* A sanitizer's allocator must stay in its place. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTED 1
void *malloc(size_t size)
{
    calls++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    calls++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    calls++;
    return __libc_realloc(old, size);
}

void free(void *old)
{
    calls++;
    __libc_free(old);
}
#else
#define COUNTED 0
#endif

static apr_pool_t *pool;

static lpp_session_t *start(void)
{
    static const char *const roots[] = { NULL };
    lpp_sampler_options_t options;
    lpp_session_options_t wish;
    apr_interval_time_t waited;
    apr_global_mutex_t *mutex;
    lpp_sampler_t *sampler;
    lpp_session_t *session;
    apr_status_t status;

    memset(&options, 0, sizeof(options));
    memset(&wish, 0, sizeof(wish));
    assert_int_equal(apr_global_mutex_create(&mutex, NULL,
                                             APR_LOCK_PROC_PTHREAD, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&options.gate, mutex, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_child_init(options.gate, pool), APR_SUCCESS);
    assert_int_equal(lpp_maps_create(&options.maps, pool), APR_SUCCESS);
    assert_int_equal(lpp_sampler_create(&sampler, &options, pool),
                     APR_SUCCESS);
    wish.rate_hz = 1000;
    wish.stacks = 1;
    wish.max_waiting = 1;
    wish.lock_timeout_us = 10000000;
    assert_int_equal(lpp_session_start(sampler, &wish, roots, &session,
                                       &waited, &status, pool),
                     LPP_START_RUNNING);
    return session;
}

static void compute(long long ns)
{
    struct timespec now;
    long long end = 0;
    volatile unsigned turns;

    do {
        for (turns = 0; turns < 50000; turns++) {
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
        end = end ? end : now.tv_sec * 1000000000ll + now.tv_nsec + ns;
    } while (now.tv_sec * 1000000000ll + now.tv_nsec < end);
}

static void the_sampler_s_handler_allocates_nothing(void **state)
{
    struct timespec nap = { 0, 20000000 };
    lpp_profile_t *profile;
    lpp_session_t *session;
    unsigned long before;
    int i;

    if (!COUNTED) {
        skip();
    }
    apr_pool_create(&pool, NULL);
    before = calls;
    free(malloc(10));
    assert_int_equal(calls, before + 2); /* they are counted */
    session = start();
    before = calls;
    compute(300000000);
    for (i = 0; i < 5; i++) {
        nanosleep(&nap, NULL); /* interrupted, and repaired */
    }
    assert_int_equal(calls, before);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_int_equal(lpp_session_profile(session, &profile, 5000000, pool),
                     APR_SUCCESS);
    assert_true(profile->total.samples >= 10); /* one would tell */
    lpp_session_close(session);
    apr_pool_destroy(pool);
}

static sigjmp_buf back;

static void catch_crash(int number)
{
    siglongjmp(back, number);
}

static void the_crash_s_handler_allocates_nothing(void **state)
{
    static lpp_crash_t crash;
    static volatile unsigned long before;

    if (!COUNTED) {
        skip();
    }
    signal(SIGSEGV, catch_crash);
    lpp_crash_arm(&crash, (apr_uint32_t)syscall(SYS_gettid));
    if (sigsetjmp(back, 1) == 0) {
        before = calls;
        raise(SIGSEGV);
        fail();
    }
    assert_int_equal(calls, before);
    assert_int_equal(atomic_load(&crash.state), LPP_CRASH_WHOLE);
    lpp_crash_disarm();
    signal(SIGSEGV, SIG_DFL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sampler_s_handler_allocates_nothing),
        cmocka_unit_test(the_crash_s_handler_allocates_nothing),
    };

    apr_initialize();
    if (!try_restarts()) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
