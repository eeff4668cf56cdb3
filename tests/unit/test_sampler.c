/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_sampler: one profile at a time, true weights, nothing left behind. */
#include <pthread.h>
#include <search.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "sampling/lpp_session.h"
#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"
#include "sampling/lpp_signal.h"
#include "restart_trial.h"

#define MS 1000000ull
#define TRIES 6

typedef struct world_t {
    apr_pool_t *pool;
    apr_pool_t *pchild;
    apr_global_mutex_t *mutex;
    lpp_gate_t *gate;
    lpp_maps_t *maps;
    lpp_sampler_t *sampler;
} world_t;

static apr_pool_t *root;
static const char *const no_roots[] = { NULL };
static const char *const test_roots[] = {
    "no_such_function", "lfind", /* which no sanitizer has its own of */
    NULL
};

static apr_uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (apr_uint64_t)now.tv_sec * 1000000000u + (apr_uint64_t)now.tv_nsec;
}

static void make_sampler(world_t *world, int number)
{
    lpp_sampler_options_t options;

    memset(&options, 0, sizeof(options));
    options.gate = world->gate;
    options.maps = world->maps;
    options.unwind_kind = LPP_UNWIND_AUTO;
    options.signal_number = number;
    assert_int_equal(apr_pool_create(&world->pchild, world->pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_sampler_create(&world->sampler, &options,
                                        world->pchild), APR_SUCCESS);
}

static int set_up(void **state)
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

static int tear_down(void **state)
{
    world_t *world = *state;

    apr_pool_destroy(world->pool);
    return 0;
}

static lpp_session_options_t usual_options(void)
{
    lpp_session_options_t options;

    memset(&options, 0, sizeof(options));
    apr_cpystrn(options.holder.id, "OOPS-00000000000000000000000000000001",
                sizeof(options.holder.id));
    options.rate_hz = 1000;
    options.stacks = 1;
    options.max_waiting = 8;
    options.lock_timeout_us = 10000000;
    options.max_time_us = 60000000;
    return options;
}

static lpp_session_t *start(world_t *world,
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

static lpp_profile_t *final_profile(world_t *world, lpp_session_t *session)
{
    lpp_profile_t *profile;

    assert_int_equal(lpp_session_profile(session, &profile, 5000000,
                                         world->pool), APR_SUCCESS);
    return profile;
}

/* Functions the profile is about. */
#define APART(name) __attribute__((noinline, section(#name)))
/* The linker tells where a section of such a name begins and ends. */
extern const char __start_spin_text[], __stop_spin_text[];
extern const char __start_doze_text[], __stop_doze_text[];
extern const char __start_root_text[], __stop_root_text[];
#define SPIN __start_spin_text, __stop_spin_text
#define DOZE __start_doze_text, __stop_doze_text
#define HERE __start_root_text, __stop_root_text
void test_spin(apr_uint64_t ns);
void test_doze(apr_uint64_t ns);

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

/* Spin until there are so many samples; how soon that is, is the machine's.
 * After 10 s it is for the test to find that there are not. */
static void spin_until_sampled(lpp_session_t *session, apr_uint64_t samples,
                               apr_pool_t *pool)
{
    lpp_profile_t *profile;
    int i;

    for (i = 0; i < 500 && !lpp_session_cut_short(session); i++) {
        test_spin(20 * MS);
        if (lpp_session_profile(session, &profile, 5000000, pool)
                == APR_SUCCESS
            && profile->honesty.samples >= samples) {
            return;
        }
    }
}

/* Spin until the helper has ended the session, 10 s at most; how long. */
static apr_uint64_t spin_until_cut(const lpp_session_t *session)
{
    apr_uint64_t spun;

    for (spun = 0; spun < 10000 * MS && !lpp_session_cut_short(session);
         spun += 5 * MS) {
        test_spin(5 * MS);
    }
    return spun;
}

/* For bounds of time: a moment in which the machine stands still spoils one
 * try, a sampler that is wrong spoils all. */
static void try_often(world_t *world, int (*once)(world_t *world))
{
    int i;

    for (i = 0; i < TRIES && !once(world); i++) {
    }
    assert_true(i < TRIES);
}

static int lies_in(const world_t *world, lpp_pc_t pc, const char *start,
                   const char *stop)
{
    lpp_pc_t from = lpp_maps_pc(world->maps,
                                (apr_uint64_t)(apr_uintptr_t)start);

    return pc >= from && pc < from + (apr_uint64_t)(stop - start);
}

/* Wall and CPU time of all nodes at or under function. */
static lpp_weight_t weight_under(const world_t *world,
                                 const lpp_profile_t *profile,
                                 const char *function_start,
                                 const char *function_stop)
{
    lpp_weight_t sum = { 0, 0, 0 };
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
            sum.samples += profile->nodes[i].self.samples;
        }
    }
    return sum;
}

static lpp_weight_t weight_of_all(const lpp_profile_t *profile)
{
    lpp_weight_t sum = { 0, 0, 0 };
    apr_uint32_t i;

    for (i = 0; i < profile->count; i++) {
        sum.wall_ns += profile->nodes[i].self.wall_ns;
        sum.cpu_ns += profile->nodes[i].self.cpu_ns;
        sum.samples += profile->nodes[i].self.samples;
    }
    return sum;
}

