/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_origin: where a request comes from, as far as the request
 * says it: straight from this host, from a page of another web site, by a
 * name that is not the virtual host's. Reads the first request of a chain
 * and changes nothing.
 */
#ifndef MOD_LPPROFILE_ORIGIN_INTERNAL_H
#define MOD_LPPROFILE_ORIGIN_INTERNAL_H

#include <httpd.h>

typedef enum {
    LPP_ORIGIN_OWN,    /* typed, by a page of this site, or by no browser */
    LPP_ORIGIN_LINK,   /* a person followed another site's link to here */
    LPP_ORIGIN_FOREIGN /* another site's page asked by itself, or nobody
                          knows who: the name is not this host's */
} lpp_origin_e;

/*
 * Judge r by Sec-Fetch-Site, Origin, Referer and the host that it names. *why
 * (why is not NULL) is NULL for LPP_ORIGIN_OWN, else a constant text that ends
 * a sentence.
 * Signal-safe: no. Thread: request.
 */
lpp_origin_e lpp_origin_judge(const request_rec *r, const char **why);

/*
 * Whether the peer and the client of r are this host's loopback address, and
 * no header says that somebody forwarded the request.
 * Signal-safe: yes. Thread: request.
 */
int lpp_origin_is_direct(const request_rec *r);

#endif
