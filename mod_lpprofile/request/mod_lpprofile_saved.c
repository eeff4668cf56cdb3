/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_saved: the saved form of a run, for the report pages, and whose
 * it is. Runs on the jobs thread beside mod_lpprofile_finish.c.
 */
#include <apr_sha1.h>
#include <apr_strings.h>
#include <httpd.h>
#include <http_main.h>

#include "saved/lpp_saved.h"
#include "store/lpp_store.h"
#include "request/mod_lpprofile_run_internal.h"

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

static void copy_sizes(lpp_saved_memory_t *to, const lpp_memory_sizes_t *from)
{
    to->vss_bytes = from->vss_bytes;
    to->rss_bytes = from->rss_bytes;
    to->heap_bytes = from->heap_bytes;
}

/* Memory and inline regions, as the block has them. */
static void add_extras(const lpp_run_t *run, lpp_saved_t *saved)
{
    lpp_saved_memory_t *memory = apr_palloc(run->pool, 2 * sizeof(*memory));
    lpp_saved_region_t *regions;
    lpp_report_t report;
    apr_uint32_t i;

    if (run->memory_after.vss_bytes > 0) { /* else it died before */
        copy_sizes(&memory[0], &run->memory);
        copy_sizes(&memory[1], &run->memory_after);
        saved->memory = memory;
    }
    memset(&report, 0, sizeof(report));
    lpp_run_report_regions(run, &report, run->pool);
    regions = apr_palloc(run->pool, (report.region_count + 1)
                         * sizeof(*regions));
    for (i = 0; i < report.region_count; i++) {
        regions[i].name = report.regions[i].name;
        regions[i].count = report.regions[i].count;
        regions[i].wall_us = report.regions[i].wall_us;
    }
    saved->regions = regions;
    saved->region_count = report.region_count;
    saved->inline_count = report.inline_count;
    saved->inline_ignored = report.inline_ignored;
}

apr_status_t lpp_run_save(const lpp_run_t *run, const lpp_view_t *view,
                          lpp_store_t *store)
{
    lpp_store_file_t *file;
    lpp_saved_t saved;
    apr_status_t rv;

    memset(&saved, 0, sizeof(saved));
    saved.head.vhost = run->vhost;
    saved.head.outcome = run->status;
    saved.head.status = (apr_uint32_t)run->http_status;
    saved.head.waited_us = run->waited_us;
    saved.view = view;
    saved.oops = run->oops;
    saved.oops_path = lpp_run_oops_path(run, run->pool);
    saved.sql = lpp_run_sql_view(run, run->begin_us + run->duration_us,
                                 run->pool);
    saved.sql_condition = run->plan ? run->plan->sql_condition : NULL;
    add_extras(run, &saved);
    rv = lpp_store_begin(store, NULL,
                         lpp_store_name(run->stem, LPP_FORMAT_SAVED,
                                        run->pool), &file, run->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_saved_write(&saved, lpp_store_sink(file), run->pool);
    if (rv != APR_SUCCESS) {
        lpp_store_abort(file);
        return rv;
    }
    return lpp_store_finish(file, NULL);
}
