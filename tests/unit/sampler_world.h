/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampler_world: for the tests of lpp_sampler: a child with its gate and
 * sampler, sessions, work that is profiled, other threads that want to be
 * profiled too, and sums over a profile.
 */
#ifndef SAMPLER_WORLD_H
#define SAMPLER_WORLD_H

#include <stdatomic.h>
#include <time.h>

#include <apr_global_mutex.h>
#include <apr_pools.h>

#include "sampling/lpp_session.h"

#define MS 1000000ull
#define MEASUREMENTS 6 /* of one thing, until the machine spoils none */
#define CASE(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

typedef struct world_t {
    apr_pool_t *pool;
    apr_pool_t *pchild;
    apr_global_mutex_t *mutex;
    lpp_gate_t *gate;
    lpp_maps_t *maps;
    lpp_kernel_t *kernel; /* for make_sampler; NULL: no kernel events */
    lpp_sampler_t *sampler;
} world_t;

extern const char *const no_roots[];
extern const char *const test_roots[]; /* no_such_function, lfind */

/* Runs the tests of a program between these; 0 where it cannot. */
int open_sampler_world(void);
void close_sampler_world(void);

/* A world_t for each test, which is its state. */
int set_up(void **state);
int tear_down(void **state);

/* Of that clock. */
apr_uint64_t now_ns(clockid_t clock);

/* A sampler with the world's kernel events that takes that signal,
 * LPP_SIGNAL_AUTO: any free one. */
void make_sampler(world_t *world, int number);

/* 1 kHz, with stacks, bounds that no test reaches. */
lpp_session_options_t usual_options(void);

/* Starts a session, which must run at once or after those before it. */
lpp_session_t *start(world_t *world,
                     const lpp_session_options_t *options,
                     const char *const *roots);

/* The profile of the session so far; of all of it, once it was stopped. */
lpp_profile_t *final_profile(world_t *world, lpp_session_t *session);

/* Functions the profile is about, each in a section of its own. */
#define APART(name) __attribute__((noinline, section(#name)))
/* The linker says where a section of such a name begins and ends. */
extern const char __start_spin_text[], __stop_spin_text[];
extern const char __start_doze_text[], __stop_doze_text[];
#define SPIN __start_spin_text, __stop_spin_text
#define DOZE __start_doze_text, __stop_doze_text

/* Computes, or sleeps, for so long. */
void test_spin(apr_uint64_t ns);
void test_doze(apr_uint64_t ns);

/* Spin until there are so many samples; how soon that is depends on the
 * machine. Returns after 10 s at most: the caller looks at how many there
 * are. */
void spin_until_sampled(lpp_session_t *session, apr_uint64_t samples,
                        apr_pool_t *pool);

/* Spin until the helper thread has ended the session, 10 s at most; returns how
 * long, in ns of CPU time. */
apr_uint64_t spin_until_cut(const lpp_session_t *session);

/*
 * Takes a measurement of time, and again where the machine spoiled it, until
 * one is clean: MEASUREMENTS times at most, or the test fails. A moment in
 * which the machine stands still spoils one measurement, a sampler that is
 * wrong spoils all. once asserts all that is not about time each time; it
 * returns whether the times are as they must be.
 */
void measure(world_t *world, int (*once)(world_t *world));

/* 1: pc lies in those bytes of the program, such as SPIN. */
int lies_in(const world_t *world, lpp_pc_t pc, const char *start,
            const char *stop);

/* Wall and CPU time of all nodes at or under a function, such as SPIN. */
lpp_weight_t weight_under(const world_t *world,
                          const lpp_profile_t *profile,
                          const char *function_start,
                          const char *function_stop);

/* Wall and CPU time of all nodes. */
lpp_weight_t weight_of_all(const lpp_profile_t *profile);

/* Prints the figures of a profile. */
void tell(const char *what, const lpp_profile_t *profile);

/* 1: the kernel shows a process its blocked threads, which are then not
 * signalled at all. */
int seen_without_signal(void);

/* Another thread that wants to be profiled. */
typedef struct other_t {
    world_t *world;
    apr_pool_t *pool;
    lpp_session_options_t options;
    lpp_start_e how;
    apr_interval_time_t waited;
    apr_uint64_t samples;
    apr_uint64_t asked;   /* how often wanted was called */
    int order;
    atomic_int answered;  /* how is known */
} other_t;

/* Counts the sessions of profile_elsewhere in the order they started. */
extern atomic_int turn;

/* A thread with a session of its own; baton: an other_t. */
void *profile_elsewhere(void *baton);

/* To be destroyed: its pool. */
void make_other(other_t *other, world_t *world);

/* Until so many are in the queue of this child, 10 s at most. One that only
 * has a place among those that wait may still be overtaken. */
void wait_for_queue(lpp_sampler_t *sampler, int wanted);

#endif
