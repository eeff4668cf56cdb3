/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lpp_dbd_calls: the functions of a decorated driver. Each calls the real one
 * with the same arguments and returns its result, with or without a watch. All
 * have the same form, one for each kind of arguments. The functions that do not
 * get the connection as an argument are in lpp_dbd_rows.c.
 */
#include "sql/lpp_dbd_internal.h"

/* One call: the real driver, and the watch of the request. */
typedef struct sent_t {
    const lpp_dbd_driver_t *real;
    apr_dbd_t *handle;
    lpp_dbd_watch_t *watch; /* NULL: none; token is then unused */
    int token;
} sent_t;

static inline sent_t begin(apr_dbd_t *handle, const char *name,
                           const char *text,
                           const apr_dbd_prepared_t *statement)
{
    sent_t sent = {lpp_dbd_driver_of(handle), handle, lpp_dbd_watching(), -1};

    if (sent.watch) {
        sent.token = lpp_dbd_begin(sent.watch, handle, name, text, statement);
    }
    return sent;
}

static const char *error_of(const sent_t *sent, int rv)
{
    return rv ? sent->real->error(sent->handle, rv) : NULL;
}

/* Both return rv. */
static inline int end_query(const sent_t *sent, int rv, const int *rows)
{
    if (sent->watch) {
        sent->watch->end(sent->watch, sent->token, rv || !rows ? -1 : *rows,
                         error_of(sent, rv));
    }
    return rv;
}

/* End a statement whose rows are fetched later; their time and number are added
 * to it then. */
static inline int end_select(const sent_t *sent, int rv,
                             apr_dbd_results_t **results, int random)
{
    long rows = -1;

    if (!sent->watch) {
        return rv;
    }
    if (!rv && *results && random) {
        rows = sent->real->num_tuples(*results);
    }
    sent->watch->end(sent->watch, sent->token, rows, error_of(sent, rv));
    if (!rv && *results) {
        lpp_dbd_watch_results(sent->watch, *results, sent->handle,
                              sent->token, rows < 0);
    }
    return rv;
}

LPP_PASSES_ON static int query(apr_dbd_t *handle, int *rows, const char *text)
{
    sent_t sent = begin(handle, "query", text, NULL);

    return end_query(&sent, sent.real->query(handle, rows, text), rows);
}

LPP_PASSES_ON static int select_rows(apr_pool_t *pool, apr_dbd_t *handle,
                                     apr_dbd_results_t **results,
                                     const char *text, int random)
{
    sent_t sent = begin(handle, "select", text, NULL);
    int rv = sent.real->select(pool, handle, results, text, random);

    return end_select(&sent, rv, results, random);
}

/* Report a prepare with its label, which may mark the text as secret. */
static void begin_prepare(sent_t *sent, const char *text, const char *label)
{
    lpp_dbd_call_t call = {"prepare", text, label, NULL, NULL};

    lpp_dbd_describe(sent->handle, NULL, &call);
    sent->token = sent->watch->begin(sent->watch, &call);
}

LPP_PASSES_ON static int prepare(apr_pool_t *pool, apr_dbd_t *handle,
                                 const char *text, const char *label, int args,
                                 int values, apr_dbd_type_e *types,
                                 apr_dbd_prepared_t **statement)
{
    sent_t sent = {lpp_dbd_driver_of(handle), handle, lpp_dbd_watching(), -1};
    int rv;

    if (sent.watch && label) {
        begin_prepare(&sent, text, label);
    }
    rv = sent.real->prepare(pool, handle, text, label, args, values, types,
                            statement);
    /* Without a label, drivers do not send it yet: report it only if it
     * fails. */
    if (sent.watch && !label && rv) {
        begin_prepare(&sent, text, label);
    }
    if (label || rv) {
        (void)end_query(&sent, rv, NULL);
    }
    /* Store the text also without a watch: another request may execute the
     * statement, and this costs little compared with preparing it. */
    if (!rv) {
        lpp_dbd_remember(handle, *statement, label, text, pool);
    }
    return rv;
}

