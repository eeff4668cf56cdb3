/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the filter must know about a response, for the files of the filter only:
 * _filter moves buckets, _filter_response reads and changes headers.
 */
#ifndef MOD_LPPROFILE_FILTER_INTERNAL_H
#define MOD_LPPROFILE_FILTER_INTERNAL_H

#include <httpd.h>

#include "parse/lpp_policy.h"
#include "parse/lpp_trigger.h"

/*
 * Why a response that should have a block cannot have one, as a token of
 * X-LPProfile ("no-html", "encoded", ...; static), or NULL. A response to a
 * script is no page. plan NULL: the URL had no segment; then ranges and
 * downloads get no block either. head: the first bytes of the body as far as
 * they are known, to find the byte order mark of UTF-16; may be NULL.
 * Signal-safe: no. Thread: request.
 */
const char *lpp_filter_why_not(const request_rec *r, const lpp_plan_t *plan,
                               const char *head, apr_size_t head_len);

/* Length of the white space or UTF-8 byte order mark at the beginning of a
 * body.
 * Signal-safe: yes. Thread: any. */
apr_size_t lpp_filter_blank(const char *data, apr_size_t len);

/* 1 if a body that begins with data is JSON, whatever its content type; 0 also
 * if it contains only blanks so far.
 * Signal-safe: yes. Thread: any. */
int lpp_filter_is_json(const char *data, apr_size_t len);

/* 1 if the block must be well-formed XML. Signal-safe: no. Thread: request. */
int lpp_filter_is_xhtml(const request_rec *r);

/*
 * Remove all headers that do not apply to a changed body, and refuse ranges of
 * it. Before the headers are sent.
 * Signal-safe: no. Thread: request.
 */
void lpp_filter_change_headers(request_rec *r);

/*
 * 1 if no Content-Security-Policy in the headers of the response forbids the
 * <style> of the block (report-only policies count: they would report it). Call
 * it when the headers are about to be sent: mod_headers sets them late.
 * Signal-safe: no. Thread: request.
 */
int lpp_filter_may_style(const request_rec *r);

#endif
