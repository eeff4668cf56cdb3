/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_sampler over code that runs on a stack of its own. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lpp_sampler.h"

#define WORK_MS 300
#define GUARD_BYTES 65536 /* below each stack, nobody's */

typedef struct world_t {
    apr_pool_t *pool;
    lpp_maps_t *maps;
    lpp_sampler_t *sampler;
} world_t;

static apr_pool_t *root;
static const char *const no_roots[] = { NULL };

static int set_up(void **state)
{
    lpp_sampler_options_t options;
    apr_global_mutex_t *mutex;
    world_t *world;
    apr_pool_t *pool;

    assert_int_equal(apr_pool_create(&pool, root), APR_SUCCESS);
    world = apr_pcalloc(pool, sizeof(*world));
    world->pool = pool;
    memset(&options, 0, sizeof(options));
    assert_int_equal(apr_global_mutex_create(&mutex, NULL,
                                             APR_LOCK_PROC_PTHREAD, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&options.gate, mutex, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_child_init(options.gate, pool), APR_SUCCESS);
    assert_int_equal(lpp_maps_create(&world->maps, pool), APR_SUCCESS);
    options.maps = world->maps;
    assert_int_equal(lpp_sampler_create(&world->sampler, &options, pool),
                     APR_SUCCESS);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    world_t *world = *state;

    apr_pool_destroy(world->pool);
    return 0;
}

static lpp_session_t *start(world_t *world, apr_uint32_t rate_hz)
{
    lpp_session_options_t wish;
    apr_interval_time_t waited;
    lpp_session_t *session;
    apr_status_t status;

    memset(&wish, 0, sizeof(wish));
    wish.rate_hz = rate_hz;
    wish.stacks = 1;
    wish.max_waiting = 1;
    wish.lock_timeout_us = 10000000;
    assert_int_equal(lpp_session_start(world->sampler, &wish, no_roots,
                                       &session, &waited, &status,
                                       world->pool),
                     LPP_START_RUNNING);
    return session;
}

static lpp_profile_t *stop(world_t *world, lpp_session_t *session)
{
    lpp_profile_t *profile;

    lpp_session_stop(session, LPP_STOP_NOT);
    assert_int_equal(lpp_session_profile(session, &profile, 5000000,
                                         world->pool), APR_SUCCESS);
    lpp_session_close(session);
    return profile;
}

static atomic_int time_is_up;

static void *end_it(void *unused)
{
    static const struct timespec nap = { 0, WORK_MS * 1000000 };

    nanosleep(&nap, NULL);
    atomic_store(&time_is_up, 1);
    return unused;
}

/* ---- a coroutine ---- */

/* The linker tells where a section of such a name begins and ends. */
#define APART(name) __attribute__((noinline, section(#name)))
extern const char __start_inner_text[], __stop_inner_text[];
extern const char __start_outer_text[], __stop_outer_text[];

static ucontext_t inner, outer;
static unsigned char *inner_stack; /* its lowest byte */
static apr_size_t inner_left;      /* bytes of it that the work leaves free */

/* Calls nothing, which might take more of the stack. */
APART(inner_text) static unsigned work(volatile char *room)
{
    unsigned turns = 0;

    while (!atomic_load_explicit(&time_is_up, memory_order_relaxed)) {
        turns++;
    }
    room[0] = 1;
    return turns;
}

APART(outer_text) static void coroutine(void)
{
    volatile char here;
    volatile char *room = __builtin_alloca(
        (apr_size_t)((volatile unsigned char *)&here - inner_stack)
        - inner_left);

    room[0] = (char)work(room);
}

/* Work on a stack of size bytes, of which left bytes are free meanwhile. */
static void run_coroutine(apr_size_t size, apr_size_t left)
{
    unsigned char *memory;
    pthread_t thread;

    memory = mmap(NULL, GUARD_BYTES + size, PROT_NONE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    inner_stack = memory + GUARD_BYTES;
    inner_left = left;
    assert_int_equal(mprotect(inner_stack, size, PROT_READ | PROT_WRITE), 0);
    atomic_store(&time_is_up, 0);
    assert_int_equal(pthread_create(&thread, NULL, end_it, NULL), 0);
    getcontext(&inner);
    inner.uc_stack.ss_sp = inner_stack;
    inner.uc_stack.ss_size = size;
    inner.uc_link = &outer;
    makecontext(&inner, coroutine, 0);
    assert_int_equal(swapcontext(&outer, &inner), 0);
    pthread_join(thread, NULL);
    munmap(memory, GUARD_BYTES + size);
}

/* The frame that the kernel pushes would reach into the page that is nobody's:
 * the handler has a stack of its own. */
static void a_small_stack_is_not_overrun(void **state)
{
    world_t *world = *state;
    lpp_session_t *session = start(world, 2000);
    lpp_profile_t *profile;

    run_coroutine(8192, 512);
    profile = stop(world, session);
    assert_true(profile->honesty.signals > 20);
}

#define CASE(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_small_stack_is_not_overrun),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
