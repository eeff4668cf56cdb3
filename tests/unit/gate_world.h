/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_world: for the tests of lpp_gate: gates, child processes that use them,
 * and what those report.
 */
#ifndef GATE_WORLD_H
#define GATE_WORLD_H

#include <sys/types.h>

#include "gate/lpp_gate.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* What children tell the test, in memory that they share with it. */
typedef struct report_t {
    volatile int ready;
    volatile int go;
    volatile int inside;  /* owners at this moment */
    volatile int broken;  /* two at a time, or torn records */
    volatile int turns;
    volatile int refused;
} report_t;

extern report_t *report;

/* A pool for each test, which is its state; a report of zeros. */
int set_up(void **state);
int tear_down(void **state);

/* Before the first and after the last test; 0 if that went well. */
int open_gate_world(void);
void close_gate_world(void);

/* A gate over a mutex of that mechanism. */
lpp_gate_t *make_gate(apr_pool_t *pool, apr_lockmech_e mechanism);

/* Fork a child that has done what a child of httpd does first. */
pid_t fork_child(lpp_gate_t *gate);

/* Wait until *what is value; fails after 10 s. */
void wait_until(volatile int *what, int value);

/* Status of that child, as waitpid gives it. */
int wait_exit(pid_t pid);

/* An owner with this URL. */
lpp_owner_t owner_named(const char *url);

/* lpp_gate_try; *dead: the owner whose record stood before it, so where it
 * succeeds the one that died as owner; pid 0: none. */
apr_status_t try_after(lpp_gate_t *gate, apr_interval_time_t slice_us,
                       lpp_owner_t *dead);

/* Likewise for so long (dead may be NULL); APR_TIMEUP where the gate stayed
 * closed. */
apr_status_t try_for(lpp_gate_t *gate, int ms, lpp_owner_t *dead);

#endif
