/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_restart: see lpp_signal_restart_internal.h.
 *
 * poll, select, epoll_wait, nanosleep, timed futexes and sockets with a timeout
 * return EINTR even with SA_RESTART. The kernel has then finished the call: the
 * saved program counter is just behind the `syscall` instruction, and rax holds
 * -EINTR. Setting the program counter back to the instruction and rax to the
 * call's number makes the call again, with the arguments that are still in the
 * other registers. A call that is not known keeps its EINTR and is counted:
 * blocked threads are not signalled any more then.
 *
 * A call that another signal has interrupted as well must end, or a signal that
 * was sent to wake the thread would be lost. The kernel delivers this module's
 * signal first: the other one is then pending, blocked by the mask until the
 * handler returns. So the handler looks for such a signal last of all, and if
 * there is one, the call is not restarted. Between that look and the call less
 * than a microsecond passes; a signal that comes in this time has the effect of
 * one that came just before the call. The calls that lpp_signal_wait knows have
 * no such gap.
 */
#include "sampling/lpp_signal_restart_internal.h"

#include <errno.h>
#include <stddef.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sampling/lpp_signal_calls_internal.h"
#include "sampling/lpp_signal_copy_internal.h"
#include "sampling/lpp_signal_number_internal.h"
#include "sampling/lpp_signal_resume_internal.h"
#include "sampling/lpp_signal_timeout_internal.h"
#include "sampling/lpp_signal_wait_internal.h"

#define KERNEL_FRAME_BYTES 440 /* of x86-64, for a signal, without the FPU
                                  state */
#define SAVED_REGS 17 /* r8 to rip, in the order of REG_R8 */

static atomic_uint unrepaired; /* calls that could not be restarted */
static atomic_int restarts;    /* the trial has passed */

unsigned lpp_signal_unrepaired(void)
{
    return atomic_load_explicit(&unrepaired, memory_order_relaxed);
}

int lpp_signal_allowed(int blocked)
{
    unsigned broken = lpp_signal_unrepaired();

    /* A running thread may be in the middle of a long write, and block at the
     * moment of the signal. */
    return (atomic_load(&restarts) || (!LPP_SIGNAL_RESTARTS && !blocked))
           && broken < (blocked ? 1 : LPP_SIGNAL_BROKEN_MAX);
}

void lpp_signal_learn(const lpp_signal_place_t *places, unsigned count,
                      int passed)
{
    atomic_store(&restarts, 0);
    lpp_signal_learn_places(places, count);
    atomic_store(&restarts, passed);
}

#if defined(__x86_64__)

/* Whether the kernel has just ended a call at rip. */
static int behind_syscall(const greg_t *regs)
{
    const unsigned char *at = (const unsigned char *)regs[REG_RIP];

    return ((apr_uintptr_t)at & 4095) >= 2 ? at[-2] == 0x0f && at[-1] == 0x05
                                           : 1; /* looked at again later */
}

static int before_syscall(const greg_t *regs)
{
    const unsigned char *at = (const unsigned char *)regs[REG_RIP];

    return ((apr_uintptr_t)at & 4095) != 4095 && at[0] == 0x0f
           && at[1] == 0x05;
}

/* Save what undo_restart needs. */
static void remember(lpp_signal_undo_t *undo, const ucontext_t *context,
                     lpp_signal_stub_t *stub)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    lpp_signal_stub_t *under_way = lpp_signal_stub_of(regs);
    unsigned i;

    for (i = 0; i < NGREG; i++) { /* no memcpy in the handler */
        ((volatile greg_t *)undo->regs)[i] = regs[i];
    }
    undo->mask = context->uc_sigmask.__val[0];
    undo->stub = under_way != NULL ? under_way : stub;
    if (undo->stub != NULL) {
        undo->done = undo->stub->done;
        undo->busy = undo->stub->busy;
    }
}

static void undo_restart(const lpp_signal_undo_t *undo, ucontext_t *context)
{
    unsigned i;

    for (i = 0; i < NGREG; i++) {
        ((volatile greg_t *)context->uc_mcontext.gregs)[i] = undo->regs[i];
    }
    context->uc_sigmask.__val[0] = undo->mask;
    if (undo->stub != NULL) {
        undo->stub->done = undo->done;
        undo->stub->busy = undo->busy;
    }
}

