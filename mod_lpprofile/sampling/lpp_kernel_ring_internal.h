/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_kernel_ring: the memory into which the kernel writes the records of one
 * perf event, and the record that is to be read next.
 */
#ifndef LPP_KERNEL_RING_INTERNAL_H
#define LPP_KERNEL_RING_INTERNAL_H

#include "sampling/lpp_kernel_record_internal.h"

#define LPP_KERNEL_RING_BYTES 131072 /* a power of two of pages */

typedef struct lpp_kernel_ring_t {
    void *map;          /* NULL: not mapped */
    size_t map_bytes;
    unsigned char *records; /* LPP_KERNEL_RING_BYTES */
    apr_uint64_t head;  /* records up to here may be read */
    apr_uint64_t tail;  /* records before this are done with */
    int found;          /* record is set: the one at tail */
    lpp_kernel_record_t record;
    apr_uint64_t next;  /* the end of record */
    unsigned char whole[LPP_KERNEL_RECORD_MAX]; /* a record that goes over the
                           end of records */
} lpp_kernel_ring_t;

/*
 * Map the ring of event fd. Errors: those of mmap; EPERM: beyond the limit for
 * locked memory.
 * Signal-safe: no. Thread: the helper.
 */
LPP_MUST_CHECK apr_status_t lpp_kernel_ring_map(lpp_kernel_ring_t *ring,
                                                int fd);
void lpp_kernel_ring_unmap(lpp_kernel_ring_t *ring);

/* See what the kernel has written so far: find and done go up to here.
 * Signal-safe: yes. Thread: the helper. */
void lpp_kernel_ring_refresh(lpp_kernel_ring_t *ring);

/*
 * The next record of thread tid, or LOST; NULL: there is none. Passes over
 * those of other threads. A ring that holds no valid record is emptied, which
 * counts as LOST. The record is valid until done.
 * Signal-safe: yes. Thread: the helper.
 */
const lpp_kernel_record_t *lpp_kernel_ring_find(lpp_kernel_ring_t *ring,
                                                unsigned tid);

/* The record that was found is not needed any more.
 * Signal-safe: yes. Thread: the helper. */
void lpp_kernel_ring_done(lpp_kernel_ring_t *ring);

/* Whether the ring has so little room that the next record may be lost.
 * Signal-safe: yes. Thread: the helper. */
int lpp_kernel_ring_is_full(const lpp_kernel_ring_t *ring);

#endif
