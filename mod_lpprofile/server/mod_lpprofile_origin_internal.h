/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_origin_internal: where a request comes from, as far as its
 * headers show: this host, a page of another web site, or a name that is not
 * that of the virtual host. Reads the first request of a chain and changes
 * nothing.
 */
#ifndef MOD_LPPROFILE_ORIGIN_INTERNAL_H
#define MOD_LPPROFILE_ORIGIN_INTERNAL_H

#include <httpd.h>

typedef enum {
    LPP_ORIGIN_OWN,    /* typed by a person, from a page of this site, or from a
                          program that is no browser */
    LPP_ORIGIN_LINK,   /* a person followed a link of another site */
    LPP_ORIGIN_FOREIGN /* made by another site, or of unknown origin: the name
                          is not that of this host */
} lpp_origin_e;

/*
 * Judge r by Sec-Fetch-Site, Origin, Referer and the host that it names. *why
 * (why is not NULL) is NULL for LPP_ORIGIN_OWN, else a constant text that ends
 * a sentence.
 * Signal-safe: no. Thread: request.
 */
lpp_origin_e lpp_origin_judge(const request_rec *r, const char **why);

/*
 * Whether the peer and the client of r have this host's loopback address, and
 * no header says that the request was forwarded.
 * Signal-safe: yes. Thread: request.
 */
int lpp_origin_is_direct(const request_rec *r);

#endif
