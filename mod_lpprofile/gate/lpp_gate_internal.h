/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate_shared: the memory behind the gate, for the files of the gate only:
 * lpp_gate.c is the mutex, the record and the waiting room, lpp_gate_deaths.c
 * what is kept of a holder that died, lpp_gate_totals.c figures.
 */
#ifndef LPP_GATE_INTERNAL_H
#define LPP_GATE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lpp_clock.h"
#include "gate/lpp_gate.h"

#define LPP_GATE_PLACES 4096   /* children that can have waiters at a time */
#define LPP_GATE_AREAS 8       /* holder and unreported deaths at a time */
#define LPP_GATE_ERROR_BYTES 256

#define RECORD_WORDS                                                          \
    ((sizeof(lpp_holder_t) + sizeof(apr_uint64_t) - 1) / sizeof(apr_uint64_t))

/* A holder as words, so that copying it while it changes is defined. */
typedef struct record_t {
    _Atomic apr_uint64_t word[RECORD_WORDS];
} record_t;

/*
 * What is kept of a holder beyond its death. state is AREA_STATE(kind, pid):
 * FREE, HELD by the child that holds the gate, DEAD and waiting for its report,
 * or TAKEN by the process that writes it. Whoever changes the state by
 * compare-and-exchange owns what the old state meant, so a death is found once
 * however many look.
 */
enum { AREA_FREE, AREA_HELD, AREA_DEAD, AREA_TAKEN };
#define AREA_STATE(kind, pid) (((apr_uint64_t)(kind) << 32) | (pid))
#define AREA_KIND(state) ((int)((state) >> 32))
#define AREA_PID(state) ((apr_uint32_t)(state))

typedef struct area_t {
    _Atomic apr_uint64_t state;
    _Atomic apr_int64_t noted; /* lpp_monotonic_us() when it was found */
    lpp_holder_t holder;
    _Alignas(64) unsigned char extra[LPP_GATE_AREA_BYTES];
} area_t;

/*
 * The memory that all children of all generations see, and may write whatever
 * they like into: a child that is not itself any more runs as User, the parent
 * and what reads this after a death may be root. So each count, index, length
 * and string in it is read once, into a local, and bounded before use; nothing
 * in it is an address; no loop of the parent ends only when a child lets it.
 */
typedef struct shared_t {
    /* Number of records published; the one in force is record[published & 1].
     * Only who has the mutex writes, into the other one, so a writer that is
     * killed half-way leaves the record in force as it was. */
    _Atomic apr_uint32_t published;
    record_t record[2];

    _Atomic apr_uint32_t profiled;
    _Atomic apr_uint32_t skipped[LPP_GATE_CHILD + 1]; /* by lpp_gate_skip_e */
    _Atomic apr_uint32_t died;

    /* Whose turn it is to add a waiter; 0: nobody's. Makes "count, then add"
     * exact while all are alive; see take_turn for a dead one. */
    _Atomic apr_uint32_t turn;
    _Atomic apr_uint32_t tickets;

    /* Waiters, by child: see PLACE. */
    _Atomic apr_uint32_t places_used; /* highest index ever taken, plus 1 */
    _Atomic apr_uint64_t place[LPP_GATE_PLACES];

    /* Time that owners were blocked on their clients, all together, and the
     * published record whose owner shall wait for its own no longer. */
    _Atomic apr_uint64_t client_us;
    _Atomic apr_uint32_t hurried;

    /* Sums over finished profiles: see lpp_gate_totals_t. */
    _Atomic apr_uint64_t samples, lost, own_ns, cpu_ns, stood_down;
    _Atomic apr_uint32_t signal;

    /* The last error: a number that is odd while somebody writes the text. */
    _Atomic apr_uint32_t error_number;
    _Atomic apr_int64_t error_time;
    _Atomic char error_text[LPP_GATE_ERROR_BYTES];

    area_t area[LPP_GATE_AREAS]; /* untouched ones cost no memory */
} shared_t;

struct lpp_gate_t {
    apr_global_mutex_t *mutex; /* borrowed */
    shared_t *shared;          /* of all children */
    unsigned place;            /* this child's; the last is the shared one */
    apr_uint32_t place_pid;    /* pid that stands there */
    pthread_mutex_t writing;   /* guards held, area and publish(), in this
                                  child */
    int held;                  /* by this child; 0 in the parent, so after
                                  fork too */
    area_t *area;              /* this child's while it holds, or NULL */
};

/* What was copied out of shared memory becomes fit to be read: its strings end,
 * its times are ones that a clock can show. Signal-safe: yes. */
void lpp_gate_bound_holder(lpp_holder_t *holder);

/*
 * The holder's area: claim one (NULL: all wait for their reports), give it
 * back. The gate is held, writing is locked.
 */
area_t *lpp_gate_area_claim(lpp_gate_t *gate, const lpp_holder_t *holder);
void lpp_gate_area_give_back(lpp_gate_t *gate);

/* Take it off the gate, still held; NULL: there is none, or others need it. */
area_t *lpp_gate_area_keep(lpp_gate_t *gate);

#endif
