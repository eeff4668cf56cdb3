/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_phases: see mod_lpprofile_phases.h.
 *
 * Which phases a request went through, and when. Each request of a chain has a
 * track. Owns the phases of a request; does not use the run, and registers no
 * hook.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <httpd.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include <util_filter.h>

#include "base/lpp_clock.h"
#include "server/mod_lpprofile_wrappers.h"
#include "request/mod_lpprofile_phases.h"

#define ENTRIES_MAX 4096
#define NESTED_MAX 128      /* phases of subrequests with rows of their own; of
                               later subrequests, only those that take
                               NESTED_MIN_US get a row */
#define NESTED_MIN_US 1000
#define URI_MAX_BYTES 256
#define READY_MIN_NS 20000 /* off the processor for less: it ran */
#define RECORD_KEY "lpprofile-phases"

static const char *const phase_names[LPP_PHASES] = {
    "read_request",    "post_read_request", "pre_translate_name",
    "translate_name",  "map_to_storage",    "header_parser",
    "access_checker",  "check_user_id",     "auth_checker",
    "type_checker",    "fixups",            "insert_filter",
    "handler",         "send",              "log_transaction",
    "all phases"
};

/* The clocks of a thread. */
typedef struct clocks_t {
    pthread_t thread;
    apr_time_t wall_us;
    apr_int64_t cpu_ns;
    apr_int64_t ready_ns; /* -1: not known */
} clocks_t;

/* One phase of one request. */
typedef struct entry_t {
    apr_time_t start_us;
    apr_time_t end_us;  /* 0: still running */
    clocks_t start;     /* of the thread that began it */
    apr_int64_t cpu_ns, ready_ns; /* once it has ended; -1: not known */
    lpp_phase_e phase;
    const char *suffix; /* which request; NULL: the first one, or (nested) not
                           made yet */
    int nested;         /* of a subrequest: within a phase of another */
} entry_t;

/* In the pool of the first request, so that cleanups which run after the phases
 * are destroyed (pools of subrequests are destroyed after log_transaction) find
 * them detached. */
typedef struct record_t {
    lpp_phases_t *phases; /* NULL: detached */
} record_t;

/* One request of the chain; in its pool. */
typedef struct track_t track_t;
struct track_t {
    track_t *next;
    record_t *record;
    const request_rec *r; /* compared, never read */
    const char *kind;     /* "redirect" or "subrequest"; NULL: the first */
    const char *uri;      /* of a redirect or subrequest, when it began; r's */
    const char *suffix;   /* NULL: the first request, or not made yet */
    int nested;
    int whole;            /* all its phases are one entry */
    int running;          /* index of its open entry; -1: none */
};

struct lpp_phases_t {
    apr_pool_t *pool;
    apr_time_t started_us;
    record_t *record;            /* while attached */
    const lpp_oops_hidden_t *hidden;
    apr_array_header_t *entries; /* entry_t, by start */
    int nested;                  /* entries of subrequests */
    apr_uint32_t dropped;        /* entries left out */
    apr_int64_t (*read_ready)(const void *baton); /* or NULL */
    const void *ready_baton;
    clocks_t last;               /* wall_us 0: never read */
    track_t *tracks;             /* newest first: that is looked up most */
};

static ap_filter_rec_t *end_filter_handle;

static track_t *find_track(const lpp_phases_t *phases, const request_rec *r)
{
    track_t *track = phases->tracks;

    while (track && track->r != r) {
        track = track->next;
    }
    return track;
}

/* Read the clocks of the calling thread into phases->last. Ready time, which
 * takes longest, only if the thread did not run all the time since. */
static void read_clocks(lpp_phases_t *phases, apr_time_t now)
{
    clocks_t *last = &phases->last;
    pthread_t self = pthread_self();
    apr_int64_t cpu = lpp_clock_ns(CLOCK_THREAD_CPUTIME_ID);

    if (last->wall_us == 0 || last->ready_ns < 0
        || !pthread_equal(last->thread, self)
        || (now - last->wall_us) * 1000 - (cpu - last->cpu_ns)
               >= READY_MIN_NS) {
        last->ready_ns = phases->read_ready
            ? phases->read_ready(phases->ready_baton) : -1;
    }
    last->thread = self;
    last->wall_us = now;
    last->cpu_ns = cpu;
}

