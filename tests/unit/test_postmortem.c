/* SPDX-License-Identifier: Apache-2.0 */
/* lpp_postmortem: the samples of a process that died, read by another; wills
 * that no honest process would have left. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "sampling/lpp_postmortem.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define OTHER "OOPS-ffffffffffffffffffffffffffffffff"

static apr_pool_t *pool;
static lpp_postmortem_t *postmortem; /* shared with children */
static lpp_maps_t *maps;
static lpp_pagecode_t *pages;

static int setup(void **state)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    postmortem = mmap(NULL, sizeof(*postmortem), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(postmortem, MAP_FAILED);
    assert_int_equal(lpp_maps_create(&maps, pool), APR_SUCCESS);
    assert_int_equal(lpp_pagecode_create(&pages), APR_SUCCESS);
    return 0;
}

static int teardown(void **state)
{
    munmap(postmortem, sizeof(*postmortem));
    lpp_pagecode_destroy(pages);
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static const lpp_weight_t one = { 1000, 400, 300, 1 };
static const lpp_weight_t total = { 5000, 2000, 1500, 0 };

/* A place in this program, and one in libc. */
static lpp_pc_t here(unsigned offset)
{
    return lpp_maps_pc(maps, (apr_uintptr_t)&setup) + offset;
}

static lpp_pc_t in_libc(void)
{
    return lpp_maps_pc(maps, (apr_uintptr_t)&memcpy);
}

static lpp_profile_t *fresh_profile(void)
{
    lpp_profile_t *profile;

    assert_int_equal(lpp_profile_create(&profile, 0, pool), APR_SUCCESS);
    return profile;
}

static void sample(lpp_profile_t *profile, const lpp_pc_t *frames,
                   unsigned count)
{
    lpp_postmortem_add(postmortem, profile,
                       lpp_profile_add(profile, frames, count, &one), &one,
                       maps, pages);
}

/* As the helper of a process that is about to die. */
static lpp_profile_t *leave_three_samples(void)
{
    lpp_profile_t *profile = fresh_profile();
    lpp_pc_t frames[3] = { in_libc(), here(8), here(0) };

    profile->statistics.unwinder = "table";
    profile->statistics.cut = 7;
    lpp_postmortem_begin(postmortem, ID);
    sample(profile, frames, 3);
    sample(profile, frames, 3);
    sample(profile, frames + 1, 2);
    lpp_postmortem_set_total(postmortem, profile, &total);
    return profile;
}

static lpp_profile_t *read_will(void)
{
    lpp_profile_t *profile;

    assert_int_equal(lpp_postmortem_read(postmortem, ID, maps, pages, &profile,
                                         pool), APR_SUCCESS);
    return profile;
}

static void samples_outlive_the_process(void **state)
{
    lpp_profile_t *profile;
    pid_t pid = fork();
    int how;

    if (pid == 0) {
        leave_three_samples();
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(WTERMSIG(how), SIGKILL);
    profile = read_will();
    assert_int_equal(profile->count, 4);
    assert_int_equal(profile->total.samples, 3);
    assert_int_equal(profile->statistics.samples, 3);
    assert_int_equal(profile->total.wall_ns, 5000);
    assert_int_equal(profile->total.cpu_ns, 2000);
    assert_int_equal(profile->statistics.cut, 7);
    assert_string_equal(profile->statistics.unwinder, "table");
    assert_int_equal(profile->nodes[3].pc, in_libc());
    assert_int_equal(profile->nodes[3].self.wall_ns, 2000);
    assert_int_equal(profile->nodes[3].self.cpu_ns, 800);
    assert_int_equal(profile->nodes[2].self.samples, 1);
}

static void an_object_that_only_the_dead_had_is_added(void **state)
{
    static const unsigned char id[] = { 1, 2, 3, 4 };
    unsigned count = lpp_maps_count(maps);
    const lpp_object_t *object;
    lpp_profile_t *profile;

    leave_three_samples();
    strcpy(postmortem->object[0].path, "/usr/lib/only-there.so");
    memcpy(postmortem->object[0].build_id, id, sizeof(id));
    postmortem->object[0].build_id_len = sizeof(id);
    profile = read_will();
    assert_int_equal(lpp_maps_count(maps), count + 1);
    assert_int_equal(LPP_PC_OBJECT(profile->nodes[1].pc), count + 1);
    assert_int_equal(LPP_PC_ADDRESS(profile->nodes[1].pc),
                     LPP_PC_ADDRESS(here(0)));
    object = lpp_maps_object(maps, count + 1);
    assert_string_equal(object->path, "/usr/lib/only-there.so");
    assert_memory_equal(object->build_id, id, sizeof(id));
    assert_true(object->gone);
    /* Once: the next of the dead finds it there. */
    read_will();
    assert_int_equal(lpp_maps_count(maps), count + 1);
}

static void without_a_build_id_only_the_same_place_is_the_same(void **state)
{
    unsigned first = lpp_maps_adopt(maps, "/lib/x.so", 0x1000, NULL, 0);

    assert_int_not_equal(first, 0);
    assert_int_equal(lpp_maps_adopt(maps, "/lib/x.so", 0x1000, NULL, 0),
                     first);
    assert_int_not_equal(lpp_maps_adopt(maps, "/lib/x.so", 0x2000, NULL, 0),
                         first);
}

static void a_will_of_another_profile_is_none(void **state)
{
    lpp_profile_t *profile;

    leave_three_samples();
    assert_true(APR_STATUS_IS_ENOENT(
        lpp_postmortem_read(postmortem, OTHER, maps, pages, &profile, pool)));
    assert_null(profile);
    lpp_postmortem_begin(postmortem, OTHER);
    assert_true(APR_STATUS_IS_ENOENT(
        lpp_postmortem_read(postmortem, ID, maps, pages, &profile, pool)));
    assert_int_equal(
        lpp_postmortem_read(postmortem, OTHER, maps, pages, &profile, pool),
        APR_SUCCESS);
    assert_int_equal(profile->count, 1);
    assert_int_equal(profile->total.samples, 0);
}

/* More nodes and objects than there is room for: no sample is lost. */
static void what_has_no_room_is_credited_to_an_ancestor(void **state)
{
    lpp_profile_t *profile = fresh_profile(), *left;
    apr_uint32_t i;

    lpp_postmortem_begin(postmortem, ID);
    for (i = 0; i < LPP_POSTMORTEM_NODES + 1000; i++) {
        lpp_pc_t frames[2] = { here(i), in_libc() };

        sample(profile, frames, 2);
    }
    left = read_will();
    assert_int_equal(left->count, LPP_POSTMORTEM_NODES);
    assert_int_equal(left->total.samples, LPP_POSTMORTEM_NODES + 1000);
    assert_int_equal(left->nodes[1].pc, in_libc());
    assert_int_equal(left->nodes[1].self.samples, 1002);
}

static apr_uint32_t page_number(lpp_pagecode_t *table, const char *name,
                                const char *file, unsigned line)
{
    lpp_page_function_t page = { LPP_LANGUAGE_PYTHON, 0, name, file, line };

    return lpp_pagecode_number(table, &page);
}

/* As the helper of a process that runs a page. */
static void leave_page_functions(void)
{
    lpp_profile_t *profile = fresh_profile();
    lpp_pc_t frames[4] = { in_libc(), 0, 0, here(0) };

    frames[1] = LPP_PAGE_PC(page_number(pages, "page", "/srv/p.py", 3), 5);
    frames[2] = LPP_PAGE_PC(page_number(pages, "main", "/srv/m.py", 1), 9);
    lpp_postmortem_begin(postmortem, ID);
    sample(profile, frames, 4);
    sample(profile, frames + 1, 3);
    sample(profile, frames + 3, 1); /* without a page function */
    lpp_postmortem_set_total(postmortem, profile, &total);
}

/* Of another process, whose numbers are other ones. */
static void page_functions_outlive_the_process(void **state)
{
    const lpp_page_function_t *page;
    lpp_profile_t *profile;
    lpp_pc_t last[8];
    pid_t pid = fork();
    int how;

    if (pid == 0) {
        page_number(pages, "only there", "/srv/o.py", 1);
        leave_page_functions();
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    page_number(pages, "page", "/srv/elsewhere.py", 3);
    page_number(pages, "main", "/srv/m.py", 1);
    profile = read_will();
    assert_int_equal(profile->count, 5);
    assert_int_equal(profile->nodes[2].pc, LPP_PAGE_PC(2, 9));
    page = lpp_pagecode_get(pages, LPP_PAGE_NUMBER(profile->nodes[3].pc));
    assert_string_equal(page->name, "page");
    assert_string_equal(page->file, "/srv/p.py");
    assert_int_equal(page->line, 3);
    assert_int_equal(page->language, LPP_LANGUAGE_PYTHON);
    assert_int_equal(LPP_PAGE_LINE(profile->nodes[3].pc), 5);
    assert_int_equal(profile->nodes[4].pc, in_libc());
    assert_int_equal(profile->nodes[3].self.samples, 1);
    assert_int_equal(lpp_postmortem_last_pages(postmortem, profile, last, 8),
                     2);
    assert_int_equal(last[0], profile->nodes[3].pc);
    assert_int_equal(last[1], profile->nodes[2].pc);
    assert_int_equal(lpp_postmortem_last_pages(postmortem, profile, last, 1),
                     1);
    atomic_store(&postmortem->last, 5); /* past the end */
    assert_int_equal(lpp_postmortem_last_pages(postmortem, profile, last, 8),
                     0);
}

static void without_a_table_page_functions_have_no_names(void **state)
{
    lpp_profile_t *profile;

    leave_page_functions();
    assert_int_equal(lpp_postmortem_read(postmortem, ID, maps, NULL, &profile,
                                         pool), APR_SUCCESS);
    assert_int_equal(profile->nodes[3].pc, LPP_PAGE_PC(LPP_PAGE_MORE, 5));
}

/* More page functions than there is room for, and names that are too long. */
static void page_functions_without_room_are_more_functions(void **state)
{
    lpp_profile_t *profile = fresh_profile(), *left;
    char name[400], shorter[LPP_POSTMORTEM_NAME_BYTES];
    unsigned i;

    for (i = 0; i < 133; i++) {
        memcpy(name + 3 * i, "\xe2\x82\xac", 4);
    }
    lpp_postmortem_begin(postmortem, ID);
    for (i = 0; i < LPP_POSTMORTEM_FUNCTIONS + 10; i++) {
        lpp_pc_t frame = LPP_PAGE_PC(page_number(pages, name, name, i), i);

        sample(profile, &frame, 1);
    }
    left = read_will();
    assert_int_equal(left->count, LPP_POSTMORTEM_FUNCTIONS + 11);
    assert_int_equal(LPP_PAGE_NUMBER(left->nodes[left->count - 1].pc),
                     LPP_PAGE_MORE);
    strcpy(shorter, lpp_pagecode_get(
        pages, LPP_PAGE_NUMBER(left->nodes[7].pc))->name);
    assert_int_equal(strlen(shorter), 255);
    assert_memory_equal(shorter, name, 255);
}

static void refused(void)
{
    lpp_profile_t *profile;

    assert_int_equal(lpp_postmortem_read(postmortem, ID, maps, pages, &profile,
                                         pool), APR_EINVAL);
}

static void a_will_that_makes_no_sense_is_refused(void **state)
{
    leave_three_samples();
    postmortem->node[2].parent = 2;
    refused();
    leave_three_samples();
    postmortem->node[2].parent = LPP_NODE_NONE;
    refused();
    leave_three_samples();
    postmortem->node[1].wall_ns = UINT64_MAX;
    refused();
    leave_three_samples();
    postmortem->wall_ns = UINT64_MAX;
    refused();
    leave_three_samples();
    postmortem->nodes = LPP_POSTMORTEM_NODES + 1;
    refused();
    leave_three_samples();
    postmortem->objects = LPP_POSTMORTEM_OBJECTS + 1;
    refused();
    leave_three_samples();
    memset(postmortem->object[0].path, 'x', sizeof(postmortem->object[0].path));
    refused();
    leave_three_samples();
    postmortem->object[0].number = LPP_OBJECTS_MAX + 1;
    refused();
    leave_three_samples();
    postmortem->object[0].build_id_len = LPP_POSTMORTEM_BUILD_ID_BYTES + 1;
    refused();
}

static void page_functions_that_make_no_sense_are_refused(void **state)
{
    lpp_profile_t *profile;

    leave_page_functions();
    postmortem->functions = LPP_POSTMORTEM_FUNCTIONS + 1;
    refused();
    leave_page_functions();
    postmortem->function_number[1] = LPP_PAGES_MAX + 1;
    refused();
    leave_page_functions();
    postmortem->function[1].language = LPP_LANGUAGES;
    refused();
    leave_page_functions();
    postmortem->function[1].line = LPP_PAGE_LINE_MAX + 1;
    refused();
    leave_page_functions();
    memset(postmortem->function[1].name, 'x', LPP_POSTMORTEM_NAME_BYTES);
    refused();
    leave_page_functions();
    memset(postmortem->function[1].file, 'x', LPP_POSTMORTEM_NAME_BYTES);
    refused();
    /* what can be read is made safe to show; a number of none is no fault */
    leave_page_functions();
    strcpy(postmortem->function[0].name, "a;\n\xff");
    postmortem->node[2].pc = LPP_PAGE_PC(0xffffff, 4);
    profile = read_will();
    assert_int_equal(profile->nodes[2].pc, LPP_PAGE_PC(LPP_PAGE_MORE, 4));
    leave_page_functions();
    strcpy(postmortem->function[0].name, "a;\n\xff");
    profile = read_will();
    assert_string_equal(lpp_pagecode_get(
        pages, LPP_PAGE_NUMBER(profile->nodes[2].pc))->name, "a???");
}

/* Whatever bytes stand there: a status or a sound tree. */
static void any_bytes_are_survived(void **state)
{
    unsigned char *bytes = (unsigned char *)postmortem;
    unsigned round, sound = 0;

    srand(7);
    for (round = 0; round < 2000; round++) {
        apr_pool_t *one_round;
        lpp_profile_t *profile;
        apr_uint32_t i;

        apr_pool_create(&one_round, pool);
        if (round % 2 == 0) {
            leave_three_samples();
        }
        else {
            leave_page_functions();
        }
        for (i = 0; i < 5; i++) {
            /* The head, the first objects, nodes and page functions. */
            static const size_t parts[5][2] = { { 0, 200 },
                { offsetof(lpp_postmortem_t, object), 800 },
                { offsetof(lpp_postmortem_t, node), 200 },
                { offsetof(lpp_postmortem_t, function_number), 8 },
                { offsetof(lpp_postmortem_t, function), 1100 } };
            size_t at = parts[i][0] + (size_t)rand() % parts[i][1];

            bytes[at] = (unsigned char)rand();
        }
        if (lpp_postmortem_read(postmortem, ID, maps, pages, &profile,
                                one_round)
            == APR_SUCCESS) {
            for (i = 1; i < profile->count; i++) {
                assert_true(profile->nodes[i].parent < i);
            }
            sound++;
        }
        apr_pool_destroy(one_round);
    }
    assert_in_range(sound, 100, 1999);
}

/* Another child wrote into the counts: the one that writes, which is still
 * itself, stays within its memory and its own tree. */
static void the_writer_survives_false_counts(void **state)
{
    static const unsigned counts[] = { 0, 2, 250, LPP_POSTMORTEM_NODES,
        LPP_POSTMORTEM_NODES + 1, 0x7fffffff, 0xfffffff0, 0xffffffff };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (sizeof(*postmortem) + page - 1) / page * page;
    unsigned char *mapped = mmap(NULL, bytes + 2 * page, PROT_NONE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    lpp_postmortem_t *old = postmortem;
    lpp_pc_t frames[3] = { in_libc(), LPP_PAGE_PC(1, 5), here(0) };
    unsigned i, j;

    assert_ptr_not_equal(mapped, MAP_FAILED);
    assert_int_equal(mprotect(mapped + page, bytes, PROT_READ | PROT_WRITE),
                     0);
    postmortem = (lpp_postmortem_t *)(mapped + page);
    for (i = 0; i < LPP_COUNT(counts); i++) {
        for (j = 0; j < LPP_COUNT(counts); j++) {
            lpp_profile_t *profile = fresh_profile();

            lpp_postmortem_begin(postmortem, ID);
            atomic_store(&postmortem->nodes, counts[i]);
            atomic_store(&postmortem->objects, counts[j]);
            atomic_store(&postmortem->functions, counts[j]);
            sample(profile, frames, 3);
            lpp_postmortem_set_total(postmortem, profile, &one);
        }
    }
    postmortem = old;
    munmap(mapped, bytes + 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(samples_outlive_the_process, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            an_object_that_only_the_dead_had_is_added, setup, teardown),
        cmocka_unit_test_setup_teardown(
            without_a_build_id_only_the_same_place_is_the_same, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_will_of_another_profile_is_none,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            what_has_no_room_is_credited_to_an_ancestor, setup, teardown),
        cmocka_unit_test_setup_teardown(a_will_that_makes_no_sense_is_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(page_functions_outlive_the_process,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            without_a_table_page_functions_have_no_names, setup, teardown),
        cmocka_unit_test_setup_teardown(
            page_functions_without_room_are_more_functions, setup, teardown),
        cmocka_unit_test_setup_teardown(
            page_functions_that_make_no_sense_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(any_bytes_are_survived, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_writer_survives_false_counts,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
