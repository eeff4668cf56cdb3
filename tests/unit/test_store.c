/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_store: the store against a directory that somebody tampers with, a disk
 * that fills up, and names that are not ours. Cases that need root (another
 * owner, a tiny file system) are skipped without it.
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
#include <stdlib.h>
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

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define ID2 "OOPS-00000000000000000000000000000001"
#define USER 65534 /* nobody, by number: no name is needed */

typedef struct fixture_t {
    apr_pool_t *pool;
    char *dir;
    lpp_store_t *store;
} fixture_t;

static const char *in(fixture_t *f, const char *name)
{
    return apr_pstrcat(f->pool, f->dir, "/", name, NULL);
}

static int set_up(void **state)
{
    fixture_t *f = calloc(1, sizeof(*f));
    char dir[] = "/tmp/lpp-test-store-XXXXXX";

    apr_pool_create(&f->pool, NULL);
    if (!mkdtemp(dir)) {
        return -1;
    }
    f->dir = apr_pstrdup(f->pool, dir);
    *state = f;
    return lpp_store_open(&f->store, f->dir, f->pool) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture_t *f = *state;
    char *command =
        apr_psprintf(f->pool, "chmod -R u+rwx %s; rm -rf %s", f->dir, f->dir);
    int rc = system(command);

    apr_pool_destroy(f->pool);
    free(f);
    return rc;
}

static int count_files(const char *dir)
{
    char command[512], text[32] = "";
    FILE *pipe;

    snprintf(command, sizeof(command), "find %s -mindepth 1 | wc -l", dir);
    pipe = popen(command, "r");
    if (!pipe || !fgets(text, sizeof(text), pipe)) {
        fail();
    }
    pclose(pipe);
    return atoi(text);
}

static apr_status_t write_file(fixture_t *f, const char *sub, const char *name,
                               const char *text)
{
    lpp_store_file_t *file;
    apr_status_t rv = lpp_store_begin(f->store, sub, name, &file, f->pool);

    if (rv == APR_SUCCESS) {
        rv = lpp_sink_write(lpp_store_sink(file), text, strlen(text));
        if (rv == APR_SUCCESS) {
            return lpp_store_finish(file, NULL);
        }
        lpp_store_abort(file);
    }
    return rv;
}

static const char *read_file(fixture_t *f, const char *path)
{
    char *text = apr_pcalloc(f->pool, 4096);
    FILE *in_file = fopen(path, "r");

    if (!in_file) {
        return NULL;
    }
    if (fread(text, 1, 4095, in_file) == 0) {
        text[0] = '\0';
    }
    fclose(in_file);
    return text;
}

static void id_is_unique_and_of_its_form(void **state)
{
    char one[LPP_OOPS_ID_LEN + 1], two[LPP_OOPS_ID_LEN + 1];

    assert_int_equal(lpp_store_new_id(one), APR_SUCCESS);
    assert_int_equal(lpp_store_new_id(two), APR_SUCCESS);
    assert_true(lpp_store_is_id(one));
    assert_int_equal(strlen(one), LPP_OOPS_ID_LEN);
    assert_string_not_equal(one, two);
}

static void ids_are_told_from_others(void **state)
{
    static const char *const bad[] = {"",
                                      "OOPS-",
                                      "OOPS-0123456789abcdef0123456789abcde",
                                      "OOPS-0123456789abcdef0123456789abcdef0",
                                      "OOPS-0123456789ABCDEF0123456789abcdef",
                                      "OOPS-0123456789abcdef0123456789abcdeg",
                                      "XOPS-0123456789abcdef0123456789abcdef",
                                      "../../../../../../../../../etc/passwd",
                                      ID "/",
                                      " " ID};
    unsigned i;

    assert_true(lpp_store_is_id(ID));
    assert_true(lpp_store_is_id("oops-0123456789abcdef0123456789abcdef"));
    assert_false(lpp_store_is_id(NULL));
    for (i = 0; i < LPP_COUNT(bad); i++) {
        assert_false(lpp_store_is_id(bad[i]));
    }
}

