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
 * Why a response that wants a block cannot have one, as a token of X-LPProfile
 * ("no-html", "encoded", ...), or NULL. What a script of a page fetches is no
 * page. plan NULL: the URL had no segment, so that ranges and downloads get
 * none either. head: the body's first bytes, as far as they are known (a byte
 * order mark tells UTF-16 apart), may be NULL.
 * Thread: request.
 */
const char *lpp_filter_why_not(const request_rec *r, const lpp_plan_t *plan,
                               const char *head, apr_size_t head_len);

/* How many of a body's first bytes are white space or a byte order mark of
 * UTF-8. Thread: any. */
apr_size_t lpp_filter_blank(const char *data, apr_size_t len);

/* 1 where a body that begins so is JSON, whatever it is called; 0 too where
 * nothing but blank came yet. Thread: any. */
int lpp_filter_is_json(const char *data, apr_size_t len);

/* 1 when the block must be well-formed XML. Thread: request. */
int lpp_filter_is_xhtml(const request_rec *r);

/*
 * Take away every header that a changed body makes false, and refuse ranges
 * of it. Before the headers are sent. Thread: request.
 */
void lpp_filter_change_headers(request_rec *r);

/*
 * 1 when no Content-Security-Policy in the response's headers (report-only
 * ones neither, they would report) forbids a <style> of ours. Asked when the
 * headers are on their way: mod_headers sets them late. Thread: request.
 */
int lpp_filter_may_style(const request_rec *r);

#endif
