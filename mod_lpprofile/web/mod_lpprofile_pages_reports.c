/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_pages_reports: the pages about saved profiles (the list, one,
 * two compared) and downloads; and the headers of every page of the module. An
 * id is looked up in the store, and never used as part of a path; a profile of
 * another virtual host is not found, like one that does not exist.
 */
#include <stdlib.h>

#include <apr_base64.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_script.h>

#include "base/lpp_log_tags.h"
#include "report/lpp_report_pages.h"
#include "server/mod_lpprofile_config.h"
#include "request/mod_lpprofile_facts.h"
#include "web/mod_lpprofile_pages_internal.h"
#include "web/mod_lpprofile_url.h"

APLOG_USE_MODULE(lpprofile);

#define NONCE_BYTES 18
#define OTHERS_MAX 200 /* profiles searched for the same page */

/* A page of the module may only run its own script and style, load nothing
 * else, and not be cached, whatever headers the site sets. */
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

apr_array_header_t *lpp_pages_list(request_rec *r, int max, int *more)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    apr_array_header_t *entries;
    lpp_store_t *store;

    *more = 0;
    if (lpp_store_open(&store, lpp_config_dir(conf), r->pool) != APR_SUCCESS
        || lpp_saved_list(store, lpp_facts_vhost(r->server, r->pool), max,
                          &entries, more, r->pool) != APR_SUCCESS) {
        return apr_array_make(r->pool, 1, sizeof(lpp_saved_entry_t));
    }
    return entries;
}

static apr_status_t find(request_rec *r, const char *id,
                         lpp_saved_entry_t *entry, lpp_saved_t **saved)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    lpp_store_t *store;
    apr_status_t rv;

    if (!id) {
        return APR_ENOENT;
    }
    rv = lpp_store_open(&store, lpp_config_dir(conf), r->pool);
    return rv != APR_SUCCESS ? rv
        : lpp_saved_find(store, lpp_facts_vhost(r->server, r->pool), id, entry,
                         saved, r->pool);
}

static lpp_report_frame_t frame_of(request_rec *r)
{
    lpp_report_frame_t frame;

    frame.host = r->server->server_hostname;
    frame.nonce = lpp_pages_set_headers(r);
    return frame;
}

/* A number in the query; 0: there is none. */
static int number_in(const apr_table_t *args, const char *name)
{
    const char *text = apr_table_get(args, name);
    apr_size_t digits = text ? strspn(text, "0123456789") : 0;

    return digits && digits <= 7 && !text[digits] ? atoi(text) : 0;
}

static int write_list(request_rec *r, const apr_table_t *args,
                      const lpp_sink_t *sink, apr_status_t *rv)
{
    lpp_report_list_t list;

    list.frame = frame_of(r);
    list.entries = lpp_pages_list(r, 0, &list.more);
    list.number = number_in(args, "page");
    lpp_report_read_sort(apr_table_get(args, "sort"), &list.sort,
                         &list.reverse);
    *rv = lpp_report_list(&list, sink, r->pool);
    return OK;
}

/* The list submits two ids: redirect to the address that compares them. */
static int redirect_to_compare(request_rec *r, const apr_table_t *args)
{
    const char *id = apr_table_get(args, "report");
    const char *against = apr_table_get(args, "against");

    if (!id || !against || !lpp_store_is_id(id)
        || !lpp_store_is_id(against)) {
        return 0;
    }
    apr_table_setn(r->headers_out, "Location",
                   apr_pstrcat(r->pool, "/" LPP_TRIGGER_MARK "report:", id,
                               "&against:", against, NULL));
    return 1;
}

static int write_missing(request_rec *r, const char *id, apr_status_t why,
                         const lpp_sink_t *sink, apr_status_t *rv)
{
    lpp_report_frame_t frame = frame_of(r);

    r->status = HTTP_NOT_FOUND;
    if (why == APR_EINVAL) {
        ap_log_cserror(APLOG_MARK, APLOG_WARNING, 0, r->connection,
                       r->server, LPP_TAG_PAGES_DAMAGED
                       ": the saved profile of %s cannot be read", id);
    }
    else if (!APR_STATUS_IS_ENOENT(why)) {
        *rv = why;
        return OK;
    }
    *rv = lpp_report_missing(&frame, id, why == APR_EINVAL, sink, r->pool);
    return OK;
}

static int write_full(request_rec *r, const apr_table_t *args,
                      lpp_saved_entry_t *entry, const lpp_saved_t *saved,
                      const lpp_sink_t *sink, apr_status_t *rv)
{
    lpp_report_full_t full;
    int more;

    full.frame = frame_of(r);
    full.saved = saved;
    full.entry = entry;
    full.dir = lpp_config_dir(lpp_config_get(r->server));
    full.function = (apr_uint32_t)number_in(args, "function");
    full.others = lpp_pages_list(r, OTHERS_MAX, &more);
    *rv = lpp_report_full(&full, sink, r->pool);
    return OK;
}