static void stem_has_padded_milliseconds_and_safe_bytes(void **state)
{
    fixture_t *f = *state;
    apr_time_t start = apr_time_from_sec(1700000000) + 7000;
    apr_time_exp_t at;
    const char *stem;
    char expected[256];

    apr_time_exp_lt(&at, start);
    stem =
        lpp_store_stem(start, "a/b c:\xc3\xa4;d@+-._", ID, 12, 345, f->pool);
    snprintf(expected, sizeof(expected),
             "%04d-%02d-%02d_%02d:%02d:%02d.007-a_b_c:___d@+-._-" ID "-12.345",
             at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour,
             at.tm_min, at.tm_sec);
    assert_string_equal(stem, expected);
    assert_true(lpp_store_is_name(stem));
}

static void long_page_id_is_cut_and_empty_one_is_unknown(void **state)
{
    fixture_t *f = *state;
    char *page = apr_palloc(f->pool, 501);
    const char *stem, *name;
    lpp_store_entry_t entry;

    memset(page, 'p', 500);
    page[500] = '\0';
    stem = lpp_store_stem(0, page, ID, 4294967295u, 4294967295u, f->pool);
    assert_int_equal(strspn(stem + 24, "p"), LPP_PAGEID_MAX_BYTES);
    name = lpp_store_name(stem, LPP_FORMAT_CALLGRIND, f->pool);
    assert_true(lpp_store_parse_name(name, &entry, f->pool));
    stem = lpp_store_stem(0, "", ID, 1, 2, f->pool);
    assert_non_null(strstr(stem, "-Unknown-" ID "-1.2"));
}

static void names_are_read_back(void **state)
{
    fixture_t *f = *state;
    static const char *const pages[] = {
        "x", "-", "a-b-c", "1.2", "a-" ID2 "-1.2", "RootObject:index.html"};
    unsigned i;
    int format;

    for (i = 0; i < LPP_COUNT(pages); i++) {
        for (format = 0; format <= LPP_FORMAT_SAVED; format++) {
            const char *stem =
                lpp_store_stem(apr_time_now(), pages[i], ID, 1, 22, f->pool);
            const char *name =
                lpp_store_name(stem, (lpp_format_e)format, f->pool);
            lpp_store_entry_t entry;

            assert_true(lpp_store_parse_name(name, &entry, f->pool));
            assert_string_equal(entry.name, name);
            assert_string_equal(entry.id, ID);
            assert_int_equal(entry.format, format);
        }
    }
}

#define T "2026-11-22_15:34:47.123-"
static const char *const foreign[] = {
    "",
    "x",
    "README",
    "callgrind.out.12345",
    "callgrind.out.",
    T "page-" ID "-1.2" /* no format has neither prefix nor suffix */,
    T "page-" ID "-1.2.prof.bak",
    T "page-" ID "-1.prof",
    T "page-" ID "-1.x.prof",
    T "page-" ID "-.2.prof",
    T "page-OOPS-0123456789ABCDEF0123456789abcdef-1.2.prof",
    T "page-oops-0123456789abcdef0123456789abcdef-1.2.prof",
    T "page" ID "-1.2.prof",
    T "-" ID "-1.2.prof",
    ID "-1.2.prof",
    "2026-11-22 15:34:47.123-page-" ID "-1.2.prof",
    "2026-11-22_15:34:47,123-page-" ID "-1.2.prof",
    "X026-11-22_15:34:47.123-page-" ID "-1.2.prof",
    "." T "page-" ID "-1.2.prof",
    ".lpp-12-abc.tmp",
    "..",
    "oops"};

static void foreign_names_are_not_ours(void **state)
{
    fixture_t *f = *state;
    lpp_store_entry_t entry;
    unsigned i;

    for (i = 0; i < LPP_COUNT(foreign); i++) {
        assert_false(lpp_store_parse_name(foreign[i], &entry, f->pool));
    }
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    fixture_t *f = *state;
    static const char *const bad[] = {"",   ".",   "..",  "a/b",      "/etc/x",
                                      ".a", "a b", "a\n", "\xc3\xa4", "a\\b"};
    lpp_store_file_t *file;
    apr_file_t *opened;
    unsigned i;

    for (i = 0; i < LPP_COUNT(bad); i++) {
        assert_int_equal(
            lpp_store_begin(f->store, NULL, bad[i], &file, f->pool),
            APR_EINVAL);
        assert_null(file);
        assert_int_equal(
            lpp_store_begin(f->store, bad[i], "name", &file, f->pool),
            APR_EINVAL);
        assert_int_equal(
            lpp_store_open_file(f->store, NULL, bad[i], &opened, f->pool),
            APR_EINVAL);
        assert_int_equal(
            lpp_store_open_file(f->store, bad[i], "x", &opened, f->pool),
            APR_EINVAL);
    }
    assert_int_equal(count_files(f->dir), 0);
}

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

