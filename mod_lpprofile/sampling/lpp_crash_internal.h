/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_crash: registers and stack of a process that crashes during a profile.
 *
 * Handlers for SIGSEGV, SIGBUS, SIGABRT, SIGFPE and SIGILL that stand only
 * while a profile runs. They copy registers and stack into memory that
 * outlives the process, then make the signal happen again with the action that
 * it had before: core dumps and httpd's own reports stay as they are.
 * lpp_crash.c is the handler and obeys the rules of the signal room;
 * lpp_crash_arm.c installs it. Another process unwinds the copy.
 */
#ifndef LPP_CRASH_INTERNAL_H
#define LPP_CRASH_INTERNAL_H

#include <signal.h>

#include "sampling/lpp_ring_internal.h"

enum { LPP_CRASH_NONE, LPP_CRASH_FILLING, LPP_CRASH_WHOLE };

/* What is left behind; zeroed but for the stack before arm. Other processes can
 * write to it: the handler reads nothing of it back that it acts upon. */
typedef struct lpp_crash_t {
    atomic_uint state;          /* LPP_CRASH_ */
    int number, code, error;    /* of the signal: si_signo, si_code, errno */
    apr_uint32_t sender;        /* process that sent it, or 0 */
    apr_uint32_t tid;           /* thread that crashed */
    apr_uint32_t profiled_tid;  /* thread that was being profiled */
    apr_uint64_t address;       /* that could not be accessed; si_addr */
    apr_int64_t when_us;        /* CLOCK_MONOTONIC */
    apr_uint64_t root_cfa;      /* of the profiled thread's root, or 0 */
    lpp_snapshot_t snapshot;    /* its stack pointer is of the dead process */
    unsigned char stack[LPP_STACK_MAX_BYTES];
} lpp_crash_t;

/*
 * Watch this process: a crash is written to crash (borrowed until disarm; NULL
 * disarms). tid: the thread that is profiled. disarm gives back the actions
 * that are still ours.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_crash_arm(lpp_crash_t *crash, apr_uint32_t tid);
void lpp_crash_disarm(void);

/*
 * The calling thread is the profiled one from now on, and its stack is there.
 * root_cfa: of the request's root, or 0. That the overflow of that stack can be
 * told takes an alternate signal stack (lpp_signal_lend_stack).
 * Signal-safe: no. Thread: the profiled one.
 */
void lpp_crash_enter_thread(apr_uint64_t root_cfa, apr_uint64_t stack_start,
                            apr_uint64_t stack_end);

#define LPP_CRASH_SIGNALS 65 /* numbers of signals, from 0 */

/*
 * Between the two files: what is watched, and which action a signal had before
 * ours (valid while watched); the handler.
 */
typedef struct lpp_crash_watch_t {
    _Atomic(lpp_crash_t *) crash; /* NULL: nothing is written */
    pid_t process;                /* a forked child is not watched */
    apr_uint32_t tid;             /* the profiled thread, and its stack */
    apr_uint64_t stack_start, stack_end;
    struct sigaction before[LPP_CRASH_SIGNALS];
    atomic_uint entered[LPP_CRASH_SIGNALS]; /* since arm: 1 once it was */
} lpp_crash_watch_t;
extern lpp_crash_watch_t lpp_crash_watch;
void lpp_crash_handle(int number, siginfo_t *info, void *context);

#endif
