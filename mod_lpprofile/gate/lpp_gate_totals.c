/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate_totals: sums over all profiles of all children, and the last error,
 * in the shared memory of the gate. For status pages and monitoring; nothing in
 * the module depends on them. Uses atomics only; nothing here waits.
 */
#include <string.h>

#include "base/lpp_clock.h"
#include "gate/lpp_gate_internal.h"

void lpp_gate_add_totals(lpp_gate_t *gate, const lpp_gate_totals_t *one)
{
    shared_t *shared = gate->shared;

    atomic_fetch_add(&shared->samples, one->samples);
    atomic_fetch_add(&shared->lost, one->lost);
    atomic_fetch_add(&shared->own_ns, one->own_ns);
    atomic_fetch_add(&shared->cpu_ns, one->cpu_ns);
    atomic_fetch_add(&shared->stood_down, one->stood_down);
    if (one->signal != 0) {
        atomic_store(&shared->signal, one->signal);
    }
}

void lpp_gate_get_totals(const lpp_gate_t *gate, lpp_gate_totals_t *totals)
{
    shared_t *shared = gate->shared;

    totals->samples = atomic_load(&shared->samples);
    totals->lost = atomic_load(&shared->lost);
    totals->own_ns = atomic_load(&shared->own_ns);
    totals->cpu_ns = atomic_load(&shared->cpu_ns);
    totals->stood_down = atomic_load(&shared->stood_down);
    totals->signal = atomic_load(&shared->signal);
}

/* Where the number is odd, another process is storing an error, and this one is
 * dropped. A process killed while it stores one leaves the number odd: no error
 * is stored from then on. */
void lpp_gate_set_error(lpp_gate_t *gate, const char *text)
{
    shared_t *shared = gate->shared;
    apr_uint32_t number = atomic_load(&shared->error_number);
    apr_size_t i;

    if ((number & 1)
        || !atomic_compare_exchange_strong(&shared->error_number, &number,
                                           number + 1)) {
        return;
    }
    for (i = 0; i < LPP_GATE_ERROR_BYTES - 1 && text[i] != '\0'; i++) {
        atomic_store_explicit(&shared->error_text[i], text[i],
                              memory_order_relaxed);
    }
    atomic_store_explicit(&shared->error_text[i], '\0', memory_order_relaxed);
    atomic_store(&shared->error_time, lpp_monotonic_us());
    atomic_store(&shared->error_number, number + 2);
}

void lpp_gate_get_error(const lpp_gate_t *gate, char *text, apr_size_t bytes,
                        apr_time_t *when)
{
    shared_t *shared = gate->shared;
    apr_uint32_t number = atomic_load(&shared->error_number);
    apr_size_t i;

    for (i = 0; i + 1 < bytes && i < LPP_GATE_ERROR_BYTES; i++) {
        text[i] = atomic_load_explicit(&shared->error_text[i],
                                       memory_order_relaxed);
    }
    text[i] = '\0';
    *when = atomic_load(&shared->error_time);
    atomic_thread_fence(memory_order_acquire);
    if ((number & 1) || atomic_load(&shared->error_number) != number) {
        text[0] = '\0';
        *when = 0;
    }
}
