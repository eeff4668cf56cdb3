/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it crashes on purpose */
/* lpp_crash: what a process that crashes leaves, and who gets the crash then.
 * */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sampling/lpp_crash_internal.h"
#include "sampling/lpp_signal.h"

#define SEEN_BY_OLD_HANDLER 42

static lpp_crash_t *crash; /* shared with the children */

static int set_up(void **state)
{
    crash = mmap(NULL, sizeof(*crash), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return crash == MAP_FAILED;
}

static int tear_down(void **state)
{
    return munmap(crash, sizeof(*crash));
}

static apr_uint32_t tid(void)
{
    return (apr_uint32_t)syscall(SYS_gettid);
}

static int kept; /* signal whose action children keep, or 0 */

static void default_actions(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
    unsigned i;

    for (i = 0; i < LPP_COUNT(signals); i++) {
        if (signals[i] != kept) {
            signal(signals[i], SIG_DFL);
        }
    }
}

/* Run body in a child that is watched; its wait status. */
static int in_child(void (*body)(void))
{
    static const struct rlimit no_core = { 0, 0 };
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        char here;

        alarm(20); /* a loop of handlers ends */
        setrlimit(RLIMIT_CORE, &no_core);
        default_actions(); /* cmocka has its own */
        lpp_crash_arm(crash, tid());
        if (lpp_signal_lend_stack() != APR_SUCCESS) {
            _exit(1);
        }
        lpp_crash_enter_thread(0, (apr_uint64_t)(uintptr_t)&here - 8000000,
                               (apr_uint64_t)(uintptr_t)&here + 2000);
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static volatile int *volatile nowhere = (int *)24;
static volatile apr_uint64_t mark_address;

__attribute__((noinline)) static void write_nowhere(void)
{
    volatile apr_uint64_t mark[4] = { 0x1122334455667788, 1, 2, 3 };

    mark_address = (apr_uint64_t)(uintptr_t)mark;
    *nowhere = (int)mark[0];
}

static void a_fault_leaves_registers_and_stack(void **state)
{
    apr_uint64_t from, sp;
    apr_uint32_t i;
    int status = in_child(write_nowhere), found = 0;

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(atomic_load(&crash->state), LPP_CRASH_WHOLE);
    assert_int_equal(crash->number, SIGSEGV);
    assert_int_equal(crash->code, SEGV_MAPERR);
    assert_int_equal(crash->address, 24);
    assert_int_equal(crash->tid, crash->profiled_tid);
    assert_true(crash->when_us > 0);
    from = crash->snapshot.stack_address;
    sp = crash->snapshot.regs[LPP_REG_SP];
    assert_true(from <= sp && sp < from + crash->snapshot.stack_len);
    assert_true(crash->snapshot.stack_len <= LPP_STACK_MAX_BYTES);
    for (i = 0; i + 8 <= crash->snapshot.stack_len && !found; i++) {
        static const apr_uint64_t mark = 0x1122334455667788;

        found = memcmp(crash->stack + i, &mark, sizeof(mark)) == 0;
    }
    assert_true(found);
}

__attribute__((noinline)) static unsigned recurse(volatile char *above)
{
    volatile char room[1000];

    room[0] = (char)(above[0] + 1);
    return above == NULL ? 0 : recurse(room) + (unsigned)room[3];
}

static void overflow(void)
{
    volatile char first = 0;

    _exit((int)recurse(&first));
}

static void an_overflowed_stack_is_told_too(void **state)
{
    int status = in_child(overflow);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(atomic_load(&crash->state), LPP_CRASH_WHOLE);
    assert_true(crash->snapshot.stack_len > 1000);
}

static void bad_stack_pointer(void)
{
    /* Nothing is where SP points to: the handler copies nothing, and lives. */
#if defined(__x86_64__)
    __asm__ volatile("movq $4096, %rsp\n\tmovl $1, (%rsp)");
#else
    write_nowhere();
#endif
}

static void a_stack_pointer_to_nowhere_is_survived(void **state)
{
    int status = in_child(bad_stack_pointer);

    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(atomic_load(&crash->state), LPP_CRASH_WHOLE);
#if defined(__x86_64__)
    assert_int_equal(crash->snapshot.stack_len, 0);
#endif
}

static void abort_it(void)
{
    abort();
}

static void abort_aborts(void **state)
{
    int status = in_child(abort_it);

    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(crash->number, SIGABRT);
    assert_true(crash->code <= 0);
    assert_true(crash->sender > 0);
}

static void old_handler(int number, siginfo_t *info, void *context)
{
    _exit(info->si_code <= 0 ? SEEN_BY_OLD_HANDLER
          : info->si_addr == (void *)24 ? SEEN_BY_OLD_HANDLER + 1 : 1);
}

/* Before arming; inherited by the child. */
static void install_old_handler(int number)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = old_handler;
    action.sa_flags = SA_SIGINFO | SA_RESETHAND;
    sigaction(number, &action, NULL);
}

static void raise_fpe(void)
{
    raise(SIGFPE);
}

static void raise_bus(void)
{
    kill(getpid(), SIGBUS);
}

static void who_had_the_signal_gets_it_with_all_that_came_with_it(void **state)
{
    struct sigaction cmockas;
    int status;

    sigaction(SIGFPE, NULL, &cmockas);
    install_old_handler(SIGFPE);
    kept = SIGFPE;
    status = in_child(raise_fpe);
    kept = 0;
    sigaction(SIGFPE, &cmockas, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SEEN_BY_OLD_HANDLER);
    atomic_store(&crash->state, LPP_CRASH_NONE);
    status = in_child(raise_bus);
    assert_int_equal(WTERMSIG(status), SIGBUS);
    assert_int_equal(crash->number, SIGBUS);
}

static void arm_again_over_old_handler(void)
{
    lpp_crash_disarm();
    install_old_handler(SIGSEGV);
    lpp_crash_arm(crash, tid());
    write_nowhere();
}

static void a_fault_reaches_the_old_handler_with_its_address(void **state)
{
    int status = in_child(arm_again_over_old_handler);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SEEN_BY_OLD_HANDLER + 1);
    assert_int_equal(atomic_load(&crash->state), LPP_CRASH_WHOLE);
}

