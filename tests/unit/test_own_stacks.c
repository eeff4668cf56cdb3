/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* lpp_sampler over code that runs on a stack of its own, or that was made at
 * run time. */
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

#include "sampling/lpp_session.h"
#include "names/lpp_view.h"
#include "restart_trial.h"

/* A sanitizer does not follow a change of stacks. */
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

#define ENOUGH_SAMPLES 60
#define TRIES 500 /* 20 ms each */
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

/* The work ends when it has been seen often enough; how soon that is, is the
 * machine's. */
static void *end_it(void *baton)
{
    static const struct timespec nap = { 0, 20000000 };
    lpp_profile_t *profile;
    apr_pool_t *pool;
    int i;

    apr_pool_create(&pool, root);
    for (i = 0; i < TRIES; i++) {
        nanosleep(&nap, NULL);
        if (lpp_session_profile(baton, &profile, 5000000, pool) == APR_SUCCESS
            && profile->total.samples >= ENOUGH_SAMPLES) {
            break;
        }
    }
    apr_pool_destroy(pool);
    atomic_store(&time_is_up, 1);
    return NULL;
}

/* ---- a coroutine ---- */

/* The linker tells where a section of such a name begins and ends. */
#define APART(name) __attribute__((noinline, section(#name)))
extern const char __start_inner_text[], __stop_inner_text[];
extern const char __start_outer_text[], __stop_outer_text[];
#define INNER __start_inner_text, __stop_inner_text
#define OUTER __start_outer_text, __stop_outer_text

/* Samples, with all time, that have a frame in [from, to) and below that, with
 * frames between or not, one of pc; from NULL: all below pc. */
static lpp_weight_t below(const world_t *world, const lpp_profile_t *profile,
                          lpp_pc_t pc, const char *from, const char *to)
{
    lpp_pc_t start = lpp_maps_pc(world->maps, (apr_uintptr_t)from);
    lpp_weight_t sum = { 0, 0, 0, 0 };
    apr_uint32_t i;

    for (i = 0; i < profile->count; i++) {
        const lpp_weight_t *self = &profile->nodes[i].self;
        apr_uint32_t at = i;

        while (from != NULL && at != 0
               && profile->nodes[at].pc - start >= (apr_uint64_t)(to - from)) {
            at = profile->nodes[at].parent;
        }
        while (at != 0 && profile->nodes[at].pc != pc) {
            at = profile->nodes[at].parent;
        }
        if (at != 0) {
            sum.samples += self->samples;
            sum.wall_ns += self->wall_ns;
            sum.cpu_ns += self->cpu_ns;
        }
    }
    return sum;
}

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
static void run_coroutine(lpp_session_t *session, apr_size_t size,
                          apr_size_t left)
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
    assert_int_equal(pthread_create(&thread, NULL, end_it,
                                    session), 0);
    getcontext(&inner);
    inner.uc_stack.ss_sp = inner_stack;
    inner.uc_stack.ss_size = size;
    inner.uc_link = &outer;
    makecontext(&inner, coroutine, 0);
    assert_int_equal(swapcontext(&outer, &inner), 0);
    pthread_join(thread, NULL);
    munmap(memory, GUARD_BYTES + size);
}

/* Mostly: the thread may have been seen before and after. */
static void is_below_own_stack(const world_t *world,
                               const lpp_profile_t *profile)
{
    lpp_weight_t all = below(world, profile, LPP_PC_OWN_STACK, NULL, NULL);
    lpp_weight_t work_s = below(world, profile, LPP_PC_OWN_STACK, INNER);
    lpp_weight_t caller_s = below(world, profile, LPP_PC_OWN_STACK, OUTER);

    print_message("%llu samples, %llu below, %llu in the work, %llu in its "
                  "caller, %llu lost, %llu broken\n",
                  (unsigned long long)profile->total.samples,
                  (unsigned long long)all.samples,
                  (unsigned long long)work_s.samples,
                  (unsigned long long)caller_s.samples,
                  (unsigned long long)profile->statistics.lost,
                  (unsigned long long)profile->statistics.broken);
    assert_true(profile->total.samples > 10);
    assert_true(work_s.samples * 10 >= profile->total.samples * 8);
    /* Before the coroutine is called and when it has returned, the thread is on
     * that stack, too. */
    assert_in_range(all.samples - caller_s.samples, 0, 2);
    assert_true(all.cpu_ns > 0 && all.cpu_ns <= all.wall_ns + 1000000);
    assert_true(all.wall_ns * 10 >= profile->total.wall_ns * 5);
    assert_int_equal(profile->statistics.broken, 0);
    assert_int_equal(profile->statistics.cut, 0);
}

