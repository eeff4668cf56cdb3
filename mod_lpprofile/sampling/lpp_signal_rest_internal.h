/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_rest: a call that the signal cut short in the middle is resumed.
 * For lpp_signal.c alone.
 *
 * Once a blocking write has moved something, a signal makes it return how much,
 * and no EINTR is to be seen: what a program sends to a socket of its own in
 * one piece without us would be half sent with us. The kernel cannot be asked
 * to go on and add up, so the thread comes back from the handler into
 * lpp_signal_stub: it makes the call for the rest, as often as it takes, adds
 * what that moved to what was moved before, and jumps to where the first call
 * would have returned to. Of the registers a call leaves only rcx and r11 free,
 * and these it destroys: rbx holds the account of the thread meanwhile, its own
 * value stands in there.
 */
#ifndef LPP_SIGNAL_REST_INTERNAL_H
#define LPP_SIGNAL_REST_INTERNAL_H

#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "sampling/lpp_signal_code_internal.h"

_Static_assert(offsetof(lpp_signal_rest_t, resume) == 0
                   && offsetof(lpp_signal_rest_t, rbx) == 8
                   && offsetof(lpp_signal_rest_t, done) == 16
                   && offsetof(lpp_signal_rest_t, busy) == 24,
               "the stub and its unwind rules count on it");

/* With unwind rules: the frame they stand for is the one that made the call.
 * The second is that of lpp_signal_wait_internal.h. */
__asm__(".text\n"
        ".type lpp_signal_stub,@function\n"
        "lpp_signal_stub:\n"
        "    .cfi_startproc\n"
        "    .cfi_signal_frame\n"
        "    .cfi_def_cfa rsp, 0\n"
        "    .cfi_escape 0x10, 0x10, 0x02, 0x73, 0x00\n" /* rip: 0(rbx) */
        "    .cfi_escape 0x10, 0x03, 0x02, 0x73, 0x08\n" /* rbx: 8(rbx) */
        "    syscall\n"
        "    testq %rax, %rax\n"
        "    js 1f\n"
        "    addq %rax, 16(%rbx)\n"
        "1:  movq 16(%rbx), %rax\n"
        "    movq 0(%rbx), %rcx\n"
        "    movq 8(%rbx), %r11\n"
        "    movl $0, 24(%rbx)\n"
        "    movq %r11, %rbx\n"
        "    .cfi_same_value rbx\n"
        "    .cfi_register rip, rcx\n"
        "lpp_signal_stub_last:\n"
        "    jmp *%rcx\n"
        "    .cfi_endproc\n"
        ".size lpp_signal_stub,.-lpp_signal_stub\n"
        ".type lpp_signal_wait_stub,@function\n"
        "lpp_signal_wait_stub:\n"
        "    .cfi_startproc\n"
        "    .cfi_signal_frame\n"
        "    .cfi_def_cfa rsp, 0\n"
        "    .cfi_escape 0x10, 0x10, 0x02, 0x73, 0x00\n"
        "    .cfi_escape 0x10, 0x03, 0x02, 0x73, 0x08\n"
        "    syscall\n"
        "    movq %rax, 16(%rbx)\n"
        "    movl $14, %eax\n" /* rt_sigprocmask(SIG_SETMASK, mask, NULL, 8) */
        "    movl $2, %edi\n"
        "    leaq 88(%rbx), %rsi\n"
        "    xorl %edx, %edx\n"
        "    movl $8, %r10d\n"
        "    syscall\n"
        "    movq 16(%rbx), %rax\n"
        "    movq 40(%rbx), %rdi\n"
        "    movq 48(%rbx), %rsi\n"
        "    movq 56(%rbx), %rdx\n"
        "    movq 64(%rbx), %r10\n"
        "    movq 72(%rbx), %r8\n"
        "    movq 80(%rbx), %r9\n"
        "    movq 0(%rbx), %rcx\n"
        "    movq 8(%rbx), %r11\n"
        "    movl $0, 24(%rbx)\n"
        "    movq %r11, %rbx\n"
        "    .cfi_same_value rbx\n"
        "    .cfi_register rip, rcx\n"
        "lpp_signal_wait_stub_last:\n"
        "    jmp *%rcx\n"
        "    .cfi_endproc\n"
        ".size lpp_signal_wait_stub,.-lpp_signal_wait_stub\n");

#define STUB_CODE extern const char __attribute__((visibility("hidden")))
STUB_CODE lpp_signal_stub[];
STUB_CODE lpp_signal_stub_last[];
STUB_CODE lpp_signal_wait_stub[];
STUB_CODE lpp_signal_wait_stub_last[];

static int is_between(greg_t at, const char *from, const char *to)
{
    return (apr_uintptr_t)at >= (apr_uintptr_t)from
           && (apr_uintptr_t)at < (apr_uintptr_t)to;
}

/* The account of a thread that is in a stub, or NULL. */
static lpp_signal_rest_t *rest_under_way(const greg_t *regs)
{
    return is_between(regs[REG_RIP], lpp_signal_stub, lpp_signal_stub_last)
           || is_between(regs[REG_RIP], lpp_signal_wait_stub,
                         lpp_signal_wait_stub_last)
        ? (lpp_signal_rest_t *)regs[REG_RBX] : NULL;
}

