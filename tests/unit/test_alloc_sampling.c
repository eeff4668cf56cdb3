/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: it forks by the hundred */
/* Each allocation failed in turn in the rooms that sample: loaded objects, both
 * unwinders, names, the helper and its sessions. */
#include "fail_alloc.h"

#include <dlfcn.h>
#include <time.h>

#include "sampling/lpp_session.h"
#include "sampling/lpp_signal.h"
#include "names/lpp_symbol.h"
#include "restart_trial.h"
#include "unwind_capture.h"

/* A library of glibc that nothing here needs, so that closing unloads it. */
#define SPARE "libBrokenLocale.so.1"

#define HERE ((apr_uint64_t)(apr_uintptr_t)run_one)

/* What comes and goes is there once memory is. */
static apr_status_t maps(apr_pool_t *pool)
{
    lpp_maps_t *made;
    void *spare;
    int changed, kept = cannot_fail();
    apr_status_t status;

    spare = dlopen(SPARE, RTLD_NOW);
    MUST(spare);
    may_fail(kept);
    status = lpp_maps_create(&made, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    kept = cannot_fail();
    dlclose(spare);
    may_fail(kept);
    status = lpp_maps_refresh(made, &changed);
    kept = cannot_fail();
    MUST(lpp_maps_refresh(made, &changed) == APR_SUCCESS);
    MUST(lpp_maps_find(made, HERE));
    MUST((spare = dlopen(SPARE, RTLD_NOW)));
    may_fail(kept);
    if (lpp_maps_refresh(made, &changed) != APR_SUCCESS) {
        status = APR_ENOMEM;
    }
    cannot_fail();
    MUST(lpp_maps_refresh(made, &changed) == APR_SUCCESS);
    MUST(lpp_maps_find(made, (apr_uint64_t)(apr_uintptr_t)dlsym(spare,
                       "__ctype_get_mb_cur_max")));
    return status;
}

static lpp_snapshot_t snapshot;
static unsigned char stack[LPP_STACK_MAX_BYTES];

/* A stack unwound as far as it goes; an unwinder that was made makes no frame
 * up, whatever it had no memory for. */
static apr_status_t unwind(lpp_unwind_kind_e kind, apr_pool_t *pool)
{
    static lpp_pc_t frames[LPP_FRAMES_MAX];
    lpp_unwinder_t *unwinder;
    lpp_unwind_end_e end;
    ucontext_t context;
    lpp_maps_t *made;
    int kept = cannot_fail();
    apr_status_t status = lpp_maps_create(&made, pool);

    MUST(status == APR_SUCCESS);
    may_fail(kept);
    status = lpp_unwinder_create(&unwinder, kind, made, pool);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = lpp_unwinder_refresh(unwinder);
    getcontext(&context);
    capture_context(&snapshot, stack, sizeof(stack), thread_stack_end(),
                    &context);
    MUST(lpp_unwind(unwinder, &snapshot, 0, frames, NULL, LPP_FRAMES_MAX, &end)
         > 0);
    return end == LPP_UNWIND_ROOT ? status : APR_ENOMEM;
}

static apr_status_t unwind_table(apr_pool_t *pool)
{
    return unwind(LPP_UNWIND_TABLE, pool);
}

static apr_status_t unwind_libunwind(apr_pool_t *pool)
{
    return unwind(LPP_UNWIND_LIBUNWIND, pool);
}

static apr_status_t unwind_auto(apr_pool_t *pool)
{
    return unwind(LPP_UNWIND_AUTO, pool);
}

/* Never without a name, whatever there was memory for. */
static apr_status_t symbols(apr_pool_t *pool)
{
    lpp_pc_t frames[3];
    lpp_symbols_t *made;
    lpp_symbol_t symbol;
    lpp_maps_t *objects;
    const char *text;
    int i, kept = cannot_fail();
    apr_status_t status;

    MUST(lpp_maps_create(&objects, pool) == APR_SUCCESS);
    may_fail(kept);
    status = lpp_symbols_create(&made, objects);
    if (status != APR_SUCCESS) {
        return status;
    }
    status = lpp_symbols_register(made, (const void *)fails, "core.c",
                                  "handler");
    frames[0] = lpp_maps_pc(objects, HERE + 10);
    frames[1] = lpp_maps_pc(objects,
                            (apr_uint64_t)(apr_uintptr_t)apr_pstrcat + 10);
    frames[2] = 12345;
    for (i = 0; i < 3; i++) {
        lpp_symbols_resolve(made, frames[i], &symbol);
        MUST(symbol.name && symbol.object);
        if (i < 2 && symbol.kind != LPP_NAME_SYMBOL) {
            status = APR_ENOMEM;
        }
        lpp_symbols_add_line(made, &symbol);
        if (i == 0 && !symbol.file) {
            status = APR_ENOMEM;
        }
    }
    text = lpp_symbols_traceback(made, frames, 3, pool);
    MUST(text);
    return *text ? status : APR_ENOMEM;
}

static apr_uint64_t now_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (apr_uint64_t)now.tv_sec * 1000000
           + (apr_uint64_t)now.tv_nsec / 1000;
}

