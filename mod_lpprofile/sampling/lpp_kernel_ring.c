/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_kernel_ring: see lpp_kernel_ring_internal.h. */
#include "sampling/lpp_kernel_ring_internal.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

apr_status_t lpp_kernel_ring_map(lpp_kernel_ring_t *ring, int fd)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct perf_event_mmap_page *control;

    ring->map_bytes = page + LPP_KERNEL_RING_BYTES;
    ring->map = mmap(NULL, ring->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                     fd, 0);
    if (ring->map == MAP_FAILED) {
        ring->map = NULL;
        return errno;
    }
    control = ring->map;
    ring->records = (unsigned char *)ring->map + page;
    ring->head = ring->tail = control->data_tail;
    ring->found = 0;
    return APR_SUCCESS;
}

void lpp_kernel_ring_unmap(lpp_kernel_ring_t *ring)
{
    if (ring->map != NULL) {
        munmap(ring->map, ring->map_bytes);
        ring->map = NULL;
    }
}

void lpp_kernel_ring_refresh(lpp_kernel_ring_t *ring)
{
    const struct perf_event_mmap_page *control = ring->map;

    ring->head = __atomic_load_n(&control->data_head, __ATOMIC_ACQUIRE);
}

/* The kernel may write there now. */
static void set_tail(lpp_kernel_ring_t *ring, apr_uint64_t tail)
{
    struct perf_event_mmap_page *control = ring->map;

    ring->tail = tail;
    __atomic_store_n(&control->data_tail, tail, __ATOMIC_RELEASE);
}

/* The record at tail, in one piece, of *len bytes at most. */
static const unsigned char *in_one_piece(lpp_kernel_ring_t *ring, size_t *len)
{
    size_t at = (size_t)(ring->tail % LPP_KERNEL_RING_BYTES);
    size_t first = LPP_KERNEL_RING_BYTES - at;

    *len = (size_t)(ring->head - ring->tail);
    if (*len > sizeof(ring->whole)) {
        *len = sizeof(ring->whole);
    }
    if (*len <= first) {
        return ring->records + at;
    }
    memcpy(ring->whole, ring->records + at, first);
    memcpy(ring->whole + first, ring->records, *len - first);
    return ring->whole;
}

const lpp_kernel_record_t *lpp_kernel_ring_find(lpp_kernel_ring_t *ring,
                                                unsigned tid)
{
    lpp_kernel_record_t *record = &ring->record;

    while (!ring->found && ring->tail != ring->head) {
        size_t len;
        const unsigned char *bytes = in_one_piece(ring, &len);

        if (ring->head - ring->tail <= LPP_KERNEL_RING_BYTES
            && lpp_kernel_record_read(bytes, len, record)) {
            ring->next = ring->tail + record->size;
        }
        else {
            memset(record, 0, sizeof(*record));
            record->kind = LPP_KERNEL_LOST;
            record->lost = 1;
            ring->next = ring->head;
        }
        ring->found = record->kind == LPP_KERNEL_LOST
            || (record->kind != LPP_KERNEL_OTHER && record->tid == tid);
        if (!ring->found) {
            set_tail(ring, ring->next);
        }
    }
    return ring->found ? record : NULL;
}

void lpp_kernel_ring_done(lpp_kernel_ring_t *ring)
{
    ring->found = 0;
    set_tail(ring, ring->next);
}

int lpp_kernel_ring_is_full(const lpp_kernel_ring_t *ring)
{
    return ring->head - ring->tail
        > LPP_KERNEL_RING_BYTES - 2 * LPP_KERNEL_RECORD_MAX;
}
