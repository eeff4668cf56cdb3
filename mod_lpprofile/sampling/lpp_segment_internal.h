/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_segment: the part of a session that the request spends on one thread,
 * from a start or resume to the next pause or stop: its clocks at its start,
 * and how much time it has used since. The kernel counts how long a thread was
 * ready to run and had no processor; a thread that reads its own count reads
 * an exact one.
 */
#ifndef LPP_SEGMENT_INTERNAL_H
#define LPP_SEGMENT_INTERNAL_H

#include <time.h>

#include <apr.h>

typedef struct lpp_segment_t {
    unsigned number;       /* counts starts and resumes; 0: none yet */
    apr_int64_t wall_ns;   /* CLOCK_MONOTONIC when it began */
    apr_int64_t cpu_ns;    /* the thread's CPU clock then */
    apr_int64_t ready_ns;  /* the thread's count of ready time then; -1: not
                              known */
    clockid_t cpu_clock;   /* of the thread */
    int tid;               /* 0: the session was paused */
    int schedstat_fd;      /* of the thread, or -1: closed by the threads of the
                              request only, so that these may read it */
} lpp_segment_t;

/* CPU and ready time. */
typedef struct lpp_used_t {
    apr_int64_t cpu_ns;
    apr_int64_t ready_ns; /* -1: not known */
} lpp_used_t;

/*
 * Begin a segment on the calling thread; the last one was closed. close: it is
 * over, and no other thread reads it.
 * Signal-safe: no. Thread: the profiled one; close: request.
 */
void lpp_segment_begin(lpp_segment_t *segment);
void lpp_segment_close(lpp_segment_t *segment);

/*
 * Add what the segment has used up to now to *used, which stays unknown if it
 * was. clock: of the segment's thread.
 * Signal-safe: yes. Thread: any, while the segment is not closed.
 */
void lpp_segment_add(const lpp_segment_t *segment, clockid_t clock,
                     lpp_used_t *used);

#endif
