/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal_restart: a system call that the sampling signal interrupted is
 * restarted, partial I/O is resumed; a call that another signal interrupted as
 * well is neither.
 */
#ifndef LPP_SIGNAL_RESTART_INTERNAL_H
#define LPP_SIGNAL_RESTART_INTERNAL_H

#include <ucontext.h>

#include "sampling/lpp_signal.h"
#include "sampling/lpp_signal_stub_internal.h"

/* What a restart has changed, to undo it. */
typedef struct lpp_signal_undo_t {
    int changed; /* 0: nothing; the others are not set */
    gregset_t regs;
    unsigned long mask;
    lpp_signal_stub_t *stub; /* or NULL; done and busy: its members before the
                                change */
    long long done;
    int busy;
} lpp_signal_undo_t;

/*
 * Restart or resume the call that the signal of context has interrupted, if
 * there was one. Returns 1 if the thread was in a call. target NULL: no sample
 * is wanted; stub NULL: not the profiled thread. pid: this process. *undo is
 * for lpp_signal_yield.
 * Signal-safe: yes. Thread: the one of context.
 */
int lpp_signal_restart_call(ucontext_t *context, lpp_signal_target_t *target,
                            lpp_signal_stub_t *stub, pid_t pid,
                            lpp_signal_undo_t *undo);

/*
 * For lpp_signal_trial only. learn: sets where numbers of calls are, at most
 * LPP_SIGNAL_PLACES, and whether all kinds of calls passed; otherwise nothing
 * is restarted. interrupted: the number of the call that the signal of context
 * ended with EINTR; -1: not known; LPP_SIGNAL_NO_CALL: there was none.
 * Signal-safe: yes. Thread: any; learn while no handler runs.
 */
#define LPP_SIGNAL_NO_CALL (-2)
void lpp_signal_learn(const lpp_signal_place_t *places, unsigned count,
                      int passed);
long lpp_signal_interrupted(const ucontext_t *context);

/*
 * Undo a restart if another signal is pending: the call must end, as it would
 * without this module. ours: the number of the sampling signal. The handler
 * calls this last.
 * Signal-safe: yes. Thread: the one of context.
 */
void lpp_signal_yield(ucontext_t *context, const lpp_signal_undo_t *undo,
                      int ours);

#endif
