/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_client: see lpp_client_internal.h. */
#include "sampling/lpp_client_internal.h"

#include "base/lpp_clock.h"

#define NS_PER_US 1000
/* A request that was blocked for less is not ended for the sake of others: any
 * client may be that slow. */
#define MIN_US 50000

void lpp_client_enter(lpp_client_t *client)
{
    if (client->depth++ == 0) {
        atomic_store(&client->cpu_ns, lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID));
        atomic_store(&client->since_ns, lpp_clock_ns(CLOCK_MONOTONIC));
    }
}

void lpp_client_leave(lpp_client_t *client)
{
    if (client->depth > 1) {
        client->depth--;
    }
    else {
        lpp_client_leave_all(client);
    }
}

void lpp_client_leave_all(lpp_client_t *client)
{
    apr_int64_t blocked;

    if (client->depth == 0) {
        return;
    }
    blocked = lpp_clock_ns(CLOCK_MONOTONIC)
        - atomic_exchange(&client->since_ns, 0)
        - (lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID)
           - atomic_load(&client->cpu_ns));
    client->depth = 0;
    if (blocked > 0) {
        atomic_fetch_add(&client->before_ns, blocked);
    }
}

void lpp_client_end(lpp_client_t *client)
{
    client->depth = 0;
    atomic_store(&client->since_ns, 0);
}

/* Time blocked until now, of all calls together. */
static apr_int64_t blocked_ns(lpp_client_t *client, apr_int64_t now_ns,
                              clockid_t clock)
{
    apr_int64_t blocked = atomic_load(&client->before_ns);
    apr_int64_t since = atomic_load(&client->since_ns);

    if (since != 0) {
        blocked += now_ns - since
            - (lpp_clock_ns(clock) - atomic_load(&client->cpu_ns));
    }
    return blocked;
}

int lpp_client_is_slow(lpp_client_t *client, lpp_gate_t *gate,
                       apr_int64_t now_ns, clockid_t clock,
                       apr_interval_time_t max_us)
{
    apr_int64_t us = blocked_ns(client, now_ns, clock) / NS_PER_US;

    if (us > client->added_us) {
        lpp_gate_add_client_us(gate, (apr_uint64_t)(us - client->added_us));
        client->added_us = us;
    }
    return max_us > 0
           && (us >= max_us
               || (us >= MIN_US && lpp_gate_asked_to_end(gate)
                   && atomic_load(&client->since_ns) != 0));
}
