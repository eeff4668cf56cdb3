/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sampler: the helper thread of a child, and one profile being made.
 *
 * The helper owns the gate, ticks with CLOCK_MONOTONIC absolute sleeps, weighs
 * each sample with the wall and CPU time that really passed, sends no signal
 * to a thread whose CPU clock stands still (one blocked episode gets one sample
 * and then only credit), unwinds, builds the tree, ends a profile that lasts
 * too long. It is made at the first profile, with all signals blocked, and
 * sleeps unless a profile runs or waits.
 */
#ifndef LPP_SAMPLER_H
#define LPP_SAMPLER_H

#include "gate/lpp_gate.h"
#include "objects/lpp_maps.h"
#include "profile/lpp_profile.h"
#include "unwind/lpp_unwind.h"

typedef struct lpp_sampler_t lpp_sampler_t; /* one a child */
typedef struct lpp_session_t lpp_session_t; /* one profile being made */

typedef struct lpp_sampler_options_t {
    lpp_gate_t *gate;               /* borrowed, process life */
    lpp_maps_t *maps;               /* borrowed, owned by the helper from now */
    lpp_unwinder_t *unwinder;       /* ready, over maps: made in the parent and
                                       the helper's alone from now; or NULL: one
                                       of unwind_kind is made here */
    lpp_unwind_kind_e unwind_kind;
    int signal_number;              /* or LPP_SIGNAL_AUTO */
    const void *hidden_start;       /* code whose frames no stack shows: its
                                       callees stand below its callers ... */
    const void *hidden_end;         /* ... or NULL */
    const void *passes_start;       /* likewise: the section lpp_passes */
    const void *passes_end;
    const void *(*stands_for)(const void *address); /* the function to show in
                                       place of such a frame, or NULL: none;
                                       called by the helper */
} lpp_sampler_options_t;

/*
 * Make the sampler of this child. Starts no thread, and leaves the memory of
 * the ring (4 MB) untouched, which only a child that profiles needs: the helper
 * touches it at the first session. A cleanup of pool asks the helper to stop
 * and waits for it, CLEANUP_WAIT_MS naps of a millisecond (it may run inside
 * prefork's signal handler: an atomic flag and a bounded wait, nothing else).
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_sampler_create(
    lpp_sampler_t **sampler, const lpp_sampler_options_t *options,
    apr_pool_t *pool);

/* Set the stop flag: waiters are let go unprofiled, no session starts.
 * Signal-safe: yes. Thread: any. */
void lpp_sampler_stop(lpp_sampler_t *sampler);

/* The signal in use in this process, 0 before the first session or without. */
int lpp_sampler_signal(const lpp_sampler_t *sampler);

typedef struct lpp_session_options_t {
    lpp_holder_t holder;             /* pid and tid are filled in here */
    const char *parent_id;           /* OOPS id of the profiled request that
                                        sent this one, or NULL */
    apr_uint32_t rate_hz;
    int stacks;                      /* 0: hold the gate, sample nothing */
    apr_uint32_t max_waiting;        /* 0: only a gate that is free is taken */
    apr_interval_time_t lock_timeout_us;    /* < 0: no limit */
    apr_interval_time_t max_time_us;        /* <= 0: no limit */
    apr_interval_time_t max_client_wait_us; /* blocked on the client, all
                                               together, or before that, where
                                               others waited that long for
                                               clients; <= 0: no limit */
    int (*wanted)(void *baton);      /* asked every 250 ms while waiting, on the
                                        waiting thread; 0: the client is gone.
                                        May be NULL */
    void *wanted_baton;
} lpp_session_options_t;

/* How a start went. */
typedef enum {
    LPP_START_RUNNING,   /* armed, or holding the gate where stacks is 0 */
    LPP_START_NO_SIGNAL, /* holding the gate, no signal available, or no stack
                            for its handler: exact totals, no stacks but those
                            of blocked threads */
    LPP_START_BUSY,      /* max_waiting wait already */
    LPP_START_TIMED_OUT, /* lock_timeout_us passed */
    LPP_START_GONE,      /* wanted said no */
    LPP_START_CHILD,     /* the holder waits for this very request */
    LPP_START_STOPPING,  /* this child ends */
    LPP_START_FORKED,    /* this process was forked by the child whose sampler
                            it is: it has no helper */
    LPP_START_FAILED     /* status says why */
} lpp_start_e;

