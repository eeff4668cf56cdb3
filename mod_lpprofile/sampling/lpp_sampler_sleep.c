/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler_sleep: how the helper waits: asleep, or for the blink
 * of an eye up and about for a session that is announced.
 *
 * To wake a thread on an idle processor takes both sides tens of microseconds
 * where that processor is a virtual one. Announced early, that passes while the
 * request still makes ready.
 */
#include "sampling/lpp_sampler_internal.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#define STAY_UP_NS 200000

int lpp_sampler_may_spin(void)
{
    static atomic_int processors;

    if (atomic_load(&processors) == 0) {
        atomic_store(&processors, (int)sysconf(_SC_NPROCESSORS_ONLN));
    }
    return atomic_load(&processors) > 1;
}

void lpp_sampler_sleep(lpp_sampler_t *sampler, int64_t then_ns)
{
    struct timespec then = lpp_clock_timespec(then_ns < 0 ? 0 : then_ns);
    int rc;

    do {
        rc = then_ns < 0 ? sem_wait(&sampler->wake)
                         : sem_clockwait(&sampler->wake, CLOCK_MONOTONIC,
                                         &then);
    } while (rc != 0 && errno == EINTR);
    /* Posts are only a knock: one look serves all of them. */
    while (rc == 0) {
        rc = sem_trywait(&sampler->wake);
    }
}

/*
 * Until somebody posts, who then need not wake anybody; 0: nobody came. On the
 * processor of who announced it (others are busy) we are only in its way.
 */
static int stay_up(lpp_sampler_t *sampler, int processor)
{
    int64_t until = lpp_sampler_now_ns() + STAY_UP_NS;

    if (sched_getcpu() == processor) {
        return 0;
    }
    lpp_tick_refresh(sampler); /* what the session will need */
    while (sem_trywait(&sampler->wake) != 0) {
        if (lpp_sampler_now_ns() >= until) {
            return 0;
        }
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    return 1;
}

void lpp_sampler_idle(lpp_sampler_t *sampler)
{
    int processor = atomic_exchange(&sampler->expected_from, 0) - 1;

    if (processor < 0 || !stay_up(sampler, processor)) {
        lpp_sampler_sleep(sampler, -1);
    }
}
