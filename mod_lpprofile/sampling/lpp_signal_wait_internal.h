/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_wait: a call that may wait for ever is restarted so that no other
 * signal comes between. For lpp_signal.c alone.
 *
 * A call that is simply made again loses a signal that arrives after the
 * handler's last look and before the call: its handler has run when the call
 * begins to wait, and pause() waits for good. So the thread leaves the handler
 * with all signals blocked, into lpp_signal_wait_stub: that makes the variant
 * of the call that opens the mask by itself (sigsuspend, pselect6, epoll_pwait;
 * ppoll, also for a sleep), sets the mask as it was, and jumps to where the
 * first call would have returned to, with all registers as that would have left
 * them.
 */
#ifndef LPP_SIGNAL_WAIT_INTERNAL_H
#define LPP_SIGNAL_WAIT_INTERNAL_H

#include "sampling/lpp_signal_rest_internal.h"

_Static_assert(offsetof(lpp_signal_rest_t, registers) == 40
                   && offsetof(lpp_signal_rest_t, mask) == 88,
               "the stub counts on it");

/* One that has no mask of its own; and select writes its timeout in another
 * way than pselect6. */
static int may_wait_in_stub(long number, const greg_t *regs)
{
    switch (number) {
    case SYS_pause: case SYS_poll: case SYS_epoll_wait:
        return 1;
    case SYS_ppoll:
        return regs[REG_R10] == 0;
    case SYS_epoll_pwait:
        return regs[REG_R8] == 0;
    case SYS_select:
        return regs[REG_R8] == 0;
    case SYS_pselect6:
        return regs[REG_R9] == 0 || *(const long *)regs[REG_R9] == 0;
    case SYS_nanosleep: /* ppoll writes what is left into its timeout, which
                           must not be the program's request: shorten_sleep */
        return regs[REG_RSI] != 0;
    case SYS_clock_nanosleep:
        return regs[REG_R10] != 0 && (regs[REG_RSI] & TIMER_ABSTIME) == 0
               && (regs[REG_RDI] == CLOCK_REALTIME
                   || regs[REG_RDI] == CLOCK_MONOTONIC);
    default:
        return 0;
    }
}

/* Restart the call of regs, whose number is known and whose timeout is as it is
 * to be, in the stub. Returns the number of the variant, or -1: there is none,
 * or rest is in use. */
static long wait_in_stub(long number, ucontext_t *context,
                         lpp_signal_rest_t *rest)
{
    static const signed char kept[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10,
                                        REG_R8, REG_R9 };
    greg_t *regs = context->uc_mcontext.gregs;
    unsigned i;

    if (rest == NULL || rest->busy || !may_wait_in_stub(number, regs)) {
        return -1;
    }
    for (i = 0; i < LPP_COUNT(kept); i++) {
        ((volatile long long *)rest->registers)[i] = regs[kept[i]];
    }
    rest->mask = context->uc_sigmask.__val[0];
    switch (number) {
    case SYS_pause:
        number = SYS_rt_sigsuspend;
        regs[REG_RDI] = (greg_t)&rest->mask;
        regs[REG_RSI] = sizeof(rest->mask);
        break;
    case SYS_poll:
        number = SYS_ppoll;
        rest->wait.tv_sec = (int)regs[REG_RDX] / 1000;
        rest->wait.tv_nsec = (int)regs[REG_RDX] % 1000 * 1000000L;
        regs[REG_RDX] = (int)regs[REG_RDX] < 0 ? 0 : (greg_t)&rest->wait;
        /* fall through */
    case SYS_ppoll:
        regs[REG_R10] = (greg_t)&rest->mask;
        regs[REG_R8] = sizeof(rest->mask);
        break;
    case SYS_clock_nanosleep:
    case SYS_nanosleep: /* ppoll of no descriptor: the same sleep */
        if (number == SYS_nanosleep) {
            regs[REG_RDX] = regs[REG_RDI];
        }
        number = SYS_ppoll;
        regs[REG_RDI] = regs[REG_RSI] = 0;
        regs[REG_R10] = (greg_t)&rest->mask;
        regs[REG_R8] = sizeof(rest->mask);
        break;
    case SYS_epoll_wait:
        number = SYS_epoll_pwait;
        /* fall through */
    case SYS_epoll_pwait:
        regs[REG_R8] = (greg_t)&rest->mask;
        regs[REG_R9] = sizeof(rest->mask);
        break;
    default: /* select without a timeout, pselect6 with any */
        number = SYS_pselect6;
        rest->mask_and_size[0] = (long)&rest->mask;
        rest->mask_and_size[1] = sizeof(rest->mask);
        regs[REG_R9] = (greg_t)rest->mask_and_size;
        break;
    }
    rest->resume = regs[REG_RIP];
    rest->rbx = regs[REG_RBX];
    rest->number = number;
    rest->busy = 1;
    regs[REG_RBX] = (greg_t)rest;
    regs[REG_RIP] = (greg_t)lpp_signal_wait_stub;
    regs[REG_RAX] = number;
    context->uc_sigmask.__val[0] = ~0ul;
    return number;
}

#endif
