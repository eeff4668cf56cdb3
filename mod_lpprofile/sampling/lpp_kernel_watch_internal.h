/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_kernel_watch: the profiled thread as kernel events show it: when it
 * blocks, when it runs again, its stack at that moment, and for how long it
 * was ready to run after it was preempted.
 *
 * The records of a thread lie in the rings of several processors. A record is
 * written before the thread can run on another processor. So of the records
 * with a time before a refresh none is missing, and they can be read in order.
 */
#ifndef LPP_KERNEL_WATCH_INTERNAL_H
#define LPP_KERNEL_WATCH_INTERNAL_H

#include "sampling/lpp_kernel_internal.h"

typedef enum {
    LPP_WATCH_NOTHING, /* no more changes until then */
    LPP_WATCH_BLOCKS,  /* the thread has left its processor to wait */
    LPP_WATCH_RUNS,    /* a thread that was blocked runs again */
    LPP_WATCH_DOUBT    /* a thread that was blocked may have run: records were
                          lost */
} lpp_watch_change_e;

typedef struct lpp_kernel_watch_t {
    lpp_kernel_t *kernel;  /* borrowed; NULL: not wanted */
    int started;
    unsigned tid;          /* of the thread; 0: none */
    int logged;            /* that it cannot be watched */
    enum {
        WATCH_UNKNOWN,
        WATCH_ACTIVE,      /* it runs */
        WATCH_READY,       /* it was preempted, and would run if it had a
                              processor */
        WATCH_BLOCKED
    } state;
    apr_int64_t from_ns;   /* see lpp_kernel_watch_from */
    apr_int64_t ready_ns;  /* READY since then, in periods that are over */
    apr_int64_t out_ns;    /* when it became READY */
    lpp_snapshot_t snapshot; /* when it blocked last; stack_len 0: not known */
    int whole_only;        /* snapshot cannot be unwound without look */
    int kept;              /* snapshot is of the switch that is read now */
    unsigned char stack[LPP_KERNEL_STACK_BYTES];
    apr_uint64_t lost;     /* records, of all threads */
} lpp_kernel_watch_t;

/*
 * Watch thread tid from now on, unless it is watched already. active: the
 * thread runs, or it will be seen when it runs again. On failure nothing is
 * watched, which is logged once in a process. end: does nothing if none is
 * watched.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_kernel_watch_follow(lpp_kernel_watch_t *watch, unsigned tid,
                             int active);
void lpp_kernel_watch_end(lpp_kernel_watch_t *watch);

/* Count ready time from from_ns (CLOCK_MONOTONIC) on, anew.
 * Signal-safe: yes. Thread: the helper. */
void lpp_kernel_watch_from(lpp_kernel_watch_t *watch, apr_int64_t from_ns);

/*
 * For how long the thread was preempted, up to until_ns: the changes up to then
 * were read. What it waits for a processor once a block is over is not part of
 * this: no event tells when it was woken.
 * Signal-safe: yes. Thread: the helper.
 */
apr_int64_t lpp_kernel_watch_ready_ns(const lpp_kernel_watch_t *watch,
                                      apr_int64_t until_ns);

/*
 * See what the kernel has written so far. Then next, called until it returns
 * NOTHING, returns the changes up to until_ns (CLOCK_MONOTONIC, a time before
 * the refresh) and their times; it sets watch's state and snapshot.
 * Signal-safe: yes. Thread: the helper.
 */
void lpp_kernel_watch_refresh(lpp_kernel_watch_t *watch);
lpp_watch_change_e lpp_kernel_watch_next(lpp_kernel_watch_t *watch,
                                         apr_int64_t until_ns,
                                         apr_int64_t *time_ns);

/* How a stack is read. */
typedef enum {
    LPP_WATCH_BY_KERNEL, /* the kernel copies: not in state D, where the thread
                            may hold the lock that this needs */
    LPP_WATCH_BY_LOADS   /* by guarded loads (interp/lpp_peek.h), which must be
                            permitted */
} lpp_watch_how_e;

/*
 * Copy the stack of the thread, which is BLOCKED, as far as the request's root:
 * from its SP to stack_end where that is in its own stack, which begins at
 * stack_start; else as much as there is. copy has LPP_STACK_MAX_BYTES. 0: it
 * cannot be read. The copy is of use only if the thread is still blocked
 * afterwards.
 * Signal-safe: yes. Thread: the helper.
 */
int lpp_kernel_watch_look(const lpp_kernel_watch_t *watch, lpp_watch_how_e how,
                          apr_uint64_t stack_start, apr_uint64_t stack_end,
                          unsigned char *copy, lpp_snapshot_t *snapshot);

/* Whether the thread, which was BLOCKED when next returned NOTHING, is known
 * not to have run since.
 * Signal-safe: yes. Thread: the helper. */
int lpp_kernel_watch_is_still(lpp_kernel_watch_t *watch);

#endif
