/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal: the signal that samples a thread: taking it, arming a thread, the
 * handler.
 *
 * The handler knows one target: the thread that is being profiled. It restarts
 * a system call that the signal interrupted, or resumes partial I/O, copies
 * registers and stack into a slot of the ring, and preserves errno. No lock, no
 * allocation, no stdio, no library call that is not on the guard's list. A call
 * that another signal interrupted as well is not restarted. README.md in this
 * folder has the reasons.
 */
#ifndef LPP_SIGNAL_H
#define LPP_SIGNAL_H

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <ucontext.h>

#include "interp/lpp_interp.h"
#include "sampling/lpp_ring_internal.h"

/* Any real-time signal that is free. */
#define LPP_SIGNAL_AUTO 0

/* 1 if an interrupted system call can be restarted on this architecture.
 * Otherwise a thread must not be signalled while it is blocked. */
#if defined(__x86_64__)
#define LPP_SIGNAL_RESTARTS 1
#else
#define LPP_SIGNAL_RESTARTS 0
#endif

/* After so many calls that could not be restarted, no thread of this process is
 * signalled any more, not even a running one: it may block at that moment. */
#define LPP_SIGNAL_BROKEN_MAX 2

/* Where the C library keeps the number of a call that the kernel has ended:
 * offset bytes above the stack pointer, for the call whose instruction ends at
 * pc. */
typedef struct lpp_signal_place_t {
    apr_uint64_t pc;
    apr_uint64_t offset;
} lpp_signal_place_t;

#define LPP_SIGNAL_PLACES 4
/*
 * What the handler may access. Lives as long as the process: the kernel may
 * still use the address of a timespec in it. stack_*, ring and the counters are
 * set before arm and not changed until disarm has returned.
 */
typedef struct lpp_signal_target_t {
    lpp_ring_t *ring;
    lpp_interp_t *interp;     /* reads page functions, or NULL */
    apr_uint64_t stack_end;   /* copies stop here: end of the thread's stack,
                                 or just above the request's root frame */
    apr_uint64_t stack_start; /* lowest address of the thread's stack */
    apr_uint64_t thread_end;  /* just above its highest address: with SP between
                                 stack_end and here, the thread has left the
                                 request */
    pthread_t thread;         /* set by arm */
    pid_t process;            /* set by arm: a forked child is no target */
    int tid;                  /* set by arm */
    int number;               /* the signal, set by arm */
    struct lpp_signal_stub_t *stub; /* the thread's own, set by arm */
    struct timespec shortened[2]; /* a timeout that was shortened, and what is
                                     left of it */
    atomic_llong blocked_ns;  /* set by the helper: when asked, the thread had
                                 been blocked for at least that long; 0: it may
                                 have been running */
    atomic_ullong asked;      /* sequence number the helper asked for */
    atomic_ullong answered;   /* last sequence number handled */
    atomic_uint repaired;     /* system calls restarted or resumed; the helper
                                 resets it */
    atomic_uint foreign;      /* signals that were not asked for, or came after
                                 the thread had left the request: no sample */
    atomic_int enabled;       /* 0: no sample is taken */
    atomic_int sending;       /* the helper is in lpp_signal_send */
    atomic_int handling;      /* the handler may be reading this struct */
} lpp_signal_target_t;

/*
 * Take a signal for this process: number, or LPP_SIGNAL_AUTO for a free
 * real-time one (downwards from the highest but two; glibc and PHP use SIGRTMIN
 * and those next to it; SIGPROF is not tried, since PHP may take it in the
 * middle of a request). Free means SIG_DFL or SIG_IGN. Installs the handler
 * with SA_RESTART, SA_SIGINFO and SA_ONSTACK: the thread may run on a stack
 * that has no room for it (a goroutine's, a coroutine's). Counted: each take
 * needs one give_back; the last one restores the old action if the current one
 * is still this module's. *taken is the number in use. Errors: APR_EBUSY: the
 * signal has an action; APR_EINVAL: no such signal, or one that cannot be
 * caught.
 * Signal-safe: no. Thread: any, serialised inside.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_take(int number, int *taken);
/* End one take. APR_EBUSY: the action was no longer this module's and was not
 * changed.
 * Signal-safe: no. Thread: any, serialised inside. */
