/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_wait: restarts a call that may wait for ever so that no other
 * signal is lost.
 *
 * A call that is simply made again loses a signal that arrives after the
 * handler's last check and before the call: its handler has run when the call
 * begins to wait, and pause() waits for ever. So the thread leaves the handler
 * with all signals blocked and enters lpp_signal_wait_stub, which makes the
 * variant of the call that sets the signal mask itself (sigsuspend, pselect6,
 * epoll_pwait; ppoll, also for a sleep).
 */
#ifndef LPP_SIGNAL_WAIT_INTERNAL_H
#define LPP_SIGNAL_WAIT_INTERNAL_H

#include "sampling/lpp_signal_stub_internal.h"

/*
 * Restart the call number of context, whose timeout was shortened, in the stub.
 * 0: it has no such variant, or stub is NULL or busy; then nothing is changed.
 * Signal-safe: yes. Thread: the one of context.
 */
int lpp_signal_wait(long number, ucontext_t *context, lpp_signal_stub_t *stub);

#endif
