/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_stub: machine code that an interrupted thread returns to from the
 * handler, for calls that cannot simply be made again. The stub makes the call,
 * then jumps to the call's return address, with all registers as the call would
 * have left them. x86-64 only.
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
 * A thread's call that is in a stub: one for each thread, as long as that
 * lives. Only the thread's handler and the stub access it. The machine code
 * contains the offsets of some members.
 */
typedef struct lpp_signal_stub_t {
    long long resume; /* return address of the call */
    long long rbx;    /* that register's own value */
    long long done;   /* bytes moved so far */
    int busy;         /* a call is in a stub */
    long number;      /* of the call that the stub makes */
    long long registers[6]; /* the call's arguments, as they were passed */
    unsigned long mask;     /* signals blocked outside of the handler */
    long mask_and_size[2];  /* for pselect6 */
    struct timespec wait;   /* for ppoll */
    struct msghdr message;
    struct iovec pieces[LPP_SIGNAL_PIECES]; /* still to be moved */
} lpp_signal_stub_t;

/*
 * The stubs. resume (lpp_signal_resume_internal.h): makes the call, adds the
 * number of bytes that it moved to done, returns the sum. wait
 * (lpp_signal_wait_internal.h): runs with all signals blocked; makes the call,
 * sets mask, restores registers.
 */
extern const char lpp_signal_resume_stub[]
    __attribute__((visibility("hidden")));
extern const char lpp_signal_wait_stub[] __attribute__((visibility("hidden")));

/*
 * Make the thread of regs return into the stub at entry, to make the call
 * number with the arguments in regs. stub must not be busy, and is busy
 * afterwards.
 * Signal-safe: yes. Thread: the one of regs.
 */
void lpp_signal_enter_stub(lpp_signal_stub_t *stub, greg_t *regs,
                           const char *entry, long number);

/* Whether pc is in one of them, where rbx is the address of the thread's
 * lpp_signal_stub_t. Signal-safe: yes. Thread: any. */
int lpp_signal_is_in_stub(apr_uint64_t pc);

/*
 * The stub that the thread of regs is in; NULL: it is in none.
 * Signal-safe: yes. Thread: the one of regs.
 */
lpp_signal_stub_t *lpp_signal_stub_of(const greg_t *regs);

/*
 * Set *rip and *rbx to what they would be without the stub; unchanged if the
 * thread is in none.
 * Signal-safe: yes. Thread: the one of regs.
 */
void lpp_signal_hide_stub(const greg_t *regs, apr_uint64_t *rip,
                          apr_uint64_t *rbx);

#endif
