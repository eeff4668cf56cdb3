/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate: one profile at a time over all children.
 *
 * A global mutex (made by the skin, so that Mutex ... lpprofile selects its
 * kind) and a page of memory shared by all generations of children: who holds
 * the gate, how many wait. Only the sampler's helper thread of a child takes
 * and releases the mutex, since APR's mutexes belong to the thread that took
 * them, while a request may end on any thread. The kernel frees the mutex when
 * its holder dies; the next holder finds the dead one's record.
 *
 * Fit are the mechanisms pthread (robust; httpd's default on Linux), sysvsem
 * (undo), fcntl and flock. posixsem is not: a dead holder's stays locked.
 */
#ifndef LPP_GATE_H
#define LPP_GATE_H

#include <apr_global_mutex.h>

#include "base/lpp_base.h"

/* What is being profiled, readable by every child. */
typedef struct lpp_holder_t {
    apr_uint32_t pid;             /* 0: nobody */
    apr_uint32_t tid;             /* kernel id of the profiled thread */
    apr_time_t start;             /* of the request, wall clock */
    apr_time_t begin_us;          /* the same moment, CLOCK_MONOTONIC */
    char id[LPP_OOPS_ID_LEN + 1]; /* OOPS id */
    char url[512];                /* masked URL, cut */
    char page_id[LPP_PAGEID_MAX_BYTES + 1]; /* as far as known by then */
    char host[128];               /* server name */
    char vhost[LPP_VHOST_KEY_LEN + 1]; /* of the virtual host that serves it */
    char method[16];              /* of the request, cut */
    apr_uint32_t formats;         /* of the files that were asked for */
    apr_uint32_t aggregate;       /* only for the server's sum: no files */
    apr_uint32_t generation;      /* of the server's configuration */
} lpp_holder_t;

/* Running totals over all children, since the server's full start. */
typedef struct lpp_gate_counts_t {
    apr_uint32_t waiting;   /* requests that wait now */
    apr_uint32_t profiled;  /* profiles begun */
    apr_uint32_t busy;      /* served unprofiled: too many waited */
    apr_uint32_t timed_out; /* served unprofiled: waited too long */
    apr_uint32_t gone;      /* client left while waiting */
    apr_uint32_t child;     /* child of the holder, served unprofiled */
    apr_uint32_t died;      /* requests whose process ended under them */
} lpp_gate_counts_t;

typedef enum {
    LPP_GATE_BUSY,
    LPP_GATE_TIMED_OUT,
    LPP_GATE_GONE,
    LPP_GATE_CHILD
} lpp_gate_skip_e;

typedef struct lpp_gate_t lpp_gate_t;

/*
 * Make a gate around mutex (borrowed; must outlive it) in the parent. pool must
 * be the process pool: the gate serves every generation. Errors: that of the
 * anonymous shared mapping.
 * Signal-safe: no. Thread: parent at start.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_create(lpp_gate_t **gate,
                                            apr_global_mutex_t *mutex,
                                            apr_pool_t *pool);

/*
 * Reattach the mutex in a new child and give the child its place in the
 * waiting room; a cleanup of pchild frees the place. Errors: that of
 * apr_global_mutex_child_init (flock opens its file again).
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_child_init(lpp_gate_t *gate,
                                                apr_pool_t *pchild);

/*
 * Try for the mutex for at most slice_us (kept to 50 ms). APR_SUCCESS: ours;
 * *dead, when not NULL, then tells of a holder that died holding it (pid 0:
 * none; its record is taken away, its death noted). APR_TIMEUP: somebody has
 * it.
 * APR_EINVAL: this child has it already. Else the mutex is broken.
 * Signal-safe: no. Thread: the helper, always the same one of a child.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_try(lpp_gate_t *gate,
                                         apr_interval_time_t slice_us,
                                         lpp_holder_t *dead);

/*
 * Publish who holds the gate (after a successful try; counts a profile; pid 0
 * becomes that of the caller; strings are cut), change the page id of the
 * profile called id once it is known, give the gate back. The first two do
 * nothing where this child does not hold the gate, set_page_id nor where it
 * holds it for another profile: that of id may be over before its request is.
 * release answers APR_EINVAL without the gate, else the unlock's error.
 * Signal-safe: no. Thread: the helper; set_page_id: any thread of the holder.
 */
void lpp_gate_set_holder(lpp_gate_t *gate, const lpp_holder_t *holder);
void lpp_gate_set_page_id(lpp_gate_t *gate, const char *id,
                          const char *page_id);
apr_status_t lpp_gate_release(lpp_gate_t *gate);

/*
 * As release, for a request that goes on though its profile is over: should its
 * process die, its report is due as before. *kept is for lpp_gate_settle when
 * it has ended; NULL where few such places are left.
 * Signal-safe: settle. Thread: the helper; settle: any of this child.
 */
apr_status_t lpp_gate_release_keep(lpp_gate_t *gate, void **kept);
void lpp_gate_settle(void *kept);

/*
 * Copy who holds the gate; pid 0 where nobody does. Never torn, never waits
 * for a writer, not even for one that was killed while it wrote. Its strings
 * end, whatever was written there; beyond that, any child may have made it up.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_get_holder(const lpp_gate_t *gate, lpp_holder_t *holder);

/*
 * 1 where there is no process pid, as read from shared memory: what can be none
 * counts as dead. Sends nothing.
 * Signal-safe: yes. Thread: any.
 */
int lpp_gate_is_dead(apr_uint32_t pid);

/*
 * Take a place in the waiting room: APR_SUCCESS, or APR_EBUSY where
 * max_waiting wait already. Each success is paired with one leave, in the same
 * child. A child that dies while waiting is taken off by lpp_gate_forget(pid),
 * which the parent calls when it learns of the death, or by an enter that finds
 * the room full.
 * Signal-safe: leave and forget. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_enter(lpp_gate_t *gate,
                                           apr_uint32_t max_waiting);
void lpp_gate_leave(lpp_gate_t *gate);
void lpp_gate_forget(lpp_gate_t *gate, apr_uint32_t pid);

/*
 * Slow clients, several in a row: a waiter compares the sum of the time that
 * owners were blocked on their clients with what it was when the wait began,
 * and tells the owner when that is enough. The owner adds to the sum; hurried
 * says whether somebody told it since its record last changed.
 * Signal-safe: yes. Thread: any of the waiter's child; the owner's helper.
 */
apr_uint64_t lpp_gate_client_us(const lpp_gate_t *gate);
void lpp_gate_hurry(lpp_gate_t *gate);
void lpp_gate_add_client_us(lpp_gate_t *gate, apr_uint64_t us);
int lpp_gate_hurried(const lpp_gate_t *gate);

/* Count a request that was served unprofiled; read all counts. */
void lpp_gate_count_skip(lpp_gate_t *gate, lpp_gate_skip_e why);
void lpp_gate_get_counts(const lpp_gate_t *gate, lpp_gate_counts_t *counts);

/*
 * Deaths. What is known of a holder stands in an area of the shared memory
 * from set_holder to release (or settle), with room for what it wants to leave
 * behind (a crash's stack, its samples). A holder that dies leaves its area;
 * whoever learns of that first notes it, and some process, once, takes it and
 * writes the report.
 */
#define LPP_GATE_AREA_BYTES (1280u * 1024)

/*
 * This child's room while it holds the gate, LPP_GATE_AREA_BYTES zeroed in the
 * first 4096; NULL where it does not, or where all areas wait for their
 * reports.
 * Signal-safe: no. Thread: the helper, after set_holder.
 */
void *lpp_gate_extra(const lpp_gate_t *gate);

/*
 * Process pid is gone: if it held the gate, its report is due. 1: it is, and
 * nobody had noted it. post_death: a request of this process will not be
 * served to its end since the process ends now; holder is what set_holder got.
 * Both count the death.
 * Signal-safe: yes. Thread: any; note_death: the parent too.
 */
int lpp_gate_note_death(lpp_gate_t *gate, apr_uint32_t pid);
void lpp_gate_post_death(lpp_gate_t *gate, const lpp_holder_t *holder);

typedef struct lpp_death_t {
    lpp_holder_t holder;
    apr_time_t noted;   /* CLOCK_MONOTONIC when the death was found */
    const void *extra;  /* what it left; valid until lpp_gate_bury */
    unsigned area;      /* internal */
} lpp_death_t;

/* How many wait for their reports. Signal-safe: yes. Thread: any. */
unsigned lpp_gate_deaths(const lpp_gate_t *gate);

/*
 * Take one death to report: 1, or 0 where there is none. Nobody else gets it
 * but when this process dies before it calls bury. Strings end and times lie
 * in the past; all else, extra too, is as some child wrote it, and extra may
 * still change.
 * Signal-safe: no. Thread: any.
 */
int lpp_gate_take_death(lpp_gate_t *gate, lpp_death_t *death);
void lpp_gate_bury(lpp_gate_t *gate, const lpp_death_t *death);

/* Sums over all finished profiles of all children, and what was last. */
typedef struct lpp_gate_totals_t {
    apr_uint64_t samples;
    apr_uint64_t lost;
    apr_uint64_t own_ns;     /* CPU time of the profiler ... */
    apr_uint64_t cpu_ns;     /* ... and of the requests it profiled */
    apr_uint64_t stood_down; /* profiles whose rate it lowered or that it
                                ended since it cost too much */
    apr_uint32_t signal;     /* the last one used, 0: none yet */
} lpp_gate_totals_t;

/*
 * Add one profile's figures (signal 0: leave it); read the sums.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_add_totals(lpp_gate_t *gate, const lpp_gate_totals_t *one);
void lpp_gate_get_totals(const lpp_gate_t *gate, lpp_gate_totals_t *totals);

/*
 * Keep text (cut) as the last error; read it: "" and 0 where there was none or
 * somebody writes it just now.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_set_error(lpp_gate_t *gate, const char *text);
void lpp_gate_get_error(const lpp_gate_t *gate, char *text, apr_size_t bytes,
                        apr_time_t *when);

#endif
