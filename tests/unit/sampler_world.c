/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "restart_trial.h"
#include "sampler_world.h"
#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"
#include "sampling/lpp_signal.h"

static apr_pool_t *root;
atomic_int turn;
const char *const no_roots[] = { NULL };
const char *const test_roots[] = {
    "no_such_function", "lfind", /* of which no sanitizer has its own */
    NULL
};

int open_sampler_world(void)
{
    apr_initialize();
    return try_restarts() && apr_pool_create(&root, NULL) == APR_SUCCESS;
}

void close_sampler_world(void)
{
    apr_pool_destroy(root);
    apr_terminate();
}

apr_uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (apr_uint64_t)now.tv_sec * 1000000000u + (apr_uint64_t)now.tv_nsec;
}

void make_sampler(world_t *world, int number)
{
    lpp_sampler_options_t options;

    memset(&options, 0, sizeof(options));
    options.gate = world->gate;
    options.maps = world->maps;
    options.kernel = world->kernel;
    options.unwind_kind = LPP_UNWIND_AUTO;
    options.signal_number = number;
    assert_int_equal(apr_pool_create(&world->pchild, world->pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_sampler_create(&world->sampler, &options,
                                        world->pchild), APR_SUCCESS);
}

int set_up(void **state)
{
    world_t *world;
    apr_pool_t *pool;

    assert_int_equal(apr_pool_create(&pool, root), APR_SUCCESS);
    world = apr_pcalloc(pool, sizeof(*world));
    world->pool = pool;
    assert_int_equal(apr_global_mutex_create(&world->mutex, NULL,
                                             APR_LOCK_PROC_PTHREAD, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&world->gate, world->mutex, pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_gate_child_init(world->gate, pool), APR_SUCCESS);
    assert_int_equal(lpp_maps_create(&world->maps, pool), APR_SUCCESS);
    make_sampler(world, LPP_SIGNAL_AUTO);
    *state = world;
    return 0;
}

int tear_down(void **state)
{
    world_t *world = *state;

    apr_pool_destroy(world->pool);
    return 0;
}

lpp_session_options_t usual_options(void)
{
    lpp_session_options_t options;

    memset(&options, 0, sizeof(options));
    apr_cpystrn(options.owner.id, "OOPS-00000000000000000000000000000001",
                sizeof(options.owner.id));
    options.rate_hz = 1000;
    options.stacks = 1;
    options.max_waiting = 8;
    options.lock_timeout_us = 10000000;
    options.max_time_us = 60000000;
    return options;
}

lpp_session_t *start(world_t *world,
                     const lpp_session_options_t *options,
                     const char *const *roots)
{
    apr_interval_time_t waited;
    lpp_session_t *session;
    apr_status_t status;
    lpp_start_e how;

    how = lpp_session_start(world->sampler, options, roots, &session, &waited,
                            &status, world->pool);
    assert_int_equal(how, LPP_START_RUNNING);
    assert_int_equal(status, APR_SUCCESS);
    assert_non_null(session);
    return session;
}

lpp_profile_t *final_profile(world_t *world, lpp_session_t *session)
{
    lpp_profile_t *profile;

    assert_int_equal(lpp_session_profile(session, &profile, 5000000,
                                         world->pool), APR_SUCCESS);
    return profile;
}

/* A virtual machine that stood still may be told as CPU time: one turn counts
 * as this much at most. */
#define TURN_MAX_NS (5 * MS)

APART(spin_text) void test_spin(apr_uint64_t ns)
{
    apr_uint64_t last = now_ns(CLOCK_THREAD_CPUTIME_ID), spun = 0;
    volatile unsigned long turns;

    while (spun < ns) {
        apr_uint64_t now;

        for (turns = 0; turns < 50000; turns++) {
        }
        now = now_ns(CLOCK_THREAD_CPUTIME_ID);
        spun += now - last < TURN_MAX_NS ? now - last : TURN_MAX_NS;
        last = now;
    }
}

APART(doze_text) void test_doze(apr_uint64_t ns)
{
    usleep((useconds_t)(ns / 1000));
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

void spin_until_sampled(lpp_session_t *session, apr_uint64_t samples,
                        apr_pool_t *pool)
{
    lpp_profile_t *profile;
    int i;

    for (i = 0; i < 500 && !lpp_session_cut_short(session); i++) {
        test_spin(20 * MS);
        if (lpp_session_profile(session, &profile, 5000000, pool)
                == APR_SUCCESS
            && profile->statistics.samples >= samples) {
            return;
        }
    }
}

apr_uint64_t spin_until_cut(const lpp_session_t *session)
{
    apr_uint64_t spun;

    for (spun = 0; spun < 10000 * MS && !lpp_session_cut_short(session);
         spun += 5 * MS) {
        test_spin(5 * MS);
    }
    return spun;
}

void measure(world_t *world, int (*once)(world_t *world))
{
    int i;

    for (i = 0; i < MEASUREMENTS && !once(world); i++) {
    }
    assert_true(i < MEASUREMENTS);
}

int lies_in(const world_t *world, lpp_pc_t pc, const char *start,
            const char *stop)
{
    lpp_pc_t from = lpp_maps_pc(world->maps,
                                (apr_uint64_t)(apr_uintptr_t)start);

    return pc >= from && pc < from + (apr_uint64_t)(stop - start);
}

lpp_weight_t weight_under(const world_t *world,
                          const lpp_profile_t *profile,
                          const char *function_start,
                          const char *function_stop)
{
    lpp_weight_t sum = { 0, 0, 0, 0 };
    apr_uint32_t i;

    for (i = 0; i < profile->count; i++) {
        apr_uint32_t at = i;

        while (at != LPP_NODE_NONE
               && !lies_in(world, profile->nodes[at].pc, function_start,
                           function_stop)) {
            at = profile->nodes[at].parent;
        }
        if (at != LPP_NODE_NONE) {
            sum.wall_ns += profile->nodes[i].self.wall_ns;
            sum.cpu_ns += profile->nodes[i].self.cpu_ns;
            sum.ready_ns += profile->nodes[i].self.ready_ns;
            sum.samples += profile->nodes[i].self.samples;
        }
    }
    return sum;
}

lpp_weight_t weight_of_all(const lpp_profile_t *profile)
{
    lpp_weight_t sum = { 0, 0, 0, 0 };
    apr_uint32_t i;

    for (i = 0; i < profile->count; i++) {
        sum.wall_ns += profile->nodes[i].self.wall_ns;
        sum.cpu_ns += profile->nodes[i].self.cpu_ns;
        sum.ready_ns += profile->nodes[i].self.ready_ns;
        sum.samples += profile->nodes[i].self.samples;
    }
    return sum;
}

void tell(const char *what, const lpp_profile_t *profile)
{
    lpp_weight_t all = weight_of_all(profile);

    print_message("%s: wall %.1f ms (tree %.1f), cpu %.1f (tree %.1f), "
                  "samples %llu, signals %llu, lost %llu, cut %llu, broken "
                  "%llu, blocked %.1f ms, repaired %llu, own %.2f ms\n", what,
                  profile->total.wall_ns / 1e6, all.wall_ns / 1e6,
                  profile->total.cpu_ns / 1e6, all.cpu_ns / 1e6,
                  (unsigned long long)profile->statistics.samples,
                  (unsigned long long)profile->statistics.signals,
                  (unsigned long long)profile->statistics.lost,
                  (unsigned long long)profile->statistics.cut,
                  (unsigned long long)profile->statistics.broken,
                  profile->statistics.blocked_ns / 1e6,
                  (unsigned long long)profile->statistics.repaired_calls,
                  profile->statistics.own_ns / 1e6);
}

int seen_without_signal(void)
{
    return access("/proc/thread-self/syscall", R_OK) == 0;
}

void *profile_elsewhere(void *baton)
{
    other_t *other = baton;
    lpp_session_t *session;
    lpp_profile_t *profile;
    apr_status_t status;

    other->how = lpp_session_start(other->world->sampler, &other->options,
                                   no_roots, &session, &other->waited, &status,
                                   other->pool);
    atomic_store(&other->answered, 1);
    if (other->how == LPP_START_RUNNING) {
        other->order = atomic_fetch_add(&turn, 1);
        spin_until_sampled(session, 6, other->pool);
        lpp_session_stop(session, LPP_STOP_NOT);
        if (lpp_session_profile(session, &profile, 5000000, other->pool)
            == APR_SUCCESS) {
            other->samples = profile->statistics.samples;
        }
        lpp_session_close(session);
    }
    return NULL;
}

void make_other(other_t *other, world_t *world)
{
    memset(other, 0, sizeof(*other));
    other->world = world;
    other->options = usual_options();
    assert_int_equal(apr_pool_create_unmanaged_ex(&other->pool, NULL, NULL),
                     APR_SUCCESS);
}

void wait_for_queue(lpp_sampler_t *sampler, int wanted)
{
    int ms, queued;

    for (ms = 0, queued = 0; ms < 10000 && queued < wanted; ms++) {
        lpp_session_t *at;

        usleep(1000);
        queued = 0;
        pthread_mutex_lock(&sampler->helper.mutex);
        for (at = sampler->queue; at != NULL; at = at->next) {
            queued++;
        }
        pthread_mutex_unlock(&sampler->helper.mutex);
    }
    assert_int_equal(queued, wanted);
}
