/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_wrappers: see mod_lpprofile_wrappers.h.
 *
 * Wrappers are made by a macro, each with its number compiled in: httpd passes
 * no argument that shows a wrapper which hook it wraps. Owns the wrappers, the
 * table of wrapped hooks, and the changes of httpd's arrays; does not use runs.
 *
 * The code of wrappers is in a section of its own, so that an address can be
 * tested for being in a wrapper.
 */
#include "server/mod_lpprofile_wrappers.h"

#include <pthread.h>
#include <string.h>

#include <ap_hooks.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#define WRAPPER __attribute__((section("lpp_wrappers"), noinline, used))
#define INTERNAL __attribute__((visibility("hidden")))

extern const char __start_lpp_wrappers[] INTERNAL;
extern const char __stop_lpp_wrappers[] INTERNAL;
extern const char __start_lpp_passes[] INTERNAL;
extern const char __stop_lpp_passes[] INTERNAL;

typedef int int_fn(request_rec *r);
typedef void void_fn(request_rec *r);
typedef int quick_fn(request_rec *r, int lookup);

/* A thread may see a change late: the thread that counted its own request sees
 * it at once. */
atomic_int lpp_wrappers_watched;

/* Held while the arrays are changed, and while the count changes from 0. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

/* All variables below are written in the parent only. */

/* One hook that has a wrapper. */
typedef struct place_t {
    lpp_wrappers_fn **at;         /* in httpd's array, which lives in pconf */
    lpp_wrappers_fn *function[2]; /* the original, the wrapper */
} place_t;

static place_t places[LPP_WRAPPERS_MAX];
static unsigned place_count;

/* What a wrapper of the int kind needs; all in one cache line. */
typedef struct int_hook_t {
    int_fn *original;
    int (*begin)(request_rec *r); /* phase callbacks, or NULL */
    void (*end)(request_rec *r);
    int counted;                  /* 0: a hook of this module */
    int runs_all;                 /* OK does not end its phase */
} int_hook_t;

static int_hook_t int_hooks[LPP_WRAPPERS_INT];
static void_fn *void_originals[LPP_WRAPPERS_VOID];
static quick_fn *quick_originals[LPP_WRAPPERS_QUICK];

static lpp_wrappers_enter_fn *enter;     /* NULL: no calls are counted */
static const lpp_phase_callbacks_t *callbacks;
static unsigned callbacks_count;
static lpp_hook_t hooks[LPP_WRAPPERS_MAX + 1]; /* the counted ones, and the
                                                  profiler's */
static apr_uint32_t used[3];   /* of each kind */
static apr_uint32_t counted;   /* of all kinds */
static apr_uint32_t left_out;

/* Reserved for phase callbacks: two for each phase. */
#define RESERVED (2 * 13)

#define FIRST_VOID LPP_WRAPPERS_INT
#define FIRST_QUICK (LPP_WRAPPERS_INT + LPP_WRAPPERS_VOID)

/* Whether an answer ends the phase: in some phases all hooks run, unless one
 * answers neither OK nor DECLINED. */
static inline int decides(int result, int runs_all)
{
    return result != DECLINED && (result != OK || !runs_all);
}

WRAPPER static int wrapped_int(request_rec *r, unsigned n)
{
    const int_hook_t *hook = &int_hooks[n];
    lpp_counted_t call = { NULL, 0 };
    int result = hook->begin ? hook->begin(r) : DECLINED;

    if (result != DECLINED) {
        return result;
    }
    if (hook->counted) {
        call = enter(r, n);
    }
    result = hook->original(r);
    if (call.calls) {
        lpp_calls_leave(call.calls, call.handle, &result,
                        decides(result, hook->runs_all));
    }
    if (hook->end && (result == OK || result == DECLINED)) {
        hook->end(r);
    }
    return result;
}

WRAPPER static void wrapped_void(request_rec *r, unsigned n)
{
    lpp_counted_t call = enter(r, FIRST_VOID + n);

    void_originals[n](r);
    if (call.calls) {
        lpp_calls_leave(call.calls, call.handle, NULL, 0);
    }
}

WRAPPER static int wrapped_quick(request_rec *r, int lookup, unsigned n)
{
    lpp_counted_t call = enter(r, FIRST_QUICK + n);
    int result = quick_originals[n](r, lookup);

    if (call.calls) {
        lpp_calls_leave(call.calls, call.handle, &result, decides(result, 0));
    }
    return result;
}

/* After a call: prevents a tail call, so that the frame of the wrapper stays on
 * the stack. The frame shows which hook runs even if the hook has no frame of
 * its own (in mod_lua hooks jump to a common function). */
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

