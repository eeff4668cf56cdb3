/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_facts: the facts about a profiled request: id, URL, page id,
 * host, method, and what must be hidden of them. Determined once. The owner
 * record of the gate, the page, the OOPS and the files all read them here, so
 * that they are the same everywhere.
 */
#ifndef MOD_LPPROFILE_FACTS_H
#define MOD_LPPROFILE_FACTS_H

#include <httpd.h>

#include "gate/lpp_gate.h"
#include "names/lpp_view.h"
#include "oops/lpp_oops.h"
#include "server/mod_lpprofile_config.h"

typedef struct lpp_facts_t {
    lpp_view_about_t about; /* what the outputs show: OOPS id ("": not
                               profiled), page id ("Unknown" until the page is
                               named), URL as in the request line, without the
                               trigger segment and masked, ... */
    const char *full_url;   /* about.url with scheme and host */
    const char *vhost;      /* of the virtual host: lpp_facts_vhost */
    apr_time_t begin_us;    /* the moment about.start, CLOCK_MONOTONIC */
    int http_status;        /* of the response; 0: not known */
    const lpp_conf_t *conf; /* of the virtual host */
    const lpp_oops_hidden_t *hidden; /* what must be hidden in all text */
} lpp_facts_t;

/*
 * begin: the facts that are known of r, the first request of its chain, at its
 * start: conf, hidden, start, process and thread, all in pool. add_url: facts
 * for a profiled request only: URL, host, method.
 * Signal-safe: no. Thread: request.
 */
void lpp_facts_begin(lpp_facts_t *facts, const request_rec *r,
                     apr_pool_t *pool);
void lpp_facts_add_url(lpp_facts_t *facts, request_rec *r, apr_pool_t *pool);

/*
 * to_owner: copy the facts of the gate's owner record into owner, truncated to
 * its members; other members of owner stay as they are. from_owner: the facts
 * in such a record of a dead process; owner is borrowed. conf: of the host that
 * the report is written for.
 * Signal-safe: no. Thread: any.
 */
void lpp_facts_to_owner(const lpp_facts_t *facts, lpp_owner_t *owner);
void lpp_facts_of_owner(lpp_facts_t *facts, const lpp_owner_t *owner,
                        const lpp_conf_t *conf);

/*
 * What is hidden of r's request chain, in pool: LPOopsHide, which is borrowed,
 * and the current values of its Cookie and Authorization headers (a module may
 * remove these later).
 * Signal-safe: no. Thread: request.
 */
const lpp_oops_hidden_t *lpp_facts_hidden(const request_rec *r,
                                          const lpp_conf_t *conf,
                                          apr_pool_t *pool);

/*
 * The page id of r according to section 5 of the contract, in r->pool; call it
 * after mapping (before that, it is "Unknown" or the value of the note). r may
 * be the last of a redirect chain: an error document counts as the page that
 * failed. A directory without an index file has the view "+index". Masked like
 * any text, since it becomes part of file names (/app;jsessionid=...).
 * Signal-safe: no. Thread: request.
 */
const char *lpp_facts_page_id(request_rec *r, const lpp_conf_t *conf,
                              const lpp_oops_hidden_t *hidden);

/*
 * An identifier of a virtual host, LPP_VHOST_KEY_LEN hex digits in pool: a hash
 * of name, port, aliases and addresses; and, if another host of the server has
 * the same, of the place in the configuration. It is the same after a restart
 * with the same configuration. A profile is shown only on the host that it was
 * made for, even if hosts share a directory.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_facts_vhost(const server_rec *server, apr_pool_t *pool);

#endif
