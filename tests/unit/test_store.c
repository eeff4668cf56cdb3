/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store: files written into a directory that somebody tampers with, and on
 * a disk that fills up. Cases that need root (a tiny file system) are skipped
 * without it. Names and lists: test_store_names.c; how the directory is made:
 * test_store_prepare.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "store/lpp_store.h"
#include "store_files.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define ID2 "OOPS-00000000000000000000000000000001"

static void file_appears_whole_and_private(void **state)
{
    fixture_t *f = *state;
    lpp_store_file_t *file;
    apr_off_t bytes = 0;
    apr_file_t *opened;
    struct stat st;
    char read_back[16];
    apr_size_t len = sizeof(read_back);
    mode_t mask = umask(0777);

    assert_int_equal(lpp_store_begin(f->store, NULL, "name", &file, f->pool),
                     APR_SUCCESS);
    umask(mask);
    assert_int_equal(lpp_sink_printf(lpp_store_sink(file), "%s", "hello"),
                     APR_SUCCESS);
    assert_int_equal(access(in(f, "name"), F_OK), -1);
    assert_int_equal(count_files(f->dir), 1);
    assert_int_equal(lpp_store_finish(file, &bytes), APR_SUCCESS);
    assert_int_equal(bytes, 5);
    assert_string_equal(read_file(f, in(f, "name")), "hello");
    assert_int_equal(stat(in(f, "name"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(count_files(f->dir), 1);
    assert_int_equal(
        lpp_store_open_file(f->store, NULL, "name", &opened, f->pool),
        APR_SUCCESS);
    assert_int_equal(apr_file_read(opened, read_back, &len), APR_SUCCESS);
    assert_int_equal(len, 5);
    /* finished: neither an abort nor more bytes do anything */
    lpp_store_abort(file);
    assert_int_not_equal(lpp_sink_write(lpp_store_sink(file), "x", 1),
                         APR_SUCCESS);
    assert_string_equal(read_file(f, in(f, "name")), "hello");
}

static void pieces_of_every_size_arrive_in_order(void **state)
{
    fixture_t *f = *state;
    static const apr_size_t sizes[] = {1,     32767, 1,     32768, 0,
                                       32769, 70000, 32766, 3,     5};
    lpp_store_file_t *file;
    apr_off_t bytes;
    char *data = apr_palloc(f->pool, 70000), *all;
    apr_size_t total = 0, at = 0;
    unsigned i;
    FILE *check;

    assert_int_equal(lpp_store_begin(f->store, NULL, "big", &file, f->pool),
                     APR_SUCCESS);
    for (i = 0; i < LPP_COUNT(sizes); i++) {
        memset(data, 'a' + (int)i, sizes[i]);
        assert_int_equal(lpp_sink_write(lpp_store_sink(file), data, sizes[i]),
                         APR_SUCCESS);
        total += sizes[i];
    }
    assert_int_equal(lpp_store_finish(file, &bytes), APR_SUCCESS);
    assert_int_equal(bytes, total);
    all = apr_palloc(f->pool, total + 1);
    check = fopen(in(f, "big"), "r");
    assert_non_null(check);
    assert_int_equal(fread(all, 1, total + 1, check), total);
    fclose(check);
    for (i = 0; i < LPP_COUNT(sizes); i++) {
        apr_size_t k;

        for (k = 0; k < sizes[i]; k++) {
            assert_int_equal(all[at + k], 'a' + (int)i);
        }
        at += sizes[i];
    }
}

static void existing_file_is_never_overwritten(void **state)
{
    fixture_t *f = *state;

    assert_int_equal(write_file(f, NULL, "name", "first"), APR_SUCCESS);
    assert_int_equal(write_file(f, NULL, "name", "second"), APR_EEXIST);
    assert_string_equal(read_file(f, in(f, "name")), "first");
    assert_int_equal(count_files(f->dir), 1);
}

static void link_in_place_of_a_file_is_left_alone(void **state)
{
    fixture_t *f = *state;
    apr_file_t *opened;

    assert_int_equal(symlink("victim", in(f, "name")), 0);
    assert_int_equal(write_file(f, NULL, "name", "x"), APR_EEXIST);
    assert_int_equal(access(in(f, "victim"), F_OK), -1);
    assert_int_equal(write_file(f, NULL, "victim", "y"), APR_SUCCESS);
    assert_int_not_equal(
        lpp_store_open_file(f->store, NULL, "name", &opened, f->pool),
        APR_SUCCESS);
    assert_int_equal(mkfifo(in(f, "pipe"), 0600), 0);
    assert_int_equal(
        lpp_store_open_file(f->store, NULL, "pipe", &opened, f->pool),
        APR_ENOENT);
}

static void subdirectory_is_made_and_a_link_refused(void **state)
{
    fixture_t *f = *state;
    struct stat st;
    lpp_store_file_t *file;

    assert_int_equal(write_file(f, "2026-11-22", ID, "x"), APR_SUCCESS);
    assert_int_equal(write_file(f, "2026-11-22", ID2, "y"), APR_SUCCESS);
    assert_string_equal(read_file(f, in(f, "2026-11-22/" ID)), "x");
    assert_int_equal(stat(in(f, "2026-11-22"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(mkdir(in(f, "target"), 0700), 0);
    assert_int_equal(symlink("target", in(f, "2026-11-23")), 0);
    assert_int_not_equal(
        lpp_store_begin(f->store, "2026-11-23", ID, &file, f->pool),
        APR_SUCCESS);
    assert_int_equal(count_files(in(f, "target")), 0);
}

static void store_through_a_link_is_refused(void **state)
{
    fixture_t *f = *state;
    lpp_store_t *store;

    assert_int_equal(mkdir(in(f, "real"), 0700), 0);
    assert_int_equal(symlink("real", in(f, "link")), 0);
    assert_int_not_equal(lpp_store_open(&store, in(f, "link"), f->pool),
                         APR_SUCCESS);
    assert_null(store);
    assert_int_equal(lpp_store_open(&store, in(f, "real"), f->pool),
                     APR_SUCCESS);
    assert_non_null(store);
}

static void abort_and_pool_end_remove_the_temporary_file(void **state)
{
    fixture_t *f = *state;
    lpp_store_file_t *file;
    apr_pool_t *pool;

    assert_int_equal(lpp_store_begin(f->store, NULL, "name", &file, f->pool),
                     APR_SUCCESS);
    assert_int_equal(count_files(f->dir), 1);
    lpp_store_abort(file);
    assert_int_equal(count_files(f->dir), 0);
    assert_int_not_equal(lpp_store_finish(file, NULL), APR_SUCCESS);

    apr_pool_create(&pool, f->pool);
    assert_int_equal(lpp_store_begin(f->store, NULL, "name", &file, pool),
                     APR_SUCCESS);
    assert_int_equal(count_files(f->dir), 1);
    apr_pool_destroy(pool);
    assert_int_equal(count_files(f->dir), 0);
}

static void file_past_the_ceiling_is_refused(void **state)
{
    fixture_t *f = *state;
    lpp_store_file_t *file;
    char byte = 'x';

    assert_int_equal(lpp_store_begin(f->store, NULL, "name", &file, f->pool),
                     APR_SUCCESS);
    assert_int_equal(lpp_sink_write(lpp_store_sink(file), &byte,
                                    (apr_size_t)LPP_FILE_MAX_BYTES + 1),
                     APR_ENOSPC);
    assert_int_equal(lpp_sink_write(lpp_store_sink(file), &byte, 1),
                     APR_ENOSPC);
    assert_int_equal(lpp_store_finish(file, NULL), APR_ENOSPC);
    assert_int_equal(count_files(f->dir), 0);
}

static void write_that_fails_leaves_nothing(void **state)
{
    fixture_t *f = *state;
    struct rlimit old, small;
    lpp_store_file_t *file;
    char *data = apr_pcalloc(f->pool, 100000);
    apr_status_t rv, finished;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 40000;
    assert_int_equal(lpp_store_begin(f->store, NULL, "name", &file, f->pool),
                     APR_SUCCESS);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rv = lpp_sink_write(lpp_store_sink(file), data, 100000);
    finished = lpp_store_finish(file, NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(rv, EFBIG);
    assert_int_equal(finished, EFBIG);
    assert_int_equal(count_files(f->dir), 0);
}

static void sweep_takes_old_temporary_files_of_ours_only(void **state)
{
    fixture_t *f = *state;
    static const char *const left[] = {".lpp-1-abc.txt", ".other-1-abc.tmp",
                                       ".lpp-1-xyz.tmp", "keep.tmp"};
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    lpp_store_file_t *file;
    unsigned i;

    assert_int_equal(lpp_store_begin(f->store, NULL, "now", &file, f->pool),
                     APR_SUCCESS);
    close(creat(in(f, ".lpp-1-abc.tmp"), 0600));
    utimensat(AT_FDCWD, in(f, ".lpp-1-abc.tmp"), old, 0);
    for (i = 0; i < LPP_COUNT(left); i++) {
        close(creat(in(f, left[i]), 0600));
        utimensat(AT_FDCWD, in(f, left[i]), old, 0);
    }
    assert_int_equal(lpp_store_sweep(f->store, NULL), 1);
    assert_int_equal(access(in(f, ".lpp-1-abc.tmp"), F_OK), -1);
    for (i = 0; i < LPP_COUNT(left); i++) {
        assert_int_equal(access(in(f, left[i]), F_OK), 0);
    }
    assert_int_equal(lpp_store_finish(file, NULL), APR_SUCCESS);
    assert_int_equal(lpp_store_sweep(f->store, "nothere"), 0);
}

static int begin_fails_with_eacces(fixture_t *f)
{
    lpp_store_file_t *file;

    return lpp_store_begin(f->store, NULL, "n", &file, f->pool) != EACCES;
}

static void read_only_directory_is_an_error(void **state)
{
    fixture_t *f = *state;

    assert_int_equal(chmod(f->dir, 0555), 0);
    if (geteuid() == 0) {
        assert_int_equal(as_user(begin_fails_with_eacces, f), 0);
    }
    else {
        assert_int_equal(begin_fails_with_eacces(f), 0);
    }
}

static int on_tiny_disk(fixture_t *f)
{
    char *data = apr_pcalloc(f->pool, 1 << 20);
    lpp_store_file_t *file;
    lpp_store_t *store;

    if (unshare(CLONE_NEWNS) != 0
        || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
        || mount("tmpfs", f->dir, "tmpfs", 0, "size=1m") != 0) {
        return 77;
    }
    if (lpp_store_open(&store, f->dir, f->pool) != APR_SUCCESS
        || lpp_store_begin(store, NULL, "a", &file, f->pool) != APR_SUCCESS) {
        return 1;
    }
    /* more than fits */
    if (lpp_sink_write(lpp_store_sink(file), data, 1 << 20) == APR_SUCCESS
        && lpp_sink_write(lpp_store_sink(file), data, 1 << 20)
               == APR_SUCCESS) {
        return 2;
    }
    if (lpp_store_finish(file, NULL) != ENOSPC || count_files(f->dir) != 0) {
        return 3;
    }
    /* 96 % of it */
    if (lpp_store_begin(store, NULL, "b", &file, f->pool) != APR_SUCCESS
        || lpp_sink_write(lpp_store_sink(file), data, 1003520) != APR_SUCCESS
        || lpp_store_finish(file, NULL) != APR_SUCCESS) {
        return 4;
    }
    /* the next byte would fit, but is not written any more */
    if (lpp_store_begin(store, NULL, "c", &file, f->pool) != APR_ENOSPC) {
        return 5;
    }
    return count_files(f->dir) == 1 ? 0 : 6;
}

static void full_disk_is_seen_before_and_while_writing(void **state)
{
    fixture_t *f = *state;
    int status = 0;
    pid_t pid;

    need_root();
    pid = fork();
    if (pid == 0) {
        _exit(on_tiny_disk(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIR(file_appears_whole_and_private),
        WITH_DIR(pieces_of_every_size_arrive_in_order),
        WITH_DIR(existing_file_is_never_overwritten),
        WITH_DIR(link_in_place_of_a_file_is_left_alone),
        WITH_DIR(subdirectory_is_made_and_a_link_refused),
        WITH_DIR(store_through_a_link_is_refused),
        WITH_DIR(abort_and_pool_end_remove_the_temporary_file),
        WITH_DIR(file_past_the_ceiling_is_refused),
        WITH_DIR(write_that_fails_leaves_nothing),
        WITH_DIR(sweep_takes_old_temporary_files_of_ours_only),
        WITH_DIR(read_only_directory_is_an_error),
        WITH_DIR(full_disk_is_seen_before_and_while_writing),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests_name("store", tests, NULL, NULL);
    apr_terminate();
    return rc;
}
