/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_crash: everything that runs in the handler of a crash, and nothing else.
 *
 * Copies, then steps aside. A fault of the program's own (si_code > 0) happens
 * again when the handler returns, since the instruction has not been done; a
 * signal that somebody sent, abort() among them, is queued again with all that
 * came with it. Either way the action that was there before ours gets it as if
 * we had never been. tests/guard/signal_symbols.txt lists all that this file
 * may call.
 */
#include "lpp_crash.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "lpp_signal.h"

#define RED_ZONE 128
#define PAGE 4096
#define PIECES (LPP_STACK_MAX_BYTES / PAGE + 1)

lpp_crash_watch_t lpp_crash_watch;

/* Have the kernel copy from there up to end, page by page up to the first that
 * is not there; -1: it must not (seccomp, an old container). */
static long read_stack(lpp_crash_t *crash, apr_uint64_t from,
                       apr_uint64_t end)
{
    struct iovec to, pieces[PIECES];
    unsigned count = 0;
    long copied;

    while (from < end && count < PIECES) {
        apr_uint64_t next = (from | (PAGE - 1)) + 1;

        next = next < end ? next : end;
        pieces[count].iov_base = (void *)(apr_uintptr_t)from;
        pieces[count++].iov_len = next - from;
        from = next;
    }
    to.iov_base = crash->stack;
    to.iov_len = LPP_STACK_MAX_BYTES;
    copied = process_vm_readv(lpp_crash_watch.process, &to, 1, pieces, count,
                              0);
    return copied < 0 && errno == EFAULT ? 0 : copied;
}

/*
 * The stack pointer may be anything now, so the kernel does the copying. Where
 * a stack has overflowed, its first bytes are not there but those above are.
 * Where the kernel does not copy, only the profiled thread's own stack is safe
 * to read.
 */
__attribute__((no_sanitize("address", "thread")))
static void copy_stack(lpp_crash_t *crash, apr_uint64_t from)
{
    apr_uint64_t end = from + LPP_STACK_MAX_BYTES;
    int inside = (apr_uint32_t)syscall(SYS_gettid) == lpp_crash_watch.tid
        && from >= lpp_crash_watch.stack_start
        && from < lpp_crash_watch.stack_end;
    const volatile unsigned char *bytes;
    apr_uint64_t i;
    long copied;

    if (inside && end > lpp_crash_watch.stack_end) {
        end = lpp_crash_watch.stack_end;
    }
    copied = read_stack(crash, from, end);
    while (copied == 0 && (from | (PAGE - 1)) + 1 < end) {
        from = (from | (PAGE - 1)) + 1;
        copied = read_stack(crash, from, end);
    }
    crash->snapshot.stack_address = from;
    crash->snapshot.stack_len = copied > 0 ? (apr_uint32_t)copied : 0;
    if (copied < 0 && inside) {
        bytes = (const volatile unsigned char *)(apr_uintptr_t)from;
        for (i = 0; i < end - from; i++) {
            ((volatile unsigned char *)crash->stack)[i] = bytes[i];
        }
        crash->snapshot.stack_len = (apr_uint32_t)(end - from);
    }
}

static void keep(lpp_crash_t *crash, int number, const siginfo_t *info,
                 const void *context)
{
    struct timespec now;
    apr_uint64_t sp;

    crash->number = number;
    crash->code = info->si_code;
    crash->error = info->si_errno;
    crash->tid = (apr_uint32_t)syscall(SYS_gettid);
    if (info->si_code <= 0) {
        crash->sender = (apr_uint32_t)info->si_pid;
    }
    else {
        crash->address = (apr_uint64_t)(apr_uintptr_t)info->si_addr;
    }
    if (clock_gettime(CLOCK_MONOTONIC, &now) == 0) {
        crash->when_us = (apr_int64_t)now.tv_sec * 1000000
            + now.tv_nsec / 1000;
    }
    lpp_signal_copy_registers(&crash->snapshot, context);
    sp = crash->snapshot.regs[LPP_REG_SP] - RED_ZONE;
    copy_stack(crash, sp);
}

void lpp_crash_handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    lpp_crash_t *crash = atomic_load(&lpp_crash_watch.crash);
    pid_t pid = getpid();
    unsigned none = LPP_CRASH_NONE;

    if (crash != NULL && pid == lpp_crash_watch.process
        && atomic_compare_exchange_strong(&crash->state, &none,
                                          LPP_CRASH_FILLING)) {
        keep(crash, number, info, context);
        atomic_store(&crash->state, LPP_CRASH_WHOLE);
    }
    sigaction(number, &lpp_crash_watch.before[number], NULL);
    if (info->si_code <= 0) {
        /* Waits, blocked, until this handler has returned. */
        syscall(SYS_rt_tgsigqueueinfo, pid, syscall(SYS_gettid), number, info);
    }
    errno = saved;
}
