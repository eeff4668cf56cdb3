/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_origin: see mod_lpprofile_origin_internal.h.
 *
 * A page of any site can make a browser send requests, with the address and the
 * cookies of the operator. The browser shows this in headers that no script can
 * set. Such a header may refuse a request; its absence never does, since
 * programs other than browsers do not send them. If the owner of a site lets
 * its name point to this server (DNS rebinding), pages of that site look like
 * pages of this server in all these headers: so the name must be one that the
 * configuration gives to this virtual host.
 */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <apr_network_io.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_vhost.h>

#include "server/mod_lpprofile_origin_internal.h"

/* The request that the client sent: a redirect or subrequest has its own URI,
 * without a port. */
static const request_rec *first_of(const request_rec *r)
{
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    return r;
}

/* IPv4 addresses are mapped to IPv6, so that there is one form to compare. */
static void map_v4(struct in6_addr *address, const void *v4)
{
    memset(address, 0, sizeof(*address));
    address->s6_addr[10] = address->s6_addr[11] = 0xff;
    memcpy(address->s6_addr + 12, v4, 4);
}

/* Parse a literal address; 0 where text is a name. */
static int read_address(const char *text, struct in6_addr *address)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, text, &v4) == 1) {
        map_v4(address, &v4);
        return 1;
    }
    return inet_pton(AF_INET6, text, address) == 1;
}

static int address_of(const apr_sockaddr_t *from, struct in6_addr *address)
{
    if (from && from->family == APR_INET) {
        map_v4(address, &from->sa.sin.sin_addr);
        return 1;
    }
#if APR_HAVE_IPV6
    if (from && from->family == APR_INET6) {
        *address = from->sa.sin6.sin6_addr;
        return 1;
    }
#endif
    return 0;
}

static int is_loopback(const struct in6_addr *address)
{
    return IN6_IS_ADDR_LOOPBACK(address)
           || (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr[12] == 127);
}

/* Whether a header says that a proxy forwarded the request. */
static int came_through_proxy(const request_rec *r)
{
    const apr_array_header_t *headers = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)headers->elts;
    int i;

    for (i = 0; i < headers->nelts; i++) {
        if (entry[i].key
            && (!ap_cstr_casecmp(entry[i].key, "Forwarded")
                || !ap_cstr_casecmpn(entry[i].key, "X-Forwarded-", 12)
                || !ap_cstr_casecmp(entry[i].key, "X-Real-IP")
                || !ap_cstr_casecmp(entry[i].key, "Via"))) {
            return 1;
        }
    }
    return 0;
}

/*
 * mod_remoteip removes the header that it used. So a client address that
 * differs from the connection's counts like that header: refused, even if the
 * proxy reports that its client was on this machine.
 */
int lpp_origin_is_direct(const request_rec *r)
{
    struct in6_addr client;

    return r->useragent_addr == r->connection->client_addr
           && address_of(r->connection->client_addr, &client)
           && is_loopback(&client) && !came_through_proxy(r);
}

/*
 * Whether the host named in r is this virtual host, or this machine under a
 * name that only a browser on it (or at the near end of a forwarded port) can
 * use. httpd serves unknown names from the first virtual host, so its choice
 * proves nothing. Ports are not compared: those of forwarded ports differ, and
 * the name is sufficient. A request without a name is not from a browser:
 * allowed from this machine only.
 */
static int is_named(const request_rec *r)
{
    struct in6_addr named, local;

    if (!r->hostname || !*r->hostname) {
        return lpp_origin_is_direct(r);
    }
    if (read_address(r->hostname, &named)
        && (is_loopback(&named)
            || (address_of(r->connection->local_addr, &local)
                && !memcmp(&named, &local, sizeof(named))))) {
        return 1;
    }
    return !ap_cstr_casecmp(r->hostname, "localhost")
           || ap_matches_request_vhost((request_rec *)r, r->hostname,
                                       r->server->port);
}

/* Parse an absolute URL with a host; a dot at the end of the host is removed.
 * 0: it is not one. */
