/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url: removes the trigger segment from a request.
 *
 * One post_read_request hook (after mod_remoteip and mod_proxy, before
 * mod_setenvif) checks that profiling is allowed, that there is a segment, and
 * that this client may use it; then URI, parsed URI and request line become
 * those of the plain URL, and the run begins. log_transaction restores the
 * request line for the access log. Other effects of a segment: conditional
 * headers of a GET are removed, the redirect of mod_dir keeps the segment,
 * backends are asked for an identity body, mod_cache is bypassed.
 */
#ifndef MOD_LPPROFILE_URL_H
#define MOD_LPPROFILE_URL_H

#include <httpd.h>

/* Environment variable with the path as the client sent it. */
#define LPP_URL_ENV "LPPROFILE_URI"

/*
 * Called before and after the post_read_request hook of mod_auth_digest: it
 * saves the URI there, and later compares it with the URI in the credentials,
 * which is the one that the client sent. The first returns DECLINED.
 * Signal-safe: no. Thread: request.
 */
int lpp_url_before_digest(request_rec *r);
void lpp_url_after_digest(request_rec *r);

/* First in post_read_request, for an internal redirect, whose environment was
 * renamed and which has another handler. Returns DECLINED.
 * Signal-safe: no. Thread: request. */
int lpp_url_join_chain(request_rec *r);

/* First of the handlers, once for each request_rec of the chain: ask a backend
 * for an identity body.
 * Signal-safe: no. Thread: request. */
void lpp_url_before_handler(request_rec *r);

/* 1 if r, a page of the module, was reached by a link on another site: then no
 * profile is shown.
 * Signal-safe: no. Thread: request. */
int lpp_url_came_by_link(const request_rec *r);

/* Headers of the response to r that are set after those of all other modules
 * (also after "Header always set"): a table for the caller to add to. An empty
 * value removes a header; a name that ends in "*" removes all headers that
 * begin with it. The table already has Cache-Control: no-store, and for a page
 * of the module the headers that protect it from scripts of other sites. Call
 * it before the first byte.
 * Signal-safe: no. Thread: request. */
apr_table_t *lpp_url_last_headers(request_rec *r);

/* Restore the request line, before the loggers.
 * Signal-safe: no. Thread: request. */
void lpp_url_restore_line(request_rec *r);

/* Register post_read_request and the hooks for mod_cache and mod_proxy;
 * mod_lpprofile_hooks calls the functions above.
 * Signal-safe: no. Thread: parent at start. */
void lpp_url_register_hooks(apr_pool_t *pool);

#endif