LPP_PASSES_ON static int pvquery(apr_pool_t *pool, apr_dbd_t *handle,
                                 int *rows, apr_dbd_prepared_t *statement,
                                 va_list args)
{
    sent_t sent = begin(handle, "pvquery", NULL, statement);
    int rv = sent.real->pvquery(pool, handle, rows, statement, args);

    return end_query(&sent, rv, rows);
}

LPP_PASSES_ON static int pvselect(apr_pool_t *pool, apr_dbd_t *handle,
                                  apr_dbd_results_t **results,
                                  apr_dbd_prepared_t *statement, int random,
                                  va_list args)
{
    sent_t sent = begin(handle, "pvselect", NULL, statement);
    int rv = sent.real->pvselect(pool, handle, results, statement, random,
                                 args);

    return end_select(&sent, rv, results, random);
}

LPP_PASSES_ON static int pquery(apr_pool_t *pool, apr_dbd_t *handle, int *rows,
                                apr_dbd_prepared_t *statement,
                                const char **args)
{
    sent_t sent = begin(handle, "pquery", NULL, statement);
    int rv = sent.real->pquery(pool, handle, rows, statement, args);

    return end_query(&sent, rv, rows);
}

LPP_PASSES_ON static int pselect_rows(apr_pool_t *pool, apr_dbd_t *handle,
                                      apr_dbd_results_t **results,
                                      apr_dbd_prepared_t *statement,
                                      int random, const char **args)
{
    sent_t sent = begin(handle, "pselect", NULL, statement);
    int rv = sent.real->pselect(pool, handle, results, statement, random,
                                args);

    return end_select(&sent, rv, results, random);
}

LPP_PASSES_ON static int pvbquery(apr_pool_t *pool, apr_dbd_t *handle,
                                  int *rows, apr_dbd_prepared_t *statement,
                                  va_list args)
{
    sent_t sent = begin(handle, "pvbquery", NULL, statement);
    int rv = sent.real->pvbquery(pool, handle, rows, statement, args);

    return end_query(&sent, rv, rows);
}

LPP_PASSES_ON static int pvbselect(apr_pool_t *pool, apr_dbd_t *handle,
                                   apr_dbd_results_t **results,
                                   apr_dbd_prepared_t *statement, int random,
                                   va_list args)
{
    sent_t sent = begin(handle, "pvbselect", NULL, statement);
    int rv = sent.real->pvbselect(pool, handle, results, statement, random,
                                  args);

    return end_select(&sent, rv, results, random);
}

LPP_PASSES_ON static int pbquery(apr_pool_t *pool, apr_dbd_t *handle,
                                 int *rows, apr_dbd_prepared_t *statement,
                                 const void **args)
{
    sent_t sent = begin(handle, "pbquery", NULL, statement);
    int rv = sent.real->pbquery(pool, handle, rows, statement, args);

    return end_query(&sent, rv, rows);
}

LPP_PASSES_ON static int pbselect(apr_pool_t *pool, apr_dbd_t *handle,
                                  apr_dbd_results_t **results,
                                  apr_dbd_prepared_t *statement, int random,
                                  const void **args)
{
    sent_t sent = begin(handle, "pbselect", NULL, statement);
    int rv = sent.real->pbselect(pool, handle, results, statement, random,
                                 args);

    return end_select(&sent, rv, results, random);
}

LPP_PASSES_ON static int start_transaction(apr_pool_t *pool, apr_dbd_t *handle,
                                           apr_dbd_transaction_t **transaction)
{
    sent_t sent = begin(handle, "transaction_start", "BEGIN", NULL);
    int rv = end_query(&sent, sent.real->start_transaction(pool, handle,
                                                           transaction), NULL);

    if (sent.watch && !rv && *transaction) {
        lpp_dbd_watch_results(sent.watch, *transaction, handle, sent.token,
                              0);
    }
    return rv;
}

/* A function that the driver does not have stays NULL. */
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
