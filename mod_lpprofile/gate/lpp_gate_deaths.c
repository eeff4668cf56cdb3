/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate_deaths: the areas of shared memory with the data of owners.
 *
 * An area's state has the process that owns it. Each change is one compare and
 * exchange, so that a death is noted once and reported once, although the next
 * owner, the parent and the dying process may detect it at the same moment.
 * Takes no lock and no mutex; nothing here waits.
 */
#include <string.h>
#include <unistd.h>

#include "base/lpp_clock.h"
#include "gate/lpp_gate_internal.h"

/* The end of year 9999: a date of four digits. */
#define START_MAX apr_time_from_sec(APR_INT64_C(253402300799))

#define HEAD_BYTES 4096 /* the part of extra that is zeroed */

void lpp_gate_bound_owner(lpp_owner_t *owner)
{
    owner->id[sizeof(owner->id) - 1] = '\0';
    owner->url[sizeof(owner->url) - 1] = '\0';
    owner->page_id[sizeof(owner->page_id) - 1] = '\0';
    owner->host[sizeof(owner->host) - 1] = '\0';
    owner->vhost[sizeof(owner->vhost) - 1] = '\0';
    owner->method[sizeof(owner->method) - 1] = '\0';
    if (owner->start < 0 || owner->start > START_MAX) {
        owner->start = 0;
    }
    if (owner->begin_us < 0) {
        owner->begin_us = 0;
    }
}

int lpp_gate_is_dead(apr_uint32_t pid)
{
    /* For 0 and negative numbers, kill() would address process groups. */
    return (pid_t)pid <= 0 || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

static int change(area_t *area, apr_uint64_t from, apr_uint64_t to)
{
    return atomic_compare_exchange_strong(&area->state, &from, to);
}

/* Take a free area for owner. 1: it was free; its state is TAKEN. */
static int fill(area_t *area, const lpp_owner_t *owner)
{
    if (!change(area, AREA_STATE(AREA_FREE, 0),
                AREA_STATE(AREA_TAKEN, owner->pid))) {
        return 0;
    }
    area->owner = *owner;
    memset(area->extra, 0, HEAD_BYTES);
    return 1;
}

area_t *lpp_gate_area_claim(lpp_gate_t *gate, const lpp_owner_t *owner)
{
    int i;

    for (i = 0; i < LPP_GATE_AREAS; i++) {
        area_t *area = &gate->shared->area[i];

        if (fill(area, owner)) {
            atomic_store(&area->state, AREA_STATE(AREA_HELD, owner->pid));
            return area;
        }
    }
    return NULL;
}

void lpp_gate_area_release(lpp_gate_t *gate)
{
    area_t *area = gate->area;

    gate->area = NULL;
    lpp_gate_settle(area);
}

area_t *lpp_gate_area_keep(lpp_gate_t *gate)
{
    area_t *area = gate->area;
    int i, free_ones = 0;

    for (i = 0; i < LPP_GATE_AREAS; i++) {
        free_ones += atomic_load(&gate->shared->area[i].state)
            == AREA_STATE(AREA_FREE, 0);
    }
    if (free_ones < LPP_GATE_AREAS / 2) {
        return NULL;
    }
    gate->area = NULL;
    return area;
}

void lpp_gate_settle(void *kept)
{
    area_t *area = kept;

    if (area) {
        /* Fails if this process has posted its own death meanwhile. */
        change(area, AREA_STATE(AREA_HELD, area->owner.pid),
               AREA_STATE(AREA_FREE, 0));
    }
}

void *lpp_gate_extra(const lpp_gate_t *gate)
{
    return gate->held && gate->area ? gate->area->extra : NULL;
}

static int note(shared_t *shared, area_t *area, apr_uint32_t pid)
{
    if (atomic_load(&area->state) != AREA_STATE(AREA_HELD, pid)) {
        return 0;
    }
    atomic_store(&area->noted, lpp_monotonic_us());
    if (!change(area, AREA_STATE(AREA_HELD, pid),
                AREA_STATE(AREA_DEAD, pid))) {
        return 0;
    }
    atomic_fetch_add(&shared->died, 1);
    return 1;
}

int lpp_gate_note_death(lpp_gate_t *gate, apr_uint32_t pid)
{
    int i, found = 0;

    for (i = 0; i < LPP_GATE_AREAS; i++) {
        found += note(gate->shared, &gate->shared->area[i], pid);
    }
    return found > 0;
}

void lpp_gate_post_death(lpp_gate_t *gate, const lpp_owner_t *owner)
{
    int i;

    /* Use its own area if it still has one, else a free one. */
    for (i = 0; i < LPP_GATE_AREAS; i++) {
        area_t *area = &gate->shared->area[i];

        if (strcmp(area->owner.id, owner->id) == 0
            && (note(gate->shared, area, owner->pid)
                || AREA_KIND(atomic_load(&area->state)) == AREA_DEAD)) {
            return;
        }
    }
    for (i = 0; i < LPP_GATE_AREAS; i++) {
        area_t *area = &gate->shared->area[i];

        if (fill(area, owner)) {
            atomic_store(&area->noted, lpp_monotonic_us());
            atomic_store(&area->state, AREA_STATE(AREA_DEAD, owner->pid));
            break;
        }
    }
    atomic_fetch_add(&gate->shared->died, 1);
}

unsigned lpp_gate_deaths(const lpp_gate_t *gate)
{
    unsigned i, count = 0;

    for (i = 0; i < LPP_GATE_AREAS; i++) {
        count += AREA_KIND(atomic_load(&gate->shared->area[i].state))
            == AREA_DEAD;
    }
    return count;
}

/* Whether an area is to be reported: its owner's death was noted, or the owner,
 * or the process that was writing its report, is found dead now. */
static int is_due(apr_uint64_t state)
{
    switch (AREA_KIND(state)) {
    case AREA_DEAD:
        return 1;
    case AREA_TAKEN:
    case AREA_HELD:
        return lpp_gate_is_dead(AREA_PID(state));
    default:
        return 0;
    }
}

int lpp_gate_take_death(lpp_gate_t *gate, lpp_death_t *death)
{
    apr_uint64_t mine = AREA_STATE(AREA_TAKEN, (apr_uint32_t)getpid());
    apr_time_t now;
    unsigned i;

    for (i = 0; i < LPP_GATE_AREAS; i++) {
        area_t *area = &gate->shared->area[i];
        apr_uint64_t state = atomic_load(&area->state);

        if (AREA_KIND(state) == AREA_HELD && is_due(state)) {
            note(gate->shared, area, AREA_PID(state));
            state = atomic_load(&area->state);
        }
        if (!is_due(state) || state == mine || !change(area, state, mine)) {
            continue;
        }
        death->owner = area->owner;
        lpp_gate_bound_owner(&death->owner);
        if (death->owner.start > apr_time_now()) {
            death->owner.start = 0;
        }
        death->noted = atomic_load(&area->noted);
        now = lpp_monotonic_us();
        if (death->noted < 0 || death->noted > now) {
            death->noted = now;
        }
        death->extra = area->extra;
        death->area = i;
        return 1;
    }
    return 0;
}

void lpp_gate_forget_death(lpp_gate_t *gate, const lpp_death_t *death)
{
    change(&gate->shared->area[death->area],
           AREA_STATE(AREA_TAKEN, (apr_uint32_t)getpid()),
           AREA_STATE(AREA_FREE, 0));
}
