/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqltext: removes literals from SQL text; makes short names of databases.
 *
 * Statements have personal data in their literals, which are replaced by "?".
 * Where a text can be read in two ways, the one that masks more is used. Works
 * on text only, and accepts any bytes.
 */
#ifndef LPP_SQLTEXT_H
#define LPP_SQLTEXT_H

#include "base/lpp_base.h"

/* How a database reads quotes and comments. */
typedef enum {
    LPP_SQLTEXT_OTHER,  /* not known: "names" may be strings, too */
    LPP_SQLTEXT_ANSI,   /* PostgreSQL, Oracle: "names" are names */
    LPP_SQLTEXT_MYSQL,  /* backslashes in strings, # comments, `names` */
    LPP_SQLTEXT_SQLITE  /* no backslashes, `names`, [names] */
} lpp_sqltext_flavour_e;

/* The flavour of an apr_dbd driver; its name may be NULL.
 * Signal-safe: yes. Thread: any. */
lpp_sqltext_flavour_e lpp_sqltext_flavour(const char *driver);

/*
 * The statement with each literal (strings, numbers) replaced by "?", without
 * comments, white space collapsed: statements that differ only in literals give
 * the same text. The text of an unfinished literal (in a statement that was
 * cut) is removed, too. statement is not NULL. In pool; "" where memory is
 * short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_sqltext_mask(const char *statement,
                             lpp_sqltext_flavour_e flavour, apr_pool_t *pool);

/*
 * A database's error message without data: its first line, with texts in quotes
 * and numbers replaced by "?". In pool; "" where memory is short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_sqltext_mask_error(const char *message, apr_pool_t *pool);

/*
 * A short name of a database to show: "pgsql:localhost/shop",
 * "sqlite3:users.db", or the driver alone. Of the parameters of a connection
 * (DBDParams, may be NULL) it has only the host and the database. No white
 * space in it. In pool.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_sqltext_database(const char *driver, const char *params,
                                 apr_pool_t *pool);

#endif