/* Registers as if there were no stub. */
static void hide_stub(const greg_t *regs, apr_uint64_t *rip,
                      apr_uint64_t *rbx)
{
    const lpp_signal_rest_t *rest = rest_under_way(regs);

    if (rest != NULL) {
        *rip = (apr_uint64_t)rest->resume;
        *rbx = (apr_uint64_t)rest->rbx;
    }
    else if (regs[REG_RIP] == (greg_t)lpp_signal_stub_last
             || regs[REG_RIP] == (greg_t)lpp_signal_wait_stub_last) {
        *rip = (apr_uint64_t)regs[REG_RCX];
    }
}

/* Would the call have waited until all is moved? Only on a stream or a pipe can
 * it move a part and then wait, and only where it was not told otherwise. */
static int waits_for_all(int fd)
{
    socklen_t len = sizeof(int);
    int type;

    if ((syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK) != 0) {
        return 0;
    }
    if (syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0) {
        return type == SOCK_STREAM;
    }
    return syscall(SYS_fcntl, fd, F_GETPIPE_SZ) > 0;
}

/* The count pieces at from, less their first done bytes, become rest's; how
 * many, 0: nothing is left, or more than there is room for. */
static size_t cut_pieces(lpp_signal_rest_t *rest, const struct iovec *from,
                         size_t count, size_t done)
{
    size_t i;

    while (count > 0 && done >= from->iov_len) {
        done -= from->iov_len;
        from++;
        count--;
    }
    if (count > LPP_SIGNAL_PIECES) {
        return 0;
    }
    for (i = 0; i < count; i++) { /* from may be rest's own, farther on */
        rest->pieces[i] = from[i];
    }
    if (count > 0) {
        rest->pieces[0].iov_base = (char *)rest->pieces[0].iov_base + done;
        rest->pieces[0].iov_len -= done;
    }
    return count;
}

static int cut_bytes(greg_t *buffer, greg_t *len, greg_t done)
{
    if (done >= *len) {
        return 0;
    }
    if (buffer != NULL) {
        *buffer += done;
    }
    *len -= done;
    return 1;
}

static int cut_message(lpp_signal_rest_t *rest, greg_t *regs, size_t done)
{
    const struct msghdr *message = (const struct msghdr *)regs[REG_RSI];
    size_t count = cut_pieces(rest, message->msg_iov, message->msg_iovlen,
                              done);
    size_t i;

    if (count == 0) {
        return 0;
    }
    /* Name and control went with the first part. */
    for (i = 0; i < sizeof(rest->message); i++) {
        ((volatile char *)&rest->message)[i] = 0;
    }
    rest->message.msg_iov = rest->pieces;
    rest->message.msg_iovlen = count;
    regs[REG_RSI] = (greg_t)&rest->message;
    return 1;
}

/* Make the registers ask for what is left of a call that has moved rax bytes;
 * 0: it had to end there. */
static int ask_for_rest(long number, greg_t *regs, lpp_signal_rest_t *rest)
{
    greg_t done = regs[REG_RAX];
    size_t count;

    switch (number) {
    case SYS_write:
        return cut_bytes(&regs[REG_RSI], &regs[REG_RDX], done);
    case SYS_sendto:
        return (regs[REG_R10] & (MSG_DONTWAIT | MSG_OOB)) == 0
               && cut_bytes(&regs[REG_RSI], &regs[REG_RDX], done);
    case SYS_recvfrom:
        return (regs[REG_R10] & (MSG_WAITALL | MSG_DONTWAIT | MSG_PEEK
                                 | MSG_OOB | MSG_ERRQUEUE)) == MSG_WAITALL
               && cut_bytes(&regs[REG_RSI], &regs[REG_RDX], done);
    case SYS_sendfile: /* places in files are moved on by the kernel */
        return cut_bytes(NULL, &regs[REG_R10], done);
    case SYS_copy_file_range: /* 0 at the end of the file */
        return cut_bytes(NULL, &regs[REG_R8], done);
    case SYS_getrandom:
        return cut_bytes(&regs[REG_RDI], &regs[REG_RSI], done);
    case SYS_writev:
        count = cut_pieces(rest, (const struct iovec *)regs[REG_RSI],
                           (size_t)regs[REG_RDX], (size_t)done);
        if (count > 0) {
            regs[REG_RSI] = (greg_t)rest->pieces;
            regs[REG_RDX] = (greg_t)count;
        }
        return count > 0;
    case SYS_sendmsg:
        return (regs[REG_RDX] & (MSG_DONTWAIT | MSG_OOB)) == 0
               && cut_message(rest, regs, (size_t)done);
    default:
        return 0;
    }
}

/*
 * The call has returned with a part moved: go on with it. rest is the account
 * of this thread, or NULL. A foreign handler that interrupted the stub and
 * makes such a call itself finds it busy, and its call stays short.
 */
static int resume_rest(greg_t *regs, lpp_signal_rest_t *rest, pid_t pid)
{
    lpp_signal_rest_t *under_way = rest_under_way(regs);
    long number;

    rest = under_way != NULL ? under_way : rest;
    if (rest == NULL || (under_way == NULL && rest->busy)) {
        return 0;
    }
    number = under_way != NULL ? rest->number : call_number(regs, pid);
    if (!moves_bytes(number)
        || (may_end_early(number) && !waits_for_all((int)regs[REG_RDI]))
        || !ask_for_rest(number, regs, rest)) {
        return 0;
    }
    if (under_way == NULL) {
        rest->resume = regs[REG_RIP];
        rest->rbx = regs[REG_RBX];
        rest->done = 0;
        rest->number = number;
        rest->busy = 1;
        regs[REG_RBX] = (greg_t)rest;
    }
    rest->done += regs[REG_RAX];
    regs[REG_RIP] = (greg_t)lpp_signal_stub;
    regs[REG_RAX] = number;
    return 1;
}

#endif
