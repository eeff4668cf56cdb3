/* SPDX-License-Identifier: Apache-2.0 */
/* test: not under valgrind: that is too slow for its waits */
/* lpp_maps: what is loaded where, across dlopen, dlclose, fork, want of
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objects/lpp_maps.h"

/* A library of glibc that nothing here needs, so that closing unloads it. */
#define SPARE "libBrokenLocale.so.1"
#define OTHER_SPARE "libanl.so.1"

static long fail_after = -1; /* allocations until one fails; -1: none does */

static int allocation_fails(void)
{
    if (fail_after < 0) {
        return 0;
    }
    return fail_after-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

static int setup(void **state)
{
    apr_pool_t *pool;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    *state = pool;
    return 0;
}

static int teardown(void **state)
{
    fail_after = -1;
    apr_pool_destroy(*state);
    apr_terminate();
    return 0;
}

static lpp_maps_t *make(apr_pool_t *pool)
{
    lpp_maps_t *maps = NULL;

    assert_int_equal(lpp_maps_create(&maps, pool), APR_SUCCESS);
    return maps;
}

static int refresh(lpp_maps_t *maps)
{
    int changed = -1;

    assert_int_equal(lpp_maps_refresh(maps, &changed), APR_SUCCESS);
    return changed;
}

static const lpp_object_t *find(const lpp_maps_t *maps, const void *address)
{
    return lpp_maps_find(maps, (uintptr_t)address);
}

static void *open_spare(const char *name)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

    assert_non_null(library);
    return library;
}

/* A function that no sanitizer replaces. */
static void *libc_code(void)
{
    return dlsym(RTLD_DEFAULT, "gnu_get_libc_version");
}

/* Some code of an open library. */
static uintptr_t code_of(const char *name, const lpp_maps_t *maps)
{
    unsigned i;

    for (i = lpp_maps_count(maps); i > 0; i--) {
        const lpp_object_t *object = lpp_maps_object(maps, i);

        if (!object->gone && strstr(object->path, name)) {
            return object->start;
        }
    }
    fail_msg("%s is not in the table", name);
    return 0;
}

static void names_program_libc_and_vdso(void **state)
{
    lpp_maps_t *maps = make(*state);
    const lpp_object_t *object;
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

    assert_true(len > 0);
    program[len] = '\0';
    object = find(maps, (void *)(uintptr_t)names_program_libc_and_vdso);
    assert_non_null(object);
    assert_string_equal(object->path, program);
    object = find(maps, libc_code());
    assert_non_null(object);
    assert_non_null(strstr(object->path, "libc.so"));
    if (getauxval(AT_SYSINFO_EHDR) == 0) {
        return; /* valgrind hides it */
    }
    object = lpp_maps_find(maps, code_of("[vdso]", maps));
    assert_non_null(object);
    assert_true(object->start - getauxval(AT_SYSINFO_EHDR) < 65536);
    assert_non_null(object->eh_frame);
}

static void finds_nothing_outside_of_code(void **state)
{
    lpp_maps_t *maps = make(*state);
    static int data;
    const lpp_object_t *libc = find(maps, libc_code());
    int on_stack;

    assert_null(lpp_maps_find(maps, 0));
    assert_null(lpp_maps_find(maps, ~UINT64_C(0)));
    assert_null(find(maps, &data));
    assert_null(find(maps, &on_stack));
    assert_ptr_equal(lpp_maps_find(maps, libc->start), libc);
    assert_ptr_equal(lpp_maps_find(maps, libc->end - 1), libc);
    assert_ptr_not_equal(lpp_maps_find(maps, libc->start - 1), libc);
    assert_ptr_not_equal(lpp_maps_find(maps, libc->end), libc);
}

static void pc_keeps_object_and_file_address(void **state)
{
    lpp_maps_t *maps = make(*state);
    uintptr_t address = (uintptr_t)libc_code();
    const lpp_object_t *libc = lpp_maps_find(maps, address);
    lpp_pc_t pc = lpp_maps_pc(maps, address);

    assert_int_equal(LPP_PC_OBJECT(pc), libc->number);
    assert_ptr_equal(lpp_maps_object(maps, LPP_PC_OBJECT(pc)), libc);
    assert_int_equal(LPP_PC_ADDRESS(pc) + libc->bias, address);
    assert_int_equal(LPP_PC_OBJECT(lpp_maps_pc(maps, 0x1234)), 0);
    assert_int_equal(LPP_PC_ADDRESS(lpp_maps_pc(maps, 0x1234)), 0x1234);
    assert_null(lpp_maps_object(maps, 0));
    assert_null(lpp_maps_object(maps, lpp_maps_count(maps) + 1));
}