static void listing_is_newest_first_and_ours_only(void **state)
{
    fixture_t *f = *state;
    apr_array_header_t *entries;
    const lpp_store_entry_t *first;
    const char *names[3];
    unsigned i;

    for (i = 0; i < 3; i++) {
        struct timespec times[2] = {{1000 + (time_t)(i * 7 % 5), 0},
                                    {1000 + (time_t)(i * 7 % 5), 500000}};
        names[i] = lpp_store_name(
            lpp_store_stem(apr_time_from_sec(i), "p", i == 1 ? ID2 : ID, 1, 2,
                           f->pool),
            i == 2 ? LPP_FORMAT_PSTATS : LPP_FORMAT_CALLGRIND, f->pool);
        assert_int_equal(write_file(f, NULL, names[i], "12345"), APR_SUCCESS);
        assert_int_equal(utimensat(AT_FDCWD, in(f, names[i]), times, 0), 0);
    }
    for (i = 0; i < LPP_COUNT(foreign); i++) {
        if (foreign[i][0] && strcmp(foreign[i], "..") != 0) {
            int fd = creat(in(f, foreign[i]), 0600);

            assert_true(fd >= 0);
            close(fd);
        }
    }
    /* our names, but no files */
    assert_int_equal(
        symlink(names[0],
                in(f, lpp_store_name(lpp_store_stem(0, "l", ID, 1, 2, f->pool),
                                     LPP_FORMAT_PSTATS, f->pool))),
        0);
    assert_int_equal(
        mkdir(in(f, lpp_store_name(lpp_store_stem(0, "d", ID, 1, 2, f->pool),
                                   LPP_FORMAT_PSTATS, f->pool)),
              0700),
        0);

    assert_int_equal(lpp_store_list(f->store, NULL, 0, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 3);
    first = (const lpp_store_entry_t *)entries->elts;
    assert_string_equal(first[0].name, names[2]); /* 1004 */
    assert_string_equal(first[1].name, names[1]); /* 1002 */
    assert_string_equal(first[2].name, names[0]);
    assert_int_equal(first[0].bytes, 5);
    assert_int_equal(first[0].mtime, apr_time_from_sec(1004) + 500);
    assert_int_equal(first[0].format, LPP_FORMAT_PSTATS);

    assert_int_equal(lpp_store_list(f->store, NULL, 2, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 2);
    assert_int_equal(lpp_store_list(f->store, ID2, 0, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(entries, 0, lpp_store_entry_t).id, ID2);
    assert_int_equal(lpp_store_list(f->store, "OOPS-", 0, &entries, f->pool),
                     APR_SUCCESS);
    assert_int_equal(entries->nelts, 0);
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

/* Run function in a process that became USER; its exit status. */
static int as_user(int (*function)(fixture_t *f), fixture_t *f)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (setgid(USER) != 0 || setuid(USER) != 0) {
            _exit(99);
        }
        _exit(function(f));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static void need_root(void)
{
    if (geteuid() != 0) {
        skip();
    }
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

static const char *warning; /* of the last prepare */

static apr_status_t prepare_for(fixture_t *f, const char *path, int shared,
                                const char **why)
{
    *why = NULL;
    return lpp_store_prepare(path, geteuid() == 0 ? USER : geteuid(),
                             geteuid() == 0 ? USER : getegid(), shared, why,
                             &warning, f->pool);
}

static apr_status_t prepare(fixture_t *f, const char *path, const char **why)
{
    return prepare_for(f, path, 0, why);
}

static void prepare_makes_missing_directories(void **state)
{
    fixture_t *f = *state;
    const char *why, *path = in(f, "a/./b//c/.");
    mode_t mask = umask(0777);
    struct stat st;

    /* User must be able to pass */
    assert_int_equal(chmod(f->dir, 0711), 0);
    if (prepare(f, path, &why) != APR_SUCCESS) {
        fail_msg("refused: %s", why);
    }
    umask(mask);
    assert_int_equal(stat(in(f, "a/b/c"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(st.st_uid, geteuid() == 0 ? USER : geteuid());
    assert_int_equal(stat(in(f, "a/b"), &st), 0);
    assert_int_equal(st.st_mode & 07777, geteuid() == 0 ? 0711 : 0700);
    assert_int_equal(st.st_uid, geteuid());
    /* and again */
    assert_int_equal(prepare(f, path, &why), APR_SUCCESS);
}

static void prepare_never_gives_away_what_exists(void **state)
{
    fixture_t *f = *state;
    struct stat st;
    const char *why;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "there"), 0755), 0);
    assert_int_equal(prepare(f, in(f, "there"), &why), APR_EACCES);
    assert_true(why[0]);
    assert_int_equal(stat(in(f, "there"), &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

static void prepare_refuses_a_link_a_file_and_nonsense(void **state)
{
    fixture_t *f = *state;
    const char *why;

    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "real"), 0700), 0);
    assert_int_equal(geteuid() == 0 ? chown(in(f, "real"), USER, USER) : 0, 0);
    assert_int_equal(symlink("real", in(f, "link")), 0);
    assert_int_equal(prepare(f, in(f, "link"), &why), APR_EACCES);
    assert_true(why[0]);
    assert_int_equal(prepare(f, in(f, "link/."), &why), APR_EACCES);
    assert_int_equal(prepare(f, in(f, "real"), &why), APR_SUCCESS);
    close(creat(in(f, "file"), 0600));
    assert_int_not_equal(prepare(f, in(f, "file"), &why), APR_SUCCESS);
    assert_int_not_equal(prepare(f, in(f, "file/x"), &why), APR_SUCCESS);
    assert_int_equal(prepare(f, "relative/path", &why), APR_EINVAL);
    assert_int_equal(prepare(f, "", &why), APR_EINVAL);
    assert_int_equal(prepare(f, "/", &why), APR_EINVAL);
    assert_true(why[0]);
    assert_int_equal(symlink("loop", in(f, "loop")), 0);
    assert_int_equal(prepare(f, in(f, "loop/x"), &why), ELOOP);
}

static void prepare_follows_a_trusted_link_on_the_way(void **state)
{
    fixture_t *f = *state;
    const char *why;

    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "real"), 0711), 0);
    assert_int_equal(symlink(in(f, "real"), in(f, "absolute")), 0);
    assert_int_equal(symlink("./absolute/", in(f, "link")), 0);
    assert_int_equal(prepare(f, in(f, "link/../link/x"), &why), 0);
    assert_int_equal(prepare(f, in(f, "link/x"), &why), APR_SUCCESS);
    assert_int_equal(access(in(f, "real/x"), F_OK), 0);
    if (geteuid() == 0) {
        assert_int_equal(lchown(in(f, "link"), USER, USER), 0);
        assert_int_equal(prepare(f, in(f, "link/y"), &why), APR_EACCES);
        assert_int_equal(access(in(f, "real/y"), F_OK), -1);
    }
}

static void prepare_refuses_below_what_user_may_change(void **state)
{
    fixture_t *f = *state;
    static const mode_t modes[] = {0777, 0775};
    const char *why;
    unsigned i;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "users"), 0755), 0);
    assert_int_equal(chown(in(f, "users"), USER, 0), 0);
    assert_int_equal(prepare(f, in(f, "users/x"), &why), APR_EACCES);
    assert_int_equal(mkdir(in(f, "users/old"), 0777), 0);
    assert_int_equal(chmod(in(f, "users/old"), 0777), 0);
    assert_int_equal(prepare(f, in(f, "users/old"), &why), APR_EACCES);
    for (i = 0; i < LPP_COUNT(modes); i++) {
        const char *dir = in(f, apr_psprintf(f->pool, "open%u", i));

        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(chown(dir, 0, USER), 0);
        assert_int_equal(chmod(dir, modes[i]), 0);
        assert_int_equal(
            prepare(f, apr_pstrcat(f->pool, dir, "/a/b", NULL), &why),
            APR_EACCES);
        assert_int_equal(count_files(dir), 0);
    }
    assert_int_equal(mkdir(in(f, "sticky"), 0700), 0);
    assert_int_equal(chmod(in(f, "sticky"), 01777), 0);
    assert_int_equal(prepare(f, in(f, "sticky/a"), &why), APR_SUCCESS);
}

