/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_profile: the samples of one request as a tree of (parent, pc).
 *
 * Owns the nodes and the index that finds a child in constant time. Both are
 * malloc'd and freed by a cleanup of the profile's pool, since a larger array
 * in the pool would leave the old one there. A child's number is always larger
 * than its parent's, so that the tree can be walked without recursion.
 */
#include "profile/lpp_profile.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_NODES 256u

/* Open addressing; a slot has the number of a node, or LPP_NODE_NONE if it is
 * free. There are at least twice as many slots as nodes, so that searches are
 * short. */
typedef struct index_t {
    apr_uint32_t *slots;
    apr_uint32_t mask;
} index_t;

static apr_uint32_t hash_of(apr_uint32_t parent, lpp_pc_t pc)
{
    apr_uint64_t h = pc * APR_UINT64_C(0x9e3779b97f4a7c15);

    h ^= (h >> 32) + parent;
    h *= APR_UINT64_C(0xff51afd7ed558ccd);
    return (apr_uint32_t)(h >> 32);
}

/* The slot of (parent, pc): the one with its node, else the free one for it. */
static apr_uint32_t *slot_of(const index_t *index, const lpp_node_t *nodes,
                             apr_uint32_t parent, lpp_pc_t pc)
{
    apr_uint32_t at = hash_of(parent, pc) & index->mask;

    while (index->slots[at] != LPP_NODE_NONE) {
        const lpp_node_t *node = &nodes[index->slots[at]];

        if (node->parent == parent && node->pc == pc) {
            break;
        }
        at = (at + 1) & index->mask;
    }
    return &index->slots[at];
}

/* Enlarge the arrays to wanted nodes, at most max_nodes. If that fails, the
 * profile is unchanged. */
static apr_status_t grow(lpp_profile_t *profile, apr_uint32_t wanted)
{
    index_t *index = profile->index;
    index_t bigger;
    lpp_node_t *nodes;
    apr_uint32_t slots = 16, i;

    if (wanted > profile->max_nodes) {
        wanted = profile->max_nodes;
    }
    if (wanted <= profile->count) {
        return APR_ENOSPC;
    }
    while (slots < wanted * 2) {
        slots *= 2;
    }
    bigger.mask = slots - 1;
    bigger.slots = malloc(slots * sizeof(*bigger.slots));
    if (bigger.slots == NULL) {
        return APR_ENOMEM;
    }
    nodes = realloc(profile->nodes, wanted * sizeof(*nodes));
    if (nodes == NULL) {
        free(bigger.slots);
        return APR_ENOMEM;
    }
    memset(bigger.slots, 0xff, slots * sizeof(*bigger.slots));
    for (i = 1; i < profile->count; i++) {
        *slot_of(&bigger, nodes, nodes[i].parent, nodes[i].pc) = i;
    }
    free(index->slots);
    *index = bigger;
    profile->nodes = nodes;
    profile->allocated = wanted;
    return APR_SUCCESS;
}

/* The child pc of parent, created if there is none; LPP_NODE_NONE: no room. */
static apr_uint32_t child_of(lpp_profile_t *profile, apr_uint32_t parent,
                             lpp_pc_t pc)
{
    const index_t *index = profile->index;
    apr_uint32_t *slot = slot_of(index, profile->nodes, parent, pc);
    lpp_node_t *node;

    if (*slot != LPP_NODE_NONE) {
        return *slot;
    }
    if (profile->count == profile->allocated) {
        if (grow(profile, profile->allocated * 2) != APR_SUCCESS) {
            return LPP_NODE_NONE;
        }
        slot = slot_of(index, profile->nodes, parent, pc);
    }
    node = &profile->nodes[profile->count];
    memset(node, 0, sizeof(*node));
    node->pc = pc;
    node->parent = parent;
    node->first_child = LPP_NODE_NONE;
    node->next_sibling = profile->nodes[parent].first_child;
    profile->nodes[parent].first_child = profile->count;
    *slot = profile->count;
    return profile->count++;
}

