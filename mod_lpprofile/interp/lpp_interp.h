/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp: the page functions in a sample: functions of PHP, Python, Lua and
 * Perl that the profiled thread runs.
 *
 * The sampling handler follows the interpreter's own chain of frames by guarded
 * loads (lpp_peek) and stores 8 bytes a frame in the sample; the name of a
 * function is copied when the profile sees it first. The helper merges these
 * frames with those of the C stack. An interpreter is read only if it is of a
 * known version and has passed a check of its own; nothing is guessed.
 *
 * Life: lpp_interp_create in child-init; lpp_interp_begin at the start of a
 * profile, while no thread is armed; lpp_interp_enter_thread on each thread
 * that runs the request; then lpp_interp_allow before each signal,
 * lpp_interp_walk in the handler, lpp_interp_stack for each sample.
 */
#ifndef LPP_INTERP_H
#define LPP_INTERP_H

#include <signal.h>

#include "names/lpp_pagecode.h"
#include "objects/lpp_maps.h"
#include "profile/lpp_profile.h"
#include "unwind/lpp_snapshot.h"

#define LPP_LANGUAGE_BIT(language) (1u << (language))
#define LPP_LANGUAGES_ALL                                                     \
    (LPP_LANGUAGE_BIT(LPP_LANGUAGES) - LPP_LANGUAGE_BIT(LPP_LANGUAGE_PHP))

typedef struct lpp_interp_t lpp_interp_t; /* one a sampler */

/*
 * Make the state of this child. maps and pages are borrowed for its life.
 * Memory that only profiles need is not touched yet.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_interp_create(lpp_interp_t **interp,
                                              lpp_maps_t *maps,
                                              lpp_pagecode_t *pages,
                                              apr_pool_t *pool);

/*
 * A profile begins: find the interpreters that are loaded (again if objects
 * were loaded or unloaded since), forget all functions seen. languages: the
 * bits of those that may be read (LPP_LANGUAGE_BIT). changes: a number that
 * changes when objects are loaded or unloaded. No thread is armed; the handler
 * that calls lpp_peek_rescue is installed.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_interp_begin(lpp_interp_t *interp, apr_uint32_t languages,
                      unsigned changes);

/*
 * A profile begins in which nothing can be read, since the program has an
 * action of its own for SIGSEGV or SIGBUS: instead of begin.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_interp_refuse(lpp_interp_t *interp);

/* The bits of the languages that the current profile reads; 0: none, and
 * nothing else here costs anything.
 * Signal-safe: yes. Thread: any. */
apr_uint32_t lpp_interp_languages(const lpp_interp_t *interp);

/*
 * The calling thread is about to be armed: look up what only it can (addresses
 * of its thread-local variables).
 * Signal-safe: no. Thread: the profiled one.
 */
void lpp_interp_enter_thread(lpp_interp_t *interp);

/*
 * Called just before a sample is asked for. may: the actions of SIGSEGV and
 * SIGBUS are still this module's. The handler reads page functions only within
 * a millisecond of this.
 * Signal-safe: yes. Thread: the helper.
 */
void lpp_interp_allow(lpp_interp_t *interp, int may);

/*
 * Read the page functions of the calling thread into snapshot, whose registers
 * are set. Makes no system call. interp NULL, or nothing to read: page_count
 * becomes 0.
 * Signal-safe: yes. Thread: the profiled one, in the handler.
 */
void lpp_interp_walk(lpp_interp_t *interp, lpp_snapshot_t *snapshot,
                     const void *context);

/*
 * The same outside of the handler: those of the thread that entered last,
 * which no sampling signal interrupts meanwhile, and while the handler that
 * calls lpp_peek_rescue is installed. What is read is of use only if that
 * thread is the calling one, or did not run meanwhile. No other thread reads at
 * the same time. mask: the calling thread's signal mask. interp may be NULL.
 * Signal-safe: yes. Thread: the profiled one, or the helper.
 */
void lpp_interp_read(lpp_interp_t *interp, lpp_snapshot_t *snapshot,
                     const sigset_t *mask);

/*
 * Merge the page functions of snapshot into pcs, which hold count frames of its
 * C stack, leaf first; at most max (<= LPP_FRAMES_MAX) in the end, the
 * innermost ones. to_root: unwinding ended at the root of the request, or of a
 * stack that is not the thread's own. Returns how many there are.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_interp_stack(lpp_interp_t *interp, const lpp_snapshot_t *snapshot,
                          lpp_pc_t *pcs, unsigned count, unsigned max,
                          int to_root);

/* Count a sample in the statistics.
 * Signal-safe: no. Thread: the helper. */
void lpp_interp_count(lpp_interp_t *interp, const lpp_snapshot_t *snapshot);

/* What was seen since begin. unread has the sentences that say which
 * interpreters are loaded but not read, and why.
 * Signal-safe: no. Thread: the helper. */
void lpp_interp_statistics(const lpp_interp_t *interp,
                           lpp_page_statistics_t *statistics);

/*
 * mod_lua runs code in state (a lua_State) on the calling thread, for a request
 * whose file is file, an absolute path; NULL: not known. Source files are read
 * below its directory alone. leave: that request has ended; does nothing on
 * another thread. May be nested, by subrequests; entering a state again moves
 * it. More than LPP_INTERP_LUA_STATES at a time are not read.
 * Signal-safe: no. Thread: request.
 */
#define LPP_INTERP_LUA_STATES 16
void lpp_interp_lua_enter(void *state, const char *file);
void lpp_interp_lua_leave(void *state);

#endif
