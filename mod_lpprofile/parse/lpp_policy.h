/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_policy: whether the Content-Security-Policy of a page allows an inline
 * <style>. Reads the policy in the header and those in <meta> elements of the
 * page's head. A policy that cannot be read counts as forbidding it. Works on
 * text only; fuzzed.
 */
#ifndef LPP_POLICY_H
#define LPP_POLICY_H

#include "base/lpp_base.h"
#include "parse/lpp_markup_internal.h"

#define LPP_POLICY_HEAD_MAX_BYTES 65536 /* of a page that are looked at */
#define LPP_POLICY_META_MAX_BYTES 8192  /* of one <meta>; longer: forbids */

/*
 * 1 if value (of the header, with one or more policies; not NULL) allows an
 * inline <style>; 0 if one of the policies does not, or if memory is short.
 * Signal-safe: no. Thread: any.
 */
int lpp_policy_allows_style(const char *value, apr_pool_t *pool);

typedef struct lpp_policy_head_t {
    lpp_markup_t markup;
    apr_size_t seen_bytes;
    int done;         /* the head has ended, or the limit was reached */
    int forbidden;    /* a <meta> forbids an inline <style> */
    apr_pool_t *pool; /* of meta, made at the first one */
    char *meta;       /* attributes of the current <meta>, or NULL */
    apr_size_t meta_bytes;
} lpp_policy_head_t;

/* Begin a page; xml: it is XHTML. The head must not outlive pool.
 * Signal-safe: no. Thread: any. */
void lpp_policy_head_init(lpp_policy_head_t *head, int xml, apr_pool_t *pool);

/*
 * Read the next len bytes of a page. After all bytes, or once done is set,
 * head->forbidden says whether a <meta http-equiv="Content-Security-Policy">
 * before </head> or <body> forbids an inline <style>. A <meta> in a comment or
 * in the content of a <script> or similar element does not count; one in a
 * <template> or <noscript> does.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_policy_head_feed(lpp_policy_head_t *head, const char *data,
                          apr_size_t len);

#endif
