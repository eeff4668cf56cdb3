/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_waits: what a request waited for: how often, and how long. It is a frame
 * of the tree as well, whose time also has what no episode has: the time
 * between the sample before and the moment when the thread was seen asleep.
 *
 * An episode is one wait: from when the thread is first seen asleep until it
 * runs again.
 */
#ifndef LPP_WAITS_H
#define LPP_WAITS_H

#include "base/lpp_base.h"

#define LPP_WAITS_MAX 256        /* rows; later ones are counted in more */
#define LPP_WAIT_EPISODES_MAX 1000 /* long episodes that are kept */
#define LPP_WAIT_LONG_NS 10000000  /* an episode this long is kept */
#define LPP_WAIT_NOTE_BYTES 64

/* What was waited for. */
typedef struct lpp_wait_t {
    lpp_pc_t pc;             /* its frame, see LPP_PC_IS_WAIT */
    apr_uint64_t times;      /* episodes */
    apr_uint64_t total_ns;   /* of all episodes */
    apr_uint64_t longest_ns; /* of one episode */
    char note[LPP_WAIT_NOTE_BYTES]; /* the service of a port, the holder of a
                                lock as last seen, or "" */
} lpp_wait_t;

/* An episode of LPP_WAIT_LONG_NS or more. */
typedef struct lpp_wait_episode_t {
    lpp_pc_t pc;
    apr_int64_t start_ns;    /* CLOCK_MONOTONIC */
    apr_uint64_t wall_ns;
} lpp_wait_episode_t;

typedef struct lpp_waits_t {
    lpp_wait_t *rows;        /* malloc'd */
    apr_uint32_t count;
    apr_uint64_t more;       /* episodes without a row */
    lpp_wait_episode_t *episodes; /* malloc'd, in the order of their starts */
    apr_uint32_t episode_count;
    apr_uint32_t episodes_more; /* that were not kept */
    apr_uint64_t last_ns;    /* of the last episode, as far as it is added */
} lpp_waits_t;

/*
 * Begin an episode; note may be "". Without room, or memory, it is counted
 * only.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_waits_begin(lpp_waits_t *waits, lpp_pc_t pc, const char *note);

/*
 * The episode of pc that began last, at start_ns, has lasted until now_ns, and
 * may continue.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_waits_last(lpp_waits_t *waits, lpp_pc_t pc, apr_int64_t start_ns,
                    apr_int64_t now_ns);

/* Add all of from to into; without room or memory it is counted only.
 * Signal-safe: no. Thread: one at a time. */
void lpp_waits_merge(lpp_waits_t *into, const lpp_waits_t *from);

/* The row with the largest total, or NULL: there is none.
 * Signal-safe: yes. Thread: one at a time. */
const lpp_wait_t *lpp_waits_heaviest(const lpp_waits_t *waits);

/* Free the rows and episodes; waits is empty then.
 * Signal-safe: no. Thread: one at a time. */
void lpp_waits_free(lpp_waits_t *waits);

#endif
