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

/* A copy of a database's name that lives as long as the log of this thread,
 * which there is; white space in it, which would end it in an OOPS, as "_". */
const char *lpp_sql_keep_name(const char *database);

/* Whether statements of that label hold session data. */
int lpp_sql_is_secret(const char *label);

/* Those labels (const char *, in pconf, may still be added to) from now on. */
void lpp_sql_set_secret_labels(const apr_array_header_t *labels);

#endif
