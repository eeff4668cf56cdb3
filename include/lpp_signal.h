/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal: the only room whose code runs in a signal handler.
 *
 * The handler knows one target: the thread that is being profiled. It repairs
 * a system call that the signal interrupted, copies registers and stack into a
 * slot of the ring, keeps errno. No lock, no allocation, no stdio, no library
 * call that is not on the guard's list.
 */
#ifndef LPP_SIGNAL_H
#define LPP_SIGNAL_H

#include <signal.h>

#include "lpp_ring.h"

/* The signal is chosen at the first arm of a process, see lpp_signal_take. */
#define LPP_SIGNAL_AUTO 0

/* What the handler may touch. Filled whole before arm, changed by nobody but
 * the handler until disarm returned. */
typedef struct lpp_signal_target_t {
    lpp_ring_t *ring;
    apr_uint64_t stack_end;   /* copies stop here: end of the thread's stack,
                                 or just above the request's root frame */
    apr_uint64_t stack_start; /* lowest address of the thread's stack */
    atomic_ullong asked;      /* sequence the helper asked for */
    atomic_ullong answered;   /* last sequence handled */
    atomic_uint repaired;     /* system calls put back */
    atomic_uint foreign;      /* signals with SP outside the stack: skipped */
    int enabled;              /* 0: the handler returns at once */
} lpp_signal_target_t;

/*
 * Take a signal for this process: number, or LPP_SIGNAL_AUTO for a free one.
 * Free means: SIG_DFL or SIG_IGN, and blocked or unused by anybody. Installs
 * the handler (SA_RESTART|SA_SIGINFO|SA_ONSTACK is not set: the copy is of the
 * thread's own stack). APR_EBUSY: somebody has it. Counted: each take is paired
 * with one give_back, the last one puts the old action back if the action is
 * still ours. *taken is the number in use.
 * Signal-safe: no. Thread: any, serialised inside.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_take(int number, int *taken);
/* APR_EBUSY: the action was no longer ours and was left alone. */
apr_status_t lpp_signal_give_back(void);

/*
 * Make the calling thread the target and unblock the signal on it; *old_mask
 * is its mask before. disarm: no further sample, the mask put back, a pending
 * signal of ours consumed. Same thread for both.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_arm(lpp_signal_target_t *target,
                                           sigset_t *old_mask);
void lpp_signal_disarm(lpp_signal_target_t *target, const sigset_t *old_mask);

/*
 * Send one tick to thread tid of this process.
 * Signal-safe: yes. Thread: the helper.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_send(int tid);

/*
 * Copy where the calling thread stands now, without a signal; the registers
 * are those of the caller's frame. Fails with APR_ENOSPC where stack (of
 * max_bytes) is too small, flags then say CUT and it is still usable.
 * Signal-safe: yes. Thread: any.
 */
apr_status_t lpp_signal_capture(lpp_snapshot_t *snapshot,
                                unsigned char *stack, apr_size_t max_bytes);

#endif
