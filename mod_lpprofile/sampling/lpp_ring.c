/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_ring: samples on their way from the signal handler to the helper.
 *
 * One writer, one reader, two counters that only grow; a slot belongs to the
 * writer until head passes it, and to the reader until tail passes it. Owns the
 * memory of all slots, which lpp_ring_touch is the first to access: most
 * children never profile. Never waits: if the ring is full, the newest sample
 * is lost and counted.
 */
#include "sampling/lpp_ring_internal.h"

#include <string.h>

typedef struct slot_t {
    lpp_snapshot_t snapshot;
    unsigned char *stack; /* LPP_STACK_MAX_BYTES, in the ring's block */
} slot_t;

struct lpp_ring_t {
    slot_t slots[LPP_RING_SLOTS];
    /* Aligned, so that writer and reader do not share a cache line. */
    atomic_ullong head __attribute__((aligned(64))); /* published, writer */
    atomic_ullong tail __attribute__((aligned(64))); /* released, reader */
};

apr_status_t lpp_ring_create(lpp_ring_t **ring, apr_pool_t *pool)
{
    lpp_ring_t *made;
    lpp_page_frame_t *frames;
    unsigned char *block;
    size_t i;

    *ring = NULL;
    /* APR aligns to 8 bytes; the counters need a cache line each. */
    block = apr_palloc(pool, sizeof(*made) + 64);
    if (block == NULL) {
        return APR_ENOMEM;
    }
    made = (lpp_ring_t *)(((apr_uintptr_t)block + 63)
                          & ~(apr_uintptr_t)63);
    memset(made, 0, sizeof(*made));
    block = apr_palloc(pool, (apr_size_t)LPP_RING_SLOTS * LPP_STACK_MAX_BYTES);
    frames = apr_palloc(pool, (apr_size_t)LPP_RING_SLOTS
                                  * LPP_SNAPSHOT_PAGE_FRAMES
                                  * sizeof(*frames));
    if (block == NULL || frames == NULL) {
        return APR_ENOMEM;
    }
    for (i = 0; i < LPP_RING_SLOTS; i++) {
        made->slots[i].stack = block + i * LPP_STACK_MAX_BYTES;
        made->slots[i].snapshot.stack = made->slots[i].stack;
        made->slots[i].snapshot.page_frames =
            frames + i * LPP_SNAPSHOT_PAGE_FRAMES;
    }
    *ring = made;
    return APR_SUCCESS;
}

void lpp_ring_touch(lpp_ring_t *ring, unsigned first, unsigned count,
                    apr_size_t bytes)
{
    unsigned i;
    apr_size_t at;

    for (i = first; i < first + count && i < LPP_RING_SLOTS; i++) {
        for (at = 0; at < bytes && at < LPP_STACK_MAX_BYTES; at += 4096) {
            /* A write that changes nothing, even if the handler writes
             * meanwhile. */
            __atomic_fetch_or(&ring->slots[i].stack[at], 0, __ATOMIC_RELAXED);
        }
    }
}

lpp_snapshot_t *lpp_ring_reserve(lpp_ring_t *ring, unsigned char **stack)
{
    unsigned long long head, tail;
    slot_t *slot;

    head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* Pairs with release: the reader has finished with the slot before it is
     * written again. */
    tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head - tail >= LPP_RING_SLOTS) {
        return NULL;
    }
    slot = &ring->slots[head % LPP_RING_SLOTS];
    *stack = slot->stack;
    return &slot->snapshot;
}

void lpp_ring_publish(lpp_ring_t *ring)
{
    atomic_fetch_add_explicit(&ring->head, 1, memory_order_release);
}

const lpp_snapshot_t *lpp_ring_peek(lpp_ring_t *ring)
{
    unsigned long long head, tail;

    tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    head = atomic_load_explicit(&ring->head, memory_order_acquire);
    return head == tail ? NULL : &ring->slots[tail % LPP_RING_SLOTS].snapshot;
}

void lpp_ring_release(lpp_ring_t *ring)
{
    atomic_fetch_add_explicit(&ring->tail, 1, memory_order_release);
}

void lpp_ring_reset(lpp_ring_t *ring)
{
    atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, 0, memory_order_release);
}
