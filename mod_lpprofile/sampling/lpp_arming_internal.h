/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_arming: signal, signal mask and alternate stack of the profiled thread:
 * changes what sampling needs, and restores it afterwards.
 *
 * Signal masks belong to threads, so arm and disarm run on the profiled thread.
 * Owns no memory.
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

/* The stack of the profiled thread. */
typedef struct lpp_arming_stack_t {
    apr_uint64_t start;    /* its lowest address */
    apr_uint64_t end;      /* just above its highest */
    apr_uint64_t root_cfa; /* of the request's root, or 0 */
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
 * Make the calling thread the target of the signal that was taken. Its stack is
 * known to the crash handler from now on, even where this fails.
 * Errors: those of lpp_signal_arm.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK apr_status_t lpp_arming_arm(lpp_arming_t *arming,
                                           lpp_signal_target_t *target,
                                           const lpp_arming_stack_t *stack);

/*
 * Undo arm, where the thread is armed. target NULL: the helper has called
 * lpp_signal_quiesce for it, and it may serve another thread by now.
 * Signal-safe: no. Thread: the armed one.
 */
void lpp_arming_disarm(lpp_arming_t *arming, lpp_signal_target_t *target);

#endif
