/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_resume: resumes partial I/O.
 *
 * Once a blocking write has moved some bytes, a signal makes it return their
 * number, and the program sees no EINTR: data that is written in one call
 * without sampling would be written only in part with it. The kernel cannot be
 * asked to continue and add up. So the thread returns from the handler into
 * lpp_signal_resume_stub, which makes the call for the remaining bytes, as
 * often as needed, and returns the sum.
 */
#ifndef LPP_SIGNAL_RESUME_INTERNAL_H
#define LPP_SIGNAL_RESUME_INTERNAL_H

#include <sys/types.h>

#include "sampling/lpp_signal_stub_internal.h"

/*
 * Resume the call of regs, which has returned that it moved a part of its
 * bytes. stub: of this thread, or NULL: then only a call that is in the stub
 * already is resumed. pid: this process. 0: not resumed: the call would have
 * ended here without sampling as well, or stub is busy (the call is made by a
 * handler that interrupted the stub).
 * Signal-safe: yes. Thread: the one of regs.
 */
int lpp_signal_resume(greg_t *regs, lpp_signal_stub_t *stub, pid_t pid);

#endif
