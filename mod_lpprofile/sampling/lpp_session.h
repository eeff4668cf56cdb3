/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_session: one profile, from the wait for the gate to the final profile, as
 * the request that is profiled uses it.
 */
#ifndef LPP_SESSION_H
#define LPP_SESSION_H

#include "gate/lpp_ends.h"
#include "sampling/lpp_sampler.h"

typedef struct lpp_session_t lpp_session_t;

typedef struct lpp_session_options_t {
    lpp_owner_t owner;             /* pid and tid are filled in here */
    lpp_ends_t connection;           /* by which the request came; zeros: not
                                        known */
    apr_uint32_t rate_hz;            /* 0: 1000 */
    int stacks;                      /* 0: own the gate, sample nothing */
    apr_uint32_t languages;          /* whose page functions are read:
                                        LPP_LANGUAGE_BIT of each */
    apr_uint32_t max_waiting;        /* 0: only a gate that is free is taken */
    apr_interval_time_t lock_timeout_us;    /* < 0: no limit */
    apr_interval_time_t max_time_us;        /* <= 0: no limit */
    apr_interval_time_t max_client_wait_us; /* blocked on the client, all calls
                                               together; or less, where others
                                               waited that long for clients;
                                               <= 0: no limit */
    int (*wanted)(void *baton);      /* called at least every 250 ms while
                                        waiting, on the waiting thread; 0: the
                                        client has closed the connection. May
                                        be NULL */
    void *wanted_baton;
} lpp_session_options_t;

/* The result of a start. */
typedef enum {
    LPP_START_RUNNING,   /* armed; if stacks is 0, only owner of the gate */
    LPP_START_NO_SIGNAL, /* owner of the gate, but no signal or unwinder is
                            available, or no stack for the handler: exact
                            totals, no stacks but those of blocked threads */
    LPP_START_BUSY,      /* max_waiting wait already */
    LPP_START_TIMED_OUT, /* lock_timeout_us passed */
    LPP_START_GONE,      /* wanted returned 0 */
    LPP_START_CHILD,     /* the owner of the gate is waiting for this request,
                            or, after a second, may be: it waits for a process
                            of this host, and the request came from there */
    LPP_START_STOPPING,  /* this child ends */
    LPP_START_FORKED,    /* this process was forked by the one that made the
                            sampler: it has no helper */
    LPP_START_FAILED     /* status has the reason */
} lpp_start_e;

/*
 * Wait for the gate, then profile the calling thread. *waited_us is how long
 * the wait was. *session is set for RUNNING and NO_SIGNAL only, NULL else; it
 * is in pool, which must exist until lpp_session_close has returned, and must
 * be closed. BUSY, TIMED_OUT, GONE and CHILD are counted by the gate.
 *
 * The root of all stacks is the frame that called the functions that read and
 * serve the request. root_names (NULL-terminated, static) are exported
 * functions: the root is the caller of the outermost of them that is on the
 * stack now, or the thread's first frame. A name after LPP_ROOT_FARTHER is
 * called by a function that returns before the request is served: then the root
 * is the caller of that function.
 *
 * *status of FAILED: those of lpp_gate_try, lpp_profile_create, of the locks
 * and the helper's pthread_create; APR_ENOMEM; what pthread_getattr_np returns.
 * Signal-safe: no. Thread: request.
 */
#define LPP_ROOT_FARTHER '^'
LPP_MUST_CHECK lpp_start_e lpp_session_start(
    lpp_sampler_t *sampler, const lpp_session_options_t *options,
    const char *const *root_names, lpp_session_t **session,
    apr_interval_time_t *waited_us, apr_status_t *status, apr_pool_t *pool);

/*
 * pause: the request leaves its thread; resume: it continues, perhaps on
 * another thread. For a session that has ended, pause only restores the mask of
 * the thread, and resume does nothing. Errors of resume: if the session stays
 * paused: APR_TIMEUP, the helper did not answer within two seconds;
 * APR_EGENERAL, there is no helper any more; those of pthread_getattr_np. If it
 * runs, but without signals: those of lpp_signal_arm.
 * Signal-safe: no. Thread: pause on the profiled one, resume on the next one.
 */
void lpp_session_pause(lpp_session_t *session);
LPP_MUST_CHECK apr_status_t lpp_session_resume(lpp_session_t *session);

