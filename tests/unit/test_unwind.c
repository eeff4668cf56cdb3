/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind: the same snapshots through the table and through libunwind; they
 * must tell the same frames, and the right ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unwind/lpp_unwind.h"

#if !defined(__x86_64__)

int main(void)
{
    puts("test_unwind: nothing is sampled on this architecture");
    return 0;
}

#else

#include "unwind_world.h"

/* ---- want of memory ---- */

static long fail_after = -1; /* allocations until one fails; -1: none does */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int allocation_fails(void)
{
    if (fail_after < 0) {
        return 0;
    }
    return fail_after-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(old, size);
}

/* ---- code without rules, and traps ---- */

/* No FDE covers these two; rbx_in_r8's says what the table does not follow. */
__asm__(".text\n"
        ".p2align 4\n"
        "bare_leaf: int3\n"
        "bare_leaf_after: nop\n"
        "  ret\n"
        ".p2align 4\n"
        "bare_caller: sub $8, %rsp\n"
        "  call *%rdi\n"
        "  add $8, %rsp\n"
        "  ret\n"
        ".p2align 4\n"
        "rbx_in_r8: .cfi_startproc\n"
        "  mov %rbx, %r8\n"
        "  .cfi_register rbx, r8\n"
        "  int3\n"
        "  mov %r8, %rbx\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".p2align 4\n"
        "after_them: .cfi_startproc\n"
        "  ret\n"
        "  .cfi_endproc\n"
        ".type bare_leaf, @function\n"
        ".type bare_caller, @function\n"
        ".type rbx_in_r8, @function\n");
void bare_leaf(void);
void bare_leaf_after(void);
void bare_caller(void (*function)(void));
void rbx_in_r8(void);

/* int3 captures: the very place, or the handler above it. */
static int capture_handler;

static void on_trap(int number, siginfo_t *info, void *baton)
{
    if (capture_handler) {
        stand_here();
        BARRIER();
    }
    else {
        capture_context(&snapshot, stack, sizeof(stack), stack_end, baton);
    }
}

static void catch_traps(int in_handler)
{
    struct sigaction action;

    capture_handler = in_handler;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
}

/* ---- tests ---- */

static void deep_recursion_reaches_the_first_frame(void **state)
{
    const result_t *result;

    recurse(300);
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_true(IN(result->frames[0], stand_here));
    assert_int_equal(count_in(result, (uintptr_t)recurse), 301);
    assert_true(
        IN(result->frames[302], deep_recursion_reaches_the_first_frame));
}

static void stops_at_the_root_that_was_asked_for(void **state)
{
    uint64_t root;
    const result_t *result;

    recurse(20);
    result = unwind_both(0);
    root = result->cfas[5];
    result = unwind_both(root);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_int_equal(result->count, 6);
    /* a copy that ends there is enough */
    snapshot.stack_len = (apr_uint32_t)(root - snapshot.stack_address);
    result = unwind_both(root);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_int_equal(result->count, 6);
    /* a thread that has left the root is lost, not profiled further */
    result = unwind_both(root - 1);
    assert_int_equal(result->end, LPP_UNWIND_LOST);
    assert_int_equal(result->count, 6);
}

static void short_copies_and_few_frames_are_cut(void **state)
{
    static result_t whole;
    const result_t *result;

    recurse(50);
    whole = *unwind_both(0);
    snapshot.stack_len =
        (apr_uint32_t)(whole.cfas[20] - 8 - snapshot.stack_address);
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_CUT);
    assert_int_equal(result->count, 21);
    assert_memory_equal(result->frames, whole.frames, 21 * sizeof(lpp_pc_t));
    assert_int_equal(lpp_unwind(table, &snapshot, 0, by_table.frames, NULL, 7,
                                &by_table.end),
                     7);
    assert_int_equal(by_table.end, LPP_UNWIND_CUT);
    assert_int_equal(lpp_unwind(libunwind, &snapshot, 0, by_libunwind.frames,
                                NULL, 7, &by_libunwind.end),
                     7);
    assert_int_equal(by_libunwind.end, LPP_UNWIND_CUT);
}

static void frames_of_other_shapes(void **state)
{
    const result_t *result;

    realigned(9);
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_true(IN(result->frames[1], with_alloca));
    assert_true(IN(result->frames[2], realigned));
    assert_true(IN(result->frames[3], frames_of_other_shapes));
}

static void through_a_callback_of_libc(void **state)
{
    const result_t *result;

    sort_here();
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_true(IN(result->frames[1], compare_here));
    assert_int_equal(count_in(result, (uintptr_t)sort_here), 1);
    assert_true(has_object(result, "libc.so"));
}

static void *in_thread(void *baton)
{
    stack_end = thread_stack_end();
    recurse(3);
    return NULL;
}

static void thread_ends_at_its_first_frame(void **state)
{
    uintptr_t kept = stack_end;
    const result_t *result;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, in_thread, NULL), 0);
    pthread_join(thread, NULL);
    stack_end = kept;
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_true(IN(result->frames[5], in_thread));
    assert_true(result->count >= 7);
}

