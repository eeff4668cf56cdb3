/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_arming: signal, mask and stack of the profiled thread: what is changed so
 * that it can be sampled, and restored afterwards.
 *
 * Masks belong to threads, so arm and disarm run on the profiled one. Owns no
 * memory.
 */
#ifndef LPP_ARMING_INTERNAL_H
#define LPP_ARMING_INTERNAL_H

#include "sampling/lpp_signal.h"

typedef struct lpp_arming_t {
    int armed;         /* the thread's mask is changed, its signal unblocked */
    int signal_taken;  /* one lpp_signal_take to give back */
    int number;        /* of that signal */
    sigset_t old_mask; /* of the thread, where armed */
} lpp_arming_t;

/* The stack of the profiled thread: its lowest address, the end of it, and the
 * CFA of the request's root in it, or 0. */
typedef struct lpp_arming_stack_t {
    apr_uint64_t start, end, root_cfa;
} lpp_arming_stack_t;

/*
 * Take signal number, or LPP_SIGNAL_AUTO, for this process. Errors: those of
 * lpp_signal_take. release gives it back, where one was taken.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_arming_take(lpp_arming_t *arming, int number);
void lpp_arming_release(lpp_arming_t *arming);

/*
 * Set which stack of the thread the handler and the helper copy: all of it, or
 * from root_cfa inwards. No thread is armed.
 * Signal-safe: yes. Thread: the profiled one.
 */
void lpp_arming_set_stack(lpp_signal_target_t *target,
                          const lpp_arming_stack_t *stack);

/*
 * Make the calling thread the target of the signal that was taken. A crash is
 * told from an overflow of its stack from now on, even where this fails.
 * Errors: those of lpp_signal_arm.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK apr_status_t lpp_arming_arm(lpp_arming_t *arming,
                                           lpp_signal_target_t *target,
                                           const lpp_arming_stack_t *stack);

/*
 * Undo arm, where the thread is armed. target: NULL where the helper has made
 * it quiet before, see lpp_signal_disarm.
 * Signal-safe: no. Thread: the armed one.
 */
void lpp_arming_disarm(lpp_arming_t *arming, lpp_signal_target_t *target);

#endif
