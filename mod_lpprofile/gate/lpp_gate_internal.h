/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate_internal: the shared memory of the gate. lpp_gate.c has the mutex,
 * the owner's record and the waiting requests, lpp_gate_waits.c what the owner
 * waits for, lpp_gate_deaths.c the areas of owners that died,
 * lpp_gate_totals.c the sums; lpp_gate_record.c writes and reads records.
 */
#ifndef LPP_GATE_INTERNAL_H
#define LPP_GATE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/lpp_clock.h"
#include "gate/lpp_gate.h"

#define LPP_GATE_PLACES 4096   /* children whose requests may wait at a time */
#define LPP_GATE_AREAS 8       /* the owner, and deaths without a report yet */
#define LPP_GATE_ERROR_BYTES 256

/* A text, and when it was stored; the number is odd while it is written. */
typedef struct lpp_gate_text_t {
    _Atomic apr_uint32_t number;
    _Atomic apr_int64_t time;
    _Atomic char text[LPP_GATE_ERROR_BYTES];
} lpp_gate_text_t;

/*
 * A record that one process at a time writes and all may read, as words, so
 * that copying it while it changes is defined. published is the number of
 * records stored so far; the valid one is the copy published & 1. The writer
 * stores into the other one, so that a writer killed half-way leaves the valid
 * record unchanged.
 */
#define RECORD_WORDS(type) (sizeof(type) / sizeof(apr_uint64_t))
#define RECORD_WORDS_MAX 512

typedef _Atomic apr_uint64_t lpp_record_word_t;

typedef struct owner_record_t {
    _Atomic apr_uint32_t published;
    lpp_record_word_t copies[2 * RECORD_WORDS(lpp_owner_t)];
} owner_record_t;

typedef struct waits_record_t {
    _Atomic apr_uint32_t published;
    lpp_record_word_t copies[2 * RECORD_WORDS(lpp_gate_waits_t)];
} waits_record_t;

_Static_assert(RECORD_WORDS(lpp_owner_t) <= RECORD_WORDS_MAX
               && sizeof(lpp_owner_t) % sizeof(apr_uint64_t) == 0
               && RECORD_WORDS(lpp_gate_waits_t) <= RECORD_WORDS_MAX
               && sizeof(lpp_gate_waits_t) % sizeof(apr_uint64_t) == 0,
               "both records are whole words");

/*
 * The record and the post-mortem data of an owner, which remain after its
 * death. state is AREA_STATE(kind, pid): FREE; HELD by the child that owns the
 * gate; DEAD, to be reported; TAKEN by the process that writes the report. The
 * process whose compare-and-exchange changes the state acts on it, so a death
 * is handled once, although several processes may detect it.
 */
enum { AREA_FREE, AREA_HELD, AREA_DEAD, AREA_TAKEN };
#define AREA_STATE(kind, pid) (((apr_uint64_t)(kind) << 32) | (pid))
#define AREA_KIND(state) ((int)((state) >> 32))
#define AREA_PID(state) ((apr_uint32_t)(state))

typedef struct area_t {
    _Atomic apr_uint64_t state;
    _Atomic apr_int64_t noted; /* lpp_monotonic_us() when it was noted */
    lpp_owner_t owner;
    _Alignas(64) unsigned char extra[LPP_GATE_AREA_BYTES];
} area_t;

/*
 * The memory that all children of all generations share. An attacker who
 * controls a child may write anything here; children run as User, while the
 * parent may be root. So each count, index, length and string is read once into
 * a local variable and bounded before use; nothing here is an address; no loop
 * of the parent depends on a child to end.
 */
typedef struct shared_t {
    /* Written by the owner of the mutex only. */
    owner_record_t owner;
    waits_record_t waits;
    _Atomic apr_uint32_t waits_asked; /* 1: the owner is to look, and publish
                                         what it waits for */

    _Atomic apr_uint32_t profiled;
    _Atomic apr_uint32_t skipped[LPP_GATE_CHILD + 1]; /* by lpp_gate_skip_e */
    _Atomic apr_uint32_t died;

    /* The ticket of the process that may add a waiting request now, 0: none;
     * and the number of tickets given so far: see take_ticket. */
    _Atomic apr_uint32_t ticket;
    _Atomic apr_uint32_t tickets;

    /* Waiting requests, by child: see PLACE. */
    _Atomic apr_uint32_t places_used; /* highest index ever taken, plus 1 */
    _Atomic apr_uint64_t place[LPP_GATE_PLACES];

    /* Sum of the time in which owners were blocked on their clients, and the
     * number of the record whose owner is to stop waiting for its client. */
    _Atomic apr_uint64_t client_us;
    _Atomic apr_uint32_t asked_to_end;

    /* Sums over finished profiles: see lpp_gate_totals_t. */
    _Atomic apr_uint64_t samples, lost, own_ns, cpu_ns, stood_down;
    _Atomic apr_uint32_t signal, languages;

    lpp_gate_text_t error, unread, waited;

    area_t area[LPP_GATE_AREAS]; /* unused ones take no memory */
} shared_t;

struct lpp_gate_t {
    apr_global_mutex_t *mutex; /* borrowed */
    shared_t *shared;          /* of all children */
    unsigned place;            /* of this child; the last is the shared one */
    apr_uint32_t place_pid;    /* the pid in that place */
    pthread_mutex_t writing;   /* guards held, area and the writing of both
                                  records, in this child */
    int held;                  /* 1: this child owns the gate; 0 in the parent,
                                  and so in a new child */
    area_t *area;              /* of this child while it owns it, or NULL */
};

/*
 * store: publish words words at from; one writer at a time. load: copy the
 * valid record of words words to to; 0, with to zeroed, if it changed each time
 * it was read. Neither waits.
 * Signal-safe: yes. Thread: any.
 */
void lpp_gate_record_store(_Atomic apr_uint32_t *published,
                      lpp_record_word_t *copies, apr_size_t words,
                      const void *from);
int lpp_gate_record_load(const _Atomic apr_uint32_t *published,
                    const lpp_record_word_t *copies, apr_size_t words,
                    void *to);

/* Make a copy from shared memory valid: terminate its strings, set times that
 * no clock shows to 0. Signal-safe: yes. Thread: any. */
void lpp_gate_bound_owner(lpp_owner_t *owner);

/*
 * The owner's area: claim one (NULL: all wait for their reports), release it.
 * This child owns the gate and has locked writing.
 * Signal-safe: no. Thread: the helper.
 */
area_t *lpp_gate_area_claim(lpp_gate_t *gate, const lpp_owner_t *owner);
void lpp_gate_area_release(lpp_gate_t *gate);

/* Detach the area from the gate; it stays HELD. NULL: the gate has no area, or
 * too few areas are free. Conditions as above.
 * Signal-safe: no. Thread: the helper. */
area_t *lpp_gate_area_keep(lpp_gate_t *gate);

#endif
