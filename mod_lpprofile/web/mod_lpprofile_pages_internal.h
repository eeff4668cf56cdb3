/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages_internal: shared by the files of the pages: _pages claims
 * a page and answers for it, _pages_reports makes the pages about saved
 * profiles.
 */
#ifndef MOD_LPPROFILE_PAGES_INTERNAL_H
#define MOD_LPPROFILE_PAGES_INTERNAL_H

#include <httpd.h>

#include "base/lpp_buf.h"
#include "saved/lpp_saved.h"
#include "parse/lpp_trigger.h"

/* Set the headers of every page; returns the nonce of its policy, or NULL. */
const char *lpp_pages_set_headers(request_rec *r);

/*
 * Newest saved profiles of r's virtual host, at most max (0: all); an empty
 * array where the directory cannot be read. Thread: request.
 */
apr_array_header_t *lpp_pages_list(request_rec *r, int max, int *more);

/*
 * Make the response to reports, report:ID, against:ID and downloads: into buf,
 * with r->status and all headers set. Returns OK, or what the handler is to
 * return (a redirect). *rv: the error behind HTTP_INTERNAL_SERVER_ERROR.
 * Thread: request.
 */
int lpp_pages_reports(request_rec *r, const lpp_plan_t *plan, lpp_buf_t *buf,
                      apr_status_t *rv);

#endif
