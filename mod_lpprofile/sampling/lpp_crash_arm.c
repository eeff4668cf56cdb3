/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_crash_arm: installs the crash handlers and takes them away again.
 *
 * No code of this file runs in a handler. An action is given back only where
 * it is still ours. A handler that was installed over ours stays, and ours is
 * from then on the one before it: that handler may call ours, or put it back
 * when it is removed, at any time. So ours is not installed over it a second
 * time, and what was there before ours is remembered: passing a crash on to
 * that handler would be a loop, or a call of one that was removed. Where it
 * does not pass crashes on, this process leaves no more of a crash than that it
 * ended.
 */
#include "sampling/lpp_crash_internal.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

/* By signal: a handler was installed over ours in an earlier profile; what is
 * before ours does not change then. */
static int covered[LPP_CRASH_SIGNALS];

static int is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0
           && action->sa_sigaction == lpp_crash_handle;
}

static int is_handler(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0
           || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void install(int number, const struct sigaction *action)
{
    struct sigaction now;

    atomic_store(&lpp_crash_watch.entered[number], 0);
    if (sigaction(number, NULL, &now) != 0 || is_ours(&now)
        || (covered[number] && is_handler(&now))) {
        return;
    }
    /* What was there is known before ours can be called. */
    lpp_crash_watch.before[number] = now;
    covered[number] = 0;
    sigaction(number, action, NULL);
}

void lpp_crash_arm(lpp_crash_t *crash, apr_uint32_t tid)
{
    struct sigaction action;
    unsigned i;

    if (crash == NULL) {
        lpp_crash_disarm();
        return;
    }
    crash->profiled_tid = tid;
    lpp_crash_watch.process = getpid();
    /* Its stack is told by enter_thread. */
    lpp_crash_watch.tid = 0;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = lpp_crash_handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    for (i = 0; i < LPP_COUNT(signals); i++) {
        install(signals[i], &action);
    }
    atomic_store(&lpp_crash_watch.crash, crash);
}

void lpp_crash_disarm(void)
{
    struct sigaction now;
    unsigned i;

    if (atomic_exchange(&lpp_crash_watch.crash, NULL) == NULL) {
        return;
    }
    for (i = 0; i < LPP_COUNT(signals); i++) {
        int number = signals[i];

        if (sigaction(number, NULL, &now) != 0) {
            continue;
        }
        covered[number] = !is_ours(&now);
        if (!covered[number]) {
            sigaction(number, &lpp_crash_watch.before[number], NULL);
        }
    }
}

void lpp_crash_enter_thread(apr_uint64_t root_cfa, apr_uint64_t stack_start,
                            apr_uint64_t stack_end)
{
    lpp_crash_t *crash = atomic_load(&lpp_crash_watch.crash);

    if (crash != NULL) {
        lpp_crash_watch.stack_start = stack_start;
        lpp_crash_watch.stack_end = stack_end;
        lpp_crash_watch.tid = (apr_uint32_t)syscall(SYS_gettid);
        crash->root_cfa = root_cfa;
        crash->profiled_tid = lpp_crash_watch.tid;
    }
}
