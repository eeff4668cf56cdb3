/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_calls: the system calls of x86-64 that a signal can interrupt and
 * that may be made again, and what has to be known of them for that. A call
 * that is missing here is never restarted.
 */
#ifndef LPP_SIGNAL_CALLS_INTERNAL_H
#define LPP_SIGNAL_CALLS_INTERNAL_H


/* What has to be done to a call's timeout before the call is made again. */
typedef enum {
    LPP_CALL_UNKNOWN, /* not restarted */
    LPP_CALL_PLAIN,   /* nothing: no timeout, a point in time, or the kernel
                         wrote what is left */
    LPP_CALL_MS_RDX,  /* milliseconds, in this register */
    LPP_CALL_MS_R10,
    LPP_CALL_SPEC_RDX, /* struct timespec, relative, read only */
    LPP_CALL_SPEC_R10,
    LPP_CALL_SPEC_R8,
    LPP_CALL_FUTEX,     /* relative in r10 for FUTEX_WAIT only */
    LPP_CALL_SLEEP,     /* nanosleep: request, remainder */
    LPP_CALL_CLOCKSLEEP /* clock, flags, request, remainder */
} lpp_call_e;

/*
 * kind: of the call with that number, LPP_CALL_UNKNOWN for any other number.
 * ends_by_signal: does the kernel restart it for a handler with SA_RESTART, and
 * end it with EINTR for one without? operation: its second argument.
 * moves_bytes: does it return how much it has moved where a signal stopped it
 * in the middle? may_end_early: may it do so by itself, too? That depends on
 * its first argument, a descriptor.
 * Signal-safe: yes. Thread: any.
 */
lpp_call_e lpp_call_kind(long number);
int lpp_call_ends_by_signal(long number, int operation);
int lpp_call_moves_bytes(long number);
int lpp_call_may_end_early(long number);

#endif
