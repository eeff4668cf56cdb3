/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_sql: the SQL statements of a profiled request.
 *
 * Sees the statements that any module sends through mod_dbd, by a decorated
 * driver on each connection of a child (lpp_dbd), and those that other modules
 * report through lpprofile.h. A statement belongs to the request that its
 * thread serves at that moment. Without mod_dbd this has no cost.
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
    int traced;               /* sqltrace: record stacks */
    const lpp_sqlfilter_t *filter; /* for which statements; NULL: for all */
} lpp_sql_options_t;

/*
 * Start to record the statements of the calling thread, into a log in pool.
 * Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: request.
 */
LPP_MUST_CHECK apr_status_t lpp_sql_start(lpp_sql_t **sql,
                                          const lpp_sql_options_t *options,
                                          apr_pool_t *pool);

/* leave: the calling thread does not serve the profiled request any more.
 * enter: the calling thread, which may be another one, serves it again.
 * Signal-safe: no. Thread: request. */
void lpp_sql_leave_thread(void);
void lpp_sql_enter_thread(const lpp_sql_t *sql);

/* Stop recording; the log stays. Idempotent.
 * Signal-safe: no. Thread: any, while no statement of the request runs. */
void lpp_sql_stop(lpp_sql_t *sql);

const lpp_sqllog_t *lpp_sql_log(const lpp_sql_t *sql);

/*
 * Add the statements to a timeline, as SQL-<database>. literals 0: literals,
 * which may be personal data, are replaced by "?".
 * Signal-safe: no. Thread: that of the request, or any after stop.
 */
void lpp_sql_add_to(const lpp_sql_t *sql, lpp_oops_t *oops, int literals);

/* "52/103ms": number of statements so far and their time. In pool.
 * Signal-safe: no. Thread: that of the request, or any after stop. */
const char *lpp_sql_figures(const lpp_sql_t *sql, apr_pool_t *pool);

/* A metric of Server-Timing, in pool; NULL: there was no statement.
 * Signal-safe: no. Thread: that of the request, or any after stop. */
const char *lpp_sql_server_timing(const lpp_sql_t *sql, apr_pool_t *pool);

/* Register the hooks; for lpp_process_register_if_wanted.
 * Signal-safe: no. Thread: parent at start. */
void lpp_sql_register_hooks(apr_pool_t *pool);

/* Register the optional functions of lpprofile.h for statements, before other
 * modules look them up.
 * Signal-safe: no. Thread: parent at start. */
void lpp_sql_register_functions(void);

#endif
