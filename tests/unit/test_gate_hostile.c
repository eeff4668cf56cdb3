/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_gate: any child can write anything into the memory that all share, and
 * the parent, which is root, reads it. Nothing is there but the memory: a read
 * or write beyond it ends the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "gate/lpp_gate_internal.h"

#define ROUNDS 50
#define STUCK_S 300 /* a loop that somebody else's bytes keep going */

static apr_pool_t *pool;
static lpp_gate_t *gate;
static unsigned char *mapped;
static size_t page, bytes;

/* The gate's memory ends where a page begins that nobody may touch, and one
 * lies before it. */
static int set_up(void **state)
{
    apr_global_mutex_t *mutex;

    page = (size_t)sysconf(_SC_PAGESIZE);
    bytes = (sizeof(shared_t) + page - 1) / page * page;
    apr_pool_create(&pool, NULL);
    assert_int_equal(apr_global_mutex_create(&mutex, NULL, APR_LOCK_DEFAULT,
                                             pool), APR_SUCCESS);
    assert_int_equal(lpp_gate_create(&gate, mutex, pool), APR_SUCCESS);
    mapped = mmap(NULL, bytes + 2 * page, PROT_NONE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    assert_int_equal(mprotect(mapped + page, bytes, PROT_READ | PROT_WRITE),
                     0);
    gate->shared = (shared_t *)(mapped + page + bytes - sizeof(shared_t));
    alarm(STUCK_S);
    return 0;
}

static int tear_down(void **state)
{
    alarm(0);
    munmap(mapped, bytes + 2 * page);
    apr_pool_destroy(pool);
    return 0;
}

static void check_owner(const lpp_owner_t *owner)
{
    assert_true(strlen(owner->id) < sizeof(owner->id));
    assert_true(strlen(owner->url) < sizeof(owner->url));
    assert_true(strlen(owner->page_id) < sizeof(owner->page_id));
    assert_true(strlen(owner->host) < sizeof(owner->host));
    assert_true(strlen(owner->method) < sizeof(owner->method));
    assert_true(owner->start >= 0);
}

/* All that the parent and its writer of reports call. */
static void do_what_the_parent_does(void)
{
    lpp_gate_counts_t counts;
    lpp_gate_totals_t totals;
    lpp_owner_t owner;
    lpp_death_t death;
    lpp_ends_t ends;
    char text[LPP_GATE_ERROR_BYTES + 8];
    apr_time_t when;
    int taken;

    lpp_gate_forget(gate, (apr_uint32_t)getpid());
    lpp_gate_forget(gate, 0);
    lpp_gate_forget(gate, 0xfffffff0u);
    lpp_gate_note_death(gate, (apr_uint32_t)getpid());
    assert_in_range(lpp_gate_deaths(gate), 0, LPP_GATE_AREAS);
    lpp_gate_get_owner(gate, &owner);
    check_owner(&owner);
    lpp_gate_get_counts(gate, &counts);
    lpp_gate_get_totals(gate, &totals);
    memset(&ends, 0xff, sizeof(ends));
    (void)lpp_gate_awaits(gate, &ends);
    lpp_gate_set_error(gate, "LPP999: an error");
    lpp_gate_get_error(gate, text, sizeof(text), &when);
    assert_true(strlen(text) <= LPP_GATE_ERROR_BYTES);
    for (taken = 0; taken <= LPP_GATE_AREAS
                    && lpp_gate_take_death(gate, &death); taken++) {
        check_owner(&death.owner);
        assert_true(death.owner.start <= apr_time_now());
        assert_in_range(death.noted, 0, apr_time_now());
        assert_true((const unsigned char *)death.extra
                    + LPP_GATE_AREA_BYTES <= mapped + page + bytes);
        lpp_gate_forget_death(gate, &death);
    }
    assert_in_range(taken, 0, LPP_GATE_AREAS);
}

/* All that another child calls, which is still itself. */
static void do_what_children_do(void)
{
    lpp_gate_totals_t one = { 1, 1, 1, 1, 1, 1, 2 };
    lpp_owner_t owner, dead;
    lpp_gate_waits_t waits;
    apr_pool_t *pchild;
    void *kept = NULL;

    apr_pool_create(&pchild, pool);
    memset(&owner, 'x', sizeof(owner));
    owner.pid = (apr_uint32_t)getpid();
    lpp_gate_bound_owner(&owner);
    assert_int_equal(lpp_gate_child_init(gate, pchild), APR_SUCCESS);
    if (lpp_gate_enter(gate, 3) == APR_SUCCESS) {
        lpp_gate_leave(gate);
    }
    lpp_gate_leave(gate);
    lpp_gate_get_owner(gate, &dead);
    check_owner(&dead);
    assert_int_equal(lpp_gate_try(gate, 1000), APR_SUCCESS);
    lpp_gate_set_owner(gate, &owner);
    lpp_gate_set_page_id(gate, owner.id, "a:b");
    memset(&waits, 0xff, sizeof(waits));
    lpp_gate_set_waits(gate, &waits);
    assert_int_equal(lpp_gate_awaits(gate, &waits.sockets[0]),
                     LPP_GATE_AWAITS);
    if (lpp_gate_extra(gate)) {
        ((char *)lpp_gate_extra(gate))[0] = 1;
        ((char *)lpp_gate_extra(gate))[LPP_GATE_AREA_BYTES - 1] = 1;
    }
    assert_int_equal(lpp_gate_release_keep(gate, &kept), APR_SUCCESS);
    lpp_gate_settle(kept);
    lpp_gate_post_death(gate, &owner);
    lpp_gate_count_skip(gate, LPP_GATE_BUSY);
    lpp_gate_ask_waits(gate);
    (void)lpp_gate_waits_asked(gate);
    lpp_gate_ask_to_end(gate);
    lpp_gate_asked_to_end(gate);
    lpp_gate_add_client_us(gate, lpp_gate_client_us(gate));
    lpp_gate_add_totals(gate, &one);
    apr_pool_destroy(pchild);
}

static void fill_bytes(int value)
{
    memset(gate->shared, value, sizeof(*gate->shared));
}

static void fill_words(apr_uint32_t value)
{
    apr_uint32_t *word = (apr_uint32_t *)(void *)gate->shared;
    size_t i;

    for (i = 0; i < sizeof(*gate->shared) / sizeof(*word); i++) {
        word[i] = value;
    }
}

static void the_same_everywhere(void **state)
{
    static const apr_uint32_t values[] = {
        0, 1, 4095, 4096, 4097, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff
    };
    unsigned i;

    for (i = 0; i < LPP_COUNT(values); i++) {
        fill_words(values[i]);
        do_what_the_parent_does();
        fill_words(values[i]);
        do_what_children_do();
    }
    fill_bytes(0xff);
    do_what_the_parent_does();
    fill_bytes('A'); /* strings without an end */
    do_what_the_parent_does();
    do_what_children_do();
}

/* As in the report of this fault: one number alone was false. */
static void a_false_number_of_places(void **state)
{
    static const apr_uint32_t values[] = { LPP_GATE_PLACES - 1,
        LPP_GATE_PLACES, LPP_GATE_PLACES + 1, 100000, 0x10000000, 0xfffffff0 };
    lpp_gate_counts_t counts;
    unsigned i;

    for (i = 0; i < LPP_COUNT(values); i++) {
        fill_bytes(0);
        atomic_store(&gate->shared->places_used, values[i]);
        /* What would be taken for a place of this child, and zeroed. */
        memset(gate->shared->area[0].extra, 0xee, 4096);
        atomic_store((_Atomic apr_uint64_t *)(void *)gate->shared->error.text,
                     ((apr_uint64_t)getpid() << 32) | 7);
        lpp_gate_forget(gate, (apr_uint32_t)getpid());
        assert_int_equal(atomic_load((_Atomic apr_uint64_t *)(void *)
                                         gate->shared->error.text),
                         ((apr_uint64_t)getpid() << 32) | 7);
        lpp_gate_get_counts(gate, &counts);
        assert_int_equal(counts.waiting, 0);
        do_what_the_parent_does();
        do_what_children_do();
    }
}

/* The shared area's head is where the numbers are: all random there; states of
 * areas that some process is in. */
static void random_bytes(void **state)
{
    unsigned round, i;

    srand(11);
    for (round = 0; round < ROUNDS; round++) {
        unsigned char *head = (unsigned char *)gate->shared;

        for (i = 0; i < offsetof(shared_t, area); i++) {
            head[i] = (unsigned char)rand();
        }
        for (i = 0; i < LPP_GATE_AREAS; i++) {
            area_t *area = &gate->shared->area[i];
            unsigned char *at = (unsigned char *)&area->owner;
            size_t j;

            for (j = 0; j < sizeof(area->owner); j++) {
                at[j] = (unsigned char)(rand() | 1);
            }
            atomic_store(&area->noted, (apr_int64_t)(
                (apr_uint64_t)rand() << (rand() % 34)));
            atomic_store(&area->state, AREA_STATE(
                (apr_uint64_t)rand() % 6, round % 2 ? (apr_uint32_t)rand()
                                         : (apr_uint32_t)getpid()));
        }
        do_what_the_parent_does();
        do_what_children_do();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_everywhere),
        TEST(a_false_number_of_places),
        TEST(random_bytes),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
