/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_tail: finds the </body> that ends a page, which may arrive in pieces.
 *
 * Allocates no memory: it returns how many bytes the caller may pass on; the
 * caller holds back the others. Held back are a </body> with what follows it,
 * as long as that is only white space, comments and </html>, and bytes that may
 * become a </body>. At most LPP_TAIL_MAX_BYTES are held back: a longer tail is
 * passed on, as if it had no </body>. Fuzzed.
 *
 * The tag is "</body" in any case, white space, ">". It is not recognised in a
 * comment, in the content of a <script> or similar element, or in the value of
 * an attribute. A comment or tag that the end of the page cuts off counts as
 * complete.
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
 * Read the next len bytes of the stream (data may be NULL if len is 0). Returns
 * how many bytes the caller may pass on now, counted from the first byte it
 * holds; the remaining ones, tail->held bytes, are held back.
 * Signal-safe: yes. Thread: one at a time.
 */
apr_size_t lpp_tail_feed(lpp_tail_t *tail, const char *data, apr_size_t len);

/*
 * Call at the end of the stream. Returns 1 if the held bytes begin with the
 * page's </body>, so that the block belongs before them. Returns 0 if the page
 * has none (or it was passed on): in HTML the block then goes to the end of the
 * page, before the held bytes, which are a "</body" that was cut off.
 * Signal-safe: yes. Thread: one at a time.
 */
int lpp_tail_end(const lpp_tail_t *tail);

#endif