/* What somebody else than root and User could do. */
static void prepare_refuses_or_warns_of_what_others_may_change(void **state)
{
    static const struct {
        const char *name;
        uid_t uid;
        gid_t gid;
        mode_t mode;
        int fine, shared_fine; /* -1: with a warning */
        const char *said;
    } cases[] = {
        {"own", USER, USER, 0700, 1, 1, NULL},
        {"passable", USER, USER, 0711, 1, 1, NULL},
        {"other", USER + 1, USER, 0770, 0, 0, "belongs to another user"},
        {"open", USER, USER, 0777, 0, 0, "by everybody"},
        {"sticky", 0, 0, 01777, 0, 0, "by everybody"},
        {"group", USER, USER + 1, 0770, 0, -1, "by its group"},
        {"own-group", USER, USER, 0770, 0, -1, "by its group"},
        {"roots", 0, USER, 0770, -1, -1, "by its group"},
        {"readable", USER, USER, 0755, 1, 1, NULL},
        {"readers", USER, USER + 1, 0750, 1, 1, NULL},
    };
    fixture_t *f = *state;
    const char *why;
    unsigned i;
    int shared;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    for (i = 0; i < LPP_COUNT(cases); i++) {
        const char *path = in(f, cases[i].name);

        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(chown(path, cases[i].uid, cases[i].gid), 0);
        assert_int_equal(chmod(path, cases[i].mode), 0);
        for (shared = 0; shared < 2; shared++) {
            int fine = shared ? cases[i].shared_fine : cases[i].fine;
            apr_pool_t *pool = f->pool; /* of another start */
            apr_status_t rv;

            apr_pool_create(&f->pool, pool);
            rv = prepare_for(f, path, shared, &why);
            f->pool = pool;

            if ((rv == APR_SUCCESS) != (fine != 0)
                || (warning != NULL) != (fine < 0)
                || (fine < 1
                    && !strstr(fine ? warning : why, cases[i].said))) {
                fail_msg("%s, shared %d: %d %s %s", path, shared, rv, why,
                         warning ? warning : "");
            }
        }
    }
    /* once, for all hosts that share it */
    assert_int_equal(prepare(f, in(f, "roots"), &why), APR_SUCCESS);
    assert_non_null(warning);
    assert_int_equal(prepare(f, in(f, "roots"), &why), APR_SUCCESS);
    assert_null(warning);
}

