/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_crash: all code that runs in the crash handler, and no other code.
 *
 * The handler copies the state and returns, so that the previous action
 * receives the signal as it would without this module. A fault of the program
 * itself (si_code > 0) occurs again when the handler returns, since the
 * instruction has not completed; a signal that was sent, by abort() too, is
 * queued again with its siginfo.
 *
 * A handler that was installed over this one, in this profile or an earlier
 * one, may call it for signals that it does not handle itself. If the handler
 * is entered a second time, while nothing is watched, or in a forked process,
 * it sets the default action, so that two handlers cannot call each other for
 * ever: the signal then ends the process.
 *
 * tests/guard/signal_symbols.txt lists all that this file may call.
 */
#include "sampling/lpp_crash_internal.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/lpp_clock.h"
#include "interp/lpp_peek.h"
#include "sampling/lpp_signal_copy_internal.h"

lpp_crash_watch_t lpp_crash_watch;

static const struct sigaction default_action; /* zeroed: SIG_DFL */

/*
 * The stack pointer may have any value here, so the kernel makes the copy. If
 * it cannot, only the profiled thread's own stack is safe to read.
 */
static void copy_stack(lpp_crash_t *crash)
{
    apr_uint64_t sp = crash->snapshot.regs[LPP_REG_SP];
    apr_uint64_t end = sp + LPP_STACK_MAX_BYTES;
    int inside = (apr_uint32_t)syscall(SYS_gettid) == lpp_crash_watch.tid
        && sp >= lpp_crash_watch.stack_start && sp < lpp_crash_watch.stack_end;

    if (inside && end > lpp_crash_watch.stack_end) {
        end = lpp_crash_watch.stack_end;
    }
    if (!lpp_signal_read_stack(&crash->snapshot, crash->stack,
                               LPP_STACK_MAX_BYTES, end)
        && inside) {
        lpp_signal_copy_stack(&crash->snapshot, crash->stack,
                              LPP_STACK_MAX_BYTES, end);
    }
}

static void keep(lpp_crash_t *crash, int number, const siginfo_t *info,
                 const void *context)
{
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
    crash->when_us = lpp_monotonic_us();
    lpp_signal_copy_registers(&crash->snapshot, context);
    copy_stack(crash);
}

void lpp_crash_handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    lpp_crash_t *crash = atomic_load(&lpp_crash_watch.crash);
    pid_t pid;
    unsigned none = LPP_CRASH_NONE;
    int first;

    if (lpp_peek_rescue(info, context)) {
        return;
    }
    pid = getpid();
    first = atomic_load(&lpp_crash_watch.armed)
        && pid == lpp_crash_watch.process
        && atomic_exchange(&lpp_crash_watch.entered[number], 1) == 0;
    if (first && crash != NULL
        && atomic_compare_exchange_strong(&crash->state, &none,
                                          LPP_CRASH_FILLING)) {
        keep(crash, number, info, context);
        atomic_store(&crash->state, LPP_CRASH_WHOLE);
    }
    sigaction(number, first ? &lpp_crash_watch.before[number]
                            : &default_action, NULL);
    if (info->si_code <= 0) {
        /* The signal stays blocked until this handler has returned. */
        syscall(SYS_rt_tgsigqueueinfo, pid, syscall(SYS_gettid), number, info);
    }
    errno = saved;
}
