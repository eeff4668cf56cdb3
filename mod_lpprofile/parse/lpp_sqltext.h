/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_sqltext: SQL as text: literals taken out, names of databases.
 *
 * Statements hold people's data in their literals. What leaves here has "?" in
 * their place; where a text can be read in two ways, the one that hides more
 * is taken. Pure text, knows no database; never fails on any bytes.
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

/* That of an apr_dbd driver; name may be NULL. Signal-safe: yes. */
lpp_sqltext_flavour_e lpp_sqltext_flavour(const char *driver);

/*
 * The statement with each literal (strings, numbers) as "?", without comments,
 * white space collapsed: two statements that differ in literals alone become
 * the same text. What an unfinished literal (of a text that was cut) held is
 * hidden as well. In pool; "" where memory is short.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_sqltext_mask(const char *statement,
                             lpp_sqltext_flavour_e flavour, apr_pool_t *pool);

/*
 * A database's error message as far as it tells nothing of the data: the first
 * line, with what is in quotes and numbers as "?".
 * Signal-safe: no. Thread: any.
 */
const char *lpp_sqltext_mask_error(const char *message, apr_pool_t *pool);

/*
 * A short name of a database for people: "pgsql:localhost/shop",
 * "sqlite3:users.db", or the driver alone; from the parameters of a connection
 * (DBDParams, may be NULL), of which it holds host and database and nothing
 * else. No white space in it.
 * Signal-safe: no. Thread: any.
 */
const char *lpp_sqltext_database(const char *driver, const char *params,
                                 apr_pool_t *pool);

#endif
