/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_wrappers: see mod_lpprofile_wrappers.h.
 *
 * One family of functions made by a macro: an entry has no argument that could
 * tell it who it is, so each is compiled with its own number. Owns them, what
 * they stand for, and the change of the arrays; knows nothing of runs.
 *
 * The code stands in a section of its own, so that a range of addresses tells
 * an entry from all else.
 */
#include "server/mod_lpprofile_wrappers.h"

#include <pthread.h>
#include <string.h>

#include <ap_hooks.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#define ENTRY __attribute__((section("lpp_entries"), noinline, used))
#define INTERNAL __attribute__((visibility("hidden")))

extern const char __start_lpp_entries[] INTERNAL;
extern const char __stop_lpp_entries[] INTERNAL;
extern const char __start_lpp_passes[] INTERNAL;
extern const char __stop_lpp_passes[] INTERNAL;

typedef int int_fn(request_rec *r);
typedef void void_fn(request_rec *r);
typedef int quick_fn(request_rec *r, int lookup);

/* When a thread learns of a change does not matter: the one that counted its
 * own request up sees it. */
atomic_int lpp_entries_watched;

/* Held while the arrays are changed, and while the count leaves 0. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

/* Everything below is written in the parent alone. */

typedef struct place_t {
    lpp_entries_fn **at;         /* in httpd's array, which lives in pconf */
    lpp_entries_fn *function[2]; /* the original, the entry */
} place_t;

static place_t places[LPP_ENTRIES_MAX];
static unsigned place_count;

static lpp_watcher_t watch;    /* enter NULL: nobody counts */
static const lpp_door_t *doors;
static unsigned door_count;
static lpp_hook_t hooks[LPP_ENTRIES_MAX + 1]; /* the watcher's, and ours */
static unsigned char runs_all[LPP_ENTRIES_MAX];
static apr_uint32_t used[3];   /* of each kind */
static apr_uint32_t counted;   /* of all kinds, seen by the watcher */
static apr_uint32_t left_out;

static int (*begins[LPP_ENTRIES_INT])(request_rec *r);
static void (*ends[LPP_ENTRIES_INT])(request_rec *r);
static int_fn *int_originals[LPP_ENTRIES_INT];
static void_fn *void_originals[LPP_ENTRIES_VOID];
static quick_fn *quick_originals[LPP_ENTRIES_QUICK];

/* Kept for doors: two a phase. */
#define DOOR_ENTRIES (2 * 13)

#define FIRST_VOID LPP_ENTRIES_INT
#define FIRST_QUICK (LPP_ENTRIES_INT + LPP_ENTRIES_VOID)

/* NULL where nobody counts, or not this hook (one of our own at a door). */
ENTRY static void *enter(request_rec *r, apr_uint32_t hook, unsigned *handle)
{
    return watch.enter && hooks[hook].phase ? watch.enter(r, hook, handle)
                                            : NULL;
}

ENTRY static int watched_int(request_rec *r, unsigned n)
{
    unsigned handle = 0;
    void *seen;
    int result = begins[n] ? begins[n](r) : DECLINED;

    if (result != DECLINED) {
        return result;
    }
    seen = enter(r, n, &handle);
    result = int_originals[n](r);
    if (seen) {
        watch.leave(seen, handle, n, &result);
    }
    if (ends[n] && (result == OK || result == DECLINED)) {
        ends[n](r);
    }
    return result;
}

ENTRY static void watched_void(request_rec *r, unsigned n)
{
    unsigned handle = 0;
    void *seen = enter(r, FIRST_VOID + n, &handle);

    void_originals[n](r);
    if (seen) {
        watch.leave(seen, handle, FIRST_VOID + n, NULL);
    }
}

ENTRY static int watched_quick(request_rec *r, int lookup, unsigned n)
{
    unsigned handle = 0;
    void *seen = enter(r, FIRST_QUICK + n, &handle);
    int result = quick_originals[n](r, lookup);

    if (seen) {
        watch.leave(seen, handle, FIRST_QUICK + n, &result);
    }
    return result;
}

/* After a call: keeps it from being made a jump, so that a frame of the entry
 * stays, which tells whose hook runs where that one has none (mod_lua's jump to
 * a common function). */
#define STAY() __asm__ volatile("" : : : "memory")

LPP_PASSES_ON apr_status_t lpp_pass_brigade(ap_filter_t *next,
                                            apr_bucket_brigade *bb)
{
    apr_status_t status = ap_pass_brigade(next, bb);

    STAY();
    return status;
}