/*
 * Begin to take samples in a session that was started without (stacks 0): its
 * profile begins now, with root_names as for start; its max_time_us began with
 * the start. RUNNING, NO_SIGNAL as for start; FAILED: it had ended before, or
 * lpp_session_resume failed.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK lpp_start_e lpp_session_sample(lpp_session_t *session,
                                              const char *const *root_names);

/*
 * Called around calls that wait for the client (network writes and reads), so
 * that a slow client does not hold the gate: the session ends once these calls
 * have blocked for max_client_wait_us in total. CPU time used in them does not
 * count. They may be nested.
 * Signal-safe: yes. Thread: the profiled one.
 */
void lpp_session_client_enter(lpp_session_t *session);
void lpp_session_client_leave(lpp_session_t *session);

/*
 * End sampling: restores the mask and the signal, reads the clocks; afterwards
 * the helper adds the remaining samples and releases the gate. why
 * LPP_STOP_NOT: the ordinary end. Only the first end counts. Call it on the
 * profiled thread. On another thread (if the request ended there) sampling
 * stops as well, but the signal stays taken, and the mask of the profiled
 * thread stays changed until that thread is armed and disarmed again.
 * Signal-safe: no. Thread: the profiled one.
 */
void lpp_session_stop(lpp_session_t *session, lpp_stop_e why);

/* Why the session was ended early, by the helper or by stop; LPP_STOP_NOT: it
 * was not. Signal-safe: yes. Thread: any. */
lpp_stop_e lpp_session_cut_short(const lpp_session_t *session);

/* 0, or the rate it was lowered to since the profiler took over 10 % of the
 * request's CPU time. Signal-safe: yes. Thread: any. */
apr_uint32_t lpp_session_lowered_hz(const lpp_session_t *session);

/*
 * The times of a session that runs or is paused, up to now; samples is 0.
 * Returns what is known of ready time (lpp_ready_e): EXACT or UNKNOWN.
 * Signal-safe: no. Thread: request.
 */
int lpp_session_times(lpp_session_t *session, lpp_weight_t *times);

/* How long the calling thread was ready to run and had no processor, in
 * nanoseconds, since it began; -1: not known, or it is not the profiled thread.
 * session: an lpp_session_t.
 * Signal-safe: no. Thread: request. */
apr_int64_t lpp_session_ready_ns(const void *session);

/*
 * A copy of the profile as of now, in pool. Before stop, the helper first adds
 * the samples received so far; after stop it is final. Waits for the helper.
 * Errors: APR_TIMEUP, it did not answer within timeout_us; APR_EGENERAL, there
 * is no helper any more; those of lpp_profile_clone.
 * Signal-safe: no. Thread: the profiled one before stop, any after.
 */
LPP_MUST_CHECK apr_status_t lpp_session_profile(
    lpp_session_t *session, lpp_profile_t **profile,
    apr_interval_time_t timeout_us, apr_pool_t *pool);

/*
 * A copy of what it waited for until now, with what the helper has added so
 * far; to be freed by lpp_waits_free. Names are in the table of page functions
 * (lpp_pagecode_get).
 * Signal-safe: no. Thread: any.
 */
void lpp_session_waits(lpp_session_t *session, lpp_waits_t *waits);

/*
 * The stack of the calling function now, leaf first, less the callers of
 * lpp_session_start's root; at most max frames, *count of them. On the profiled
 * thread, with its page functions. Unwound by the helper while this waits.
 * Errors, *count is then 0: APR_TIMEUP, the helper did not answer within two
 * seconds; APR_EGENERAL, there is no helper any more; those of
 * pthread_getattr_np.
 * Signal-safe: no. Thread: the profiled one.
 */
LPP_MUST_CHECK apr_status_t lpp_session_stack(lpp_session_t *session,
                                              lpp_pc_t *frames, unsigned max,
                                              unsigned *count);

/*
 * Wait until the helper does not use the session any more; its pool may be
 * destroyed then. Stops the session first, if it was not stopped. If the child
 * ends meanwhile, the wait is at most a second for the mutex and one for the
 * helper, which may still use the session then: its pool has to stay.
 * Signal-safe: no. Thread: any.
 */
void lpp_session_close(lpp_session_t *session);

#endif