/* What a phase has used up to the last reading of the clocks. */
static void set_used(const lpp_phases_t *phases, entry_t *entry)
{
    const clocks_t *last = &phases->last;

    entry->cpu_ns = entry->ready_ns = -1;
    if (pthread_equal(last->thread, entry->start.thread)) {
        entry->cpu_ns = last->cpu_ns - entry->start.cpu_ns;
        if (entry->start.ready_ns >= 0 && last->ready_ns >= 0) {
            entry->ready_ns = last->ready_ns - entry->start.ready_ns;
        }
    }
}

/* The path without the query, which says little here. */
static const char *suffix_of(lpp_phases_t *phases, track_t *track)
{
    if (!track->suffix && track->kind) {
        track->suffix = apr_psprintf(phases->pool, " (%s %.*s)", track->kind,
                                     URI_MAX_BYTES,
                                     lpp_oops_mask_url(track->uri,
                                                       phases->hidden,
                                                       phases->pool));
    }
    return track->suffix;
}

/* A directory listing makes a subrequest for each file, of a few microseconds
 * each: beyond NESTED_MAX such a subrequest is only counted. */
static void leave_phase(lpp_phases_t *phases, track_t *track, apr_time_t now)
{
    entry_t *entry;

    if (track->running < 0) {
        return;
    }
    entry = &APR_ARRAY_IDX(phases->entries, track->running, entry_t);
    entry->end_us = now;
    read_clocks(phases, now);
    set_used(phases, entry);
    if (entry->phase == LPP_PHASE_ALL) {
        if (now - entry->start_us < NESTED_MIN_US
            && track->running == phases->entries->nelts - 1) {
            apr_array_pop(phases->entries);
            phases->nested--;
            phases->dropped++;
        }
        else {
            entry->suffix = suffix_of(phases, track);
        }
    }
    track->running = -1;
}

static void enter_phase(lpp_phases_t *phases, track_t *track, lpp_phase_e phase,
                        apr_time_t now)
{
    entry_t *entry;

    if (track->running >= 0
        && APR_ARRAY_IDX(phases->entries, track->running, entry_t).phase
           == phase) {
        return; /* the phase has several hooks: access_checker,
                   access_checker_ex */
    }
    leave_phase(phases, track, now);
    if (phases->entries->nelts >= ENTRIES_MAX) {
        phases->dropped++;
        return;
    }
    read_clocks(phases, now);
    entry = apr_array_push(phases->entries);
    memset(entry, 0, sizeof(*entry));
    entry->start = phases->last;
    entry->start_us = now;
    entry->phase = phase;
    entry->nested = track->nested;
    entry->suffix = phase == LPP_PHASE_ALL ? NULL : suffix_of(phases, track);
    phases->nested += track->nested;
    track->running = phases->entries->nelts - 1;
}

/* Cleanup of a subrequest's pool: its phase ends. */
static apr_status_t subrequest_gone(void *data)
{
    track_t *track = data;
    lpp_phases_t *phases = track->record->phases;
    track_t **link;

    if (!phases) {
        return APR_SUCCESS;
    }
    for (link = &phases->tracks; *link; link = &(*link)->next) {
        if (*link == track) {
            if (track->running >= 0) {
                leave_phase(phases, track, lpp_monotonic_us());
            }
            *link = track->next;
            break;
        }
    }
    return APR_SUCCESS;
}

