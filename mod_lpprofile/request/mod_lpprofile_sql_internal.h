/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_sql_internal: shared by _sql (the log of a request, its thread)
 * and _sql_hooks (the sources of statements).
 */
#ifndef MOD_LPPROFILE_SQL_INTERNAL_H
#define MOD_LPPROFILE_SQL_INTERNAL_H

#include "sql/lpp_dbd.h"
#include "request/mod_lpprofile_sql.h"

/* The log of the request that this thread serves, for lpp_dbd; or NULL.
 * Signal-safe: no. Thread: request. */
lpp_dbd_watch_t *lpp_sql_watch_of_thread(void);

/* Copy the name of a database; the copy lives as long as the log of this
 * thread, which must have one. White space, which would end the name in an
 * OOPS, becomes "_".
 * Signal-safe: no. Thread: request. */
const char *lpp_sql_keep_name(const char *database);

/* Set these labels (const char *, in pconf; elements may be added later).
 * Signal-safe: no. Thread: parent at start. */
void lpp_sql_set_secret_labels(const apr_array_header_t *labels);

#endif