#define LPP_ROOT_FARTHER '^'

/*
 * A session will be started in a moment: wakes the helper, so that it is up by
 * then. Costs a knock at most, however busy the gate; nothing need follow.
 * Signal-safe: no. Thread: request.
 */
void lpp_sampler_expect(lpp_sampler_t *sampler);

/*
 * Wait for one's turn, then profile the calling thread. *waited_us is how long
 * that took. *session is set for RUNNING and NO_SIGNAL only, lives in pool
 * (which must stay until lpp_session_close) and must be closed. What was BUSY,
 * TIMED_OUT, GONE or CHILD is counted at the gate. The root of all stacks is
 * the frame that called into reading and serving the request: root_names
 * (NULL-terminated, static) are exported functions; the root is the caller of
 * the outermost of them that is on the stack now, or the thread's first frame.
 * A name after LPP_ROOT_FARTHER is called by one that returns before the
 * request is served: there the root is that one's caller.
 * Signal-safe: no. Thread: request.
 */
LPP_MUST_CHECK lpp_start_e lpp_session_start(
    lpp_sampler_t *sampler, const lpp_session_options_t *options,
    const char *const *root_names, lpp_session_t **session,
    apr_interval_time_t *waited_us, apr_status_t *status, apr_pool_t *pool);

/*
 * The request leaves its thread and comes back, perhaps on another one.
 * Signal-safe: no. Thread: pause on the profiled one, resume on the next one.
 */
void lpp_session_pause(lpp_session_t *session);
LPP_MUST_CHECK apr_status_t lpp_session_resume(lpp_session_t *session);

/*
 * Begin to take samples in a session that was started without (stacks 0): its
 * profile begins now, with root_names as for start; its max_time_us began when
 * it did. RUNNING, NO_SIGNAL as for start; FAILED: it had ended before.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK lpp_start_e lpp_session_sample(lpp_session_t *session,
                                              const char *const *root_names);

/*
 * Bracket calls that wait for the client (network writes and reads), so that a
 * slow one does not hold the gate: the session ends once they have blocked for
 * max_client_wait_us, all together. CPU time spent in them does not count.
 * Signal-safe: yes. Thread: the profiled one.
 */
void lpp_session_client_enter(lpp_session_t *session);
void lpp_session_client_leave(lpp_session_t *session);

/*
 * End sampling: the mask and the signal are given back, the clocks are read;
 * the helper drains what is left and releases the gate after this returned.
 * why LPP_STOP_NOT: the ordinary end. Idempotent. Must run on the profiled
 * thread; where it runs on another (a request that ended there), the samples
 * since are dropped and the old thread is left as it is until it is next seen.
 * Signal-safe: no. Thread: the profiled one.
 */
void lpp_session_stop(lpp_session_t *session, lpp_stop_e why);

/* 0, or why the helper ended it early. Thread: any. */
lpp_stop_e lpp_session_cut_short(const lpp_session_t *session);

/* 0, or the rate it was lowered to since the profiler took over 10 % of the
 * request's CPU time. Thread: any. */
apr_uint32_t lpp_session_lowered_hz(const lpp_session_t *session);

/*
 * A copy of the profile as of now, in pool. Before stop: the helper brings it
 * up to date first; after stop: it is final. Waits for the helper (bounded by
 * timeout_us; then APR_TIMEUP).
 * Signal-safe: no. Thread: the profiled one before stop, any after.
 */
LPP_MUST_CHECK apr_status_t lpp_session_profile(
    lpp_session_t *session, lpp_profile_t **profile,
    apr_interval_time_t timeout_us, apr_pool_t *pool);

/*
 * The stack of the calling function now, leaf first, less the callers of
 * lpp_session_start's root; at most max - 1 frames, *count of them. Done by the
 * helper while this waits.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK apr_status_t lpp_session_stack(lpp_session_t *session,
                                              lpp_pc_t *frames, unsigned max,
                                              unsigned *count);

/*
 * Wait until the helper has let go of the session; its pool may go then.
 * Stops it first where that was forgotten. Where the child ends meanwhile, that
 * wait is bounded by a second.
 * Signal-safe: no. Thread: any.
 */
void lpp_session_close(lpp_session_t *session);

#endif
