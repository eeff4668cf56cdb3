/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* test: under tsan: it is about threads */
/* test: alone: it measures how long things take */
/*
 * test_sampler_shares: the three shares of wall time, of a thread that has a
 * processor for itself, that shares one, and that sleeps; and what is known
 * where the kernel does not count ready time.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sampler_world.h"

#define LOOPS 4

/* What schedstat is in this process: as the kernel has it, absent, or of a
 * kernel that does not count. */
static enum { COUNTED, ABSENT, ZEROES } schedstat;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    static const char zeroes[] = "0 0 0\n";
    const char *slash = strrchr(path, '/');
    va_list args;
    int mode, fd;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, int) : 0;
    va_end(args);
    if (schedstat == COUNTED || slash == NULL
        || strcmp(slash, "/schedstat") != 0) {
        return __real_open(path, flags, mode);
    }
    fd = schedstat == ABSENT ? -1 : memfd_create("schedstat", 0);
    if (fd >= 0) {
        assert_int_equal(write(fd, zeroes, 6), 6);
    }
    return fd;
}

/* Of this thread, by the kernel's count, in nanoseconds. */
static apr_uint64_t counted_ready(void)
{
    unsigned long long ready = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*u %llu", &ready), 1);
    fclose(file);
    return ready;
}

/* Processes that compute, on the processor of the calling thread alone. */
static pid_t loops[LOOPS];

static void begin_loops(void)
{
    cpu_set_t one;
    int i;

    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    for (i = 0; i < LOOPS; i++) {
        loops[i] = fork();
        assert_true(loops[i] >= 0);
        if (loops[i] == 0) {
            alarm(60); /* if the test dies */
            for (;;) {
            }
        }
    }
}

static void end_loops(const cpu_set_t *all)
{
    int i;

    for (i = 0; i < LOOPS; i++) {
        kill(loops[i], SIGKILL);
        waitpid(loops[i], NULL, 0);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(*all), all), 0);
}

static apr_uint64_t blocked_of(const lpp_weight_t *weight)
{
    return weight->wall_ns - weight->cpu_ns - weight->ready_ns;
}

/* What must hold of each profile: the parts do not exceed the whole. */
static lpp_profile_t *finish(world_t *world, lpp_session_t *session,
                             const char *what)
{
    lpp_profile_t *profile;
    apr_uint32_t i;

    lpp_session_stop(session, LPP_STOP_NOT);
    profile = final_profile(world, session);
    lpp_session_close(session);
    tell(what, profile);
    print_message("    ready %.1f ms, of samples %.1f\n",
                  profile->total.ready_ns / 1e6,
                  weight_of_all(profile).ready_ns / 1e6);
    for (i = 0; i < profile->count; i++) {
        const lpp_weight_t *self = &profile->nodes[i].self;

        /* clocks are read one after the other */
        assert_true(self->cpu_ns + self->ready_ns <= self->wall_ns + MS);
    }
    assert_true(profile->total.cpu_ns + profile->total.ready_ns
                <= profile->total.wall_ns + MS);
    return profile;
}

static lpp_profile_t *spin_beside_loops(world_t *world, apr_uint64_t *counted)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session;
    lpp_profile_t *profile;
    cpu_set_t all;

    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    begin_loops();
    session = start(world, &options, no_roots);
    *counted = counted_ready();
    test_spin(200 * MS);
    *counted = counted_ready() - *counted;
    profile = finish(world, session, "200 ms beside four loops");
    end_loops(&all);
    return profile;
}

static int measure_busy(world_t *world)
{
    apr_uint64_t counted;
    lpp_profile_t *profile = spin_beside_loops(world, &counted);
    lpp_weight_t spin = weight_under(world, profile, SPIN);
    const lpp_weight_t *total = &profile->total;

    assert_int_equal(profile->statistics.ready, LPP_READY_EXACT);
    /* The session is longer than what was counted, by its start and stop. */
    assert_true(total->ready_ns >= counted);
    print_message("counted %.1f ms of %.1f\n", counted / 1e6,
                  total->wall_ns / 1e6);
    /* It never blocked, and wanted a processor for most of the time. */
    return blocked_of(total) <= total->wall_ns / 100 + 2 * MS
           && total->ready_ns >= total->wall_ns / 2
           && spin.ready_ns >= total->ready_ns / 10 * 8;
}

