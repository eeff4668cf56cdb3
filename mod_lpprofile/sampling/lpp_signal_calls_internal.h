/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_calls: the system calls of x86-64 that a signal can interrupt and
 * that can be restarted, with the properties needed for that. A call that is
 * not listed is never restarted.
 */
#ifndef LPP_SIGNAL_CALLS_INTERNAL_H
#define LPP_SIGNAL_CALLS_INTERNAL_H


/* What must be done to a call's timeout before the call is restarted. */
typedef enum {
    LPP_CALL_UNKNOWN, /* not restarted */
    LPP_CALL_PLAIN,   /* nothing: no timeout, an absolute one, or the kernel has
                         written the remaining time */
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
 * kind: of the call with that number; LPP_CALL_UNKNOWN for any other number.
 * ends_by_signal: 1 if the kernel restarts it for a handler with SA_RESTART and
 * ends it with EINTR for one without; operation: its second argument.
 * moves_bytes: 1 if it returns the number of bytes moved when a signal stops it
 * in the middle. may_end_early: 1 if it may do so without a signal, too, which
 * depends on its first argument, a descriptor.
 * Signal-safe: yes. Thread: any.
 */
lpp_call_e lpp_call_kind(long number);
int lpp_call_ends_by_signal(long number, int operation);
int lpp_call_moves_bytes(long number);
int lpp_call_may_end_early(long number);

#endif
