/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it restarts nanosleep itself, so no trial passes */
/*
 * lpp_signal: which calls are carried through where the signal came after they
 * had moved a part, and which had to end there. The handler is called with
 * registers as the kernel leaves them; that real calls go on stands in
 * test_blocked.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>

#include "sampling/lpp_signal.h"
#include "sampling/lpp_signal_copy_internal.h"
#include "sampling/lpp_signal_stub_internal.h"
#include "restart_trial.h"

#if !defined(__x86_64__)

int main(void)
{
    puts("test_signal_resume: no call is restarted on this architecture");
    return 0;
}

#else

enum { STREAM, STREAM_NONBLOCK, DATAGRAM, PIPE, FILE_, KINDS };

static apr_pool_t *root;
static lpp_signal_target_t target;
static int fds[KINDS];
static unsigned char bytes[1000];
static struct iovec pieces[LPP_SIGNAL_PIECES + 2];
static struct msghdr message;

typedef struct case_t {
    const char *name;
    long number;
    int kind;
    long rsi, rdx, r10, r8;
    long result; /* what the call returned */
    int goes_on;
} case_t;

#define BYTES (long)(intptr_t)bytes
#define ARRAY (long)(intptr_t)pieces
#define MESSAGE (long)(intptr_t)&message

/* A call of which only the number is in front, and the place behind it. */
static unsigned char code[128];
#define BEHIND (code + 64)

static void call_was(ucontext_t *context, const case_t *one)
{
    greg_t *regs = context->uc_mcontext.gregs;
    int number = (int)one->number;

    memset(code, 0x90, sizeof(code));
    BEHIND[-7] = 0xb8; /* mov $number,%eax; syscall */
    memcpy(BEHIND - 6, &number, 4);
    BEHIND[-2] = 0x0f;
    BEHIND[-1] = 0x05;
    memset(context, 0, sizeof(*context));
    regs[REG_RIP] = (greg_t)(intptr_t)BEHIND;
    regs[REG_RSP] = (greg_t)(intptr_t)__builtin_frame_address(0);
    regs[REG_RBX] = 0x4242;
    regs[REG_RDI] = fds[one->kind];
    regs[REG_RSI] = one->rsi;
    regs[REG_RDX] = one->rdx;
    regs[REG_R10] = one->r10;
    regs[REG_R8] = one->r8;
    regs[REG_RAX] = one->result;
}

static void handle(ucontext_t *context)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    info.si_code = SI_TKILL;
    info.si_pid = getpid();
    lpp_signal_handle(target.number, &info, context);
}

static void make_pieces(void)
{
    size_t i;

    for (i = 0; i < LPP_SIGNAL_PIECES + 2; i++) {
        pieces[i].iov_base = bytes + 10 * i;
        pieces[i].iov_len = 10;
    }
    memset(&message, 0, sizeof(message));
    message.msg_iov = pieces;
    message.msg_iovlen = 4;
    message.msg_control = bytes;
    message.msg_controllen = 16;
}

static void only_what_waits_for_all_goes_on(void **state)
{
    static const case_t cases[] = {
        { "write", SYS_write, STREAM, BYTES, 100, 0, 0, 40, 1 },
        { "all of it", SYS_write, STREAM, BYTES, 100, 0, 0, 100, 0 },
        { "nothing", SYS_write, STREAM, BYTES, 100, 0, 0, 0, 0 },
        { "an error", SYS_write, STREAM, BYTES, 100, 0, 0, -EPIPE, 0 },
        { "to a pipe", SYS_write, PIPE, BYTES, 100, 0, 0, 40, 1 },
        { "to a file", SYS_write, FILE_, BYTES, 100, 0, 0, 40, 0 },
        { "to who must not wait", SYS_write, STREAM_NONBLOCK, BYTES, 100, 0, 0,
          40, 0 },
        { "send", SYS_sendto, STREAM, BYTES, 100, MSG_NOSIGNAL, 0, 40, 1 },
        { "that must not wait", SYS_sendto, STREAM, BYTES, 100, MSG_DONTWAIT,
          0, 40, 0 },
        { "recv", SYS_recvfrom, STREAM, BYTES, 100, 0, 0, 40, 0 },
        { "of all", SYS_recvfrom, STREAM, BYTES, 100, MSG_WAITALL, 0, 40, 1 },
        { "of a datagram", SYS_recvfrom, DATAGRAM, BYTES, 100, MSG_WAITALL, 0,
          40, 0 },
        { "that only looks", SYS_recvfrom, STREAM, BYTES, 100,
          MSG_WAITALL | MSG_PEEK, 0, 40, 0 },
        { "read", SYS_read, STREAM, BYTES, 100, 0, 0, 40, 0 },
        { "writev", SYS_writev, STREAM, ARRAY, 4, 0, 0, 25, 1 },
        { "all of them", SYS_writev, STREAM, ARRAY, 4, 0, 0, 40, 0 },
        { "more than we keep", SYS_writev, STREAM, ARRAY,
          LPP_SIGNAL_PIECES + 2, 0, 0, 9, 0 },
        { "until few enough are left", SYS_writev, STREAM, ARRAY,
          LPP_SIGNAL_PIECES + 2, 0, 0, 25, 1 },
        { "sendmsg", SYS_sendmsg, STREAM, MESSAGE, MSG_NOSIGNAL, 0, 0, 25, 1 },
        { "sendfile", SYS_sendfile, STREAM, 0, 0, 100, 0, 40, 1 },
        { "copy_file_range", SYS_copy_file_range, FILE_, 0, 0, 0, 100, 40, 1 },
        { "poll", SYS_poll, STREAM, 0, 0, 0, 0, 1, 0 },
    };
    ucontext_t context, before;
    size_t i;

    (void)state;
    for (i = 0; i < LPP_COUNT(cases); i++) {
        make_pieces();
        call_was(&context, &cases[i]);
        before = context;
        handle(&context);
        if ((context.uc_mcontext.gregs[REG_RIP] != (greg_t)(intptr_t)BEHIND)
            != cases[i].goes_on) {
            fail_msg("%s", cases[i].name);
        }
        assert_int_equal(target.stub->busy, cases[i].goes_on);
        if (cases[i].goes_on) {
            assert_int_equal(context.uc_mcontext.gregs[REG_RAX],
                             cases[i].number);
            assert_int_equal(target.stub->done, cases[i].result);
        }
        else {
            assert_memory_equal(&context.uc_mcontext.gregs,
                                &before.uc_mcontext.gregs,
                                sizeof(context.uc_mcontext.gregs));
        }
        target.stub->busy = 0; /* as its end would */
    }
}

