/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_run_files: how the files of a run are named, and where they
 * lie.
 */
#include <string.h>

#include <apr_sha1.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_main.h>

#include "base/lpp_clock.h"
#include "server/mod_lpprofile_process.h"
#include "request/mod_lpprofile_run_internal.h"

void lpp_run_name(lpp_run_t *run, request_rec *r)
{
    const char *value;

    if (run->page_id || !run->profiled) {
        return;
    }
    run->page_id = apr_pstrdup(
        run->pool, lpp_oops_page_id(r, run->conf, run->hidden));
    run->stem = lpp_store_stem(run->request_time, run->page_id, run->id,
                               run->pid, run->tid, run->pool);
    apr_table_set(run->r->notes, LPP_MEMORY_PAGE_NOTE, run->page_id);
    lpp_gate_set_page_id(lpp_process_get()->gate, run->id, run->page_id);
    value = lpp_oops_mask_url(run->r->unparsed_uri, run->hidden, run->pool);
    run->about.url = apr_pstrdup(run->pool, value);
    run->about.id = run->id;
    run->about.page_id = run->page_id;
    run->about.host = apr_pstrdup(run->pool, r->server->server_hostname
                                  ? r->server->server_hostname : "");
    run->about.method = apr_pstrdup(run->pool, run->r->method);
    run->about.start = run->request_time;
    run->about.pid = run->pid;
    run->about.tid = run->tid;
}

const char *lpp_run_file_path(const lpp_run_t *run, lpp_format_e format,
                              apr_pool_t *pool)
{
    return apr_pstrcat(pool, run->store_dir, "/",
                       lpp_store_name(run->stem, format, pool), NULL);
}

const char *lpp_run_oops_date(const lpp_run_t *run, apr_pool_t *pool)
{
    apr_time_exp_t utc;

    lpp_time_parts(&utc, run->request_time, 0);
    return apr_psprintf(pool, "%04d-%02d-%02d", utc.tm_year + 1900,
                        utc.tm_mon + 1, utc.tm_mday);
}

const char *lpp_run_oops_path(const lpp_run_t *run, apr_pool_t *pool)
{
    return apr_pstrcat(pool, run->oops_dir, "/",
                       lpp_run_oops_date(run, pool), "/", run->id, NULL);
}

static void add_text(apr_sha1_ctx_t *sha1, const char *text)
{
    text = text ? text : "";
    /* With its NUL, so that two texts are not another two. */
    apr_sha1_update_binary(sha1, (const unsigned char *)text,
                           (unsigned)strlen(text) + 1);
}

static void add_names(apr_sha1_ctx_t *sha1, const apr_array_header_t *names)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        add_text(sha1, APR_ARRAY_IDX(names, i, const char *));
    }
    add_text(sha1, NULL); /* no name is empty */
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

/* Whether another host has the same name, aliases and addresses. */
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

const char *lpp_run_vhost(const server_rec *server, apr_pool_t *pool)
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
