/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpprofile_sql_internal: what the files of the SQL room share: _sql (the
 * log of a request, the thread it is on) and _sql_hooks (where statements come
 * from).
 */
#ifndef MOD_LPPROFILE_SQL_INTERNAL_H
#define MOD_LPPROFILE_SQL_INTERNAL_H

#include "sql/lpp_dbd.h"
#include "request/mod_lpprofile_sql.h"

/* The log of the request that this thread serves, as lpp_dbd takes it; or
 * NULL. */
lpp_dbd_watch_t *lpp_sql_watch_of_thread(void);

/* A copy of the name of a database that lives as long as the log of this
 * thread, which must have one. White space, which would end the name in an
 * OOPS, becomes "_". */
const char *lpp_sql_keep_name(const char *database);

/* Set these labels (const char *, in pconf; may be added to later). */
void lpp_sql_set_secret_labels(const apr_array_header_t *labels);

#endif