static void fork_and_crash(void)
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        write_nowhere();
    }
    waitpid(pid, &status, 0);
    _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV ? 0 : 1);
}

static void a_forked_child_is_not_watched(void **state)
{
    int status = in_child(fork_and_crash);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(atomic_load(&crash->state), LPP_CRASH_NONE);
}

static void disarm_gives_back_what_is_still_ours(void **state)
{
    struct sigaction before, during, after;

    assert_int_equal(sigaction(SIGILL, NULL, &before), 0);
    lpp_crash_arm(crash, tid());
    assert_int_equal(sigaction(SIGILL, NULL, &during), 0);
    assert_true(during.sa_sigaction == lpp_crash_handle);
    signal(SIGFPE, SIG_IGN); /* somebody came later */
    lpp_crash_disarm();
    assert_int_equal(sigaction(SIGILL, NULL, &after), 0);
    assert_true(after.sa_handler == before.sa_handler);
    assert_int_equal(sigaction(SIGFPE, NULL, &after), 0);
    assert_true(after.sa_handler == SIG_IGN);
    signal(SIGFPE, SIG_DFL);
}

/*
 * A handler that passes every crash on to the one before it, in the two ways
 * that there are: calling it, or putting it back and leaving.
 */
static struct sigaction before_chained;
static int puts_back;

static void chained(int number, siginfo_t *info, void *context)
{
    if (puts_back || !(before_chained.sa_flags & SA_SIGINFO)) {
        sigaction(number, &before_chained, NULL);
        if (info->si_code <= 0) {
            raise(number);
        }
    }
    else {
        before_chained.sa_sigaction(number, info, context);
    }
}

static void install_chained(int number)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = chained;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(number, &action, &before_chained);
}

static void come_and_crash(void)
{
    install_chained(SIGSEGV);
    write_nowhere();
}

static void come_and_crash_unwatched(void)
{
    install_chained(SIGSEGV);
    lpp_crash_disarm();
    write_nowhere();
}

static void come_and_crash_watched_again(void)
{
    install_chained(SIGSEGV);
    lpp_crash_disarm();
    lpp_crash_arm(crash, tid());
    write_nowhere();
}

