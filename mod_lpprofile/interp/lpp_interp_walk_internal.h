/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_interp_walk_internal: what the readers of the languages share in the
 * handler: the frames found so far, and the table of functions seen in the
 * profile.
 *
 * A reader begins at the innermost frame and adds each frame with
 * lpp_interp_add. The key of a function is what identifies it without its name
 * being read: addresses, and the line it begins at, since addresses are used
 * again. The first time that a key is seen, the reader copies the names. One
 * writer, the handler; the helper reads what a published sample names.
 */
#ifndef LPP_INTERP_WALK_INTERNAL_H
#define LPP_INTERP_WALK_INTERNAL_H

#include "interp/lpp_peek.h"
#include "names/lpp_pagecode.h"
#include "unwind/lpp_snapshot.h"

#define LPP_INTERP_STEPS_MAX 4096 /* of one chain, so that a circle ends */

/*
 * A frame, lpp_page_frame_t: line 24 bits, function 24, language 3, flags. The
 * line is that of the source; Python's is the offset of the instruction in code
 * units, until lpp_interp_names looks it up.
 */
#define LPP_INTERP_LINE(frame) ((apr_uint32_t)((frame) & 0xffffff))
#define LPP_INTERP_FUNCTION(frame) ((apr_uint32_t)((frame) >> 24 & 0xffffff))
#define LPP_INTERP_LANGUAGE(frame) ((lpp_language_e)((frame) >> 48 & 7))
#define LPP_INTERP_ENTRY (APR_UINT64_C(1) << 51)    /* outermost frame of a run:
                                      C code called the interpreter here */
#define LPP_INTERP_INTERNAL (APR_UINT64_C(1) << 52) /* a function written in C,
                                      with a frame of its own */
#define LPP_INTERP_STATE(frame) ((unsigned)((frame) >> 56 & 15)) /* Lua: which
                                      coroutine, 0 the outermost */
#define LPP_INTERP_IN_STATE(number) ((lpp_page_frame_t)(number) << 56)

/* A copied text: bytes of the table's memory. */
typedef struct lpp_interp_text_t {
    apr_uint32_t offset, len;
} lpp_interp_text_t;

/* A function that was seen. */
typedef struct lpp_interp_record_t {
    apr_uint32_t line;        /* it begins at; 0: not known */
    lpp_interp_text_t name;   /* "" where it has none */
    lpp_interp_text_t scope;  /* class, package, or "" */
    lpp_interp_text_t file;   /* of the source, or "" */
    lpp_interp_text_t lines;  /* Python: the location table */
    lpp_interp_text_t directory; /* Lua: of the request's file, or "" */
} lpp_interp_record_t;

typedef struct lpp_interp_seen_t lpp_interp_seen_t;

/* One reading of the thread's page functions. */
typedef struct lpp_interp_walk_t {
    const apr_uint64_t *regs; /* the interrupted code's, as in lpp_snapshot_t */
    lpp_interp_seen_t *seen;
    lpp_page_frame_t *frames; /* LPP_SNAPSHOT_PAGE_FRAMES */
    apr_uint32_t count;
    apr_uint32_t flags;       /* LPP_PAGE_ */
    apr_uint32_t steps;       /* left, of the chain that is followed */
} lpp_interp_walk_t;

/*
 * Add a frame. Returns the function's record if it must be filled in, else
 * NULL: it was seen before, or there is no room for it. If there is no room for
 * the frame, sets LPP_PAGE_CUT; the reader should then end (see
 * lpp_interp_full).
 * Signal-safe: yes. Thread: the profiled one, in the handler.
 */
lpp_interp_record_t *lpp_interp_add(lpp_interp_walk_t *walk,
                                    lpp_language_e language,
                                    apr_uint64_t flags, apr_uint64_t line,
                                    const apr_uint64_t key[4]);

/*
 * Whether the chain ends here: no room for a frame, or LPP_INTERP_STEPS_MAX
 * steps were made since steps was set; then sets LPP_PAGE_CUT.
 * Signal-safe: yes. Thread: the profiled one, in the handler.
 */
int lpp_interp_full(lpp_interp_walk_t *walk);

#define LPP_INTERP_NAME_MAX 200
#define LPP_INTERP_SCOPE_MAX 120
#define LPP_INTERP_FILE_MAX 255
#define LPP_INTERP_LINES_MAX 16384

/*
 * Copy len bytes at address from into the table, at most max: of a longer one
 * the first, or, if last is not 0, the last (the end of a path says more). What
 * cannot be read is missing. No room left: the text is "".
 * Signal-safe: yes. Thread: the profiled one, in the handler.
 */
void lpp_interp_copy(lpp_interp_walk_t *walk, lpp_interp_text_t *text,
                     apr_uint64_t from, apr_uint64_t len, apr_size_t max,
                     int last);

/*
 * The same for characters of 1, 2 or 4 bytes (Latin-1, UCS-2, UCS-4), which
 * become UTF-8; at most max bytes of it.
 * Signal-safe: yes. Thread: the profiled one, in the handler.
 */
void lpp_interp_copy_wide(lpp_interp_walk_t *walk, lpp_interp_text_t *text,
                          apr_uint64_t from, apr_uint64_t count,
                          unsigned width, apr_size_t max);

/*
 * A number for a text of len bytes at address from, for a key: of a long one,
 * of its last bytes.
 * Signal-safe: yes. Thread: the profiled one, in the handler.
 */
apr_uint64_t lpp_interp_hash(apr_uint64_t from, apr_uint64_t len);

/*
 * Make a table in pool; only the first page of its memory is touched. size,
 * init: its bytes; make one of that much memory of any content.
 * Errors: APR_ENOMEM.
 * Signal-safe: create no, the others yes. Thread: child-init.
 */
LPP_MUST_CHECK apr_status_t lpp_interp_seen_create(lpp_interp_seen_t **seen,
                                                   apr_pool_t *pool);
apr_size_t lpp_interp_seen_size(void);
void lpp_interp_seen_init(lpp_interp_seen_t *seen);

/* Forget all functions, while no thread is armed.
 * Signal-safe: yes. Thread: the helper. */
void lpp_interp_seen_reset(lpp_interp_seen_t *seen);

/*
 * Record of a function in a published frame, and the bytes of a text of it.
 * Function 0, and unknown numbers: NULL ("[more functions]").
 * Signal-safe: yes. Thread: the helper.
 */
const lpp_interp_record_t *lpp_interp_seen_record(
    const lpp_interp_seen_t *seen, apr_uint32_t function);
const unsigned char *lpp_interp_seen_bytes(const lpp_interp_seen_t *seen,
                                           const lpp_interp_text_t *text);

/* How often lpp_interp_add had no room for a function since reset.
 * Signal-safe: yes. Thread: any. */
apr_uint64_t lpp_interp_seen_nameless(const lpp_interp_seen_t *seen);

/* How many functions there are; their numbers are 1 .. count.
 * Signal-safe: yes. Thread: the helper. */
#define LPP_INTERP_FUNCTIONS_MAX 4095

#endif
