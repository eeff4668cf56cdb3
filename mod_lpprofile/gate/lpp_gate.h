/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate: allows one profile at a time over all children.
 *
 * It has a global mutex (created by the caller, so that "Mutex ... lpprofile"
 * selects its mechanism) and memory shared by all generations of children,
 * which has the owner of the gate and the number of requests that wait for it.
 * In a child, only the sampler's helper thread locks and unlocks the mutex,
 * since APR's mutexes belong to the thread that locked them, while a request
 * may end on any thread. When the owner's process dies, the kernel unlocks the
 * mutex; the next owner finds the record of the dead one.
 *
 * The mechanisms pthread (robust; httpd's default on Linux), sysvsem (undo),
 * fcntl and flock can be used. posixsem cannot: it stays locked when its owner
 * dies.
 */
#ifndef LPP_GATE_H
#define LPP_GATE_H

#include <apr_global_mutex.h>

#include "base/lpp_base.h"
#include "gate/lpp_ends.h"

/* The owner of the gate: what is being profiled. Every child can read it. */
typedef struct lpp_owner_t {
    apr_uint32_t pid;             /* 0: the gate has no owner */
    apr_uint32_t tid;             /* kernel id of the profiled thread */
    apr_time_t start;             /* of the request, wall clock */
    apr_time_t begin_us;          /* the same moment, CLOCK_MONOTONIC */
    char id[LPP_OOPS_ID_LEN + 1]; /* OOPS id */
    char url[512];                /* masked URL, cut */
    char page_id[LPP_PAGEID_MAX_BYTES + 1]; /* as known so far */
    char host[128];               /* server name */
    char vhost[LPP_VHOST_KEY_LEN + 1]; /* key of the virtual host */
    char method[16];              /* of the request, cut */
    apr_uint32_t formats;         /* LPP_FORMAT_BIT of each file asked for */
    apr_uint32_t aggregate;       /* 1: for the server's sum only, no files */
    apr_uint32_t generation;      /* of the server's configuration */
} lpp_owner_t;

/* Running totals over all children, since the server's full start. */
typedef struct lpp_gate_counts_t {
    apr_uint32_t waiting;   /* requests that wait now */
    apr_uint32_t profiled;  /* profiles begun */
    apr_uint32_t busy;      /* served unprofiled: too many waited */
    apr_uint32_t timed_out; /* served unprofiled: waited too long */
    apr_uint32_t gone;      /* client left while waiting */
    apr_uint32_t child;     /* served unprofiled: the owner waits, or may wait,
                               for them */
    apr_uint32_t died;      /* requests whose process ended meanwhile */
} lpp_gate_counts_t;

typedef enum {
    LPP_GATE_BUSY,
    LPP_GATE_TIMED_OUT,
    LPP_GATE_GONE,
    LPP_GATE_CHILD
} lpp_gate_skip_e;

typedef struct lpp_gate_t lpp_gate_t;

/*
 * Create a gate that uses mutex (borrowed; must outlive the gate), in the
 * parent. pool must be the process pool: the gate serves every generation.
 * Errors: APR_EINVAL without mutex, APR_ENOMEM, that of the anonymous shared
 * mapping.
 * Signal-safe: no. Thread: parent at start.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_create(lpp_gate_t **gate,
                                            apr_global_mutex_t *mutex,
                                            apr_pool_t *pool);

/*
 * Attach to the mutex in a new child and assign the child the place in which
 * its waiting requests are counted; a cleanup of pchild frees the place.
 * Errors: that of apr_global_mutex_child_init (flock opens its file again).
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_child_init(lpp_gate_t *gate,
                                                apr_pool_t *pchild);

/*
 * Try to lock the mutex for at most slice_us (limited to 50 ms). APR_SUCCESS:
 * this child owns the gate; if the previous owner died, its record is removed
 * and its death noted. APR_TIMEUP: another child owns the gate. APR_EINVAL:
 * this child owns it already. Any other error: the mutex is broken.
 * Signal-safe: no. Thread: the helper, always the same one of a child.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_try(lpp_gate_t *gate,
                                         apr_interval_time_t slice_us);

/*
 * set_owner publishes the owner after a successful try and counts a profile;
 * pid 0 means the caller's pid; strings are cut. set_page_id sets the page id,
 * once known, of the profile with that OOPS id. Both do nothing if this child
 * does not own the gate; set_page_id also does nothing if the child owns it for
 * another profile, since a profile may end before its request. release ends the
 * ownership. Errors of release: APR_EINVAL if this child does not own the gate,
 * else that of the unlock.
 * Signal-safe: no. Thread: the helper; set_page_id: any thread of the child.
 */
void lpp_gate_set_owner(lpp_gate_t *gate, const lpp_owner_t *owner);
void lpp_gate_set_page_id(lpp_gate_t *gate, const char *id,
                          const char *page_id);
apr_status_t lpp_gate_release(lpp_gate_t *gate);

/*
 * release_keep releases the gate for a request that goes on after its profile
 * has ended, and keeps its area, so that the death of its process is still
 * reported. *kept is to be passed to lpp_gate_settle when the request has
 * ended; it is NULL if less than half of the areas are free. settle frees the
 * area; NULL is allowed. Errors: as release.
 * Signal-safe: settle only. Thread: the helper; settle: any of this child.
 */
apr_status_t lpp_gate_release_keep(lpp_gate_t *gate, void **kept);
void lpp_gate_settle(void *kept);

/*
 * Copy the owner's record; pid 0: the gate has no owner. The members of the
 * copy belong together. It never waits for a writer, not even for one that was
 * killed while it wrote. The strings are terminated; everything else may be
 * wrong if an attacker controls a child.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_get_owner(const lpp_gate_t *gate, lpp_owner_t *owner);

/*
 * 1 if there is no process with that pid. 0 and numbers that cannot be a
 * process id count as dead, since pid may come from shared memory. Sends no
 * signal.
 * Signal-safe: yes. Thread: any.
 */
int lpp_gate_is_dead(apr_uint32_t pid);

/*
 * enter counts the caller as a request that waits for the gate. It returns
 * APR_EBUSY if max_waiting requests wait already. Each success must be followed
 * by one leave in the same child. forget(pid) removes the waiting requests of a
 * child that died; the parent calls it when it reaps the child, and enter does
 * the same for dead children before it returns APR_EBUSY.
 * Signal-safe: leave and forget only. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_gate_enter(lpp_gate_t *gate,
                                           apr_uint32_t max_waiting);
void lpp_gate_leave(lpp_gate_t *gate);
void lpp_gate_forget(lpp_gate_t *gate, apr_uint32_t pid);

/*
 * Slow clients. client_us returns the total time in which owners were blocked
 * on their clients, in microseconds; each owner adds its time by add_client_us.
 * A waiting request compares the total with that at the begin of its wait, and
 * calls ask_to_end if the difference is too large. asked_to_end returns 1 if
 * ask_to_end was called since the owner's record last changed.
 * Signal-safe: yes. Thread: client_us and ask_to_end: any; the others: the
 * helper.
 */
apr_uint64_t lpp_gate_client_us(const lpp_gate_t *gate);
void lpp_gate_ask_to_end(lpp_gate_t *gate);
void lpp_gate_add_client_us(lpp_gate_t *gate, apr_uint64_t us);
int lpp_gate_asked_to_end(const lpp_gate_t *gate);

/*
 * What the owner's request is blocked on. A request that comes from the owner's
 * own one cannot wait for the gate: the owner would wait for its response. So
 * the owner's child publishes the ends of the sockets that the owner is blocked
 * on, and a waiting request compares them with those of its own connection.
 */
#define LPP_GATE_SOCKETS 64

typedef struct lpp_gate_waits_t {
    apr_uint32_t pid;      /* of the owner; set_waits fills it in */
    apr_uint32_t child;    /* 1: blocked, as far as is known, on another process
                              of this server, or one that it started: any of
                              these may send requests on its behalf */
    apr_uint32_t count;    /* of sockets */
    apr_uint32_t reserved; /* 0 */
    lpp_ends_t sockets[LPP_GATE_SOCKETS];
} lpp_gate_waits_t;

typedef enum {
    LPP_GATE_AWAITS_NOT,   /* not that connection, as far as is known */
    LPP_GATE_AWAITS_MAYBE, /* child is 1: perhaps */
    LPP_GATE_AWAITS        /* the owner has its other end */
} lpp_gate_awaits_e;

/*
 * ask_waits: the owner's child is to look what its request is blocked on.
 * waits_asked: 1 if that was asked since it last returned 1. set_waits
 * publishes the result; it does nothing if this child does not own the gate.
 * awaits: whether the owner is blocked on the other end of the connection with
 * these ends, as last published; it never waits.
 * Signal-safe: set_waits no, the others yes. Thread: ask_waits and awaits: any;
 * waits_asked and set_waits: the owner's helper.
 */
void lpp_gate_ask_waits(lpp_gate_t *gate);
int lpp_gate_waits_asked(lpp_gate_t *gate);
void lpp_gate_set_waits(lpp_gate_t *gate, const lpp_gate_waits_t *waits);
lpp_gate_awaits_e lpp_gate_awaits(const lpp_gate_t *gate,
                                  const lpp_ends_t *ends);

/*
 * Count a request that was served unprofiled; read all counts.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_count_skip(lpp_gate_t *gate, lpp_gate_skip_e why);
void lpp_gate_get_counts(const lpp_gate_t *gate, lpp_gate_counts_t *counts);

/*
 * Deaths. From set_owner to release (or settle), the owner's record is also in
 * an area of the shared memory, with room for post-mortem data (the stack of a
 * crash, its samples). When the owner dies, the area keeps them; the first
 * process that detects the death notes it, and one process takes it over and
 * writes the report.
 */
#define LPP_GATE_AREA_BYTES (2048u * 1024)

/*
 * The memory for the post-mortem data of this child while it owns the gate:
 * LPP_GATE_AREA_BYTES, of which the first 4096 are zero. NULL if this child
 * does not own the gate, or if all areas wait for their reports.
 * Signal-safe: no. Thread: the helper, after set_owner.
 */
void *lpp_gate_extra(const lpp_gate_t *gate);

/*
 * note_death: process pid has ended; if it owned an area, its report is due.
 * Returns 1 if so and the death was not noted before. post_death: this process
 * ends now, before its request is served; owner is the one given to set_owner.
 * Both count the death.
 * Signal-safe: yes. Thread: any; note_death: also the parent.
 */
int lpp_gate_note_death(lpp_gate_t *gate, apr_uint32_t pid);
void lpp_gate_post_death(lpp_gate_t *gate, const lpp_owner_t *owner);

typedef struct lpp_death_t {
    lpp_owner_t owner;
    apr_time_t noted;   /* CLOCK_MONOTONIC when the death was noted */
    /* Its post-mortem data; valid until lpp_gate_forget_death. */
    const void *extra;
    unsigned area;      /* internal */
} lpp_death_t;

/* How many deaths wait for a report. Signal-safe: yes. Thread: any. */
unsigned lpp_gate_deaths(const lpp_gate_t *gate);

/*
 * take_death takes over one death to report: 1, or 0 if there is none. No other
 * process gets the same death unless this one ends before it calls
 * forget_death, which frees the area. Strings are terminated and times are in
 * the past; everything else, extra too, is what a child wrote, and extra may
 * still change.
 * Signal-safe: no. Thread: any.
 */
int lpp_gate_take_death(lpp_gate_t *gate, lpp_death_t *death);
void lpp_gate_forget_death(lpp_gate_t *gate, const lpp_death_t *death);

/* Sums over all finished profiles of all children. */
typedef struct lpp_gate_totals_t {
    apr_uint64_t samples;
    apr_uint64_t lost;
    apr_uint64_t own_ns;     /* CPU time of the profiler ... */
    apr_uint64_t cpu_ns;     /* ... and of the requests it profiled */
    apr_uint64_t stood_down; /* profiles that cost too much: rate lowered, or
                                ended early */
    apr_uint32_t signal;     /* of the profile that ended last; 0: none ended */
    apr_uint32_t languages;  /* whose page functions were read, in any profile:
                                LPP_LANGUAGE_BIT of each */
} lpp_gate_totals_t;

/*
 * Add one profile's figures (signal 0 leaves the stored one); read the sums.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_add_totals(lpp_gate_t *gate, const lpp_gate_totals_t *one);
void lpp_gate_get_totals(const lpp_gate_t *gate, lpp_gate_totals_t *totals);

/*
 * set_error stores text (cut) as the last error. get_error copies it to text, a
 * buffer of that many bytes, and its time (CLOCK_MONOTONIC) to when: "" and 0
 * if there was no error, or while one is being stored.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_set_error(lpp_gate_t *gate, const char *text);
void lpp_gate_get_error(const lpp_gate_t *gate, char *text, apr_size_t bytes,
                        apr_time_t *when);

/*
 * The same for the sentences that say which interpreters were loaded and not
 * read in the last profile.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_set_unread(lpp_gate_t *gate, const char *text);
void lpp_gate_get_unread(const lpp_gate_t *gate, char *text, apr_size_t bytes);

/* The same for what the last profile waited for most.
 * Signal-safe: yes. Thread: any. */
void lpp_gate_set_waited(lpp_gate_t *gate, const char *text);
void lpp_gate_get_waited(const lpp_gate_t *gate, char *text, apr_size_t bytes);

#endif
