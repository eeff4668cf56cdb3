/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_wait_call: number and arguments of a system call say what it waits
 * for. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sampling/lpp_wait_call_internal.h"

#define IN LPP_WAIT_READ
#define OUT LPP_WAIT_WRITE
#define A(value) ((apr_uint64_t)(apr_uintptr_t)(value))

static lpp_wait_call_t parsed(long number, apr_uint64_t a, apr_uint64_t b,
                              apr_uint64_t c, apr_uint64_t d, apr_uint64_t e)
{
    apr_uint64_t arguments[6] = { a, b, c, d, e, 0 };
    lpp_wait_call_t call;

    memset(&call, 0x5a, sizeof(call));
    lpp_wait_call_parse(&call, number, arguments, 1);
    assert_int_equal(call.number, number);
    return call;
}

static void one_descriptor(void **state)
{
    static const struct {
        long number;
        lpp_wait_call_e kind;
        int events;
    } rows[] = {
        { SYS_read, LPP_WAIT_CALL_FDS, IN },
        { SYS_readv, LPP_WAIT_CALL_FDS, IN },
        { SYS_pread64, LPP_WAIT_CALL_FDS, IN },
        { SYS_recvfrom, LPP_WAIT_CALL_FDS, IN },
        { SYS_recvmsg, LPP_WAIT_CALL_FDS, IN },
        { SYS_write, LPP_WAIT_CALL_FDS, OUT },
        { SYS_writev, LPP_WAIT_CALL_FDS, OUT },
        { SYS_sendto, LPP_WAIT_CALL_FDS, OUT },
        { SYS_sendmsg, LPP_WAIT_CALL_FDS, OUT },
        { SYS_connect, LPP_WAIT_CALL_CONNECT, OUT },
        { SYS_sendfile, LPP_WAIT_CALL_FDS, OUT },
        { SYS_fsync, LPP_WAIT_CALL_FDS, OUT },
        { SYS_accept, LPP_WAIT_CALL_ACCEPT, IN },
        { SYS_accept4, LPP_WAIT_CALL_ACCEPT, IN },
        { SYS_flock, LPP_WAIT_CALL_LOCK, IN },
        { SYS_epoll_wait, LPP_WAIT_CALL_EPOLL, IN },
        { SYS_epoll_pwait, LPP_WAIT_CALL_EPOLL, IN },
        { 441, LPP_WAIT_CALL_EPOLL, IN },
    };
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(rows); i++) {
        lpp_wait_call_t call = parsed(rows[i].number, 7, 0, 0, 0, 0);

        assert_int_equal(call.kind, rows[i].kind);
        assert_int_equal(call.fd_count, 1);
        assert_int_equal(call.fd_more, 0);
        assert_int_equal(call.fds[0].fd, 7);
        assert_int_equal(call.fds[0].events, rows[i].events);
    }
}

static void two_descriptors(void **state)
{
    lpp_wait_call_t call = parsed(SYS_splice, 5, 0, 6, 0, 0);

    (void)state;
    assert_int_equal(call.fd_count, 2);
    assert_int_equal(call.fds[0].fd, 5);
    assert_int_equal(call.fds[0].events, IN);
    assert_int_equal(call.fds[1].fd, 6);
    assert_int_equal(call.fds[1].events, OUT);
}

static void only_waiting_fcntl_is_a_lock(void **state)
{
    lpp_wait_call_t call = parsed(SYS_fcntl, 4, F_SETLKW, 0, 0, 0);

    (void)state;
    assert_int_equal(call.kind, LPP_WAIT_CALL_LOCK);
    assert_int_equal(call.fds[0].fd, 4);
    assert_int_equal(parsed(SYS_fcntl, 4, F_OFD_SETLKW, 0, 0, 0).kind,
                     LPP_WAIT_CALL_LOCK);
    assert_int_equal(parsed(SYS_fcntl, 4, F_GETFL, 0, 0, 0).kind,
                     LPP_WAIT_CALL_OTHER);
}

static void all_members_of_a_poll(void **state)
{
    struct pollfd items[200];
    lpp_wait_call_t call;
    int i;

    (void)state;
    for (i = 0; i < 200; i++) {
        items[i].fd = i % 2 ? -1 : 10 + i;
        items[i].events = i == 2 ? POLLOUT : POLLIN;
    }
    call = parsed(SYS_poll, A(items), 7, 1000, 0, 0);
    assert_int_equal(call.kind, LPP_WAIT_CALL_FDS);
    assert_int_equal(call.fd_count, 4);
    assert_int_equal(call.fds[0].fd, 10);
    assert_int_equal(call.fds[0].events, IN);
    assert_int_equal(call.fds[1].fd, 12);
    assert_int_equal(call.fds[1].events, OUT);
    assert_int_equal(call.fds[3].fd, 16);
    call = parsed(SYS_ppoll, A(items), 200, A(items), 0, 0);
    assert_int_equal(call.fd_count, LPP_WAIT_FDS_MAX);
    assert_int_equal(call.fd_more, 100 - LPP_WAIT_FDS_MAX);
}

