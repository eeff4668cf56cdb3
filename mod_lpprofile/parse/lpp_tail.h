/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tail: finds the </body> that ends a page, in a stream that comes in
 * pieces.
 *
 * It has no memory of its own: it only says how many bytes the caller may pass
 * on and how many it has to hold back. Held back are a </body>, with what
 * follows it as long as that is only white space, comments and </html>, and
 * bytes that may become a </body>. At most LPP_TAIL_MAX_BYTES are held back: a
 * longer tail is passed on, as if it had no </body>. Fuzzed.
 *
 * A tag is "</body" in any case, white space, ">"; none is in a comment, in the
 * content of a <script> and the like, or in the value of an attribute. What
 * ends in the middle, a comment or a tag, counts as if it were whole.
 */
#ifndef LPP_TAIL_H
#define LPP_TAIL_H

#include "base/lpp_base.h"
#include "parse/lpp_markup_internal.h"

#define LPP_TAIL_MAX_BYTES 65536

typedef struct lpp_tail_t {
    lpp_markup_t markup;
    apr_size_t held;     /* bytes at the end of the stream so far that the
                            caller holds */
    apr_size_t partial;  /* of these, at the end: what may become a </body> */
    int found;           /* held begins with a whole </body> */
} lpp_tail_t;

/* Begin a stream; xml: it is XHTML. Signal-safe: yes. Thread: any. */
void lpp_tail_init(lpp_tail_t *tail, int xml);

/*
 * See the next len bytes of the stream (data may be NULL when len is 0).
 * Returns how many bytes the caller may pass on now, counted from the first
 * one it holds; what is then left of held and new bytes is tail->held.
 * Signal-safe: yes. Thread: one at a time.
 */
apr_size_t lpp_tail_feed(lpp_tail_t *tail, const char *data, apr_size_t len);

/*
 * The stream is at its end. Returns 1 when the held bytes begin with the
 * page's </body>, so that the block belongs before them; 0 when there is none
 * (or it was given up): HTML then has the block at its end, before what is
 * held, which is a "</body" that was cut off.
 * Signal-safe: yes. Thread: one at a time.
 */
int lpp_tail_end(const lpp_tail_t *tail);

#endif