static void spin(apr_uint64_t us)
{
    apr_uint64_t end = now_us(CLOCK_MONOTONIC) + us;

    while (now_us(CLOCK_MONOTONIC) < end) {
    }
}

/* One profile of a busy thread, from the first look to the end. */
static apr_status_t run_session(lpp_sampler_t *sampler, apr_pool_t *pool)
{
    static const char *const no_roots[] = { NULL };
    lpp_session_options_t options;
    lpp_session_t *session = NULL;
    lpp_profile_t *profile;
    lpp_pc_t frames[50];
    apr_interval_time_t waited;
    apr_status_t status;
    lpp_start_e how;
    unsigned count;

    memset(&options, 0, sizeof(options));
    options.rate_hz = 1000;
    options.stacks = 1;
    options.max_waiting = 8;
    options.lock_timeout_us = 10000000;
    how = lpp_session_start(sampler, &options, no_roots, &session, &waited,
                            &status, pool);
    if (how != LPP_START_RUNNING) {
        MUST(!session);
        return APR_ENOMEM;
    }
    spin(5000);
    status = lpp_session_stack(session, frames, 50, &count);
    spin(5000);
    lpp_session_stop(session, LPP_STOP_NOT);
    if (lpp_session_profile(session, &profile, 5000000, pool) != APR_SUCCESS) {
        status = APR_ENOMEM;
    }
    else {
        MUST(profile->total.wall_ns > 9000000);
    }
    lpp_session_close(session);
    return status;
}

/* The gate is free after whatever failed: a second profile is whole. */
static apr_status_t sampler(apr_pool_t *pool)
{
    lpp_sampler_options_t options;
    apr_global_mutex_t *mutex;
    apr_pool_t *pchild, *request;
    lpp_sampler_t *made;
    apr_status_t status;
    int kept = cannot_fail();

    memset(&options, 0, sizeof(options));
    MUST(apr_global_mutex_create(&mutex, NULL, APR_LOCK_PROC_PTHREAD, pool)
         == APR_SUCCESS);
    MUST(lpp_gate_create(&options.gate, mutex, pool) == APR_SUCCESS);
    MUST(lpp_gate_child_init(options.gate, pool) == APR_SUCCESS);
    MUST(lpp_maps_create(&options.maps, pool) == APR_SUCCESS);
    MUST(apr_pool_create(&pchild, pool) == APR_SUCCESS);
    MUST(apr_pool_create(&request, pchild) == APR_SUCCESS);
    options.unwind_kind = LPP_UNWIND_AUTO;
    options.signal_number = LPP_SIGNAL_AUTO;
    may_fail(kept);
    status = lpp_sampler_create(&made, &options, pchild);
    if (status == APR_SUCCESS) {
        status = run_session(made, request);
        cannot_fail();
        apr_pool_clear(request);
        MUST(run_session(made, request) == APR_SUCCESS);
    }
    return status;
}

ROOM(maps)
ROOM(unwind_table)
ROOM(unwind_libunwind)
ROOM(unwind_auto)
ROOM(symbols)
ROOM(sampler)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_unwind_table),
        cmocka_unit_test(test_unwind_libunwind),
        cmocka_unit_test(test_unwind_auto),
        cmocka_unit_test(test_symbols),
        cmocka_unit_test(test_sampler)
    };

    if (!try_restarts()) {
        return 1;
    }
    return RUN_ROOMS(tests);
}