/* zlib calls back for memory: a frame of a library that is closed then. */
static void *allocate_here(void *baton, unsigned count, unsigned size)
{
    stand_here();
    return NULL;
}

static void free_nothing(void *baton, void *address)
{
}

/* Open a copy of zlib, which nobody else can have open. */
static void *open_copy(char *path)
{
    void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
    char bytes[4096];
    FILE *from, *to;
    Dl_info info;
    size_t len;
    int fd;

    assert_non_null(library);
    assert_int_not_equal(dladdr(dlsym(library, "deflateInit_"), &info), 0);
    from = fopen(info.dli_fname, "rb");
    fd = mkstemp(path);
    assert_non_null(from);
    assert_true(fd >= 0);
    to = fdopen(fd, "wb");
    assert_non_null(to);
    while ((len = fread(bytes, 1, sizeof(bytes), from)) > 0) {
        assert_int_equal(fwrite(bytes, 1, len, to), len);
    }
    fclose(from);
    fclose(to);
    dlclose(library);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unlink(path);
    return library;
}

static void frames_of_an_opened_and_closed_library(void **state)
{
    struct {
        void *next_in;
        unsigned avail_in;
        unsigned long total_in;
        void *next_out;
        unsigned avail_out;
        unsigned long total_out;
        const char *msg;
        void *state;
        void *(*zalloc)(void *, unsigned, unsigned);
        void (*zfree)(void *, void *);
        void *opaque;
        int data_type;
        unsigned long adler, reserved;
    } stream;
    char path[] = "/tmp/unwind-copy-XXXXXX";
    void *library = open_copy(path);
    int (*init)(void *, int, const char *, int);
    const result_t *result;

    assert_non_null(library);
    init = dlsym(library, "deflateInit_");
    assert_non_null(init);
    assert_int_equal(follow_maps(state), 0);
    memset(&stream, 0, sizeof(stream));
    stream.zalloc = allocate_here;
    stream.zfree = free_nothing;
    init(&stream, 6, "1.2.13", (int)sizeof(stream));
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_true(has_object(result, path));
    assert_int_equal(
        count_in(result, (uintptr_t)frames_of_an_opened_and_closed_library),
        1);
    /* closed before the helper came to it: nobody reads the unmapped tables */
    dlclose(library);
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_int_equal(follow_maps(state), 0);
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_LOST);
    assert_int_equal(LPP_PC_OBJECT(result->frames[result->count - 1]), 0);
}

/* What the parent compiled is what a child unwinds by, the very same memory; it
 * compiles only what comes after. */
static void a_child_adds_to_what_its_parent_compiled(void **state)
{
    const void *compiled[LPP_OBJECTS_MAX + 1];
    unsigned count = lpp_maps_count(maps), had = 0, i;
    pid_t child;
    int status;

    for (i = 1; i <= count; i++) {
        compiled[i] = lpp_maps_object(maps, i)->unwind;
        had += compiled[i] != NULL;
    }
    assert_true(had >= 3); /* this program, libc, the loader */
    child = fork();
    if (child == 0) {
        char path[] = "/tmp/unwind-copy-XXXXXX";
        int wrong = open_copy(path) == NULL || follow_maps(state) != 0
                    || lpp_maps_count(maps) != count + 1
                    || lpp_maps_object(maps, count + 1)->unwind == NULL;

        for (i = 1; i <= count; i++) {
            wrong += lpp_maps_object(maps, i)->unwind != compiled[i];
        }
        _exit(wrong || unwind_both(0)->end != LPP_UNWIND_ROOT);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(lpp_maps_count(maps), count);
}

static NOINLINE void trap_here(void)
{
    __asm__ volatile("int3\n"
                     ".globl after_int3\n"
                     "after_int3: nop");
}
void after_int3(void);

static void what_a_signal_interrupted_is_exact(void **state)
{
    const result_t *result;
    unsigned i;

    catch_traps(1);
    trap_here();
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    for (i = 0; i < result->count && !IN(result->frames[i], on_trap); i++) {
    }
    /* handler, trampoline, the very instruction, its caller */
    assert_true(i + 3 < result->count);
    assert_int_equal(result->frames[i + 2],
                     lpp_maps_pc(maps, (uintptr_t)after_int3));
    assert_true(IN(result->frames[i + 3], what_a_signal_interrupted_is_exact));
}

static void leaf_without_fde_returns_at_the_stack_pointer(void **state)
{
    const result_t *result;

    catch_traps(0);
    bare_leaf();
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_int_equal(result->frames[0],
                     lpp_maps_pc(maps, (uintptr_t)bare_leaf_after));
    assert_true(
        IN(result->frames[1], leaf_without_fde_returns_at_the_stack_pointer));
    /* also under a signal handler */
    catch_traps(1);
    bare_leaf();
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_int_equal(
        count_in(result,
                 (uintptr_t)leaf_without_fde_returns_at_the_stack_pointer),
        1);
}

static void caller_without_fde_is_where_it_ends(void **state)
{
    const result_t *result;

    bare_caller(stand_here);
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_LOST);
    assert_int_equal(result->count, 2);
    assert_true(LPP_PC_ADDRESS(result->frames[1])
                    - LPP_PC_ADDRESS(lpp_maps_pc(maps, (uintptr_t)bare_caller))
                < 16);
}

