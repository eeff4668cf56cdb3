/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_gate: see lpp_gate.h.
 *
 * Owns one anonymous shared mapping. All of it is atomic, and it stays valid
 * when a process that writes to it is killed between two instructions: no
 * reader waits for a writer, and waiting requests of a dead child are found by
 * its process id. Locks the mutex, but neither creates nor destroys it; logs
 * nothing.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <apr_shm.h>
#include <apr_strings.h>

#include "gate/lpp_gate_internal.h"

#define SLICE_MAX_US 50000
#define TICKET_TRIES 1000      /* yields before the ticket is taken over */
#define FORGET_TRIES 100

/* The pid of the place that children without their own place share. */
#define PID_SHARED 0xffffffffu

/* The place of a child: its pid, and how many of its requests wait. */
#define PLACE(pid, waiting) (((apr_uint64_t)(pid) << 32) | (waiting))
#define PLACE_PID(place) ((apr_uint32_t)((place) >> 32))
#define PLACE_WAITING(place) ((apr_uint32_t)(place))

/* The caller has locked the mutex and gate->writing. */
static void publish(shared_t *shared, const lpp_owner_t *owner)
{
    lpp_gate_record_store(&shared->owner.published, shared->owner.copies,
                          RECORD_WORDS(lpp_owner_t), owner);
}

/* The new owner waits for nothing yet. Conditions as above. */
static void clear_waits(shared_t *shared)
{
    static const lpp_gate_waits_t nothing;

    lpp_gate_record_store(&shared->waits.published, shared->waits.copies,
                          RECORD_WORDS(lpp_gate_waits_t), &nothing);
}

void lpp_gate_get_owner(const lpp_gate_t *gate, lpp_owner_t *owner)
{
    shared_t *shared = gate->shared;

    if (lpp_gate_record_load(&shared->owner.published, shared->owner.copies,
                             RECORD_WORDS(lpp_owner_t), owner)) {
        lpp_gate_bound_owner(owner);
    }
}

/*
 * Wait for the ticket, which serialises "count the waiters, then add one". A
 * process killed while it has the ticket never returns it; the next one takes
 * it over after TICKET_TRIES yields. If the first process was only slow, one
 * waiter too many is added, which does no harm. Returns the ticket's number.
 */
static apr_uint32_t take_ticket(shared_t *shared)
{
    apr_uint32_t ticket;
    int tries;

    do {
        ticket = atomic_fetch_add(&shared->tickets, 1) + 1;
    } while (ticket == 0);
    for (tries = 0; tries < TICKET_TRIES; tries++) {
        apr_uint32_t none = 0;

        if (atomic_compare_exchange_strong(&shared->ticket, &none, ticket)) {
            return ticket;
        }
        sched_yield();
    }
    atomic_store(&shared->ticket, ticket);
    return ticket;
}

static void return_ticket(shared_t *shared, apr_uint32_t ticket)
{
    atomic_compare_exchange_strong(&shared->ticket, &ticket, 0);
}

/* How many places are in use, besides the shared one. A child may have written
 * any number there. */
static apr_uint32_t used_places(shared_t *shared)
{
    apr_uint32_t used = atomic_load(&shared->places_used);

    return used < LPP_GATE_PLACES ? used : LPP_GATE_PLACES - 1;
}

static apr_uint32_t count_waiting(shared_t *shared)
{
    apr_uint32_t used = used_places(shared);
    apr_uint64_t sum = PLACE_WAITING(atomic_load(
        &shared->place[LPP_GATE_PLACES - 1]));
    apr_uint32_t i;

    for (i = 0; i < used; i++) {
        sum += PLACE_WAITING(atomic_load_explicit(&shared->place[i],
                                                  memory_order_relaxed));
    }
    return sum < APR_UINT32_MAX ? (apr_uint32_t)sum : APR_UINT32_MAX;
}

/* Add one waiting request to this child's place (up), or remove one. Returns 0
 * where the place is no longer this child's, or no request waits in it. */
static int change_place(lpp_gate_t *gate, int up)
{
    _Atomic apr_uint64_t *place = &gate->shared->place[gate->place];
    apr_uint64_t old = atomic_load(place);
    apr_uint64_t changed;

    do {
        if (PLACE_PID(old) != gate->place_pid
            || (!up && PLACE_WAITING(old) == 0)) {
            return 0;
        }
        changed = up ? old + 1 : old - 1;
    } while (!atomic_compare_exchange_weak(place, &old, changed));
    return 1;
}

/* Assign this child a place: a free one, else that of a dead child, else the
 * shared one, in which waiting requests stay counted when their child is
 * killed. */