static void come_and_crash_in_the_third(void)
{
    install_chained(SIGSEGV);
    lpp_crash_disarm();
    lpp_crash_arm(crash, tid());
    lpp_crash_disarm();
    lpp_crash_arm(crash, tid());
    write_nowhere();
}

static void come_and_fork_and_crash(void)
{
    install_chained(SIGSEGV);
    lpp_crash_disarm();
    lpp_crash_arm(crash, tid());
    fork_and_crash();
}

static void come_and_abort(void)
{
    install_chained(SIGABRT);
    lpp_crash_disarm();
    lpp_crash_arm(crash, tid());
    abort();
}

static const struct {
    const char *what;
    void (*body)(void);
    int signal; /* it dies by, or 0 */
    unsigned state;
} chains[] = {
    { "over ours", come_and_crash, SIGSEGV, LPP_CRASH_WHOLE },
    { "unwatched", come_and_crash_unwatched, SIGSEGV, LPP_CRASH_NONE },
    { "below ours", come_and_crash_watched_again, SIGSEGV, LPP_CRASH_WHOLE },
    { "twice below", come_and_crash_in_the_third, SIGSEGV, LPP_CRASH_WHOLE },
    { "in a fork", come_and_fork_and_crash, 0, LPP_CRASH_NONE },
    { "abort()", come_and_abort, SIGABRT, LPP_CRASH_WHOLE }
};

/* Ours and that one called each other for ever. */
static void a_handler_that_passes_on_to_ours_makes_no_loop(void **state)
{
    unsigned i;

    for (i = 0; i < 2 * LPP_COUNT(chains); i++) {
        int status;

        puts_back = i & 1;
        atomic_store(&crash->state, LPP_CRASH_NONE);
        status = in_child(chains[i / 2].body);
        print_message("%s, by %s\n", chains[i / 2].what,
                      puts_back ? "putting it back" : "calling it");
        if (chains[i / 2].signal != 0) {
            assert_true(WIFSIGNALED(status));
            assert_int_equal(WTERMSIG(status), chains[i / 2].signal);
        }
        else {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        assert_int_equal(atomic_load(&crash->state), chains[i / 2].state);
    }
}

/* A handler that was removed: called all the same, it does nothing. */
static void removed(int number, siginfo_t *info, void *context)
{
}

static void come_and_go(void)
{
    install_chained(SIGSEGV);
    lpp_crash_disarm();
    lpp_crash_arm(crash, tid());
}

static void come_and_go_and_crash(void)
{
    struct sigaction now;

    come_and_go();
    sigaction(SIGSEGV, &before_chained, &now);
    before_chained.sa_sigaction = removed;
    write_nowhere();
}

/* Ours is the action again when the handler over it is removed, in the next
 * profile or after it. */
static void put_ours_back_after_the_profile(void)
{
    struct sigaction now;

    come_and_go();
    lpp_crash_disarm();
    sigaction(SIGSEGV, &before_chained, &now);
    if (now.sa_sigaction != chained
        || before_chained.sa_sigaction != lpp_crash_handle) {
        _exit(1);
    }
    lpp_crash_arm(crash, tid());
    lpp_crash_disarm();
    sigaction(SIGSEGV, NULL, &now);
    _exit(now.sa_handler == SIG_DFL ? 0 : 2);
}

static void what_was_put_back_too_late_is_taken_away_again(void **state)
{
    int status = in_child(put_ours_back_after_the_profile);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    status = in_child(come_and_go_and_crash);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(atomic_load(&crash->state), LPP_CRASH_WHOLE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_fault_leaves_registers_and_stack),
        TEST(an_overflowed_stack_is_told_too),
        TEST(a_stack_pointer_to_nowhere_is_survived),
        TEST(abort_aborts),
        TEST(who_had_the_signal_gets_it_with_all_that_came_with_it),
        TEST(a_fault_reaches_the_old_handler_with_its_address),
        TEST(a_forked_child_is_not_watched),
        TEST(disarm_gives_back_what_is_still_ours),
        TEST(a_handler_that_passes_on_to_ours_makes_no_loop),
        TEST(what_was_put_back_too_late_is_taken_away_again)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
