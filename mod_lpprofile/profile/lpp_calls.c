/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_calls: see lpp_calls.h.
 *
 * A place is a hook in a scope; an open-addressing index finds both. The calls
 * that run are on a stack of fixed depth, which is addressed by index and has
 * no pointers into the C stack, so a call left by longjmp does no harm. Owns
 * memory of the pool only; nothing here waits.
 */
#include "profile/lpp_calls_internal.h"

#include <string.h>

#include <apr_strings.h>

#define FIRST_PLACES 128
#define FIRST_SPANS 16

static void read_ready(lpp_calls_t *calls)
{
    apr_int64_t ready = calls->read_ready(calls->ready_baton);

    if (ready >= 0 && calls->last_ready_ns >= 0) {
        calls->ready_ns += (apr_uint64_t)(ready - calls->last_ready_ns);
    }
    calls->last_ready_ns = ready;
}

/* Reads the CPU clock of the calling thread; a request may have continued on
 * another thread. Not inlined: it is called rarely, from functions that run for
 * every hook. */
static __attribute__((noinline)) void read_cpu(lpp_calls_t *calls,
                                               apr_uint64_t now)
{
    pthread_t self = pthread_self();
    apr_uint64_t cpu = (apr_uint64_t)lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    apr_uint64_t before = calls->read_cpu_ns;

    if (!calls->has_thread || !pthread_equal(self, calls->thread)) {
        calls->has_thread = 1;
        calls->thread = self;
        calls->offset_ns = (apr_int64_t)(cpu - calls->said_cpu_ns);
        calls->last_ready_ns = -1;
    }
    calls->read_cpu_ns = cpu - (apr_uint64_t)calls->offset_ns;
    /* Reading it takes longer: only if the thread did not run meanwhile. */
    if (calls->read_ready
        && (calls->last_ready_ns < 0
            || now - calls->read_wall_ns
                   > calls->read_cpu_ns - before + LPP_CALLS_CPU_STEP_NS)) {
        read_ready(calls);
    }
    calls->read_wall_ns = now;
}

static inline apr_uint64_t cpu_at(lpp_calls_t *calls, apr_uint64_t now)
{
    apr_uint64_t cpu;

    if (__builtin_expect(
            now - calls->seen_wall_ns >= LPP_CALLS_CPU_STEP_NS
            || now - calls->read_wall_ns >= LPP_CALLS_CPU_FIX_NS, 0)) {
        read_cpu(calls, now);
    }
    calls->seen_wall_ns = now;
    cpu = calls->read_cpu_ns + (now - calls->read_wall_ns);
    if (cpu > calls->said_cpu_ns) {
        calls->said_cpu_ns = cpu;
    }
    return calls->said_cpu_ns;
}

void lpp_calls_count_ready(lpp_calls_t *calls,
                           apr_int64_t (*function)(const void *baton),
                           const void *baton)
{
    calls->read_ready = function;
    calls->ready_baton = baton;
    calls->last_ready_ns = function(baton);
}

apr_uint64_t lpp_calls_cpu_at(lpp_calls_t *calls, apr_uint64_t now)
{
    return cpu_at(calls, now);
}

