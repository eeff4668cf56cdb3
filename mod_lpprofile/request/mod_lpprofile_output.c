/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_output: see mod_lpprofile_output_internal.h.
 */
#include <string.h>

#include <apr_strings.h>
#include <httpd.h>

#include "base/lpp_clock.h"
#include "formats/lpp_writer.h"
#include "request/mod_lpprofile_output_internal.h"
#include "store/lpp_store.h"

void lpp_output_begin(lpp_output_t *output, const lpp_facts_t *facts,
                      apr_pool_t *pool)
{
    memset(output, 0, sizeof(*output));
    output->pool = pool;
    output->facts = facts;
}

void lpp_output_name(lpp_output_t *output)
{
    const lpp_view_about_t *about = &output->facts->about;

    output->stem = lpp_store_stem(about->start, about->page_id, about->id,
                                  about->pid, about->tid, output->pool);
}

const char *lpp_output_file_path(const lpp_output_t *output,
                                 lpp_format_e format, apr_pool_t *pool)
{
    return apr_pstrcat(pool, lpp_config_dir(output->facts->conf), "/",
                       lpp_store_name(output->stem, format, pool), NULL);
}

/* The UTC date that names the directory of the OOPS. */
static const char *oops_date(const lpp_output_t *output, apr_pool_t *pool)
{
    apr_time_exp_t utc;

    lpp_time_parts(&utc, output->facts->about.start, 0);
    return apr_psprintf(pool, "%04d-%02d-%02d", utc.tm_year + 1900,
                        utc.tm_mon + 1, utc.tm_mday);
}

const char *lpp_output_oops_path(const lpp_output_t *output,
                                 apr_pool_t *pool)
{
    return apr_pstrcat(pool, lpp_config_oops_dir(output->facts->conf), "/",
                       oops_date(output, pool), "/", output->facts->about.id,
                       NULL);
}

/* If a file was written successfully, finish it and add its size; else abort
 * it. */
static apr_status_t finish_file(lpp_store_file_t *file, apr_status_t written,
                                apr_off_t *bytes)
{
    apr_off_t size = 0;
    apr_status_t rv;

    if (written != APR_SUCCESS) {
        lpp_store_abort(file);
        return written;
    }
    rv = lpp_store_finish(file, &size);
    *bytes += size;
    return rv;
}

static apr_status_t begin_file(const lpp_output_t *output, lpp_store_t *store,
                               lpp_format_e format, lpp_store_file_t **file)
{
    return lpp_store_begin(store, NULL,
                           lpp_store_name(output->stem, format, output->pool),
                           file, output->pool);
}

static apr_status_t write_file(const lpp_output_t *output, lpp_store_t *store,
                               lpp_format_e format, const lpp_view_t *view,
                               apr_off_t *bytes)
{
    lpp_store_file_t *file;
    apr_status_t rv = begin_file(output, store, format, &file);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_writer_get(format)->write(view, lpp_store_sink(file),
                                       output->pool);
    return finish_file(file, rv, bytes);
}

/* The saved form. Its size is not in *bytes of lpp_output_write_files. */
static apr_status_t write_saved(const lpp_output_t *output,
                                lpp_store_t *store, const lpp_view_t *view)
{
    lpp_saved_t saved = output->saved;
    lpp_store_file_t *file;
    apr_off_t bytes = 0;
    apr_status_t rv = begin_file(output, store, LPP_FORMAT_SAVED, &file);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    saved.head.vhost = output->facts->vhost;
    saved.head.status = (apr_uint32_t)output->facts->http_status;
    saved.view = view;
    saved.oops_path = lpp_output_oops_path(output, output->pool);
    rv = lpp_saved_write(&saved, lpp_store_sink(file), output->pool);
    return finish_file(file, rv, &bytes);
}

apr_status_t lpp_output_write_files(const lpp_output_t *output,
                                    const lpp_view_t *view, apr_off_t *bytes)
{
    lpp_store_t *store;
    apr_status_t rv, worst;
    int i;

    worst = lpp_store_open(&store, lpp_config_dir(output->facts->conf),
                           output->pool);
    if (worst != APR_SUCCESS) {
        return worst;
    }
    for (i = 0; i < LPP_FORMAT_COUNT; i++) {
        if (output->formats & LPP_FORMAT_BIT(i)) {
            rv = write_file(output, store, i, view, bytes);
            worst = rv != APR_SUCCESS ? rv : worst;
        }
    }
    /* Last, so that a reader that finds it finds the other files, too. */
    rv = write_saved(output, store, view);
    return rv != APR_SUCCESS ? rv : worst;
}

apr_status_t lpp_output_write_oops(const lpp_output_t *output,
                                   apr_off_t *bytes)
{
    const lpp_facts_t *facts = output->facts;
    const lpp_oops_t *oops = output->saved.oops;
    lpp_store_t *store;
    lpp_store_file_t *file;
    apr_status_t rv;

    if (!oops) {
        return APR_ENOMEM;
    }
    rv = lpp_store_open(&store, lpp_config_oops_dir(facts->conf),
                        output->pool);
    if (rv == APR_SUCCESS) {
        rv = lpp_store_begin(store, oops_date(output, output->pool),
                             facts->about.id, &file, output->pool);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = lpp_config_oops_bson(facts->conf)
             ? lpp_oops_write_bson(oops, lpp_store_sink(file), output->pool)
             : lpp_oops_write_rfc822(oops, lpp_store_sink(file),
                                     output->pool);
    return finish_file(file, rv, bytes);
}
