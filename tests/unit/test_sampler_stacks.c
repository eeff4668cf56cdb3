/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* test: under tsan: it is about threads */
/*
 * test_sampler_stacks: where the stacks of a profile begin: at the function
 * that serves the request, which the test's lfind stands for.
 */
#include <search.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampler_world.h"

extern const char __start_root_text[], __stop_root_text[];
#define HERE __start_root_text, __stop_root_text

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
    assert_true(profile->statistics.samples > 10);
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
    assert_int_equal(profile->statistics.broken, 0);
    assert_int_equal(profile->statistics.cut, 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(stacks_begin_at_the_caller_of_the_root_function),
        CASE(a_stack_without_samples_begins_there_too),
    };
    int failed;

    if (!open_sampler_world()) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_sampler_world();
    return failed;
}
