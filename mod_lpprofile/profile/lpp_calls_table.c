/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_calls_table: makes a table of the current figures. Changes nothing in the
 * recorder except its CPU clock.
 */
#include "profile/lpp_calls_internal.h"

#include <string.h>

#include <apr_strings.h>

/* Add the time so far of calls that run. The time of an inner call is
 * subtracted from the self time of the outer one. */
static void add_running(lpp_calls_t *calls, lpp_call_t *rows)
{
    apr_uint64_t now = (apr_uint64_t)lpp_clock_ns(CLOCK_MONOTONIC);
    apr_uint64_t cpu_now = lpp_calls_cpu_at(calls, now);
    apr_uint64_t inner_wall = 0, inner_cpu = 0, inner_ready = 0;
    unsigned depth = calls->depth;

    while (depth-- > 0) {
        const frame_t *frame = &calls->stack[depth];
        lpp_call_t *row = &rows[frame->place];
        apr_uint64_t wall = lpp_calls_less(now, frame->start_wall_ns);
        apr_uint64_t cpu = lpp_calls_less(cpu_now, frame->start_cpu_ns);
        apr_uint64_t ready = calls->ready_ns - frame->start_ready_ns;
        unsigned outer = depth;

        if (cpu > wall) {
            cpu = wall;
        }
        ready = ready > wall - cpu ? wall - cpu : ready;
        row->self_wall_ns += lpp_calls_less(
            wall, frame->below_wall_ns + inner_wall);
        row->self_cpu_ns += lpp_calls_less(
            cpu, frame->below_cpu_ns + inner_cpu);
        row->self_ready_ns += lpp_calls_less(
            ready, frame->below_ready_ns + inner_ready);
        inner_wall = wall;
        inner_cpu = cpu;
        inner_ready = ready;
        while (outer > 0 && calls->stack[outer - 1].place != frame->place) {
            outer--;
        }
        if (outer == 0) { /* the outermost of a recursion */
            row->wall_ns += wall;
            row->cpu_ns += cpu;
            row->ready_ns += ready;
        }
    }
}

const lpp_calls_table_t *lpp_calls_table(lpp_calls_t *calls, apr_pool_t *pool)
{
    lpp_calls_table_t *table = apr_palloc(pool, sizeof(*table));
    lpp_call_t *rows = apr_palloc(pool, (calls->count + 1) * sizeof(*rows));
    lpp_scope_t *scopes = apr_palloc(pool,
                                     calls->scope_count * sizeof(*scopes));
    apr_uint32_t i;

    if (!table || !rows || !scopes) {
        return NULL;
    }
    memset(table, 0, sizeof(*table));
    for (i = 0; i < calls->count; i++) {
        const place_t *place = &calls->places[i];
        const lpp_hook_t *hook = &calls->hooks[place->hook];
        lpp_call_t row = {
            place->scope, hook->phase, hook->module, hook->function,
            LPP_CALLS_NONE, place->calls,
            place->wall_ns, place->cpu_ns, place->ready_ns,
            place->self_wall_ns, place->self_cpu_ns, place->self_ready_ns,
            place->decided, place->result, place->has_result,
            place->active > 0
        };

        rows[i] = row;
    }
    for (i = 0; i < calls->scope_count; i++) {
        scopes[i] = calls->scopes[i].about;
        scopes[i].path = apr_pstrdup(pool, scopes[i].path);
    }
    if (calls->depth > 0) {
        add_running(calls, rows);
    }
    table->calls = rows;
    table->count = calls->count;
    table->scopes = scopes;
    table->scope_count = calls->scope_count;
    table->dropped = calls->dropped;
    table->left_out = calls->left_out;
    return table;
}

const lpp_call_span_t *lpp_calls_spans(const lpp_calls_t *calls,
                                       apr_uint32_t *count)
{
    *count = calls->span_count;
    return calls->spans;
}
