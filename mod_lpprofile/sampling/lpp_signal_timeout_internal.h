/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_timeout: shortens the timeout of a restarted call by the time that
 * the call has waited. x86-64 only.
 */
#ifndef LPP_SIGNAL_TIMEOUT_INTERNAL_H
#define LPP_SIGNAL_TIMEOUT_INTERNAL_H

#include <ucontext.h>

#include "sampling/lpp_signal.h"
#include "sampling/lpp_signal_calls_internal.h"

/*
 * Shorten the timeout of the call of regs by target's blocked_ns. A struct that
 * the call only reads is first copied to target. If the kernel has written the
 * remaining time, that is used. target NULL: not the profiled thread; a timeout
 * that the kernel did not shorten then begins again.
 * Signal-safe: yes. Thread: the one of regs.
 */
void lpp_signal_shorten_timeout(lpp_call_e kind, greg_t *regs,
                                lpp_signal_target_t *target);

#endif
