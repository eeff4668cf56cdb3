/* SPDX-License-Identifier: Apache-2.0 */
/* test: under tsan: it is about threads */
/* lpp_jobs: order, ceiling, end. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "base/lpp_jobs.h"

static apr_pool_t *root;
static atomic_int runs;
static atomic_int order_broken;
static atomic_int hold;     /* jobs wait while set */
static atomic_int started;

static void note_order(void *baton)
{
    if (atomic_fetch_add(&runs, 1) != (int)(intptr_t)baton) {
        atomic_store(&order_broken, 1);
    }
}

static void wait_while_held(void *baton)
{
    atomic_fetch_add(&started, 1);
    while (atomic_load(&hold)) {
        usleep(1000);
    }
    atomic_fetch_add(&runs, 1);
}

static int wait_for(atomic_int *what, int value)
{
    int ms;

    for (ms = 0; ms < 5000 && atomic_load(what) != value; ms++) {
        usleep(1000);
    }
    return atomic_load(what) == value;
}

static int set_up(void **state)
{
    apr_pool_t *pool;

    atomic_store(&runs, 0);
    atomic_store(&order_broken, 0);
    atomic_store(&hold, 0);
    atomic_store(&started, 0);
    if (apr_pool_create(&pool, root) != APR_SUCCESS) {
        return 1;
    }
    *state = pool;
    return 0;
}

static void jobs_run_in_the_order_given(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;
    int i;

    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    for (i = 0; i < 1000; i++) {
        while (lpp_jobs_submit(jobs, note_order, (void *)(intptr_t)i)
               != APR_SUCCESS) {
            usleep(100);
        }
    }
    assert_true(wait_for(&runs, 1000));
    assert_int_equal(atomic_load(&order_broken), 0);
    apr_pool_destroy(pool);
}

static void a_full_queue_says_so_and_recovers(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;
    int i;

    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    atomic_store(&hold, 1);
    for (i = 0; i < LPP_JOBS_MAX; i++) {
        assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                         APR_SUCCESS);
    }
    assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                     APR_EAGAIN);
    atomic_store(&hold, 0);
    assert_true(wait_for(&runs, LPP_JOBS_MAX));
    assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                     APR_SUCCESS);
    assert_true(wait_for(&runs, LPP_JOBS_MAX + 1));
    apr_pool_destroy(pool);
}

static void the_end_waits_for_queued_jobs(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;
    int i;

    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    for (i = 0; i < 20; i++) {
        assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                         APR_SUCCESS);
    }
    apr_pool_destroy(pool);
    assert_int_equal(atomic_load(&runs), 20);
}

static apr_status_t let_go(void *baton)
{
    atomic_store(&hold, 0);
    return APR_SUCCESS;
}

static void jobs_finish_before_subpools_go(void **state)
{
    apr_pool_t *pool = *state;
    apr_pool_t *sub;
    lpp_jobs_t *jobs;
    apr_time_t begin;
    apr_interval_time_t took;

    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    assert_int_equal(apr_pool_create(&sub, pool), APR_SUCCESS);
    atomic_store(&hold, 1);
    assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                     APR_SUCCESS);
    /* The cleanup of the subpool lets the job go on: had it run first, there
     * would have been nothing to wait for. */
    apr_pool_cleanup_register(sub, NULL, let_go, apr_pool_cleanup_null);
    assert_true(wait_for(&started, 1));
    begin = apr_time_now();
    apr_pool_destroy(pool);
    took = apr_time_now() - begin;
    assert_true(took >= apr_time_from_msec(4900));
    assert_true(took < apr_time_from_sec(20));
    assert_true(wait_for(&runs, 1)); /* harmless after the pool has gone */
}

/* Longer than all of them are waited for, which is a second or, on a busy
 * machine, two or three: naps are counted. */
static void take_long(void *baton)
{
    atomic_fetch_add(&started, 1);
    usleep(4000000);
    atomic_fetch_add(&runs, 1);
}

static void the_end_waits_longer_for_the_job_in_hand_alone(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;

    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    assert_int_equal(lpp_jobs_submit(jobs, take_long, NULL), APR_SUCCESS);
    assert_int_equal(lpp_jobs_submit(jobs, take_long, NULL), APR_SUCCESS);
    assert_true(wait_for(&started, 1));
    apr_pool_destroy(pool);
    assert_int_equal(atomic_load(&runs), 1);
    usleep(10000);
    assert_int_equal(atomic_load(&started), 1);
}

static void nothing_is_taken_after_the_end(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs, *unused;

    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    assert_int_equal(lpp_jobs_create(&unused, pool), APR_SUCCESS);
    assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                     APR_SUCCESS);
    apr_pool_destroy(pool);
    assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                     APR_EAGAIN);
    assert_int_equal(lpp_jobs_submit(unused, wait_while_held, NULL),
                     APR_EAGAIN);
    assert_int_equal(atomic_load(&runs), 1);
}

static lpp_jobs_t *relay;

static void submit_another(void *baton)
{
    if (lpp_jobs_submit(relay, wait_while_held, NULL) == APR_SUCCESS) {
        atomic_fetch_add(&runs, 1);
    }
}

static void a_job_may_submit_a_job(void **state)
{
    apr_pool_t *pool = *state;

    assert_int_equal(lpp_jobs_create(&relay, pool), APR_SUCCESS);
    assert_int_equal(lpp_jobs_submit(relay, submit_another, NULL),
                     APR_SUCCESS);
    assert_true(wait_for(&runs, 2));
    apr_pool_destroy(pool);
}

