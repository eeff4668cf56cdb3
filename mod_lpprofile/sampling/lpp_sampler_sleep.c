/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler_sleep: clocks, and how the helper waits: asleep, or for the blink
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

#define NS_PER_S INT64_C(1000000000)
#define STAY_UP_NS 200000

int64_t lpp_sampler_clock(clockid_t clock)
{
    struct timespec now;

    return clock_gettime(clock, &now) == 0
        ? (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec : 0;
}

struct timespec lpp_sampler_timespec(int64_t ns)
{
    struct timespec made;

    made.tv_sec = (time_t)(ns / NS_PER_S);
    made.tv_nsec = (long)(ns % NS_PER_S);
    return made;
}

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
    struct timespec then = lpp_sampler_timespec(then_ns < 0 ? 0 : then_ns);
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

void lpp_sampler_expect(lpp_sampler_t *sampler)
{
    int idle;

    if (sampler->process != getpid()) {
        return; /* a fork's copy, its mutex perhaps locked for ever */
    }
    pthread_mutex_lock(&sampler->mutex);
    /* Busy: it will look at its queue by itself. */
    idle = lpp_sampler_ensure(sampler) == APR_SUCCESS && sampler->idle;
    pthread_mutex_unlock(&sampler->mutex);
    /* Not under the mutex, which it takes when it wakes. */
    if (idle && lpp_sampler_may_spin()) {
        atomic_store(&sampler->expected_from, sched_getcpu() + 1);
        sem_post(&sampler->wake);
    }
}