/*
 * Whether another handler ran just before. If this module's signal comes just
 * as that handler returns, the EINTR of the call is due to the other signal,
 * but looks the same. Since this handler runs on the alternate stack, the frame
 * that the kernel saved for the other handler is still below the stack pointer:
 * the same registers, where the kernel puts them. An earlier call may have left
 * the same there, if nothing has overwritten it: that call ended with EINTR, so
 * the program can handle one.
 */
static int handler_was_here(const ucontext_t *context, pid_t pid)
{
    const greg_t *regs = context->uc_mcontext.gregs;
    const unsigned *state = (const unsigned *)context->uc_mcontext.fpregs;
    apr_uint64_t at = (apr_uint64_t)regs[REG_RSP] - LPP_SIGNAL_RED_ZONE;
    greg_t saved[SAVED_REGS];
    struct iovec to = { saved, sizeof(saved) }, from = { NULL, sizeof(saved) };
    int i;

    if (state == NULL) {
        return 0;
    }
    /* A word after the legacy part of the state has its whole size. */
    at = (at - (state[464 / 4] == 0x46505853 ? state[468 / 4] : 512)) & ~63ull;
    at = ((at - KERNEL_FRAME_BYTES) & ~15ull) - 8;
    at += 8 + offsetof(ucontext_t, uc_mcontext.gregs);
    if (at == (apr_uintptr_t)regs) {
        return 0; /* this module's own frame is there */
    }
    from.iov_base = (void *)(apr_uintptr_t)at;
    if (process_vm_readv(pid, &to, 1, &from, 1, 0) != sizeof(saved)) {
        return 0;
    }
    for (i = 0; i < SAVED_REGS && saved[i] == regs[i]; i++) {
    }
    if (i < SAVED_REGS) {
        return 0;
    }
    /* Once only: clear the trace, so that the next call from here is restarted,
     * unless a handler runs again. Memory below the red zone is used by
     * handlers only. */
    saved[0] = ~saved[0];
    from.iov_len = to.iov_len = sizeof(saved[0]);
    (void)process_vm_writev(pid, &to, 1, &from, 1, 0);
    return 1;
}

/* Restart a call that ended with EINTR. */
static int restart(ucontext_t *context, lpp_signal_target_t *target,
                   lpp_signal_stub_t *stub, pid_t pid)
{
    greg_t *regs = context->uc_mcontext.gregs;
    const lpp_signal_stub_t *under_way = lpp_signal_stub_of(regs);
    long number = under_way != NULL ? under_way->number
                                    : lpp_signal_call_number(regs, pid);
    lpp_call_e kind = lpp_call_kind(number);

    if (kind == LPP_CALL_UNKNOWN) {
        atomic_fetch_add_explicit(&unrepaired, 1, memory_order_relaxed);
        return 0;
    }
    if (under_way == NULL && target != NULL
        && atomic_load_explicit(&target->blocked_ns, memory_order_relaxed) == 0
        && handler_was_here(context, pid)) {
        return 0;
    }
    lpp_signal_shorten_timeout(kind, regs, target);
    if (under_way != NULL || !lpp_signal_wait(number, context, stub)) {
        regs[REG_RIP] -= 2;
        regs[REG_RAX] = number;
    }
    return 1;
}

int lpp_signal_restart_call(ucontext_t *context, lpp_signal_target_t *target,
                            lpp_signal_stub_t *stub, pid_t pid,
                            lpp_signal_undo_t *undo)
{
    greg_t *regs = context->uc_mcontext.gregs;
    int interrupted = regs[REG_RAX] == -EINTR;

    undo->changed = 0;
    if ((!interrupted && regs[REG_RAX] <= 0) || !behind_syscall(regs)) {
        return before_syscall(regs); /* restarted by the kernel */
    }
    if (!atomic_load(&restarts)) { /* the number may be read wrongly */
        atomic_fetch_add_explicit(&unrepaired, interrupted,
                                  memory_order_relaxed);
        return interrupted || before_syscall(regs);
    }
    remember(undo, context, stub);
    undo->changed = interrupted ? restart(context, target, stub, pid)
                                : lpp_signal_resume(regs, stub, pid);
    if (undo->changed && target != NULL) {
        atomic_fetch_add_explicit(&target->repaired, 1, memory_order_relaxed);
    }
    return undo->changed || interrupted || before_syscall(regs);
}