static apr_uint32_t slot_of(const lpp_calls_t *calls, apr_uint32_t scope,
                            apr_uint32_t hook)
{
    apr_uint32_t mask = calls->room * 2 - 1;
    apr_uint32_t at = (scope * 0x9e3779b9u + hook * 0x85ebca6bu);

    at = (at ^ (at >> 15)) & mask;
    while (calls->index[at] != 0) {
        const place_t *place = &calls->places[calls->index[at] - 1];

        if (place->scope == scope && place->hook == hook) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

/* Enlarge the arrays to room. The old ones stay in the pool; together they are
 * no larger than the new ones. */
static int grow_places(lpp_calls_t *calls, apr_uint32_t room)
{
    place_t *places = apr_palloc(calls->pool, room * sizeof(*places));
    apr_uint32_t *index = apr_pcalloc(calls->pool,
                                      room * 2 * sizeof(*index));
    apr_uint32_t i;

    if (!places || !index) {
        return 0;
    }
    if (calls->count > 0) {
        memcpy(places, calls->places, calls->count * sizeof(*places));
    }
    calls->places = places;
    calls->index = index;
    calls->room = room;
    for (i = 0; i < calls->count; i++) {
        index[slot_of(calls, places[i].scope, places[i].hook)] = i + 1;
    }
    return 1;
}

static apr_uint32_t place_of(lpp_calls_t *calls, apr_uint32_t scope,
                             apr_uint32_t hook)
{
    apr_uint32_t slot, next = calls->last_place + 1;
    place_t *place;

    if (next < calls->count && calls->places[next].scope == scope
        && calls->places[next].hook == hook) {
        return next; /* the phases run again in the same order */
    }
    slot = slot_of(calls, scope, hook);
    if (calls->index[slot] != 0) {
        return calls->index[slot] - 1;
    }
    if (calls->count == calls->room) {
        if (calls->room * 2 > LPP_CALLS_PLACES_MAX
            || !grow_places(calls, calls->room * 2)) {
            return LPP_CALLS_NONE;
        }
        slot = slot_of(calls, scope, hook);
    }
    place = &calls->places[calls->count];
    memset(place, 0, sizeof(*place));
    place->scope = scope;
    place->hook = hook;
    calls->index[slot] = ++calls->count;
    return calls->count - 1;
}

unsigned lpp_calls_enter(lpp_calls_t *calls, apr_uint32_t scope,
                         apr_uint32_t hook)
{
    apr_uint32_t place;
    frame_t *frame;

    if (calls->depth >= LPP_CALLS_DEPTH_MAX
        || (place = place_of(calls, scope, hook)) == LPP_CALLS_NONE) {
        calls->dropped++;
        calls->follower = LPP_CALLS_NONE;
        return 0;
    }
    frame = &calls->stack[calls->depth++];
    frame->place = place;
    frame->below_wall_ns = frame->below_cpu_ns = frame->below_ready_ns = 0;
    calls->places[place].active++;
    calls->places[place].calls++;
    calls->last_place = place;
    if (calls->follower == hook && calls->hooks[hook].follows) {
        frame->start_wall_ns = calls->left_wall_ns;
        frame->start_cpu_ns = calls->left_cpu_ns;
    }
    else {
        frame->start_wall_ns = (apr_uint64_t)lpp_clock_ns(CLOCK_MONOTONIC);
        frame->start_cpu_ns = cpu_at(calls, frame->start_wall_ns);
    }
    frame->start_ready_ns = calls->ready_ns;
    calls->follower = LPP_CALLS_NONE;
    return calls->depth;
}

unsigned lpp_calls_enter_here(lpp_calls_t *calls, apr_uint32_t hook)
{
    apr_uint32_t scope = calls->depth == 0 ? 0
        : calls->places[calls->stack[calls->depth - 1].place].scope;

    return lpp_calls_enter(calls, scope, hook);
}

/* Store a call that is long enough to be seen in a timeline. */
static __attribute__((noinline)) void keep_span(lpp_calls_t *calls,
                                                const frame_t *frame,
                                                apr_uint64_t now,
                                                apr_uint64_t cpu,
                                                apr_uint64_t ready)
{
    const place_t *place = &calls->places[frame->place];
    lpp_call_span_t *span;

    if (calls->span_count >= LPP_CALLS_SPANS_MAX) {
        return;
    }
    if (calls->span_count == calls->span_room) {
        apr_uint32_t room = calls->span_room ? calls->span_room * 2
                                             : FIRST_SPANS;

        if (!(span = apr_palloc(calls->pool, room * sizeof(*span)))) {
            return;
        }
        if (calls->span_count > 0) {
            memcpy(span, calls->spans, calls->span_count * sizeof(*span));
        }
        calls->spans = span;
        calls->span_room = room;
    }
    span = &calls->spans[calls->span_count++];
    span->start_ns = frame->start_wall_ns;
    span->end_ns = now;
    span->cpu_ns = cpu;
    span->ready_ns = calls->read_ready && calls->last_ready_ns >= 0
        ? (apr_int64_t)ready : -1;
    span->phase = calls->hooks[place->hook].phase;
    span->module = calls->hooks[place->hook].module;
    span->kind = calls->scopes[place->scope].about.kind;
    span->path = calls->scopes[place->scope].about.path;
}

/* End the innermost call that runs. */
static void pop(lpp_calls_t *calls, apr_uint64_t now, apr_uint64_t cpu_now)
{
    frame_t *frame = &calls->stack[--calls->depth];
    place_t *place = &calls->places[frame->place];
    apr_uint64_t wall = lpp_calls_less(now, frame->start_wall_ns);
    apr_uint64_t cpu = lpp_calls_less(cpu_now, frame->start_cpu_ns);
    apr_uint64_t ready = calls->ready_ns - frame->start_ready_ns;

    if (cpu > wall) {
        cpu = wall; /* limit it: the clocks are read one after the other */
    }
    ready = ready > wall - cpu ? wall - cpu : ready;
    place->self_wall_ns += lpp_calls_less(wall, frame->below_wall_ns);
    place->self_cpu_ns += lpp_calls_less(cpu, frame->below_cpu_ns);
    place->self_ready_ns += lpp_calls_less(ready, frame->below_ready_ns);
    if (--place->active == 0) { /* recursion is counted once */
        place->wall_ns += wall;
        place->cpu_ns += cpu;
        place->ready_ns += ready;
    }
    if (calls->depth > 0) {
        frame[-1].below_wall_ns += wall;
        frame[-1].below_cpu_ns += cpu;
        frame[-1].below_ready_ns += ready;
    }
    if (__builtin_expect(wall >= LPP_CALLS_SPAN_MIN_NS, 0)) {
        keep_span(calls, frame, now, cpu, ready);
    }
}

void lpp_calls_leave(lpp_calls_t *calls, unsigned handle, const int *result,
                     int decided)
{
    apr_uint64_t now = (apr_uint64_t)lpp_clock_ns(CLOCK_MONOTONIC), cpu;
    place_t *place;

    if (handle == 0 || handle > calls->depth) {
        return;
    }
    cpu = cpu_at(calls, now);
    place = &calls->places[calls->stack[handle - 1].place];
    while (calls->depth >= handle) {
        pop(calls, now, cpu);
    }
    calls->follower = decided ? LPP_CALLS_NONE : place->hook + 1;
    calls->left_wall_ns = now;
    calls->left_cpu_ns = cpu;
    if (!result) {
        return;
    }
    place->has_result = 1;
    if (decided) {
        place->decided++;
    }
    if (decided || place->decided == 0) {
        place->result = *result;
    }
}

static apr_uint32_t hash_of(const lpp_scope_t *about)
{
    apr_uint32_t hash = 2166136261u ^ (about->parent * 0x9e3779b9u)
        ^ (about->caller * 0x85ebca6bu);
    const char *text = about->path;

    for (; *text; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    }
    return hash;
}

/* The slot of the scope in the index: its own, or the free one for it. */
static apr_uint16_t *scope_slot(const lpp_calls_t *calls,
                                const lpp_scope_t *about, apr_uint32_t hash)
{
    apr_uint32_t at = (hash ^ (hash >> 16)) & (SCOPE_SLOTS - 1);

    for (; calls->scope_index[at]; at = (at + 1) & (SCOPE_SLOTS - 1)) {
        const scope_t *scope = &calls->scopes[calls->scope_index[at]];

        if (scope->hash == hash && scope->about.parent == about->parent
            && scope->about.caller == about->caller
            && scope->about.kind == about->kind
            && strcmp(scope->about.path, about->path) == 0) {
            break;
        }
    }
    return &calls->scope_index[at];
}

/* Add a scope and return its number; if memory is short, that of the last
 * one. */
static apr_uint32_t add_scope(lpp_calls_t *calls, const lpp_scope_t *about,
                              apr_uint32_t hash)
{
    scope_t *scope;

    if (calls->scope_count == calls->scope_room) {
        apr_uint32_t room = calls->scope_room ? calls->scope_room * 2 : 8;

        scope = apr_palloc(calls->pool, room * sizeof(*scope));
        if (!scope) {
            return calls->scope_count - 1;
        }
        if (calls->scope_count > 0) {
            memcpy(scope, calls->scopes,
                   calls->scope_count * sizeof(*scope));
        }
        calls->scopes = scope;
        calls->scope_room = room;
    }
    scope = &calls->scopes[calls->scope_count];
    memset(scope, 0, sizeof(*scope));
    scope->about = *about;
    scope->hash = hash;
    scope->about.requests = 1;
    scope->about.path = apr_pstrdup(calls->pool, about->path);
    return calls->scope_count++;
}

/* Count a request in the scope for others. */
static apr_uint32_t add_to_others(lpp_calls_t *calls, apr_uint32_t others)
{
    calls->scopes[others].about.requests++;
    return others;
}

/* The last scope is for all requests that have no room, whatever made them. */
static apr_uint32_t last_scope(lpp_calls_t *calls)
{
    lpp_scope_t about = { LPP_SCOPE_OTHERS, "", 1, 0, LPP_CALLS_NONE };

    return calls->scope_count == LPP_CALLS_SCOPES_MAX
        ? add_to_others(calls, LPP_CALLS_SCOPES_MAX - 1)
        : add_scope(calls, &about, 0);
}

static maker_t *maker_of(lpp_calls_t *calls, const lpp_scope_t *about)
{
    return about->caller == LPP_CALLS_NONE
        ? &calls->scopes[about->parent].maker
        : &calls->places[about->caller].maker;
}

apr_uint32_t lpp_calls_begin_scope(lpp_calls_t *calls, apr_uint32_t parent,
                                   lpp_scope_kind_e kind, const char *path)
{
    lpp_scope_t about = { kind, path, 1, parent, LPP_CALLS_NONE };
    apr_uint32_t hash, scope;
    apr_uint16_t *slot;
    maker_t *maker;

    if (calls->depth > 0) {
        about.caller = calls->stack[calls->depth - 1].place;
        about.parent = calls->places[about.caller].scope;
    }
    if (!calls->scope_index) {
        calls->scope_index = apr_pcalloc(calls->pool, SCOPE_SLOTS
                                         * sizeof(*calls->scope_index));
        if (!calls->scope_index) {
            return about.parent;
        }
    }
    hash = hash_of(&about);
    slot = scope_slot(calls, &about, hash);
    if (*slot) {
        calls->scopes[*slot].about.requests++;
        return *slot;
    }
    maker = maker_of(calls, &about);
    if (maker->others) {
        return add_to_others(calls, maker->others);
    }
    if (calls->scope_count >= LPP_CALLS_SCOPES_MAX - 1) {
        return last_scope(calls);
    }
    if (maker->made == LPP_CALLS_MADE_MAX) {
        about.kind = LPP_SCOPE_OTHERS;
        about.path = "";
        scope = add_scope(calls, &about, 0);
        maker_of(calls, &about)->others = scope; /* scopes may have moved */
        return scope;
    }
    scope = add_scope(calls, &about, hash);
    maker_of(calls, &about)->made++;
    *slot = (apr_uint16_t)scope;
    return scope;
}

apr_status_t lpp_calls_create(lpp_calls_t **calls, const lpp_hook_t *hooks,
                              apr_uint32_t left_out, apr_pool_t *pool)
{
    lpp_scope_t first = { LPP_SCOPE_REQUEST, "", 1, LPP_CALLS_NONE,
                          LPP_CALLS_NONE };
    lpp_calls_t *made = apr_palloc(pool, sizeof(*made));

    *calls = NULL;
    if (!made) {
        return APR_ENOMEM;
    }
    memset(made, 0, sizeof(*made));
    made->pool = pool;
    made->hooks = hooks;
    made->left_out = left_out;
    made->follower = LPP_CALLS_NONE;
    if (!grow_places(made, FIRST_PLACES)) {
        return APR_ENOMEM;
    }
    add_scope(made, &first, 0);
    if (made->scope_count != 1) {
        return APR_ENOMEM;
    }
    *calls = made;
    return APR_SUCCESS;
}
