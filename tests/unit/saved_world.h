/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved_world: for the tests of lpp_saved: profiles with made-up names, which
 * are written and read back. All of it lives in pool.
 */
#ifndef SAVED_WORLD_H
#define SAVED_WORLD_H

#include <apr_pools.h>

#include "base/lpp_buf.h"
#include "saved/lpp_saved.h"

#define ID "OOPS-0123456789abcdef0123456789abcdef"
#define ID2 "OOPS-00000000000000000000000000000002"
#define HOST "www.example.org:80"
#define MAX_BYTES (64 * 1024 * 1024)
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

extern apr_pool_t *pool;

/* pool is of one test. */
int set_up(void **state);
int tear_down(void **state);

/* Every function of make_view from then on has this file and line; NULL:
 * none. */
void name_source(const char *file, unsigned line);

/* Half of the frames of make_view from then on are page functions. */
void mix_pagecode(int on);

/* A profile of so many stacks by a fixed pseudo-random sequence. */
const lpp_view_t *make_view(unsigned stacks, const char *id);

/* With an OOPS, without statements; saved.sql is for the test to set. */
lpp_saved_t make_saved(const lpp_view_t *view, const char *vhost);

/* Two statements alike from one place, and one that failed elsewhere. */
const lpp_sqlview_t *make_sql(void);

/* Empty, of at most MAX_BYTES. */
lpp_buf_t *new_buf(void);

/* The saved form. */
lpp_buf_t *write_saved(const lpp_saved_t *saved);

/* What is read from it. */
lpp_saved_t *read_back(const lpp_buf_t *buf);

/* The view as that format writes it. */
lpp_buf_t *in_format(const lpp_view_t *view, int format);

void assert_same_bytes(const lpp_buf_t *left, const lpp_buf_t *right);

/* In every format. */
void assert_same_formats(const lpp_view_t *left,
                         const lpp_view_t *right);

#endif
