/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it samples at a rate, for which that is too slow */
/* lpp_signal: whose signal it is, which thread it hits, what a sample holds. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampling/lpp_signal.h"
#include "restart_trial.h"

static apr_pool_t *root;
static lpp_signal_target_t target;

static void on_other(int number)
{
    (void)number;
}

/* Everything from this frame inwards may be copied. */
static void aim(void *frame)
{
    target.stack_start = 1;
    target.thread_end = APR_UINT64_MAX;
    target.stack_end = (apr_uint64_t)(apr_uintptr_t)frame + 16;
    lpp_ring_reset(target.ring);
}

static int number_in_use(void)
{
    int number;

    assert_int_equal(lpp_signal_take(LPP_SIGNAL_AUTO, &number), APR_SUCCESS);
    return number;
}

static void a_free_signal_is_taken_and_given_back(void **state)
{
    struct sigaction action;
    int first, second;

    (void)state;
    first = number_in_use();
    assert_in_range(first, SIGRTMIN + 3, SIGRTMAX - 2);
    assert_int_equal(lpp_signal_take(LPP_SIGNAL_AUTO, &second), APR_SUCCESS);
    assert_int_equal(first, second);
    sigaction(first, NULL, &action);
    assert_ptr_equal(action.sa_sigaction, lpp_signal_handle);
    assert_true((action.sa_flags & SA_RESTART) != 0);
    assert_true((action.sa_flags & SA_ONSTACK) != 0);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    sigaction(first, NULL, &action);
    assert_ptr_equal(action.sa_sigaction, lpp_signal_handle);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    sigaction(first, NULL, &action);
    assert_ptr_equal(action.sa_handler, SIG_DFL);
}

static void an_ignored_signal_is_free_and_ignored_again(void **state)
{
    int number;

    (void)state;
    signal(SIGPROF, SIG_IGN);
    assert_int_equal(lpp_signal_take(SIGPROF, &number), APR_SUCCESS);
    assert_int_equal(number, SIGPROF);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    assert_ptr_equal(signal(SIGPROF, SIG_DFL), SIG_IGN);
}

static void a_signal_of_somebody_else_is_left_alone(void **state)
{
    int number;

    (void)state;
    signal(SIGPROF, on_other);
    assert_int_equal(lpp_signal_take(SIGPROF, &number), APR_EBUSY);
    assert_int_equal(number, 0);
    assert_ptr_equal(signal(SIGPROF, SIG_DFL), on_other);
    assert_int_equal(lpp_signal_take(SIGKILL, &number), APR_EINVAL);
    assert_int_equal(lpp_signal_take(12345, &number), APR_EINVAL);
}

static void auto_passes_over_taken_signals(void **state)
{
    int number;

    (void)state;
    signal(SIGRTMAX - 2, on_other);
    signal(SIGRTMAX - 3, on_other);
    number = number_in_use();
    assert_int_equal(number, SIGRTMAX - 4);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
    assert_ptr_equal(signal(SIGRTMAX - 2, SIG_DFL), on_other);
    assert_ptr_equal(signal(SIGRTMAX - 3, SIG_DFL), on_other);
}

static void what_was_taken_from_us_is_not_given_back(void **state)
{
    int number = number_in_use(), second;

    (void)state;
    signal(number, on_other);
    assert_int_equal(lpp_signal_take(LPP_SIGNAL_AUTO, &second), APR_EBUSY);
    assert_int_equal(lpp_signal_give_back(), APR_EBUSY);
    assert_ptr_equal(signal(number, SIG_DFL), on_other);
}