static int parse_url(const request_rec *r, const char *text, apr_uri_t *uri)
{
    apr_size_t len;

    if (apr_uri_parse(r->pool, text, uri) != APR_SUCCESS || !uri->scheme
        || !uri->hostname || !uri->hostname[0]) {
        return 0;
    }
    len = strlen(uri->hostname);
    if (uri->hostname[len - 1] == '.') {
        uri->hostname[len - 1] = '\0';
    }
    return 1;
}

static int is_host_of(const request_rec *r, const apr_uri_t *uri)
{
    return r->hostname && !ap_cstr_casecmp(uri->hostname, r->hostname);
}

static apr_port_t port_in(const apr_uri_t *uri, const char *scheme)
{
    return uri->port_str && *uri->port_str ? uri->port
        : apr_uri_port_of_scheme(scheme);
}

/* Scheme, host and port, nothing else: "null" and lists are refused. */
static int is_own_origin(const request_rec *r, const char *origin)
{
    const char *scheme = ap_http_scheme(r);
    apr_uri_t uri;

    return parse_url(r, origin, &uri) && !uri.path && !uri.query
           && !uri.fragment && !uri.user && is_host_of(r, &uri)
           && !ap_cstr_casecmp(uri.scheme, scheme)
           && port_in(&uri, uri.scheme) == port_in(&r->parsed_uri, scheme);
}

/* The port; 0 is the default of the scheme, which may be omitted. */
static apr_port_t odd_port(const apr_uri_t *uri, const char *scheme)
{
    apr_port_t port = port_in(uri, scheme);

    return port == apr_uri_port_of_scheme(scheme) ? 0 : port;
}

/*
 * Whether the Referer is of another server. Text that is no URL is not from a
 * browser. The scheme may differ, if a proxy terminates TLS; a different port
 * is another server.
 */
static int is_other_referer(const request_rec *r, const char *referer)
{
    apr_uri_t uri;

    if (!parse_url(r, referer, &uri)) {
        return strstr(referer, "://") != NULL;
    }
    return !is_host_of(r, &uri)
           || odd_port(&uri, uri.scheme)
              != odd_port(&r->parsed_uri, ap_http_scheme(r));
}

static int is_header(const request_rec *r, const char *name,
                     const char *wanted)
{
    const char *value = apr_table_get(r->headers_in, name);

    return value && !ap_cstr_casecmp(value, wanted);
}

/*
 * Whether a person opened r as a page. On plain http a browser does not report
 * that; but then only this person sees the response.
 */
static int is_navigation(const request_rec *r, int tells)
{
    const char *accept;

    if (r->method_number != M_GET) {
        return 0;
    }
    if (tells) {
        return is_header(r, "Sec-Fetch-Mode", "navigate")
               && is_header(r, "Sec-Fetch-Dest", "document");
    }
    accept = apr_table_get(r->headers_in, "Accept");
    return accept && strstr(accept, "text/html");
}

lpp_origin_e lpp_origin_judge(const request_rec *r, const char **why)
{
    const char *site, *origin, *referer;

    r = first_of(r);
    site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    origin = apr_table_get(r->headers_in, "Origin");
    referer = apr_table_get(r->headers_in, "Referer");
    if (!is_named(r)) {
        *why = "the Host header is no name, alias or address of this virtual "
               "host (ServerName or ServerAlias can make it one)";
        return LPP_ORIGIN_FOREIGN;
    }
    if (origin && !is_own_origin(r, origin)) {
        *why = "the Origin header is that of another web site";
        return LPP_ORIGIN_FOREIGN;
    }
    if (site ? ap_cstr_casecmp(site, "same-origin")
               && ap_cstr_casecmp(site, "none")
             : referer && is_other_referer(r, referer)) {
        *why = site ? "the Sec-Fetch-Site header says that another web site "
                      "asks for it"
                    : "the Referer header is that of another web site";
        return is_navigation(r, site != NULL) ? LPP_ORIGIN_LINK
                                              : LPP_ORIGIN_FOREIGN;
    }
    *why = NULL;
    return LPP_ORIGIN_OWN;
}
