/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tick: what the helper does for the session that runs: reads the thread's
 * clocks, asks for samples, weighs and unwinds them, adds them to the tree.
 *
 * The weight of a sample is the wall, CPU and ready time that really passed
 * since the previous one; ticks are not counted. Time without a sample stays
 * unattributed: it is the difference between the total and the tree.
 */
#ifndef LPP_TICK_INTERNAL_H
#define LPP_TICK_INTERNAL_H

#include "sampling/lpp_awaited_internal.h"
#include "sampling/lpp_cost_internal.h"
#include "sampling/lpp_session.h"
#include "sampling/lpp_thread_internal.h"

/* The sample that was last asked for. */
typedef struct lpp_asked_t {
    int outstanding;        /* a signal without answer */
    apr_uint64_t sequence;  /* of that */
    lpp_weight_t weight;    /* what its sample will weigh */
    apr_int64_t cpu_ns;     /* the thread's CPU clock then */
    apr_uint64_t runs;      /* see lpp_thread_runs; 0: it was not blocked, or
                               not known */
    int blocked;            /* the thread was blocked */
    unsigned changes;       /* lpp_frames_t's then */
    unsigned late;          /* that came too late for page functions, one after
                               the other, in one blocked episode */
} lpp_asked_t;

/* A blocked episode that has been sampled; later time is credited to that
 * sample. */
typedef struct lpp_episode_t {
    enum {
        EPISODE_NONE,
        EPISODE_FRESH,      /* the handler moved the CPU clock since */
        EPISODE_KNOWN
    } state;
    apr_uint32_t node;      /* where its time goes */
    apr_int64_t cpu_ns;     /* KNOWN: the CPU clock stands here */
    apr_int64_t blocked_ns; /* credited so far, without CPU and ready time */
} lpp_episode_t;

#define LPP_BLOCKS_OVER 16

/* The block that kernel events (lpp_kernel_watch_t) have told of. */
typedef struct lpp_block_t {
    apr_uint64_t count;     /* blocks of the session so far */
    apr_int64_t start_ns;   /* when it began */
    int sampled;            /* its stack is in the tree */
    apr_uint32_t node;      /* there */
    apr_int64_t cpu_ns;     /* the CPU clock stands here while it lasts */
    unsigned changes;       /* lpp_frames_t's before it */
    apr_int64_t kept_ns;    /* of earlier ones whose stack is not known */
    unsigned parts;         /* sampled after they were over, since a sample was
                               due */
    int looked_at;          /* its state was read while it lasted */
    int named;              /* what it waits for was looked up ... */
    lpp_pc_t wait;          /* ... and is this; 0: not known */
    struct {
        apr_uint32_t node;
        apr_uint64_t wall_ns;
    } over[LPP_BLOCKS_OVER]; /* blocks whose ready time is not known yet */
    unsigned over_count;
} lpp_block_t;

/* The helper's state of the session that it samples; no other thread uses
 * it. */
typedef struct lpp_tick_t {
    lpp_session_t *session;    /* NULL: none runs */
    unsigned segment;          /* number of the segment that this belongs to */
    int stacks;                /* of the segment: stacks are wanted, and can be
                                  unwound */
    int sampling;              /* the thread is armed: signals may be sent */
    lpp_thread_t thread;
    apr_int64_t interval_ns;   /* between samples */
    apr_int64_t watch_ns;      /* between two readings of the clocks */
    apr_int64_t next_sample_ns;
    apr_int64_t start_wall_ns; /* of the session */
    apr_int64_t cpu_offset_ns; /* from the thread's CPU clock to the request's
                                  CPU time */
    apr_int64_t given_wall_ns; /* time before this is part of a sample's weight,
                                  or unattributed */
    apr_int64_t given_cpu_ns;  /* the same, of the thread's CPU clock */
    apr_int64_t kept_wall_ns;  /* of the time before given_wall_ns, what is for
                                  the next sample: between blocks */
    apr_int64_t given_ready_ns; /* the same, of the thread's count of ready
                                  time; -1: not known */
    apr_int64_t given_preempted_ns; /* the same, of lpp_kernel_watch_ready_ns,
                                  which is a part of it */
    apr_int64_t ready_offset_ns; /* from the request's ready time to the
                                  thread's count */
    apr_int64_t seen_cpu_ns;   /* last reading of the thread's CPU clock ... */
    apr_int64_t seen_wall_ns;  /* ... and when that was first read */
    lpp_asked_t asked;
    lpp_episode_t episode;
    lpp_block_t block;
    lpp_awaited_t awaited;
    apr_int64_t own_start_ns;  /* the helper's CPU clock at the start */
    lpp_cost_t cost;
    int without_events;        /* kernel events cost too much at the lowest
                                  rate: they are not used any more */
    int stand_down;            /* profiling costs too much at the lowest rate:
                                  end the session */
} lpp_tick_t;

/* Begin a session that was granted. Signal-safe: no. Thread: helper. */
void lpp_tick_begin(lpp_sampler_t *sampler, lpp_session_t *session);

/* Begin a new segment, if there is one. The helper's mutex is held, or the
 * session is STOPPED.
 * Signal-safe: no. Thread: helper. */
void lpp_tick_follow(lpp_sampler_t *sampler);

/* One tick of a session that runs; returns when the next one is due
 * (CLOCK_MONOTONIC). Signal-safe: no. Thread: helper. */
apr_int64_t lpp_tick_run(lpp_sampler_t *sampler);

/* Add the samples that the handler has delivered to the tree.
 * Signal-safe: no. Thread: helper. */
void lpp_tick_drain(lpp_sampler_t *sampler);

/* The segment is over: drain; a sample without an answer is lost.
 * Signal-safe: no. Thread: helper. */
void lpp_tick_pause(lpp_sampler_t *sampler);

/* The session is STOPPED and no thread is armed: make its profile final, and
 * add it to the sums of all children.
 * Signal-safe: no. Thread: helper. */
void lpp_tick_finish(lpp_sampler_t *sampler);

#endif
