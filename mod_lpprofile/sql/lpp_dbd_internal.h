/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_dbd_internal: the driver structure, and definitions shared by the files
 * of lpp_dbd: _dbd (drivers), _dbd_calls and _dbd_rows (the functions that
 * replace the real ones), _dbd_connections (which connection, which prepared
 * statement).
 */
#ifndef LPP_DBD_INTERNAL_H
#define LPP_DBD_INTERNAL_H

#include <stdarg.h>

#include "sql/lpp_dbd.h"

/* As apr-util 1.3 to 1.6 lay it out; only pointers, no padding. */
struct apr_dbd_driver_t {
    const char *name;
    void (*init)(apr_pool_t *pool);
    void *(*native_handle)(apr_dbd_t *handle);
    apr_dbd_t *(*open)(apr_pool_t *pool, const char *params,
                       const char **error);
    apr_status_t (*check_conn)(apr_pool_t *pool, apr_dbd_t *handle);
    apr_status_t (*close)(apr_dbd_t *handle);
    int (*set_dbname)(apr_pool_t *pool, apr_dbd_t *handle, const char *name);
    int (*start_transaction)(apr_pool_t *pool, apr_dbd_t *handle,
                             apr_dbd_transaction_t **transaction);
    int (*end_transaction)(apr_dbd_transaction_t *transaction);
    int (*query)(apr_dbd_t *handle, int *rows, const char *text);
    int (*select)(apr_pool_t *pool, apr_dbd_t *handle,
                  apr_dbd_results_t **results, const char *text, int random);
    int (*num_cols)(apr_dbd_results_t *results);
    int (*num_tuples)(apr_dbd_results_t *results);
    int (*get_row)(apr_pool_t *pool, apr_dbd_results_t *results,
                   apr_dbd_row_t **row, int number);
    const char *(*get_entry)(const apr_dbd_row_t *row, int column);
    const char *(*error)(apr_dbd_t *handle, int number);
    const char *(*escape)(apr_pool_t *pool, const char *text,
                          apr_dbd_t *handle);
    int (*prepare)(apr_pool_t *pool, apr_dbd_t *handle, const char *text,
                   const char *label, int args, int values,
                   apr_dbd_type_e *types, apr_dbd_prepared_t **statement);
    int (*pvquery)(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                   apr_dbd_prepared_t *statement, va_list args);
    int (*pvselect)(apr_pool_t *pool, apr_dbd_t *handle,
                    apr_dbd_results_t **results,
                    apr_dbd_prepared_t *statement, int random, va_list args);
    int (*pquery)(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                  apr_dbd_prepared_t *statement, const char **args);
    int (*pselect)(apr_pool_t *pool, apr_dbd_t *handle,
                   apr_dbd_results_t **results, apr_dbd_prepared_t *statement,
                   int random, const char **args);
    const char *(*get_name)(const apr_dbd_results_t *results, int column);
    int (*transaction_mode_get)(apr_dbd_transaction_t *transaction);
    int (*transaction_mode_set)(apr_dbd_transaction_t *transaction, int mode);
    const char *pformat;
    int (*pvbquery)(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                    apr_dbd_prepared_t *statement, va_list args);
    int (*pvbselect)(apr_pool_t *pool, apr_dbd_t *handle,
                     apr_dbd_results_t **results,
                     apr_dbd_prepared_t *statement, int random, va_list args);
    int (*pbquery)(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                   apr_dbd_prepared_t *statement, const void **args);
    int (*pbselect)(apr_pool_t *pool, apr_dbd_t *handle,
                    apr_dbd_results_t **results,
                    apr_dbd_prepared_t *statement, int random,
                    const void **args);
    apr_status_t (*datum_get)(const apr_dbd_row_t *row, int column,
                              apr_dbd_type_e type, void *data);
};

typedef struct apr_dbd_driver_t lpp_dbd_driver_t;

/* One driver and its copy; assigned once, never freed. */
typedef struct lpp_dbd_slot_t {
    const lpp_dbd_driver_t *real;
    lpp_dbd_driver_t copy;
} lpp_dbd_slot_t;

extern lpp_dbd_slot_t lpp_dbd_slots[LPP_DBD_DRIVERS_MAX];

/* The real driver, if this process has only one; else NULL. */
extern _Atomic(const lpp_dbd_driver_t *) lpp_dbd_sole;

/* The real driver of a connection. Signal-safe: no. Thread: any. */
const lpp_dbd_driver_t *lpp_dbd_driver_of(apr_dbd_t *handle);

/*
 * Set call's driver and database, and text and label of a prepared statement
 * (or NULL). The strings are valid as long as the connection and the statement.
 * Signal-safe: no. Thread: that of the connection.
 */
void lpp_dbd_describe(apr_dbd_t *handle, const apr_dbd_prepared_t *statement,
                      lpp_dbd_call_t *call);

/*
 * Register a connection until pool is destroyed. Errors: APR_ENOMEM.
 * Signal-safe: no. Thread: any.
 */
apr_status_t lpp_dbd_add_connection(apr_dbd_t *handle,
                                    const lpp_dbd_driver_t *real,
                                    const char *database, apr_pool_t *pool);

/* Replace functions in a copy of the slot's real driver: those that get the
 * connection as an argument; those that do not.
 * Signal-safe: no. Thread: any, while slots_mutex is locked. */
void lpp_dbd_replace_calls(lpp_dbd_driver_t *copy);
void lpp_dbd_replace_of_slot(lpp_dbd_driver_t *copy, unsigned slot);

/* The watch of the calling thread, or NULL.
 * Signal-safe: no. Thread: any. */
lpp_dbd_watch_t *lpp_dbd_current(void);

/* The only cost of a call while no request is watched. */
static inline lpp_dbd_watch_t *lpp_dbd_watching(void)
{
    return atomic_load_explicit(&lpp_dbd_watched, memory_order_relaxed)
               ? lpp_dbd_current() : NULL;
}

/* Report the begin of a statement to the watch: text, or a prepared statement
 * (text NULL). Returns the watch's token.
 * Signal-safe: no. Thread: that of the connection. */
int lpp_dbd_begin(lpp_dbd_watch_t *watch, apr_dbd_t *handle, const char *name,
                  const char *text, const apr_dbd_prepared_t *statement);

/* Remember results whose rows will be fetched (or a transaction that has
 * begun). counted: their rows are counted when fetched.
 * Signal-safe: no. Thread: that of the connection. */
void lpp_dbd_watch_results(lpp_dbd_watch_t *watch, const void *results,
                           apr_dbd_t *handle, int token, int counted);

#endif
