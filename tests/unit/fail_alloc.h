/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the allocations of a scenario fail, each in turn: what a room makes is
 * then refused with a status or comes out smaller, and nothing crashes or
 * hangs. One process for each failure, so that one crash hides no other.
 *
 * What fails is asked for by the rooms themselves: memory, pools, threads. What
 * APR asks for inside its arrays, hashes and apr_pstrcat does not: APR writes
 * through NULL there, and httpd has its pools end the process before that.
 */
#ifndef FAIL_ALLOC_H
#define FAIL_ALLOC_H

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/lpp_buf.h"

#define MOST 5000  /* allocations of one scenario */
#define LONGEST_S 60

static atomic_int left = -1; /* allocations until one fails; -1: none does */
static atomic_int *failed;   /* shared with the process that ran it */

static int fails(void)
{
    if (left < 0 || atomic_fetch_sub(&left, 1) != 0) {
        return 0;
    }
    *failed = 1;
    return 1;
}

/* No allocation fails from here on; returns what may_fail wants. */
static inline int cannot_fail(void)
{
    return atomic_exchange(&left, -1);
}

static inline void may_fail(int before)
{
    left = before;
}

/* The linker sends the calls of all rooms here: see Makefile.apxs. */
#pragma GCC visibility push(default)

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

void *__real_apr_palloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_palloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_palloc(apr_pool_t *pool, apr_size_t size)
{
    return fails() ? NULL : __real_apr_palloc(pool, size);
}

void *__real_apr_pcalloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_pcalloc(apr_pool_t *pool, apr_size_t size);
void *__wrap_apr_pcalloc(apr_pool_t *pool, apr_size_t size)
{
    return fails() ? NULL : __real_apr_pcalloc(pool, size);
}

char *__real_apr_pstrdup(apr_pool_t *pool, const char *text);
char *__wrap_apr_pstrdup(apr_pool_t *pool, const char *text);
char *__wrap_apr_pstrdup(apr_pool_t *pool, const char *text)
{
    return fails() ? NULL : __real_apr_pstrdup(pool, text);
}

char *__real_apr_pstrmemdup(apr_pool_t *pool, const char *text, apr_size_t len);
char *__wrap_apr_pstrmemdup(apr_pool_t *pool, const char *text, apr_size_t len);
char *__wrap_apr_pstrmemdup(apr_pool_t *pool, const char *text, apr_size_t len)
{
    return fails() ? NULL : __real_apr_pstrmemdup(pool, text, len);
}

char *__real_apr_pstrndup(apr_pool_t *pool, const char *text, apr_size_t len);
char *__wrap_apr_pstrndup(apr_pool_t *pool, const char *text, apr_size_t len);
char *__wrap_apr_pstrndup(apr_pool_t *pool, const char *text, apr_size_t len)
{
    return fails() ? NULL : __real_apr_pstrndup(pool, text, len);
}

char *__wrap_apr_psprintf(apr_pool_t *pool, const char *format, ...);
char *__wrap_apr_psprintf(apr_pool_t *pool, const char *format, ...)
{
    va_list args;
    char *text;

    if (fails()) {
        return NULL;
    }
    va_start(args, format);
    text = apr_pvsprintf(pool, format, args);
    va_end(args);
    return text;
}

apr_status_t __real_apr_pool_create_ex(apr_pool_t **pool, apr_pool_t *parent,
                                       apr_abortfunc_t abort_fn,
                                       apr_allocator_t *allocator);
apr_status_t __wrap_apr_pool_create_ex(apr_pool_t **pool, apr_pool_t *parent,
                                       apr_abortfunc_t abort_fn,
                                       apr_allocator_t *allocator);
apr_status_t __wrap_apr_pool_create_ex(apr_pool_t **pool, apr_pool_t *parent,
                                       apr_abortfunc_t abort_fn,
                                       apr_allocator_t *allocator)
{
    if (fails()) {
        *pool = NULL;
        return APR_ENOMEM;
    }
    return __real_apr_pool_create_ex(pool, parent, abort_fn, allocator);
}

apr_status_t __real_apr_pool_create_unmanaged_ex(apr_pool_t **pool,
                                                 apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator);
apr_status_t __wrap_apr_pool_create_unmanaged_ex(apr_pool_t **pool,
                                                 apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator);
apr_status_t __wrap_apr_pool_create_unmanaged_ex(apr_pool_t **pool,
                                                 apr_abortfunc_t abort_fn,
                                                 apr_allocator_t *allocator)
{
    if (fails()) {
        *pool = NULL;
        return APR_ENOMEM;
    }
    return __real_apr_pool_create_unmanaged_ex(pool, abort_fn, allocator);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *baton);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *baton);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*function)(void *), void *baton)
{
    return fails() ? EAGAIN
                   : __real_pthread_create(thread, attributes, function, baton);
}

#pragma GCC visibility pop

/* A sink that takes everything; baton: an apr_size_t that counts. */
static inline apr_status_t count_bytes(void *baton, const char *data,
                                       apr_size_t len)
{
    *(apr_size_t *)baton += len;
    return APR_SUCCESS;
}

/* In place of cmocka's, which would go on with the next test: this is a process
 * of its own. */
#define MUST(condition)                                                       \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,        \
                    #condition);                                              \
            _exit(1);                                                         \
        }                                                                     \
    } while (0)

/* How a scenario ended: any other exit code is a sanitizer's. */
enum { FINE = 40, REFUSED };

/* In a process of its own. Below 0: less the signal that ended it. */
static int run_one(apr_status_t (*scenario)(apr_pool_t *), int number)
{
    pid_t pid;
    int status;

    *failed = 0;
    pid = fork();
    if (pid == 0) {
        apr_pool_t *pool;
        apr_status_t got;

        signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with the tests */
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        alarm(LONGEST_S);
        apr_pool_create(&pool, NULL);
        may_fail(number);
        got = scenario(pool);
        cannot_fail();
        apr_pool_destroy(pool);
        _exit(got == APR_SUCCESS ? FINE : REFUSED);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void each_in_turn(const char *name,
                         apr_status_t (*scenario)(apr_pool_t *))
{
    int number, refused = 0, crashed = 0, got = 0;

    failed = mmap(NULL, sizeof(*failed), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(failed, MAP_FAILED);
    for (number = 0; number < MOST; number++) {
        got = run_one(scenario, number);
        if (!*failed) {
            break;
        }
        refused += got == REFUSED;
        if (got != FINE && got != REFUSED) {
            print_error("%s: %s %d when allocation %d failed\n", name,
                        got < 0 ? "signal" : "exit", got < 0 ? -got : got,
                        number);
            crashed++;
        }
    }
    print_message("%s: %d allocations, %d refused\n", name, number, refused);
    assert_int_equal(got, FINE); /* that was without a failure */
    assert_int_equal(crashed, 0);
    assert_true(number > 0 && refused > 0);
    munmap(failed, sizeof(*failed));
}

#define ROOM(name)                                                            \
    static void test_##name(void **state)                                     \
    {                                                                         \
        each_in_turn(#name, name);                                            \
    }

/* For main: what a test program of such rooms does. */
#define RUN_ROOMS(tests)                                                      \
    (apr_initialize(), cmocka_run_group_tests(tests, NULL, NULL))

#endif
