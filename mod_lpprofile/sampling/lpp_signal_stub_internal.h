/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_stub: machine code that an interrupted thread comes back to from
 * the handler, where making its call again is not enough. The stub makes the
 * call, then jumps to where the call would have returned to, with all registers
 * as the call would have left them. x86-64 only.
 */
#ifndef LPP_SIGNAL_STUB_INTERNAL_H
#define LPP_SIGNAL_STUB_INTERNAL_H

#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>

#include "base/lpp_base.h"

#define LPP_SIGNAL_PIECES 64 /* of one writev or sendmsg */

/*
 * A thread's call that is in a stub: one a thread, as long as that lives; only
 * its handler and what the handler makes it run touch it. Machine code knows
 * where some of the members lie.
 */
typedef struct lpp_signal_stub_t {
    long long resume; /* address that the call returns to */
    long long rbx;    /* that register's own value */
    long long done;   /* bytes moved so far */
    int busy;         /* a call is in a stub */
    long number;      /* of the call that the stub makes */
    long long registers[6]; /* the call's arguments, as they were */
    unsigned long mask;     /* signals blocked outside of the handler */
    long mask_and_size[2];  /* as pselect6 wants it */
    struct timespec wait;   /* for ppoll */
    struct msghdr message;
    struct iovec pieces[LPP_SIGNAL_PIECES]; /* still to be moved */
} lpp_signal_stub_t;

/*
 * The stubs. resume (lpp_signal_resume_internal.h): makes the call, adds what
 * it has moved to done, returns that. wait (lpp_signal_wait_internal.h): runs
 * with all signals blocked; makes the call, sets mask, restores registers.
 */
extern const char lpp_signal_resume_stub[]
    __attribute__((visibility("hidden")));
extern const char lpp_signal_wait_stub[] __attribute__((visibility("hidden")));

/*
 * Make the thread of regs come back into the stub at entry, to make the call
 * number with the arguments that stand in regs. stub: not busy; is afterwards.
 * Signal-safe: yes. Thread: the one of regs.
 */
void lpp_signal_enter_stub(lpp_signal_stub_t *stub, greg_t *regs,
                           const char *entry, long number);

/*
 * The call of a thread that is in a stub; NULL: it is in none.
 * Signal-safe: yes. Thread: the one of regs.
 */
lpp_signal_stub_t *lpp_signal_stub_of(const greg_t *regs);

/*
 * *rip and *rbx as if there were no stub; left alone where the thread is in
 * none.
 * Signal-safe: yes. Thread: the one of regs.
 */
void lpp_signal_hide_stub(const greg_t *regs, apr_uint64_t *rip,
                          apr_uint64_t *rbx);

#endif
