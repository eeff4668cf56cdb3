/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_resume: see lpp_signal_resume_internal.h.
 */
#include "sampling/lpp_signal_resume_internal.h"

#if defined(__x86_64__)

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampling/lpp_signal_calls_internal.h"
#include "sampling/lpp_signal_number_internal.h"

/* Whether the call would have waited until all bytes are moved. Only on a
 * stream or a pipe can it move a part and then wait, and only if it may
 * block. */
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

/* Store the count pieces at from, less their first done bytes, in stub. Returns
 * the number of pieces; 0: none are left, or more than fit. */
static size_t cut_pieces(lpp_signal_stub_t *stub, const struct iovec *from,
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
    for (i = 0; i < count; i++) { /* from may point into stub, at a later
                                     piece */
        stub->pieces[i] = from[i];
    }
    if (count > 0) {
        stub->pieces[0].iov_base = (char *)stub->pieces[0].iov_base + done;
        stub->pieces[0].iov_len -= done;
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

static int cut_message(lpp_signal_stub_t *stub, greg_t *regs, size_t done)
{
    const struct msghdr *message = (const struct msghdr *)regs[REG_RSI];
    size_t count = cut_pieces(stub, message->msg_iov, message->msg_iovlen,
                              done);
    size_t i;

    if (count == 0) {
        return 0;
    }
    /* The first part was sent with name and control data. */
    for (i = 0; i < sizeof(stub->message); i++) {
        ((volatile char *)&stub->message)[i] = 0;
    }
    stub->message.msg_iov = stub->pieces;
    stub->message.msg_iovlen = count;
    regs[REG_RSI] = (greg_t)&stub->message;
    return 1;
}

/* Set the registers to ask for the bytes that are left of a call that has moved
 * rax bytes; 0: none are left, or the call was not to wait for more. */
static int ask_for_more(long number, greg_t *regs, lpp_signal_stub_t *stub)
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
    case SYS_sendfile: /* the kernel advances file offsets */
        return cut_bytes(NULL, &regs[REG_R10], done);
    case SYS_copy_file_range: /* 0 at the end of the file */
        return cut_bytes(NULL, &regs[REG_R8], done);
    case SYS_getrandom:
        return cut_bytes(&regs[REG_RDI], &regs[REG_RSI], done);
    case SYS_writev:
        count = cut_pieces(stub, (const struct iovec *)regs[REG_RSI],
                           (size_t)regs[REG_RDX], (size_t)done);
        if (count > 0) {
            regs[REG_RSI] = (greg_t)stub->pieces;
            regs[REG_RDX] = (greg_t)count;
        }
        return count > 0;
    case SYS_sendmsg:
        return (regs[REG_RDX] & (MSG_DONTWAIT | MSG_OOB)) == 0
               && cut_message(stub, regs, (size_t)done);
    default:
        return 0;
    }
}

int lpp_signal_resume(greg_t *regs, lpp_signal_stub_t *stub, pid_t pid)
{
    lpp_signal_stub_t *under_way = lpp_signal_stub_of(regs);
    greg_t moved;
    long number;

    stub = under_way != NULL ? under_way : stub;
    if (stub == NULL || (under_way == NULL && stub->busy)) {
        return 0;
    }
    number = under_way != NULL ? stub->number
                               : lpp_signal_call_number(regs, pid);
    if (!lpp_call_moves_bytes(number)
        || (lpp_call_may_end_early(number)
            && !waits_for_all((int)regs[REG_RDI]))) {
        return 0;
    }
    moved = regs[REG_RAX];
    if (!ask_for_more(number, regs, stub)) {
        return 0;
    }
    if (under_way == NULL) {
        lpp_signal_enter_stub(stub, regs, lpp_signal_resume_stub, number);
    }
    else {
        regs[REG_RIP] = (greg_t)lpp_signal_resume_stub;
        regs[REG_RAX] = number;
    }
    stub->done += moved;
    return 1;
}

#endif