#define INT_WRAPPER(n) \
    WRAPPER static int int_wrapper_##n(request_rec *r) \
    { \
        int result = wrapped_int(r, 0##n); \
        STAY(); \
        return result; \
    }

#define VOID_WRAPPER(n) \
    WRAPPER static void void_wrapper_##n(request_rec *r) \
    { \
        wrapped_void(r, 0##n); \
        STAY(); \
    }

#define QUICK_WRAPPER(n) \
    WRAPPER static int quick_wrapper_##n(request_rec *r, int lookup) \
    { \
        int result = wrapped_quick(r, lookup, 0##n); \
        STAY(); \
        return result; \
    }

/* Numbers in octal: each further digit gives eight times as many. */
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

ALL_INT(INT_WRAPPER)
ALL_VOID(VOID_WRAPPER)
ALL_QUICK(QUICK_WRAPPER)

#define INT_NAME(n) int_wrapper_##n,
#define VOID_NAME(n) void_wrapper_##n,
#define QUICK_NAME(n) quick_wrapper_##n,

static int_fn *const int_wrappers[] = { ALL_INT(INT_NAME) };
static void_fn *const void_wrappers[] = { ALL_VOID(VOID_NAME) };
static quick_fn *const quick_wrappers[] = { ALL_QUICK(QUICK_NAME) };

typedef enum { KIND_INT, KIND_VOID, KIND_QUICK } kind_e;

/* The hooks of a request, in the order of its phases. runs_all: all functions
 * of the phase run, unless one answers neither OK nor DECLINED. */
static const struct {
    const char *phase;
    apr_array_header_t *(*links)(void);
    kind_e kind;
    int runs_all;
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

static int is_wrapper(lpp_wrappers_fn *function)
{
    const char *address;

    memcpy(&address, &function, sizeof(address));
    return address >= __start_lpp_wrappers && address < __stop_lpp_wrappers;
}

/* Take a free wrapper of that kind for original; *number is that of the hook.
 * NULL: not more than spare wrappers are free. */
static lpp_wrappers_fn *take_wrapper(kind_e kind, lpp_wrappers_fn *original,
                                    apr_uint32_t spare, apr_uint32_t *number)
{
    static const apr_uint32_t most[] = { LPP_WRAPPERS_INT, LPP_WRAPPERS_VOID,
                                         LPP_WRAPPERS_QUICK };
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
        return (lpp_wrappers_fn *)void_wrappers[n];
    }
    if (kind == KIND_QUICK) {
        quick_originals[n] = (quick_fn *)original;
        return (lpp_wrappers_fn *)quick_wrappers[n];
    }
    int_hooks[n].original = (int_fn *)original;
    return (lpp_wrappers_fn *)int_wrappers[n];
}

/* The callbacks for a module's hook in a phase; those for the whole phase if
 * module is "". NULL: none. */
static const lpp_phase_callbacks_t *callbacks_of(unsigned phase,
                                                 const char *module)
{
    unsigned i;

    for (i = 0; i < callbacks_count; i++) {
        const lpp_phase_callbacks_t *found = &callbacks[i];

        if (phases[phase].kind == KIND_INT
            && strcmp(found->module ? found->module : "", module) == 0
            && strcmp(found->phase, phases[phase].phase) == 0) {
            return found;
        }
    }
    return NULL;
}

/*
 * Give a hook a wrapper, which calls begin and end (either may be NULL).
 * before: the number of the previous hook in httpd's array, if that is counted
 * and no callback runs after it; else LPP_CALLS_NONE. Returns before for the
 * next hook.
 */
static apr_uint32_t add_place(unsigned phase, lpp_hook_link_t *link,
                              int is_counted,
                              int (*begin)(request_rec *r),
                              void (*end)(request_rec *r),
                              apr_uint32_t before)
{
    apr_uint32_t number;
    lpp_wrappers_fn *wrapper;

    /* Some wrappers of the int kind are reserved for hooks with callbacks. */
    wrapper = take_wrapper(phases[phase].kind, link->function,
                           begin || end || phases[phase].kind != KIND_INT
                               ? 0 : RESERVED, &number);
    if (!wrapper) {
        return LPP_CALLS_NONE;
    }
    if (phases[phase].kind == KIND_INT) {
        int_hooks[number].begin = begin;
        int_hooks[number].end = end;
        int_hooks[number].counted = is_counted;
        int_hooks[number].runs_all = phases[phase].runs_all;
    }
    if (is_counted) {
        counted++;
        hooks[number].phase = phases[phase].phase;
        hooks[number].module = link->module ? link->module : "?";
        memcpy(&hooks[number].function, &link->function,
               sizeof(hooks[number].function));
        hooks[number].follows = before != LPP_CALLS_NONE
            && before + 1 == number && !begin;
    }
    places[place_count].at = &link->function;
    places[place_count].function[0] = link->function;
    places[place_count++].function[1] = wrapper;
    return is_counted && !end ? number : LPP_CALLS_NONE;
}

static void add_places(unsigned phase, const char *own)
{
    const apr_array_header_t *links = phases[phase].links();
    const lpp_phase_callbacks_t *whole = callbacks_of(phase, "");
    apr_uint32_t before = LPP_CALLS_NONE;
    int i;

    if (!links || links->elt_size != sizeof(lpp_hook_link_t)) {
        return; /* nothing is hooked, or this is an unknown version of httpd */
    }
    for (i = 0; i < links->nelts; i++) {
        lpp_hook_link_t *link = &APR_ARRAY_IDX(links, i, lpp_hook_link_t);
        const char *module = link->module ? link->module : "?";
        const lpp_phase_callbacks_t *around = callbacks_of(phase, module);
        const lpp_phase_callbacks_t *first = around || i > 0 ? around : whole;
        const lpp_phase_callbacks_t *last =
            around || i < links->nelts - 1 ? around : whole;
        int (*begin)(request_rec *r) = first ? first->begin : NULL;
        void (*end)(request_rec *r) = last ? last->end : NULL;
        int is_counted = enter && strcmp(module, own) != 0;

        if (link->function && (is_counted || begin || end)) {
            before = add_place(phase, link, is_counted, begin, end, before);
        }
        else {
            before = LPP_CALLS_NONE;
        }
    }
}

void lpp_wrappers_set_callbacks(const lpp_phase_callbacks_t *made,
                               unsigned count)
{
    callbacks = made;
    callbacks_count = count;
}

/* The arrays are destroyed with pconf. */
static apr_status_t forget_places(void *unused)
{
    place_count = 0;
    return APR_SUCCESS;
}

void lpp_wrappers_prepare(lpp_wrappers_enter_fn *count_enter, const char *own,
                         apr_pool_t *pconf)
{
    unsigned i;

    enter = count_enter;
    memset(used, 0, sizeof(used));
    memset(hooks, 0, sizeof(hooks));
    hooks[LPP_WRAPPERS_PROFILER].phase = LPP_PROFILER_NAME;
    hooks[LPP_WRAPPERS_PROFILER].module = own;
    left_out = counted = place_count = 0;
    apr_pool_cleanup_register(pconf, NULL, forget_places,
                              apr_pool_cleanup_null);
    for (i = 0; i < LPP_COUNT(phases); i++) {
        add_places(i, own);
    }
}

const lpp_hook_t *lpp_wrappers_hooks(void)
{
    return hooks;
}

apr_uint32_t lpp_wrappers_count(void)
{
    return counted;
}

apr_uint32_t lpp_wrappers_left_out(void)
{
    return left_out;
}

lpp_wrappers_fn *lpp_wrappers_original(lpp_wrappers_fn *function)
{
    unsigned i;

    if (is_wrapper(function)) {
        for (i = 0; i < place_count; i++) {
            if (places[i].function[1] == function) {
                return places[i].function[0];
            }
        }
    }
    return function;
}

/* The wrapper whose code begins last before address; the code that all wrappers
 * share belongs to no hook. */
const void *lpp_wrappers_wrapped(const void *address)
{
    static const void *const shared[] = { wrapped_int, wrapped_void,
                                          wrapped_quick };
    const void *start = NULL, *original = NULL, *wrapper;
    unsigned i;

    for (i = 0; i < LPP_COUNT(shared); i++) {
        if (shared[i] <= address && shared[i] > start) {
            start = shared[i];
        }
    }
    for (i = 0; i < place_count; i++) {
        memcpy(&wrapper, &places[i].function[1], sizeof(wrapper));
        if (wrapper <= address && wrapper > start) {
            start = wrapper;
            memcpy(&original, &places[i].function[0], sizeof(original));
        }
    }
    return original;
}

void lpp_wrappers_code(const void **start, const void **end)
{
    *start = __start_lpp_wrappers;
    *end = __stop_lpp_wrappers;
}

void lpp_passes_code(const void **start, const void **end)
{
    *start = __start_lpp_passes;
    *end = __stop_lpp_passes;
}

/* Other threads may be running the hooks. Each reads a function's pointer once
 * for a call, and gets the original or the wrapper: both do what the hook does.
 * Relaxed order: what a wrapper reads was written before any thread was
 * started. */
static void change_places(int wrapped)
{
    unsigned i;

    for (i = 0; i < place_count; i++) {
        lpp_wrappers_fn *const *function = places[i].function;

        /* Otherwise another module has replaced it. */
        if (*places[i].at == function[!wrapped]) {
            __atomic_store_n(places[i].at, function[wrapped],
                             __ATOMIC_RELAXED);
        }
    }
}

void lpp_wrappers_watch(void)
{
    pthread_mutex_lock(&changing);
    if (atomic_fetch_add(&lpp_wrappers_watched, 1) == 0) {
        change_places(1);
    }
    pthread_mutex_unlock(&changing);
}

/* The cleanups of a request may run in prefork's signal handler, which may have
 * interrupted the function above: so the lock is only tried. A thread that
 * holds it either increments the count again, or has removed the wrappers. */
void lpp_wrappers_unwatch(void)
{
    if (atomic_fetch_sub(&lpp_wrappers_watched, 1) == 1
        && pthread_mutex_trylock(&changing) == 0) {
        if (!lpp_wrappers_any()) {
            change_places(0);
        }
        pthread_mutex_unlock(&changing);
    }
}
