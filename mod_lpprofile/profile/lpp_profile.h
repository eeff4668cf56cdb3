/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_profile: the samples of one request as a tree of (parent, pc).
 *
 * Has integers only; lpp_view adds names. Node 0 is the request. Nothing here
 * recurses, since the depth of a stack has no limit. When the tree has reached
 * its ceiling, stacks without room are counted, and their weight goes to the
 * deepest node that exists, so that the totals stay right.
 */
#ifndef LPP_PROFILE_H
#define LPP_PROFILE_H

#include "profile/lpp_calls.h"
#include "profile/lpp_waits.h"

/* Wall time has three shares: CPU, ready, and the rest, blocked. */
typedef struct lpp_weight_t {
    apr_uint64_t wall_ns;
    apr_uint64_t cpu_ns;
    apr_uint64_t ready_ns; /* ready to run, without a processor: see
                              lpp_ready_e */
    apr_uint64_t samples;
} lpp_weight_t;

#define LPP_NODE_NONE 0xffffffffu

typedef struct lpp_node_t {
    lpp_pc_t pc;                /* 0 in the root */
    apr_uint32_t parent;        /* LPP_NODE_NONE in the root */
    apr_uint32_t first_child;   /* or LPP_NODE_NONE */
    apr_uint32_t next_sibling;  /* or LPP_NODE_NONE */
    lpp_weight_t self;          /* samples whose leaf this is */
} lpp_node_t;

/* Why a profile ended before its request. */
typedef enum {
    LPP_STOP_NOT = 0,
    LPP_STOP_MAX_TIME,
    LPP_STOP_CLIENT,   /* blocked on the client for too long, in sum */
    LPP_STOP_UPGRADE,  /* 101 */
    LPP_STOP_STREAM,   /* text/event-stream */
    LPP_STOP_CHILD,    /* the process ends */
    LPP_STOP_SELF      /* the profiler cost too much, at its lowest rate */
} lpp_stop_e;

/* What is known of the time in which a thread was ready to run. */
typedef enum {
    LPP_READY_UNKNOWN, /* nothing: ready_ns is 0 and its time is in the rest */
    LPP_READY_SEEN,    /* the kernel does not count it: ready_ns is all time
                          without CPU in which the thread was not seen asleep */
    LPP_READY_EXACT    /* as the kernel counts it */
} lpp_ready_e;

/* Of page functions (interp/): what was seen. Every report shows what is not
 * 0. */
#define LPP_PAGE_UNREAD_BYTES 512
typedef struct lpp_page_statistics_t {
    apr_uint64_t samples;   /* with a page function */
    apr_uint64_t cut;       /* samples whose chain was longer than
                               LPP_SNAPSHOT_PAGE_FRAMES, or could not be read to
                               its end */
    apr_uint64_t late;      /* samples taken too long after they were asked for:
                               not read */
    apr_uint64_t refused;   /* samples not read, since the program itself takes
                               or blocks SIGSEGV or SIGBUS */
    apr_uint64_t ambiguous; /* samples in which several interpreters of the
                               thread had frames, and the C stack did not say
                               which one runs */
    apr_uint64_t nameless;  /* frames of functions for which no room was left:
                               "[more functions]" */
    apr_uint64_t faults;    /* guarded loads that faulted */
    char unread[LPP_PAGE_UNREAD_BYTES]; /* sentences: which interpreters are
                               loaded but not read, and why; or "" */
} lpp_page_statistics_t;

/* Sampling statistics, which every report shows. */
typedef struct lpp_sampling_statistics_t {
    apr_uint64_t samples;        /* in the tree */
    apr_uint64_t lost;           /* ring full, or the signal was not handled */
    apr_uint64_t cut;            /* stacks copied without their outer end */
    apr_uint64_t broken;         /* stacks an unwinder could not finish */
    apr_uint64_t overflowed;     /* stacks the tree had no node left for */
    apr_uint64_t blocked_ns;     /* of wall: seen blocked, no signal sent */
    apr_uint64_t signals;        /* sent to the profiled thread */
    apr_uint64_t repaired_calls; /* system calls restarted after a signal */
    apr_uint64_t own_ns;         /* CPU of the helper for this profile */
    apr_uint32_t asked_hz;       /* LPProfileRate */
    apr_uint32_t lowered_hz;     /* rate at the end, where the profiler lowered
                                    it since it cost too much; else 0 */
    int kernel_events;           /* 1: blocks were told by kernel events */
    apr_uint64_t kernel_blocks;  /* that they told of */
    apr_uint64_t kernel_lost;    /* records of theirs that did not fit into
                                    their memory, of all threads */
    int cut_short;               /* lpp_stop_e of an early end, 0: none */
    int ready;                   /* lpp_ready_e */
    const char *unwinder;        /* static string */
    lpp_page_statistics_t pages;
} lpp_sampling_statistics_t;

typedef struct lpp_profile_t {
    lpp_node_t *nodes;
    apr_uint32_t count;     /* nodes in use, at least 1 */
    apr_uint32_t allocated; /* internal */
    apr_uint32_t max_nodes; /* ceiling */
    lpp_weight_t total;     /* exact: from start to stop. The caller sets the
                               times, add and credit count the samples */
    lpp_sampling_statistics_t statistics;
    lpp_waits_t waits;      /* of the frames that are waits */
    const lpp_calls_table_t *calls; /* exact calls, borrowed, or NULL: set by
                               the caller, not merged */
    apr_pool_t *pool;       /* owns nodes by a cleanup */
    void *index;            /* internal: finds a child in constant time */
} lpp_profile_t;

/*
 * An empty profile in pool. max_nodes 0: LPP_TREE_MAX_NODES.
 * Signal-safe: no. Thread: one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_profile_create(lpp_profile_t **profile,
                                               apr_uint32_t max_nodes,
                                               apr_pool_t *pool);

/*
 * add adds one stack, frames leaf first (count 0: the weight goes to the root),
 * and returns the node of the leaf. It never fails: a stack without room is
 * counted. credit adds more time to that node, for example the rest of a wait.
 * Both add to the samples of total and of the statistics.
 * Signal-safe: no. Thread: one at a time (the helper).
 */
apr_uint32_t lpp_profile_add(lpp_profile_t *profile, const lpp_pc_t *frames,
                             unsigned count, const lpp_weight_t *weight);
void lpp_profile_credit(lpp_profile_t *profile, apr_uint32_t node,
                        const lpp_weight_t *weight);

/*
 * Set total.ready_ns and statistics.ready of a profile with all other figures.
 * exact_ns: as the kernel counted it, or -1; then seen, if 1, says that the
 * nodes are LPP_READY_SEEN.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_profile_set_ready(lpp_profile_t *profile, apr_int64_t exact_ns,
                           int seen);

/*
 * Copy a profile into another pool.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: one at a time.
 */
LPP_MUST_CHECK apr_status_t lpp_profile_clone(const lpp_profile_t *profile,
                                              lpp_profile_t **clone,
                                              apr_pool_t *pool);

/*
 * Add all of from to into, totals and statistics too; both must use the same
 * object numbers in lpp_pc_t. Never fails: samples without room are counted.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_profile_merge(lpp_profile_t *into, const lpp_profile_t *from);

#endif
