/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_number: the number of a system call that the kernel has ended,
 * which no register holds any more. It is read from the code in front of the
 * call's instruction, in all shapes that glibc had up to 2.40; or, since glibc
 * 2.41 makes all calls that can be cancelled in one function, from the stack,
 * at the place where lpp_signal_trial found that this function keeps it.
 */
#ifndef LPP_SIGNAL_NUMBER_INTERNAL_H
#define LPP_SIGNAL_NUMBER_INTERNAL_H

#include <ucontext.h>

#include "sampling/lpp_signal.h"

/*
 * The number of the system call whose instruction ends at rip of regs; -1: not
 * known. pid: this process. x86-64 only.
 * Signal-safe: yes. Thread: the one of regs.
 */
long lpp_signal_call_number(const greg_t *regs, pid_t pid);

/*
 * Replace the known places. count: at most LPP_SIGNAL_PLACES.
 * Signal-safe: yes. Thread: any, while no handler runs.
 */
void lpp_signal_learn_places(const lpp_signal_place_t *places, unsigned count);

#endif