static void tell(const char *what, const lpp_profile_t *profile)
{
    lpp_weight_t all = weight_of_all(profile);

    print_message("%s: wall %.1f ms (tree %.1f), cpu %.1f (tree %.1f), "
                  "samples %llu, signals %llu, lost %llu, cut %llu, broken "
                  "%llu, blocked %.1f ms, repaired %llu, own %.2f ms\n", what,
                  profile->total.wall_ns / 1e6, all.wall_ns / 1e6,
                  profile->total.cpu_ns / 1e6, all.cpu_ns / 1e6,
                  (unsigned long long)profile->honesty.samples,
                  (unsigned long long)profile->honesty.signals,
                  (unsigned long long)profile->honesty.lost,
                  (unsigned long long)profile->honesty.cut,
                  (unsigned long long)profile->honesty.broken,
                  profile->honesty.blocked_ns / 1e6,
                  (unsigned long long)profile->honesty.repaired_calls,
                  profile->honesty.own_ns / 1e6);
}

static int spin_once(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *profile;
    lpp_weight_t spin, all;

    test_spin(300 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("spin 300 ms", profile);
    spin = weight_under(world, profile, SPIN);
    all = weight_of_all(profile);
    /* Some may fall on the way there and back. */
    assert_true((spin.samples + 3) * 100 >= profile->honesty.samples * 97);
    assert_true(all.wall_ns <= profile->total.wall_ns);
    assert_true(all.cpu_ns <= profile->total.cpu_ns);
    assert_true(profile->total.cpu_ns >= 300 * MS);
    assert_int_equal(profile->honesty.broken, 0);
    assert_int_equal(profile->honesty.cut, 0);
    assert_int_equal(profile->honesty.asked_hz, 1000);
    return profile->honesty.samples > 100 && spin.cpu_ns >= 280 * MS;
}

static void a_spinning_thread_is_seen_where_it_spins(void **state)
{
    try_often(*state, spin_once);
}

/* Where the kernel shows it, a blocked thread is not even hit once. */
static int seen_without_signal(void)
{
    return access("/proc/thread-self/syscall", R_OK) == 0;
}

static int doze_once(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    apr_uint64_t began = now_ns(CLOCK_MONOTONIC), took;
    lpp_profile_t *profile;
    lpp_weight_t doze;

    test_doze(300 * MS);
    took = now_ns(CLOCK_MONOTONIC) - began;
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("usleep 300 ms", profile);
    print_message("usleep(300 ms) took %.2f ms\n", took / 1e6);
    doze = weight_under(world, profile, DOZE);
    assert_true(took >= 300 * MS);
    assert_true(doze.wall_ns <= profile->total.wall_ns);
    return took < 400 * MS /* not twice */
           && profile->honesty.signals >= !seen_without_signal()
           && profile->honesty.signals <= 5
           && profile->honesty.repaired_calls >= !seen_without_signal()
           && doze.wall_ns >= 200 * MS && doze.cpu_ns < 10 * MS
           && profile->honesty.blocked_ns >= 180 * MS;
}

static void a_sleeping_thread_is_left_alone_and_credited(void **state)
{
    try_often(*state, doze_once);
}

static int doze_and_spin_once(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_weight_t doze, spin;
    apr_uint64_t asleep = 0, slack;
    lpp_profile_t *profile;
    int i;

    for (i = 0; i < 8; i++) {
        apr_uint64_t began = now_ns(CLOCK_MONOTONIC);

        test_doze(30 * MS);
        asleep += now_ns(CLOCK_MONOTONIC) - began;
        test_spin(20 * MS);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("8 x (30 ms asleep, 20 ms awake)", profile);
    doze = weight_under(world, profile, DOZE);
    spin = weight_under(world, profile, SPIN);
    print_message("asleep %.1f ms (truly %.1f), awake %.1f\n",
                  doze.wall_ns / 1e6, asleep / 1e6, spin.wall_ns / 1e6);
    /* A tick at either end of each wait is either's; late ticks weigh more. */
    slack = 16 * MS + asleep / 10;
    return doze.wall_ns + slack >= asleep && doze.wall_ns <= asleep + slack
           && spin.cpu_ns >= 145 * MS && spin.cpu_ns <= 175 * MS;
}

static void short_and_long_waits_get_their_own_time(void **state)
{
    try_often(*state, doze_and_spin_once);
}

static struct {
    world_t *world;
    lpp_session_t *session;
    lpp_profile_t *profile;
    lpp_pc_t frames[64];
    unsigned count;
} rooted;

/* Called by lfind: the function that serves the request, here. */
static int rooted_work(const void *key, const void *element)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(rooted.world, &options, test_roots);

    (void)key;
    (void)element;
    spin_until_sampled(session, 11, rooted.world->pool);
    assert_int_equal(lpp_session_stack(session, rooted.frames, 64,
                                       &rooted.count), APR_SUCCESS);
    lpp_session_stop(session, LPP_STOP_NOT);
    rooted.profile = final_profile(rooted.world, session);
    lpp_session_close(session);
    return 0;
}

static const char *object_of(lpp_pc_t pc)
{
    const lpp_object_t *object = lpp_maps_object(rooted.world->maps,
                                                 LPP_PC_OBJECT(pc));

    return object == NULL ? "" : object->path;
}

APART(root_text)
static void stacks_begin_at_the_caller_of_the_root_function(void **state)
{
    const lpp_profile_t *profile;
    apr_uint32_t i, tops = 0, elsewhere = 0;
    size_t number = 1;
    int one = 1;
    lpp_pc_t us;

    rooted.world = *state;
    us = lpp_maps_pc(rooted.world->maps,
                     (apr_uint64_t)(apr_uintptr_t)__start_root_text);
    lfind(NULL, &one, &number, sizeof(one), rooted_work);
    profile = rooted.profile;
    tell("rooted", profile);
    assert_true(profile->honesty.samples > 10);
    for (i = 1; i < profile->count; i++) {
        const lpp_node_t *node = &profile->nodes[i];

        if (node->parent == 0) {
            tops++;
            /* We, and not who called main. */
            assert_true(lies_in(rooted.world, node->pc, HERE));
        }
        else if (profile->nodes[node->parent].parent == 0) {
            elsewhere += strcmp(object_of(node->pc), object_of(us)) != 0;
        }
    }
    assert_int_equal(tops, 1);
    assert_int_equal(elsewhere, 1); /* lfind */
    assert_int_equal(profile->honesty.broken, 0);
    assert_int_equal(profile->honesty.cut, 0);
    /* Leaf first: rooted_work, lfind, we. */
    assert_in_range(rooted.count, 3, 8);
    assert_string_not_equal(object_of(rooted.frames[rooted.count - 2]),
                            object_of(us));
    assert_true(lies_in(rooted.world, rooted.frames[rooted.count - 1], HERE));
}

/* Called by lfind, which has returned when a stack is asked for. */
static int unsampled_start(const void *key, const void *element)
{
    lpp_session_options_t options = usual_options();

    (void)key;
    (void)element;
    options.stacks = 0;
    rooted.session = start(rooted.world, &options, test_roots);
    return 0;
}

APART(root_text)
static void a_stack_without_samples_begins_there_too(void **state)
{
    lpp_session_t *session;
    lpp_pc_t frames[64];
    size_t number = 1;
    int one = 1, i;
    unsigned count;

    rooted.world = *state;
    lfind(NULL, &one, &number, sizeof(one), unsampled_start);
    session = rooted.session;
    for (i = 0; i < 2; i++) { /* looked for, then known */
        assert_int_equal(lpp_session_stack(session, frames, 64, &count),
                         APR_SUCCESS);
        assert_int_equal(count, 1);
        assert_true(lies_in(rooted.world, frames[0], HERE));
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
}

static void samples_may_begin_later(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    const lpp_profile_t *profile;
    lpp_session_t *session;
    sigset_t before, after;
    apr_uint64_t cpu;
    int i;

    options.stacks = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    session = start(world, &options, no_roots);
    test_spin(100 * MS);
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(lpp_session_sample(session, no_roots),
                     LPP_START_RUNNING);
    test_spin(30 * MS);
    spin_until_sampled(session, 11, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (i = 1; i < 65; i++) {
        assert_int_equal(sigismember(&before, i), sigismember(&after, i));
    }
    profile = final_profile(world, session);
    tell("sampled later", profile);
    assert_int_equal(lpp_session_sample(session, no_roots), LPP_START_FAILED);
    lpp_session_close(session);
    assert_true(profile->honesty.samples > 10);
    /* Of what came after alone: CPU time, which no other process adds to. */
    assert_in_range(profile->total.cpu_ns, 50 * MS, cpu);
    assert_true(weight_under(world, profile, SPIN).wall_ns
                <= profile->total.wall_ns);
}

static int sample_held_once(world_t *world)
{
    lpp_session_options_t options = usual_options();
    const lpp_profile_t *profile;
    lpp_session_t *session;
    lpp_start_e how;

    options.stacks = 0;
    options.max_time_us = 300 * MS / 1000;
    session = start(world, &options, no_roots);
    test_doze(200 * MS);
    how = lpp_session_sample(session, no_roots);
    assert_true(how == LPP_START_RUNNING
                || lpp_session_cut_short(session)); /* it dozed too long */
    spin_until_cut(session);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_MAX_TIME);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("sampled for the rest of 300 ms", profile);
    return how == LPP_START_RUNNING && profile->total.wall_ns < 200 * MS;
}

static void it_is_held_no_longer_than_without_samples(void **state)
{
    try_often(*state, sample_held_once);
}

static void mask_and_action_are_given_back(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    struct sigaction before[65], after;
    sigset_t all, old, mask;
    lpp_session_t *session;
    int i, number;

    for (i = 1; i < 65; i++) {
        memset(&before[i], 0, sizeof(before[i]));
        sigaction(i, NULL, &before[i]);
    }
    sigfillset(&all); /* as httpd's worker threads have it */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    session = start(world, &options, no_roots);
    number = lpp_sampler_signal(world->sampler);
    assert_in_range(number, SIGRTMIN + 2, SIGRTMAX);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, number));
    assert_true(sigismember(&mask, SIGUSR1));
    sigaction(number, NULL, &after);
    assert_true((after.sa_flags & SA_SIGINFO) != 0);
    test_spin(20 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_stop(session, LPP_STOP_NOT); /* idempotent */
    pthread_sigmask(SIG_SETMASK, &old, &mask);
    assert_true(sigismember(&mask, number));
    sigpending(&mask);
    assert_false(sigismember(&mask, number));
    lpp_session_close(session); /* the helper has let go of those of crashes */
    for (i = 1; i < 65; i++) {
        memset(&after, 0, sizeof(after));
        sigaction(i, NULL, &after);
        assert_ptr_equal(after.sa_handler, before[i].sa_handler);
    }
}

static void on_other(int number)
{
    (void)number;
}

static void a_taken_signal_means_no_stacks_but_exact_totals(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    apr_interval_time_t waited;
    lpp_session_t *session;
    lpp_profile_t *profile;
    apr_status_t status;
    int i;

    apr_pool_destroy(world->pchild);
    make_sampler(world, SIGPROF);
    signal(SIGPROF, on_other);
    assert_int_equal(lpp_session_start(world->sampler, &options, no_roots,
                                       &session, &waited, &status,
                                       world->pool), LPP_START_NO_SIGNAL);
    test_spin(60 * MS);
    for (i = 0; i < TRIES; i++) {
        test_doze(200 * MS);
        profile = final_profile(world, session);
        if (weight_under(world, profile, DOZE).wall_ns >= 80 * MS) {
            break;
        }
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("no signal", profile);
    assert_ptr_equal(signal(SIGPROF, SIG_DFL), on_other);
    assert_int_equal(profile->honesty.signals, 0);
    assert_true(profile->total.cpu_ns >= 60 * MS);
    if (seen_without_signal()) { /* what is blocked has its stack, though */
        assert_true(weight_under(world, profile, DOZE).wall_ns >= 80 * MS);
    }
    /* The same sampler works once the signal is free. */
    session = start(world, &options, no_roots);
    assert_int_equal(lpp_sampler_signal(world->sampler), SIGPROF);
    spin_until_sampled(session, 6, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_true(final_profile(world, session)->honesty.samples > 5);
    lpp_session_close(session);
}

static void without_stacks_the_gate_is_held_and_nothing_sent(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    lpp_holder_t holder;
    sigset_t before, during;
    int number;

    options.stacks = 0;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    session = start(world, &options, no_roots);
    pthread_sigmask(SIG_SETMASK, NULL, &during);
    for (number = 1; number < 65; number++) {
        assert_int_equal(sigismember(&before, number),
                         sigismember(&during, number));
    }
    lpp_gate_get_holder(world->gate, &holder);
    assert_int_equal(holder.pid, getpid());
    test_spin(20 * MS);
    usleep(20000);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    lpp_gate_get_holder(world->gate, &holder);
    assert_int_equal(holder.pid, 0);
    assert_int_equal(profile->honesty.signals, 0);
    assert_int_equal(profile->count, 1);
    assert_true(profile->total.wall_ns >= 40 * MS);
    assert_true(profile->total.cpu_ns >= 20 * MS);
}

typedef struct other_t {
    world_t *world;
    apr_pool_t *pool;
    lpp_session_options_t options;
    lpp_start_e how;
    apr_interval_time_t waited;
    apr_uint64_t samples;
    apr_uint64_t asked;   /* how often wanted was */
    int order;
    atomic_int answered;  /* how is known */
} other_t;

static atomic_int turn;

static void *profile_elsewhere(void *baton)
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
            other->samples = profile->honesty.samples;
        }
        lpp_session_close(session);
    }
    return NULL;
}