static void claim_place(lpp_gate_t *gate, apr_uint32_t pid)
{
    shared_t *shared = gate->shared;
    int pass;
    unsigned i;

    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < LPP_GATE_PLACES - 1; i++) {
            apr_uint64_t old = atomic_load(&shared->place[i]);
            apr_uint32_t used = atomic_load(&shared->places_used);

            if (old != 0 && PLACE_PID(old) != pid
                && (pass == 0 || !lpp_gate_is_dead(PLACE_PID(old)))) {
                continue;
            }
            if (!atomic_compare_exchange_strong(&shared->place[i], &old,
                                                PLACE(pid, 0))) {
                continue;
            }
            while (used <= i && !atomic_compare_exchange_weak(
                       &shared->places_used, &used, i + 1)) {
            }
            gate->place = i;
            gate->place_pid = pid;
            return;
        }
    }
    gate->place = LPP_GATE_PLACES - 1;
    gate->place_pid = PID_SHARED;
}

/* Also runs in the signal handler of a prefork child, so it uses atomics only.
 * A process forked by this child does not own the place. */
static apr_status_t child_cleanup(void *data)
{
    lpp_gate_t *gate = data;

    if (gate->place_pid == (apr_uint32_t)getpid()) {
        lpp_gate_forget(gate, gate->place_pid);
    }
    return APR_SUCCESS;
}