static void prepare_looks_at_all_ancestors(void **state)
{
    static const struct {
        uid_t uid;
        gid_t gid;
        mode_t mode;
        int fine; /* -1: with a warning */
        const char *said;
    } cases[] = {
        {0, 0, 0755, 1, NULL},
        {0, USER + 1, 0755, 1, NULL},
        {USER + 1, 0, 0755, 0, "belongs to another user"},
        {0, 0, 0777, 0, NULL}, /* User may, too */
        {0, USER + 1, 0775, -1, "by its group"},
        {0, 0, 01777, 1, NULL},
        {0, USER + 1, 03775, 1, NULL},
    };
    fixture_t *f = *state;
    unsigned i;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    for (i = 0; i < LPP_COUNT(cases); i++) {
        const char *dir = in(f, apr_psprintf(f->pool, "above%u", i)), *why;
        apr_status_t rv;

        assert_int_equal(mkdir(dir, 0700), 0);
        assert_int_equal(chown(dir, cases[i].uid, cases[i].gid), 0);
        assert_int_equal(chmod(dir, cases[i].mode), 0);
        rv = prepare(f, apr_pstrcat(f->pool, dir, "/a/b", NULL), &why);
        if ((rv == APR_SUCCESS) != (cases[i].fine != 0)
            || (warning != NULL) != (cases[i].fine < 0)
            || (cases[i].said
                && (!strstr(rv ? why : warning, cases[i].said)
                    || !strstr(rv ? why : warning, dir)))) {
            fail_msg("%s: %d %s %s", dir, rv, why, warning ? warning : "");
        }
        assert_int_equal(access(apr_pstrcat(f->pool, dir, "/a", NULL), F_OK),
                         cases[i].fine ? 0 : -1);
    }
}

