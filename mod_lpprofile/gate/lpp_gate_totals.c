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
    atomic_fetch_or(&shared->languages, one->languages);
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
    totals->languages = atomic_load(&shared->languages);
}

/* Where the number is odd, another process is storing a text, and this one is
 * dropped. A process killed while it stores one leaves the number odd: no text
 * is stored there from then on. */
static void set_text(lpp_gate_text_t *to, const char *text)
{
    apr_uint32_t number = atomic_load(&to->number);
    apr_size_t i;

    if ((number & 1)
        || !atomic_compare_exchange_strong(&to->number, &number,
                                           number + 1)) {
        return;
    }
    for (i = 0; i < LPP_GATE_ERROR_BYTES - 1 && text[i] != '\0'; i++) {
        atomic_store_explicit(&to->text[i], text[i], memory_order_relaxed);
    }
    atomic_store_explicit(&to->text[i], '\0', memory_order_relaxed);
    atomic_store(&to->time, lpp_monotonic_us());
    atomic_store(&to->number, number + 2);
}

static void get_text(lpp_gate_text_t *from, char *text, apr_size_t bytes,
                     apr_time_t *when)
{
    apr_uint32_t number = atomic_load(&from->number);
    apr_size_t i;

    for (i = 0; i + 1 < bytes && i < LPP_GATE_ERROR_BYTES; i++) {
        text[i] = atomic_load_explicit(&from->text[i], memory_order_relaxed);
    }
    text[i] = '\0';
    *when = atomic_load(&from->time);
    atomic_thread_fence(memory_order_acquire);
    if ((number & 1) || atomic_load(&from->number) != number) {
        text[0] = '\0';
        *when = 0;
    }
}

void lpp_gate_set_error(lpp_gate_t *gate, const char *text)
{
    set_text(&gate->shared->error, text);
}

void lpp_gate_get_error(const lpp_gate_t *gate, char *text, apr_size_t bytes,
                        apr_time_t *when)
{
    get_text(&gate->shared->error, text, bytes, when);
}

void lpp_gate_set_unread(lpp_gate_t *gate, const char *text)
{
    set_text(&gate->shared->unread, text);
}

void lpp_gate_get_unread(const lpp_gate_t *gate, char *text, apr_size_t bytes)
{
    apr_time_t when;

    get_text(&gate->shared->unread, text, bytes, &when);
}

void lpp_gate_set_waited(lpp_gate_t *gate, const char *text)
{
    set_text(&gate->shared->waited, text);
}

void lpp_gate_get_waited(const lpp_gate_t *gate, char *text, apr_size_t bytes)
{
    apr_time_t when;

    get_text(&gate->shared->waited, text, bytes, &when);
}
