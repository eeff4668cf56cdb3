/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_session_internal: the struct lpp_session_t, for the thread of the request
 * (lpp_session.c, lpp_queue.c) and for the helper (lpp_sampler.c, lpp_tick.c).
 */
#ifndef LPP_SESSION_INTERNAL_H
#define LPP_SESSION_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "sampling/lpp_arming_internal.h"
#include "sampling/lpp_client_internal.h"
#include "sampling/lpp_segment_internal.h"
#include "sampling/lpp_session.h"

/* The states of a session. They only advance, except for RUNNING and PAUSED. */
typedef enum {
    SESSION_WAITING,   /* in the queue */
    SESSION_PREPARING, /* the helper has the gate and looks for the root */
    SESSION_GRANTED,   /* the request may arm its thread */
    SESSION_RUNNING,
    SESSION_PAUSED,
    SESSION_STOPPED,   /* ended, by the request or the helper; not yet final */
    SESSION_DONE,      /* the profile is final, the helper is done with it */
    SESSION_FAILED     /* never ran: status says why */
} lpp_session_state_e;

/* The stack of the session's thread as it was last captured (start, resume,
 * lpp_session_stack). */
typedef struct lpp_stack_copy_t {
    lpp_snapshot_t snapshot;
    unsigned char *stack; /* LPP_STACK_MAX_BYTES */
    lpp_page_frame_t page_frames[LPP_SNAPSHOT_PAGE_FRAMES];
    int is_spare;         /* the sampler's spare one, to be returned */
} lpp_stack_copy_t;

struct lpp_session_t {
    /* Set at the start. */
    lpp_sampler_t *sampler;
    lpp_session_options_t options; /* copied; lpp_session_sample changes stacks
                                      and max_time_us, with the mutex held */
    pthread_cond_t cond;           /* its thread waits for a state or a task */

    pthread_mutex_t tree_mutex;    /* guards profile while the helper adds */
    lpp_profile_t *profile;        /* in the session's pool */

    /* Guarded by the helper's mutex. */
    lpp_session_state_e state;
    lpp_session_t *next;           /* in the queue */
    apr_status_t status;           /* of FAILED */
    const char *const *root_names; /* borrowed, static */
    apr_uint64_t root_cfa;         /* 0: the whole stack */
    int root_known;                /* 0: it is still to be found in copy */
    int can_unwind;
    int pages_begun;               /* lpp_pages_begin was called */
    apr_int64_t start_wall_ns;     /* CLOCK_MONOTONIC; of the samples' start
                                      after lpp_session_sample */
    apr_int64_t end_wall_ns;       /* once STOPPED */
    lpp_used_t used;               /* in the segments that are over */
    lpp_segment_t segment;
    void *kept;                    /* of lpp_gate_release_keep, or NULL */

    /* Of the thread that waits, pauses, resumes and stops. The helper reads
     * copy while that thread waits for it, and arming.armed while it holds the
     * mutex and the session runs. */
    int counted;                   /* counted by the gate as waiting; the
                                      helper's once PREPARING */
    int from_here;                 /* while it waits: the request came from
                                      this host */
    pthread_t thread;              /* the profiled one */
    lpp_stack_copy_t copy;
    lpp_arming_t arming;

    lpp_client_t client;           /* time blocked on the client */
    atomic_int settled;            /* state is past PREPARING */
    atomic_int cut_short;          /* lpp_stop_e */
    atomic_uint lowered_hz;        /* 0: the rate that was asked for */
};

/* Set the wall and CPU time of a session that runs or is paused, up to now;
 * returns its ready time, or -1: not known. The helper's mutex is held.
 * Signal-safe: no. Thread: request. */
apr_int64_t lpp_session_times_now(const lpp_session_t *session,
                                  lpp_weight_t *times);

#endif
