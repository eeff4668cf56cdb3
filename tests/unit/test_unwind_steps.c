/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: that makes no single steps */
/*
 * lpp_unwind in bulk: both unwinders at every instruction of real code, and on
 * stacks that are none; what a sample costs is printed.
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
#include <time.h>

#include "unwind/lpp_unwind.h"

#if !defined(__x86_64__)

int main(void)
{
    puts("test_unwind_steps: nothing is sampled on this architecture");
    return 0;
}

#else

#include "unwind_world.h"

#define STEPS_MAX 20000
#define RANDOM_STACKS 20000

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

static int compare_only(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* ---- int3 starts and ends single steps ---- */

static struct {
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

    if (info->si_code != TRAP_TRACE) {
        trap.stepping = !trap.stepping;
    }
    else if (trap.stepping) {
        check_step(context);
        trap.stepping = trap.steps < STEPS_MAX;
    }
    *flags = trap.stepping ? *flags | 0x100 : *flags & ~0x100ll;
}

static void catch_traps(void)
{
    struct sigaction action;

    memset(&trap, 0, sizeof(trap));
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
    catch_traps();
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
        cmocka_unit_test(agree_at_every_instruction_of_own_code),
        cmocka_unit_test(agree_at_every_instruction_of_libc_and_plt),
        cmocka_unit_test(agree_at_every_instruction_of_malloc),
        cmocka_unit_test(agree_at_every_instruction_of_the_loader),
        cmocka_unit_test(corrupt_stacks_end),
        cmocka_unit_test(measured)};

    return cmocka_run_group_tests(tests, make_world, end_world);
}

#endif