apr_status_t lpp_gate_create(lpp_gate_t **gate, apr_global_mutex_t *mutex,
                             apr_pool_t *pool)
{
    lpp_gate_t *made = apr_pcalloc(pool, sizeof(*made));
    apr_shm_t *shm;
    apr_status_t status;

    *gate = NULL;
    if (!made || !mutex) {
        return made ? APR_EINVAL : APR_ENOMEM;
    }
    status = apr_shm_create(&shm, sizeof(shared_t) + _Alignof(shared_t), NULL,
                            pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    /* New pages are zero and use no memory until they are written. APR's base
     * address is 8 bytes after the start of a page; it is the same in every
     * child, since the mapping is inherited. */
    made->shared = (shared_t *)(((apr_uintptr_t)apr_shm_baseaddr_get(shm)
                                 + _Alignof(shared_t) - 1)
                                & ~(apr_uintptr_t)(_Alignof(shared_t) - 1));
    atomic_store(&made->shared->place[LPP_GATE_PLACES - 1],
                 PLACE(PID_SHARED, 0));
    made->mutex = mutex;
    made->place = LPP_GATE_PLACES - 1;
    made->place_pid = PID_SHARED;
    status = pthread_mutex_init(&made->writing, NULL);
    if (status != APR_SUCCESS) {
        return status;
    }
    *gate = made;
    return APR_SUCCESS;
}

apr_status_t lpp_gate_child_init(lpp_gate_t *gate, apr_pool_t *pchild)
{
    apr_status_t status = apr_global_mutex_child_init(
        &gate->mutex, apr_global_mutex_lockfile(gate->mutex), pchild);

    if (status != APR_SUCCESS) {
        return status;
    }
    claim_place(gate, (apr_uint32_t)getpid());
    apr_pool_cleanup_register(pchild, gate, child_cleanup,
                              apr_pool_cleanup_null);
    return APR_SUCCESS;
}

apr_status_t lpp_gate_try(lpp_gate_t *gate, apr_interval_time_t slice_us)
{
    lpp_owner_t left;
    apr_status_t status;

    if (gate->held) {
        /* Depending on the mechanism, the process could lock the mutex
         * twice. */
        return APR_EINVAL;
    }
    if (slice_us > 0) {
        status = apr_global_mutex_timedlock(
            gate->mutex, slice_us < SLICE_MAX_US ? slice_us : SLICE_MAX_US);
    }
    else {
        status = apr_global_mutex_trylock(gate->mutex);
    }
    if (APR_STATUS_IS_EBUSY(status) || APR_STATUS_IS_TIMEUP(status)) {
        return APR_TIMEUP;
    }
    if (status != APR_SUCCESS) {
        return status;
    }

    pthread_mutex_lock(&gate->writing);
    gate->held = 1;
    /* An owner removes its record before it unlocks the mutex, so a record
     * found here is that of an owner that died. */
    lpp_gate_get_owner(gate, &left);
    if (left.pid != 0) {
        static const lpp_owner_t nobody;

        publish(gate->shared, &nobody);
        lpp_gate_note_death(gate, left.pid);
    }
    pthread_mutex_unlock(&gate->writing);
    return APR_SUCCESS;
}

void lpp_gate_set_owner(lpp_gate_t *gate, const lpp_owner_t *owner)
{
    lpp_owner_t copy = *owner;

    lpp_gate_bound_owner(&copy);
    if (copy.pid == 0) {
        copy.pid = (apr_uint32_t)getpid();
    }
    pthread_mutex_lock(&gate->writing);
    if (gate->held) {
        gate->area = lpp_gate_area_claim(gate, &copy);
        clear_waits(gate->shared);
        publish(gate->shared, &copy);
        atomic_fetch_add(&gate->shared->profiled, 1);
    }
    pthread_mutex_unlock(&gate->writing);
}

void lpp_gate_set_page_id(lpp_gate_t *gate, const char *id,
                          const char *page_id)
{
    lpp_owner_t owner;

    pthread_mutex_lock(&gate->writing);
    if (gate->held) {
        lpp_gate_get_owner(gate, &owner);
        if (owner.pid != 0 && strcmp(owner.id, id) == 0) {
            apr_cpystrn(owner.page_id, page_id, sizeof(owner.page_id));
            publish(gate->shared, &owner);
            if (gate->area) {
                gate->area->owner = owner;
            }
        }
    }
    pthread_mutex_unlock(&gate->writing);
}

apr_status_t lpp_gate_release(lpp_gate_t *gate)
{
    static const lpp_owner_t nobody;

    pthread_mutex_lock(&gate->writing);
    if (!gate->held) {
        pthread_mutex_unlock(&gate->writing);
        return APR_EINVAL;
    }
    /* The area is released first: if the process is killed between the two
     * calls, no death is reported. */
    lpp_gate_area_release(gate);
    publish(gate->shared, &nobody);
    gate->held = 0;
    pthread_mutex_unlock(&gate->writing);
    return apr_global_mutex_unlock(gate->mutex);
}

apr_status_t lpp_gate_release_keep(lpp_gate_t *gate, void **kept)
{
    pthread_mutex_lock(&gate->writing);
    *kept = gate->held ? lpp_gate_area_keep(gate) : NULL;
    pthread_mutex_unlock(&gate->writing);
    return lpp_gate_release(gate);
}

/* The parent reports the deaths of children, but not while it rereads its
 * configuration, so dead children are looked for before a request is
 * refused. */
static void forget_dead_waiters(lpp_gate_t *gate)
{
    shared_t *shared = gate->shared;
    apr_uint32_t used = used_places(shared);
    apr_uint32_t i;

    for (i = 0; i < used; i++) {
        apr_uint64_t place = atomic_load(&shared->place[i]);

        if (PLACE_WAITING(place) != 0 && lpp_gate_is_dead(PLACE_PID(place))) {
            lpp_gate_forget(gate, PLACE_PID(place));
        }
    }
}

apr_status_t lpp_gate_enter(lpp_gate_t *gate, apr_uint32_t max_waiting)
{
    apr_uint32_t ticket = take_ticket(gate->shared);
    apr_status_t status = APR_EBUSY;

    if (count_waiting(gate->shared) >= max_waiting) {
        forget_dead_waiters(gate);
    }
    if (count_waiting(gate->shared) < max_waiting
        && change_place(gate, 1)) {
        status = APR_SUCCESS;
    }
    return_ticket(gate->shared, ticket);
    return status;
}

void lpp_gate_leave(lpp_gate_t *gate)
{
    change_place(gate, 0);
}

void lpp_gate_forget(lpp_gate_t *gate, apr_uint32_t pid)
{
    shared_t *shared = gate->shared;
    apr_uint32_t used = used_places(shared);
    apr_uint32_t i;
    int tries;

    if (pid == 0 || pid == PID_SHARED) {
        return;
    }
    for (i = 0; i < used; i++) {
        apr_uint64_t old = atomic_load(&shared->place[i]);

        /* A dead child does not change its place, but a new child with the same
         * pid may. */
        for (tries = 0; tries < FORGET_TRIES && PLACE_PID(old) == pid
                        && !atomic_compare_exchange_weak(&shared->place[i],
                                                         &old, 0); tries++) {
        }
    }
}

apr_uint64_t lpp_gate_client_us(const lpp_gate_t *gate)
{
    return atomic_load(&gate->shared->client_us);
}

void lpp_gate_ask_to_end(lpp_gate_t *gate)
{
    atomic_store(&gate->shared->asked_to_end,
                 atomic_load(&gate->shared->owner.published));
}

void lpp_gate_add_client_us(lpp_gate_t *gate, apr_uint64_t us)
{
    atomic_fetch_add(&gate->shared->client_us, us);
}

int lpp_gate_asked_to_end(const lpp_gate_t *gate)
{
    return atomic_load(&gate->shared->asked_to_end)
           == atomic_load(&gate->shared->owner.published);
}

void lpp_gate_count_skip(lpp_gate_t *gate, lpp_gate_skip_e why)
{
    atomic_fetch_add(&gate->shared->skipped[why], 1);
}

void lpp_gate_get_counts(const lpp_gate_t *gate, lpp_gate_counts_t *counts)
{
    shared_t *shared = gate->shared;

    counts->waiting = count_waiting(shared);
    counts->profiled = atomic_load(&shared->profiled);
    counts->busy = atomic_load(&shared->skipped[LPP_GATE_BUSY]);
    counts->timed_out = atomic_load(&shared->skipped[LPP_GATE_TIMED_OUT]);
    counts->gone = atomic_load(&shared->skipped[LPP_GATE_GONE]);
    counts->child = atomic_load(&shared->skipped[LPP_GATE_CHILD]);
    counts->died = atomic_load(&shared->died);
}
