/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url: takes the trigger segment out of a request.
 *
 * One post_read_request hook (after mod_remoteip and mod_proxy, before
 * mod_setenvif): is profiling allowed, is there a segment, may this client;
 * then URI, parsed URI and request line become those of the plain URL, and
 * the run begins. Gives the request line back in log_transaction for the
 * access log. Also what follows from a see-through segment: conditional
 * headers of a GET, mod_dir's redirect, backends asked for identity, mod_cache
 * passed by.
 */
#ifndef MOD_LPPROFILE_URL_H
#define MOD_LPPROFILE_URL_H

#include <httpd.h>

/* Environment variable with the path as the client sent it. */
#define LPP_URL_ENV "LPPROFILE_URI"

/*
 * Around mod_auth_digest's part of post_read_request: what it notes there it
 * compares with the URI that the client's browser signed, which is the one that
 * was sent. The first returns DECLINED. Thread: request.
 */
int lpp_url_before_digest(request_rec *r);
void lpp_url_after_digest(request_rec *r);

/* First in post_read_request: an internal redirect's environment was renamed,
 * its handler is another one. DECLINED. Thread: request. */
int lpp_url_join_chain(request_rec *r);

/* First of the handlers, once a record of the chain: a backend is asked for an
 * identity body. Thread: request. */
void lpp_url_before_handler(request_rec *r);

/* Whether a link on another site's page led to r, an own page: then no profile
 * is shown. Thread: request. */
int lpp_url_came_by_link(const request_rec *r);

/* Headers of r's response that are set when everybody else has set theirs
 * ("Header always set" too), as one table, for more to be added; an empty value
 * takes a header away, and with a name that ends in "*" all that begin so.
 * Begins with Cache-Control: no-store, and with what keeps an own page from
 * other sites' scripts. Before the first byte. Thread: request. */
apr_table_t *lpp_url_last_headers(request_rec *r);

/* Before the loggers. Thread: request. */
void lpp_url_give_line_back(request_rec *r);

/* post_read_request, and what mod_cache and mod_proxy ask for; the functions
 * above are called by mod_lpprofile_hooks. */
void lpp_url_register_hooks(apr_pool_t *pool);

#endif
