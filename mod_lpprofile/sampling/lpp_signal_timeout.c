/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_timeout: see lpp_signal_timeout_internal.h.
 */
#include "sampling/lpp_signal_timeout_internal.h"

#if defined(__x86_64__)

static void shorten(struct timespec *to, const struct timespec *from,
                    long long by_ns)
{
    long long ns = (long long)from->tv_nsec - by_ns % 1000000000;
    long long seconds = (long long)from->tv_sec - by_ns / 1000000000;

    if (ns < 0) {
        ns += 1000000000;
        seconds--;
    }
    to->tv_sec = seconds < 0 ? 0 : (time_t)seconds;
    to->tv_nsec = seconds < 0 ? 0 : (long)ns;
}

static greg_t shorter_ms(greg_t value, long long by_ns)
{
    long long ms = (int)value; /* an int; negative: no limit */

    if (ms <= 0) {
        return value;
    }
    ms -= by_ns / 1000000;
    return (greg_t)(ms < 0 ? 0 : ms);
}

/* Make a pointer to a relative timeout, which is only read, point to a shorter
 * copy. */
static void shorten_spec(greg_t *pointer, lpp_signal_target_t *target,
                         long long by_ns)
{
    if (*pointer != 0) {
        shorten(&target->shortened[0], (const struct timespec *)*pointer,
                by_ns);
        *pointer = (greg_t)&target->shortened[0];
    }
}

/* The kernel has written the remaining time of a sleep, if it had somewhere to
 * write. */
static void shorten_sleep(greg_t *request, greg_t *remainder,
                          lpp_signal_target_t *target, long long by_ns)
{
    if (*remainder != 0) {
        *request = *remainder;
    }
    else if (target != NULL) {
        shorten_spec(request, target, by_ns);
        *remainder = (greg_t)&target->shortened[1];
    }
}

void lpp_signal_shorten_timeout(lpp_call_e kind, greg_t *regs,
                                lpp_signal_target_t *target)
{
    long long by_ns = target == NULL ? 0
        : atomic_load_explicit(&target->blocked_ns, memory_order_relaxed);

    switch (kind) {
    case LPP_CALL_MS_RDX:
        regs[REG_RDX] = shorter_ms(regs[REG_RDX], by_ns);
        break;
    case LPP_CALL_MS_R10:
        regs[REG_R10] = shorter_ms(regs[REG_R10], by_ns);
        break;
    case LPP_CALL_SLEEP:
        shorten_sleep(&regs[REG_RDI], &regs[REG_RSI], target, by_ns);
        break;
    case LPP_CALL_CLOCKSLEEP:
        if ((regs[REG_RSI] & TIMER_ABSTIME) == 0) {
            shorten_sleep(&regs[REG_RDX], &regs[REG_R10], target, by_ns);
        }
        break;
    case LPP_CALL_SPEC_RDX:
        if (by_ns > 0) {
            shorten_spec(&regs[REG_RDX], target, by_ns);
        }
        break;
    case LPP_CALL_FUTEX:
        if ((regs[REG_RSI] & 0x7f) != 0) {
            break; /* all but FUTEX_WAIT have an absolute timeout */
        }
        /* fall through */
    case LPP_CALL_SPEC_R10:
        if (by_ns > 0) {
            shorten_spec(&regs[REG_R10], target, by_ns);
        }
        break;
    case LPP_CALL_SPEC_R8:
        if (by_ns > 0) {
            shorten_spec(&regs[REG_R8], target, by_ns);
        }
        break;
    default:
        break;
    }
}

#endif
