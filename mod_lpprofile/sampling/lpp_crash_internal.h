/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_crash: registers and stack of a process that crashes during a profile.
 *
 * Handlers for SIGSEGV, SIGBUS, SIGABRT, SIGFPE and SIGILL, installed only
 * while a profile runs. They copy registers and stack into memory that outlives
 * the process, then have the signal delivered again with its previous action:
 * core dumps and httpd's own reports do not change. lpp_crash.c has the handler
 * and follows the rules for signal handlers; lpp_crash_arm.c installs it.
 * Another process unwinds the copy. A fault of a guarded load (lpp_peek.h) is
 * no crash: the load fails, and the program continues.
 */
#ifndef LPP_CRASH_INTERNAL_H
#define LPP_CRASH_INTERNAL_H

#include <signal.h>

#include "sampling/lpp_ring_internal.h"

enum { LPP_CRASH_NONE, LPP_CRASH_FILLING, LPP_CRASH_WHOLE };

/* The record of a crash; all but the stack must be zero before arm. Other
 * processes can write to this memory: the handler uses nothing that it reads
 * back from it. */
typedef struct lpp_crash_t {
    atomic_uint state;          /* LPP_CRASH_ */
    int number, code, error;    /* of the signal: si_signo, si_code, errno */
    apr_uint32_t sender;        /* process that sent it, or 0 */
    apr_uint32_t tid;           /* thread that crashed */
    apr_uint32_t profiled_tid;  /* thread that was being profiled */
    apr_uint64_t address;       /* that could not be accessed; si_addr */
    apr_int64_t when_us;        /* CLOCK_MONOTONIC */
    apr_uint64_t root_cfa;      /* of the profiled thread's root, or 0 */
    lpp_snapshot_t snapshot;    /* its stack address is one of the dead
                                   process */
    unsigned char stack[LPP_STACK_MAX_BYTES];
} lpp_crash_t;

/*
 * Watch this process: a crash is written to crash (borrowed until disarm; NULL:
 * nowhere), and guarded loads may fault. tid: the profiled thread. disarm
 * restores the previous actions where this module's handler is still installed.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_crash_arm(lpp_crash_t *crash, apr_uint32_t tid);
void lpp_crash_disarm(void);

/* 1 if this module's handler has the actions of SIGSEGV and SIGBUS now.
 * Signal-safe: yes. Thread: any. */
int lpp_crash_rescues(void);

/*
 * From now on the calling thread is the profiled one, with its stack at these
 * addresses. root_cfa: of the request's root, or 0. A stack overflow can be
 * recorded only if the thread has an alternate signal stack
 * (lpp_signal_lend_stack).
 * Signal-safe: no. Thread: the profiled one.
 */
void lpp_crash_enter_thread(apr_uint64_t root_cfa, apr_uint64_t stack_start,
                            apr_uint64_t stack_end);

#define LPP_CRASH_SIGNALS 65 /* numbers of signals, from 0 */

/*
 * Shared by the two files: what is watched, and each signal's previous action
 * (valid while watched); the handler.
 */
typedef struct lpp_crash_watch_t {
    atomic_int armed;             /* between arm and disarm */
    _Atomic(lpp_crash_t *) crash; /* NULL: nothing is written */
    pid_t process;                /* a forked child is not watched */
    apr_uint32_t tid;             /* the profiled thread, and its stack */
    apr_uint64_t stack_start, stack_end;
    struct sigaction before[LPP_CRASH_SIGNALS];
    atomic_uint entered[LPP_CRASH_SIGNALS]; /* 1: entered since arm */
} lpp_crash_watch_t;
extern lpp_crash_watch_t lpp_crash_watch;
void lpp_crash_handle(int number, siginfo_t *info, void *context);

#endif