static void a_descriptor_stands_once(void **state)
{
    struct pollfd items[2] = { { 3, POLLIN, 0 }, { 3, POLLOUT, 0 } };
    lpp_wait_call_t call = parsed(SYS_poll, A(items), 2, 1000, 0, 0);

    (void)state;
    assert_int_equal(call.fd_count, 1);
    assert_int_equal(call.fds[0].events, IN | OUT);
}

static void all_members_of_a_select(void **state)
{
    fd_set in, out, except;
    lpp_wait_call_t call;

    (void)state;
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_ZERO(&except);
    FD_SET(3, &in);
    FD_SET(900, &in);
    FD_SET(900, &out);
    FD_SET(70, &except);
    call = parsed(SYS_select, 901, A(&in), A(&out), A(&except), A(&in));
    assert_int_equal(call.kind, LPP_WAIT_CALL_FDS);
    assert_int_equal(call.fd_count, 3);
    assert_int_equal(call.fds[1].fd, 900);
    assert_int_equal(call.fds[1].events, IN | OUT);
    assert_int_equal(call.fds[2].fd, 70);
    call = parsed(SYS_pselect6, 900, A(&in), 0, 0, 0);
    assert_int_equal(call.fd_count, 1); /* 900 is not below the first
                                           argument */
}

static void no_descriptor_is_a_sleep(void **state)
{
    (void)state;
    assert_int_equal(parsed(SYS_poll, 0, 0, 50, 0, 0).kind,
                     LPP_WAIT_CALL_SLEEP);
    assert_int_equal(parsed(SYS_poll, 0, 0, (apr_uint64_t)-1, 0, 0).kind,
                     LPP_WAIT_CALL_SIGNAL);
    assert_int_equal(parsed(SYS_ppoll, 0, 0, 0x1000, 0, 0).kind,
                     LPP_WAIT_CALL_SLEEP);
    assert_int_equal(parsed(SYS_select, 0, 0, 0, 0, 0x1000).kind,
                     LPP_WAIT_CALL_SLEEP);
    assert_int_equal(parsed(SYS_pselect6, 0, 0, 0, 0, 0).kind,
                     LPP_WAIT_CALL_SIGNAL);
    assert_int_equal(parsed(SYS_nanosleep, 0x1000, 0, 0, 0, 0).kind,
                     LPP_WAIT_CALL_SLEEP);
    assert_int_equal(parsed(SYS_clock_nanosleep, 1, 0, 0x1000, 0, 0).kind,
                     LPP_WAIT_CALL_SLEEP);
    assert_int_equal(parsed(SYS_pause, 0, 0, 0, 0, 0).kind,
                     LPP_WAIT_CALL_SIGNAL);
    assert_int_equal(parsed(SYS_rt_sigtimedwait, 0, 0, 0, 0, 0).kind,
                     LPP_WAIT_CALL_SIGNAL);
}

static void memory_that_is_not_there(void **state)
{
    long bytes = sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * (size_t)bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct pollfd *last;
    lpp_wait_call_t call;

    (void)state;
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + bytes, (size_t)bytes, PROT_NONE), 0);
    last = (struct pollfd *)(pages + bytes) - 1;
    last->fd = 5;
    last->events = POLLIN;
    assert_int_equal(parsed(SYS_poll, 8, 3, 100, 0, 0).kind,
                     LPP_WAIT_CALL_OTHER);
    assert_int_equal(parsed(SYS_poll, A(pages + bytes), 1, 100, 0, 0).kind,
                     LPP_WAIT_CALL_OTHER);
    assert_int_equal(parsed(SYS_poll, A(last), 2, 100, 0, 0).kind,
                     LPP_WAIT_CALL_OTHER);
    assert_int_equal(parsed(SYS_select, 64, A(pages + bytes), 0, 0, 1).kind,
                     LPP_WAIT_CALL_OTHER);
    call = parsed(SYS_poll, A(last), 1, 100, 0, 0);
    assert_int_equal(call.kind, LPP_WAIT_CALL_FDS);
    assert_int_equal(call.fds[0].fd, 5);
    assert_int_equal(lpp_wait_memory(&call, A(last), 2 * sizeof(*last)),
                     sizeof(*last));
    munmap(pages, 2 * (size_t)bytes);
}

