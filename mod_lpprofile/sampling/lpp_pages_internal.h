/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_pages: the page functions of a session: which interpreters it reads,
 * those in the stack of the calling thread, and the statistics.
 */
#ifndef LPP_PAGES_INTERNAL_H
#define LPP_PAGES_INTERNAL_H

#include "sampling/lpp_sampler_internal.h"
#include "sampling/lpp_session_internal.h"

/*
 * Find the interpreters for this session, once; no thread is armed, and crashes
 * are watched (lpp_crash_arm). Logs, once in a process, which interpreters are
 * loaded and not known.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_pages_begin(lpp_sampler_t *sampler, lpp_session_t *session);

/*
 * Read the page functions of the calling thread into the session's copied
 * stack: none, unless it is the session's thread. The helper's mutex is held.
 * Signal-safe: no. Thread: any.
 */
void lpp_pages_read(lpp_session_t *session);

/*
 * Unwind the session's copied stack and merge the page functions that were
 * read: at most max frames, leaf first, less the function that made the copy
 * and the callers of root_cfa (0: all). Returns how many.
 * Signal-safe: no. Thread: the helper.
 */
unsigned lpp_pages_unwind(lpp_session_t *session, apr_uint64_t root_cfa,
                          lpp_pc_t *pcs, unsigned max);

/*
 * Copy the statistics up to now into the session's profile, whose tree_mutex is
 * held.
 * Signal-safe: no. Thread: the helper.
 */
void lpp_pages_count(const lpp_sampler_t *sampler, lpp_session_t *session);

#endif
