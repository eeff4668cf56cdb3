/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_dbd_rows: the functions of a decorated driver that do not get the
 * connection as an argument (rows, transactions, open), one for each slot; and
 * the results of a watch whose rows are still to be fetched.
 */
#include <string.h>

#include "base/lpp_clock.h"
#include "sql/lpp_dbd_internal.h"

static lpp_dbd_current_fn *current_of_thread;

void lpp_dbd_set_current(lpp_dbd_current_fn *function)
{
    current_of_thread = function;
}

lpp_dbd_watch_t *lpp_dbd_current(void)
{
    return current_of_thread();
}

int lpp_dbd_begin(lpp_dbd_watch_t *watch, apr_dbd_t *handle, const char *name,
                  const char *text, const apr_dbd_prepared_t *statement)
{
    lpp_dbd_call_t call = {name, text, NULL, NULL, NULL};

    lpp_dbd_describe(handle, statement, &call);
    if (!call.text) {
        call.text = "[a prepared statement, its text is not known]";
    }
    return watch->begin(watch, &call);
}

/* The index of results (or a transaction) in the watch, or LPP_DBD_OPEN_MAX. */
static unsigned find_open(const lpp_dbd_watch_t *watch, const void *results)
{
    unsigned at = 0;

    while (at < LPP_DBD_OPEN_MAX && watch->open[at].results != results) {
        at++;
    }
    return at;
}

void lpp_dbd_watch_results(lpp_dbd_watch_t *watch, const void *results,
                           apr_dbd_t *handle, int token, int counted)
{
    unsigned at = find_open(watch, results);

    /* Results at the same address replace those of an earlier statement. */
    if (at == LPP_DBD_OPEN_MAX) {
        at = watch->next_open++ % LPP_DBD_OPEN_MAX;
    }
    watch->open[at].results = results;
    watch->open[at].handle = handle;
    watch->open[at].token = token;
    watch->open[at].counted = counted;
    watch->open[at].got = 0;
}

LPP_PASSES_ON static int end_transaction(const lpp_dbd_driver_t *real,
                                         apr_dbd_transaction_t *transaction)
{
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    lpp_dbd_call_t call = {"transaction_end", "COMMIT", NULL, real->name,
                           real->name};
    unsigned at;
    int rv, token;

    if (!watch || !transaction) {
        return real->end_transaction(transaction);
    }
    at = find_open(watch, transaction);
    if (at < LPP_DBD_OPEN_MAX) {
        lpp_dbd_describe(watch->open[at].handle, NULL, &call);
        watch->open[at].results = NULL;
    }
    if (real->transaction_mode_get
        && (real->transaction_mode_get(transaction)
            & APR_DBD_TRANSACTION_ROLLBACK)) {
        call.text = "ROLLBACK";
    }
    token = watch->begin(watch, &call);
    rv = real->end_transaction(transaction);
    watch->end(watch, token, -1, rv ? "the transaction did not end well"
                                    : NULL);
    return rv;
}

/* The error of a statement that failed while its rows were fetched:
 * PostgreSQL's driver does not return it. */
static const char *late_error(const lpp_dbd_driver_t *real, apr_dbd_t *handle)
{
    const char *error;

    if (strcmp(real->name, "pgsql")) {
        return NULL;
    }
    error = real->error(handle, 0);
    return error && *error ? error : NULL;
}

LPP_PASSES_ON static int get_row(const lpp_dbd_driver_t *real,
                                 apr_pool_t *pool, apr_dbd_results_t *results,
                                 apr_dbd_row_t **row, int number)
{
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    apr_uint64_t start;
    long rows = -1;
    unsigned at;
    int rv;

    at = watch ? find_open(watch, results) : LPP_DBD_OPEN_MAX;
    if (at == LPP_DBD_OPEN_MAX) {
        return real->get_row(pool, results, row, number);
    }
    start = (apr_uint64_t)lpp_monotonic_us();
    rv = real->get_row(pool, results, row, number);
    start = (apr_uint64_t)lpp_monotonic_us() - start;
    if (watch->open[at].counted) {
        rows = rv == 0;
        watch->open[at].got += rows;
    }
    watch->fetched(watch, watch->open[at].token, start, rows,
                   rows == 0 && !watch->open[at].got
                       ? late_error(real, watch->open[at].handle) : NULL);
    return rv;
}