static void make_other(other_t *other, world_t *world)
{
    memset(other, 0, sizeof(*other));
    other->world = world;
    other->options = usual_options();
    assert_int_equal(apr_pool_create_unmanaged_ex(&other->pool, NULL, NULL),
                     APR_SUCCESS);
}

/* Until so many are in the queue of this child; who only has a place in the
 * waiting room may still be overtaken. */
static void wait_for_queue(lpp_sampler_t *sampler, int wanted)
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

static void threads_are_profiled_one_after_another_in_order(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    pthread_t threads[3];
    other_t others[3];
    int i;

    atomic_store(&turn, 0);
    for (i = 0; i < 3; i++) {
        make_other(&others[i], world);
        pthread_create(&threads[i], NULL, profile_elsewhere, &others[i]);
        wait_for_queue(world->sampler, i + 1);
    }
    test_spin(30 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(others[i].how, LPP_START_RUNNING);
        assert_int_equal(others[i].order, i);
        assert_true(others[i].samples > 5);
        assert_true(others[i].waited >= 20000);
        apr_pool_destroy(others[i].pool);
    }
}

/* Start another thread's session while ours runs: until that thread has its
 * answer, or for so long. */
static void start_beside(world_t *world, other_t *other, int ms)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    pthread_t thread;
    int i;

    pthread_create(&thread, NULL, profile_elsewhere, other);
    for (i = 0; i < ms && !atomic_load(&other->answered); i++) {
        usleep(1000);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    pthread_join(thread, NULL);
    apr_pool_destroy(other->pool);
}

