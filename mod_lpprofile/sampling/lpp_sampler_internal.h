/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler_internal: the struct lpp_sampler_t, for the files that use its
 * parts: lpp_sampler.c (the helper's main function), lpp_queue.c and
 * lpp_session.c (the threads of requests), lpp_tick.c (one tick).
 */
#ifndef LPP_SAMPLER_INTERNAL_H
#define LPP_SAMPLER_INTERNAL_H

#include "sampling/lpp_frames_internal.h"
#include "sampling/lpp_helper_internal.h"
#include "sampling/lpp_kernel_watch_internal.h"
#include "sampling/lpp_sampler.h"
#include "sampling/lpp_signal.h"
#include "sampling/lpp_tick_internal.h"
#include "sampling/lpp_postmortem.h"
#include "sampling/lpp_waiting_internal.h"

/* A buffer for a stack whose pages have memory already; one session at a time
 * uses it, see lpp_stack_copy_t. */
typedef struct lpp_spare_stack_t {
    atomic_int taken;
    unsigned char *stack; /* LPP_STACK_MAX_BYTES */
} lpp_spare_stack_t;

struct lpp_sampler_t {
    lpp_sampler_options_t options;
    apr_pool_t *pool;           /* the sampler's own; outlives a helper that
                                   does not end in time */
    pid_t process;              /* that made the sampler */
    atomic_int signal;          /* in use, for lpp_sampler_signal */
    lpp_spare_stack_t spare;
    lpp_signal_target_t target; /* with the ring of samples */
    lpp_helper_t helper;
    lpp_session_t *queue;       /* in order of arrival; guarded by the helper's
                                   mutex */

    pthread_mutex_t pages_mutex; /* held by a thread that reads page functions
                                    outside of the handler */

    /* Used by the helper only. */
    lpp_frames_t frames;
    lpp_tick_t tick;
    lpp_kernel_watch_t watch;   /* the profiled thread by kernel events */
    lpp_page_frame_t page_frames[LPP_SNAPSHOT_PAGE_FRAMES]; /* of a block */
    lpp_waiting_t waiting;      /* what the thread waits for */
    lpp_postmortem_t *postmortem; /* of the session, or NULL */
    unsigned char *blocked_stack; /* LPP_STACK_MAX_BYTES */
    unsigned touched_slots;     /* of the ring, from the front */
    int logged_broken;          /* logged that a call could not be restarted */
    int logged_unread;          /* logged which interpreters are not read */
};

#endif
