/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the filter asks about a response, for the files of the filter only:
 * _filter moves buckets, _filter_response reads and changes headers.
 */
#ifndef MOD_LPPROFILE_FILTER_INTERNAL_H
#define MOD_LPPROFILE_FILTER_INTERNAL_H

#include <httpd.h>

#include "parse/lpp_policy.h"
#include "parse/lpp_trigger.h"

/*
 * Why a response that should have a block cannot have one, as a token of
 * X-LPProfile ("no-html", "encoded", ...), or NULL. The response to a script of
 * a page is no page. plan NULL: the URL had no segment; then ranges and
 * downloads get no block either. head: the first bytes of the body as far as
 * they are known, for the byte order mark of UTF-16; may be NULL.
 * Thread: request.
 */
const char *lpp_filter_why_not(const request_rec *r, const lpp_plan_t *plan,
                               const char *head, apr_size_t head_len);

/* Length of the white space or byte order mark of UTF-8 at the beginning of a
 * body. Thread: any. */
apr_size_t lpp_filter_blank(const char *data, apr_size_t len);

/* 1 where a body that begins so is JSON, whatever its content type; 0 too where
 * only blanks have come. Thread: any. */
int lpp_filter_is_json(const char *data, apr_size_t len);

/* 1 when the block must be well-formed XML. Thread: request. */
int lpp_filter_is_xhtml(const request_rec *r);

/*
 * Remove all headers that are wrong for a changed body, and refuse ranges of
 * it. Before the headers are sent. Thread: request.
 */
void lpp_filter_change_headers(request_rec *r);

/*
 * 1 when no Content-Security-Policy in the headers of the response forbids the
 * <style> of the block (report-only policies count: they would report it).
 * Called when the headers are about to be sent: mod_headers sets them late.
 * Thread: request.
 */
int lpp_filter_may_style(const request_rec *r);

#endif