static track_t *begin_track(lpp_phases_t *phases, request_rec *r,
                            apr_time_t now)
{
    track_t *track = apr_pcalloc(r->pool, sizeof(*track));
    track_t *before;

    track->r = r;
    track->record = phases->record;
    track->running = -1;
    track->nested = r->main != NULL;
    if (r->main || r->prev) {
        track->kind = r->prev ? "redirect" : "subrequest";
        track->uri = r->uri ? r->uri : "";
    }
    before = r->prev ? find_track(phases, r->prev) : NULL;
    if (before) {
        leave_phase(phases, before, now); /* the redirect continues */
    }
    if (r->main) {
        apr_pool_cleanup_register(r->pool, track, subrequest_gone,
                                  apr_pool_cleanup_null);
    }
    track->next = phases->tracks;
    phases->tracks = track;
    return track;
}

static record_t *find_record(const request_rec *r)
{
    void *record = NULL;

    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    apr_pool_userdata_get(&record, RECORD_KEY, r->pool);
    return record;
}

void lpp_phases_enter(lpp_phases_t *phases, request_rec *r, lpp_phase_e phase)
{
    apr_time_t now;
    track_t *track;

    if (!phases || !phases->record) {
        return;
    }
    track = find_track(phases, r);
    if (track && track->whole && track->running >= 0) {
        return;
    }
    now = lpp_monotonic_us();
    if (!track) {
        track = begin_track(phases, r, now);
        track->whole = track->nested && phases->nested >= NESTED_MAX;
    }
    enter_phase(phases, track, track->whole ? LPP_PHASE_ALL : phase, now);
}

static void end_all(lpp_phases_t *phases, apr_time_t now)
{
    track_t *track;

    for (track = phases->tracks; track; track = track->next) {
        leave_phase(phases, track, now);
    }
}

void lpp_phases_leave(lpp_phases_t *phases, const request_rec *r)
{
    track_t *track = phases ? find_track(phases, r) : NULL;

    if (track && track->running >= 0) {
        leave_phase(phases, track, lpp_monotonic_us());
    }
}

void lpp_phases_leave_all(lpp_phases_t *phases)
{
    if (phases) {
        end_all(phases, lpp_monotonic_us());
    }
}

/* Runs after all filters of a subrequest's own output. */
static apr_status_t end_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    record_t *record = f->ctx;
    int eos = !APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
    apr_status_t status = lpp_pass_brigade(f->next, bb);

    if (eos) {
        lpp_phases_leave(record->phases, r);
    }
    return status;
}

void lpp_phases_enter_handler(lpp_phases_t *phases, request_rec *r)
{
    lpp_phases_enter(phases, r, LPP_PHASE_HANDLER);
    if (phases && phases->record && r->main) {
        ap_add_output_filter_handle(end_filter_handle, phases->record, r,
                                    r->connection);
    }
}

lpp_phases_t *lpp_phases_create(apr_pool_t *pool, apr_time_t started_us,
                                const lpp_oops_hidden_t *hidden)
{
    lpp_phases_t *phases = apr_pcalloc(pool, sizeof(*phases));

    phases->pool = pool;
    phases->started_us = started_us;
    phases->hidden = hidden;
    phases->entries = apr_array_make(pool, 32, sizeof(entry_t));
    return phases;
}

void lpp_phases_count_ready(lpp_phases_t *phases,
                            apr_int64_t (*function)(const void *baton),
                            const void *baton)
{
    phases->read_ready = function;
    phases->ready_baton = baton;
}

static void detach(record_t *record)
{
    if (record->phases) {
        record->phases->record = NULL;
        record->phases->tracks = NULL; /* the tracks are destroyed with their
                                          requests */
        record->phases = NULL;
    }
}

static apr_status_t detach_cleanup(void *data)
{
    detach(data);
    return APR_SUCCESS;
}

void lpp_phases_attach(request_rec *r, lpp_phases_t *phases)
{
    record_t *record = find_record(r);
    track_t *track;

    if (record) {
        detach(record);
    }
    if (!phases) {
        return;
    }
    if (!record) {
        record = apr_pcalloc(r->pool, sizeof(*record));
        apr_pool_userdata_setn(record, RECORD_KEY, NULL, r->pool);
        apr_pool_cleanup_register(r->pool, record, detach_cleanup,
                                  apr_pool_cleanup_null);
    }
    record->phases = phases;
    phases->record = record;
    if (!find_track(phases, r)) {
        track = begin_track(phases, r, phases->started_us);
        enter_phase(phases, track, LPP_PHASE_READ, phases->started_us);
        enter_phase(phases, track, LPP_PHASE_POST_READ, lpp_monotonic_us());
    }
}