LPP_PASSES_ON apr_status_t lpp_get_brigade(ap_filter_t *next,
                                           apr_bucket_brigade *bb,
                                           ap_input_mode_t mode,
                                           apr_read_type_e block,
                                           apr_off_t bytes)
{
    apr_status_t status = ap_get_brigade(next, bb, mode, block, bytes);

    STAY();
    return status;
}

LPP_PASSES_ON apr_status_t lpp_read_bucket(apr_bucket *b, const char **data,
                                           apr_size_t *len,
                                           apr_read_type_e block)
{
    apr_status_t status = apr_bucket_read(b, data, len, block);

    STAY();
    return status;
}

#define INT_ENTRY(n) \
    ENTRY static int int_entry_##n(request_rec *r) \
    { \
        int result = watched_int(r, 0##n); \
        STAY(); \
        return result; \
    }

#define VOID_ENTRY(n) \
    ENTRY static void void_entry_##n(request_rec *r) \
    { \
        watched_void(r, 0##n); \
        STAY(); \
    }

#define QUICK_ENTRY(n) \
    ENTRY static int quick_entry_##n(request_rec *r, int lookup) \
    { \
        int result = watched_quick(r, lookup, 0##n); \
        STAY(); \
        return result; \
    }

/* Numbers in octal: each digit more is eight times as many. */
#define DIGIT(x, n) \
    x(n##0) x(n##1) x(n##2) x(n##3) x(n##4) x(n##5) x(n##6) x(n##7)
#define DIGITS_64(x, n) \
    DIGIT(x, n##0) DIGIT(x, n##1) DIGIT(x, n##2) DIGIT(x, n##3) \
    DIGIT(x, n##4) DIGIT(x, n##5) DIGIT(x, n##6) DIGIT(x, n##7)
#define ALL_INT(x) \
    DIGITS_64(x, 0) DIGITS_64(x, 1) DIGITS_64(x, 2) DIGITS_64(x, 3) \
    DIGITS_64(x, 4) DIGITS_64(x, 5) DIGITS_64(x, 6) DIGITS_64(x, 7)
#define ALL_VOID(x) DIGITS_64(x, 0)
#define ALL_QUICK(x) DIGIT(x, 0) DIGIT(x, 1)

ALL_INT(INT_ENTRY)
ALL_VOID(VOID_ENTRY)
ALL_QUICK(QUICK_ENTRY)

#define INT_NAME(n) int_entry_##n,
#define VOID_NAME(n) void_entry_##n,
#define QUICK_NAME(n) quick_entry_##n,

static int_fn *const int_entries[] = { ALL_INT(INT_NAME) };
static void_fn *const void_entries[] = { ALL_VOID(VOID_NAME) };
static quick_fn *const quick_entries[] = { ALL_QUICK(QUICK_NAME) };

/* What every hook's array holds, whatever the type of its function. */
typedef struct link_t {
    lpp_entries_fn *function;
    const char *module;
    const char *const *predecessors;
    const char *const *successors;
    int order;
} link_t;

typedef enum { KIND_INT, KIND_VOID, KIND_QUICK } kind_e;

/* Hooks of a request, in its order. all: every function of it runs, unless
 * one answers neither OK nor DECLINED. */
static const struct {
    const char *phase;
    apr_array_header_t *(*links)(void);
    kind_e kind;
    int all;
} phases[] = {
    { "post_read_request", ap_hook_get_post_read_request, KIND_INT, 1 },
    { "quick_handler", ap_hook_get_quick_handler, KIND_QUICK, 0 },
    { "pre_translate_name", ap_hook_get_pre_translate_name, KIND_INT, 0 },
    { "translate_name", ap_hook_get_translate_name, KIND_INT, 0 },
    { "map_to_storage", ap_hook_get_map_to_storage, KIND_INT, 0 },
    { "post_perdir_config", ap_hook_get_post_perdir_config, KIND_INT, 1 },
    { "header_parser", ap_hook_get_header_parser, KIND_INT, 1 },
    { "access_checker", ap_hook_get_access_checker, KIND_INT, 1 },
    { "access_checker_ex", ap_hook_get_access_checker_ex, KIND_INT, 0 },
    { "force_authn", ap_hook_get_force_authn, KIND_INT, 0 },
    { "check_user_id", ap_hook_get_check_user_id, KIND_INT, 0 },
    { "auth_checker", ap_hook_get_auth_checker, KIND_INT, 0 },
    { "type_checker", ap_hook_get_type_checker, KIND_INT, 0 },
    { "fixups", ap_hook_get_fixups, KIND_INT, 1 },
    { "insert_filter", ap_hook_get_insert_filter, KIND_VOID, 1 },
    { "handler", ap_hook_get_handler, KIND_INT, 0 },
    { "insert_error_filter", ap_hook_get_insert_error_filter, KIND_VOID, 1 },
    { "log_transaction", ap_hook_get_log_transaction, KIND_INT, 1 }
};

static int is_entry(lpp_entries_fn *function)
{
    const char *address;

    memcpy(&address, &function, sizeof(address));
    return address >= __start_lpp_entries && address < __stop_lpp_entries;
}

/* The number of a hook of that kind, and its entry; NULL: less than spare would
 * be left. */
static lpp_entries_fn *take_entry(kind_e kind, lpp_entries_fn *original,
                                  apr_uint32_t spare, apr_uint32_t *number)
{
    static const apr_uint32_t most[] = { LPP_ENTRIES_INT, LPP_ENTRIES_VOID,
                                         LPP_ENTRIES_QUICK };
    static const apr_uint32_t first[] = { 0, FIRST_VOID, FIRST_QUICK };
    apr_uint32_t n = used[kind];

    if (n + spare >= most[kind]) {
        left_out++;
        return NULL;
    }
    used[kind]++;
    *number = first[kind] + n;
    if (kind == KIND_VOID) {
        void_originals[n] = (void_fn *)original;
        return (lpp_entries_fn *)void_entries[n];
    }
    if (kind == KIND_QUICK) {
        quick_originals[n] = (quick_fn *)original;
        return (lpp_entries_fn *)quick_entries[n];
    }
    int_originals[n] = (int_fn *)original;
    return (lpp_entries_fn *)int_entries[n];
}

/* Around a module's hook, or with "" for the first and the last. */
static const lpp_door_t *door_of(unsigned phase, const char *module)
{
    unsigned i;

    for (i = 0; i < door_count; i++) {
        const char *wanted = doors[i].module ? doors[i].module : "";

        if (phases[phase].kind == KIND_INT && strcmp(wanted, module) == 0
            && strcmp(doors[i].phase, phases[phase].phase) == 0) {
            return &doors[i];
        }
    }
    return NULL;
}

/* before: the number of the hook in front of it in the array, where that is
 * counted and nothing of ours runs behind it; else LPP_CALLS_NONE. Returns what
 * before is for the next hook. */
static apr_uint32_t add_place(unsigned phase, link_t *link, int is_counted,
                              const lpp_door_t *begin, const lpp_door_t *end,
                              apr_uint32_t before)
{
    apr_uint32_t number;
    lpp_entries_fn *entry;

    /* There is always an entry for a door; they are of the int kind. */
    entry = take_entry(phases[phase].kind, link->function,
                       begin || end || phases[phase].kind != KIND_INT
                           ? 0 : DOOR_ENTRIES, &number);
    if (!entry) {
        return LPP_CALLS_NONE;
    }
    if (phases[phase].kind == KIND_INT) {
        begins[number] = begin ? begin->begin : NULL;
        ends[number] = end ? end->end : NULL;
    }
    if (is_counted) {
        counted++;
        hooks[number].phase = phases[phase].phase;
        hooks[number].module = link->module ? link->module : "?";
        memcpy(&hooks[number].function, &link->function,
               sizeof(hooks[number].function));
        hooks[number].follows = before != LPP_CALLS_NONE
            && before + 1 == number && !(begin && begin->begin);
    }
    runs_all[number] = (unsigned char)phases[phase].all;
    places[place_count].at = &link->function;
    places[place_count].function[0] = link->function;
    places[place_count++].function[1] = entry;
    return is_counted && !(end && end->end) ? number : LPP_CALLS_NONE;
}

static void add_places(unsigned phase, const char *own)
{
    const apr_array_header_t *links = phases[phase].links();
    const lpp_door_t *edge = door_of(phase, "");
    apr_uint32_t before = LPP_CALLS_NONE;
    int i;

    if (!links || links->elt_size != sizeof(link_t)) {
        return; /* nobody hooked it, or another httpd than we know */
    }
    for (i = 0; i < links->nelts; i++) {
        link_t *link = &APR_ARRAY_IDX(links, i, link_t);
        const char *module = link->module ? link->module : "?";
        const lpp_door_t *around = door_of(phase, module);
        const lpp_door_t *begin = around || i > 0 ? around : edge;
        const lpp_door_t *end = around || i < links->nelts - 1 ? around : edge;
        int is_counted = watch.enter && strcmp(module, own) != 0;

        if (link->function && (is_counted || (begin && begin->begin)
                               || (end && end->end))) {
            before = add_place(phase, link, is_counted, begin, end, before);
        }
        else {
            before = LPP_CALLS_NONE;
        }
    }
}

void lpp_entries_set_doors(const lpp_door_t *made, unsigned count)
{
    doors = made;
    door_count = count;
}

/* The arrays go with pconf. */
static apr_status_t forget_places(void *unused)
{
    place_count = 0;
    return APR_SUCCESS;
}

void lpp_entries_prepare(const lpp_watcher_t *watcher, const char *own,
                         apr_pool_t *pconf)
{
    static const lpp_watcher_t nobody;
    unsigned i;

    watch = watcher ? *watcher : nobody;
    memset(used, 0, sizeof(used));
    memset(hooks, 0, sizeof(hooks));
    hooks[LPP_ENTRIES_PROFILER].phase = LPP_PROFILER_NAME;
    hooks[LPP_ENTRIES_PROFILER].module = own;
    left_out = counted = place_count = 0;
    apr_pool_cleanup_register(pconf, NULL, forget_places,
                              apr_pool_cleanup_null);
    for (i = 0; i < LPP_COUNT(phases); i++) {
        add_places(i, own);
    }
}

const lpp_hook_t *lpp_entries_hooks(void)
{
    return hooks;
}

apr_uint32_t lpp_entries_count(void)
{
    return counted;
}

apr_uint32_t lpp_entries_left_out(void)
{
    return left_out;
}

int lpp_entries_decides(apr_uint32_t hook, int result)
{
    return result != DECLINED && (result != OK || !runs_all[hook]);
}

lpp_entries_fn *lpp_entries_original(lpp_entries_fn *function)
{
    unsigned i;

    if (is_entry(function)) {
        for (i = 0; i < place_count; i++) {
            if (places[i].function[1] == function) {
                return places[i].function[0];
            }
        }
    }
    return function;
}

/* The function that begins last before address; what is common to all entries
 * stands for nothing. */
const void *lpp_entries_stands_for(const void *address)
{
    static const void *const shared[] = { enter, watched_int, watched_void,
                                          watched_quick };
    const void *start = NULL, *original = NULL, *entry;
    unsigned i;

    for (i = 0; i < LPP_COUNT(shared); i++) {
        if (shared[i] <= address && shared[i] > start) {
            start = shared[i];
        }
    }
    for (i = 0; i < place_count; i++) {
        memcpy(&entry, &places[i].function[1], sizeof(entry));
        if (entry <= address && entry > start) {
            start = entry;
            memcpy(&original, &places[i].function[0], sizeof(original));
        }
    }
    return original;
}

void lpp_entries_code(const void **start, const void **end)
{
    *start = __start_lpp_entries;
    *end = __stop_lpp_entries;
}

void lpp_passes_code(const void **start, const void **end)
{
    *start = __start_lpp_passes;
    *end = __stop_lpp_passes;
}

/* Threads run through the arrays meanwhile. Each reads a function's pointer
 * once for a call, and finds the one or the other whole: both do what the hook
 * does. Relaxed, since what an entry looks at was there before any thread. */
static void change_places(int entries)
{
    unsigned i;

    for (i = 0; i < place_count; i++) {
        lpp_entries_fn *const *function = places[i].function;

        /* Else somebody has put his own there since. */
        if (*places[i].at == function[!entries]) {
            __atomic_store_n(places[i].at, function[entries],
                             __ATOMIC_RELAXED);
        }
    }
}

void lpp_entries_watch(void)
{
    pthread_mutex_lock(&changing);
    if (atomic_fetch_add(&lpp_entries_watched, 1) == 0) {
        change_places(1);
    }
    pthread_mutex_unlock(&changing);
}

/* The cleanups of a request may run in prefork's signal handler, on top of the
 * function above: hence no lock that waits. Who else holds it counts up again,
 * or has taken the entries out. */
void lpp_entries_unwatch(void)
{
    if (atomic_fetch_sub(&lpp_entries_watched, 1) == 1
        && pthread_mutex_trylock(&changing) == 0) {
        if (!lpp_entries_any()) {
            change_places(0);
        }
        pthread_mutex_unlock(&changing);
    }
}
