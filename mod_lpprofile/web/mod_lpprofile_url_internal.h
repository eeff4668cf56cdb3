/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url_internal: what the files of the URL room share: _url
 * (takes the segment out) and _url_follow (what follows from that, and what is
 * remembered).
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
    char *plain_uri;         /* to be restored; NULL: it is */
    int profiled_as_asked;   /* 0: a part of a page that inherited it */
    int by_link;             /* a page of the module that must show nothing:
                                lpp_url_came_by_link */
    apr_table_t *headers;    /* the headers_in that Accept-Encoding was
                                removed from; NULL: it was not, or is there
                                again */
    const char *encodings;   /* its value */
} lpp_url_t;

/* The rewritten URL of r, or of the request it comes from, or NULL. One load
 * where no request of this child is rewritten. Thread: request. */
lpp_url_t *lpp_url_get(const request_rec *r);

/* Remember url for r and its redirects and subrequests, as long as r lives. */
void lpp_url_keep(request_rec *r, lpp_url_t *url);

/* Restore Accept-Encoding where it was removed. Thread: request. */
void lpp_url_give_encodings_back(lpp_url_t *url);

/* Hooks of _url_follow. */
void lpp_url_follow_register_hooks(apr_pool_t *pool);

#endif
