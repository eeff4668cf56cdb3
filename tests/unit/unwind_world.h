/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_world: for the tests of lpp_unwind: both unwinders over one table of
 * objects, the snapshot in hand, and code of known shapes to take it in.
 * x86_64 only. Include after cmocka.h.
 */
#ifndef UNWIND_WORLD_H
#define UNWIND_WORLD_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>

#include "unwind/lpp_unwind_eh_internal.h"
#include "unwind/lpp_unwind.h"
#include "unwind_capture.h"

#define SHARED static __attribute__((unused)) /* not every test needs all */
#define NOINLINE __attribute__((noinline, noclone))
#define BARRIER() __asm__ volatile("" : : : "memory")

/* ---- one world for all tests ---- */

SHARED apr_pool_t *pool;
SHARED lpp_maps_t *maps;
SHARED lpp_unwinder_t *table, *libunwind;
SHARED uintptr_t stack_end;

SHARED int make_world(void **state)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    stack_end = thread_stack_end();
    return lpp_maps_create(&maps, pool) != APR_SUCCESS
           || lpp_unwinder_create(&libunwind, LPP_UNWIND_LIBUNWIND, maps, pool)
                  != APR_SUCCESS
           || lpp_unwinder_create(&table, LPP_UNWIND_TABLE, maps, pool)
                  != APR_SUCCESS;
}

SHARED int end_world(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

SHARED int follow_maps(void **state)
{
    int changed;

    return lpp_maps_refresh(maps, &changed) != APR_SUCCESS
           || lpp_unwinder_refresh(table) != APR_SUCCESS
           || lpp_unwinder_refresh(libunwind) != APR_SUCCESS;
}

/* ---- snapshots and what becomes of them ---- */

typedef struct result_t {
    lpp_pc_t frames[LPP_FRAMES_MAX];
    apr_uint64_t cfas[LPP_FRAMES_MAX];
    unsigned count;
    lpp_unwind_end_e end;
} result_t;

SHARED lpp_snapshot_t snapshot;
SHARED unsigned char stack[LPP_STACK_MAX_BYTES];
SHARED result_t by_table, by_libunwind;

SHARED NOINLINE void stand_here(void)
{
    ucontext_t context;

    getcontext(&context);
    capture_context(&snapshot, stack, sizeof(stack), stack_end, &context);
    BARRIER();
}

SHARED void unwind(lpp_unwinder_t *unwinder, uint64_t root, result_t *result)
{
    memset(result, 0, sizeof(*result));
    result->count = lpp_unwind(unwinder, &snapshot, root, result->frames,
                               result->cfas, LPP_FRAMES_MAX, &result->end);
}

SHARED int same(const result_t *a, const result_t *b)
{
    return a->count == b->count && a->end == b->end
           && memcmp(a->frames, b->frames, a->count * sizeof(*a->frames)) == 0
           && memcmp(a->cfas, b->cfas, a->count * sizeof(*a->cfas)) == 0;
}

SHARED void print_result(const char *name, const result_t *result)
{
    unsigned i;

    printf("%s: %u frames, end %d\n", name, result->count, result->end);
    for (i = 0; i < result->count; i++) {
        const lpp_object_t *object =
            lpp_maps_object(maps, LPP_PC_OBJECT(result->frames[i]));

        printf("  %s+0x%llx cfa %llx\n", object ? object->path : "?",
               (unsigned long long)LPP_PC_ADDRESS(result->frames[i]),
               (unsigned long long)result->cfas[i]);
    }
}

SHARED void assert_same(void)
{
    if (!same(&by_table, &by_libunwind)) {
        print_result("table", &by_table);
        print_result("libunwind", &by_libunwind);
        fail_msg("the two do not agree");
    }
}

SHARED const result_t *unwind_both(uint64_t root)
{
    unwind(table, root, &by_table);
    unwind(libunwind, root, &by_libunwind);
    assert_same();
    return &by_table;
}

/* Is that frame in function (which starts an FDE)? */
SHARED int is_in(lpp_pc_t frame, uintptr_t function)
{
    const lpp_object_t *object = lpp_maps_object(maps, LPP_PC_OBJECT(frame));
    lpp_eh_fde_t fde;

    return object != NULL
           && lpp_eh_find(object, LPP_PC_ADDRESS(frame) + object->bias, &fde)
           && fde.start == function;
}

#define IN(frame, function) is_in(frame, (uintptr_t)(function))

SHARED unsigned count_in(const result_t *result, uintptr_t function)
{
    unsigned count = 0, i;

    for (i = 0; i < result->count; i++) {
        count += is_in(result->frames[i], function);
    }
    return count;
}

SHARED int has_object(const result_t *result, const char *name)
{
    unsigned i;

    for (i = 0; i < result->count; i++) {
        const lpp_object_t *object =
            lpp_maps_object(maps, LPP_PC_OBJECT(result->frames[i]));

        if (object != NULL && strstr(object->path, name)) {
            return 1;
        }
    }
    return 0;
}

/* ---- shapes of code ---- */

SHARED volatile int sink;

SHARED NOINLINE int recurse(int depth)
{
    int result = depth ? recurse(depth - 1) + 1 : (stand_here(), 0);

    BARRIER();
    return result;
}

SHARED NOINLINE int with_alloca(int bytes)
{
    char *room = alloca((size_t)bytes);

    memset(room, 1, (size_t)bytes);
    stand_here();
    BARRIER();
    return room[bytes / 2];
}

/* gcc finds the CFA by *(rbp - 8) in such a function. */
SHARED NOINLINE __attribute__((force_align_arg_pointer)) int realigned(int n)
{
    volatile __attribute__((aligned(64))) char room[128];

    room[n] = 1;
    with_alloca(n * 100);
    BARRIER();
    return room[n];
}

SHARED int compare_here(const void *a, const void *b)
{
    stand_here();
    return *(const int *)a - *(const int *)b;
}

SHARED NOINLINE void sort_here(void)
{
    int numbers[] = {3, 1, 2};

    qsort(numbers, 3, sizeof(*numbers), compare_here);
    BARRIER();
}

#endif