void lpp_phases_gate_passed(lpp_phases_t *phases)
{
    entry_t *last;

    if (phases->entries->nelts > 0) {
        last = &APR_ARRAY_IDX(phases->entries, phases->entries->nelts - 1,
                              entry_t);
        if (last->phase == LPP_PHASE_POST_READ && last->end_us == 0) {
            last->start_us = lpp_monotonic_us();
            read_clocks(phases, last->start_us);
            last->start = phases->last;
        }
    }
}

void lpp_phases_sending(lpp_phases_t *phases)
{
    track_t *track = phases->tracks;
    apr_time_t now = lpp_monotonic_us();

    end_all(phases, now);
    while (track && track->next) {
        track = track->next; /* the oldest is the first request */
    }
    if (track) {
        enter_phase(phases, track, LPP_PHASE_SEND, now);
    }
}

static double span_ms(apr_time_t from_us, apr_time_t to_us)
{
    return (double)(to_us - from_us) / 1000.0;
}

static double share_ms(apr_int64_t ns)
{
    return ns < 0 ? -1 : (double)ns / 1e6;
}

void lpp_phases_add_to(lpp_phases_t *phases, lpp_oops_t *oops)
{
    apr_time_t now = lpp_monotonic_us();
    int i;

    read_clocks(phases, now);
    for (i = 0; i < phases->entries->nelts; i++) {
        entry_t entry = APR_ARRAY_IDX(phases->entries, i, entry_t);
        lpp_oops_event_t row;

        if (!entry.end_us) {
            entry.end_us = now;
            set_used(phases, &entry);
        }
        row.start_ms = span_ms(phases->started_us, entry.start_us);
        row.end_ms = span_ms(phases->started_us, entry.end_us);
        row.category = "phase";
        row.detail = phase_names[entry.phase];
        row.cpu_ms = share_ms(entry.cpu_ns);
        row.ready_ms = share_ms(entry.ready_ns);
        if (entry.suffix || entry.nested) {
            row.detail = apr_pstrcat(oops->pool, row.detail,
                                     entry.suffix ? entry.suffix
                                     : " (subrequest)", NULL); /* still
                                                                  running */
        }
        lpp_oops_add_row(oops, &row);
    }
    oops->timeline_dropped += phases->dropped;
}

/* Phases of subrequests are within those of the request, so they are not
 * added. */
const char *lpp_phases_server_timing(const lpp_phases_t *phases,
                                     apr_pool_t *pool)
{
    apr_time_t sums[LPP_PHASES] = { 0 };
    int seen[LPP_PHASES] = { 0 };
    apr_time_t now = lpp_monotonic_us();
    const char *value = NULL;
    int i;

    for (i = 0; i < phases->entries->nelts; i++) {
        const entry_t *entry = &APR_ARRAY_IDX(phases->entries, i, entry_t);

        if (!entry->nested) {
            sums[entry->phase]
                += (entry->end_us ? entry->end_us : now) - entry->start_us;
            seen[entry->phase] = 1;
        }
    }
    for (i = 0; i < LPP_PHASES; i++) {
        if (seen[i]) {
            value = apr_psprintf(pool, "%s%s%s;dur=%.3f", value ? value : "",
                                 value ? ", " : "", phase_names[i],
                                 (double)sums[i] / 1000.0);
        }
    }
    return value;
}

void lpp_phases_register_filters(apr_pool_t *pool)
{
    end_filter_handle = ap_register_output_filter(
        "LPPROFILE_PHASES", end_filter, NULL, AP_FTYPE_CONTENT_SET - 1);
}
