/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_peek: guarded loads: reads memory of this process that may not be mapped.
 *
 * An interpreter's structures change while they are read, so a pointer out of
 * them may point anywhere. A load that faults raises SIGSEGV or SIGBUS; the
 * handler of these signals calls lpp_peek_rescue, which makes the load return
 * "not readable". So that handler must be installed, and the two signals must
 * not be blocked, whenever a load may fault; otherwise the process dies.
 */
#ifndef LPP_PEEK_H
#define LPP_PEEK_H

#include <signal.h>

#include "base/lpp_base.h"

/* 1 if guarded loads exist on this architecture; else all of them fail. */
#if defined(__x86_64__)
#define LPP_PEEK_AVAILABLE 1
#else
#define LPP_PEEK_AVAILABLE 0
#endif

/*
 * Copy words of 8 bytes from address from to to. Returns 0 if not all of them
 * could be read; to then has any content. words must not be 0.
 * Signal-safe: yes. Thread: one whose SIGSEGV and SIGBUS are not blocked.
 */
int lpp_peek(void *to, apr_uint64_t from, apr_size_t words);

/*
 * Copy len bytes. Returns how many could be read, from the first on.
 * Signal-safe: yes. Thread: one whose SIGSEGV and SIGBUS are not blocked.
 */
apr_size_t lpp_peek_bytes(void *to, apr_uint64_t from, apr_size_t len);

/*
 * How many bytes a text has before its NUL, its first byte that cannot be read,
 * or max, whichever comes first.
 * Signal-safe: yes. Thread: one whose SIGSEGV and SIGBUS are not blocked.
 */
apr_size_t lpp_peek_length(apr_uint64_t text, apr_size_t max);

/* One word; 0 if it cannot be read.
 * Signal-safe: yes. Thread: one whose SIGSEGV and SIGBUS are not blocked. */
apr_uint64_t lpp_peek_word(apr_uint64_t from);

/*
 * Called first by the handler of SIGSEGV and SIGBUS. If a guarded load has
 * raised the signal, changes context so that the load fails, and returns 1: the
 * handler then returns at once. A signal that was sent (si_code <= 0) is never
 * rescued.
 * Signal-safe: yes. Thread: any.
 */
int lpp_peek_rescue(const siginfo_t *info, void *context);

/* How many guarded loads of this process have faulted.
 * Signal-safe: yes. Thread: any. */
apr_uint64_t lpp_peek_faults(void);

#endif
