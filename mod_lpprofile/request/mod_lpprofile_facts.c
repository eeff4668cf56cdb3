/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_facts: see mod_lpprofile_facts.h.
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_sha1.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_main.h>
#include <http_protocol.h>

#include "base/lpp_clock.h"
#include "request/mod_lpprofile_facts.h"

#define PAGE_ID_KEY "launchpad.pageid"

const lpp_oops_hidden_t *lpp_facts_hidden(const request_rec *r,
                                          const lpp_conf_t *conf,
                                          apr_pool_t *pool)
{
    lpp_oops_hidden_t *hidden = apr_pcalloc(pool, sizeof(*hidden));

    if (hidden) {
        hidden->names = lpp_config_oops_hide(conf);
        lpp_oops_hide_cookies(hidden, apr_table_get(r->headers_in, "Cookie"),
                              pool);
        lpp_oops_hide_authorization(
            hidden, apr_table_get(r->headers_in, "Authorization"), pool);
        lpp_oops_hide_authorization(
            hidden, apr_table_get(r->headers_in, "Proxy-Authorization"), pool);
    }
    return hidden;
}

/* An internal redirect to an error document is not what the client asked
 * for. */
static request_rec *before_error_document(request_rec *r)
{
    while (r->prev && ap_is_HTTP_ERROR(r->prev->status)) {
        r = r->prev;
    }
    return r;
}

/* The page id that an application set in a note or in the environment of any
 * request of the chain. */
static const char *told_page_id(const request_rec *r)
{
    for (; r; r = r->prev) {
        const char *told = apr_table_get(r->notes, PAGE_ID_KEY);

        if (!told || !told[0]) {
            told = apr_table_get(r->subprocess_env, PAGE_ID_KEY);
        }
        if (told && told[0]) {
            return told;
        }
    }
    return NULL;
}

/* The handler's name if that, not a directory, describes the page: a proxy or a
 * script. */
static const char *active_handler(const request_rec *r)
{
    if (r->proxyreq || (r->handler && !strncmp(r->handler, "proxy:", 6))) {
        return "proxy-server";
    }
    if (!r->handler || !strcmp(r->handler, "default-handler")
        || !strcmp(r->handler, DIR_MAGIC_TYPE)
        || (r->content_type && !strcmp(r->handler, r->content_type))) {
        return NULL;
    }
    return r->handler;
}

/* Length of the URI without the path info behind a script or file. */
static apr_size_t mapped_length(const request_rec *r)
{
    apr_size_t len = strlen(r->uri);
    apr_size_t info = r->path_info ? strlen(r->path_info) : 0;

    if (!r->proxyreq && r->finfo.filetype == APR_REG && info > 0 && info < len
        && !strcmp(r->uri + len - info, r->path_info)) {
        len -= info;
    }
    return len;
}

/* Where the segment that ends at end of uri begins. */
static apr_size_t segment_start(const char *uri, apr_size_t end)
{
    while (end > 0 && uri[end - 1] != '/') {
        end--;
    }
    return end;
}

static const char *derived_page_id(const request_rec *r)
{
    const char *context = active_handler(r);
    apr_size_t view, end, start;

    if (!r->uri || r->uri[0] != '/' || (!r->filename && !context)) {
        return "Unknown";
    }
    end = mapped_length(r);
    view = segment_start(r->uri, end);
    if (!context) {
        apr_size_t dir = view;

        while (dir > 0 && r->uri[dir - 1] == '/') {
            dir--;
        }
        start = segment_start(r->uri, dir);
        context = start < dir
                      ? apr_pstrmemdup(r->pool, r->uri + start, dir - start)
                      : "RootObject";
    }
    return apr_pstrcat(r->pool, context, ":",
                       view < end
                           ? apr_pstrmemdup(r->pool, r->uri + view, end - view)
                           : "+index",
                       NULL);
}

const char *lpp_facts_page_id(request_rec *r, const lpp_conf_t *conf,
                              const lpp_oops_hidden_t *hidden)
{
    const char *page_id;

    r = before_error_document(r);
    page_id = lpp_config_page_id(conf, r);
    if (!page_id || !page_id[0]) {
        page_id = told_page_id(r);
    }
    if (!page_id) {
        page_id = derived_page_id(r);
    }
    return lpp_oops_mask_url(page_id, hidden, r->pool);
}

static void add_text(apr_sha1_ctx_t *sha1, const char *text)
{
    text = text ? text : "";
    /* With its NUL, so that the same bytes split in another place give another
     * hash. */
    apr_sha1_update_binary(sha1, (const unsigned char *)text,
                           (unsigned)strlen(text) + 1);
}

static void add_names(apr_sha1_ctx_t *sha1, const apr_array_header_t *names)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        add_text(sha1, APR_ARRAY_IDX(names, i, const char *));
    }
    add_text(sha1, NULL); /* ends the list: no name is empty */
}

