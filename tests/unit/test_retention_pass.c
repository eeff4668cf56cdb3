/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_retention_pass: when a pass runs and when it does not: several
 * processes, one lock, clocks that were set, and how much one pass does.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "retention_files.h"

static void what_was_left_is_not_taken_for_done(void **state)
{
    fixture_t *f = *state;

    put_profile(f, 0, 10, 100);
    put_profile(f, 1, 10, 99);
    use_rule(f, "count=1", NULL, NULL);
    lpp_retention_wrote(f->keep, 1);
    sleep(3); /* what this process wrote is complete; another's is not */
    put(f, file_of(f, 0, LPP_FORMAT_PPROF), 10, YOUNG);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 1);
    assert_int_equal(parts_there(f, 0, 100), 3);
    assert_true(f->result.again_us > 0);
    set_age(in(f, file_of(f, 0, LPP_FORMAT_PPROF)), 10);
    sleep(3);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 1);
    assert_int_equal(parts_there(f, 0, 100), 0);
    assert_int_equal(f->result.again_us, 0);
}

static void one_passes_at_a_time(void **state)
{
    fixture_t *f = *state;
    int fd;

    put_profile(f, 1, 10, 100);
    put_profile(f, 2, 10, 50);
    use_rule(f, "count=1", NULL, NULL);
    fd = open(in(f, ".lpp-keep"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    lpp_retention_wrote(f->keep, 1);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 0);
    assert_true(f->result.again_us > 0);
    assert_int_equal(parts_there(f, 1, 100), 3);
    close(fd);
    skipped_s += 120; /* it is still due */
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 1);
    assert_int_equal(parts_there(f, 1, 100), 0);
}

static void a_pass_of_another_process_is_enough(void **state)
{
    fixture_t *f = *state;
    lpp_retention_t *mine;

    use_rule(f, "count=1", NULL, NULL);
    mine = f->keep;
    use_rule(f, "count=1", NULL, NULL);
    pass(f);
    /* it passed just now: too early for this one, whose profile was perhaps
     * not complete then */
    stopped = apr_time_now();
    set_time(in(f, ".lpp-keep"), stopped - apr_time_from_msec(100));
    lpp_retention_wrote(mine, 1);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(mine, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 0);
    assert_true(f->result.again_us > 0);
    stopped = 0;
    /* and one that comes after all of it */
    sleep(3);
    pass(f);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(mine, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 0);
    assert_int_equal(f->result.again_us, 0);
}

static void a_clock_astray_does_not_stop_it(void **state)
{
    fixture_t *f = *state;

    put_profile(f, 1, 10, 100);
    put_profile(f, 2, 10, 50);
    use_rule(f, "count=1", NULL, NULL);
    put(f, ".lpp-keep", 1, -1000000);
    lpp_retention_wrote(f->keep, 1);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 1);
    assert_int_equal(parts_there(f, 1, 100), 0);
}

static void a_lock_that_is_a_trap_is_not_taken(void **state)
{
    fixture_t *f = *state;

    put(f, "victim", 0, 1000);
    assert_int_equal(symlink(in(f, "victim"), in(f, ".lpp-keep")), 0);
    put_profile(f, 1, 10, 100);
    put_profile(f, 2, 10, 50);
    use_rule(f, "count=1", NULL, NULL);
    lpp_retention_wrote(f->keep, 1);
    skipped_s += 120;
    assert_int_not_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                         APR_SUCCESS);
    assert_int_equal(parts_there(f, 1, 100), 3);
    unlink(in(f, ".lpp-keep"));
    assert_int_equal(mkfifo(in(f, ".lpp-keep"), 0600), 0);
    lpp_retention_wrote(f->keep, 1);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_EINVAL);
    assert_int_equal(f->result.again_us, LPP_RETENTION_LATER_US);
}