static void no_place_in_code_is_no_stack(void **state)
{
    const result_t *result;

    recurse(3);
    snapshot.regs[LPP_REG_PC] = 0;
    result = unwind_both(0);
    assert_int_equal(result->count, 0);
    assert_int_equal(result->end, LPP_UNWIND_LOST);
    snapshot.regs[LPP_REG_PC] = (uintptr_t)&sink;
    result = unwind_both(0);
    assert_int_equal(result->count, 1);
    assert_int_equal(result->end, LPP_UNWIND_LOST);
}

/* libunwind 1.8 says of it what it says of a thread's first frame. */
static void a_return_address_of_zero_is_no_first_frame(void **state)
{
    const result_t *result;
    unsigned frame;

    for (frame = 0; frame < 4; frame++) {
        recurse(3);
        result = unwind_both(0);
        assert_int_equal(result->end, LPP_UNWIND_ROOT);
        assert_true(result->count > frame + 1);
        memset(stack + (result->cfas[frame] - 8 - snapshot.stack_address), 0,
               8);
        result = unwind_both(0);
        assert_int_equal(result->end, LPP_UNWIND_LOST);
        assert_int_equal(result->count, frame + 1);
    }
}

static void unsupported_rules_fall_back_to_libunwind(void **state)
{
    lpp_unwinder_t *both;
    static result_t result;

    assert_int_equal(lpp_unwinder_create(&both, LPP_UNWIND_AUTO, maps, pool),
                     APR_SUCCESS);
    assert_string_equal(lpp_unwinder_name(both), "table");
    assert_string_equal(lpp_unwinder_name(libunwind), "libunwind");
    catch_traps(0);
    rbx_in_r8();
    unwind(both, 0, &result);
    assert_int_equal(result.end, LPP_UNWIND_ROOT);
    assert_true(IN(result.frames[0], rbx_in_r8));
    assert_true(
        IN(result.frames[1], unsupported_rules_fall_back_to_libunwind));
    assert_int_equal(lpp_unwinder_counts(both).fallback, 1);
    assert_int_equal(lpp_unwinder_counts(both).root, 1);
    unwind(table, 0, &result);
    assert_int_equal(result.end, LPP_UNWIND_LOST);
    assert_int_equal(result.count, 1);
    recurse(3);
    unwind(both, 0, &result);
    assert_int_equal(result.end, LPP_UNWIND_ROOT);
    assert_int_equal(lpp_unwinder_counts(both).fallback, 1);
    assert_int_equal(lpp_unwinder_counts(both).stacks, 2);
}

static void want_of_memory_is_told(void **state)
{
    apr_status_t status = APR_ENOMEM;
    lpp_unwinder_t *unwinder;
    lpp_maps_t *fresh;
    static result_t result;
    long i;

    assert_int_equal(lpp_maps_create(&fresh, pool), APR_SUCCESS);
    for (i = 0; status == APR_ENOMEM && i < 1000; i++) {
        fail_after = i;
        status = lpp_unwinder_create(&unwinder, LPP_UNWIND_TABLE, fresh, pool);
        fail_after = -1;
        if (status != APR_SUCCESS) {
            assert_int_equal(status, APR_ENOMEM);
        }
    }
    assert_int_equal(status, APR_SUCCESS);
    assert_true(i > 10);
    recurse(3);
    result.count = lpp_unwind(unwinder, &snapshot, 0, result.frames, NULL,
                              LPP_FRAMES_MAX, &result.end);
    assert_int_equal(result.end, LPP_UNWIND_ROOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deep_recursion_reaches_the_first_frame),
        cmocka_unit_test(stops_at_the_root_that_was_asked_for),
        cmocka_unit_test(short_copies_and_few_frames_are_cut),
        cmocka_unit_test(frames_of_other_shapes),
        cmocka_unit_test(through_a_callback_of_libc),
        cmocka_unit_test(thread_ends_at_its_first_frame),
        cmocka_unit_test(frames_of_an_opened_and_closed_library),
        cmocka_unit_test(a_child_adds_to_what_its_parent_compiled),
        cmocka_unit_test(what_a_signal_interrupted_is_exact),
        cmocka_unit_test(leaf_without_fde_returns_at_the_stack_pointer),
        cmocka_unit_test(caller_without_fde_is_where_it_ends),
        cmocka_unit_test(no_place_in_code_is_no_stack),
        cmocka_unit_test(a_return_address_of_zero_is_no_first_frame),
        cmocka_unit_test(unsupported_rules_fall_back_to_libunwind),
        cmocka_unit_test(want_of_memory_is_told)};

    return cmocka_run_group_tests(tests, make_world, end_world);
}

#endif
