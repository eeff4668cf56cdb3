/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_unwind: the same snapshots through the table and through libunwind; they
 * must tell the same frames, on real code, at every instruction, and end on
 * anything that is no stack at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <alloca.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lpp_unwind.h"

#if !defined(__x86_64__)

int main(void)
{
    puts("test_unwind: nothing is sampled on this architecture");
    return 0;
}

#else

#include "../../mod_lpprofile/lpp_unwind_eh.h"
#include "unwind_capture.h"

#define NOINLINE __attribute__((noinline, noclone))
#define BARRIER() __asm__ volatile("" : : : "memory")
#define STEPS_MAX 20000
#define RANDOM_STACKS 20000

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

/* ---- one world for all tests ---- */

static apr_pool_t *pool;
static lpp_maps_t *maps;
static lpp_unwinder_t *table, *libunwind;
static uintptr_t stack_end;

static int make_world(void **state)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    stack_end = thread_stack_end();
    return lpp_maps_create(&maps, pool) != APR_SUCCESS
           || lpp_unwinder_create(&libunwind, LPP_UNWIND_LIBUNWIND, maps, pool)
                  != APR_SUCCESS
           || lpp_unwinder_create(&table, LPP_UNWIND_TABLE, maps, pool)
                  != APR_SUCCESS;
}

