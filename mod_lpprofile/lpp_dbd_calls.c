/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_dbd, the functions that stand in a decorated driver. Each calls the real
 * one with what it was given and gives back what that gave, whether anybody
 * watches or not. Those that are not told the connection are in
 * lpp_dbd_rows.c.
 */
#include "lpp_dbd_internal.h"

static void end_query(lpp_dbd_watch_t *watch, int token,
                      const lpp_dbd_driver_t *real, apr_dbd_t *handle,
                      int rv, const int *rows)
{
    watch->end(watch, token, rv || !rows ? -1 : *rows,
               rv ? real->error(handle, rv) : NULL);
}

/* Rows still come: their time and number belong to the statement. */
static void end_select(lpp_dbd_watch_t *watch, int token,
                       const lpp_dbd_driver_t *real, apr_dbd_t *handle,
                       int rv, apr_dbd_results_t **results, int random)
{
    long rows = -1;

    if (!rv && *results && random) {
        rows = real->num_tuples(*results);
    }
    watch->end(watch, token, rows, rv ? real->error(handle, rv) : NULL);
    if (!rv && *results) {
        lpp_dbd_watch_results(watch, *results, handle, token, rows < 0);
    }
}

static int query(apr_dbd_t *handle, int *rows, const char *text)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->query(handle, rows, text);
    }
    token = lpp_dbd_begin(watch, handle, "query", text, NULL);
    rv = real->query(handle, rows, text);
    end_query(watch, token, real, handle, rv, rows);
    return rv;
}

static int select_rows(apr_pool_t *pool, apr_dbd_t *handle,
                       apr_dbd_results_t **results, const char *text,
                       int random)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->select(pool, handle, results, text, random);
    }
    token = lpp_dbd_begin(watch, handle, "select", text, NULL);
    rv = real->select(pool, handle, results, text, random);
    end_select(watch, token, real, handle, rv, results, random);
    return rv;
}

/* With the label, which may say that the text is secret. */
static int begin_prepare(lpp_dbd_watch_t *watch, apr_dbd_t *handle,
                         const char *text, const char *label)
{
    lpp_dbd_call_t call = {"prepare", text, label, NULL, NULL};

    lpp_dbd_describe(handle, NULL, &call);
    return watch->begin(watch, &call);
}

static int prepare(apr_pool_t *pool, apr_dbd_t *handle, const char *text,
                   const char *label, int args, int values,
                   apr_dbd_type_e *types, apr_dbd_prepared_t **statement)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token = -1;

    /* Without a label drivers send nothing yet: told of only if it fails. */
    if (watch && label) {
        token = begin_prepare(watch, handle, text, label);
    }
    rv = real->prepare(pool, handle, text, label, args, values, types,
                       statement);
    if (watch && !label && rv) {
        token = begin_prepare(watch, handle, text, label);
    }
    if (watch && (label || rv)) {
        watch->end(watch, token, -1, rv ? real->error(handle, rv) : NULL);
    }
    /* Always: who prepares and who executes may be different requests. */
    if (!rv) {
        lpp_dbd_remember(handle, *statement, label, text, pool);
    }
    return rv;
}

static int pvquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                   apr_dbd_prepared_t *statement, va_list args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pvquery(pool, handle, rows, statement, args);
    }
    token = lpp_dbd_begin(watch, handle, "pvquery", NULL, statement);
    rv = real->pvquery(pool, handle, rows, statement, args);
    end_query(watch, token, real, handle, rv, rows);
    return rv;
}

static int pvselect(apr_pool_t *pool, apr_dbd_t *handle,
                    apr_dbd_results_t **results,
                    apr_dbd_prepared_t *statement, int random, va_list args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pvselect(pool, handle, results, statement, random, args);
    }
    token = lpp_dbd_begin(watch, handle, "pvselect", NULL, statement);
    rv = real->pvselect(pool, handle, results, statement, random, args);
    end_select(watch, token, real, handle, rv, results, random);
    return rv;
}

