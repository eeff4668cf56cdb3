/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_calls_internal: the recorder's members, for lpp_calls.c and
 * lpp_calls_table.c only.
 */
#ifndef LPP_CALLS_INTERNAL_H
#define LPP_CALLS_INTERNAL_H

#include <pthread.h>

#include "base/lpp_clock.h"
#include "profile/lpp_calls.h"

/* A call, or a scope, that made further requests. */
typedef struct maker_t {
    apr_uint32_t made;   /* scopes that it made, without the one for others */
    apr_uint32_t others; /* the scope for others, 0: none */
} maker_t;

typedef struct place_t {
    apr_uint32_t scope, hook;
    apr_uint32_t active;  /* number of its frames on the stack */
    apr_uint32_t decided;
    int result, has_result;
    apr_uint64_t calls;
    apr_uint64_t wall_ns, cpu_ns, ready_ns;
    apr_uint64_t self_wall_ns, self_cpu_ns, self_ready_ns;
    maker_t maker;
} place_t;

/* A call that runs. */
typedef struct frame_t {
    apr_uint32_t place;
    apr_uint64_t start_wall_ns, start_cpu_ns, start_ready_ns;
    /* of counted calls in it */
    apr_uint64_t below_wall_ns, below_cpu_ns, below_ready_ns;
} frame_t;

typedef struct scope_t {
    lpp_scope_t about;  /* caller: a place here */
    apr_uint32_t hash;  /* of the path, parent and caller */
    maker_t maker;      /* of requests made outside of any counted call */
} scope_t;

#define SCOPE_SLOTS 1024 /* a power of 2, twice LPP_CALLS_SCOPES_MAX */

struct lpp_calls_t {
    apr_pool_t *pool;
    const lpp_hook_t *hooks; /* borrowed */
    apr_uint32_t left_out;
    apr_uint64_t dropped;
    place_t *places;
    apr_uint32_t count, room;
    apr_uint32_t *index;     /* place + 1, 0: free; twice room of them */
    scope_t *scopes;
    apr_uint32_t scope_count, scope_room;
    apr_uint16_t *scope_index; /* scope, 0: free; SCOPE_SLOTS of them, or NULL:
                                  no further request yet */
    lpp_call_span_t *spans;
    apr_uint32_t span_count, span_room;
    frame_t stack[LPP_CALLS_DEPTH_MAX];
    unsigned depth;
    apr_uint32_t last_place;   /* of the last call that began; the place of the
                                  next call is usually the one after it */
    /* The call that ended last. follower is LPP_CALLS_NONE if a call began
     * since, or if the result ended the phase. */
    apr_uint32_t follower;     /* the hook after it */
    apr_uint64_t left_wall_ns, left_cpu_ns;
    /* The CPU clock: the last reading, and the last result of cpu_at. */
    pthread_t thread;
    int has_thread;
    apr_uint64_t seen_wall_ns; /* last time at which a call began or ended */
    apr_uint64_t read_wall_ns; /* time of the last reading */
    apr_uint64_t read_cpu_ns;  /* less offset */
    apr_int64_t offset_ns;     /* the thread's clock less read_cpu_ns */
    apr_uint64_t said_cpu_ns;
    /* Ready time, as of the last reading of the CPU clock. */
    apr_int64_t (*read_ready)(const void *baton); /* or NULL */
    const void *ready_baton;
    apr_int64_t last_ready_ns; /* last value of read_ready; -1: not known */
    apr_uint64_t ready_ns;     /* since the first one, over all threads */
};

static inline apr_uint64_t lpp_calls_less(apr_uint64_t from,
                                          apr_uint64_t what)
{
    return from > what ? from - what : 0;
}

/*
 * The CPU time at the monotonic time now, both in nanoseconds. Between two
 * readings of the CPU clock the thread counts as running. Where it waited, the
 * next reading is less than the last result, which is then returned until the
 * clock has caught up: the result is never less than the true CPU time, and
 * ahead of it by LPP_CALLS_CPU_FIX_NS at most.
 * Signal-safe: yes. Thread: request.
 */
apr_uint64_t lpp_calls_cpu_at(lpp_calls_t *calls, apr_uint64_t now);

#endif
