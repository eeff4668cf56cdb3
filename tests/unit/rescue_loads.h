/* SPDX-License-Identifier: Apache-2.0 */
/* rescue_loads: for tests and benchmarks: the handler that guarded loads
 * need. */
#ifndef RESCUE_LOADS_H
#define RESCUE_LOADS_H

#include <signal.h>
#include <string.h>

#include "interp/lpp_peek.h"

static inline void on_fault(int number, siginfo_t *info, void *context)
{
    if (!lpp_peek_rescue(info, context)) {
        signal(number, SIG_DFL);
    }
}

/* Rescue guarded loads that fault, from now on. cmocka installs handlers of its
 * own before each test and fixture. */
static inline void rescue_loads(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

#endif
