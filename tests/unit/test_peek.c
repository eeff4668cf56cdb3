/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it miscounts the bytes of a load that faults */
/* lpp_peek: loads from memory that is not there fail, and nothing else changes;
 * all other faults go where they went before. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "interp/lpp_peek.h"
#include "sampling/lpp_crash_internal.h"

#define SEEN_BY_OLD_HANDLER 42
#define USER_END UINT64_C(0x800000000000) /* the first address that is not
                                             canonical */

static apr_size_t page_bytes;
static unsigned char *pages; /* two readable ones, one without access, one of a
                                file past its end, one that is not mapped */
static lpp_crash_t *crash;   /* shared with children */

static apr_uint64_t address_of(const void *at)
{
    return (apr_uint64_t)(uintptr_t)at;
}

static int set_up(void **state)
{
    FILE *file = tmpfile();
    apr_size_t i;
    void *mapped;

    page_bytes = (apr_size_t)sysconf(_SC_PAGESIZE);
    pages = mmap(NULL, 5 * page_bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    crash = mmap(NULL, sizeof(*crash), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (file == NULL || pages == MAP_FAILED || crash == MAP_FAILED) {
        return -1;
    }
    for (i = 0; i < 2 * page_bytes; i++) {
        pages[i] = (unsigned char)(i * 7 + i / 256);
    }
    mapped = mmap(pages + 3 * page_bytes, page_bytes, PROT_READ,
                  MAP_SHARED | MAP_FIXED, fileno(file), 0);
    fclose(file);
    return mapped == MAP_FAILED
           || mprotect(pages + 2 * page_bytes, page_bytes, PROT_NONE) != 0
           || munmap(pages + 4 * page_bytes, page_bytes) != 0;
}

/* cmocka takes the signals at the start of each test, so each test arms. */
static void arm(void)
{
    lpp_crash_arm(NULL, 0);
}

static void words_are_copied(void **state)
{
    apr_uint64_t to[600], before = lpp_peek_faults();

    arm();
    memset(to, 0xee, sizeof(to));
    assert_int_equal(lpp_peek(to, address_of(pages + 5), 1), 1);
    assert_memory_equal(to, pages + 5, 8);
    assert_true(to[1] == UINT64_C(0xeeeeeeeeeeeeeeee));
    /* over the border of two pages */
    assert_int_equal(lpp_peek(to, address_of(pages + page_bytes - 100), 520),
                     1);
    assert_memory_equal(to, pages + page_bytes - 100, 520 * 8);
    assert_true(to[520] == UINT64_C(0xeeeeeeeeeeeeeeee));
    assert_true(lpp_peek_word(address_of(to + 520)) == to[520]);
    assert_true(lpp_peek_faults() == before);
    lpp_crash_disarm();
}

static void bytes_are_copied(void **state)
{
    unsigned char to[300];

    arm();
    memset(to, 0xee, sizeof(to));
    assert_int_equal(lpp_peek_bytes(to, address_of(pages + page_bytes - 3),
                                    299), 299);
    assert_memory_equal(to, pages + page_bytes - 3, 299);
    assert_int_equal(to[299], 0xee);
    assert_int_equal(lpp_peek_bytes(to, address_of(pages), 0), 0);
    lpp_crash_disarm();
}

/* None of a word at that address can be read; faults: how many loads of it the
 * processor must refuse. */
static void assert_unreadable(apr_uint64_t from, unsigned loads)
{
    apr_uint64_t to[2], before = lpp_peek_faults();
    volatile double kept = 1.5;
    int error = errno;

    assert_int_equal(lpp_peek(to, from, 1), 0);
    assert_int_equal(lpp_peek(to, from, 2), 0);
    assert_true(lpp_peek_word(from) == 0);
    assert_int_equal(lpp_peek_bytes(to, from, 9), 0);
    assert_true(lpp_peek_faults() - before == 4 * loads);
    assert_int_equal(errno, error);
    assert_true(kept == 1.5);
}

static void memory_that_is_not_there_cannot_be_read(void **state)
{
    arm();
    assert_unreadable(address_of(pages + 2 * page_bytes), 1); /* no access */
    assert_unreadable(address_of(pages + 3 * page_bytes), 1); /* SIGBUS */
    assert_unreadable(address_of(pages + 4 * page_bytes), 1); /* no page */
    assert_unreadable(0, 0);
    assert_unreadable(8, 0);
    assert_unreadable(4095, 0);
    assert_unreadable(4096, 1);
    assert_unreadable(USER_END, 1); /* a general protection fault */
    assert_unreadable(USER_END + 4095, 1);
    assert_unreadable(USER_END + 4096, 0);
    assert_unreadable(UINT64_C(0xffff800000000000), 0);
    assert_unreadable(UINT64_C(0xffffffffff600000), 0);
    assert_unreadable(UINT64_MAX, 0);
    assert_unreadable(UINT64_MAX - 7, 0);
    assert_unreadable(UINT64_C(0x5a5a5a5a5a5a5a5a), 0);
    lpp_crash_disarm();
}

static void a_load_over_the_end_of_a_page_is_partial(void **state)
{
    unsigned char to[64];
    apr_uint64_t words[8], end = address_of(pages + 2 * page_bytes);
    unsigned before_end;

    arm();
    for (before_end = 0; before_end <= 16; before_end++) {
        apr_uint64_t faults = lpp_peek_faults();

        memset(to, 0xee, sizeof(to));
        assert_int_equal(lpp_peek_bytes(to, end - before_end, 17), before_end);
        assert_memory_equal(to, pages + 2 * page_bytes - before_end,
                            before_end);
        assert_int_equal(to[before_end], 0xee);
        assert_int_equal(lpp_peek(words, end - before_end, 3), 0);
        assert_true(lpp_peek_faults() == faults + 2);
    }
    assert_int_equal(lpp_peek(words, end - 64, 8), 1);
    /* from the last page of a process, over the end of all addresses */
    assert_int_equal(lpp_peek_bytes(to, USER_END - 1, 64), 0);
    lpp_crash_disarm();
}

static void the_direction_flag_does_not_matter(void **state)
{
    unsigned char to[8];
    apr_size_t got;

    arm();
    __asm__ volatile("std");
    got = lpp_peek_bytes(to, address_of(pages), 8);
    __asm__ volatile("cld");
    assert_int_equal(got, 8);
    assert_memory_equal(to, pages, 8);
    lpp_crash_disarm();
}

static void many_loads_that_fault_are_all_rescued(void **state)
{
    apr_uint64_t before = lpp_peek_faults(), word;
    int i;

    arm();
    for (i = 0; i < 20000; i++) {
        assert_int_equal(lpp_peek(&word, address_of(pages
                                      + (i % 3 + 2) * page_bytes), 1), 0);
    }
    assert_true(lpp_peek_faults() - before == 20000);
    lpp_crash_disarm();
}

static void old_handler(int number, siginfo_t *info, void *context)
{
    _exit(SEEN_BY_OLD_HANDLER);
}

/* Run body in a child whose SIGSEGV and SIGBUS go to old_handler (old) or are
 * not handled, and that is watched; its wait status. */
static int in_child(void (*body)(void), int old, lpp_crash_t *area)
{
    static const struct rlimit no_core = { 0, 0 };
    struct sigaction action;
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(20);
        setrlimit(RLIMIT_CORE, &no_core);
        memset(&action, 0, sizeof(action));
        action.sa_sigaction = old_handler;
        action.sa_flags = SA_SIGINFO;
        signal(SIGSEGV, SIG_DFL); /* cmocka has its own */
        signal(SIGBUS, SIG_DFL);
        if (old) {
            sigaction(SIGSEGV, &action, NULL);
            sigaction(SIGBUS, &action, NULL);
        }
        lpp_crash_arm(area, (apr_uint32_t)syscall(SYS_gettid));
        body();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void fault_after_loads(void)
{
    if (lpp_peek_word(address_of(pages + 2 * page_bytes)) != 0
        || lpp_peek_word(address_of(pages + 3 * page_bytes)) != 0) {
        _exit(1);
    }
    *(volatile unsigned char *)(pages + 2 * page_bytes) = 1;
}

static void bus_after_loads(void)
{
    if (lpp_peek_word(address_of(pages + 3 * page_bytes)) != 0) {
        _exit(1);
    }
    _exit(*(volatile unsigned char *)(pages + 3 * page_bytes));
}

static void other_faults_go_on_to_the_previous_action(void **state)
{
    int status = in_child(fault_after_loads, 1, NULL);

    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SEEN_BY_OLD_HANDLER);
    status = in_child(bus_after_loads, 1, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SEEN_BY_OLD_HANDLER);
    status = in_child(fault_after_loads, 0, NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void a_crash_after_rescues_is_told(void **state)
{
    int status = in_child(fault_after_loads, 0, crash);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(atomic_load(&crash->state), LPP_CRASH_WHOLE);
    assert_int_equal(crash->number, SIGSEGV);
    assert_true(crash->address == address_of(pages + 2 * page_bytes));
}

/* The memory that a load writes to is the caller's: a fault there is one. */
static void write_to_nowhere(void)
{
    lpp_peek(pages + 2 * page_bytes, address_of(pages), 1);
}

static void a_place_for_the_copy_that_is_not_there_is_a_crash(void **state)
{
    int status = in_child(write_to_nowhere, 0, NULL);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static apr_uint64_t large[100000];

static void load_and_be_sent_a_signal(void)
{
    static apr_uint64_t copy[LPP_COUNT(large)];
    pid_t child = fork(), parent = getppid();

    if (child == 0) {
        usleep(20000); /* the load below is under way most of the time */
        kill(getppid(), SIGSEGV);
        _exit(0);
    }
    while (getppid() == parent) {
        lpp_peek(copy, address_of(large), LPP_COUNT(large));
        lpp_peek_bytes(copy, address_of(large), sizeof(large));
    }
}

static void a_signal_that_is_sent_during_a_load_is_not_rescued(void **state)
{
    int i, status;

    for (i = 0; i < 5; i++) {
        atomic_store(&crash->state, LPP_CRASH_NONE);
        status = in_child(load_and_be_sent_a_signal, 0, crash);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
        assert_int_equal(crash->code, SI_USER);
    }
}

static void only_this_handler_rescues(void **state)
{
    static const int signals[] = { SIGSEGV, SIGBUS };
    struct sigaction ours;
    unsigned i;

    assert_false(lpp_crash_rescues()); /* not armed */
    lpp_crash_arm(NULL, 0);
    assert_true(lpp_crash_rescues());
    for (i = 0; i < LPP_COUNT(signals); i++) {
        assert_int_equal(sigaction(signals[i], NULL, &ours), 0);
        signal(signals[i], SIG_DFL);
        assert_false(lpp_crash_rescues());
        assert_int_equal(sigaction(signals[i], &ours, NULL), 0);
        assert_true(lpp_crash_rescues());
    }
    lpp_crash_disarm();
    assert_false(lpp_crash_rescues());
}

/* A text ends at its NUL, at memory that cannot be read, or at the limit. */
static void a_text_has_its_length(void **state)
{
    unsigned char *end = pages + 2 * page_bytes;
    unsigned char kept[200];

    (void)state;
    arm();
    memcpy(kept, end - sizeof(kept), sizeof(kept));
    memset(end - sizeof(kept), 'x', sizeof(kept));
    assert_int_equal(lpp_peek_length(address_of(end - 200), 4096), 200);
    assert_int_equal(lpp_peek_length(address_of(end - 200), 130), 130);
    assert_int_equal(lpp_peek_length(address_of(end - 200), 0), 0);
    end[-70] = '\0';
    assert_int_equal(lpp_peek_length(address_of(end - 200), 4096), 130);
    assert_int_equal(lpp_peek_length(0, 4096), 0);
    memcpy(end - sizeof(kept), kept, sizeof(kept));
    lpp_crash_disarm();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_has_its_length),
        cmocka_unit_test(words_are_copied),
        cmocka_unit_test(bytes_are_copied),
        cmocka_unit_test(memory_that_is_not_there_cannot_be_read),
        cmocka_unit_test(a_load_over_the_end_of_a_page_is_partial),
        cmocka_unit_test(the_direction_flag_does_not_matter),
        cmocka_unit_test(many_loads_that_fault_are_all_rescued),
        cmocka_unit_test(other_faults_go_on_to_the_previous_action),
        cmocka_unit_test(a_crash_after_rescues_is_told),
        cmocka_unit_test(a_place_for_the_copy_that_is_not_there_is_a_crash),
        cmocka_unit_test(a_signal_that_is_sent_during_a_load_is_not_rescued),
        cmocka_unit_test(only_this_handler_rescues),
    };

    return !LPP_PEEK_AVAILABLE ? 0
        : cmocka_run_group_tests(tests, set_up, NULL);
}
