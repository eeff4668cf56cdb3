/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_oops: one OOPS report as a record, the rules for what is hidden in it,
 * and its two encodings.
 *
 * Keys and layout are those of python-oops and oops-datedir-repo. The functions
 * below mask secrets when a record is filled; encoders mask nothing.
 */
#ifndef LPP_OOPS_H
#define LPP_OOPS_H

#include <apr_tables.h>

#include "base/lpp_buf.h"

#define LPP_OOPS_HIDDEN "<hidden>"

/* A secret by its value. */
typedef struct lpp_oops_value_t {
    const char *text;
    apr_size_t len;
    int in_text; /* 1: hidden also as a word within a text */
} lpp_oops_value_t;

/* Additional things to hide, besides the names that lpp_oops_is_sensitive
 * knows. The arrays live in the pools of their creators. */
typedef struct lpp_oops_hidden_t {
    const apr_array_header_t *names; /* of LPOopsHide (char *), or NULL */
    apr_array_header_t *values;      /* lpp_oops_value_t, or NULL */
} lpp_oops_hidden_t;

/*
 * Add the values of a request's Cookie or Authorization header (NULL: it has
 * none) to hidden: the whole header; of Authorization what follows the scheme;
 * of cookies each value of 8 bytes or more that has a digit in it. Copied into
 * pool; 64 values in all.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_oops_hide_cookies(lpp_oops_hidden_t *hidden, const char *header,
                           apr_pool_t *pool);
void lpp_oops_hide_authorization(lpp_oops_hidden_t *hidden, const char *header,
                                 apr_pool_t *pool);

/* One row of the timeline. Times are milliseconds since the request began. */
typedef struct lpp_oops_event_t {
    double start_ms;
    double end_ms;
    const char *category; /* "phase", "SQL-main", "inline", "gate" ... */
    const char *detail;
    double cpu_ms;        /* of its time; < 0: not known */
    double ready_ms;      /* without a processor; < 0: not known */
} lpp_oops_event_t;

/* A report. No string is NULL unless noted. */
typedef struct lpp_oops_t {
    const char *id;
    const char *type; /* "ProfilingOops", "HTTPBadGateway", "SIGSEGV" */
    const char *value;
    apr_time_t time; /* start of the request, UTC when written */
    const char *reporter;
    const char *topic;       /* page id */
    const char *branch_nick; /* module name */
    const char *revno;       /* module version */
    const char *tb_text;     /* begins with "Traceback" or is "" */
    const char *username;    /* NULL: not logged in */
    const char *url;         /* masked */
    double duration_s;
    int informational;
    apr_table_t *req_vars;         /* name to value, masked */
    apr_array_header_t *timeline;  /* lpp_oops_event_t, by start */
    apr_uint32_t timeline_dropped; /* past LPP_TIMELINE_MAX */
    apr_pool_t *pool;
} lpp_oops_t;

/*
 * Create an empty record in pool: strings are "", tables empty, informational
 * 1, branch_nick and revno those of the module. id is borrowed, and so are the
 * other strings that the caller sets.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_oops_create(lpp_oops_t **oops, const char *id,
                                            apr_pool_t *pool);

/*
 * Add a timeline row; strings are copied. Rows past LPP_TIMELINE_MAX are
 * counted. add_event: its CPU and ready time are not known. The record's own
 * formats do not have them.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_oops_add_event(lpp_oops_t *oops, double start_ms, double end_ms,
                        const char *category, const char *detail);
void lpp_oops_add_row(lpp_oops_t *oops, const lpp_oops_event_t *row);

/*
 * Add a request variable (copied), hidden or masked according to its name and
 * value. value and hidden may be NULL; hidden also in the functions below.
 * Values are cut at LPP_VALUE_MAX_BYTES.
 * Signal-safe: no. Thread: one at a time.
 */
void lpp_oops_add_var(lpp_oops_t *oops, const char *name, const char *value,
                      const lpp_oops_hidden_t *hidden);

/*
 * 1 if a variable or parameter with that name (decoded) must be hidden, by the
 * lists in lpp_oops_names.c or by hidden's names, which are whole names
 * compared in the same normal form.
 * Signal-safe: yes. Thread: any.
 */
int lpp_oops_is_sensitive(const char *name, const lpp_oops_hidden_t *hidden);

/*
 * Mask the secrets in a text: a URL, a request line, a query string, or running
 * text with URLs in it. Masked are parameters of queries and paths and members
 * of JSON with a sensitive name ("code" in queries, too), user info, and
 * hidden's values; in running text also the rest of a line after "Cookie:", a
 * name of LPOopsHide, or another header with a sensitive name. mask_query takes
 * only a query string, in which a value ends at "&". Percent escapes are
 * decoded for this, nested ones too. Masking a text twice is harmless. Returns
 * text itself if nothing is masked, else a string in pool; "<hidden>" if memory
 * is short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_oops_mask_url(const char *text,
                              const lpp_oops_hidden_t *hidden,
                              apr_pool_t *pool);
const char *lpp_oops_mask_query(const char *query,
                                const lpp_oops_hidden_t *hidden,
                                apr_pool_t *pool);

/*
 * Encode oops to sink, in the format of oops-datedir-repo's serializer_rfc822,
 * or of its bson serializer. Errors: those of the sink, APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
LPP_MUST_CHECK apr_status_t lpp_oops_write_rfc822(const lpp_oops_t *oops,
                                                  const lpp_sink_t *sink,
                                                  apr_pool_t *scratch);
LPP_MUST_CHECK apr_status_t lpp_oops_write_bson(const lpp_oops_t *oops,
                                                const lpp_sink_t *sink,
                                                apr_pool_t *scratch);

#endif
