/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over a spool: whole records count once, torn and hostile ones not. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "saved/lpp_aggregate.h"
#include "saved/lpp_aggregate_internal.h"

static apr_pool_t *pool;

static int open_pool(void **state)
{
    apr_initialize();
    return apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int close_pool(void **state)
{
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static int open_spool(void)
{
    FILE *file = tmpfile();
    int fd;

    assert_non_null(file);
    fd = dup(fileno(file));
    fclose(file);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_APPEND), 0);
    return fd;
}

/* root -> named -> itself, self times us, us and us. */
static const lpp_pstats_t *table(const char *name, apr_uint64_t us)
{
    lpp_pstats_t *made = apr_palloc(pool, sizeof(*made));
    lpp_pstats_function_t rows[] = {
        { "~", "[request]", 0, 5, us, 3 * us },
        { "/lib/x.so", name, 7, 2, 2 * us, 2 * us },
    };
    lpp_pstats_edge_t edges[] = { { 0, 1, 1, us, 2 * us },
                                  { 1, 1, 1, us, us } };

    made->functions = apr_pmemdup(pool, rows, sizeof(rows));
    made->function_count = 2;
    made->edges = apr_pmemdup(pool, edges, sizeof(edges));
    made->edge_count = 2;
    return made;
}

static void append(int fd, const char *name, apr_uint64_t us)
{
    assert_int_equal(lpp_aggregate_append(fd, table(name, us), pool),
                     APR_SUCCESS);
}

static lpp_aggregate_t *read_back(int fd)
{
    lpp_aggregate_t *aggregate;

    assert_int_equal(lpp_aggregate_create(&aggregate, pool), APR_SUCCESS);
    assert_int_equal(lpp_aggregate_read(aggregate, fd), APR_SUCCESS);
    return aggregate;
}

static void rows_of_one_key_add_up(void **state)
{
    int fd = open_spool();
    const lpp_pstats_t *sum;
    lpp_aggregate_t *aggregate;

    append(fd, "f", 10);
    append(fd, "g", 100);
    append(fd, "f", 1000);
    aggregate = read_back(fd);
    assert_int_equal(lpp_aggregate_counts(aggregate)->records, 3);
    assert_int_equal(lpp_aggregate_counts(aggregate)->wall_us, 3 * 1110);
    assert_int_equal(lpp_aggregate_counts(aggregate)->torn_bytes, 0);
    sum = lpp_aggregate_table(aggregate);
    assert_int_equal(sum->function_count, 3);
    assert_int_equal(sum->edge_count, 4);
    assert_int_equal(sum->functions[0].self_us, 1110);
    assert_int_equal(sum->functions[0].calls, 3); /* requests, not samples */
    assert_string_equal(sum->functions[1].name, "f");
    assert_string_equal(sum->functions[1].file, "/lib/x.so");
    assert_int_equal(sum->functions[1].line, 7);
    assert_int_equal(sum->functions[1].total_us, 2020);
    assert_int_equal(sum->edges[0].total_us, 2020);
    assert_int_equal(sum->edges[1].caller, 1);
    assert_int_equal(sum->edges[1].callee, 1);
    close(fd);
}

static void nothing_is_a_root_without_time(void **state)
{
    int fd = open_spool();
    const lpp_pstats_t *sum = lpp_aggregate_table(read_back(fd));

    assert_int_equal(sum->function_count, 1);
    assert_string_equal(sum->functions[0].name, "[request]");
    assert_int_equal(sum->functions[0].calls, 1);
    assert_int_equal(sum->functions[0].total_us, 0);
    close(fd);
}

/* The second of three records is cut off after each of its bytes. */
static void a_torn_record_costs_itself_alone(void **state)
{
    int whole = open_spool(), fd;
    struct stat one, two;
    char bytes[4096];
    ssize_t cut;

    append(whole, "first", 1);
    assert_int_equal(fstat(whole, &one), 0);
    append(whole, "second", 10);
    assert_int_equal(fstat(whole, &two), 0);
    assert_true(two.st_size < (off_t)sizeof(bytes));
    assert_int_equal(pread(whole, bytes, sizeof(bytes), 0), two.st_size);
    for (cut = one.st_size; cut < two.st_size; cut++) {
        lpp_aggregate_t *aggregate;

        fd = open_spool();
        assert_int_equal(write(fd, bytes, (size_t)cut), cut);
        append(fd, "third", 100);
        aggregate = read_back(fd);
        assert_int_equal(lpp_aggregate_counts(aggregate)->records, 2);
        assert_int_equal(lpp_aggregate_counts(aggregate)->wall_us, 303);
        assert_int_equal(lpp_aggregate_counts(aggregate)->torn_bytes,
                         cut - one.st_size);
        assert_int_equal(lpp_aggregate_table(aggregate)->function_count, 3);
        close(fd);
    }
    close(whole);
}

static void a_torn_end_is_stepped_over(void **state)
{
    int fd = open_spool();
    struct stat now;
    lpp_aggregate_t *aggregate;

    append(fd, "first", 1);
    append(fd, "second", 10);
    assert_int_equal(fstat(fd, &now), 0);
    assert_int_equal(ftruncate(fd, now.st_size - 1), 0);
    aggregate = read_back(fd);
    assert_int_equal(lpp_aggregate_counts(aggregate)->records, 1);
    assert_int_equal(lpp_aggregate_counts(aggregate)->wall_us, 3);
    assert_true(lpp_aggregate_counts(aggregate)->torn_bytes > 0);
    close(fd);
}