static void what_is_asked_for_is_what_is_left(void **state)
{
    static const case_t writev_ = { "", SYS_writev, STREAM, ARRAY, 4, 0, 0, 25,
                                    1 };
    static const case_t sendmsg_ = { "", SYS_sendmsg, STREAM, MESSAGE, 0, 0, 0,
                                     25, 1 };
    const lpp_signal_stub_t *stub = target.stub;
    const struct msghdr *left;
    ucontext_t context;

    (void)state;
    make_pieces();
    call_was(&context, &writev_);
    handle(&context);
    assert_ptr_equal(context.uc_mcontext.gregs[REG_RSI], stub->pieces);
    assert_int_equal(context.uc_mcontext.gregs[REG_RDX], 2);
    assert_ptr_equal(stub->pieces[0].iov_base, bytes + 25);
    assert_int_equal(stub->pieces[0].iov_len, 5);
    assert_ptr_equal(stub->pieces[1].iov_base, bytes + 30);
    assert_int_equal(pieces[0].iov_len, 10); /* the program's own */
    target.stub->busy = 0;
    call_was(&context, &sendmsg_);
    handle(&context);
    left = (const struct msghdr *)context.uc_mcontext.gregs[REG_RSI];
    assert_ptr_equal(left, &stub->message);
    assert_int_equal(left->msg_iovlen, 2);
    assert_int_equal(left->msg_controllen, 0);
    assert_int_equal(message.msg_controllen, 16);
    target.stub->busy = 0;
}

/* Again and again, until all is moved; a sample shows none of it. */
static void it_may_be_cut_short_again(void **state)
{
    static const case_t write_ = { "", SYS_write, STREAM, BYTES, 100, 0, 0, 40,
                                   1 };
    greg_t *regs;
    lpp_snapshot_t snapshot;
    ucontext_t context;
    greg_t stub;

    (void)state;
    call_was(&context, &write_);
    regs = context.uc_mcontext.gregs;
    handle(&context);
    stub = regs[REG_RIP];
    lpp_signal_copy_registers(&snapshot, &context);
    assert_ptr_equal(snapshot.regs[LPP_REG_PC], BEHIND);
    assert_int_equal(snapshot.regs[3], 0x4242);
    regs[REG_RIP] += 2; /* behind its syscall */
    regs[REG_RAX] = 30;
    handle(&context);
    assert_int_equal(regs[REG_RIP], stub);
    assert_int_equal(regs[REG_RSI], (greg_t)(intptr_t)(bytes + 70));
    assert_int_equal(regs[REG_RDX], 30);
    assert_int_equal(target.stub->done, 70);
    regs[REG_RIP] += 2;
    regs[REG_RAX] = -EINTR; /* nothing yet: the same once more */
    handle(&context);
    assert_int_equal(regs[REG_RIP], stub);
    assert_int_equal(regs[REG_RAX], SYS_write);
    regs[REG_RIP] += 2;
    regs[REG_RAX] = 30; /* that was all */
    handle(&context);
    assert_int_equal(regs[REG_RIP], stub + 2);
    assert_int_equal(regs[REG_RAX], 30);
    /* Somebody's handler on top of it keeps its own call as it is. */
    call_was(&context, &write_);
    handle(&context);
    assert_int_equal(regs[REG_RIP], (greg_t)(intptr_t)BEHIND);
    target.stub->busy = 0;
}

static int open_all(void)
{
    static char name[] = "/tmp/lpp-test-resume-XXXXXX";
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return 1;
    }
    fds[STREAM] = pair[0];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) {
        return 1;
    }
    fds[STREAM_NONBLOCK] = pair[0];
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) {
        return 1;
    }
    fds[DATAGRAM] = pair[0];
    if (pipe(pair) != 0) {
        return 1;
    }
    fds[PIPE] = pair[1];
    fds[FILE_] = mkstemp(name);
    return fds[FILE_] < 0 || unlink(name) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_waits_for_all_goes_on),
        cmocka_unit_test(what_is_asked_for_is_what_is_left),
        cmocka_unit_test(it_may_be_cut_short_again),
    };
    int failed, number;
    sigset_t old;

    apr_initialize();
    apr_pool_create(&root, NULL);
    if (!try_restarts()
        || lpp_ring_create(&target.ring, root) != APR_SUCCESS || open_all() != 0
        || lpp_signal_take(LPP_SIGNAL_AUTO, &number) != APR_SUCCESS
        || lpp_signal_arm(&target, &old) != APR_SUCCESS) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    lpp_signal_disarm(&target, number, &old);
    apr_pool_destroy(root);
    apr_terminate();
    return failed;
}

#endif