/* The frame that the kernel pushes would reach into the page that is nobody's:
 * the handler has a stack of its own. The second stack has no room for what a
 * leaf function may use below SP. */
static void a_small_stack_is_not_overrun(void **state)
{
    static const apr_size_t left[] = { 512, 96 };
    world_t *world = *state;
    unsigned i;

    if (SANITIZED) {
        skip();
    }
    for (i = 0; i < LPP_COUNT(left); i++) {
        lpp_session_t *session = start(world, 2000);

        run_coroutine(session, 8192, left[i]);
        is_below_own_stack(world, stop(world, session));
    }
}

/* And its name is in the view of the profile. */
static void a_coroutine_is_seen_on_its_own_stack(void **state)
{
    world_t *world = *state;
    lpp_session_t *session;
    lpp_symbols_t *symbols;
    lpp_view_about_t about;
    lpp_profile_t *profile;
    const lpp_view_t *view;
    apr_uint32_t i, named = 0;

    if (SANITIZED) {
        skip();
    }
    session = start(world, 1000);
    run_coroutine(session, 65536, 65536 - 8192);
    profile = stop(world, session);
    is_below_own_stack(world, profile);
    memset(&about, 0, sizeof(about));
    assert_int_equal(lpp_symbols_create(&symbols, world->maps), APR_SUCCESS);
    assert_int_equal(lpp_view_create(&view, profile, symbols, world->maps,
                                     &about, world->pool), APR_SUCCESS);
    assert_int_equal(view->own_stack_samples,
                     below(world, profile, LPP_PC_OWN_STACK, NULL, NULL)
                         .samples);
    for (i = 0; i < view->branch_count; i++) {
        const lpp_branch_t *branch = &view->branches[i];

        if (strcmp(view->functions[branch->function].symbol.name,
                   "[on a stack of its own]") == 0) {
            assert_int_equal(branch->depth, 1);
            assert_int_equal(branch->total.samples, view->own_stack_samples);
            named++;
        }
    }
    assert_int_equal(named, 1);
    lpp_symbols_destroy(symbols);
}

#if defined(__x86_64__)
/* ---- code made at run time ---- */

typedef unsigned made_fn(volatile char *room,
                         unsigned (*work)(volatile char *));

/* What the stack that ends at such code is worth: its callees below it, itself
 * below the request. */
static void code_made_at_run_time_is_told(void **state)
{
    /* sub $24, %rsp; call *%rsi; add $24, %rsp; ret */
    static const char code[] =
        "\x48\x83\xec\x18\xff\xd6\x48\x83\xc4\x18\xc3";
    world_t *world = *state;
    lpp_session_t *session = start(world, 1000);
    unsigned char *page;
    lpp_profile_t *profile;
    lpp_weight_t made;
    char room[8];
    pthread_t thread;

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    memcpy(page, code, sizeof(code));
    atomic_store(&time_is_up, 0);
    assert_int_equal(pthread_create(&thread, NULL, end_it,
                                    session), 0);
    ((made_fn *)(apr_uintptr_t)page)(room, work);
    pthread_join(thread, NULL);
    profile = stop(world, session);
    munmap(page, 4096);
    made = below(world, profile, LPP_PC_RUN_TIME_CODE, INNER);
    print_message("%llu samples, %llu below made code, %llu broken\n",
                  (unsigned long long)profile->total.samples,
                  (unsigned long long)made.samples,
                  (unsigned long long)profile->statistics.broken);
    assert_true(made.samples > 10);
    assert_true(made.samples * 10 >= profile->total.samples * 8);
    assert_int_equal(profile->statistics.broken, 0);
}
#endif

#define CASE(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_small_stack_is_not_overrun),
        CASE(a_coroutine_is_seen_on_its_own_stack),
#if defined(__x86_64__)
        CASE(code_made_at_run_time_is_told),
#endif
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    if (!try_restarts()) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
