/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel_calls: for tests: the C library's blocking calls, made as glibc 2.41
 * makes them, whatever library is there: by one function that gets the number
 * as its seventh argument, so that it stands on the stack alone when the kernel
 * has ended the call. cancel_shape chooses the instruction. What the program
 * and its libraries call goes through here; glibc itself makes its own. Some
 * are left to it, so that where it is 2.41 there are two such functions.
 */
#ifndef CANCEL_CALLS_H
#define CANCEL_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CANCEL_AS_LIBC, /* by the number of threads, as in glibc 2.41 */
    CANCEL_DIRECT,  /* as where cancellation is off */
    CANCEL_HIDDEN   /* as in no library: the number is nowhere */
};

static int cancel_shape = CANCEL_AS_LIBC;
/* Of the thread's, in glibc. */
__attribute__((used)) static int cancel_state;

long cancel_by_threads(long a, long b, long c, long d, long e, long f,
                       long number);
long cancel_direct(long a, long b, long c, long d, long e, long f,
                   long number);
long cancel_hidden(long a, long b, long c, long d, long e, long f,
                   long number);

/* Registers and stack as in glibc 2.41: __syscall_cancel_arch,
 * __internal_syscall_cancel in its two ways; and one of no library, which turns
 * the number over, in its place on the stack and in the registers. */
__asm__(".text\n"
        ".type cancel_arch,@function\n"
        "cancel_arch:\n"
        "    .cfi_startproc\n"
        "    movl (%rdi), %eax\n"
        "    testb $8, (%rdi)\n"
        "    movq %rdi, %r11\n"
        "    movq %rsi, %rax\n"
        "    movq %rdx, %rdi\n"
        "    movq %rcx, %rsi\n"
        "    movq %r8, %rdx\n"
        "    movq %r9, %r10\n"
        "    movq 8(%rsp), %r8\n"
        "    movq 16(%rsp), %r9\n"
        "    movq %r11, 8(%rsp)\n"
        "    syscall\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size cancel_arch,.-cancel_arch\n"
        ".globl cancel_by_threads\n"
        ".type cancel_by_threads,@function\n"
        "cancel_by_threads:\n"
        "    .cfi_startproc\n"
        "    pushq %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbx, 0\n"
        "    pushq %r9\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    leaq cancel_state(%rip), %r11\n"
        "    movq %rcx, %r9\n"
        "    movq %rsi, %rcx\n"
        "    pushq %r8\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    movq 0x20(%rsp), %rsi\n"
        "    movq %rdx, %r8\n"
        "    movq %rdi, %rdx\n"
        "    movq %r11, %rdi\n"
        "    call cancel_arch\n"
        "    popq %rcx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rbx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore rbx\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size cancel_by_threads,.-cancel_by_threads\n"
        ".globl cancel_direct\n"
        ".type cancel_direct,@function\n"
        "cancel_direct:\n"
        "    .cfi_startproc\n"
        "    pushq %rbx\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    .cfi_rel_offset rbx, 0\n"
        "    movq %rcx, %r10\n"
        "    movq 0x10(%rsp), %rax\n"
        "    syscall\n"
        "    popq %rbx\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    .cfi_restore rbx\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size cancel_direct,.-cancel_direct\n"
        ".globl cancel_hidden\n"
        ".type cancel_hidden,@function\n"
        "cancel_hidden:\n"
        "    .cfi_startproc\n"
        "    movq %rcx, %r10\n"
        "    movq 8(%rsp), %rax\n"
        "    notq %rax\n"
        "    syscall\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size cancel_hidden,.-cancel_hidden\n");

static long cancel_call(long number, long a, long b, long c, long d, long e,
                        long f)
{
    long got;

    if (cancel_shape == CANCEL_HIDDEN) {
        got = cancel_hidden(a, b, c, d, e, f, ~number);
    }
    else if (cancel_shape == CANCEL_DIRECT || __libc_single_threaded) {
        got = cancel_direct(a, b, c, d, e, f, number);
    }
    else {
        got = cancel_by_threads(a, b, c, d, e, f, number);
    }
    if (got < 0 && got > -4096) {
        errno = (int)-got;
        return -1;
    }
    return got;
}

#define CALL(number, ...) CALL_6(number, __VA_ARGS__, 0, 0, 0, 0, 0)
#define CALL_6(number, a, b, c, d, e, f, ...) \
    cancel_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
                (long)(f))

int nanosleep(const struct timespec *wait, struct timespec *left)
{
    return (int)CALL(SYS_clock_nanosleep, CLOCK_REALTIME, 0, wait, left);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wait,
                    struct timespec *left)
{
    return CALL(SYS_clock_nanosleep, clock, flags, wait, left) == 0 ? 0 : errno;
}

unsigned sleep(unsigned seconds)
{
    struct timespec wait = { (time_t)seconds, 0 };

    return nanosleep(&wait, &wait) == 0 ? 0 : (unsigned)wait.tv_sec + 1;
}

int usleep(useconds_t us)
{
    struct timespec wait = { us / 1000000, us % 1000000 * 1000 };

    return nanosleep(&wait, NULL);
}

int pause(void)
{
    return (int)CALL(SYS_pause, 0);
}

int poll(struct pollfd *items, nfds_t count, int ms)
{
    return (int)CALL(SYS_poll, items, count, ms);
}

int ppoll(struct pollfd *items, nfds_t count, const struct timespec *wait,
          const sigset_t *mask)
{
    struct timespec left = { 0, 0 };

    if (wait != NULL) {
        left = *wait; /* the kernel writes what is left */
    }
    return (int)CALL(SYS_ppoll, items, count, wait == NULL ? NULL : &left, mask,
                     8);
}

int select(int count, fd_set *in, fd_set *out, fd_set *other,
           struct timeval *wait)
{
    struct timespec left = { 0, 0 };
    int got;

    if (wait != NULL) {
        left.tv_sec = wait->tv_sec;
        left.tv_nsec = wait->tv_usec * 1000;
    }
    got = (int)CALL(SYS_pselect6, count, in, out, other,
                    wait == NULL ? NULL : &left, 0);
    if (wait != NULL) {
        wait->tv_sec = left.tv_sec;
        wait->tv_usec = left.tv_nsec / 1000;
    }
    return got;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int ms)
{
    return (int)CALL(SYS_epoll_wait, fd, events, max, ms);
}

ssize_t read(int fd, void *bytes, size_t len)
{
    return CALL(SYS_read, fd, bytes, len);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return CALL(SYS_write, fd, bytes, len);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    return CALL(SYS_writev, fd, pieces, count);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
    return CALL(SYS_recvfrom, fd, bytes, len, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
    return CALL(SYS_sendto, fd, bytes, len, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    return CALL(SYS_recvmsg, fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return CALL(SYS_sendmsg, fd, message, flags);
}

/* glibc's prototypes of these have a transparent union. */
int cancel_accept(int fd, void *address, socklen_t *len) __asm__("accept");
int cancel_accept(int fd, void *address, socklen_t *len)
{
    return (int)CALL(SYS_accept, fd, address, len);
}

int cancel_connect(int fd, const void *address, socklen_t len)
    __asm__("connect");
int cancel_connect(int fd, const void *address, socklen_t len)
{
    return (int)CALL(SYS_connect, fd, address, len);
}

int fcntl(int fd, int command, ...)
{
    va_list list;
    long argument;

    va_start(list, command);
    argument = va_arg(list, long);
    va_end(list);
    return (int)CALL(SYS_fcntl, fd, command, argument);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
    return (pid_t)CALL(SYS_wait4, pid, status, options);
}

#undef CALL
#undef CALL_6

#endif
