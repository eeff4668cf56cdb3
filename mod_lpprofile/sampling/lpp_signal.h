/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal: the signal that samples a thread, from taking it to the handler.
 *
 * The handler knows one target: the thread that is being profiled. It restarts
 * a system call that the signal interrupted, or resumes one that it cut short,
 * copies registers and stack into a slot of the ring, keeps errno. No lock, no
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

#include "sampling/lpp_ring_internal.h"

/* A real-time signal that nobody has. */
#define LPP_SIGNAL_AUTO 0

/* Can an interrupted system call be restarted on this architecture? Where not,
 * a thread must not be signalled while it is blocked. */
#if defined(__x86_64__)
#define LPP_SIGNAL_RESTARTS 1
#else
#define LPP_SIGNAL_RESTARTS 0
#endif

/* After so many calls that could not be restarted no thread of this process is
 * signalled any more, not even one that runs: it may block in that instant. */
#define LPP_SIGNAL_BROKEN_MAX 2

/* Where the C library keeps the number of a call that the kernel has ended: at
 * offset above the stack pointer, where the call's instruction ends at pc. */
typedef struct lpp_signal_place_t {
    apr_uint64_t pc;
    apr_uint64_t offset;
} lpp_signal_place_t;

#define LPP_SIGNAL_PLACES 4
/*
 * What the handler may touch. Lives as long as the process: the kernel may
 * still hold the address of a timespec in it. stack_*, ring and the counters
 * are filled before arm and changed by nobody until disarm returned.
 */
typedef struct lpp_signal_target_t {
    lpp_ring_t *ring;
    apr_uint64_t stack_end;   /* copies stop here: end of the thread's stack,
                                 or just above the request's root frame */
    apr_uint64_t stack_start; /* lowest address of the thread's stack */
    apr_uint64_t thread_end;  /* just above its highest: between stack_end and
                                 here the thread has left the request */
    pthread_t thread;         /* set by arm */
    pid_t process;            /* set by arm: a forked child is no target */
    int tid;                  /* set by arm */
    int number;               /* the signal, set by arm */
    struct lpp_signal_stub_t *stub; /* the thread's own, set by arm */
    struct timespec shortened[2]; /* a timeout that was shortened, and what is
                                     left of it */
    atomic_llong blocked_ns;  /* helper: the thread has been blocked for at
                                 least that long when it was asked; 0: it may
                                 have been running */
    atomic_ullong asked;      /* sequence the helper asked for */
    atomic_ullong answered;   /* last sequence handled */
    atomic_uint repaired;     /* system calls restarted or resumed; the helper
                                 resets it */
    atomic_uint foreign;      /* signals nobody asked for, or after the thread
                                 has left the request: no sample */
    atomic_int enabled;       /* 0: no sample is taken */
    atomic_int sending;       /* the helper is in lpp_signal_send */
    atomic_int handling;      /* the handler may be reading this struct */
} lpp_signal_target_t;

/*
 * Take a signal for this process: number, or LPP_SIGNAL_AUTO for a free
 * real-time one (from the highest but two downwards: SIGRTMIN and its
 * neighbour are glibc's and PHP's, and SIGPROF is not tried since PHP takes
 * that in the middle of a request). Free means SIG_DFL or SIG_IGN. Installs the
 * handler with SA_RESTART, SA_SIGINFO and SA_ONSTACK: the thread may run on a
 * stack that has no room for it (a goroutine's, a coroutine's). Counted: each
 * take is paired with one give_back, the last one puts the old action back if
 * the action is still ours. *taken is the number in use.
 * Errors: APR_EBUSY: somebody has it; APR_EINVAL: no such signal, or one that
 * cannot be caught.
 * Signal-safe: no. Thread: any, serialised inside.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_take(int number, int *taken);
/* APR_EBUSY: the action was no longer ours and was left alone. */
apr_status_t lpp_signal_give_back(void);

/*
 * How often, in this process, the handler met an interrupted call that it could
 * not restart.
 * Signal-safe: yes. Thread: any.
 */
unsigned lpp_signal_unrepaired(void);

/*
 * May a thread of this process be signalled? Only where the calls of the C
 * library can be restarted (see lpp_signal_trial.h), and fewer than
 * LPP_SIGNAL_BROKEN_MAX could not after all; blocked (one that stands in a
 * call): none. Where the architecture has no restarts: one that is not blocked.
 * Signal-safe: yes. Thread: any.
 */
int lpp_signal_allowed(int blocked);

/*
 * Give the calling thread an alternate signal stack of 64 kB, where it has
 * none. The stack is the thread's until it ends, when it is freed: a runtime
 * that found it there counts on it from then on (Go keeps its address for the
 * life of the thread). One that the thread has is never replaced.
 * Errors: APR_ENOSPC: its own is too small for a handler of ours; APR_ENOMEM.
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
 * Make the calling thread the target and unblock the signal (taken before) on
 * it; *old_mask is its mask before. disarm: no further sample, the mask put
 * back, a pending signal of ours (number) consumed; target is NULL where the
 * helper made it quiet before and it may serve another thread by now. It waits
 * for a send on its way (some microseconds). Same thread for both; the signal
 * is given back after disarm. Errors of arm: those of lpp_signal_lend_stack,
 * with which the thread must not be signalled; that of tgkill.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_arm(lpp_signal_target_t *target,
                                           sigset_t *old_mask);
void lpp_signal_disarm(lpp_signal_target_t *target, int number,
                       const sigset_t *old_mask);

/*
 * Ask the target for a sample: the sequence that it will carry in *sequence.
 * blocked_ns: see the target. APR_EGENERAL: disarmed meanwhile.
 * Signal-safe: yes. Thread: the helper.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_send(lpp_signal_target_t *target,
                                            apr_int64_t blocked_ns,
                                            apr_uint64_t *sequence);

/*
 * Make the target take no sample from now on, from another thread: its mask and
 * the signal stay as they are until disarm. Waits until its handler is through.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_signal_quiesce(lpp_signal_target_t *target);

/*
 * Copy where the calling thread stands now, without a signal; the registers
 * are those of the caller's frame. The stack is copied up to stack_end. Fails
 * with APR_ENOSPC where stack (of max_bytes) is too small, flags then say CUT
 * and it is still usable. Where SP is not between stack_start and stack_end,
 * flags say OWN_STACK, and what is there of that stack is copied.
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
