/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages_internal: shared by the files of the pages: _pages claims
 * a page and sends its response, _pages_reports makes the pages about saved
 * profiles.
 */
#ifndef MOD_LPPROFILE_PAGES_INTERNAL_H
#define MOD_LPPROFILE_PAGES_INTERNAL_H

#include <httpd.h>

#include "base/lpp_buf.h"
#include "saved/lpp_saved.h"
#include "parse/lpp_trigger.h"

/* Set the headers of every page; returns the nonce of its policy, in r->pool,
 * or NULL.
 * Signal-safe: no. Thread: request. */
const char *lpp_pages_set_headers(request_rec *r);

/*
 * Newest saved profiles of r's virtual host, at most max (0: all); an empty
 * array if the directory cannot be read. *more is 1 if there are others.
 * Signal-safe: no. Thread: request.
 */
apr_array_header_t *lpp_pages_list(request_rec *r, int max, int *more);

/*
 * Make the response to reports, report:ID, against:ID and downloads in buf, and
 * set r->status and all headers. Returns OK, or the value for the handler to
 * return (a redirect). *rv: the error behind HTTP_INTERNAL_SERVER_ERROR.
 * Signal-safe: no. Thread: request.
 */
int lpp_pages_reports(request_rec *r, const lpp_plan_t *plan, lpp_buf_t *buf,
                      apr_status_t *rv);

#endif
