/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_output: what is written of a profile: its files, the saved form
 * for the report pages, its OOPS; how these are named and where they lie. Made
 * for a request that was served, and for one whose process died. Knows no
 * request.
 */
#ifndef MOD_LPPROFILE_OUTPUT_INTERNAL_H
#define MOD_LPPROFILE_OUTPUT_INTERNAL_H

#include "base/lpp_formats.h"
#include "request/mod_lpprofile_facts.h"
#include "saved/lpp_saved.h"

typedef struct lpp_output_t {
    apr_pool_t *pool;         /* for what is made while it is written */
    const lpp_facts_t *facts; /* borrowed; with a page id */
    apr_uint32_t formats;     /* LPP_FORMAT_BIT of the files to write */
    const char *stem;         /* of their names: lpp_output_name; or NULL */
    lpp_saved_t saved;        /* oops (NULL: there is none), and what the saved
                                 form holds besides view and facts: outcome,
                                 time waited, statements, memory, regions */
} lpp_output_t;

/* Begin with nothing but facts and pool. Signal-safe: no. Thread: any. */
void lpp_output_begin(lpp_output_t *output, const lpp_facts_t *facts,
                      apr_pool_t *pool);

/* Make the stem, of the facts as they are now. Signal-safe: no. Thread: any. */
void lpp_output_name(lpp_output_t *output);

/* Absolute path of the file of a format, and of the OOPS. The first needs the
 * stem. Signal-safe: no. Thread: any. */
const char *lpp_output_file_path(const lpp_output_t *output,
                                 lpp_format_e format, apr_pool_t *pool);
const char *lpp_output_oops_path(const lpp_output_t *output,
                                 apr_pool_t *pool);

/*
 * Write the files of all formats and then the saved form, with the profile
 * view; write the OOPS. *bytes grows by their sizes. Errors: those of the
 * store, of the files the last one; APR_ENOMEM where there is no OOPS.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_output_write_files(const lpp_output_t *output,
                                                   const lpp_view_t *view,
                                                   apr_off_t *bytes);
LPP_MUST_CHECK apr_status_t lpp_output_write_oops(const lpp_output_t *output,
                                                  apr_off_t *bytes);

#endif