apr_status_t lpp_signal_give_back(void);

/*
 * How many interrupted calls the handler could not restart in this process.
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_signal_unrepaired(void);

/*
 * 1 if a thread of this process may be signalled: the calls of the C library
 * can be restarted (see lpp_signal_trial.h), and fewer than
 * LPP_SIGNAL_BROKEN_MAX calls could not be restarted after all. A thread that
 * is blocked in a call (blocked) may be signalled only if there was no such
 * call. On an architecture without restarts, only a thread that is not blocked
 * may be signalled.
 * Signal-safe: yes. Thread: any.
 */
int lpp_signal_allowed(int blocked);

/*
 * Give the calling thread an alternate signal stack of 64 kB, if it has none.
 * It is freed when the thread ends: a runtime that found it continues to use it
 * (Go keeps its address for the life of the thread). A stack that the thread
 * already has is never replaced. Errors: APR_ENOSPC: the thread's own is too
 * small for the handlers of this module; APR_ENOMEM.
 * Signal-safe: no. Thread: any, for itself.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_lend_stack(void);

/*
 * Bounds of the calling thread's own stack, read once a thread.
 * Errors: those of pthread_getattr_np.
 * Signal-safe: no. Thread: any, for itself.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_thread_stack(apr_uint64_t *start,
                                                    apr_uint64_t *end);

/*
 * arm: make the calling thread the target and unblock the signal (taken before)
 * on it; *old_mask is its previous mask. disarm: no further sample is taken,
 * the mask is restored, and a pending signal number is consumed; it first waits
 * (some microseconds) for a send in progress. target NULL: the helper has
 * called lpp_signal_quiesce for it, and it may serve another thread by now.
 * Both run on the same thread; give the signal back after disarm. Errors of
 * arm: those of lpp_signal_lend_stack (the thread must not be signalled then);
 * that of tgkill; that of pthread_sigmask.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_arm(lpp_signal_target_t *target,
                                           sigset_t *old_mask);
void lpp_signal_disarm(lpp_signal_target_t *target, int number,
                       const sigset_t *old_mask);

/*
 * Ask the target for a sample, which will have the number *sequence.
 * blocked_ns: see lpp_signal_target_t. APR_EGENERAL: disarmed meanwhile.
 * Signal-safe: yes. Thread: the helper.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_send(lpp_signal_target_t *target,
                                            apr_int64_t blocked_ns,
                                            apr_uint64_t *sequence);

/*
 * Make the target take no sample from now on, called on another thread: the
 * target's mask and the signal stay as they are until disarm. Waits until its
 * handler has returned.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_signal_quiesce(lpp_signal_target_t *target);

/*
 * Copy the registers and stack of the calling thread, without a signal; the
 * registers are those of the caller's frame. The stack is copied up to
 * stack_end. APR_ENOSPC: stack (of max_bytes) is too small; flags then has CUT,
 * and the copy is still usable. If SP is not between stack_start and stack_end,
 * flags has OWN_STACK, and as much of that stack is copied as exists.
 * Signal-safe: yes. Thread: any.
 */
apr_status_t lpp_signal_capture(lpp_snapshot_t *snapshot,
                                unsigned char *stack, apr_size_t max_bytes,
                                apr_uint64_t stack_end,
                                apr_uint64_t stack_start);

/*
 * Between lpp_signal.c (runs in the handler) and lpp_signal_arm.c (does not):
 * the handler itself, and which target it serves (NULL before the first arm).
 * Signal-safe: yes. Thread: any.
 */
void lpp_signal_handle(int number, siginfo_t *info, void *context);
void lpp_signal_serve(lpp_signal_target_t *target);

#endif
