/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blocked_tests: each call of blocking_calls.h under the sampler, beside the
 * same call without. Tests for programs that differ in their C library, and
 * what else such a program needs for tests of its own.
 */
#ifndef BLOCKED_TESTS_H
#define BLOCKED_TESTS_H

#include "blocking_calls.h"
#include "names/lpp_pagecode.h"
#include "profile/lpp_profile.h"
#include "sampling/lpp_kernel.h"

#define MEASUREMENTS 20 /* of one call, until the machine spoils none */

extern apr_pool_t *root; /* of the program */
extern lpp_pagecode_t *names; /* of what was waited for */

/* Before the first test: a sampler. 0: it is there. The caller has run the
 * trial of restarts, apr_initialize before. */
int open_blocked_tests(void);
void close_blocked_tests(void);

/* From now on, with these. */
void use_kernel_events(lpp_kernel_t *kernel);

/* Makes one call under the sampler; its profile is in *profile, in pool. */
outcome_t run_profiled(long (*call)(void), lpp_profile_t **profile);

/* Take from the process what it may see of itself, as a child of httpd that has
 * given root away. */
void hide(void);

/* Compares a call under the sampler with the same without; *known is the
 * latter, or zeros. */
void compare(const char *name, long (*call)(void), outcome_t *known);

/* Each as cmocka has tests. The second takes from the process what it may see
 * of itself, the last one the permission to signal blocked threads. */
void blocking_calls_do_not_notice(void **state);
void nor_where_signals_are_needed(void **state);
void a_thousand_signals_break_no_call(void **state);
#if defined(__x86_64__)
void after_one_broken_call_no_blocked_thread_is_hit(void **state);
#endif

#endif
