/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate_waits: what the owner's request is blocked on, in the shared memory
 * of the gate. The owner's child writes it when a waiting request asks for it;
 * waiting requests only compare. Nothing here waits.
 */
#include <unistd.h>

#include "gate/lpp_gate_internal.h"

void lpp_gate_ask_waits(lpp_gate_t *gate)
{
    atomic_store(&gate->shared->waits_asked, 1);
}

int lpp_gate_waits_asked(lpp_gate_t *gate)
{
    /* The owner's helper calls this on each tick: the exchange, which takes the
     * cache line from other processors, only if it was asked. */
    return atomic_load_explicit(&gate->shared->waits_asked,
                                memory_order_relaxed) != 0
           && atomic_exchange(&gate->shared->waits_asked, 0) != 0;
}

void lpp_gate_set_waits(lpp_gate_t *gate, const lpp_gate_waits_t *waits)
{
    lpp_gate_waits_t copy = *waits;

    copy.pid = (apr_uint32_t)getpid();
    copy.reserved = 0;
    pthread_mutex_lock(&gate->writing);
    if (gate->held) {
        lpp_gate_record_store(&gate->shared->waits.published,
                              gate->shared->waits.copies,
                              RECORD_WORDS(lpp_gate_waits_t), &copy);
    }
    pthread_mutex_unlock(&gate->writing);
}

lpp_gate_awaits_e lpp_gate_awaits(const lpp_gate_t *gate,
                                  const lpp_ends_t *ends)
{
    shared_t *shared = gate->shared;
    lpp_gate_waits_t waits;
    lpp_owner_t owner;
    apr_uint32_t i;

    (void)lpp_gate_record_load(&shared->waits.published,
                               shared->waits.copies,
                               RECORD_WORDS(lpp_gate_waits_t), &waits);
    lpp_gate_get_owner(gate, &owner);
    if (waits.pid == 0 || waits.pid != owner.pid) {
        return LPP_GATE_AWAITS_NOT; /* of an owner that was killed */
    }
    for (i = 0; i < waits.count && i < LPP_GATE_SOCKETS; i++) {
        if (lpp_ends_meet(&waits.sockets[i], ends)) {
            return LPP_GATE_AWAITS;
        }
    }
    return waits.child != 0 ? LPP_GATE_AWAITS_MAYBE : LPP_GATE_AWAITS_NOT;
}