static void a_sample_holds_registers_and_stack(void **state)
{
    volatile apr_uint64_t mark = 0x1122334455667788u;
    const lpp_snapshot_t *snapshot;
    apr_uint64_t sequence, at, value;
    sigset_t old;
    int number = number_in_use();

    (void)state;
    aim(__builtin_frame_address(0));
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    errno = 4711;
    assert_int_equal(lpp_signal_send(&target, 0, &sequence), APR_SUCCESS);
    assert_int_equal(errno, 4711);
    lpp_signal_disarm(&target, number, &old);
    assert_int_equal(atomic_load(&target.answered), sequence);
    snapshot = lpp_ring_peek(target.ring);
    assert_non_null(snapshot);
    assert_int_equal(snapshot->sequence, sequence);
    assert_int_equal(snapshot->flags & LPP_SNAPSHOT_CUT, 0);
    assert_int_equal(snapshot->stack_address,
                     snapshot->regs[LPP_REG_SP] - 128);
    assert_int_equal(snapshot->stack_address + snapshot->stack_len,
                     target.stack_end);
    at = (apr_uint64_t)(apr_uintptr_t)&mark;
    assert_in_range(at, snapshot->regs[LPP_REG_SP], target.stack_end - 8);
    memcpy(&value, snapshot->stack + (at - snapshot->stack_address), 8);
    assert_int_equal(value, mark);
    lpp_ring_release(target.ring);
    assert_null(lpp_ring_peek(target.ring));
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

__attribute__((noinline)) static int deep_sample(void)
{
    volatile unsigned char big[LPP_STACK_MAX_BYTES + 8192];
    apr_uint64_t sequence;

    big[0] = 1;
    big[sizeof(big) - 1] = 1;
    return lpp_signal_send(&target, 0, &sequence) == APR_SUCCESS
           && big[0] == 1;
}

static void a_stack_larger_than_a_slot_is_cut_and_says_so(void **state)
{
    const lpp_snapshot_t *snapshot;
    sigset_t old;
    int number = number_in_use();

    (void)state;
    aim(__builtin_frame_address(0));
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    assert_true(deep_sample());
    lpp_signal_disarm(&target, number, &old);
    snapshot = lpp_ring_peek(target.ring);
    assert_non_null(snapshot);
    assert_true((snapshot->flags & LPP_SNAPSHOT_CUT) != 0);
    assert_int_equal(snapshot->stack_len, LPP_STACK_MAX_BYTES);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

static void above_the_root_frame_nothing_is_taken(void **state)
{
    apr_uint64_t sequence;
    sigset_t old;
    int number = number_in_use();

    (void)state;
    aim(__builtin_frame_address(0));
    target.stack_end = (apr_uint64_t)(apr_uintptr_t)&number - 4096;
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    assert_int_equal(lpp_signal_send(&target, 0, &sequence), APR_SUCCESS);
    lpp_signal_disarm(&target, number, &old);
    assert_null(lpp_ring_peek(target.ring));
    assert_int_equal(atomic_load(&target.foreign), 1);
    assert_int_equal(atomic_load(&target.answered), sequence);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

static void unasked_signals_take_nothing(void **state)
{
    sigset_t old;
    int number = number_in_use();

    (void)state;
    aim(__builtin_frame_address(0));
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    pthread_kill(pthread_self(), number);
    kill(getpid(), number); /* not even counted: another kind of sender */
    lpp_signal_disarm(&target, number, &old);
    assert_null(lpp_ring_peek(target.ring));
    assert_int_equal(atomic_load(&target.foreign), 1);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

static void *hit_elsewhere(void *baton)
{
    sigset_t mask;

    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_kill(pthread_self(), *(int *)baton);
    return NULL;
}

static void another_thread_is_no_target(void **state)
{
    pthread_t thread;
    sigset_t old;
    int number = number_in_use();

    (void)state;
    aim(__builtin_frame_address(0));
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    atomic_store(&target.asked, 99); /* asked for, but hits the other one */
    assert_int_equal(pthread_create(&thread, NULL, hit_elsewhere, &number), 0);
    pthread_join(thread, NULL);
    lpp_signal_disarm(&target, number, &old);
    assert_null(lpp_ring_peek(target.ring));
    assert_int_equal(atomic_load(&target.answered), 0);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

static void after_disarm_nothing_is_sent_and_nothing_pends(void **state)
{
    apr_uint64_t sequence;
    sigset_t all, before, old, now;
    int number = number_in_use();

    (void)state;
    sigfillset(&all); /* as in a worker thread of httpd */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    aim(__builtin_frame_address(0));
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    assert_true(sigismember(&old, number));
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    assert_int_equal(lpp_signal_send(&target, 0, &sequence), APR_SUCCESS);
    sigpending(&now);
    assert_true(sigismember(&now, number));
    lpp_signal_disarm(&target, number, &old);
    sigpending(&now);
    assert_false(sigismember(&now, number));
    assert_int_equal(lpp_signal_send(&target, 0, &sequence), APR_EGENERAL);
    pthread_sigmask(SIG_SETMASK, &before, &now);
    assert_true(sigismember(&now, number));
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

__attribute__((noinline))
static apr_status_t capture_here(lpp_snapshot_t *snapshot,
                                 unsigned char *stack, apr_size_t max_bytes,
                                 void *end)
{
    apr_status_t status = lpp_signal_capture(
        snapshot, stack, max_bytes, (apr_uint64_t)(apr_uintptr_t)end, 1);

    __asm__ volatile("" ::: "memory"); /* a frame of its own */
    return status;
}

static void a_thread_can_copy_itself(void **state)
{
    static unsigned char stack[LPP_STACK_MAX_BYTES];
    unsigned char *end = (unsigned char *)__builtin_frame_address(0) + 16;
    lpp_snapshot_t snapshot;
    apr_uint64_t pc;

    (void)state;
    memset(&snapshot, 0, sizeof(snapshot));
    assert_int_equal(capture_here(&snapshot, stack, sizeof(stack), end),
                     APR_SUCCESS);
    pc = (apr_uint64_t)(apr_uintptr_t)capture_here;
    assert_in_range(snapshot.regs[LPP_REG_PC], pc, pc + 256);
    assert_int_equal(snapshot.stack_address + snapshot.stack_len,
                     (apr_uint64_t)(apr_uintptr_t)end);
    assert_int_equal(memcmp(stack + snapshot.stack_len - 8, end - 8, 8), 0);
    assert_int_equal(capture_here(&snapshot, stack, 64, end), APR_ENOSPC);
    assert_int_equal(snapshot.stack_len, 64);
    assert_true((snapshot.flags & LPP_SNAPSHOT_CUT) != 0);
}

#if defined(__x86_64__)
/* A call whose number comes out of nothing that can be read. */
__attribute__((noinline)) static long odd_call(volatile long *number,
                                               const struct timespec *wait)
{
    long result;

    __asm__ volatile("movq (%[at]), %%rax\n\t"
                     "lock orl $0, (%%rsp)\n\t"
                     "movabsq $0x1111111111111111, %%r8\n\t"
                     "movabsq $0x1111111111111111, %%r8\n\t"
                     "movabsq $0x1111111111111111, %%r8\n\t"
                     "movabsq $0x1111111111111111, %%r8\n\t"
                     "movabsq $0x1111111111111111, %%r8\n\t"
                     "syscall"
                     : "=&a"(result)
                     : [at] "d"(number), "D"(wait), "S"(NULL)
                     : "rcx", "r11", "r8", "memory", "cc");
    return result;
}

/* 'S' where it waits in a call. */
static char state_of(int tid)
{
    char path[64], text[512], *at;
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    file = fopen(path, "r");
    if (file == NULL) {
        return 0;
    }
    len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    at = strrchr(text, ')'); /* of its name */
    return at == NULL || at[1] == '\0' ? 0 : at[2];
}

static atomic_int armed;

/* Once the armed thread waits. */
static void *send_there(void *baton)
{
    apr_uint64_t sequence;
    int ms;

    for (ms = 0; ms < 10000; ms++) {
        if (atomic_load(&armed) && state_of(getpid()) == 'S') {
            break;
        }
        usleep(1000);
    }
    *(apr_status_t *)baton = lpp_signal_send(&target, 0, &sequence);
    return NULL;
}

static void a_call_that_cannot_be_restarted_is_counted(void **state)
{
    static const struct timespec wait = { 20, 0 };
    volatile long call = SYS_nanosleep;
    apr_status_t sent = APR_EGENERAL;
    unsigned before = lpp_signal_unrepaired();
    pthread_t thread;
    sigset_t old;
    int number = number_in_use();

    (void)state;
    aim(__builtin_frame_address(0));
    pthread_create(&thread, NULL, send_there, &sent);
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    atomic_store(&armed, 1);
    assert_int_equal(odd_call(&call, &wait), -EINTR);
    pthread_join(thread, NULL);
    lpp_signal_disarm(&target, number, &old);
    assert_int_equal(sent, APR_SUCCESS);
    assert_int_equal(lpp_signal_unrepaired(), before + 1);
    assert_true((lpp_ring_peek(target.ring)->flags & LPP_SNAPSHOT_SYSCALL)
                != 0);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}
#endif

static void *lend_twice(void *baton)
{
    stack_t first, second;

    sigaltstack(NULL, &first);
    if (!(first.ss_flags & SS_DISABLE)
        || lpp_signal_lend_stack() != APR_SUCCESS) {
        return NULL;
    }
    sigaltstack(NULL, &first);
    memset(&second, 0, sizeof(second));
    second.ss_flags = SS_DISABLE; /* somebody takes it away meanwhile */
    sigaltstack(&second, NULL);
    if (lpp_signal_lend_stack() != APR_SUCCESS) {
        return NULL;
    }
    sigaltstack(NULL, &second);
    *(unsigned char **)baton = second.ss_sp;
    return first.ss_sp == second.ss_sp && second.ss_size >= 65536
           && second.ss_flags == 0 ? baton : NULL;
}

static int is_mapped(unsigned char *page)
{
    return msync((void *)((apr_uintptr_t)page & ~(apr_uintptr_t)4095), 1,
                 MS_ASYNC) == 0;
}

static void a_thread_is_lent_a_stack_until_it_ends(void **state)
{
    unsigned char *stack = NULL;
    pthread_t thread;
    void *right;

    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it gives every thread one, and takes away what it finds */
#endif
    assert_int_equal(pthread_create(&thread, NULL, lend_twice, &stack), 0);
    pthread_join(thread, &right);
    assert_non_null(right);
    assert_false(is_mapped(stack));
}

static void *with_one_of_its_own(void *baton)
{
    stack_t own, now;
    apr_size_t size = *(apr_size_t *)baton;
    sigset_t old;
    int rc;

    memset(&own, 0, sizeof(own));
    own.ss_sp = malloc(size);
    own.ss_size = size;
    rc = sigaltstack(&own, NULL) != 0
        ? errno : lpp_signal_arm(&target, &old);
    sigaltstack(NULL, &now);
    *(apr_size_t *)baton = now.ss_sp == own.ss_sp;
    if (rc == APR_SUCCESS) {
        lpp_signal_disarm(&target, target.number, &old);
    }
    own.ss_flags = SS_DISABLE;
    sigaltstack(&own, NULL);
    free(own.ss_sp);
    return (void *)(apr_uintptr_t)rc;
}

static void a_thread_s_own_stack_stays_and_must_be_large_enough(void **state)
{
    apr_size_t large = 65536, small = 2048;
    pthread_t thread;
    void *status;

    (void)state;
    number_in_use();
    aim(__builtin_frame_address(0));
    pthread_create(&thread, NULL, with_one_of_its_own, &large);
    pthread_join(thread, &status);
    assert_null(status);
    assert_true(large);
    pthread_create(&thread, NULL, with_one_of_its_own, &small);
    pthread_join(thread, &status);
    if (status != (void *)(apr_uintptr_t)ENOMEM) { /* the kernel takes none */
        assert_ptr_equal(status, (void *)(apr_uintptr_t)ENOSPC);
        assert_true(small);
    }
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

/* Of this thread alone: the machine may be busy. */
static apr_uint64_t cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (apr_uint64_t)now.tv_sec * 1000000000u + (apr_uint64_t)now.tv_nsec;
}

__attribute__((noinline)) static apr_uint64_t time_handler(apr_size_t bytes)
{
    volatile unsigned char *space = __builtin_alloca(bytes);
    siginfo_t info;
    ucontext_t context;
    apr_uint64_t began, i, sum = 0;

    space[0] = 1;
    memset(&info, 0, sizeof(info));
    memset(&context, 0, sizeof(context));
    info.si_code = SI_TKILL;
    info.si_pid = getpid();
#if defined(__x86_64__)
    context.uc_mcontext.gregs[REG_RSP] = (greg_t)(target.stack_end - bytes);
    context.uc_mcontext.gregs[REG_RIP] = (greg_t)(apr_uintptr_t)time_handler;
#endif
    for (i = 1; i <= 20000; i++) {
        atomic_store(&target.asked, i);
        began = cpu_ns();
        lpp_signal_handle(target.number, &info, &context);
        sum += cpu_ns() - began;
        assert_non_null(lpp_ring_peek(target.ring));
        lpp_ring_release(target.ring);
    }
    return sum / 20000;
}

static void the_handler_is_quick(void **state)
{
    apr_uint64_t empty, began, i, cost;
    sigset_t old;
    int number = number_in_use();

    (void)state;
    aim(__builtin_frame_address(0));
    assert_int_equal(lpp_signal_arm(&target, &old), APR_SUCCESS);
    for (i = 0, empty = 0; i < 20000; i++) {
        began = cpu_ns();
        empty += cpu_ns() - began;
    }
    cost = time_handler(6144);
    print_message("handler with 6 kB of stack, called in a loop: %llu ns (less "
                  "reading the clock, %llu ns)\n",
                  (unsigned long long)(cost - empty / 20000),
                  (unsigned long long)(empty / 20000));
    assert_true(cost < 100000);
    target.stack_start = target.stack_end; /* so this is another stack */
    cost = time_handler(LPP_OWN_STACK_MAX_BYTES);
    print_message("on a stack of its own, with %u kB: %llu ns\n",
                  LPP_OWN_STACK_MAX_BYTES / 1024,
                  (unsigned long long)(cost - empty / 20000));
    lpp_signal_disarm(&target, number, &old);
    assert_true(cost < 200000);
    assert_int_equal(lpp_signal_give_back(), APR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_signal_is_taken_and_given_back),
        cmocka_unit_test(an_ignored_signal_is_free_and_ignored_again),
        cmocka_unit_test(a_signal_of_somebody_else_is_left_alone),
        cmocka_unit_test(auto_passes_over_taken_signals),
        cmocka_unit_test(what_was_taken_from_us_is_not_given_back),
        cmocka_unit_test(a_sample_holds_registers_and_stack),
        cmocka_unit_test(a_stack_larger_than_a_slot_is_cut_and_says_so),
        cmocka_unit_test(above_the_root_frame_nothing_is_taken),
        cmocka_unit_test(unasked_signals_take_nothing),
        cmocka_unit_test(another_thread_is_no_target),
        cmocka_unit_test(after_disarm_nothing_is_sent_and_nothing_pends),
        cmocka_unit_test(a_thread_can_copy_itself),
        cmocka_unit_test(a_thread_is_lent_a_stack_until_it_ends),
        cmocka_unit_test(a_thread_s_own_stack_stays_and_must_be_large_enough),
        cmocka_unit_test(the_handler_is_quick),
#if defined(__x86_64__)
        cmocka_unit_test(a_call_that_cannot_be_restarted_is_counted),
#endif
    };
    int failed;

    apr_initialize();
    apr_pool_create(&root, NULL);
    if (!try_restarts()
        || lpp_ring_create(&target.ring, root) != APR_SUCCESS) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}
