/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tail: finds the last </body> of a page in a stream that comes in pieces.
 *
 * Pure text, no memory of its own: it only says how many bytes the caller may
 * let go of and how many it has to hold back. Held back is what begins with
 * the last </body> so far, and what may still become one; at most
 * LPP_TAIL_MAX_BYTES. Beyond that the tag is given up (there is a page after
 * it, not a tail) and the search goes on for a later one. Fuzzed.
 *
 * A tag is "</body" in any case, white space, ">". Other end tags that begin
 * so ("</bodyguard>", "</body x>") are not one.
 */
#ifndef LPP_TAIL_H
#define LPP_TAIL_H

#include "lpp_base.h"

#define LPP_TAIL_MAX_BYTES 65536

typedef struct lpp_tail_t {
    apr_size_t held;     /* bytes at the end of the stream so far that the
                            caller holds */
    apr_size_t partial;  /* of these, at the end: a tag that is not whole */
    int found;           /* held begins with a whole </body> */
} lpp_tail_t;

/* Begin a stream. Signal-safe: yes. Thread: any. */
void lpp_tail_init(lpp_tail_t *tail);

/*
 * See the next len bytes of the stream (data may be NULL when len is 0).
 * Returns how many bytes the caller may pass on now, counted from the first
 * one it holds; what is then left of held and new bytes is tail->held.
 * Signal-safe: yes. Thread: one at a time.
 */
apr_size_t lpp_tail_feed(lpp_tail_t *tail, const char *data, apr_size_t len);

/*
 * The stream is at its end. Returns 1 when the held bytes begin with the last
 * </body>, so that the block belongs before them; 0 when there is none (or it
 * was given up), so that it can only go to the very end.
 * Signal-safe: yes. Thread: one at a time.
 */
int lpp_tail_end(const lpp_tail_t *tail);

#endif