static int pquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                  apr_dbd_prepared_t *statement, const char **args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pquery(pool, handle, rows, statement, args);
    }
    token = lpp_dbd_begin(watch, handle, "pquery", NULL, statement);
    rv = real->pquery(pool, handle, rows, statement, args);
    end_query(watch, token, real, handle, rv, rows);
    return rv;
}

static int pselect_rows(apr_pool_t *pool, apr_dbd_t *handle,
                   apr_dbd_results_t **results, apr_dbd_prepared_t *statement,
                   int random, const char **args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pselect(pool, handle, results, statement, random, args);
    }
    token = lpp_dbd_begin(watch, handle, "pselect", NULL, statement);
    rv = real->pselect(pool, handle, results, statement, random, args);
    end_select(watch, token, real, handle, rv, results, random);
    return rv;
}

static int pvbquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                    apr_dbd_prepared_t *statement, va_list args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pvbquery(pool, handle, rows, statement, args);
    }
    token = lpp_dbd_begin(watch, handle, "pvbquery", NULL, statement);
    rv = real->pvbquery(pool, handle, rows, statement, args);
    end_query(watch, token, real, handle, rv, rows);
    return rv;
}

static int pvbselect(apr_pool_t *pool, apr_dbd_t *handle,
                     apr_dbd_results_t **results,
                     apr_dbd_prepared_t *statement, int random, va_list args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pvbselect(pool, handle, results, statement, random,
                               args);
    }
    token = lpp_dbd_begin(watch, handle, "pvbselect", NULL, statement);
    rv = real->pvbselect(pool, handle, results, statement, random, args);
    end_select(watch, token, real, handle, rv, results, random);
    return rv;
}

static int pbquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                   apr_dbd_prepared_t *statement, const void **args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pbquery(pool, handle, rows, statement, args);
    }
    token = lpp_dbd_begin(watch, handle, "pbquery", NULL, statement);
    rv = real->pbquery(pool, handle, rows, statement, args);
    end_query(watch, token, real, handle, rv, rows);
    return rv;
}

static int pbselect(apr_pool_t *pool, apr_dbd_t *handle,
                    apr_dbd_results_t **results,
                    apr_dbd_prepared_t *statement, int random,
                    const void **args)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->pbselect(pool, handle, results, statement, random, args);
    }
    token = lpp_dbd_begin(watch, handle, "pbselect", NULL, statement);
    rv = real->pbselect(pool, handle, results, statement, random, args);
    end_select(watch, token, real, handle, rv, results, random);
    return rv;
}

static int start_transaction(apr_pool_t *pool, apr_dbd_t *handle,
                             apr_dbd_transaction_t **transaction)
{
    const lpp_dbd_driver_t *real = lpp_dbd_driver_of(handle);
    lpp_dbd_watch_t *watch = lpp_dbd_watching();
    int rv, token;

    if (!watch) {
        return real->start_transaction(pool, handle, transaction);
    }
    token = lpp_dbd_begin(watch, handle, "transaction_start", "BEGIN", NULL);
    rv = real->start_transaction(pool, handle, transaction);
    watch->end(watch, token, -1, rv ? real->error(handle, rv) : NULL);
    if (!rv && *transaction) {
        lpp_dbd_watch_results(watch, *transaction, handle, token, 0);
    }
    return rv;
}

/* What the driver cannot do stays NULL. */
#define REPLACE(member, function) \
    (copy->member = copy->member ? (function) : NULL)

void lpp_dbd_replace_calls(lpp_dbd_driver_t *copy)
{
    copy->query = query;
    copy->select = select_rows;
    copy->start_transaction = start_transaction;
    REPLACE(prepare, prepare);
    REPLACE(pvquery, pvquery);
    REPLACE(pvselect, pvselect);
    REPLACE(pquery, pquery);
    REPLACE(pselect, pselect_rows);
    REPLACE(pvbquery, pvbquery);
    REPLACE(pvbselect, pvbselect);
    REPLACE(pbquery, pbquery);
    REPLACE(pbselect, pbselect);
}
