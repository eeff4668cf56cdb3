/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_trial: finds out which system calls can be restarted with the C
 * library that is loaded.
 *
 * A handler that restarts a call needs its number, whose place depends on the C
 * library: up to glibc 2.40 it is in the code in front of the call's
 * instruction, since then on the stack of one function that makes all calls. So
 * each kind of call that can block is interrupted once, in a process of its
 * own. Threads are signalled only if all calls gave the right result after the
 * right time.
 */
#ifndef LPP_SIGNAL_TRIAL_H
#define LPP_SIGNAL_TRIAL_H

#include "sampling/lpp_signal.h"

#define LPP_SIGNAL_TRIAL_MS 5000 /* the longest it may take */

/* The result. Plain data without a pointer into this module: it may be kept
 * while the module is loaded again. */
typedef struct lpp_signal_trial_t {
    int passed;               /* all kinds of calls passed */
    int conclusive;           /* a second trial would find the same */
    unsigned place_count;
    lpp_signal_place_t places[LPP_SIGNAL_PLACES];
    apr_uint64_t library;     /* address of the C library that was tried ... */
    apr_uint64_t library_sum; /* ... and a sum over its first bytes, which hold
                                 its build id */
    char failed[32];          /* the call that did not pass, or "" */
} lpp_signal_trial_t;

/*
 * Try all kinds of calls in a forked process, for at most LPP_SIGNAL_TRIAL_MS;
 * it takes 0.2 s unless the machine is busy. *trial is always filled in.
 * Errors: APR_EGENERAL: trial->failed did not pass; APR_TIMEUP: the machine was
 * too busy to decide; APR_ENOTIMPL: not on this architecture; others: no
 * process, pipe or thread for it.
 * Signal-safe: no. Thread: parent at start.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_trial_run(lpp_signal_trial_t *trial);

/*
 * Use the result in the handler of this process. Returns 0 if not all kinds
 * passed or another C library is loaded: threads of this process are not
 * signalled then.
 * Signal-safe: no. Thread: child-init, before the first take.
 */
int lpp_signal_trial_adopt(const lpp_signal_trial_t *trial);

#endif