static void weigh(lpp_weight_t *into, const lpp_weight_t *weight)
{
    into->wall_ns += weight->wall_ns;
    into->cpu_ns += weight->cpu_ns;
    into->ready_ns += weight->ready_ns;
    into->samples += weight->samples;
}

static apr_status_t free_profile(void *data)
{
    lpp_profile_t *profile = data;
    index_t *index = profile->index;

    free(index->slots);
    free(profile->nodes);
    lpp_waits_free(&profile->waits);
    index->slots = NULL;
    profile->nodes = NULL;
    return APR_SUCCESS;
}

apr_status_t lpp_profile_create(lpp_profile_t **profile,
                                apr_uint32_t max_nodes, apr_pool_t *pool)
{
    lpp_profile_t *made = apr_pcalloc(pool, sizeof(*made));
    index_t *index = apr_pcalloc(pool, sizeof(*index));
    lpp_node_t *root;
    apr_status_t status;

    *profile = NULL;
    if (made == NULL || index == NULL) {
        return APR_ENOMEM;
    }
    made->max_nodes = max_nodes != 0 && max_nodes < LPP_TREE_MAX_NODES
        ? max_nodes : LPP_TREE_MAX_NODES;
    made->pool = pool;
    made->index = index;
    status = grow(made, FIRST_NODES);
    if (status != APR_SUCCESS) {
        return status;
    }
    apr_pool_cleanup_register(pool, made, free_profile,
                              apr_pool_cleanup_null);
    root = &made->nodes[0];
    memset(root, 0, sizeof(*root));
    root->parent = LPP_NODE_NONE;
    root->first_child = LPP_NODE_NONE;
    root->next_sibling = LPP_NODE_NONE;
    made->count = 1;
    *profile = made;
    return APR_SUCCESS;
}

apr_uint32_t lpp_profile_add(lpp_profile_t *profile, const lpp_pc_t *frames,
                             unsigned count, const lpp_weight_t *weight)
{
    apr_uint32_t node = 0;

    while (count > 0) {
        apr_uint32_t child = child_of(profile, node, frames[--count]);

        if (child == LPP_NODE_NONE) {
            profile->statistics.overflowed++;
            break;
        }
        node = child;
    }
    lpp_profile_credit(profile, node, weight);
    return node;
}

void lpp_profile_credit(lpp_profile_t *profile, apr_uint32_t node,
                        const lpp_weight_t *weight)
{
    if (node >= profile->count) {
        node = 0;
    }
    weigh(&profile->nodes[node].self, weight);
    profile->total.samples += weight->samples;
    profile->statistics.samples += weight->samples;
}

void lpp_profile_set_ready(lpp_profile_t *profile, apr_int64_t exact_ns,
                           int seen)
{
    lpp_weight_t *total = &profile->total;
    apr_uint64_t room = total->wall_ns > total->cpu_ns
        ? total->wall_ns - total->cpu_ns : 0;
    apr_uint64_t asleep = 0;
    apr_uint32_t i;

    profile->statistics.ready = exact_ns >= 0 ? LPP_READY_EXACT
        : seen ? LPP_READY_SEEN : LPP_READY_UNKNOWN;
    if (exact_ns >= 0) { /* limited, since the clocks differ a little */
        total->ready_ns = (apr_uint64_t)exact_ns < room
            ? (apr_uint64_t)exact_ns : room;
        return;
    }
    for (i = 0; i < profile->count; i++) {
        const lpp_weight_t *self = &profile->nodes[i].self;

        if (self->wall_ns > self->cpu_ns + self->ready_ns) {
            asleep += self->wall_ns - self->cpu_ns - self->ready_ns;
        }
    }
    total->ready_ns = seen && room > asleep ? room - asleep : 0;
}