#define LONG_MS 20000

static int time_out_once(world_t *world)
{
    lpp_gate_counts_t before, after;
    other_t other;

    lpp_gate_get_counts(world->gate, &before);
    make_other(&other, world);
    other.options.lock_timeout_us = 80000;
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_TIMED_OUT);
    assert_true(other.waited >= 80000);
    lpp_gate_get_counts(world->gate, &after);
    assert_int_equal(after.timed_out, before.timed_out + 1);
    assert_int_equal(after.waiting, 0);
    return other.waited <= 200000;
}

static void a_waiter_times_out(void **state)
{
    try_often(*state, time_out_once);
}

static int find_it_full_once(world_t *world)
{
    lpp_gate_counts_t before, after;
    other_t other;

    lpp_gate_get_counts(world->gate, &before);
    make_other(&other, world);
    other.options.max_waiting = 0;
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_BUSY);
    lpp_gate_get_counts(world->gate, &after);
    assert_int_equal(after.busy, before.busy + 1);
    return other.waited <= 50000;
}

static void nobody_waits_where_the_room_is_full(void **state)
{
    try_often(*state, find_it_full_once);
}

static void a_free_gate_needs_no_waiting_room(void **state)
{
    lpp_session_options_t options = usual_options();
    lpp_start_e how = LPP_START_BUSY;
    apr_interval_time_t waited;
    lpp_session_t *session;
    world_t *world = *state;
    apr_status_t status;
    int i;

    options.max_waiting = 0;
    for (i = 0; i < TRIES && how == LPP_START_BUSY; i++) {
        how = lpp_session_start(world->sampler, &options, no_roots, &session,
                                &waited, &status, world->pool);
        /* Unless the machine kept the helper from it for that long. */
        assert_true(how == LPP_START_RUNNING || waited >= 100000);
    }
    assert_int_equal(how, LPP_START_RUNNING);
    lpp_session_close(session);
}

