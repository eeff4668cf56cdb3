/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_signal: the handler of the sampling signal.
 *
 * Restarts the system call that the signal interrupted, copies registers and
 * stack into a slot of the ring, preserves errno. No lock, no allocation, no
 * stdio, no thread-local variable of this module. HANDLERS in
 * tests/guard/guards.py names all objects whose code runs in this handler and
 * in that of lpp_crash; signal_symbols.txt there lists the functions that they
 * may call.
 */
#include "sampling/lpp_signal.h"

#include <errno.h>

#include "sampling/lpp_signal_copy_internal.h"
#include "sampling/lpp_signal_restart_internal.h"
#include "sampling/lpp_signal_stub_internal.h"

/* As bits of a mask. */
#define NEVER_BLOCKED (1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1))

static _Atomic(lpp_signal_target_t *) served;

void lpp_signal_serve(lpp_signal_target_t *target)
{
    atomic_store(&served, target);
}

/*
 * Copy the interrupted code's registers and stack into a slot. Its SP is on the
 * thread's stack, or on one that the program made, whose end is not known.
 */
static void take_sample(lpp_signal_target_t *target, ucontext_t *context,
                        apr_uint64_t sequence, int in_call)
{
    unsigned long mask = context->uc_sigmask.__val[0];
    lpp_snapshot_t *snapshot;
    unsigned char *stack;
    apr_uint64_t sp;

    snapshot = lpp_ring_reserve(target->ring, &stack);
    if (snapshot == NULL) {
        return;
    }
    lpp_signal_copy_registers(snapshot, context);
    sp = snapshot->regs[LPP_REG_SP];
    if (sp >= target->stack_end && sp < target->thread_end) {
        atomic_fetch_add_explicit(&target->foreign, 1, memory_order_relaxed);
        return; /* the thread has left the request */
    }
    /* A call that waits in the stub does so with all signals blocked that can
     * be; the mask of the thread is the one before. */
    if (target->stub != NULL && target->stub->busy
        && (mask | NEVER_BLOCKED) == ~0ul) {
        context->uc_sigmask.__val[0] = target->stub->mask;
    }
    lpp_interp_walk(target->interp, snapshot, context);
    context->uc_sigmask.__val[0] = mask;
    snapshot->flags = in_call ? LPP_SNAPSHOT_SYSCALL : 0;
    snapshot->sequence = sequence;
    if (sp >= target->stack_start && sp < target->stack_end) {
        lpp_signal_copy_stack(snapshot, stack, LPP_STACK_MAX_BYTES,
                              target->stack_end);
    }
    else {
        snapshot->flags |= LPP_SNAPSHOT_OWN_STACK;
        (void)lpp_signal_read_stack(snapshot, stack, LPP_OWN_STACK_MAX_BYTES,
                                    sp + LPP_OWN_STACK_MAX_BYTES);
    }
    lpp_ring_publish(target->ring);
}

void lpp_signal_handle(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    lpp_signal_target_t *target = atomic_load(&served);
    unsigned long long asked;
    int here, mine, in_call;
    lpp_signal_undo_t undo;

    if (target == NULL || info->si_code != SI_TKILL) {
        return; /* not sent by the helper: a call that it interrupts is not
                   restarted */
    }
    /* While handling is not 0, the target is not changed: see quiesce. */
    atomic_fetch_add(&target->handling, 1);
    here = pthread_equal(target->thread, pthread_self())
           && info->si_pid == target->process;
    mine = here && atomic_load(&target->enabled);
    /* Restart the call even if no sample is wanted any more: the signal has
     * interrupted it. */
    in_call = lpp_signal_restart_call(context, mine ? target : NULL,
                                      here ? target->stub : NULL,
                                      info->si_pid, &undo);
    if (mine) {
        asked = atomic_load_explicit(&target->asked, memory_order_acquire);
        if (asked != atomic_load_explicit(&target->answered,
                                          memory_order_relaxed)) {
            take_sample(target, context, asked, in_call);
            atomic_store_explicit(&target->answered, asked,
                                  memory_order_release);
        }
        else {
            atomic_fetch_add_explicit(&target->foreign, 1,
                                      memory_order_relaxed);
        }
    }
    atomic_fetch_sub(&target->handling, 1);
    lpp_signal_yield(context, &undo, number);
    errno = saved;
}
