/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_crash_arm: installs the crash handlers and takes them away again; lends
 * the profiled thread a stack for them.
 *
 * No code of this file runs in a handler. An action is given back only where
 * it is still ours: who came later keeps what he has, and where he passes a
 * crash on to us, we pass it on to the action that was there before.
 */
#include "lpp_crash.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* For what the kernel pushes (3.5 kB with AVX-512, 11 with AMX), and us. */
#define HANDLER_STACK_BYTES 32768

static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };

/* One, since one thread is profiled at a time. It stays: a request that ended
 * on another thread leaves its first one with it. */
static unsigned char handler_stack[HANDLER_STACK_BYTES]
    __attribute__((aligned(64)));

static int is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0
           && action->sa_sigaction == lpp_crash_handle;
}

void lpp_crash_arm(lpp_crash_t *crash, apr_uint32_t tid)
{
    struct sigaction action, now;
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
        /* What was there is known before ours can be called. */
        if (sigaction(signals[i], NULL, &now) == 0 && !is_ours(&now)) {
            lpp_crash_watch.before[signals[i]] = now;
            sigaction(signals[i], &action, NULL);
        }
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
        if (sigaction(signals[i], NULL, &now) == 0 && is_ours(&now)) {
            sigaction(signals[i], &lpp_crash_watch.before[signals[i]], NULL);
        }
    }
}

void lpp_crash_enter_thread(apr_uint64_t root_cfa, apr_uint64_t stack_start,
                            apr_uint64_t stack_end, stack_t *before)
{
    lpp_crash_t *crash = atomic_load(&lpp_crash_watch.crash);
    stack_t ours;

    memset(&ours, 0, sizeof(ours));
    ours.ss_sp = handler_stack;
    ours.ss_size = sizeof(handler_stack);
    if (sigaltstack(&ours, before) != 0) {
        /* On it already (EPERM), or it is too small here: none is lent. */
        memset(before, 0, sizeof(*before));
        before->ss_sp = handler_stack;
    }
    else if (!(before->ss_flags & SS_DISABLE)) {
        sigaltstack(before, NULL); /* it has its own */
    }
    if (crash != NULL) {
        lpp_crash_watch.stack_start = stack_start;
        lpp_crash_watch.stack_end = stack_end;
        lpp_crash_watch.tid = (apr_uint32_t)syscall(SYS_gettid);
        crash->root_cfa = root_cfa;
        crash->profiled_tid = lpp_crash_watch.tid;
    }
}

void lpp_crash_leave_thread(const stack_t *before)
{
    stack_t now;

    if ((before->ss_flags & SS_DISABLE) && sigaltstack(NULL, &now) == 0
        && now.ss_sp == handler_stack) {
        sigaltstack(before, NULL);
    }
}