static int write_compare(request_rec *r, const lpp_plan_t *plan,
                         const lpp_saved_t *saved, const lpp_sink_t *sink,
                         apr_status_t *rv)
{
    lpp_report_compare_t compare;
    lpp_saved_entry_t entry;
    lpp_saved_t *before;

    *rv = find(r, plan->against_id, &entry, &before);
    if (*rv != APR_SUCCESS) {
        return write_missing(r, plan->against_id, *rv, sink, rv);
    }
    compare.frame = frame_of(r);
    compare.after = saved;
    compare.before = before;
    *rv = lpp_report_compare(&compare, sink, r->pool);
    return OK;
}

/* Read a whole file of the store into buf. */
static apr_status_t read_into(lpp_store_t *store, const char *name,
                              lpp_buf_t *buf, apr_pool_t *pool)
{
    apr_file_t *file;
    char piece[16384];
    apr_size_t len = sizeof(piece);
    apr_status_t rv = lpp_store_open_file(store, NULL, name, &file, pool);

    while (rv == APR_SUCCESS) {
        len = sizeof(piece);
        rv = apr_file_read(file, piece, &len);
        if (rv == APR_SUCCESS) {
            rv = lpp_buf_add(buf, piece, len);
        }
    }
    return rv == APR_EOF ? APR_SUCCESS : rv;
}

/* Store the new file with the other files of the profile. Failures are ignored:
 * another process may have made it meanwhile, or the disk is full. */
static void keep(request_rec *r, lpp_store_t *store, const char *name,
                 const lpp_buf_t *buf)
{
    lpp_store_file_t *file;
    apr_status_t rv = lpp_store_begin(store, NULL, name, &file, r->pool);

    if (rv == APR_SUCCESS) {
        rv = lpp_sink_write(lpp_store_sink(file), buf->data, buf->len);
        if (rv == APR_SUCCESS) {
            rv = lpp_store_finish(file, NULL);
        }
        else {
            lpp_store_abort(file);
        }
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EEXIST(rv)) {
        ap_log_cserror(APLOG_MARK, APLOG_INFO, rv, r->connection, r->server,
                       LPP_TAG_PAGES_NOT_KEPT
                       ": %s was sent, but could not be saved", name);
    }
}

/* The file in the store, or one made from the saved profile. */
static int download(request_rec *r, const lpp_saved_entry_t *entry,
                    const lpp_saved_t *saved, lpp_format_e format,
                    lpp_buf_t *buf, apr_status_t *rv)
{
    const lpp_conf_t *conf = lpp_config_get(r->server);
    const lpp_writer_t *writer = lpp_writer_get(format);
    const char *name = lpp_store_name(entry->stem, format, r->pool);
    lpp_sink_t sink = lpp_buf_sink(buf);
    lpp_store_t *store;

    *rv = lpp_store_open(&store, lpp_config_dir(conf), r->pool);
    if (*rv != APR_SUCCESS) {
        return OK;
    }
    if (!(entry->formats & LPP_FORMAT_BIT(format))
        || read_into(store, name, buf, r->pool) != APR_SUCCESS) {
        lpp_buf_reset(buf);
        *rv = writer->write(saved->view, &sink, r->pool);
        if (*rv == APR_SUCCESS) {
            keep(r, store, name, buf);
        }
    }
    lpp_pages_set_headers(r);
    ap_set_content_type(r, writer->content_type);
    /* a name of the store needs no escape */
    apr_table_setn(r->headers_out, "Content-Disposition",
                   apr_pstrcat(r->pool, "attachment; filename=\"", name, "\"",
                               NULL));
    return OK;
}

int lpp_pages_reports(request_rec *r, const lpp_plan_t *plan, lpp_buf_t *buf,
                      apr_status_t *rv)
{
    lpp_sink_t sink = lpp_buf_sink(buf);
    lpp_saved_entry_t entry;
    lpp_saved_t *saved;
    apr_table_t *args;
    int i;

    *rv = APR_SUCCESS;
    ap_args_to_table(r, &args);
    if (!(plan->actions & LPP_ACTION_REPORT)) {
        return redirect_to_compare(r, args) ? HTTP_SEE_OTHER
            : write_list(r, args, &sink, rv);
    }
    *rv = find(r, plan->report_id, &entry, &saved);
    if (*rv != APR_SUCCESS) {
        return write_missing(r, plan->report_id, *rv, &sink, rv);
    }
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        if (plan->formats & LPP_FORMAT_BIT(i)) {
            return download(r, &entry, saved, (lpp_format_e)i, buf, rv);
        }
    }
    return plan->actions & LPP_ACTION_AGAINST
        ? write_compare(r, plan, saved, &sink, rv)
        : write_full(r, args, &entry, saved, &sink, rv);
}