static void prepare_makes_oopses_below_profiles_as_user(void **state)
{
    fixture_t *f = *state;
    struct stat st;
    const char *why;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(prepare(f, in(f, "p"), &why), APR_SUCCESS);
    assert_int_equal(prepare(f, in(f, "p/x/oops"), &why), APR_SUCCESS);
    assert_int_equal(stat(in(f, "p/x/oops"), &st), 0);
    assert_int_equal(st.st_uid, USER);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(stat(in(f, "p/x"), &st), 0);
    assert_int_equal(st.st_uid, USER);
    /* User may have turned it into a link: root must not follow */
    assert_int_equal(mkdir(in(f, "roots"), 0700), 0);
    assert_int_equal(symlink("../roots", in(f, "p/evil")), 0);
    assert_int_equal(prepare(f, in(f, "p/evil/y"), &why), APR_EACCES);
    assert_int_equal(prepare(f, in(f, "p/../roots/y"), &why), APR_EINVAL);
    assert_int_equal(count_files(in(f, "roots")), 0);
}

static int open_makes_the_last_component(fixture_t *f)
{
    lpp_store_t *store;

    return lpp_store_open(&store, in(f, "oops"), f->pool) != APR_SUCCESS
           || lpp_store_open(&store, in(f, "no/oops"), f->pool) != ENOENT;
}

static void open_makes_only_without_root(void **state)
{
    fixture_t *f = *state;
    lpp_store_t *store;

    if (geteuid() != 0) {
        assert_int_equal(open_makes_the_last_component(f), 0);
        return;
    }
    assert_int_equal(lpp_store_open(&store, in(f, "oops"), f->pool), ENOENT);
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(as_user(open_makes_the_last_component, f), 0);
}

static int prepare_as_user(fixture_t *f)
{
    const char *why;

    return prepare(f, in(f, "open/new/dir"), &why) != APR_SUCCESS
           || prepare(f, in(f, "closed/new"), &why) != APR_EACCES || !why[0]
           || prepare(f, in(f, "closed"), &why) != APR_EACCES;
}

static void prepare_works_without_root(void **state)
{
    fixture_t *f = *state;

    need_root();
    assert_int_equal(chmod(f->dir, 0711), 0);
    assert_int_equal(mkdir(in(f, "open"), 0777), 0);
    assert_int_equal(chmod(in(f, "open"), 01777), 0);
    assert_int_equal(mkdir(in(f, "closed"), 0755), 0);
    assert_int_equal(as_user(prepare_as_user, f), 0);
}

#define WITH_DIR(function)                                                    \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(id_is_unique_and_of_its_form),
        cmocka_unit_test(ids_are_told_from_others),
        WITH_DIR(stem_has_padded_milliseconds_and_safe_bytes),
        WITH_DIR(long_page_id_is_cut_and_empty_one_is_unknown),
        WITH_DIR(names_are_read_back),
        WITH_DIR(foreign_names_are_not_ours),
        WITH_DIR(names_that_lead_elsewhere_are_refused),
        WITH_DIR(file_appears_whole_and_private),
        WITH_DIR(pieces_of_every_size_arrive_in_order),
        WITH_DIR(existing_file_is_never_overwritten),
        WITH_DIR(link_in_place_of_a_file_is_left_alone),
        WITH_DIR(subdirectory_is_made_and_a_link_refused),
        WITH_DIR(store_through_a_link_is_refused),
        WITH_DIR(abort_and_pool_end_remove_the_temporary_file),
        WITH_DIR(file_past_the_ceiling_is_refused),
        WITH_DIR(write_that_fails_leaves_nothing),
        WITH_DIR(listing_is_newest_first_and_ours_only),
        WITH_DIR(sweep_takes_old_temporary_files_of_ours_only),
        WITH_DIR(read_only_directory_is_an_error),
        WITH_DIR(full_disk_is_seen_before_and_while_writing),
        WITH_DIR(prepare_makes_missing_directories),
        WITH_DIR(prepare_never_gives_away_what_exists),
        WITH_DIR(prepare_refuses_a_link_a_file_and_nonsense),
        WITH_DIR(prepare_follows_a_trusted_link_on_the_way),
        WITH_DIR(prepare_refuses_below_what_user_may_change),
        WITH_DIR(prepare_refuses_or_warns_of_what_others_may_change),
        WITH_DIR(prepare_looks_at_all_ancestors),
        WITH_DIR(prepare_makes_oopses_below_profiles_as_user),
        WITH_DIR(open_makes_only_without_root),
        WITH_DIR(prepare_works_without_root),
    };
    int rc;

    apr_initialize();
    rc = cmocka_run_group_tests_name("store", tests, NULL, NULL);
    apr_terminate();
    return rc;
}
