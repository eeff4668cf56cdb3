/* SPDX-License-Identifier: Apache-2.0 */
/*
 * retention_files: for the tests of lpp_retention: a directory of profiles and
 * OOPSes, files of any age in it, a pass over them. Both clocks are the test's
 * (--wrap): the monotonic one moves only where it moves it, so that a pass is
 * due when it wants one, and the other can be stopped. Files get the age they
 * need by utimes, all of it before one and the same moment: no midnight falls
 * between.
 */
#ifndef KEEP_FILES_H
#define KEEP_FILES_H

#include <time.h>

#include <apr_pools.h>
#include <apr_time.h>

#include "base/lpp_formats.h"
#include "store/lpp_retention.h"
#include "store/lpp_store.h"

#define DAY 86400
#define YOUNG -60 /* an age that is young however long the test takes */
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

extern long skipped_s;     /* seconds that the monotonic clock was moved by */
extern apr_time_t stopped; /* where the other clock stands; 0: it runs */
extern apr_time_t began;   /* the test; all ages are from here */

apr_time_t __real_apr_time_now(void);
/* Not hidden: libraries of APR's refer to it by this name, too. */
__attribute__((visibility("default"))) apr_time_t __wrap_apr_time_now(void);

typedef struct fixture_t {
    apr_pool_t *pool;
    const char *dir;
    const char *oops;
    lpp_store_t *store;
    lpp_store_t *oopses;
    lpp_retention_t *keep;
    lpp_retention_result_t result;
} fixture_t;

/* Path of name in the directory; lives in f->pool. */
const char *in(fixture_t *f, const char *name);

/* The fixture of one test, for cmocka. */
int set_up(void **state);
int tear_down(void **state);

/* A new f->keep with these words of the rule, each of which may be NULL: as
 * another process has it. */
void use_rule4(fixture_t *f, const char *count, const char *size,
               const char *age, const char *failures);

/* The same, with the default for failures. */
void use_rule(fixture_t *f, const char *count, const char *size,
              const char *age);

/* Both times of path, which is not followed where it is a link. */
void set_time(const char *path, apr_time_t when);

/* Its age, from the start of the test. */
void set_age(const char *path, long age_s);

/* One pass, as if the last one were long ago. */
void pass(fixture_t *f);

/* The id of profile number. */
const char *id_of(fixture_t *f, int number);

/* The UTC date of that age, as the directory of OOPSes is named. */
const char *date_of(fixture_t *f, long age_s);

/* A file of so many bytes, which has its age from the first moment: another
 * process may pass at any time. */
void put(fixture_t *f, const char *name, apr_size_t bytes, long age_s);

/* The file of profile number in that format. */
const char *file_of(fixture_t *f, int number, lpp_format_e format);

/* The path of its OOPS, below the directory. */
const char *oops_of(fixture_t *f, int number, long age_s);

/* An OOPS as this module writes it, with the branch's name. */
void put_oops(fixture_t *f, int number, long age_s, int informational,
              int bson, const char *branch);

/* Two files and an OOPS. */
void put_profile(fixture_t *f, int number, apr_size_t bytes, long age_s);

/* 1: there is such a name, whatever it is. */
int there(fixture_t *f, const char *name);

/* How many of the two files and the OOPS of a profile are there. */
int parts_there(fixture_t *f, int number, long age_s);

#endif
