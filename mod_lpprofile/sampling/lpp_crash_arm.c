/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_crash_arm: installs and removes the crash handlers.
 *
 * No code of this file runs in a handler. An action is restored only if the
 * current one is still this module's. If another handler was installed over
 * this module's handler, that one stays; it may call this module's handler, or
 * install it again when it is removed, at any time. So this module's handler is
 * not installed over it a second time, and the action saved before stays valid:
 * to save that other handler as the previous action could cause a loop, or a
 * call of a handler that was removed. If it does not pass crashes on, this
 * process records no more of a crash than that the process ended.
 */
#include "sampling/lpp_crash_internal.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

/* By signal: in an earlier profile a handler was installed over this module's;
 * the saved previous action then stays as it is. */
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
    /* Save the previous action before this module's handler can be called. */
    lpp_crash_watch.before[number] = now;
    covered[number] = 0;
    sigaction(number, action, NULL);
}

void lpp_crash_arm(lpp_crash_t *crash, apr_uint32_t tid)
{
    struct sigaction action;
    unsigned i;

    if (crash != NULL) {
        crash->profiled_tid = tid;
    }
    lpp_crash_watch.process = getpid();
    /* lpp_crash_enter_thread sets tid together with the bounds of the stack. */
    lpp_crash_watch.tid = 0;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = lpp_crash_handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    for (i = 0; i < LPP_COUNT(signals); i++) {
        install(signals[i], &action);
    }
    atomic_store(&lpp_crash_watch.crash, crash);
    atomic_store(&lpp_crash_watch.armed, 1);
}

int lpp_crash_rescues(void)
{
    struct sigaction segv, bus;

    return sigaction(SIGSEGV, NULL, &segv) == 0 && is_ours(&segv)
           && sigaction(SIGBUS, NULL, &bus) == 0 && is_ours(&bus);
}

void lpp_crash_disarm(void)
{
    struct sigaction now;
    unsigned i;

    atomic_store(&lpp_crash_watch.crash, NULL);
    if (!atomic_exchange(&lpp_crash_watch.armed, 0)) {
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