typedef struct seen_t {
    lpp_gate_t *gate;
    atomic_int stop;
    unsigned owned, counted; /* looks at an owned gate; that found a waiter */
} seen_t;

static void *look_at_the_gate(void *baton)
{
    seen_t *seen = baton;
    lpp_gate_counts_t counts;
    lpp_holder_t before, after;

    while (!atomic_load(&seen->stop)) {
        lpp_gate_get_holder(seen->gate, &before);
        lpp_gate_get_counts(seen->gate, &counts);
        lpp_gate_get_holder(seen->gate, &after);
        /* The same owner at both ends: nobody else came between. */
        if (before.pid != 0 && memcmp(&before, &after, sizeof(before)) == 0) {
            seen->owned++;
            seen->counted += counts.waiting > 0;
        }
    }
    return NULL;
}

static void an_owner_is_not_counted_as_waiting(void **state)
{
    lpp_session_options_t options = usual_options();
    world_t *world = *state;
    seen_t seen = { .gate = world->gate };
    pthread_t looker;
    int i;

    options.max_waiting = 1;
    assert_int_equal(pthread_create(&looker, NULL, look_at_the_gate, &seen), 0);
    for (i = 0; i < 200; i++) {
        /* Each start needs the only place. */
        options.holder.start = i + 1;
        lpp_session_close(start(world, &options, no_roots));
    }
    atomic_store(&seen.stop, 1);
    assert_int_equal(pthread_join(looker, NULL), 0);
    assert_true(seen.owned > 0);
    assert_int_equal(seen.counted, 0);
}

static int not_wanted(void *baton)
{
    return ++*(apr_uint64_t *)baton < 2;
}

static int leave_once(world_t *world)
{
    other_t other;

    make_other(&other, world);
    other.options.wanted = not_wanted;
    other.options.wanted_baton = &other.asked;
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_GONE);
    assert_int_equal(other.asked, 2);
    assert_true(other.waited >= 400000);
    return other.waited <= 800000;
}

static void a_waiter_whose_client_left_is_let_go(void **state)
{
    try_often(*state, leave_once);
}

static int own_request_once(world_t *world)
{
    lpp_gate_counts_t before, after;
    other_t other;

    lpp_gate_get_counts(world->gate, &before);
    make_other(&other, world);
    other.options.parent_id = "OOPS-00000000000000000000000000000001";
    start_beside(world, &other, LONG_MS);
    assert_int_equal(other.how, LPP_START_CHILD);
    lpp_gate_get_counts(world->gate, &after);
    assert_int_equal(after.child, before.child + 1);
    return other.waited <= 100000;
}

static void the_holders_own_request_does_not_wait(void **state)
{
    lpp_gate_counts_t before, after;
    world_t *world = *state;
    other_t other;

    try_often(world, own_request_once);
    lpp_gate_get_counts(world->gate, &before);
    make_other(&other, world);
    other.options.parent_id = "OOPS-00000000000000000000000000000002";
    start_beside(world, &other, 200);
    assert_int_equal(other.how, LPP_START_RUNNING);
    lpp_gate_get_counts(world->gate, &after);
    assert_int_equal(after.child, before.child);
}

static void *stop_soon(void *baton)
{
    usleep(100000);
    lpp_sampler_stop(baton);
    return NULL;
}

static void the_childs_end_cuts_and_lets_waiters_go(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots), *second;
    apr_interval_time_t waited;
    pthread_t stopper, waiter;
    lpp_profile_t *profile;
    apr_status_t status;
    apr_uint64_t spun;
    other_t other;

    make_other(&other, world);
    pthread_create(&waiter, NULL, profile_elsewhere, &other);
    pthread_create(&stopper, NULL, stop_soon, world->sampler);
    spun = spin_until_cut(session);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_CHILD);
    pthread_join(waiter, NULL);
    assert_int_equal(other.how, LPP_START_STOPPING);
    apr_pool_destroy(other.pool);
    profile = final_profile(world, session);
    assert_true(profile->total.wall_ns >= 80 * MS);
    assert_true(spun < 390 * MS);
    assert_int_equal(profile->honesty.cut_short, LPP_STOP_CHILD);
    lpp_session_close(session);
    pthread_join(stopper, NULL);
    assert_int_equal(lpp_session_start(world->sampler, &options, no_roots,
                                       &second, &waited, &status, world->pool),
                     LPP_START_STOPPING);
    assert_null(second);
}