static int end_world(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static int follow_maps(void **state)
{
    int changed;

    return lpp_maps_refresh(maps, &changed) != APR_SUCCESS
           || lpp_unwinder_refresh(table) != APR_SUCCESS
           || lpp_unwinder_refresh(libunwind) != APR_SUCCESS;
}

/* ---- snapshots and what becomes of them ---- */

typedef struct result_t {
    lpp_pc_t frames[LPP_FRAMES_MAX];
    apr_uint64_t cfas[LPP_FRAMES_MAX];
    unsigned count;
    lpp_unwind_end_e end;
} result_t;

static lpp_snapshot_t snapshot;
static unsigned char stack[LPP_STACK_MAX_BYTES];
static result_t by_table, by_libunwind;

static NOINLINE void stand_here(void)
{
    ucontext_t context;

    getcontext(&context);
    capture_context(&snapshot, stack, sizeof(stack), stack_end, &context);
    BARRIER();
}

static void unwind(lpp_unwinder_t *unwinder, uint64_t root, result_t *result)
{
    memset(result, 0, sizeof(*result));
    result->count = lpp_unwind(unwinder, &snapshot, root, result->frames,
                               result->cfas, LPP_FRAMES_MAX, &result->end);
}

static int same(const result_t *a, const result_t *b)
{
    return a->count == b->count && a->end == b->end
           && memcmp(a->frames, b->frames, a->count * sizeof(*a->frames)) == 0
           && memcmp(a->cfas, b->cfas, a->count * sizeof(*a->cfas)) == 0;
}

static void print_result(const char *name, const result_t *result)
{
    unsigned i;

    printf("%s: %u frames, end %d\n", name, result->count, result->end);
    for (i = 0; i < result->count; i++) {
        const lpp_object_t *object =
            lpp_maps_object(maps, LPP_PC_OBJECT(result->frames[i]));

        printf("  %s+0x%llx cfa %llx\n", object ? object->path : "?",
               (unsigned long long)LPP_PC_ADDRESS(result->frames[i]),
               (unsigned long long)result->cfas[i]);
    }
}

static void assert_same(void)
{
    if (!same(&by_table, &by_libunwind)) {
        print_result("table", &by_table);
        print_result("libunwind", &by_libunwind);
        fail_msg("the two do not agree");
    }
}

static const result_t *unwind_both(uint64_t root)
{
    unwind(table, root, &by_table);
    unwind(libunwind, root, &by_libunwind);
    assert_same();
    return &by_table;
}

/* Is that frame in function (which starts an FDE)? */
static int is_in(lpp_pc_t frame, uintptr_t function)
{
    const lpp_object_t *object = lpp_maps_object(maps, LPP_PC_OBJECT(frame));
    lpp_eh_fde_t fde;

    return object != NULL
           && lpp_eh_find(object, LPP_PC_ADDRESS(frame) + object->bias, &fde)
           && fde.start == function;
}

#define IN(frame, function) is_in(frame, (uintptr_t)(function))

static unsigned count_in(const result_t *result, uintptr_t function)
{
    unsigned count = 0, i;

    for (i = 0; i < result->count; i++) {
        count += is_in(result->frames[i], function);
    }
    return count;
}

static int has_object(const result_t *result, const char *name)
{
    unsigned i;

    for (i = 0; i < result->count; i++) {
        const lpp_object_t *object =
            lpp_maps_object(maps, LPP_PC_OBJECT(result->frames[i]));

        if (object != NULL && strstr(object->path, name)) {
            return 1;
        }
    }
    return 0;
}

/* ---- shapes of code ---- */

static volatile int sink;

static NOINLINE int recurse(int depth)
{
    int result = depth ? recurse(depth - 1) + 1 : (stand_here(), 0);

    BARRIER();
    return result;
}

static NOINLINE int with_alloca(int bytes)
{
    char *room = alloca((size_t)bytes);

    memset(room, 1, (size_t)bytes);
    stand_here();
    BARRIER();
    return room[bytes / 2];
}

/* gcc finds the CFA by *(rbp - 8) in such a function. */
static NOINLINE __attribute__((force_align_arg_pointer)) int realigned(int n)
{
    volatile __attribute__((aligned(64))) char room[128];

    room[n] = 1;
    with_alloca(n * 100);
    BARRIER();
    return room[n];
}

static NOINLINE int leaf(int a, int b)
{
    return a * 7 + b;
}

static NOINLINE int tail(int a)
{
    return leaf(a, a + 1);
}

static NOINLINE int many_registers(int a, int b, int c, int d, int e, int f)
{
    int i, sum = 0;

    for (i = 0; i < 2; i++) {
        sum += tail(a + i) * b + leaf(c, d) * e + tail(f) + sum * a;
        BARRIER();
    }
    return sum;
}

static int compare_here(const void *a, const void *b)
{
    stand_here();
    return *(const int *)a - *(const int *)b;
}

static int compare_only(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static NOINLINE void sort_here(void)
{
    int numbers[] = {3, 1, 2};

    qsort(numbers, 3, sizeof(*numbers), compare_here);
    BARRIER();
}

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

/* ---- traps: int3 captures, or starts and ends single steps ---- */

static struct {
    enum { TRAP_CAPTURE, TRAP_CAPTURE_HANDLER, TRAP_STEPS } mode;
    int stepping;
    uint64_t root;
    unsigned steps, differ, lost;
    uintptr_t first_bad;
} trap;

static void check_step(const ucontext_t *context)
{
    capture_context(&snapshot, stack, sizeof(stack), trap.root, context);
    unwind(table, trap.root, &by_table);
    unwind(libunwind, trap.root, &by_libunwind);
    trap.steps++;
    trap.differ += !same(&by_table, &by_libunwind);
    trap.lost += by_table.end != LPP_UNWIND_ROOT;
    if (trap.first_bad == 0
        && (trap.differ || by_table.end != LPP_UNWIND_ROOT)) {
        trap.first_bad = snapshot.regs[LPP_REG_PC];
        print_result("table", &by_table);
        print_result("libunwind", &by_libunwind);
    }
}

static void on_trap(int number, siginfo_t *info, void *baton)
{
    ucontext_t *context = baton;
    greg_t *flags = &context->uc_mcontext.gregs[REG_EFL];

    switch (trap.mode) {
    case TRAP_CAPTURE:
        capture_context(&snapshot, stack, sizeof(stack), stack_end, context);
        return;
    case TRAP_CAPTURE_HANDLER:
        stand_here();
        BARRIER();
        return;
    default:
        break;
    }
    if (info->si_code != TRAP_TRACE) {
        trap.stepping = !trap.stepping;
    }
    else if (trap.stepping) {
        check_step(context);
        trap.stepping = trap.steps < STEPS_MAX;
    }
    *flags = trap.stepping ? *flags | 0x100 : *flags & ~0x100ll;
}

static void catch_traps(int mode)
{
    struct sigaction action;

    memset(&trap, 0, sizeof(trap));
    trap.mode = mode;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    assert_int_equal(sigaction(SIGTRAP, &action, NULL), 0);
}

/* Run function with a single step between all its instructions; each is
 * unwound to this frame by both. */
static NOINLINE void step_through(void (*function)(void))
{
    static result_t here;
    const char *preloaded = getenv("LD_PRELOAD");

    if (preloaded != NULL && strstr(preloaded, "vgpreload")) {
        print_message("valgrind makes no single steps\n");
        skip();
    }
    catch_traps(TRAP_STEPS);
    stand_here();
    unwind(table, 0, &here);
    assert_true(IN(here.frames[1], step_through));
    trap.root = here.cfas[1];
    __asm__ volatile("int3");
    function();
    __asm__ volatile("int3");
    if (trap.differ || trap.lost) {
        print_message("first at %p\n", (void *)trap.first_bad);
    }
    print_message("%u steps\n", trap.steps);
    assert_true(trap.steps > 20);
    assert_int_equal(trap.differ, 0);
    assert_int_equal(trap.lost, 0);
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
    void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
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
    assert_true(has_object(result, "libz.so"));
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
    assert_int_equal(result->count, 3);
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

    catch_traps(TRAP_CAPTURE_HANDLER);
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

    catch_traps(TRAP_CAPTURE);
    bare_leaf();
    result = unwind_both(0);
    assert_int_equal(result->end, LPP_UNWIND_ROOT);
    assert_int_equal(result->frames[0],
                     lpp_maps_pc(maps, (uintptr_t)bare_leaf_after));
    assert_true(
        IN(result->frames[1], leaf_without_fde_returns_at_the_stack_pointer));
    /* also under a signal handler */
    catch_traps(TRAP_CAPTURE_HANDLER);
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

static void unsupported_rules_fall_back_to_libunwind(void **state)
{
    lpp_unwinder_t *both;
    static result_t result;

    assert_int_equal(lpp_unwinder_create(&both, LPP_UNWIND_AUTO, maps, pool),
                     APR_SUCCESS);
    assert_string_equal(lpp_unwinder_name(both), "table");
    assert_string_equal(lpp_unwinder_name(libunwind), "libunwind");
    catch_traps(TRAP_CAPTURE);
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

static void compute(void)
{
    sink = many_registers(1, 2, 3, 4, 5, 6);
    sink = realigned(3);
}

static void call_libc(void)
{
    char text[200];
    int numbers[] = {5, 3, 4, 1};
    struct timespec now;
    struct tm parts;
    time_t seconds;

    /* the first call of each goes through the lazy resolver */
    snprintf(text, sizeof(text), "%d %s %5.3f", sink, "text", 3.14159);
    qsort(numbers, 4, sizeof(*numbers), compare_only);
    clock_gettime(CLOCK_MONOTONIC, &now);
    seconds = now.tv_sec;
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof(text), "%Y-%m-%d", &parts);
    sink = atoi(text) + (int)strcspn(text, "x");
}

static void allocate(void)
{
    void *blocks[8];
    int i;

    for (i = 0; i < 8; i++) {
        blocks[i] = malloc((size_t)100 << i);
    }
    for (i = 0; i < 8; i++) {
        free(blocks[i]);
    }
}

static void ask_loader(void)
{
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_LOCAL);

    /* a name that is not there would end in longjmp, whose last instructions
     * have rules that neither can follow */
    sink = dlsym(libc, "strverscmp") != NULL;
    dlclose(libc);
}

static void agree_at_every_instruction_of_own_code(void **state)
{
    step_through(compute);
}

static void agree_at_every_instruction_of_libc_and_plt(void **state)
{
    step_through(call_libc);
}

static void agree_at_every_instruction_of_malloc(void **state)
{
    step_through(allocate);
}

static void agree_at_every_instruction_of_the_loader(void **state)
{
    step_through(ask_loader);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Somewhere in the stack, in code, or anywhere. */
static uint64_t random_word(void)
{
    uint64_t word = next_random();
    const lpp_object_t *object;

    switch (word % 4) {
    case 0:
        return snapshot.stack_address + (word >> 8) % 70000;
    case 1:
        object = lpp_maps_object(
            maps, 1 + (unsigned)(word >> 8) % lpp_maps_count(maps));
        return object->start + (word >> 20) % (object->end - object->start);
    case 2:
        return word >> (word % 60);
    default:
        return snapshot.regs[(word >> 8) % LPP_REGS];
    }
}

static void corrupt_stacks_end(void **state)
{
    static unsigned char kept[LPP_STACK_MAX_BYTES];
    lpp_snapshot_t whole;
    unsigned i, j, ends[3] = {0, 0, 0};
    lpp_unwinder_t *both;

    assert_int_equal(lpp_unwinder_create(&both, LPP_UNWIND_AUTO, maps, pool),
                     APR_SUCCESS);
    sort_here();
    memcpy(kept, stack, sizeof(kept));
    whole = snapshot;
    for (i = 0; i < RANDOM_STACKS; i++) {
        unsigned changes = (unsigned)next_random() % 64;

        snapshot = whole;
        memcpy(stack, kept, sizeof(kept));
        for (j = 0; j < changes; j++) {
            uint64_t word = random_word();
            size_t at = next_random() % (snapshot.stack_len - 8);

            at = j % 2 ? at % 600 : at;
            memcpy(stack + (j % 4 ? at & ~(size_t)7 : at), &word, 8);
        }
        if (i % 3 == 0) {
            snapshot.regs[next_random() % LPP_REGS] = random_word();
        }
        if (i % 5 == 0) {
            snapshot.stack_len = (apr_uint32_t)next_random() % whole.stack_len;
        }
        unwind(both, 0, &by_table);
        unwind(libunwind, 0, &by_libunwind);
        ends[by_table.end]++;
        assert_true(by_table.count <= LPP_FRAMES_MAX);
        assert_same();
    }
    print_message("of %d: %u root, %u cut, %u lost\n", RANDOM_STACKS,
                  ends[LPP_UNWIND_ROOT], ends[LPP_UNWIND_CUT],
                  ends[LPP_UNWIND_LOST]);
    assert_true(ends[LPP_UNWIND_ROOT] && ends[LPP_UNWIND_CUT]
                && ends[LPP_UNWIND_LOST]);
    assert_true(lpp_unwinder_counts(both).fallback < RANDOM_STACKS / 100);
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

/* Each sample after `evict` bytes of other work, as the helper meets it. */
static double microseconds(lpp_unwinder_t *unwinder, size_t evict)
{
    static volatile unsigned char other[16 << 20];
    struct timespec from, to;
    double sum = 0;
    int i, rounds = evict ? 200 : 2000;
    size_t at;

    for (i = 0; i < rounds; i++) {
        for (at = 0; at < evict; at += 64) {
            other[at]++;
        }
        clock_gettime(CLOCK_MONOTONIC, &from);
        unwind(unwinder, 0, &by_table);
        clock_gettime(CLOCK_MONOTONIC, &to);
        sum += (double)(to.tv_sec - from.tv_sec) * 1e6
               + (double)(to.tv_nsec - from.tv_nsec) / 1e3;
    }
    return sum / rounds;
}

static void measured(void **state)
{
    recurse(26);
    assert_int_equal(unwind_both(0)->end, LPP_UNWIND_ROOT);
    print_message(
        "%u frames, us a sample: table %.2f warm, %.2f after 256 kB, "
        "%.2f after 16 MB; libunwind %.2f warm, %.2f after 256 kB\n",
        by_table.count, microseconds(table, 0), microseconds(table, 256 << 10),
        microseconds(table, 16 << 20), microseconds(libunwind, 0),
        microseconds(libunwind, 256 << 10));
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
        cmocka_unit_test(what_a_signal_interrupted_is_exact),
        cmocka_unit_test(leaf_without_fde_returns_at_the_stack_pointer),
        cmocka_unit_test(caller_without_fde_is_where_it_ends),
        cmocka_unit_test(no_place_in_code_is_no_stack),
        cmocka_unit_test(unsupported_rules_fall_back_to_libunwind),
        cmocka_unit_test(agree_at_every_instruction_of_own_code),
        cmocka_unit_test(agree_at_every_instruction_of_libc_and_plt),
        cmocka_unit_test(agree_at_every_instruction_of_malloc),
        cmocka_unit_test(agree_at_every_instruction_of_the_loader),
        cmocka_unit_test(corrupt_stacks_end),
        cmocka_unit_test(want_of_memory_is_told),
        cmocka_unit_test(measured)};

    return cmocka_run_group_tests(tests, make_world, end_world);
}

#endif
