/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_trial: which system calls can be restarted with the C library that
 * is loaded, found out by trying.
 *
 * A handler that restarts a call needs its number, and where that is to be
 * found is a matter of the C library: in the code in front of the call's
 * instruction up to glibc 2.40, on the stack of one function that makes all
 * calls since. So each kind of call that can block is interrupted once in a
 * process of its own. Only where all of them then gave the same result after
 * the same time, threads are signalled at all.
 */
#ifndef LPP_SIGNAL_TRIAL_H
#define LPP_SIGNAL_TRIAL_H

#include "sampling/lpp_signal.h"

#define LPP_SIGNAL_TRIAL_MS 300 /* the longest it takes, once it runs */

/* What was found. Plain data without a pointer into this module: it may be kept
 * while the module is loaded anew. */
typedef struct lpp_signal_trial_t {
    int passed;               /* all kinds of calls */
    int conclusive;           /* trying again would find the same */
    unsigned place_count;
    lpp_signal_place_t places[LPP_SIGNAL_PLACES];
    apr_uint64_t library;     /* address of the C library that was tried ... */
    apr_uint64_t library_sum; /* ... and a sum over its first bytes, which hold
                                 its build id */
    char failed[32];          /* the call that did not pass; "": none did */
} lpp_signal_trial_t;

/*
 * Try all kinds of calls in a forked process, for at most LPP_SIGNAL_TRIAL_MS.
 * *trial is always filled.
 * Errors: APR_EGENERAL: trial->failed did not pass; APR_TIMEUP: the machine was
 * too busy to tell; APR_ENOTIMPL: not on this architecture; others: no process,
 * pipe or thread for it.
 * Signal-safe: no. Thread: parent at start.
 */
LPP_MUST_CHECK apr_status_t lpp_signal_trial_run(lpp_signal_trial_t *trial);

/*
 * Let the handler of this process use it. Returns 0, and threads of this
 * process are not signalled, where not all kinds passed or another C
 * library is loaded.
 * Signal-safe: no. Thread: child-init, before the first take.
 */
int lpp_signal_trial_adopt(const lpp_signal_trial_t *trial);

#endif
