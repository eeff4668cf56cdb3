/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url_state: what is remembered of a request's URL.
 */
#include <httpd.h>

#include "request/mod_lpprofile_run.h"
#include "web/mod_lpprofile_url_internal.h"

#define POOL_KEY "lpprofile url"

static apr_status_t forget(void *unused)
{
    lpp_entries_unwatch();
    return APR_SUCCESS;
}

void lpp_url_keep(request_rec *r, lpp_url_t *url)
{
    apr_pool_userdata_setn(url, POOL_KEY, NULL, r->pool);
    lpp_entries_watch();
    apr_pool_cleanup_register(r->pool, url, forget, apr_pool_cleanup_null);
}

lpp_url_t *lpp_url_get(const request_rec *r)
{
    void *url = NULL;

    if (!lpp_entries_any()) {
        return NULL;
    }
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    /* An internal redirect shares the pool of the first request, a subrequest
     * has one of its own: hence the way up. */
    apr_pool_userdata_get(&url, POOL_KEY, r->pool);
    return url;
}

void lpp_url_give_encodings_back(lpp_url_t *url)
{
    if (url->headers) {
        apr_table_setn(url->headers, "Accept-Encoding", url->encodings);
        url->headers = NULL;
    }
}