static void copies_build_id_and_eh_frame_of_the_file(void **state)
{
    lpp_maps_t *maps = make(*state);
    const lpp_object_t *libc = find(maps, libc_code());
    FILE *file = fopen(libc->path, "rb");
    char *bytes = malloc(8 << 20);
    size_t len;

    assert_non_null(file);
    assert_non_null(bytes);
    len = fread(bytes, 1, 8 << 20, file);
    fclose(file);
    assert_int_equal(libc->build_id_len, 20);
    assert_non_null(memmem(bytes, len, libc->build_id, libc->build_id_len));
    assert_true(libc->eh_frame_hdr_len > 1000);
    assert_non_null(
        memmem(bytes, len, libc->eh_frame_hdr, libc->eh_frame_hdr_len));
    assert_true(libc->eh_frame_len > 10000);
    assert_non_null(memmem(bytes, len, libc->eh_frame, libc->eh_frame_len));
    /* and they are copies, with the place they were copied from */
    assert_true((uintptr_t)libc->eh_frame != libc->eh_frame_address);
    assert_memory_equal(libc->eh_frame, (void *)libc->eh_frame_address,
                        libc->eh_frame_len);
    free(bytes);
}

static void refresh_says_when_nothing_changed(void **state)
{
    lpp_maps_t *maps = make(*state);
    unsigned count = lpp_maps_count(maps);

    assert_int_equal(refresh(maps), 0);
    assert_int_equal(lpp_maps_count(maps), count);
}

static void finds_what_was_opened_and_forgets_what_was_closed(void **state)
{
    lpp_maps_t *maps = make(*state);
    unsigned count = lpp_maps_count(maps), number;
    void *library = open_spare(SPARE);
    const lpp_object_t *object;
    uintptr_t code;

    assert_int_equal(refresh(maps), 1);
    assert_int_equal(lpp_maps_count(maps), count + 1);
    code = code_of(SPARE, maps);
    object = lpp_maps_find(maps, code);
    number = object->number;
    assert_int_equal(object->gone, 0);
    dlclose(library);
    assert_int_equal(refresh(maps), 1);
    assert_null(lpp_maps_find(maps, code));
    assert_int_equal(object->gone, 1);
    /* the number still leads to the name */
    assert_ptr_equal(lpp_maps_object(maps, number), object);
    assert_non_null(strstr(object->path, SPARE));
}

/* Close and open again until it lies where it was. */
static void *reopen_at(void *library, uintptr_t code)
{
    int tries;

    for (tries = 0; tries < 20; tries++) {
        apr_pool_t *pool;
        uintptr_t now;

        dlclose(library);
        library = open_spare(SPARE);
        apr_pool_create(&pool, NULL);
        now = code_of(SPARE, make(pool));
        apr_pool_destroy(pool);
        if (now == code) {
            return library;
        }
    }
    fail_msg("never again at the same address");
    return NULL;
}

static void reload_seen_gone_resumes_its_number(void **state)
{
    lpp_maps_t *maps = make(*state);
    void *library = open_spare(SPARE);
    const lpp_object_t *first, *second;

    refresh(maps);
    first = lpp_maps_find(maps, code_of(SPARE, maps));
    dlclose(library);
    refresh(maps);
    library = reopen_at(open_spare(SPARE), first->start);
    refresh(maps);
    second = lpp_maps_find(maps, first->start);
    assert_non_null(second);
    /* the same code, known by its build id */
    assert_ptr_equal(second, first);
    assert_int_equal(second->gone, 0);
    assert_int_equal(second->fresh, 1); /* what was there meanwhile? */
    dlclose(library);
}

static void reload_at_the_same_address_keeps_its_number(void **state)
{
    lpp_maps_t *maps = make(*state);
    void *library = open_spare(SPARE);
    const lpp_object_t *first, *second;

    refresh(maps);
    first = lpp_maps_find(maps, code_of(SPARE, maps));
    library = reopen_at(library, first->start);
    assert_int_equal(refresh(maps), 1);
    second = lpp_maps_find(maps, first->start);
    assert_ptr_equal(second, first);
    assert_int_equal(second->gone, 0);
    dlclose(library);
}