static void a_busy_machine_is_told_from_waiting(void **state)
{
    measure(*state, measure_busy);
}

static int measure_doze(world_t *world)
{
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    apr_uint64_t counted = counted_ready();
    lpp_profile_t *profile;
    lpp_weight_t doze;

    test_doze(300 * MS);
    counted = counted_ready() - counted;
    profile = finish(world, session, "usleep 300 ms");
    doze = weight_under(world, profile, DOZE);
    assert_int_equal(profile->statistics.ready, LPP_READY_EXACT);
    assert_true(profile->total.ready_ns >= counted);
    return blocked_of(&profile->total) >= 280 * MS
           && blocked_of(&doze) >= 200 * MS;
}

static void a_sleeping_thread_is_blocked(void **state)
{
    measure(*state, measure_doze);
}

/* Without the kernel's count: what was seen asleep is blocked. */
static int measure_uncounted(world_t *world)
{
    lpp_session_options_t options = usual_options();
    apr_uint64_t counted;
    lpp_profile_t *busy, *asleep;
    lpp_session_t *session;

    busy = spin_beside_loops(world, &counted);
    session = start(world, &options, no_roots);
    test_doze(300 * MS);
    asleep = finish(world, session, "usleep 300 ms, not counted");
    assert_int_equal(busy->statistics.ready, LPP_READY_SEEN);
    assert_int_equal(asleep->statistics.ready, LPP_READY_SEEN);
    return blocked_of(&busy->total) <= busy->total.wall_ns / 20
           && blocked_of(&asleep->total) >= 200 * MS;
}

static void without_schedstat_only_sleep_is_blocked(void **state)
{
    schedstat = ABSENT;
    measure(*state, measure_uncounted);
    schedstat = COUNTED;
}

static void a_kernel_that_does_not_count_is_known(void **state)
{
    schedstat = ZEROES;
    measure(*state, measure_uncounted);
    schedstat = COUNTED;
}

/* Without stacks nothing is seen: no share is made up. */
static void without_samples_it_is_exact_or_unknown(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_profile_t *profile;
    lpp_session_t *session;

    options.stacks = 0;
    session = start(world, &options, no_roots);
    test_spin(20 * MS);
    profile = finish(world, session, "no stacks");
    assert_int_equal(profile->statistics.ready, LPP_READY_EXACT);
    schedstat = ABSENT;
    session = start(world, &options, no_roots);
    test_spin(20 * MS);
    profile = finish(world, session, "no stacks, not counted");
    schedstat = COUNTED;
    assert_int_equal(profile->statistics.ready, LPP_READY_UNKNOWN);
    assert_int_equal(profile->total.ready_ns, 0);
}

/* A snapshot of a session that goes on has them, too. */
static void a_snapshot_has_its_shares(void **state)
{
    world_t *world = *state;
    lpp_session_options_t options = usual_options();
    lpp_session_t *session = start(world, &options, no_roots);
    lpp_profile_t *profile;

    test_spin(20 * MS);
    assert_true(lpp_session_ready_ns(session) >= 0);
    lpp_session_pause(session);
    assert_int_equal(lpp_session_ready_ns(session), -1);
    assert_int_equal(lpp_session_resume(session), APR_SUCCESS);
    test_doze(20 * MS);
    assert_int_equal(lpp_session_profile(session, &profile, 5000000,
                                         world->pool), APR_SUCCESS);
    assert_int_equal(profile->statistics.ready, LPP_READY_EXACT);
    assert_true(blocked_of(&profile->total) >= 18 * MS);
    (void)finish(world, session, "with a snapshot");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_busy_machine_is_told_from_waiting),
        CASE(a_sleeping_thread_is_blocked),
        CASE(without_schedstat_only_sleep_is_blocked),
        CASE(a_kernel_that_does_not_count_is_known),
        CASE(without_samples_it_is_exact_or_unknown),
        CASE(a_snapshot_has_its_shares),
    };
    int failed;

    if (!open_sampler_world()) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_sampler_world();
    return failed;
}
