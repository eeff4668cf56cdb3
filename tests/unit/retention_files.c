/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "retention_files.h"
#include "oops/lpp_oops.h"

long skipped_s;
apr_time_t stopped;
apr_time_t began;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = __real_clock_gettime(clock, now);

    if (clock == CLOCK_MONOTONIC) {
        now->tv_sec = 1000 + skipped_s;
        now->tv_nsec = 0;
    }
    return rc;
}

apr_time_t __wrap_apr_time_now(void)
{
    return stopped ? stopped : __real_apr_time_now();
}

const char *in(fixture_t *f, const char *name)
{
    return apr_pstrcat(f->pool, f->dir, "/", name, NULL);
}

int set_up(void **state)
{
    fixture_t *f = calloc(1, sizeof(*f));
    char dir[] = "/tmp/lpp-test-keep-XXXXXX";

    began = apr_time_now();
    apr_pool_create(&f->pool, NULL);
    if (!mkdtemp(dir)) {
        return -1;
    }
    f->dir = apr_pstrdup(f->pool, dir);
    f->oops = in(f, "oops");
    mkdir(f->oops, 0700);
    *state = f;
    return lpp_store_open(&f->store, f->dir, f->pool) == APR_SUCCESS
                   && lpp_store_open(&f->oopses, f->oops, f->pool)
                          == APR_SUCCESS
               ? 0
               : -1;
}

int tear_down(void **state)
{
    fixture_t *f = *state;
    int rc = system(apr_pstrcat(f->pool, "rm -rf ", f->dir, NULL));

    apr_pool_destroy(f->pool);
    free(f);
    return rc;
}

void use_rule4(fixture_t *f, const char *count, const char *size,
               const char *age, const char *failures)
{
    const char *const words[] = {count, size, age, failures};
    lpp_retention_rule_t rule;
    unsigned parts = 0, i;

    rule = lpp_retention_rule_default;
    for (i = 0; i < LPP_COUNT(words); i++) {
        if (words[i]) {
            assert_null(lpp_retention_rule_read(&rule, &parts, words[i]));
        }
    }
    assert_int_equal(lpp_retention_create(&f->keep, &rule, f->pool),
                     APR_SUCCESS);
    lpp_retention_add_profiles(f->keep, f->dir);
    lpp_retention_add_oopses(f->keep, f->oops);
}

void use_rule(fixture_t *f, const char *count, const char *size,
              const char *age)
{
    use_rule4(f, count, size, age, NULL);
}

void set_time(const char *path, apr_time_t when)
{
    struct timespec times[2];

    times[0].tv_sec = (time_t)apr_time_sec(when);
    times[0].tv_nsec = (long)apr_time_usec(when) * 1000;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

void set_age(const char *path, long age_s)
{
    set_time(path, began - apr_time_from_sec(age_s));
}

void pass(fixture_t *f)
{
    const char *lock = in(f, ".lpp-keep");

    lpp_retention_wrote(f->keep, 1);
    skipped_s += 120;
    if (access(lock, F_OK) == 0) {
        set_age(lock, 60);
    }
    assert_int_equal(lpp_retention_pass(f->keep, &f->result, f->pool),
                     APR_SUCCESS);
    assert_int_equal(f->result.ran, 1);
}

const char *id_of(fixture_t *f, int number)
{
    return apr_psprintf(f->pool, "OOPS-%032x", number);
}

const char *date_of(fixture_t *f, long age_s)
{
    apr_time_exp_t utc;

    apr_time_exp_gmt(&utc, began - apr_time_from_sec(age_s));
    return apr_psprintf(f->pool, "%04d-%02d-%02d", utc.tm_year + 1900,
                        utc.tm_mon + 1, utc.tm_mday);
}

void put(fixture_t *f, const char *name, apr_size_t bytes, long age_s)
{
    const char *path = in(f, apr_psprintf(f->pool, "put-%d", (int)getpid()));
    char *data = apr_pcalloc(f->pool, bytes + 1);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    fclose(file);
    set_age(path, age_s);
    assert_int_equal(rename(path, in(f, name)), 0);
}

const char *file_of(fixture_t *f, int number, lpp_format_e format)
{
    return lpp_store_name(
        lpp_store_stem(apr_time_from_sec(1700000000 + number), "a:b",
                       id_of(f, number), 1, 2, f->pool),
        format, f->pool);
}

const char *oops_of(fixture_t *f, int number, long age_s)
{
    return apr_pstrcat(f->pool, "oops/", date_of(f, age_s), "/",
                       id_of(f, number), NULL);
}

void put_oops(fixture_t *f, int number, long age_s, int informational,
              int bson, const char *branch)
{
    const char *made = in(f, apr_pstrcat(f->pool, "made/", id_of(f, number),
                                         NULL));
    lpp_store_file_t *file;
    lpp_oops_t *oops;

    assert_int_equal(lpp_oops_create(&oops, id_of(f, number), f->pool),
                     APR_SUCCESS);
    oops->informational = informational;
    oops->branch_nick = branch;
    oops->value = "one\nInformational: True\nBranch: mod_lpprofile";
    assert_int_equal(
        lpp_store_begin(f->store, "made", id_of(f, number), &file, f->pool),
        APR_SUCCESS);
    assert_int_equal(
        bson ? lpp_oops_write_bson(oops, lpp_store_sink(file), f->pool)
             : lpp_oops_write_rfc822(oops, lpp_store_sink(file), f->pool),
        APR_SUCCESS);
    assert_int_equal(lpp_store_finish(file, NULL), APR_SUCCESS);
    set_age(made, age_s);
    mkdir(in(f, apr_pstrcat(f->pool, "oops/", date_of(f, age_s), NULL)), 0700);
    assert_int_equal(rename(made, in(f, oops_of(f, number, age_s))), 0);
}

void put_profile(fixture_t *f, int number, apr_size_t bytes, long age_s)
{
    put(f, file_of(f, number, LPP_FORMAT_CALLGRIND), bytes, age_s);
    put(f, file_of(f, number, LPP_FORMAT_PSTATS), bytes, age_s);
    put_oops(f, number, age_s, 1, number % 2, LPP_NAME);
}

int there(fixture_t *f, const char *name)
{
    struct stat st;

    return lstat(in(f, name), &st) == 0;
}

int parts_there(fixture_t *f, int number, long age_s)
{
    return there(f, file_of(f, number, LPP_FORMAT_CALLGRIND))
           + there(f, file_of(f, number, LPP_FORMAT_PSTATS))
           + there(f, oops_of(f, number, age_s));
}