static void what_stayed_keeps_its_number(void **state)
{
    void *stays = open_spare(OTHER_SPARE);
    lpp_maps_t *maps = make(*state);
    unsigned libc = LPP_PC_OBJECT(lpp_maps_pc(maps, (uintptr_t)libc_code()));
    void *library = open_spare(SPARE);

    refresh(maps);
    dlclose(library);
    refresh(maps);
    assert_int_equal(LPP_PC_OBJECT(lpp_maps_pc(maps, (uintptr_t)libc_code())),
                     libc);
    dlclose(stays);
}

static void numbers_never_run_out_for_one_module(void **state)
{
    lpp_maps_t *maps = make(*state);
    unsigned i, count;

    for (i = 0; i < LPP_OBJECTS_MAX / 2 + 50; i++) {
        void *library = open_spare(SPARE);

        refresh(maps);
        assert_non_null(lpp_maps_find(maps, code_of(SPARE, maps)));
        dlclose(library);
    }
    count = lpp_maps_count(maps);
    assert_true(count < LPP_OBJECTS_MAX / 2 + 100);
}

static void *read_all(void *baton)
{
    lpp_maps_t *maps = baton;
    intptr_t bad = 0;
    unsigned round, i;

    for (round = 0; round < 2000; round++) {
        for (i = lpp_maps_count(maps); i > 0; i--) {
            const lpp_object_t *object = lpp_maps_object(maps, i);

            bad += object == NULL || object->number != i
                   || object->path[0] == '\0';
        }
    }
    return (void *)bad;
}

static void readers_go_on_while_it_grows(void **state)
{
    lpp_maps_t *maps = make(*state);
    pthread_t thread;
    void *bad;
    int i;

    assert_int_equal(pthread_create(&thread, NULL, read_all, maps), 0);
    for (i = 0; i < 100; i++) {
        void *library = open_spare(i % 2 ? SPARE : OTHER_SPARE);

        refresh(maps);
        dlclose(library);
        refresh(maps);
    }
    pthread_join(thread, &bad);
    assert_null(bad);
}

/* The parent's table is the child's own after fork; destroying the pool there
 * leaves it whole (a helper thread may still read it). */
static void child_extends_the_parents_table(void **state)
{
    apr_pool_t *pool;
    lpp_maps_t *maps;
    const lpp_object_t *self;
    unsigned count;
    pid_t child;
    int status;

    apr_pool_create(&pool, *state);
    maps = make(pool);
    self = find(maps, (void *)(uintptr_t)child_extends_the_parents_table);
    count = lpp_maps_count(maps);
    child = fork();
    if (child == 0) {
        int changed = 0, failed;

        failed = dlopen(SPARE, RTLD_NOW) == NULL
                 || lpp_maps_refresh(maps, &changed) != APR_SUCCESS || !changed
                 || lpp_maps_count(maps) != count + 1;
        apr_pool_destroy(pool);
        _exit(failed || self->path[0] != '/');
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(lpp_maps_count(maps), count);
}

static void survives_want_of_memory(void **state)
{
    apr_status_t status = APR_ENOMEM;
    lpp_maps_t *maps;
    void *library;
    int changed = 0;
    long i;

    for (i = 0; status == APR_ENOMEM && i < 1000; i++) {
        fail_after = i;
        status = lpp_maps_create(&maps, *state);
        fail_after = -1;
        if (status != APR_SUCCESS) {
            assert_int_equal(status, APR_ENOMEM);
            assert_null(maps);
        }
    }
    assert_int_equal(status, APR_SUCCESS);
    assert_true(i > 5); /* it did fail several times */
    library = open_spare(SPARE);
    for (i = 0, status = APR_ENOMEM; status == APR_ENOMEM && i < 100; i++) {
        fail_after = i;
        status = lpp_maps_refresh(maps, &changed);
        fail_after = -1;
    }
    assert_true(i > 2);
    assert_int_equal(status, APR_SUCCESS);
    assert_int_equal(changed, 1);
    assert_non_null(lpp_maps_find(maps, code_of(SPARE, maps)));
    dlclose(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_program_libc_and_vdso, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(finds_nothing_outside_of_code, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(pc_keeps_object_and_file_address,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            copies_build_id_and_eh_frame_of_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(refresh_says_when_nothing_changed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            finds_what_was_opened_and_forgets_what_was_closed, setup,
            teardown),
        cmocka_unit_test_setup_teardown(reload_seen_gone_resumes_its_number,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            reload_at_the_same_address_keeps_its_number, setup, teardown),
        cmocka_unit_test_setup_teardown(what_stayed_keeps_its_number, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(numbers_never_run_out_for_one_module,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(readers_go_on_while_it_grows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(child_extends_the_parents_table, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(survives_want_of_memory, setup,
                                        teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