apr_status_t lpp_profile_clone(const lpp_profile_t *profile,
                               lpp_profile_t **clone, apr_pool_t *pool)
{
    lpp_profile_t *made;
    index_t *index;
    apr_uint32_t i;
    apr_status_t status = lpp_profile_create(&made, profile->max_nodes, pool);

    *clone = NULL;
    if (status != APR_SUCCESS) {
        return status;
    }
    if (profile->count > made->allocated) {
        status = grow(made, profile->count);
        if (status != APR_SUCCESS) {
            return status; /* the cleanup of pool frees what was made */
        }
    }
    memcpy(made->nodes, profile->nodes,
           profile->count * sizeof(*made->nodes));
    made->count = profile->count;
    made->total = profile->total;
    made->statistics = profile->statistics;
    lpp_waits_merge(&made->waits, &profile->waits);
    index = made->index;
    for (i = 1; i < made->count; i++) {
        *slot_of(index, made->nodes, made->nodes[i].parent,
                 made->nodes[i].pc) = i;
    }
    *clone = made;
    return APR_SUCCESS;
}

static void merge_pages(lpp_page_statistics_t *into,
                        const lpp_page_statistics_t *from)
{
    into->samples += from->samples;
    into->cut += from->cut;
    into->late += from->late;
    into->refused += from->refused;
    into->ambiguous += from->ambiguous;
    into->nameless += from->nameless;
    into->faults += from->faults;
    if (into->unread[0] == '\0') {
        memcpy(into->unread, from->unread, sizeof(into->unread));
    }
}

static void merge_statistics(lpp_sampling_statistics_t *into,
                          const lpp_sampling_statistics_t *from)
{
    into->samples += from->samples;
    into->lost += from->lost;
    into->cut += from->cut;
    into->broken += from->broken;
    into->overflowed += from->overflowed;
    into->blocked_ns += from->blocked_ns;
    into->signals += from->signals;
    into->repaired_calls += from->repaired_calls;
    into->own_ns += from->own_ns;
    into->kernel_events |= from->kernel_events;
    into->kernel_blocks += from->kernel_blocks;
    into->kernel_lost += from->kernel_lost;
    if (into->asked_hz == 0) {
        into->asked_hz = from->asked_hz;
    }
    if (from->lowered_hz != 0) {
        into->lowered_hz = from->lowered_hz;
    }
    into->ready = from->ready < into->ready ? from->ready : into->ready;
    if (into->cut_short == 0) {
        into->cut_short = from->cut_short;
    }
    if (into->unwinder == NULL) {
        into->unwinder = from->unwinder;
    }
    merge_pages(&into->pages, &from->pages);
}

void lpp_profile_merge(lpp_profile_t *into, const lpp_profile_t *from)
{
    apr_uint32_t *placed = malloc(from->count * sizeof(*placed));
    apr_uint32_t i;

    if (into->total.wall_ns == 0) {
        into->statistics.ready = from->statistics.ready; /* it is empty */
    }
    weigh(&into->total, &from->total);
    merge_statistics(&into->statistics, &from->statistics);
    lpp_waits_merge(&into->waits, &from->waits);
    weigh(&into->nodes[0].self, &from->nodes[0].self);
    if (placed != NULL) {
        placed[0] = 0;
    }
    for (i = 1; i < from->count; i++) {
        const lpp_node_t *node = &from->nodes[i];
        apr_uint32_t at = 0, child = LPP_NODE_NONE;

        if (placed != NULL) { /* else all its weight goes to the root */
            at = placed[node->parent];
            child = child_of(into, at, node->pc);
        }
        if (child == LPP_NODE_NONE) {
            into->statistics.overflowed += node->self.samples;
        }
        else {
            at = child;
        }
        if (placed != NULL) {
            placed[i] = at;
        }
        weigh(&into->nodes[at].self, &node->self);
    }
    free(placed);
}
