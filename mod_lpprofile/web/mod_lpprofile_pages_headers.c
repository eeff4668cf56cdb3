/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages_headers: what every own page says in its headers.
 */
#include <apr_base64.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

#include "web/mod_lpprofile_pages_internal.h"
#include "web/mod_lpprofile_url.h"

#define NONCE_BYTES 18

/* A page of ours runs nothing but its own script, loads nothing and is kept by
 * nobody, whatever the site's own headers say: its policy has no nonce. */
const char *lpp_pages_set_headers(request_rec *r)
{
    unsigned char random[NONCE_BYTES];
    char *nonce = NULL;
    const char *own = "'none'";
    apr_table_t *headers = lpp_url_last_headers(r);

    if (apr_generate_random_bytes(random, sizeof(random)) == APR_SUCCESS) {
        nonce = apr_palloc(r->pool,
                           (apr_size_t)apr_base64_encode_len(sizeof(random)));
        apr_base64_encode_binary(nonce, random, sizeof(random));
        own = apr_pstrcat(r->pool, "'nonce-", nonce, "'", NULL);
    }
    apr_table_setn(headers, "Content-Security-Policy",
                   apr_pstrcat(r->pool, "default-src 'none'; style-src ",
                               own, "; script-src ", own, "; base-uri "
                               "'none'; form-action 'self'; frame-ancestors "
                               "'none'", NULL));
    apr_table_setn(headers, "Content-Security-Policy-Report-Only", "");
    apr_table_setn(headers, "X-Content-Type-Options", "nosniff");
    apr_table_setn(headers, "Referrer-Policy", "no-referrer");
    ap_set_content_type(r, "text/html; charset=utf-8");
    return nonce;
}
