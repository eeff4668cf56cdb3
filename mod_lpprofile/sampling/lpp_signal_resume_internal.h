/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_resume: partial I/O is resumed.
 *
 * Once a blocking write has moved something, a signal makes it return how much,
 * and no EINTR is to be seen: what a program sends to a socket of its own in
 * one piece without us would be half sent with us. The kernel cannot be asked
 * to go on and add up, so the thread comes back from the handler into
 * lpp_signal_resume_stub: it makes the call for what is left, as often as it
 * takes, and returns the sum.
 */
#ifndef LPP_SIGNAL_RESUME_INTERNAL_H
#define LPP_SIGNAL_RESUME_INTERNAL_H

#include <sys/types.h>

#include "sampling/lpp_signal_stub_internal.h"

/*
 * Have the call of regs resume, which has returned that it moved a part. stub:
 * of this thread, or NULL: only a call that is in the stub already resumes.
 * pid: this process. 0: it does not resume: it would have ended there without
 * us, or stub is busy (a handler that interrupted the stub makes such a call).
 * Signal-safe: yes. Thread: the one of regs.
 */
int lpp_signal_resume(greg_t *regs, lpp_signal_stub_t *stub, pid_t pid);

#endif
