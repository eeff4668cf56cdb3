/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restart_trial: for tests: what httpd's parent does at its start, without
 * which no blocked thread is signalled.
 */
#ifndef RESTART_TRIAL_H
#define RESTART_TRIAL_H

#include <stdio.h>

#include "sampling/lpp_signal_restart_internal.h"
#include "sampling/lpp_signal_trial.h"

#if defined(__SANITIZE_THREAD__)

/* ThreadSanitizer calls a handler after the call that the signal interrupted has
 * returned, except in a few calls. So the trial fails; its verdict is right, no
 * call is restarted. Threads are signalled all the same: under ThreadSanitizer,
 * tests look for races and not for the results of calls. */
static int try_restarts(void)
{
    lpp_signal_learn(NULL, 0, 1);
    return lpp_signal_allowed(1);
}

#else

static lpp_signal_trial_t trial; /* the one that passed */

/* 1: calls are restarted from now on, or cannot be on this architecture. */
static int try_restarts(void)
{
    apr_status_t status = trial.passed ? APR_SUCCESS
                                       : lpp_signal_trial_run(&trial);

    if (APR_STATUS_IS_ENOTIMPL(status)) {
        return 1;
    }
    if (status != APR_SUCCESS) {
        printf("trial: %d, failed: %s\n", status, trial.failed);
    }
    return lpp_signal_trial_adopt(&trial);
}

#endif

#endif
