/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url_headers: takes the segment out of request headers that
 * name a URL of this server which a module then acts on. A WebDAV client that
 * works below /++profile++show/ sends it in all of them; with the segment, the
 * target of a COPY would be a collection of that name. Another server's URLs
 * stay.
 */
#include <string.h>

#include <apr_strings.h>
#include <httpd.h>

#include "mod_lpprofile_origin.h"
#include "mod_lpprofile_url_internal.h"

/* RFC 4918, 10.3: where COPY and MOVE write to. */
static void strip_destination(request_rec *r)
{
    const char *url = apr_table_get(r->headers_in, "Destination");

    if (url && lpp_origin_names_host(r, url)) {
        apr_table_setn(r->headers_in, "Destination",
                       lpp_trigger_strip_uri(url, r->pool));
    }
}

/*
 * RFC 4918, 10.4: <URL> (conditions) <URL> (conditions). Within the brackets
 * stand tokens and ETags, which are nobody's URLs; mod_dav ends them at the
 * first ")", too. What is malformed stays, for mod_dav to refuse.
 */
static void strip_if(request_rec *r)
{
    const char *rest = apr_table_get(r->headers_in, "If");
    apr_array_header_t *pieces;
    const char *open, *close, *url;

    if (!rest || !lpp_trigger_find(rest)) {
        return;
    }
    pieces = apr_array_make(r->pool, 16, sizeof(const char *));
    while ((open = strpbrk(rest, "<(")) != NULL
           && (close = strchr(open, *open == '<' ? '>' : ')')) != NULL) {
        url = apr_pstrmemdup(r->pool, open + 1,
                             (apr_size_t)(close - open - 1));
        if (*open == '<' && lpp_origin_names_host(r, url)) {
            url = lpp_trigger_strip_uri(url, r->pool);
        }
        APR_ARRAY_PUSH(pieces, const char *) =
            apr_pstrmemdup(r->pool, rest, (apr_size_t)(open + 1 - rest));
        APR_ARRAY_PUSH(pieces, const char *) = url;
        rest = close; /* begins the next piece */
    }
    APR_ARRAY_PUSH(pieces, const char *) = rest;
    apr_table_setn(r->headers_in, "If",
                   apr_array_pstrcat(r->pool, pieces, 0));
}

void lpp_url_strip_headers(request_rec *r)
{
    strip_destination(r);
    strip_if(r);
}