/* Each byte of a record is changed in turn: it is not counted, or, where only
 * the change was undone by chance, is what it was. */
static void a_changed_byte_is_noticed(void **state)
{
    int whole = open_spool(), fd;
    char bytes[4096];
    ssize_t len, i;

    append(whole, "only", 1);
    len = pread(whole, bytes, sizeof(bytes), 0);
    assert_true(len > 0 && len < (ssize_t)sizeof(bytes));
    for (i = 0; i < len; i++) {
        fd = open_spool();
        bytes[i] ^= 0x55;
        assert_int_equal(write(fd, bytes, (size_t)len), len);
        bytes[i] ^= 0x55;
        assert_int_equal(
            lpp_aggregate_counts(read_back(fd))->records, 0);
        close(fd);
    }
    close(whole);
}

/* What a hostile child could put behind a right checksum. */
static void a_table_is_checked(void **state)
{
    static const apr_uint32_t counts[][2] = {
        { 0, 0 }, { 1, 0 }, { 0xffffffffu, 1 }, { 1, 0xffffffffu },
        { 2, 3 }, { 1000, 1000 },
    };
    char bytes[256];
    lpp_pstats_t pstats;
    apr_size_t i;

    for (i = 0; i < LPP_COUNT(counts); i++) {
        memset(bytes, 0x41, sizeof(bytes));
        memcpy(bytes, counts[i], sizeof(counts[i]));
        assert_int_equal(lpp_aggregate_decode(&pstats, bytes, sizeof(bytes),
                                              pool), APR_EINVAL);
        assert_int_equal(lpp_aggregate_decode(&pstats, bytes, 3, pool),
                         APR_EINVAL);
    }
}

static void edges_out_of_range_are_refused(void **state)
{
    lpp_pstats_t *bad = apr_pmemdup(pool, table("f", 1), sizeof(*bad));
    lpp_pstats_edge_t edge = { 0, 2, 1, 1, 1 };
    int fd = open_spool();

    bad->edges = &edge;
    bad->edge_count = 1;
    assert_int_equal(lpp_aggregate_append(fd, bad, pool), APR_SUCCESS);
    append(fd, "good", 5);
    assert_int_equal(lpp_aggregate_counts(read_back(fd))->records, 1);
    close(fd);
}

static void sums_saturate_and_text_is_utf8(void **state)
{
    lpp_pstats_t *big = apr_pmemdup(pool, table("\xff\xc3(", 1),
                                    sizeof(*big));
    lpp_pstats_function_t *rows = (lpp_pstats_function_t *)big->functions;
    int fd = open_spool();
    const lpp_pstats_t *sum;

    rows[1].self_us = ~APR_UINT64_C(0) - 1;
    rows[1].calls = 0;
    assert_int_equal(lpp_aggregate_append(fd, big, pool), APR_SUCCESS);
    assert_int_equal(lpp_aggregate_append(fd, big, pool), APR_SUCCESS);
    sum = lpp_aggregate_table(read_back(fd));
    assert_true(sum->functions[1].self_us == ~APR_UINT64_C(0));
    assert_int_equal(sum->functions[1].calls, 1);
    assert_string_equal(sum->functions[1].name, "?" "?(");
    close(fd);
}

/* Eight processes, one of them killed while it writes. */
static void processes_append_whole_records(void **state)
{
    enum { PROCESSES = 8, RECORDS = 50 };
    int fd = open_spool(), i, k;
    pid_t pids[PROCESSES];
    lpp_aggregate_t *aggregate;
    apr_uint64_t records;

    for (i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            for (k = 0; k < RECORDS || i == 0; k++) {
                if (lpp_aggregate_append(fd, table(apr_psprintf(
                        pool, "p%d", i), 1), pool) != APR_SUCCESS) {
                    _exit(1);
                }
            }
            _exit(0);
        }
        assert_true(pids[i] > 0);
    }
    for (i = PROCESSES - 1; i >= 0; i--) {
        int status;

        if (i == 0) {
            kill(pids[0], SIGKILL);
        }
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(i == 0 || status == 0);
    }
    aggregate = read_back(fd);
    records = lpp_aggregate_counts(aggregate)->records;
    assert_true(records >= (PROCESSES - 1) * RECORDS);
    assert_int_equal(lpp_aggregate_counts(aggregate)->wall_us, records * 3);
    close(fd);
}

static void a_full_disk_is_an_error(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_APPEND);

    assert_true(fd >= 0);
    assert_int_equal(lpp_aggregate_append(fd, table("f", 1), pool),
                     APR_ENOSPC);
    close(fd);
    assert_true(lpp_aggregate_append(-1, table("f", 1), pool) != APR_SUCCESS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_one_key_add_up),
        cmocka_unit_test(nothing_is_a_root_without_time),
        cmocka_unit_test(a_torn_record_costs_itself_alone),
        cmocka_unit_test(a_torn_end_is_stepped_over),
        cmocka_unit_test(a_changed_byte_is_noticed),
        cmocka_unit_test(a_table_is_checked),
        cmocka_unit_test(edges_out_of_range_are_refused),
        cmocka_unit_test(sums_saturate_and_text_is_utf8),
        cmocka_unit_test(processes_append_whole_records),
        cmocka_unit_test(a_full_disk_is_an_error),
    };

    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