enum { OTHER_HANDLED = 1, OTHER_INTERRUPTS = 2 };

/* Which kinds of signals will be delivered as soon as this handler returns:
 * with a handler; with a handler without SA_RESTART. */
static int others_pending(unsigned long mask, int ours)
{
    struct sigaction action;
    sigset_t pending;
    unsigned long left; /* one bit for each signal, as in the kernel */
    int found = 0;

    if (sigpending(&pending) != 0) {
        return 0;
    }
    left = pending.__val[0] & ~mask & ~(1ul << (ours - 1));
    for (; left != 0; left &= left - 1) {
        if (sigaction(__builtin_ctzl(left) + 1, NULL, &action) != 0
            || ((action.sa_flags & SA_SIGINFO) == 0
                && (action.sa_handler == SIG_DFL
                    || action.sa_handler == SIG_IGN))) {
            continue;
        }
        found |= action.sa_flags & SA_RESTART
            ? OTHER_HANDLED : OTHER_HANDLED | OTHER_INTERRUPTS;
    }
    return found;
}

/*
 * Whether the kernel has restarted this call because SA_RESTART is set for this
 * module's signal. It then leaves the call's return address in rcx; before the
 * first attempt rcx has that value only by chance.
 */
static int kernel_restarts(const greg_t *regs)
{
    return before_syscall(regs) && regs[REG_RCX] == regs[REG_RIP] + 2
           && lpp_call_ends_by_signal((long)regs[REG_RAX], (int)regs[REG_RSI]);
}

void lpp_signal_yield(ucontext_t *context, const lpp_signal_undo_t *undo,
                      int ours)
{
    greg_t *regs = context->uc_mcontext.gregs;
    int by_kernel = !undo->changed && kernel_restarts(regs);
    int others = 0;

    if (undo->changed || by_kernel) {
        others = others_pending(undo->changed
                                ? undo->mask : context->uc_sigmask.__val[0],
                                ours);
    }
    if (undo->changed && others != 0) {
        undo_restart(undo, context);
    }
    else if (by_kernel && (others & OTHER_INTERRUPTS) != 0) {
        regs[REG_RIP] += 2;
        regs[REG_RAX] = -EINTR;
    }
}

long lpp_signal_interrupted(const ucontext_t *context)
{
    const greg_t *regs = context->uc_mcontext.gregs;

    return regs[REG_RAX] == -EINTR && behind_syscall(regs)
        ? lpp_signal_call_number(regs, getpid()) : LPP_SIGNAL_NO_CALL;
}

#elif defined(__aarch64__)

/* The number of the call is lost: after svc, x0 holds -EINTR and x8 may be in
 * use again. So nothing is restarted, and blocked threads are not signalled. */
int lpp_signal_restart_call(ucontext_t *context, lpp_signal_target_t *target,
                            lpp_signal_stub_t *stub, pid_t pid,
                            lpp_signal_undo_t *undo)
{
    const unsigned *at = (const unsigned *)context->uc_mcontext.pc;

    undo->changed = 0;
    (void)target;
    (void)stub;
    (void)pid;
    if ((long)context->uc_mcontext.regs[0] == -EINTR
        && at[-1] == 0xd4000001u) {
        atomic_fetch_add_explicit(&unrepaired, 1, memory_order_relaxed);
        return 1;
    }
    return at[0] == 0xd4000001u;
}

void lpp_signal_yield(ucontext_t *context, const lpp_signal_undo_t *undo,
                      int ours)
{
    (void)context;
    (void)undo;
    (void)ours;
}

long lpp_signal_interrupted(const ucontext_t *context)
{
    (void)context;
    return LPP_SIGNAL_NO_CALL;
}

#endif
