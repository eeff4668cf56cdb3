/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_sql: the SQL statements of a profiled request.
 *
 * Sees what goes through mod_dbd, whoever the caller is, by a decorated driver
 * on each connection of a child (lpp_dbd); and what other modules tell through
 * lpprofile.h. A statement belongs to the request that the thread serves at
 * that moment. Where mod_dbd is not loaded, there is nothing to see and this
 * costs nothing.
 */
#ifndef MOD_LPPROFILE_SQL_H
#define MOD_LPPROFILE_SQL_H

#include <httpd.h>

#include "oops/lpp_oops.h"
#include "sampling/lpp_session.h"
#include "sql/lpp_sqllog.h"

typedef struct lpp_sql_t lpp_sql_t;

typedef struct lpp_sql_options_t {
    apr_time_t begin_us;      /* CLOCK_MONOTONIC start of the request */
    lpp_session_t *session;   /* takes the stacks; not read after stop */
    int traced;               /* sqltrace: stacks are wanted */
    const lpp_sqlfilter_t *filter; /* for which statements; NULL: all */
} lpp_sql_options_t;

/*
 * Start to record what the calling thread sends, into a log in pool.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: request.
 */
LPP_MUST_CHECK apr_status_t lpp_sql_start(lpp_sql_t **sql,
                                          const lpp_sql_options_t *options,
                                          apr_pool_t *pool);

/* The calling thread serves no profiled request any more; it does again (or
 * another one does). Thread: request. */
void lpp_sql_leave_thread(void);
void lpp_sql_enter_thread(const lpp_sql_t *sql);

/* Record no more; the log stays. Idempotent. Thread: any, while no statement
 * of the request runs. */
void lpp_sql_stop(lpp_sql_t *sql);

const lpp_sqllog_t *lpp_sql_log(const lpp_sql_t *sql);

/*
 * Add the statements to a timeline, as SQL-<database>. literals 0: with "?" in
 * place of what they hold of people's data.
 * Signal-safe: no. Thread: that of the request, or any after stop.
 */
void lpp_sql_add_to(const lpp_sql_t *sql, lpp_oops_t *oops, int literals);

/* "52/103ms": statements so far, and their time. In pool. */
const char *lpp_sql_figures(const lpp_sql_t *sql, apr_pool_t *pool);

/* An entry of Server-Timing, or NULL where there was no statement. */
const char *lpp_sql_server_timing(const lpp_sql_t *sql, apr_pool_t *pool);

/* The hooks. To be called by lpp_process_register_if_wanted. */
void lpp_sql_register_hooks(apr_pool_t *pool);

/* The optional functions of lpprofile.h for statements; at any time before
 * modules look for them. */
void lpp_sql_register_functions(void);

#endif