static sigset_t seen_mask;

static void read_mask(void *baton)
{
    pthread_sigmask(SIG_SETMASK, NULL, &seen_mask);
    atomic_fetch_add(&runs, 1);
}

static void the_thread_takes_no_signal(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;
    sigset_t before, after;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    assert_int_equal(lpp_jobs_submit(jobs, read_mask, NULL), APR_SUCCESS);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_true(wait_for(&runs, 1));
    assert_int_equal(sigismember(&seen_mask, SIGTERM), 1);
    assert_int_equal(sigismember(&seen_mask, SIGPROF), 1);
    assert_int_equal(sigismember(&seen_mask, SIGRTMIN), 1);
    assert_int_equal(sigismember(&after, SIGTERM),
                     sigismember(&before, SIGTERM));
    apr_pool_destroy(pool);
}

static void *submit_many(void *data)
{
    int i;

    for (i = 0; i < 2000; i++) {
        while (lpp_jobs_submit(data, wait_while_held, NULL) != APR_SUCCESS) {
            usleep(100);
        }
    }
    return NULL;
}

static void many_submitters_lose_nothing(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;
    pthread_t threads[4];
    size_t i;

    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    for (i = 0; i < LPP_COUNT(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, jobs),
                         0);
    }
    for (i = 0; i < LPP_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    apr_pool_destroy(pool);
    assert_int_equal(atomic_load(&runs), 8000);
}

static atomic_int deferred;

static void run_later(void *baton)
{
    atomic_fetch_add(&deferred, 1);
}

static void what_is_deferred_runs_once_and_in_time(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;
    int i;

    atomic_store(&deferred, 0);
    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    assert_int_equal(lpp_jobs_defer(jobs, run_later, NULL, 0), APR_EAGAIN);
    assert_int_equal(lpp_jobs_submit(jobs, note_order, NULL), APR_SUCCESS);
    assert_true(wait_for(&runs, 1));
    assert_int_equal(lpp_jobs_defer(jobs, run_later, NULL, 3600000000),
                     APR_SUCCESS);
    for (i = 0; i < 10; i++) { /* the earliest stands */
        assert_int_equal(lpp_jobs_defer(jobs, run_later, NULL,
                                        1000000 + 100000000 * (i % 3)),
                         APR_SUCCESS);
    }
    usleep(20000);
    assert_int_equal(atomic_load(&deferred), 0);
    assert_true(wait_for(&deferred, 1));
    usleep(150000);
    assert_int_equal(atomic_load(&deferred), 1);
    apr_pool_destroy(pool);
}

static void jobs_that_follow_each_other_do_not_hold_it_up(void **state)
{
    apr_pool_t *pool = *state;
    lpp_jobs_t *jobs;
    int i;

    atomic_store(&deferred, 0);
    atomic_store(&hold, 1);
    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    for (i = 0; i < LPP_JOBS_MAX; i++) {
        assert_int_equal(lpp_jobs_submit(jobs, wait_while_held, NULL),
                         APR_SUCCESS);
    }
    assert_true(wait_for(&started, 1));
    assert_int_equal(lpp_jobs_defer(jobs, run_later, NULL, 0), APR_SUCCESS);
    usleep(5000);
    assert_int_equal(atomic_load(&deferred), 0);
    atomic_store(&hold, 0);
    assert_true(wait_for(&deferred, 1));
    assert_true(wait_for(&runs, LPP_JOBS_MAX));
    apr_pool_destroy(pool);
}

static void what_is_deferred_does_not_hold_up_the_end(void **state)
{
    apr_pool_t *pool = *state;
    apr_time_t begin;
    lpp_jobs_t *jobs;

    atomic_store(&deferred, 0);
    assert_int_equal(lpp_jobs_create(&jobs, pool), APR_SUCCESS);
    assert_int_equal(lpp_jobs_submit(jobs, note_order, NULL), APR_SUCCESS);
    assert_true(wait_for(&runs, 1));
    assert_int_equal(lpp_jobs_defer(jobs, run_later, NULL, 1500000),
                     APR_SUCCESS);
    begin = apr_time_now();
    apr_pool_destroy(pool);
    assert_in_range(apr_time_now() - begin, 0, 1400000);
    usleep(1600000);
    assert_int_equal(atomic_load(&deferred), 0);
    assert_int_equal(lpp_jobs_defer(jobs, run_later, NULL, 0), APR_EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(jobs_run_in_the_order_given, set_up),
        cmocka_unit_test_setup(a_full_queue_says_so_and_recovers, set_up),
        cmocka_unit_test_setup(the_end_waits_for_queued_jobs, set_up),
        cmocka_unit_test_setup(jobs_finish_before_subpools_go, set_up),
        cmocka_unit_test_setup(
            the_end_waits_longer_for_the_job_in_hand_alone, set_up),
        cmocka_unit_test_setup(nothing_is_taken_after_the_end, set_up),
        cmocka_unit_test_setup(a_job_may_submit_a_job, set_up),
        cmocka_unit_test_setup(the_thread_takes_no_signal, set_up),
        cmocka_unit_test_setup(many_submitters_lose_nothing, set_up),
        cmocka_unit_test_setup(what_is_deferred_runs_once_and_in_time, set_up),
        cmocka_unit_test_setup(jobs_that_follow_each_other_do_not_hold_it_up,
                               set_up),
        cmocka_unit_test_setup(what_is_deferred_does_not_hold_up_the_end,
                               set_up),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
