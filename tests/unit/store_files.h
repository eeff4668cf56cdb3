/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_files: for the tests of lpp_store: a directory of their own with a store
 * over it, what lies in it, and a process of another user.
 */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <apr_pools.h>

#include "store/lpp_store.h"

#define USER 65534 /* nobody, by number: no name is needed */
#define WITH_DIR(function)                                                    \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

typedef struct fixture_t {
    apr_pool_t *pool;
    char *dir;          /* removed by tear_down */
    lpp_store_t *store; /* over dir */
} fixture_t;

/* Path of name in the directory; lives in f->pool. */
const char *in(fixture_t *f, const char *name);

/* The fixture of one test, for cmocka. */
int set_up(void **state);
int tear_down(void **state);

/* Files and directories at any depth below dir. */
int count_files(const char *dir);

/* Writes text into sub/name by the store; its first error. */
apr_status_t write_file(fixture_t *f, const char *sub, const char *name,
                        const char *text);

/* The first 4095 bytes, in f->pool; NULL where it cannot be opened. */
const char *read_file(fixture_t *f, const char *path);

/* Run function in a process that became USER; its exit status. */
int as_user(int (*function)(fixture_t *f), fixture_t *f);

/* Skips the test where root is missing. */
void need_root(void);

#endif
