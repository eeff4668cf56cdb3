/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_facts: what is known of a profiled request: id, URL, page id,
 * host, method, and what must be hidden of it. Worked out once. The owner
 * record of the gate, the page, the OOPS and the files all read it from here,
 * so that they all say the same.
 */
#ifndef MOD_LPPROFILE_FACTS_H
#define MOD_LPPROFILE_FACTS_H

#include <httpd.h>

#include "gate/lpp_gate.h"
#include "names/lpp_view.h"
#include "oops/lpp_oops.h"
#include "server/mod_lpprofile_config.h"

typedef struct lpp_facts_t {
    lpp_view_about_t about; /* what the outputs say: OOPS id ("": not
                               profiled), page id ("Unknown" until the page is
                               named), URL as in the request line, without the
                               trigger segment and masked, ... */
    const char *full_url;   /* about.url with scheme and host */
    const char *vhost;      /* of the virtual host: lpp_facts_vhost */
    apr_time_t begin_us;    /* the moment about.start, CLOCK_MONOTONIC */
    int http_status;        /* of the response; 0: not known */
    const lpp_conf_t *conf; /* of the virtual host */
    const lpp_oops_hidden_t *hidden; /* what no text may show */
} lpp_facts_t;

/*
 * What is known of r, the first request of its chain, when it begins: conf,
 * hidden, start, process and thread, all in pool. add_url: what only a request
 * that is profiled needs: URL, host, method.
 * Signal-safe: no. Thread: request.
 */
void lpp_facts_begin(lpp_facts_t *facts, const request_rec *r,
                     apr_pool_t *pool);
void lpp_facts_add_url(lpp_facts_t *facts, request_rec *r, apr_pool_t *pool);

/*
 * The part of the facts that the gate's owner record holds, cut to its members;
 * the others of owner are left alone. And the facts that such a record, left by
 * a dead process, holds: owner is borrowed. conf: of the host that the report
 * is written for.
 * Signal-safe: no. Thread: any.
 */
void lpp_facts_to_owner(const lpp_facts_t *facts, lpp_owner_t *owner);
void lpp_facts_of_owner(lpp_facts_t *facts, const lpp_owner_t *owner,
                        const lpp_conf_t *conf);

/*
 * What is hidden of r's request chain, in pool: LPOopsHide, which is borrowed,
 * and the values that its Cookie and Authorization headers hold by now (a
 * module may remove them later). Thread: request.
 */
const lpp_oops_hidden_t *lpp_facts_hidden(const request_rec *r,
                                          const lpp_conf_t *conf,
                                          apr_pool_t *pool);

/*
 * The page id of r by contract section 5, in r->pool; call after mapping
 * (before, it is "Unknown" or what the note says). r may be the last of a
 * redirect chain: an error document counts as the page that failed. A directory
 * without an index file has the view "+index". Masked as any text, since it
 * gets into file names (/app;jsessionid=...).
 * Thread: request.
 */
const char *lpp_facts_page_id(request_rec *r, const lpp_conf_t *conf,
                              const lpp_oops_hidden_t *hidden);

/*
 * What tells one virtual host from another, LPP_VHOST_KEY_LEN hex digits in
 * pool: a hash of name, port, aliases and addresses; and, where another host
 * of the server has the same, of the place in the configuration. The same
 * after a restart with the same configuration. A profile is shown to the host
 * that it was made for, and to no other, though they share a directory.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_facts_vhost(const server_rec *server, apr_pool_t *pool);

#endif
