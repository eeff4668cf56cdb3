/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_timeout: the timeout of a call that is restarted becomes shorter
 * by the time that the call has waited. x86-64 only.
 */
#ifndef LPP_SIGNAL_TIMEOUT_INTERNAL_H
#define LPP_SIGNAL_TIMEOUT_INTERNAL_H

#include <ucontext.h>

#include "sampling/lpp_signal.h"
#include "sampling/lpp_signal_calls_internal.h"

/*
 * Shorten the timeout of the call of regs by target's blocked_ns. A struct that
 * the call only reads is copied to target first. Where the kernel has written
 * what is left, that is used. target NULL: not the profiled thread; a timeout
 * that the kernel did not shorten begins anew.
 * Signal-safe: yes. Thread: the one of regs.
 */
void lpp_signal_shorten_timeout(lpp_call_e kind, greg_t *regs,
                                lpp_signal_target_t *target);

#endif
