/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_session, its times while it runs. */
#include <pthread.h>

#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"
#include "sampling/lpp_thread_internal.h"

apr_int64_t lpp_session_times_now(const lpp_session_t *session,
                                  lpp_weight_t *times)
{
    lpp_used_t used = session->used;

    times->wall_ns = (apr_uint64_t)(
        lpp_clock_ns(CLOCK_MONOTONIC) - session->start_wall_ns);
    if (session->state == SESSION_RUNNING) {
        lpp_segment_add(&session->segment, session->segment.cpu_clock, &used);
    }
    times->cpu_ns = (apr_uint64_t)used.cpu_ns;
    return used.ready_ns;
}

int lpp_session_times(lpp_session_t *session, lpp_weight_t *times)
{
    apr_int64_t ready;

    pthread_mutex_lock(&session->sampler->helper.mutex);
    ready = lpp_session_times_now(session, times);
    pthread_mutex_unlock(&session->sampler->helper.mutex);
    times->ready_ns = ready < 0 ? 0 : (apr_uint64_t)ready;
    times->samples = 0;
    return ready < 0 ? LPP_READY_UNKNOWN : LPP_READY_EXACT;
}

apr_int64_t lpp_session_ready_ns(const void *baton)
{
    const lpp_session_t *session = baton;

    return pthread_equal(session->thread, pthread_self())
        ? lpp_schedstat_ready_ns(session->segment.schedstat_fd) : -1;
}