LPP_PASSES_ON static apr_dbd_t *open_connection(const lpp_dbd_driver_t *real,
                                                apr_pool_t *pool,
                                                const char *params,
                                                const char **error)
{
    apr_dbd_t *handle = real->open(pool, params, error);

    /* An unregistered connection would be used with the wrong driver. */
    if (handle && lpp_dbd_add_connection(handle, real, real->name, pool)
                      != APR_SUCCESS) {
        real->close(handle);
        handle = NULL;
    }
    return handle;
}

static int end_transaction_0(apr_dbd_transaction_t *transaction)
{
    return end_transaction(lpp_dbd_slots[0].real, transaction);
}

static int end_transaction_1(apr_dbd_transaction_t *transaction)
{
    return end_transaction(lpp_dbd_slots[1].real, transaction);
}

static int end_transaction_2(apr_dbd_transaction_t *transaction)
{
    return end_transaction(lpp_dbd_slots[2].real, transaction);
}

static int end_transaction_3(apr_dbd_transaction_t *transaction)
{
    return end_transaction(lpp_dbd_slots[3].real, transaction);
}

static int get_row_0(apr_pool_t *pool, apr_dbd_results_t *results,
                     apr_dbd_row_t **row, int number)
{
    return get_row(lpp_dbd_slots[0].real, pool, results, row, number);
}

static int get_row_1(apr_pool_t *pool, apr_dbd_results_t *results,
                     apr_dbd_row_t **row, int number)
{
    return get_row(lpp_dbd_slots[1].real, pool, results, row, number);
}

static int get_row_2(apr_pool_t *pool, apr_dbd_results_t *results,
                     apr_dbd_row_t **row, int number)
{
    return get_row(lpp_dbd_slots[2].real, pool, results, row, number);
}

static int get_row_3(apr_pool_t *pool, apr_dbd_results_t *results,
                     apr_dbd_row_t **row, int number)
{
    return get_row(lpp_dbd_slots[3].real, pool, results, row, number);
}

static apr_dbd_t *open_0(apr_pool_t *pool, const char *params,
                         const char **error)
{
    return open_connection(lpp_dbd_slots[0].real, pool, params, error);
}

static apr_dbd_t *open_1(apr_pool_t *pool, const char *params,
                         const char **error)
{
    return open_connection(lpp_dbd_slots[1].real, pool, params, error);
}

static apr_dbd_t *open_2(apr_pool_t *pool, const char *params,
                         const char **error)
{
    return open_connection(lpp_dbd_slots[2].real, pool, params, error);
}

static apr_dbd_t *open_3(apr_pool_t *pool, const char *params,
                         const char **error)
{
    return open_connection(lpp_dbd_slots[3].real, pool, params, error);
}

void lpp_dbd_replace_of_slot(lpp_dbd_driver_t *copy, unsigned slot)
{
    static const struct {
        int (*end_transaction)(apr_dbd_transaction_t *transaction);
        int (*get_row)(apr_pool_t *pool, apr_dbd_results_t *results,
                       apr_dbd_row_t **row, int number);
        apr_dbd_t *(*open)(apr_pool_t *pool, const char *params,
                           const char **error);
    } of_slot[LPP_DBD_DRIVERS_MAX] = {
        {end_transaction_0, get_row_0, open_0},
        {end_transaction_1, get_row_1, open_1},
        {end_transaction_2, get_row_2, open_2},
        {end_transaction_3, get_row_3, open_3},
    };

    copy->end_transaction = of_slot[slot].end_transaction;
    copy->get_row = of_slot[slot].get_row;
    copy->open = of_slot[slot].open;
}