static atomic_int held, holding;

static void hold_thread(int number)
{
    static const struct timespec nap = { 0, 1000000 };

    atomic_store(&holding, 1);
    while (atomic_load(&held)) {
        nanosleep(&nap, NULL);
    }
}

/* As in a prefork child, whose end runs in a signal handler on top of the wait
 * for a turn: the turn comes, its thread does not. */
static void a_turn_that_comes_at_the_childs_end_is_given_back(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    struct sigaction action, old;
    lpp_holder_t holder;
    pthread_t waiter;
    other_t other;
    int i;

    memset(&action, 0, sizeof(action));
    action.sa_handler = hold_thread;
    sigaction(SIGUSR2, &action, &old);
    make_other(&other, world);
    atomic_store(&held, 1);
    pthread_create(&waiter, NULL, profile_elsewhere, &other);
    wait_for_queue(world->sampler, 1);
    /* Not while it holds the mutex, as it does for a moment now and then. */
    pthread_mutex_lock(&world->sampler->helper.mutex);
    pthread_kill(waiter, SIGUSR2);
    while (!atomic_load(&holding)) {
        usleep(1000);
    }
    pthread_mutex_unlock(&world->sampler->helper.mutex);
    lpp_session_close(session);
    do {
        usleep(1000);
        lpp_gate_get_holder(world->gate, &holder);
    } while (holder.pid == 0); /* now it is the turn of who is held */
    lpp_sampler_stop(world->sampler);
    for (i = 0; i < 5000 && holder.pid != 0; i++) {
        usleep(1000);
        lpp_gate_get_holder(world->gate, &holder);
    }
    assert_int_equal(holder.pid, 0);
    atomic_store(&held, 0);
    pthread_join(waiter, NULL);
    assert_int_equal(other.how, LPP_START_RUNNING); /* and cut at once */
    assert_int_equal(other.samples, 0);
    apr_pool_destroy(other.pool);
    sigaction(SIGUSR2, &old, NULL);
}

/* A session that is cut after 100 ms, before its stop. */
static lpp_session_t *cut_at_100_ms(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = NULL;
    lpp_profile_t *profile;
    int i;

    options.max_time_us = 100000;
    for (i = 0; i < TRIES; i++) {
        session = start(world, &options, no_roots);
        spin_until_cut(session);
        assert_int_equal(lpp_session_cut_short(session), LPP_STOP_MAX_TIME);
        profile = final_profile(world, session);
        tell("cut at 100 ms", profile);
        assert_true(profile->total.wall_ns >= 100 * MS);
        assert_int_equal(profile->honesty.cut_short, LPP_STOP_MAX_TIME);
        if (profile->total.wall_ns <= 125 * MS) {
            break;
        }
        lpp_session_close(session);
    }
    assert_true(i < TRIES);
    return session;
}

static void too_long_a_profile_is_cut_and_frees_the_gate(void **state)
{
    world_t *world = *state;
    lpp_session_t *session = cut_at_100_ms(world);
    int number = lpp_sampler_signal(world->sampler);
    pthread_t thread;
    sigset_t mask;
    other_t other;

    /* Another thread's turn while this one still has its mask changed. */
    make_other(&other, world);
    pthread_create(&thread, NULL, profile_elsewhere, &other);
    while (!atomic_load(&other.answered)) {
        usleep(1000);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, number)); /* as it was */
    pthread_join(thread, NULL);
    assert_int_equal(other.how, LPP_START_RUNNING);
    assert_true(other.samples > 5);
    apr_pool_destroy(other.pool);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_MAX_TIME);
    lpp_session_close(session);
}

static void a_slow_client_ends_the_profile(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    apr_uint64_t began, took = 0;
    int i;

    options.max_client_wait_us = 100000;
    for (i = 0; i < TRIES; i++) {
        session = start(world, &options, no_roots);
        began = now_ns(CLOCK_MONOTONIC);
        lpp_session_client_enter(session);
        lpp_session_client_enter(session);
        usleep(60000);
        lpp_session_client_leave(session);
        lpp_session_client_leave(session);
        took = now_ns(CLOCK_MONOTONIC) - began;
        if (took < 100 * MS) {
            break;
        }
        lpp_session_close(session); /* that was too slow, truly */
    }
    assert_true(i < TRIES);
    test_spin(100 * MS);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_NOT);
    lpp_session_client_enter(session);
    for (i = 0; i < 10000 && !lpp_session_cut_short(session); i++) {
        usleep(1000);
    }
    lpp_session_client_leave(session);
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_CLIENT);
    lpp_session_close(session);
}

/* Each call is short; the sum counts. */
static void a_client_that_trickles_ends_the_profile(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    int calls;

    options.max_client_wait_us = 100000;
    session = start(world, &options, no_roots);
    for (calls = 0; calls < 200 && !lpp_session_cut_short(session); calls++) {
        lpp_session_client_enter(session);
        usleep(10000);
        lpp_session_client_leave(session);
        usleep(1000); /* the helper looks between two calls, too */
    }
    assert_int_equal(lpp_session_cut_short(session), LPP_STOP_CLIENT);
    lpp_session_close(session);
}

/* A filter that encrypts is not a client that is slow: what is cut has done
 * nothing for that long (on a busy machine, it waited for a processor). */
