/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_waiting: the waits of the session that runs, for the helper: what the
 * thread waited for becomes the innermost frame of its stack, and a row of the
 * profile's waits.
 */
#ifndef LPP_WAITING_INTERNAL_H
#define LPP_WAITING_INTERNAL_H

#include "objects/lpp_maps.h"
#include "sampling/lpp_thread_internal.h"
#include "sampling/lpp_wait_name_internal.h"

#define LPP_WAIT_LOCKS 3 /* functions that lock a mutex */

/* The helper's state of the thread's waits; no other thread uses it. */
typedef struct lpp_waiting_t {
    lpp_thread_state_t state; /* when the thread was last seen blocked; its
                                 letter is 0 if it was not */
    int faulted;              /* a major page fault was counted since the
                                 last look before */
    apr_int64_t seen_ns;      /* it is blocked since then ... */
    apr_int64_t start_ns;     /* ... and in this episode since then */
    int goes_on;              /* the last sample was of the episode before */
    lpp_pc_t pc;              /* what it waits for; 0: not known */
    lpp_wait_name_t name;     /* of that */
    lpp_wait_call_t call;     /* of the last sample; LPP_WAIT_CALL_OTHER where
                                 it is not known, or the thread ran */
    struct {
        apr_uint64_t address, size;
    } locks[LPP_WAIT_LOCKS];  /* functions that lock a mutex ... */
    int locks_known;          /* ... have been looked up */
    lpp_wait_known_t known;
} lpp_waiting_t;

/* Where a thread waits. */
typedef struct lpp_wait_where_t {
    int tid;
    int for_client;       /* it is in a call that serves the client */
    const lpp_pc_t *pcs;  /* its stack, innermost first ... */
    unsigned count;       /* ... so many frames */
    const lpp_maps_t *maps;
    lpp_pagecode_t *pages; /* has the names; NULL: only call is set */
} lpp_wait_where_t;

/*
 * The thread is blocked, since start_ns as far as is known: read its state.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_waiting_look(lpp_waiting_t *waiting, const lpp_thread_t *thread,
                      apr_int64_t start_ns);

/*
 * The same for a wait that is over: its state is not known any more. faults: 1
 * if it was no system call, but may have been a page fault that read from a
 * disk.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_waiting_look_back(lpp_waiting_t *waiting, const lpp_thread_t *thread,
                           apr_int64_t start_ns, int faults);

/*
 * Name what the blocked thread waits for, by its registers in snapshot. Sets pc
 * and name. The thread may have run since its registers were copied. If they do
 * not have the number of the system call, that is read from the C library's
 * code, as far as it tells.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_waiting_name(lpp_waiting_t *waiting, const lpp_snapshot_t *snapshot,
                      const lpp_wait_where_t *where);

#endif