static void add_number(apr_sha1_ctx_t *sha1, unsigned number)
{
    apr_sha1_update_binary(sha1, (const unsigned char *)&number,
                           sizeof(number));
}

static void digest_names(const server_rec *server,
                         unsigned char digest[APR_SHA1_DIGESTSIZE])
{
    const server_addr_rec *address;
    apr_sha1_ctx_t sha1;

    apr_sha1_init(&sha1);
    add_text(&sha1, server->server_hostname);
    add_number(&sha1, server->port);
    add_names(&sha1, server->names);
    add_names(&sha1, server->wild_names);
    for (address = server->is_virtual ? server->addrs : NULL; address;
         address = address->next) {
        add_text(&sha1, address->virthost ? address->virthost : "*");
        add_number(&sha1, address->host_port);
    }
    apr_sha1_final(digest, &sha1);
}

/* Whether another host has the same name, port, aliases and addresses. */
static int has_double(const server_rec *server, const unsigned char *digest)
{
    unsigned char other[APR_SHA1_DIGESTSIZE];
    const server_rec *s;

    for (s = ap_server_conf; s; s = s->next) {
        if (s == server || s->port != server->port
            || !s->server_hostname || !server->server_hostname
            || strcmp(s->server_hostname, server->server_hostname)) {
            continue;
        }
        digest_names(s, other);
        if (!memcmp(other, digest, sizeof(other))) {
            return 1;
        }
    }
    return 0;
}

const char *lpp_facts_vhost(const server_rec *server, apr_pool_t *pool)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    char *key = apr_palloc(pool, LPP_VHOST_KEY_LEN + 1);
    apr_sha1_ctx_t sha1;

    digest_names(server, digest);
    if (has_double(server, digest)) {
        apr_sha1_init(&sha1);
        apr_sha1_update_binary(&sha1, digest, sizeof(digest));
        add_text(&sha1, server->defn_name);
        add_number(&sha1, server->defn_line_number);
        apr_sha1_final(digest, &sha1);
    }
    ap_bin2hex(digest, sizeof(digest), key);
    return key;
}

void lpp_facts_begin(lpp_facts_t *facts, const request_rec *r,
                     apr_pool_t *pool)
{
    memset(facts, 0, sizeof(*facts));
    facts->conf = lpp_config_get(r->server);
    facts->hidden = lpp_facts_hidden(r, facts->conf, pool);
    facts->begin_us = lpp_moment_us(r->request_time);
    facts->about.start = r->request_time;
    facts->about.pid = (apr_uint32_t)getpid();
    facts->about.tid = (apr_uint32_t)syscall(SYS_gettid);
    facts->about.id = "";
    facts->about.page_id = "Unknown";
}

void lpp_facts_add_url(lpp_facts_t *facts, request_rec *r, apr_pool_t *pool)
{
    const char *uri = r->unparsed_uri ? r->unparsed_uri : "";

    uri = apr_pstrdup(pool, lpp_oops_mask_url(uri, facts->hidden, pool));
    facts->about.url = uri;
    /* The request line of a proxied request contains a whole URL. */
    facts->full_url = uri[0] == '/' || !uri[0] ? ap_construct_url(pool, uri, r)
                                               : uri;
    facts->about.host = apr_pstrdup(pool, r->server->server_hostname
                                    ? r->server->server_hostname : "");
    facts->about.method = apr_pstrdup(pool, r->method);
    facts->vhost = lpp_facts_vhost(r->server, pool);
}

void lpp_facts_to_owner(const lpp_facts_t *facts, lpp_owner_t *owner)
{
    const lpp_view_about_t *about = &facts->about;

    owner->pid = about->pid;
    owner->tid = about->tid;
    owner->start = about->start;
    owner->begin_us = facts->begin_us;
    apr_cpystrn(owner->id, about->id, sizeof(owner->id));
    apr_cpystrn(owner->url, facts->full_url, sizeof(owner->url));
    apr_cpystrn(owner->page_id, about->page_id, sizeof(owner->page_id));
    apr_cpystrn(owner->host, about->host, sizeof(owner->host));
    apr_cpystrn(owner->vhost, facts->vhost, sizeof(owner->vhost));
    apr_cpystrn(owner->method, about->method, sizeof(owner->method));
}

void lpp_facts_of_owner(lpp_facts_t *facts, const lpp_owner_t *owner,
                        const lpp_conf_t *conf)
{
    memset(facts, 0, sizeof(*facts));
    facts->about.id = owner->id;
    facts->about.page_id = owner->page_id;
    facts->about.url = facts->full_url = owner->url;
    facts->about.host = owner->host;
    facts->about.method = owner->method;
    facts->about.start = owner->start;
    facts->about.pid = owner->pid;
    facts->about.tid = owner->tid;
    facts->vhost = owner->vhost;
    facts->begin_us = owner->begin_us;
    facts->conf = conf;
}
