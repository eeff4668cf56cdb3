/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpprofile.h: what other modules can tell mod_lpprofile.
 *
 * Optional functions: fetch them with APR_RETRIEVE_OPTIONAL_FN in an
 * optional_fn_retrieve hook; what you get is NULL where mod_lpprofile is not
 * loaded. All may be called on any request's thread at any time and do nothing
 * where that request is not profiled. Needs APR and nothing else; C and C++.
 */
#ifndef LPPROFILE_H
#define LPPROFILE_H

#include <apr_optional.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An SQL statement that did not go through mod_dbd (its statements are seen
 * anyway), on the thread that serves the request:
 *
 *     int statement = begin ? begin("mysql:dbhost/shop", text) : 0;
 *     ... send it, fetch its rows ...
 *     if (statement) {
 *         end(statement, rows, failed ? message : NULL);
 *     }
 *
 * begin: database names it in the timeline as SQL-<database>, of the form
 * "driver:host/name" or "driver", without white space and without a password;
 * what is before the colon says how quotes in text are read ("pgsql", "mysql",
 * "sqlite3", "oracle", others). text is the statement, UTF-8, of any length.
 * Both are copied. Returns a number for end, 0 where nothing is recorded.
 * end: on the same thread, before the request ends. rows: got or affected, -1
 * where not known. error: the database's message, copied, or NULL.
 */
APR_DECLARE_OPTIONAL_FN(int, lpprofile_statement_begin,
                        (const char *database, const char *text));
APR_DECLARE_OPTIONAL_FN(void, lpprofile_statement_end,
                        (int statement, long rows, const char *error));

#ifdef __cplusplus
}
#endif

#endif
