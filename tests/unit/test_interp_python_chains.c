/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_interp_python over structures made by hand, of the version of libpython
 * that is installed: several interpreters, chains that are broken. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "guarded_loads.h"
#include "interp_python_world.h"

#define BLOCK 8192

typedef struct fake_t {
    lpp_interp_python_t python;
    unsigned char stack[4096]; /* places: later runs have lower ones */
    unsigned used;
} fake_t;

static void put(apr_uint64_t at, unsigned offset, apr_uint64_t value)
{
    memcpy((char *)(apr_uintptr_t)at + offset, &value, sizeof(value));
}

static apr_uint64_t get(apr_uint64_t at, unsigned offset)
{
    apr_uint64_t value;

    memcpy(&value, (char *)(apr_uintptr_t)at + offset, sizeof(value));
    return value;
}

static apr_uint64_t block(void)
{
    void *made = apr_pcalloc(pool, BLOCK);

    assert_non_null(made);
    return (apr_uint64_t)(apr_uintptr_t)made;
}

static apr_uint64_t place(fake_t *fake)
{
    fake->used += 128;
    assert_true(fake->used <= sizeof(fake->stack));
    return (apr_uint64_t)(apr_uintptr_t)fake->stack + sizeof(fake->stack)
           - fake->used;
}

static void make_fake(fake_t *fake)
{
    memset(fake, 0, sizeof(*fake));
    fake->python.row = python.row;
    fake->python.code_type = python.code_type;
    fake->python.runtime = block();
}

/* A state of that thread in an interpreter of its own. */
static apr_uint64_t add_state(fake_t *fake, apr_uint64_t thread)
{
    const lpp_interp_python_row_t *row = python.row;
    apr_uint64_t interpreter = block(), state = block();

    put(interpreter, row->interpreter_next,
        get(fake->python.runtime, row->interpreters));
    put(fake->python.runtime, row->interpreters, interpreter);
    put(interpreter, row->interpreter_states, state);
    put(state, row->state_thread, thread);
    if (row->cframe_frame != 0) {
        put(state, row->state_frames, block());
    }
    return state;
}

static apr_uint64_t top_of(apr_uint64_t state)
{
    apr_uint64_t frames_of = get(state, python.row->state_frames);

    return python.row->cframe_frame != 0
        ? get(frames_of, python.row->cframe_frame) : frames_of;
}

static void set_top(apr_uint64_t state, apr_uint64_t frame)
{
    if (python.row->cframe_frame != 0) {
        put(get(state, python.row->state_frames), python.row->cframe_frame,
            frame);
    }
    else {
        put(state, python.row->state_frames, frame);
    }
}

static apr_uint64_t add_frame(apr_uint64_t state, int is_entry)
{
    apr_uint64_t frame = block(), code = block();

    put(code, python.row->code_type, python.code_type);
    put(frame, python.row->frame_code, code);
    put(frame, python.row->frame_previous, top_of(state));
    ((unsigned char *)(apr_uintptr_t)frame)[python.row->frame_entry] =
        is_entry && python.row->cframe_frame != 0;
    return frame;
}

/* C code calls a function, which calls the others. */
static void add_run(fake_t *fake, apr_uint64_t state, unsigned functions)
{
    const lpp_interp_python_row_t *row = python.row;
    apr_uint64_t at = place(fake), outer = top_of(state), frame;
    unsigned i;

    if (row->cframe_frame != 0) {
        put(at, row->cframe_previous, get(state, row->state_frames));
        put(state, row->state_frames, at);
        set_top(state, outer);
    }
    else {
        put(at, row->frame_previous, outer);
        ((unsigned char *)(apr_uintptr_t)at)[row->frame_entry] =
            LPP_INTERP_PYTHON_SHIM;
        set_top(state, at);
    }
    for (i = 0; i < functions; i++) {
        frame = add_frame(state, i == 0);
        set_top(state, frame);
    }
}

static void check_walk(fake_t *fake, unsigned count, unsigned flags)
{
    static const apr_uint64_t regs[LPP_REGS];
    lpp_interp_walk_t made;

    rescue_loads();
    walk(&fake->python, &made, regs);
    assert_int_equal(made.count, count);
    assert_int_equal(made.flags, flags);
}

static void frames_of_other_threads_are_not_read(void **state)
{
    apr_uint64_t self = (apr_uint64_t)pthread_self();
    apr_uint64_t other, own;
    fake_t fake;

    (void)state;
    make_fake(&fake);
    check_walk(&fake, 0, 0);
    other = add_state(&fake, self + 1);
    add_run(&fake, other, 3);
    check_walk(&fake, 0, 0);
    own = add_state(&fake, self);
    check_walk(&fake, 0, 0);
    add_run(&fake, own, 2);
    add_run(&fake, own, 4);
    check_walk(&fake, 6, 0);
    /* The thread has gone, another one has its memory. */
    put(own, python.row->state_thread, self + 2);
    check_walk(&fake, 0, 0);
}

static void a_circle_ends(void **state)
{
    apr_uint64_t own;
    fake_t fake;

    (void)state;
    make_fake(&fake);
    own = add_state(&fake, (apr_uint64_t)pthread_self());
    add_run(&fake, own, 2);
    put(top_of(own), python.row->frame_previous, top_of(own));
    check_walk(&fake, LPP_SNAPSHOT_PAGE_FRAMES, LPP_PAGE_CUT);
}

static void frames_that_cannot_be_read_end_the_chain(void **state)
{
    apr_uint64_t own, faults = lpp_peek_faults();
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);
    fake_t fake;

    (void)state;
    make_fake(&fake);
    own = add_state(&fake, (apr_uint64_t)pthread_self());
    add_run(&fake, own, 3);
    put(top_of(own), python.row->frame_previous,
        (apr_uint64_t)(apr_uintptr_t)page);
    add_run(&fake, own, 2);
    /* The inner run is whole. */
    check_walk(&fake, 2, LPP_PAGE_CUT);
    assert_true(lpp_peek_faults() > faults);
    munmap(page, 4096);
}

/* The _PyCFrame is published before it has a frame. */
static void a_run_that_is_being_entered_is_not_shown(void **state)
{
    apr_uint64_t own;
    fake_t fake;

    (void)state;
    if (python.row->cframe_frame == 0) {
        return; /* this version has none */
    }
    make_fake(&fake);
    own = add_state(&fake, (apr_uint64_t)pthread_self());
    add_run(&fake, own, 3);
    add_run(&fake, own, 0);
    set_top(own, 0x1234567890);
    check_walk(&fake, 3, 0);
    set_top(own, block()); /* no function */
    check_walk(&fake, 3, 0);
}

static void interpreters_lie_one_below_the_other(void **state)
{
    apr_uint64_t self = (apr_uint64_t)pthread_self(), one, two;
    fake_t fake;

    (void)state;
    make_fake(&fake);
    one = add_state(&fake, self);
    two = add_state(&fake, self);
    add_run(&fake, one, 2);
    add_run(&fake, one, 1);
    add_run(&fake, two, 4);
    check_walk(&fake, 7, 0);
    /* The inner one runs the outer one again: not known which is which. */
    add_run(&fake, one, 1);
    check_walk(&fake, 0, LPP_PAGE_AMBIGUOUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_other_threads_are_not_read),
        cmocka_unit_test(a_circle_ends),
        cmocka_unit_test(frames_that_cannot_be_read_end_the_chain),
        cmocka_unit_test(a_run_that_is_being_entered_is_not_shown),
        cmocka_unit_test(interpreters_lie_one_below_the_other),
    };

    return cmocka_run_group_tests(tests, start_python, NULL);
}
