/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url_internal: shared by _url (removes the segment) and
 * _url_follow (its effects, and the data about the URL).
 */
#ifndef MOD_LPPROFILE_URL_INTERNAL_H
#define MOD_LPPROFILE_URL_INTERNAL_H

#include "parse/lpp_trigger.h"
#include "web/mod_lpprofile_url.h"

/* One rewritten request; in the pool of the first request of its chain. */
typedef struct lpp_url_t {
    const lpp_plan_t *plan;
    const char *line;        /* the_request as the client sent it */
    const char *path;        /* its path, encoded */
    char *sent_uri;          /* r->unparsed_uri as the client sent it */
    char *plain_uri;         /* to be restored; NULL: it has been restored */
    int profiled_as_asked;   /* 0: a part of a page that inherited the
                                segment */
    int by_link;             /* a page of the module that must show nothing:
                                lpp_url_came_by_link */
    apr_table_t *headers;    /* the headers_in from which Accept-Encoding was
                                removed; NULL: it was not removed, or has been
                                restored */
    const char *encodings;   /* its value */
} lpp_url_t;

/* The rewritten URL of r, or of the request it comes from, or NULL. One load if
 * no request of this child is rewritten.
 * Signal-safe: no. Thread: request. */
lpp_url_t *lpp_url_get(const request_rec *r);

/* Store url for r and its redirects and subrequests, for as long as r exists.
 * Signal-safe: no. Thread: request. */
void lpp_url_keep(request_rec *r, lpp_url_t *url);

/* Restore Accept-Encoding if it was removed.
 * Signal-safe: no. Thread: request. */
void lpp_url_restore_encodings(lpp_url_t *url);

/* Register the hooks of _url_follow.
 * Signal-safe: no. Thread: parent at start. */
void lpp_url_follow_register_hooks(apr_pool_t *pool);

#endif
