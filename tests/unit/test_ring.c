/* SPDX-License-Identifier: Apache-2.0 */
/* test: under tsan: it is about threads */
/* lpp_ring: order, fullness, two threads at once. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampling/lpp_ring_internal.h"

static apr_pool_t *root;

static lpp_ring_t *make_ring(void **state)
{
    lpp_ring_t *ring;
    apr_pool_t *pool;

    assert_int_equal(apr_pool_create(&pool, root), APR_SUCCESS);
    *state = pool;
    assert_int_equal(lpp_ring_create(&ring, pool), APR_SUCCESS);
    return ring;
}

static int tear_down(void **state)
{
    if (*state != NULL) {
        apr_pool_destroy(*state);
    }
    return 0;
}

static int put(lpp_ring_t *ring, apr_uint64_t sequence)
{
    unsigned char *stack;
    lpp_snapshot_t *snapshot = lpp_ring_reserve(ring, &stack);

    if (snapshot == NULL) {
        return 0;
    }
    memset(stack, (int)(sequence & 0xff), LPP_STACK_MAX_BYTES);
    snapshot->sequence = sequence;
    snapshot->stack_len = LPP_STACK_MAX_BYTES;
    lpp_ring_publish(ring);
    return 1;
}

static void an_empty_ring_has_nothing(void **state)
{
    lpp_ring_t *ring = make_ring(state);

    assert_null(lpp_ring_peek(ring));
}

static void samples_come_out_in_order_and_whole(void **state)
{
    lpp_ring_t *ring = make_ring(state);
    apr_uint64_t i;

    for (i = 1; i < 5 * LPP_RING_SLOTS; i++) {
        const lpp_snapshot_t *seen;

        assert_true(put(ring, i));
        seen = lpp_ring_peek(ring);
        assert_non_null(seen);
        assert_int_equal(seen->sequence, i);
        assert_int_equal(seen->stack[0], i & 0xff);
        assert_int_equal(seen->stack[LPP_STACK_MAX_BYTES - 1], i & 0xff);
        lpp_ring_release(ring);
    }
    assert_null(lpp_ring_peek(ring));
}

static void what_is_not_published_is_not_seen(void **state)
{
    lpp_ring_t *ring = make_ring(state);
    unsigned char *stack;

    assert_non_null(lpp_ring_reserve(ring, &stack));
    assert_null(lpp_ring_peek(ring));
    assert_true(put(ring, 7)); /* the same slot again */
    assert_int_equal(lpp_ring_peek(ring)->sequence, 7);
}

static void a_full_ring_loses_the_newest(void **state)
{
    lpp_ring_t *ring = make_ring(state);
    apr_uint64_t i;

    for (i = 0; i < LPP_RING_SLOTS; i++) {
        assert_true(put(ring, i));
    }
    assert_false(put(ring, 999));
    assert_false(put(ring, 1000));
    assert_int_equal(lpp_ring_peek(ring)->sequence, 0);
    lpp_ring_release(ring);
    assert_true(put(ring, 1001));
    lpp_ring_reset(ring);
    assert_null(lpp_ring_peek(ring));
}

static void *writer(void *baton)
{
    apr_uint64_t i;

    for (i = 1; i <= 20000; i++) {
        unsigned char *stack;
        lpp_snapshot_t *snapshot;

        while ((snapshot = lpp_ring_reserve(baton, &stack)) == NULL) {
            sched_yield();
        }
        memset(stack, (int)(i & 0xff), 64);
        snapshot->sequence = i;
        lpp_ring_publish(baton);
    }
    return NULL;
}

static void two_threads_agree(void **state)
{
    lpp_ring_t *ring = make_ring(state);
    apr_uint64_t expected = 1;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, writer, ring), 0);
    while (expected <= 20000) {
        const lpp_snapshot_t *seen = lpp_ring_peek(ring);

        if (seen == NULL) {
            sched_yield();
            continue;
        }
        assert_int_equal(seen->sequence, expected);
        assert_int_equal(seen->stack[63], expected & 0xff);
        expected++;
        lpp_ring_release(ring);
    }
    pthread_join(thread, NULL);
    assert_null(lpp_ring_peek(ring));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_empty_ring_has_nothing, tear_down),
        cmocka_unit_test_teardown(samples_come_out_in_order_and_whole,
                                  tear_down),
        cmocka_unit_test_teardown(what_is_not_published_is_not_seen,
                                  tear_down),
        cmocka_unit_test_teardown(a_full_ring_loses_the_newest,
                                  tear_down),
        cmocka_unit_test_teardown(two_threads_agree, tear_down),
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
