/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_arming: see lpp_arming_internal.h. */
#include "sampling/lpp_arming_internal.h"

#include "sampling/lpp_crash_internal.h"

apr_status_t lpp_arming_take(lpp_arming_t *arming, int number)
{
    apr_status_t status = lpp_signal_take(number, &arming->number);

    arming->signal_taken = status == APR_SUCCESS;
    return status;
}

void lpp_arming_release(lpp_arming_t *arming)
{
    if (arming->signal_taken) {
        apr_status_t status = lpp_signal_give_back();

        (void)status; /* APR_EBUSY: another module has taken the signal; its
                         action stays */
        arming->signal_taken = 0;
    }
}

void lpp_arming_set_stack(lpp_signal_target_t *target,
                          const lpp_arming_stack_t *stack)
{
    target->stack_start = stack->start;
    target->thread_end = stack->end;
    target->stack_end = stack->root_cfa != 0 ? stack->root_cfa : stack->end;
}

apr_status_t lpp_arming_arm(lpp_arming_t *arming, lpp_signal_target_t *target,
                            const lpp_arming_stack_t *stack)
{
    apr_status_t status;

    if (target->interp != NULL) {
        lpp_interp_enter_thread(target->interp);
    }
    status = lpp_signal_arm(target, &arming->old_mask);
    arming->armed = status == APR_SUCCESS;
    lpp_crash_enter_thread(stack->root_cfa, stack->start, stack->end);
    return status;
}

void lpp_arming_disarm(lpp_arming_t *arming, lpp_signal_target_t *target)
{
    if (arming->armed) {
        lpp_signal_disarm(target, arming->number, &arming->old_mask);
        arming->armed = 0;
    }
}