static void what_computes_is_not_blocked_on_the_client(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    apr_uint64_t until, began, idle;

    options.max_client_wait_us = 300000;
    session = start(world, &options, no_roots);
    began = now_ns(CLOCK_MONOTONIC);
    until = now_ns(CLOCK_THREAD_CPUTIME_ID) + 400 * MS;
    idle = began - (until - 400 * MS);
    lpp_session_client_enter(session);
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until
           && !lpp_session_cut_short(session)) {
        test_spin(MS);
    }
    idle = now_ns(CLOCK_MONOTONIC) - now_ns(CLOCK_THREAD_CPUTIME_ID) - idle;
    assert_true(!lpp_session_cut_short(session) || idle >= 290 * MS);
    lpp_session_client_leave(session);
    lpp_session_close(session);
}

static int ten_kilohertz_once(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    lpp_weight_t spin;

    options.rate_hz = 10000;
    session = start(world, &options, no_roots);
    test_spin(200 * MS);
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("10 kHz, 200 ms", profile);
    spin = weight_under(world, profile, SPIN);
    assert_true((spin.samples + 3) * 100 >= profile->honesty.samples * 97);
    assert_int_equal(profile->honesty.broken, 0);
    return profile->honesty.samples > 500;
}

static void ten_kilohertz_work(void **state)
{
    try_often(*state, ten_kilohertz_once);
}

static int ten_hertz_once(world_t *world)
{
    lpp_session_options_t options = usual_options();
    apr_uint64_t began, took;
    lpp_session_t *session;
    lpp_profile_t *profile;

    options.rate_hz = 10;
    session = start(world, &options, no_roots);
    test_spin(20 * MS);
    began = now_ns(CLOCK_MONOTONIC);
    test_doze(300 * MS);
    took = now_ns(CLOCK_MONOTONIC) - began;
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("10 Hz", profile);
    print_message("usleep(300 ms) at 10 Hz took %.2f ms\n", took / 1e6);
    assert_true(took >= 300 * MS);
    return took < 312 * MS
           && profile->honesty.repaired_calls >= !seen_without_signal();
}

static void ten_hertz_still_shorten_sleeps_exactly(void **state)
{
    try_often(*state, ten_hertz_once);
}

