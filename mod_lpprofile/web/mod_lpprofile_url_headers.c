/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_url_headers: takes the segment out of request headers that
 * name a URL which a module of this server then acts on. A WebDAV client that
 * works below /++profile++show/ sends it in all of them; with the segment, the
 * target of a COPY would be a collection of that name. mod_dav compares scheme
 * and port with the request's, but no host: so a host does not matter here.
 */
#include <string.h>

#include <apr_strings.h>
#include <httpd.h>

#include "web/mod_lpprofile_url_internal.h"

/* A header that is one URL. */
static void strip_url(request_rec *r, const char *name)
{
    const char *url = apr_table_get(r->headers_in, name);

    if (url) {
        apr_table_setn(r->headers_in, name,
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
        APR_ARRAY_PUSH(pieces, const char *) =
            apr_pstrmemdup(r->pool, rest, (apr_size_t)(open + 1 - rest));
        APR_ARRAY_PUSH(pieces, const char *) =
            *open == '<' ? lpp_trigger_strip_uri(url, r->pool) : url;
        rest = close; /* begins the next piece */
    }
    APR_ARRAY_PUSH(pieces, const char *) = rest;
    apr_table_setn(r->headers_in, "If",
                   apr_array_pstrcat(r->pool, pieces, 0));
}

void lpp_url_strip_headers(request_rec *r)
{
    strip_url(r, "Destination"); /* RFC 4918, 10.3 */
    strip_url(r, "New-uri");     /* an older name that mod_dav still reads */
    strip_if(r);
}
