/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_output: what is written of a profile: its files, the saved form
 * for the report pages, its OOPS; their names and directories. Used for a
 * request that was served, and for one whose process died. Does not use the
 * request.
 */
#ifndef MOD_LPPROFILE_OUTPUT_INTERNAL_H
#define MOD_LPPROFILE_OUTPUT_INTERNAL_H

#include "base/lpp_formats.h"
#include "request/mod_lpprofile_facts.h"
#include "saved/lpp_saved.h"

typedef struct lpp_output_t {
    apr_pool_t *pool;         /* for temporary data while writing */
    const lpp_facts_t *facts; /* borrowed; with a page id */
    apr_uint32_t formats;     /* LPP_FORMAT_BIT of the files to write */
    const char *stem;         /* of their names: lpp_output_name; or NULL */
    lpp_saved_t saved;        /* oops (NULL: there is none), and what the saved
                                 form holds besides view and facts: outcome,
                                 time waited, statements, memory, regions */
} lpp_output_t;

/* Initialise with facts and pool (both borrowed); all else is empty.
 * Signal-safe: no. Thread: any. */
void lpp_output_begin(lpp_output_t *output, const lpp_facts_t *facts,
                      apr_pool_t *pool);

/* Make the stem from the current facts. Signal-safe: no. Thread: any. */
void lpp_output_name(lpp_output_t *output);

/* Absolute path of the file of a format, and of the OOPS. The first needs the
 * stem.
 * Signal-safe: no. Thread: any. */
const char *lpp_output_file_path(const lpp_output_t *output,
                                 lpp_format_e format, apr_pool_t *pool);
const char *lpp_output_oops_path(const lpp_output_t *output,
                                 apr_pool_t *pool);

/*
 * files: write the files of all formats and then the saved form, with the
 * profile view; oops: write the OOPS. Their sizes are added to *bytes. Errors:
 * those of the store (for files: of the last one that failed); APR_ENOMEM if
 * there is no OOPS.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_output_write_files(const lpp_output_t *output,
                                                   const lpp_view_t *view,
                                                   apr_off_t *bytes);
LPP_MUST_CHECK apr_status_t lpp_output_write_oops(const lpp_output_t *output,
                                                  apr_off_t *bytes);

#endif
