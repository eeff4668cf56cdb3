/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_wait: see lpp_signal_wait_internal.h.
 */
#include "sampling/lpp_signal_wait_internal.h"

#if defined(__x86_64__)

#include <sys/syscall.h>

/* Whether the stub can make the call: not if the call has a signal mask of its
 * own, nor select with a timeout, which it writes in another form than pselect6
 * does. */
static int may_wait_in_stub(long number, const greg_t *regs)
{
    switch (number) {
    case SYS_pause: case SYS_poll: case SYS_epoll_wait: case SYS_nanosleep:
        return 1;
    case SYS_ppoll:
        return regs[REG_R10] == 0;
    case SYS_epoll_pwait:
        return regs[REG_R8] == 0;
    case SYS_select:
        return regs[REG_R8] == 0;
    case SYS_pselect6:
        return regs[REG_R9] == 0 || *(const long *)regs[REG_R9] == 0;
    case SYS_clock_nanosleep:
        return (regs[REG_RSI] & TIMER_ABSTIME) == 0
               && (regs[REG_RDI] == CLOCK_REALTIME
                   || regs[REG_RDI] == CLOCK_MONOTONIC);
    default:
        return 0;
    }
}

/*
 * A sleep as ppoll of no descriptor. ppoll writes the remaining time into its
 * timeout: into the program's remainder, if the sleep has one (which is the
 * request by now: shorten_sleep), never into the program's request.
 */
static void sleep_by_poll(lpp_signal_stub_t *stub, greg_t *regs,
                          greg_t request, greg_t remainder)
{
    if (request != remainder) {
        stub->wait = *(const struct timespec *)request;
        request = (greg_t)&stub->wait;
    }
    regs[REG_RDI] = regs[REG_RSI] = 0;
    regs[REG_RDX] = request;
    regs[REG_R10] = (greg_t)&stub->mask;
    regs[REG_R8] = sizeof(stub->mask);
}

int lpp_signal_wait(long number, ucontext_t *context, lpp_signal_stub_t *stub)
{
    static const signed char kept[] = { REG_RDI, REG_RSI, REG_RDX, REG_R10,
                                        REG_R8, REG_R9 };
    greg_t *regs = context->uc_mcontext.gregs;
    unsigned i;

    if (stub == NULL || stub->busy || !may_wait_in_stub(number, regs)) {
        return 0;
    }
    for (i = 0; i < LPP_COUNT(kept); i++) {
        ((volatile long long *)stub->registers)[i] = regs[kept[i]];
    }
    stub->mask = context->uc_sigmask.__val[0];
    switch (number) {
    case SYS_pause:
        number = SYS_rt_sigsuspend;
        regs[REG_RDI] = (greg_t)&stub->mask;
        regs[REG_RSI] = sizeof(stub->mask);
        break;
    case SYS_poll:
        number = SYS_ppoll;
        stub->wait.tv_sec = (int)regs[REG_RDX] / 1000;
        stub->wait.tv_nsec = (int)regs[REG_RDX] % 1000 * 1000000L;
        regs[REG_RDX] = (int)regs[REG_RDX] < 0 ? 0 : (greg_t)&stub->wait;
        /* fall through */
    case SYS_ppoll:
        regs[REG_R10] = (greg_t)&stub->mask;
        regs[REG_R8] = sizeof(stub->mask);
        break;
    case SYS_nanosleep:
        number = SYS_ppoll;
        sleep_by_poll(stub, regs, regs[REG_RDI], regs[REG_RSI]);
        break;
    case SYS_clock_nanosleep:
        number = SYS_ppoll;
        sleep_by_poll(stub, regs, regs[REG_RDX], regs[REG_R10]);
        break;
    case SYS_epoll_wait:
        number = SYS_epoll_pwait;
        /* fall through */
    case SYS_epoll_pwait:
        regs[REG_R8] = (greg_t)&stub->mask;
        regs[REG_R9] = sizeof(stub->mask);
        break;
    default: /* select without a timeout, pselect6 with any */
        number = SYS_pselect6;
        stub->mask_and_size[0] = (long)&stub->mask;
        stub->mask_and_size[1] = sizeof(stub->mask);
        regs[REG_R9] = (greg_t)stub->mask_and_size;
        break;
    }
    lpp_signal_enter_stub(stub, regs, lpp_signal_wait_stub, number);
    context->uc_sigmask.__val[0] = ~0ul;
    return 1;
}

#endif