static void nothing_is_read_in_state_d(void **state)
{
    struct pollfd item = { 3, POLLIN, 0 };
    apr_uint64_t arguments[6] = { A(&item), 1, 100, 0, 0, 0 };
    lpp_wait_call_t call;

    (void)state;
    lpp_wait_call_parse(&call, SYS_poll, arguments, 0);
    assert_int_equal(call.kind, LPP_WAIT_CALL_OTHER);
    assert_int_equal(call.fd_count, 0);
}

static void a_poll_of_too_many(void **state)
{
    static struct pollfd items[LPP_WAIT_POLL_MAX + 5];
    lpp_wait_call_t call;
    unsigned i;

    (void)state;
    for (i = 0; i < LPP_COUNT(items); i++) {
        items[i].fd = (int)i;
        items[i].events = POLLIN;
    }
    call = parsed(SYS_poll, A(items), LPP_COUNT(items), 100, 0, 0);
    assert_int_equal(call.fd_count, LPP_WAIT_FDS_MAX);
    assert_int_equal(call.fd_more, LPP_COUNT(items) - LPP_WAIT_FDS_MAX);
    call = parsed(SYS_poll, A(items), UINT64_MAX, 100, 0, 0);
    assert_int_equal(call.fd_count, LPP_WAIT_FDS_MAX); /* and it ends */
    assert_true(call.fd_more > 1000000);
}

static void child_processes(void **state)
{
    lpp_wait_call_t call = parsed(SYS_wait4, 77, 0, 0, 0, 0);

    (void)state;
    assert_int_equal(call.kind, LPP_WAIT_CALL_CHILD);
    assert_int_equal(call.pid, 77);
    assert_int_equal(parsed(SYS_wait4, (apr_uint32_t)-1, 0, 0, 0, 0).pid, 0);
    assert_int_equal(parsed(SYS_waitid, P_PID, 77, 0, 0, 0).pid, 77);
    assert_int_equal(parsed(SYS_waitid, P_ALL, 77, 0, 0, 0).pid, 0);
    call = parsed(SYS_waitid, 3, 9, 0, 0, 0);
    assert_int_equal(call.pid, 0);
    assert_int_equal(call.fd_count, 1);
    assert_int_equal(call.fds[0].fd, 9);
}

static void futexes(void **state)
{
    apr_uint64_t list[3] = { 1, 0x4444, 2 };
    lpp_wait_call_t call = parsed(SYS_futex, 0x1234, 128, 2, 0, 0);

    (void)state;
    assert_int_equal(call.kind, LPP_WAIT_CALL_FUTEX);
    assert_int_equal(call.address, 0x1234);
    assert_int_equal(call.operation, 0);
    assert_int_equal(parsed(SYS_futex, 8, 9 | 128 | 256, 0, 0, 0).operation,
                     9);
    assert_int_equal(parsed(449, A(list), 1, 0, 0, 0).address, 0x4444);
    assert_int_equal(parsed(449, 8, 1, 0, 0, 0).address, 0);
    assert_int_equal(parsed(455, 0x99, 1, 0, 0, 0).address, 0x99);
}

static void paths_and_ids(void **state)
{
    (void)state;
    assert_int_equal(parsed(SYS_openat, 1, 0x77, 0, 0, 0).kind,
                     LPP_WAIT_CALL_PATH);
    assert_int_equal(parsed(SYS_openat, 1, 0x77, 0, 0, 0).address, 0x77);
    assert_int_equal(parsed(SYS_stat, 0x66, 0x77, 0, 0, 0).address, 0x66);
    assert_int_equal(parsed(SYS_semop, 5, 0, 0, 0, 0).kind,
                     LPP_WAIT_CALL_IPC);
    assert_int_equal(parsed(SYS_msgrcv, 5, 0, 0, 0, 0).id, 5);
    assert_int_equal(parsed(SYS_getpid, 5, 0, 0, 0, 0).kind,
                     LPP_WAIT_CALL_OTHER);
    assert_int_equal(parsed(-1, 5, 0, 0, 0, 0).kind, LPP_WAIT_CALL_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_descriptor),
        cmocka_unit_test(two_descriptors),
        cmocka_unit_test(only_waiting_fcntl_is_a_lock),
        cmocka_unit_test(all_members_of_a_poll),
        cmocka_unit_test(a_descriptor_stands_once),
        cmocka_unit_test(all_members_of_a_select),
        cmocka_unit_test(no_descriptor_is_a_sleep),
        cmocka_unit_test(memory_that_is_not_there),
        cmocka_unit_test(nothing_is_read_in_state_d),
        cmocka_unit_test(a_poll_of_too_many),
        cmocka_unit_test(child_processes),
        cmocka_unit_test(futexes),
        cmocka_unit_test(paths_and_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