static void a_profile_can_be_had_on_the_way(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *first, *last;
    lpp_weight_t sum;

    test_spin(80 * MS);
    spin_until_sampled(session, 31, world->pool);
    first = final_profile(world, session);
    spin_until_sampled(session, first->honesty.samples + 1, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    last = final_profile(world, session);
    lpp_session_close(session);
    sum = weight_of_all(first);
    assert_true(first->honesty.samples > 30);
    assert_true(sum.wall_ns <= first->total.wall_ns);
    assert_true(first->total.cpu_ns >= 100 * MS);
    assert_true(last->honesty.samples > first->honesty.samples);
    assert_true(last->total.wall_ns > first->total.wall_ns);
}

typedef struct elsewhere_t {
    lpp_session_t *session;
    apr_pool_t *pool;
    apr_uint64_t cpu_ns;
    int done;
} elsewhere_t;

static void *resume_elsewhere(void *baton)
{
    elsewhere_t *elsewhere = baton;
    lpp_session_t *session = elsewhere->session;

    if (lpp_session_resume(session) != APR_SUCCESS) {
        return NULL;
    }
    test_spin(40 * MS);
    spin_until_sampled(session, 31, elsewhere->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    elsewhere->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    elsewhere->done = 1;
    return NULL;
}

static void a_request_goes_on_on_another_thread(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    apr_uint64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
    lpp_session_t *session = start(world, &options, no_roots);
    elsewhere_t elsewhere = { session, world->pool, 0, 0 };
    lpp_profile_t *profile;
    pthread_t thread;

    test_spin(20 * MS);
    spin_until_sampled(session, 16, world->pool);
    lpp_session_pause(session);
    cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
    test_spin(100 * MS); /* somebody else's work */
    pthread_create(&thread, NULL, resume_elsewhere, &elsewhere);
    pthread_join(thread, NULL);
    assert_true(elsewhere.done);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("40 ms here, 60 ms there", profile);
    assert_in_range(profile->total.cpu_ns, 100 * MS, cpu + elsewhere.cpu_ns);
    assert_true(profile->total.wall_ns >= 200 * MS);
    assert_true(weight_of_all(profile).cpu_ns <= profile->total.cpu_ns);
    assert_true(profile->honesty.samples > 30);
}

static void *stop_elsewhere(void *baton)
{
    lpp_session_stop(baton, LPP_STOP_NOT);
    lpp_session_close(baton);
    return NULL;
}

static void a_request_may_end_on_another_thread(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    pthread_t thread;
    sigset_t before, after;
    int i;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    sigaddset(&before, SIGRTMAX - 2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (i = 0; i < 2; i++) {
        session = start(world, &options, no_roots);
        test_spin(20 * MS);
        pthread_create(&thread, NULL, stop_elsewhere, session);
        pthread_join(thread, NULL);
    }
    /* Once it is seen again, the thread gets the mask of the beginning. */
    session = start(world, &options, no_roots);
    spin_until_sampled(session, 4, world->pool);
    lpp_session_stop(session, LPP_STOP_NOT);
    assert_true(final_profile(world, session)->honesty.samples > 3);
    lpp_session_close(session);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_true(sigismember(&after, SIGRTMAX - 2));
    sigdelset(&after, SIGRTMAX - 2);
    pthread_sigmask(SIG_SETMASK, &after, NULL);
}

/* A helper is in the process that made it alone; nobody waits for it. */
static void in_a_fork_nothing_starts(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    apr_interval_time_t waited;
    apr_status_t rv;
    int status;
    pid_t pid;

    lpp_session_stop(session, LPP_STOP_NOT);
    lpp_session_close(session);
    /* As the helper may have it. */
    pthread_mutex_lock(&world->sampler->helper.mutex);
    pid = fork();
    if (pid == 0) {
        alarm(30);
        lpp_sampler_expect(world->sampler);
        _exit(lpp_session_start(world->sampler, &options, no_roots, &session,
                                &waited, &rv, world->pool)
              == LPP_START_FORKED ? 0 : 1);
    }
    pthread_mutex_unlock(&world->sampler->helper.mutex);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void forks_while_sampled_are_not_touched(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    int i, status;

    options.rate_hz = 5000;
    session = start(world, &options, no_roots);
    for (i = 0; i < 30; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            test_spin(2 * MS);
            /* A child of the child: its cleanups do nothing, nothing hangs. */
            lpp_session_close(session);
            apr_pool_destroy(world->pchild);
            if (i % 2) {
                execl("/bin/true", "true", (char *)NULL);
            }
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell("30 forks", profile);
    assert_true(profile->honesty.samples > 3);
}

static void a_forgotten_stop_is_made_up_for(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_holder_t holder;

    lpp_session_close(start(world, &options, no_roots));
    lpp_gate_get_holder(world->gate, &holder);
    assert_int_equal(holder.pid, 0);
}

static void starting_and_stopping_are_quick(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    apr_uint64_t start_sum = 0, stop_sum = 0, t0, t1, t2;
    int i, slow_starts = 0, slow_stops = 0;
    lpp_session_t *session;

    lpp_session_close(start(world, &options, no_roots)); /* makes the helper */
    for (i = 0; i < 200; i++) {
        t0 = now_ns(CLOCK_MONOTONIC);
        session = start(world, &options, test_roots);
        t1 = now_ns(CLOCK_MONOTONIC);
        lpp_session_stop(session, LPP_STOP_NOT);
        t2 = now_ns(CLOCK_MONOTONIC);
        start_sum += t1 - t0;
        stop_sum += t2 - t1;
        slow_starts += t1 - t0 >= 5 * MS;
        slow_stops += t2 - t1 >= 1 * MS;
        lpp_session_close(session);
    }
    print_message("start %.1f us, with waiting for the helper; stop %.1f us\n",
                  start_sum / 200e3, stop_sum / 200e3);
    /* Most of them: others may have had the processor meanwhile. */
    assert_true(slow_starts < 100);
    assert_true(slow_stops < 100);
}

/* Announced or not, come or not, while one runs or not: it is a knock. */
static void an_announced_session_starts_as_ever(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    int i;

    lpp_sampler_expect(world->sampler); /* makes the helper */
    usleep(2000);
    for (i = 0; i < 50; i++) {
        lpp_sampler_expect(world->sampler);
        if (i % 2) {
            usleep((useconds_t)i * 10); /* up to where it has gone to sleep */
        }
        session = start(world, &options, no_roots);
        lpp_sampler_expect(world->sampler);
        lpp_session_close(session);
    }
    lpp_sampler_expect(world->sampler); /* and nobody comes */
}

#define CASE(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_spinning_thread_is_seen_where_it_spins),
        CASE(a_sleeping_thread_is_left_alone_and_credited),
        CASE(short_and_long_waits_get_their_own_time),
        CASE(stacks_begin_at_the_caller_of_the_root_function),
        CASE(a_stack_without_samples_begins_there_too),
        CASE(samples_may_begin_later),
        CASE(it_is_held_no_longer_than_without_samples),
        CASE(mask_and_action_are_given_back),
        CASE(a_taken_signal_means_no_stacks_but_exact_totals),
        CASE(without_stacks_the_gate_is_held_and_nothing_sent),
        CASE(threads_are_profiled_one_after_another_in_order),
        CASE(a_waiter_times_out),
        CASE(nobody_waits_where_the_room_is_full),
        CASE(a_free_gate_needs_no_waiting_room),
        CASE(an_owner_is_not_counted_as_waiting),
        CASE(a_waiter_whose_client_left_is_let_go),
        CASE(the_holders_own_request_does_not_wait),
        CASE(the_childs_end_cuts_and_lets_waiters_go),
        CASE(a_turn_that_comes_at_the_childs_end_is_given_back),
        CASE(too_long_a_profile_is_cut_and_frees_the_gate),
        CASE(a_slow_client_ends_the_profile),
        CASE(a_client_that_trickles_ends_the_profile),
        CASE(what_computes_is_not_blocked_on_the_client),
        CASE(ten_kilohertz_work),
        CASE(ten_hertz_still_shorten_sleeps_exactly),
        CASE(a_profile_can_be_had_on_the_way),
        CASE(a_request_goes_on_on_another_thread),
        CASE(a_request_may_end_on_another_thread),
        CASE(forks_while_sampled_are_not_touched),
        CASE(in_a_fork_nothing_starts),
        CASE(a_forgotten_stop_is_made_up_for),
        CASE(starting_and_stopping_are_quick),
        CASE(an_announced_session_starts_as_ever),
    };
    int failed;

    apr_initialize();
    if (!try_restarts()) {
        return 1;
    }
    apr_pool_create(&root, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
