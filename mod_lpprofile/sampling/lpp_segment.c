/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_segment: see lpp_segment_internal.h. */
#include "sampling/lpp_segment_internal.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/lpp_clock.h"
#include "sampling/lpp_thread_internal.h"

void lpp_segment_begin(lpp_segment_t *segment)
{
    segment->tid = (int)syscall(SYS_gettid);
    segment->schedstat_fd = lpp_schedstat_open(segment->tid);
    if (pthread_getcpuclockid(pthread_self(), &segment->cpu_clock) != 0) {
        segment->cpu_clock = CLOCK_THREAD_CPUTIME_ID;
    }
    segment->number++;
    segment->ready_ns = lpp_schedstat_ready_ns(segment->schedstat_fd);
    segment->wall_ns = lpp_clock_ns(CLOCK_MONOTONIC);
    segment->cpu_ns = lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void lpp_segment_close(lpp_segment_t *segment)
{
    if (segment->schedstat_fd >= 0) {
        close(segment->schedstat_fd);
        segment->schedstat_fd = -1;
    }
}

void lpp_segment_add(const lpp_segment_t *segment, clockid_t clock,
                     lpp_used_t *used)
{
    apr_int64_t ready = segment->ready_ns < 0 ? -1
        : lpp_schedstat_ready_ns(segment->schedstat_fd);

    used->cpu_ns += lpp_clock_ns(clock) - segment->cpu_ns;
    if (ready < 0) {
        used->ready_ns = -1;
    }
    else if (used->ready_ns >= 0) {
        used->ready_ns += ready - segment->ready_ns;
    }
}