static void it_looks_often_only_near_the_limits(void **state)
{
    fixture_t *f = *state;
    int i;

    use_rule(f, "count=160", "size=160K", NULL);
    assert_in_range(lpp_retention_wrote(f->keep, 1),
                    LPP_RETENTION_SOON_US - 100000, LPP_RETENTION_SOON_US);
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 0); /* not yet */
    assert_true(f->result.again_us > 0);
    pass(f);
    for (i = 0; i < 9; i++) { /* a sixteenth of the room is far enough */
        assert_in_range(lpp_retention_wrote(f->keep, 1),
                        LPP_RETENTION_SOON_US + 1, LPP_RETENTION_LATER_US);
    }
    assert_in_range(lpp_retention_wrote(f->keep, 1), 0, LPP_RETENTION_SOON_US);
    pass(f);
    assert_in_range(lpp_retention_wrote(f->keep, 9000),
                    LPP_RETENTION_SOON_US + 1, LPP_RETENTION_LATER_US);
    assert_in_range(lpp_retention_wrote(f->keep, 9000), 0,
                    LPP_RETENTION_SOON_US);
}

static void a_missing_directory_is_told(void **state)
{
    fixture_t *f = *state;

    use_rule(f, "count=1", NULL, NULL);
    lpp_retention_add_profiles(f->keep, in(f, "no/where"));
    lpp_retention_wrote(f->keep, 1);
    skipped_s += 120;
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool), ENOENT);
    assert_int_equal(f->result.again_us, LPP_RETENTION_LATER_US);
}

static double timed_pass(fixture_t *f)
{
    struct timespec a, b;

    __real_clock_gettime(CLOCK_MONOTONIC, &a);
    pass(f);
    __real_clock_gettime(CLOCK_MONOTONIC, &b);
    return (double)(b.tv_sec - a.tv_sec) * 1e3
           + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
}

static void a_pass_is_bounded(void **state)
{
    fixture_t *f = *state;
    double first, second, third;
    int i;

    for (i = 0; i < 2500; i++) {
        put_profile(f, i, 1, 50000 - i);
    }
    use_rule(f, "count=500", NULL, NULL);
    first = timed_pass(f);
    assert_in_range(f->result.removed_files, LPP_RETENTION_REMOVE_MAX - 2,
                    LPP_RETENTION_REMOVE_MAX);
    assert_true(f->result.again_us > 0);
    assert_int_equal(parts_there(f, 0, 50000), 0); /* the oldest first */
    assert_int_equal(parts_there(f, 1999, 50000 - 1999), 3);
    second = timed_pass(f);
    assert_int_equal(f->result.again_us, 0);
    assert_int_equal(f->result.profiles, 500);
    third = timed_pass(f);
    assert_int_equal(f->result.removed_files, 0);
    print_message("7500 files, %d removed: %.1f ms; 2500 files, 1000 "
                  "removed: %.1f ms; 1500 files, none removed: %.1f ms\n",
                  LPP_RETENTION_REMOVE_MAX, first, second, third);
}

/* What a child of the server does, with nothing shared but the directory. */
static int write_and_pass(fixture_t *f, int child)
{
    int i;

    use_rule(f, "count=50", NULL, NULL);
    for (i = 0; i < 300; i++) {
        int number = 1000 * child + i;

        put_profile(f, number, 100, 10 + (300 - i) / 10);
        lpp_retention_wrote(f->keep, 200);
        skipped_s += 5;
        if (i % 10 == 9) {
            set_age(in(f, ".lpp-keep"), 60);
        }
        if (lpp_retention_pass(f->keep, &f->result, f->pool) != APR_SUCCESS) {
            return 1;
        }
    }
    return 0;
}

static void several_processes_share_the_work(void **state)
{
    fixture_t *f = *state;
    apr_array_header_t *left;
    int i, status;
    pid_t pid;

    put(f, ".lpp-keep", 1, 100);
    for (i = 0; i < 4; i++) {
        pid = fork();
        if (pid == 0) {
            _exit(write_and_pass(f, i));
        }
        assert_true(pid > 0);
    }
    for (i = 0; i < 4; i++) {
        wait(&status);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    use_rule(f, "count=50", NULL, NULL);
    pass(f);
    assert_int_equal(lpp_store_list(f->store, NULL, 0, &left, f->pool),
                     APR_SUCCESS);
    assert_int_equal(left->nelts, 100); /* two files each */
    assert_int_equal(f->result.profiles, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_left_is_not_taken_for_done),
        TEST(one_passes_at_a_time),
        TEST(a_pass_of_another_process_is_enough),
        TEST(a_clock_astray_does_not_stop_it),
        TEST(a_lock_that_is_a_trap_is_not_taken),
        TEST(it_looks_often_only_near_the_limits),
        TEST(a_missing_directory_is_told),
        TEST(a_pass_is_bounded),
        TEST(several_processes_share_the_work),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
